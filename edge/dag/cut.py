"""What stays valid of an author who is evicted: its lines up to a cut. Nothing more is taken above it or beside it."""

from __future__ import annotations

from edge.dag.graph import Graph
from edge.ids import Parent, VertexId, VertexKey
from edge.limits import BRANCHES_PER_AUTHOR_MAX


class Cut:
    """Heads of one author's lines. `graph` is what we hold of them."""

    def __init__(self, graph: Graph, heads: tuple[Parent, ...]) -> None:
        self._graph = graph
        self.heads = heads
        self.named: dict[int, int] = {}
        """By incarnation, how far up vertices by others that wait name its line: that is taken as well."""

    def _lacking(self) -> list[Parent]:
        """The heads that we have not come to: there is more to be had below these alone."""
        graph = self._graph
        return [head for head in self.heads if not (graph.holds(head.key, head.id) or graph.is_below(head.key))]

    def has_room(self, key: VertexKey, id: VertexId) -> bool:
        """Whether a vertex that we do not hold may be one of those below.

        What lies beside a line shows only once that is held: until then its length bounds what is taken.
        """
        for head in self._lacking():
            if head.incarnation == key.incarnation:
                if key.seq < head.seq or (key.seq == head.seq and id == head.id):
                    return True
            elif head.incarnation > key.incarnation and key.seq < head.seq:
                return True
        return key.seq <= self.named.get(key.incarnation, 0)

    def wants(self, incarnation: int, through_seq: int) -> bool:
        """Whether a line is to be asked for up to here."""
        return any(line == incarnation and through_seq <= seq for line, seq in self.lines())

    def lines(self) -> list[tuple[int, int]]:
        """What is to be asked for: incarnations, and up to which seq."""
        return [*((head.incarnation, head.seq) for head in self._lacking()), *self.named.items()]

    def end_of(self, incarnation: int) -> int:
        """No vertex of this incarnation above this seq is below the cut."""
        return max((head.seq for head in self.heads if head.incarnation >= incarnation), default=0)


def heads_below(graph: Graph, author: int, fork: VertexKey | None = None) -> tuple[Parent, ...]:
    """Where a cut may lie by what we hold: the end of each line, or what is below the fork on it; at a vertex that is
    signed, so that what it covers can be handed on. Ascending."""
    heads: dict[int, Parent] = {}
    for tip in graph.tips(author):
        key = _signed(graph, _below(graph, tip.key, fork))
        id = graph.id_at(key) if key is not None else None
        if key is not None and id is not None:
            heads[key.incarnation] = max(Parent(*key, id), heads.get(key.incarnation, Parent(*key, id)))
    return tuple(heads[incarnation] for incarnation in sorted(heads)[-BRANCHES_PER_AUTHOR_MAX:])


def _below(graph: Graph, tip: VertexKey, fork: VertexKey | None) -> VertexKey | None:
    """The end of a line, unless it goes through the fork: then the vertex below that."""
    at: VertexKey | None = tip
    while at is not None and fork is not None and at.incarnation >= fork.incarnation:
        branch = graph.branch(at.author, at.incarnation)
        if at.incarnation == fork.incarnation:
            if at.seq < fork.seq:
                break
            return _before(graph, fork)
        at = branch.base if branch is not None else None
    return tip


def _before(graph: Graph, key: VertexKey) -> VertexKey | None:
    branch = graph.branch(key.author, key.incarnation)
    if branch is None:
        return None
    return key._replace(seq=key.seq - 1) if key.seq > branch.first_seq else branch.base


def _signed(graph: Graph, key: VertexKey | None) -> VertexKey | None:
    """The highest vertex from here down that is signed, or that the log has dropped all below of."""
    while key is not None and not graph.place(key)[1] and not graph.is_dropped(key):
        key = _before(graph, key)
    return key
