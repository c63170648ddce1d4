"""The proof that a member voted twice in one phase of a ballot: for whoever has the roster, and nothing else.

double vote = [1, side, side], as of evidence (docs/WIRE.md §11): the first header of each has a vote for one
(conflict set, ballot, phase), and these name different values; the lower id comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from edge.dag.evidence import Side, attributed, decode_sides
from edge.ids import VertexKey
from edge.limits import EVIDENCE_BYTES_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Vote
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.vertex import Header

FORMAT = 1


class DoubleVote(NamedTuple):
    """What the bytes say; `judge` says whether it is true."""

    author: int
    votes: tuple[Vote, Vote]
    names: tuple[VertexKey, VertexKey]
    sides: tuple[Side, Side]
    raw: bytes


def make_double(one: Side, other: Side) -> DoubleVote | Refusal:
    """Refused if the two prove nothing, or are too long to be kept."""
    shown = [[list(side.headers), side.signature] for side in (one, other)]
    double = decode_double(encode([FORMAT, *shown]))
    return double if isinstance(double, DoubleVote) else decode_double(encode([FORMAT, *reversed(shown)]))


def decode_double(raw: bytes) -> DoubleVote | Refusal:
    if len(raw) > EVIDENCE_BYTES_MAX:
        return Refusal("evidence-too-large", str(len(raw)))
    try:
        fields = decode(raw, depth_max=3)
    except Malformed as fault:
        return Refusal(fault.reason, "double vote")
    match fields:
        case [form, one, other] if type(form) is int and form == FORMAT:
            sides = decode_sides((one, other))
        case _:
            return Refusal("evidence-shape")
    if isinstance(sides, Refusal):
        return sides
    low, high = (headers[0] for _, headers in sides)
    votes = _against(low, high)
    if low.author != high.author or low.id > high.id or votes is None:
        return Refusal("evidence-shape", "no two votes of one member in one phase of a ballot")
    return DoubleVote(low.author, votes, (low.key, high.key), (sides[0][0], sides[1][0]), raw)


def judge(double: DoubleVote, roster: Roster) -> Refusal | None:
    """None if the member of this roster has signed both."""
    answers = (attributed(side, roster) for side in double.sides)
    return next((answer for answer in answers if isinstance(answer, Refusal)), None)


def _against(one: Header, other: Header) -> tuple[Vote, Vote] | None:
    """The first vote of one vertex that another one contradicts."""
    theirs = {vote[:3]: vote for vote in _votes(other)}
    for vote in _votes(one):
        against = theirs.get(vote[:3])
        if against is not None and against.value != vote.value:
            return vote, against
    return None


def _votes(header: Header) -> Iterator[Vote]:
    return (item for item in header.items if isinstance(item, Vote))
