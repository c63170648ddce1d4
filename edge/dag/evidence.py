"""The proof that an author forked: for whoever has the roster, and nothing else.

evidence = [side, side]; side = [headers, signature]: headers of one chain, oldest first, and the signature over the
last one (docs/WIRE.md §11). Two vertices under one name: each side begins with one of them, the lower id first. Two
lives in one incarnation: the second side begins with a vertex of an earlier one, so that the next header is where a
life begins; the first side begins with a vertex of that incarnation and a lower seq, which that life cannot have.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from edge.ids import VertexKey
from edge.limits import EVIDENCE_BYTES_MAX, SIGNATURE_BYTES_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.refusal import Refusal
from edge.wire.roster import Member, Roster
from edge.wire.suite import PURPOSE_VERTEX, sig_structure, verify
from edge.wire.vertex import Header, decode_header


class Side(NamedTuple):
    """A header, those above it on its chain up to the first signed one, and that signature: what shows that its author
    signed it."""

    headers: tuple[bytes, ...]
    signature: bytes


class Evidence(NamedTuple):
    names: tuple[VertexKey, VertexKey]
    """Of the two vertices; one name twice, or two of one incarnation, the lower first."""
    ids: tuple[bytes, bytes]
    """Of the two vertices; of one name, ascending."""
    sides: tuple[Side, Side]

    @property
    def key(self) -> VertexKey:
        return self.names[0]


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


def decode_side(value: Any, headers_max: int) -> Side | Refusal | None:
    """The side that a decoded array stands for; None if it has another shape, or more headers."""
    match value:
        case [list() as raws, bytes() as signature] if 1 <= len(raws) <= headers_max:
            if not all(type(raw) is bytes for raw in raws):
                return None
        case _:
            return None
    if not 1 <= len(signature) <= SIGNATURE_BYTES_MAX:
        return Refusal("signature-size", str(len(signature)))
    return Side(tuple(raws), signature)


def decode_sides(values: Iterable[Any]) -> list[tuple[Side, tuple[Header, ...]]] | Refusal:
    """Sides of a proof, which is as long as it may be, with their headers."""
    sides: list[tuple[Side, tuple[Header, ...]]] = []
    for value in values:
        side = decode_side(value, EVIDENCE_BYTES_MAX)
        if not isinstance(side, Side):
            return side or Refusal("evidence-shape", "side")
        headers = chained(side.headers)
        if isinstance(headers, Refusal):
            return headers
        sides.append((side, headers))
    return sides


def attributed(side: Side, roster: Roster) -> tuple[Header, ...] | Refusal:
    """The headers of a side, if they are one chain and a member of this roster has signed the last."""
    shown = signed_by(side, roster)
    if isinstance(shown, Refusal):
        return shown
    headers, member = shown
    last = headers[-1]
    message = sig_structure(last.suite, PURPOSE_VERTEX, last.raw)
    if not verify(last.suite, member.public_key, message, side.signature):
        return Refusal("signature-bad", str(tuple(last.key)))
    return headers


def signed_by(side: Side, roster: Roster) -> tuple[tuple[Header, ...], Member] | Refusal:
    """The same before the signature is verified, and whose it must be."""
    headers = chained(side.headers)
    if isinstance(headers, Refusal):
        return headers
    last = headers[-1]
    member = roster.member(last.author)
    if member is None:
        return Refusal("author-unknown", str(last.author))
    if any(header.site != roster.site for header in headers):
        return Refusal("site-other", str(tuple(last.key)))
    if last.suite != member.suite or last.suite not in roster.suites_allowed:
        return Refusal("suite-not-allowed", str(last.suite))
    return headers, member


def make_evidence(one: Side, other: Side) -> bytes | Refusal:
    """What is written down; refused if the two prove nothing, or are too long to be kept."""
    refusal = Refusal("evidence-shape")
    for sides in ((one, other), (other, one)):
        raw = encode([[list(side.headers), side.signature] for side in sides])
        evidence = decode_evidence(raw)
        if isinstance(evidence, Evidence):
            return raw
        refusal = evidence
    return refusal


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
    sides = decode_sides(fields)
    if isinstance(sides, Refusal):
        return sides
    chains = [headers for _, headers in sides]
    low, high = chains[0][0], _second(*chains)
    if high is None:
        return Refusal("evidence-shape", "neither two vertices of one name nor two lives in one incarnation")
    return Evidence((low.key, high.key), (low.id, high.id), (sides[0][0], sides[1][0]))


def _second(one: tuple[Header, ...], other: tuple[Header, ...]) -> Header | None:
    """The vertex of the other chain that cannot stand beside the first of this one; None if all of it can."""
    low, base = one[0], other[0]
    if low.key == base.key:
        return base if low.id < base.id else None
    first = other[1] if len(other) > 1 else base
    is_birth = base.incarnation < first.incarnation
    is_same_life = (low.author, low.incarnation) == (first.author, first.incarnation)
    return first if is_birth and is_same_life and low.seq < first.seq else None


def judge(evidence: Evidence, roster: Roster) -> Refusal | None:
    """None if the member of this roster has signed both."""
    answers = (attributed(side, roster) for side in evidence.sides)
    return next((answer for answer in answers if isinstance(answer, Refusal)), None)
