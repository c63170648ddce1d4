"""Who may put another committee in the place of a lost one: k of m keys, and what they sign (docs/WIRE.md §7)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple

from edge.ids import Parent
from edge.limits import COMMITTEE_MAX, RECOVERY_FILE_BYTES_MAX, RECOVERY_KEYS_MAX, RECOVERY_LISTS_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import is_index, is_number, is_scope
from edge.wire.refusal import Refusal
from edge.wire.suite import AUTHORITY_SUITE, SUITES, Signer, sig_structure, verify

PURPOSE_RECOVERY = b"synedge/1/recovery"
REPLACES, ENTRUSTS, FORMAT = 1, 2, 1
"""What a statement is about: a committee in the place of a lost one, or a list of keys after another; a signature's."""

Proof = tuple[tuple[bytes, bytes], ...]
"""(public key, signature) of each who signed, ascending by the key's SHA-256."""


class Cut(NamedTuple):
    """What a committee has below its votes in the place of a quorum of the one before."""

    ends: int
    """The epoch of the committee that is lost."""
    heads: tuple[Parent, ...]
    """Of its members' lines, at most one each, ascending by author: what is not below is counted by nobody."""
    proof: Proof


class Keys(NamedTuple):
    """Who may recover since a version of the roster."""

    since: int
    needed: int
    """k: so many of them sign."""
    digests: tuple[bytes, ...]
    """SHA-256 of each public key of ML-DSA-87, ascending."""
    proof: Proof = ()
    """By the keys of the list before; nothing of the first one."""


def digest_of(public_key: bytes) -> bytes:
    """What a list names a key by."""
    return sha256(public_key).digest()


class Replacement(NamedTuple):
    """What the keys sign for a committee with a cut."""

    site: bytes
    scope: str
    liars: int
    since: int
    indices: tuple[int, ...]
    ends: int
    heads: tuple[Parent, ...]


class Entrusting(NamedTuple):
    """What the keys of one list sign for the next."""

    site: bytes
    since: int
    needed: int
    digests: tuple[bytes, ...]


Statement = Replacement | Entrusting
"""What holders are given, as a file, and sign."""


class Endorsement(NamedTuple):
    """What a holder gives back."""

    statement: bytes
    """SHA-256 of the file that was signed."""
    public_key: bytes
    signature: bytes


def encode_statement(statement: Statement) -> bytes:
    return encode([REPLACES if isinstance(statement, Replacement) else ENTRUSTS, *statement])


def keys_statement(site: bytes, keys: Keys) -> bytes:
    return encode_statement(Entrusting(site, *keys[:3]))


def decode_statement(raw: bytes) -> Statement | Refusal:
    """Whether it may stand in a roster is another question."""
    match _file(raw):
        case [kind, bytes() as site, str() as scope, liars, since, list() as indices, ends, list() as heads] if (
            kind == REPLACES and len(site) == 8 and all(map(is_index, (kind, liars, since, ends, *indices)))
        ):
            known = [found for head in heads if (found := _head(head)) is not None]
            authors = [head.author for head in known]
            is_whole = len(known) == len(heads) <= COMMITTEE_MAX and is_scope(scope) and since and ends
            if is_whole and _ascend(authors) and _ascend(indices) and 1 <= len(indices) <= COMMITTEE_MAX:
                return Replacement(site, scope, liars, since, tuple(indices), ends, tuple(known))
        case [kind, bytes() as site, since, needed, list() as digests] if kind == ENTRUSTS and len(site) == 8:
            keys = _keys([since, needed, digests, []])
            if keys is not None and type(kind) is int and _ascend(keys.digests) and needed <= len(digests):
                return Entrusting(site, *keys[:3])
    return Refusal("recovery-shape", "statement")


def encode_endorsement(endorsement: Endorsement) -> bytes:
    return encode([FORMAT, *endorsement])


def decode_endorsement(raw: bytes) -> Endorsement | Refusal:
    match _file(raw):
        case [form, bytes() as statement, public_key, signature] if type(form) is int and form == FORMAT:
            pairs = _proof([[public_key, signature]])
            if pairs is not None and len(statement) == 32:
                return Endorsement(statement, *pairs[0])
    return Refusal("recovery-shape", "signature")


def _ascend(values: Sequence[Any]) -> bool:
    return all(low < high for low, high in pairwise(values))


def _file(raw: bytes) -> Any:
    try:
        return decode(raw, depth_max=3) if len(raw) <= RECOVERY_FILE_BYTES_MAX else None
    except Malformed:
        return None


