"""Handing over certificates (docs/WIRE.md §6): what a node says of its registers, the question for more, the answer.

Keys are parted by the first bits of their tag. A statement has for each part the sum of its versions and a digest, so
that of many keys only the parts that differ are talked about.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple

from edge.limits import (
    CERTIFICATE_BYTES_MAX,
    FINALS_FRAME_BYTES_MAX,
    FINALS_KEYS_MAX,
    FINALS_PARTS_MAX,
    FRAME_BYTES_MAX,
    REGISTERS_MAX,
    VALUE_BYTES_MAX,
)
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Question, is_index, is_number, is_question, is_scope
from edge.wire.refusal import Refusal

TAG_BYTES = 8
MARK_BYTES = 16
PARTS = tuple(1 << at for at in range(FINALS_PARTS_MAX.bit_length()))
"""Into how many the keys may be parted."""
_HEADS = (b"\x86", b"\x84", b"\x87", b"\x88")
"""A request of six fields, an answer of four or seven; and those of edge/wire/stateparts.py, four and eight. No other
frame on their channels begins so."""

Held = tuple[bytes, int]
"""The tag of a key and the version of its newest final value."""


class FinalsRequest(NamedTuple):
    """`rq/`: send the certificates in these parts that are newer than what I hold there."""

    site: bytes
    sender: int
    correlation: int
    parts: int
    asked: tuple[int, ...]
    held: tuple[Held, ...]


class SealedRow(NamedTuple):
    """A value below a checkpoint: what `final` of its leaf is made of."""

    epoch: int
    """Whose committee made it final; the leaf does not depend on it."""
    key: str
    version: int
    predecessor: bytes | None
    value: bytes


class SealedLeaf(NamedTuple):
    """Another register below it."""

    tag: bytes
    version: int
    final: bytes


class Unsealed(NamedTuple):
    """Everything that the newest checkpoint of a scope seals: the rows of what is asked for, the leaves of the rest."""

    scope: str
    rows: tuple[SealedRow, ...]
    """By key ascending."""
    leaves: tuple[SealedLeaf, ...]
    """By tag ascending."""


class FinalsReply(NamedTuple):
    """`rs/`: certificates, as they are kept, and what a checkpoint vouches for; neither if nothing is newer."""

    site: bytes
    sender: int
    correlation: int
    certificates: tuple[bytes, ...]
    unsealed: Unsealed | None = None


@lru_cache(maxsize=2 * REGISTERS_MAX)
def tag_of(scope: str, key: str, generation: int = 0) -> bytes:
    """What stands for a register in requests: another name since each time that a lost committee was replaced."""
    return _hash(b"synedge/1/register", [scope, key, *([generation] if generation else [])])[:TAG_BYTES]


def part_of(tag: bytes, parts: int) -> int:
    return tag[0] * parts >> 8


def parts_for(keys: int) -> int:
    """Into how many parts so many keys are parted."""
    return next((parts for parts in PARTS if keys <= parts * FINALS_KEYS_MAX), FINALS_PARTS_MAX)


def mark_of(held: Iterable[Held]) -> bytes:
    """What a statement says of one part: the sum of the versions, and a digest."""
    pairs = list(held)
    total = sum(version for _, version in pairs)
    return total.to_bytes(8, "big") + _hash(b"synedge/1/finals", _flat(pairs))[:8]


def is_statement(value: object) -> bool:
    """Whether it is a mark for each of so many parts as there may be."""
    return type(value) is bytes and len(value) % MARK_BYTES == 0 and len(value) // MARK_BYTES in PARTS


def is_about_finals(raw: bytes) -> bool:
    """Whether a request or reply is one of these, or about what a checkpoint seals, if it is any."""
    return raw[:1] in _HEADS


def encode_finals_request(frame: FinalsRequest) -> bytes:
    raw = encode([*frame[:5], _flat(frame.held)])
    check = decode_finals_request(raw)
    if isinstance(check, Refusal):
        raise ValueError(f"own request would be refused: {check}")
    return raw


def decode_finals_request(raw: bytes) -> FinalsRequest | Refusal:
    fields = _decode(raw, FRAME_BYTES_MAX)
    match fields:
        case Refusal():
            return fields
        case [site, sender, correlation, parts, list() as asked, list() as flat] if (
            _is_head(site, sender, correlation) and is_number(parts) and parts in PARTS
        ):
            pass
        case _:
            return Refusal("finals-shape", "request")
    if len(flat) > 2 * REGISTERS_MAX:
        return Refusal("finals-many", str(len(flat) // 2))
    if not asked or not all(is_number(part) and part < parts for part in asked) or not _ascends(asked):
        return Refusal("finals-shape", "parts")
    tags, versions = flat[::2], flat[1::2]
    is_paired = len(tags) == len(versions) and all(type(tag) is bytes and len(tag) == TAG_BYTES for tag in tags)
    if not is_paired or not _ascends(tags) or not all(is_number(version) and version for version in versions):
        return Refusal("finals-shape", "held")
    return FinalsRequest(site, sender, correlation, parts, tuple(asked), tuple(zip(tags, versions, strict=True)))


def encode_finals_reply(frame: FinalsReply) -> bytes:
    """The caller has kept it within FINALS_FRAME_BYTES_MAX."""
    given = frame.unsealed
    more = [given.scope, [list(row) for row in given.rows], [f for leaf in given.leaves for f in leaf]] if given else []
    raw = encode([*frame[:4], *more])
    assert len(raw) <= FINALS_FRAME_BYTES_MAX
    return raw


def decode_finals_reply(raw: bytes) -> FinalsReply | Refusal:
    fields = _decode(raw, FINALS_FRAME_BYTES_MAX, depth_max=3)
    match fields:
        case Refusal():
            return fields
        case [site, sender, correlation, list() as certificates, *more] if _is_head(site, sender, correlation):
            unsealed = _unsealed(more) if more else None
        case _:
            return Refusal("finals-shape", "reply")
    if isinstance(unsealed, Refusal):
        return unsealed
    if len(certificates) > REGISTERS_MAX:
        return Refusal("finals-many", str(len(certificates)))
    for certificate in certificates:
        if type(certificate) is not bytes:
            return Refusal("finals-shape", "certificate")
        if len(certificate) > CERTIFICATE_BYTES_MAX:
            return Refusal("certificate-too-large", str(len(certificate)))
    return FinalsReply(site, sender, correlation, tuple(certificates), unsealed)


def _unsealed(fields: list[Any]) -> Unsealed | Refusal:
    match fields:
        case [str() as scope, list() as values, list() as flat] if is_scope(scope) and len(flat) % 3 == 0:
            leaves = tuple(SealedLeaf(*flat[at : at + 3]) for at in range(0, len(flat), 3))
        case _:
            return Refusal("finals-shape", "unsealed")
    if len(values) + len(leaves) > REGISTERS_MAX:
        return Refusal("finals-many", str(len(values) + len(leaves)))
    rows = [SealedRow(*value) for value in values if type(value) is list and len(value) == len(SealedRow._fields)]
    are_rows = len(rows) == len(values) and all(_is_row(scope, row) for row in rows)
    if not are_rows or not _ascends([row.key for row in rows]):
        return Refusal("finals-shape", "row")
    if not all(_is_leaf(leaf) for leaf in leaves) or not _ascends([leaf.tag for leaf in leaves]):
        return Refusal("finals-shape", "leaf")
    return Unsealed(scope, tuple(rows), leaves)


def _is_row(scope: str, row: SealedRow) -> bool:
    is_asked = is_question(Question(scope, *row[:4]))
    return is_asked and type(row.value) is bytes and len(row.value) <= VALUE_BYTES_MAX


def _is_leaf(leaf: SealedLeaf) -> bool:
    is_named = type(leaf.tag) is bytes and len(leaf.tag) == TAG_BYTES and is_number(leaf.version) and bool(leaf.version)
    return is_named and type(leaf.final) is bytes and len(leaf.final) == 32


def _is_head(site: object, sender: object, correlation: object) -> bool:
    return type(site) is bytes and len(site) == 8 and is_index(sender) and is_number(correlation)


def _ascends(values: list[Any]) -> bool:
    return all(low < high for low, high in pairwise(values))


def _flat(held: Iterable[Held]) -> list[Any]:
    return [field for pair in held for field in pair]


def _hash(domain: bytes, value: list[Any]) -> bytes:
    return sha256(domain + b"\x00" + encode(value)).digest()


def _decode(raw: bytes, bytes_max: int, depth_max: int = 2) -> Any:
    """The decoded frame or a Refusal."""
    if len(raw) > bytes_max:
        return Refusal("frame-too-large", str(len(raw)))
    try:
        return decode(raw, depth_max=depth_max)
    except Malformed as fault:
        return Refusal(fault.reason, "finals")
