"""Certificates and proofs judged a second time, slowly, and by none of the code that nodes judge them with.

Only CBOR and the roster are shared with these. Fields are read by their places, digests are taken anew, and the world
that made the signatures checks them.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from typing import Any

from edge.sim.signing import Signatures
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.roster import Roster

_VOTE, _PRECOMMIT = 2, 1
_SITE, _AUTHOR, _SEQ, _PREV, _ITEMS = 1, 3, 5, 6, 11
"""Places in a header (docs/WIRE.md)."""


def fault(raw: bytes, roster: Roster, signatures: Signatures, members: Collection[int], quorum: int) -> str:
    """Why a certificate proves nothing, with a committee of these; empty if it does."""
    try:
        _, site, asked, value, ballot, votes = decode(raw)
        wanted = [_VOTE, _conflict(site, asked), ballot, _PRECOMMIT, sha256(b"synedge/1/value\x00" + value).digest()]
        voters = {_voter(shown, wanted, roster, signatures) for shown in votes}
    except (Malformed, ValueError, TypeError, IndexError, KeyError) as error:
        return str(error) or repr(error)
    if site != roster.site:
        return "of another site"
    counted = [index for index in voters if index in members]
    return "" if len(counted) >= quorum else f"{len(counted)} voters of {quorum}"


def stopped_fault(raw: bytes, roster: Roster, signatures: Signatures, members: Collection[int]) -> str:
    """Why a proof of a vote above a stop proves nothing, with a committee of these; empty if it does."""
    try:
        _, change, other, shown = decode(raw)
        stop, also = (_conflict(roster.site, asked) for asked in (change, other))
        member, said = _speaker(shown, roster, signatures)
    except (Malformed, ValueError, TypeError, IndexError, KeyError) as error:
        return str(error) or repr(error)
    if change[2] != "committee" or other[2] == "committee" or change[:2] != other[:2]:
        return "not a change and another question of one epoch"
    if member not in members:
        return f"{member} has no vote"
    first, *above = said
    stops = [at for at, item in enumerate(first) if item[:2] == [_VOTE, stop] and item[3] == _PRECOMMIT and item[4]]
    later = [*(first[stops[0] + 1 :] if stops else []), *(item for items in above for item in items)]
    is_shown = bool(stops) and any(item[:2] == [_VOTE, also] for item in later)
    return "" if is_shown else "no vote above a stop"


def _conflict(site: bytes, asked: Any) -> bytes:
    return sha256(b"synedge/1/conflict\x00" + encode([site, *asked])).digest()


def committee(raw: bytes) -> tuple[str, int]:
    """Scope and epoch of the question that a certificate says to answer; of nobody if it says nothing."""
    try:
        scope, epoch = decode(raw)[2][:2]
        return str(scope), int(epoch)
    except (Malformed, ValueError, TypeError, IndexError):
        return "", 0


def _voter(shown: Any, wanted: list[object], roster: Roster, signatures: Signatures) -> int:
    """Who signed a chain of headers that begins with this vote; ValueError if it is none."""
    if wanted not in decode(shown[0][0])[_ITEMS]:
        raise ValueError("a vertex without the vote")
    return _speaker(shown, roster, signatures)[0]


def _speaker(shown: Any, roster: Roster, signatures: Signatures) -> tuple[int, list[list[Any]]]:
    """Who signed a chain of headers, and the items of each; ValueError if it is none."""
    raws, signature = shown
    headers = [decode(raw) for raw in raws]
    member = roster.by_index[headers[0][_AUTHOR]]
    for below, raw, above in zip(headers, raws, headers[1:], strict=False):
        id = sha256(b"synedge/1/vertex-id\x00" + raw).digest()
        if (above[_PREV], above[_AUTHOR], above[_SEQ]) != (id, below[_AUTHOR], below[_SEQ] + 1):
            raise ValueError("no chain")
    if any(header[_SITE] != roster.site for header in headers):
        raise ValueError("a vertex of another site")
    protected = encode({1: {1: -48, 2: -49, 3: -50}[member.suite]})
    message = encode(["Signature1", protected, b"synedge/1/vertex", raws[-1]])
    if not signatures.verify(member.suite, member.public_key, message, signature):
        raise ValueError(f"not signed by {member.name}")
    return member.index, [header[_ITEMS] for header in headers]
