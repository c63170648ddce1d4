"""The proof that an author signed two vertices under one name: for whoever has the roster, and nothing else.

evidence = [side, side], the one whose first header has the lower id first; side = [headers, signature]: headers of one
chain, oldest first, the first of each side being the two vertices, and the signature over the last (docs/WIRE.md §11).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from edge.ids import VertexKey
from edge.limits import EVIDENCE_BYTES_MAX, SIGNATURE_BYTES_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.suite import PURPOSE_VERTEX, sig_structure, verify
from edge.wire.vertex import Header, decode_header


class Side(NamedTuple):
    """One of the two: its header, those above it on its chain up to the first signed one, and that signature."""

    headers: tuple[bytes, ...]
    signature: bytes


class Evidence(NamedTuple):
    key: VertexKey
    ids: tuple[bytes, bytes]
    """Of the two vertices, ascending."""
    sides: tuple[Side, Side]


def chained(raws: Iterable[bytes]) -> tuple[Header, ...] | Refusal:
    """The headers of one chain, oldest first, if that is what they are."""
    headers: list[Header] = []
    for raw in raws:
        header = decode_header(raw)
        if isinstance(header, Refusal):
            return header
        last = headers[-1] if headers else None
        if last is not None and (header.prev, header.author, header.seq) != (last.id, last.author, last.seq + 1):
            return Refusal("range-broken", str(tuple(header.key)))
        headers.append(header)
    return tuple(headers)


def make_evidence(one: Side, other: Side) -> bytes | Refusal:
    """What is written down; refused if the two prove nothing, or are too long to be kept."""
    sides = sorted((one, other), key=_id_of)
    raw = encode([[list(side.headers), side.signature] for side in sides])
    evidence = decode_evidence(raw)
    return evidence if isinstance(evidence, Refusal) else raw


def decode_evidence(raw: bytes) -> Evidence | Refusal:
    """What the bytes say; `judge` says whether it is true."""
    if len(raw) > EVIDENCE_BYTES_MAX:
        return Refusal("evidence-too-large", str(len(raw)))
    try:
        fields = decode(raw, depth_max=3)
    except Malformed as fault:
        return Refusal(fault.reason, "evidence")
    if not isinstance(fields, list) or len(fields) != 2:
        return Refusal("evidence-shape")
    firsts: list[Header] = []
    sides: list[Side] = []
    for value in fields:
        match value:
            case [list() as raws, bytes() as signature] if raws and all(type(header) is bytes for header in raws):
                headers = chained(raws)
            case _:
                return Refusal("evidence-shape", "side")
        if not 1 <= len(signature) <= SIGNATURE_BYTES_MAX:
            return Refusal("signature-size", str(len(signature)))
        if isinstance(headers, Refusal):
            return headers
        firsts.append(headers[0])
        sides.append(Side(tuple(raws), signature))
    low, high = firsts
    if low.key != high.key or low.id >= high.id:
        return Refusal("evidence-shape", "no two vertices of one name")
    return Evidence(low.key, (low.id, high.id), (sides[0], sides[1]))


def judge(evidence: Evidence, roster: Roster) -> Refusal | None:
    """None if the member of this roster has signed both."""
    member = roster.member(evidence.key.author)
    if member is None:
        return Refusal("author-unknown", str(evidence.key.author))
    for side in evidence.sides:
        headers = chained(side.headers)
        if isinstance(headers, Refusal):
            return headers
        last = headers[-1]
        if any(header.site != roster.site for header in headers):
            return Refusal("site-other", str(tuple(last.key)))
        if last.suite != member.suite or last.suite not in roster.suites_allowed:
            return Refusal("suite-not-allowed", str(last.suite))
        message = sig_structure(last.suite, PURPOSE_VERTEX, last.raw)
        if not verify(last.suite, member.public_key, message, side.signature):
            return Refusal("signature-bad", str(tuple(last.key)))
    return None


def _id_of(side: Side) -> bytes:
    header = decode_header(side.headers[0])
    return header.id if isinstance(header, Header) else b""
