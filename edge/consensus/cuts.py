"""A committee in the place of a lost one: which votes have the cut below them, and which old ones are below the cut.

docs/decisions/0030, *Recovery*, and 0041. What is asked of a vertex depends on its past and on rosters that it was
made under, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

from edge.consensus.committee import Seats
from edge.consensus.past import NOTHING, Mark, Past
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.wire.vertex import Header


class Followed(Protocol):
    """What is asked by the past of a vertex: a conflict set, or a cut."""

    def seen(self, key: VertexKey, prev: VertexKey | None, parents: Iterable[VertexKey]) -> int: ...

    def view(self, vertex: VertexKey) -> int: ...


class Crossing:
    """Of one cut, a bit for each head: those that are below a vertex.

    The way there goes through vertices that were made under a roster with the cut, so that nobody has to remember what
    others named before: a member names each line once more.
    """

    def __init__(self, heads: tuple[Parent, ...], graph: Graph) -> None:
        self.heads = heads
        self._graph = graph
        self._place = {head.author: place for place, head in enumerate(heads)}
        self._whole = (1 << len(heads)) - 1
        self.past = Past()

    def heard(self, key: VertexKey, header: Header, prev: VertexKey | None, parents: Iterable[VertexKey]) -> None:
        """A member's vertex, after its past: under the name, and with the parents, by which it is known here."""
        if self.past.knows(key):
            return
        bits = self.view(prev) if prev is not None else 0
        for parent_key in parents:
            bits |= self.view(parent_key)
        for parent in header.parents:
            if parent in self.heads:
                bits |= 1 << self.heads.index(parent)
        self.past.put(key, Mark(votes=bits) if bits else NOTHING)

    def seen(self, key: VertexKey, prev: VertexKey | None, parents: Iterable[VertexKey]) -> int:
        """Of a vertex that was heard."""
        return self.view(key)

    def view(self, vertex: VertexKey) -> int:
        """What a vertex that names this one has below it; of a line of the cut its own head, whenever it was made."""
        place = self._place.get(vertex.author)
        is_above = place is not None and self._graph.is_on_line(self.heads[place], vertex)
        return self.past.mark(vertex).votes | (1 << place if is_above and place is not None else 0)

    def is_whole(self, bits: int) -> bool:
        """Whether all heads are among these; and are what we hold: of a fork we may have the other side."""
        return bits == self._whole and all(self._graph.knows(head) for head in self.heads)

    def entered(self) -> Iterator[int]:
        """Authors with a line that has the cut below it."""
        return (author for author, mark in self.past.ends() if mark.votes == self._whole)

    def unnamed(self, vertex: VertexKey | None) -> list[Parent]:
        """The heads that are not below this vertex, and that we could name."""
        bits = self.view(vertex) if vertex is not None else 0
        return [head for place, head in enumerate(self.heads) if not bits >> place & 1 and self._graph.knows(head)]


class Cuts:
    """Of all committees that are listed with one."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.crossings: dict[tuple[str, int], Crossing] = {}
        """By scope and epoch."""

    def seat(self, committees: Iterable[Seats]) -> None:
        held = self.crossings
        self.crossings = {
            seats.name: held.get(seats.name) or Crossing(seats.cut.heads, self._graph)
            for seats in committees
            if seats.cut is not None
        }

    @property
    def are_any(self) -> bool:
        return bool(self.crossings)

    def heard(
        self,
        key: VertexKey,
        header: Header,
        prev: VertexKey | None,
        parents: Collection[VertexKey],
        follows: Callable[[str, Header], bool],
    ) -> None:
        """A vertex, of which `follows` tells whether the past of a scope goes through it."""
        for (scope, epoch), crossing in self.crossings.items():
            if epoch <= header.epoch and follows(scope, header):
                crossing.heard(key, header, prev, parents)

    def is_crossed(self, name: tuple[str, int], sees: Callable[[Followed], int]) -> bool:
        crossing = self.crossings[name]
        return crossing.is_whole(sees(crossing))

    def entered(self, name: tuple[str, int]) -> set[int]:
        return set(self.crossings[name].entered())

    def generation(self, scope: str, epoch: int) -> int:
        """How many committees were put in the place of lost ones, up to this epoch."""
        return sum(of == scope and since <= epoch for of, since in self.crossings)

    def below(self, scope: str, after: int, until: int, view: Callable[[VertexKey], int]) -> int:
        """Of the votes that a set of an epoch shows in a `view`, those that bind a later one: below each cut between.
        All, as -1, where there is none."""
        votes = -1
        for (of, since), crossing in self.crossings.items():
            if of == scope and after < since <= until:
                under = 0
                for head in crossing.heads:
                    under |= view(head.key) if self._graph.knows(head) else 0
                votes &= under
        return votes

    def unnamed(self, scope: str, epoch: int, head: VertexKey | None) -> list[Parent]:
        """Of the cut of an epoch, what our line has not below it yet."""
        crossing = self.crossings.get((scope, epoch))
        return crossing.unnamed(head) if crossing is not None else []

    def above(self, head: Parent, newest: Parent | None) -> Parent:
        """The newest vertex of the author, if it is on the line of the head."""
        return newest if newest is not None and self._graph.is_on_line(head, newest.key) else head