def endorse(signer: Signer, statement: bytes) -> tuple[bytes, bytes]:
    """One pair of a proof."""
    assert signer.suite == AUTHORITY_SUITE
    return signer.public_key, signer.sign(sig_structure(AUTHORITY_SUITE, PURPOSE_RECOVERY, statement))


def is_endorsed(pair: tuple[bytes, bytes], statement: bytes) -> bool:
    """Whether a pair's signature is good."""
    public_key, signature = pair
    return verify(AUTHORITY_SUITE, public_key, sig_structure(AUTHORITY_SUITE, PURPOSE_RECOVERY, statement), signature)


def in_force(recovery: Sequence[Keys], since: int) -> Keys | None:
    """The list that signs what a version of the roster changes: the newest of before."""
    return next((keys for keys in reversed(recovery) if keys.since < since), None)


def unfit(proof: Proof, keys: Keys | None) -> str:
    """Why these are not just the signers that a list asks for, whatever they sign; empty if they are."""
    if keys is None:
        return "no keys are listed before"
    signers = [digest_of(public_key) for public_key, _ in proof]
    if len(signers) != keys.needed:
        return f"{len(signers)} signers of {keys.needed}"
    if not _ascend(signers):
        return "signers out of order"
    return "" if set(signers) <= set(keys.digests) else "a signer who is not listed"


def decode_cut(value: Any) -> Cut | Refusal:
    """Of the fifth field of a committee."""
    match value:
        case [ends, list() as heads, proof] if is_index(ends) and ends and len(heads) <= COMMITTEE_MAX:
            found, pairs = [_head(head) for head in heads], _proof(proof)
        case _:
            return Refusal("roster-shape", "cut")
    known = tuple(head for head in found if head is not None)
    if len(known) < len(found) or pairs is None:
        return Refusal("roster-shape", "cut")
    if not _ascend([head.author for head in known]):
        return Refusal("roster-order", "heads of a cut")
    return Cut(ends, known, pairs)


def _head(value: Any) -> Parent | None:
    match value:
        case [author, incarnation, seq, bytes() as id] if is_index(author) and is_index(incarnation) and is_number(seq):
            return Parent(author, incarnation, seq, id) if incarnation and seq and len(id) == 32 else None
    return None


def _proof(value: Any) -> Proof | None:
    if not isinstance(value, list) or len(value) > RECOVERY_KEYS_MAX:
        return None
    suite = SUITES[AUTHORITY_SUITE]
    pairs: list[tuple[bytes, bytes]] = []
    for pair in value:
        match pair:
            case [bytes() as public_key, bytes() as signature]:
                if len(public_key) != suite.public_bytes or len(signature) != suite.signature_bytes:
                    return None
                pairs.append((public_key, signature))
            case _:
                return None
    return tuple(pairs)


def decode_lists(values: Any, version: int) -> tuple[Keys, ...] | Refusal:
    """The lists of a roster of this version, each signed by the one before: but for the signatures."""
    if not isinstance(values, list) or not 1 <= len(values) <= RECOVERY_LISTS_MAX:
        return Refusal("roster-shape", "recovery")
    lists: list[Keys] = []
    for value in values:
        keys = _keys(value)
        if keys is None:
            return Refusal("roster-shape", "recovery")
        if not keys.since <= version or (lists and keys.since <= lists[-1].since):
            return Refusal("roster-order", "recovery")
        if not _ascend(keys.digests):
            return Refusal("roster-order", "recovery keys")
        if keys.needed > len(keys.digests):
            return Refusal("roster-recovery", f"{keys.needed} of {len(keys.digests)} keys")
        if why := unfit(keys.proof, lists[-1]) if lists else ("the first list is signed" if keys.proof else ""):
            return Refusal("roster-recovery", why)
        lists.append(keys)
    return tuple(lists)


def _keys(value: Any) -> Keys | None:
    match value:
        case [since, needed, list() as digests, proof] if is_index(since) and is_index(needed) and since and needed:
            pairs = _proof(proof)
        case _:
            return None
    if pairs is None or not 1 <= len(digests) <= RECOVERY_KEYS_MAX:
        return None
    if not all(type(digest) is bytes and len(digest) == 32 for digest in digests):
        return None
    return Keys(since, needed, tuple(digests), pairs)


def unsaid_keys(held: Sequence[Keys], newer: Sequence[Keys], version: int) -> bool:
    """Whether a newer roster has other lists than the held one, of this version: more may only follow."""
    return tuple(newer[: len(held)]) != tuple(held) or any(keys.since <= version for keys in newer[len(held) :])
