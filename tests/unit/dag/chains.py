"""Candidates for admission, made in one line each. Their signatures are not real: admission is told that they stand."""

from collections.abc import Iterable

from edge.dag.admission import Admission
from edge.dag.graph import Graph
from edge.dag.pending import Candidate, Pending
from edge.ids import Parent, VertexId
from edge.wire.event import Event
from edge.wire.roster import Roster
from edge.wire.vertex import Header, encode_body, encode_header
from tests.builders import SUITE, WALL_MS, roster_of

NAMES = [f"n{number}" for number in range(8)]
ROSTER: Roster = roster_of(NAMES)[0]


def vertex(
    author: int,
    seq: int,
    prev: Header | VertexId | None = None,
    *,
    incarnation: int = 1,
    parents: Iterable[Header] = (),
    mark: int = 0,
    pad: int = 0,
) -> Candidate:
    """`mark` tells two vertices under one key apart; `pad` adds about so many bytes of body, in steps of 80."""
    body = ref = None
    if pad:
        event = Event("probe", "value", 1, ("x" * 60,))
        count = max(1, pad // 92)
        body, ref = encode_body([event] * count, bytes(16 * count))
    header = encode_header(
        suite=SUITE,
        site=ROSTER.site,
        epoch=1,
        author=author,
        incarnation=incarnation,
        seq=seq,
        prev=prev.id if isinstance(prev, Header) else prev,
        parents=sorted(Parent(*parent.key, parent.id) for parent in parents),
        hlc=(WALL_MS + mark) << 16,
        body=ref,
    )
    return Candidate(header, bytes(2420), body)


def chain(author: int, length: int, after: Header | None = None, incarnation: int = 1) -> list[Candidate]:
    """`length` vertices of one line."""
    made: list[Candidate] = []
    for _ in range(length):
        seq = after.seq + 1 if after else 1
        made.append(vertex(author, seq, after, incarnation=incarnation))
        after = made[-1].header
    return made


def admission(*known: Candidate) -> Admission:
    """With these held already."""
    made = Admission(Graph(), Pending(), ROSTER)
    for candidate in known:
        made.settle(candidate)
    assert made.graph.vertices == len(known)
    return made
