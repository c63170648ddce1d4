"""The proof that a member voted twice in one phase of a ballot: for whoever has the roster, and nothing else.

double vote = [1, side, side], as of evidence (docs/WIRE.md §11): the first header of each has a vote for one
(conflict set, ballot, phase), and these name different values; the lower id comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
Place = tuple[int, bytes, int, int]
"""Author, conflict set, ballot and phase: where a member has one vote."""


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


class Audit:
    """Looks through the vertices of a log, in any order, for members who voted twice.

    Of a vote it remembers a digest; headers and signatures only of the lines that `sides` needs, in a second pass.
    """

    def __init__(self) -> None:
        self._values: dict[Place, tuple[bytes | None, VertexKey]] = {}
        self.votes = 0
        self.found: dict[int, tuple[VertexKey, VertexKey]] = {}
        """By author, the first two vertices with votes that contradict one another."""

    def look(self, header: Header) -> None:
        for vote in _votes(header):
            self.votes += 1
            place = (header.author, *vote[:3])
            value, name = self._values.setdefault(place, (vote.value, header.key))
            if value != vote.value:
                self.found.setdefault(header.author, (name, header.key))

    def doubles(self, signed: Iterable[tuple[Header, bytes | None]]) -> dict[int, DoubleVote | Refusal]:
        """The proofs, by author, from the same vertices and their signatures. What nobody has signed was never sent and
        accuses nobody: a power cut leaves such a vertex in its author's own log (docs/decisions/0021)."""
        known: dict[bytes, tuple[Header, bytes | None]] = {}
        above: dict[bytes, bytes] = {}
        named: dict[VertexKey, bytes] = {}
        for header, signature in signed:
            if header.author in self.found:
                known[header.id] = (header, signature)
                named.setdefault(header.key, header.id)
                if header.prev is not None:
                    above.setdefault(header.prev, header.id)
        proofs: dict[int, DoubleVote | Refusal] = {}
        for author, names in self.found.items():
            one, other = (_side(named[name], known, above) for name in names)
            if one and other:
                proofs[author] = make_double(one, other)
        return proofs


def _side(
    id: bytes | None, known: Mapping[bytes, tuple[Header, bytes | None]], above: Mapping[bytes, bytes]
) -> Side | None:
    """The vertex with those above it up to the first signed one; None if the log has no such."""
    headers: list[bytes] = []
    while id is not None:
        header, signature = known[id]
        headers.append(header.raw)
        if signature is not None:
            return Side(tuple(headers), signature)
        id = above.get(id)
    return None
