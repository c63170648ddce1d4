"""Which vertices our next one names: the newest of those whose votes and proposals count."""

from __future__ import annotations

from collections.abc import Iterable

from edge.consensus.epochs import RANKS, Epochs
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.wire.items import Proposal
from edge.wire.vertex import Header


class Naming:
    """`index` is ours."""

    def __init__(self, index: int, graph: Graph, epochs: Epochs) -> None:
        self._index = index
        self._graph = graph
        self._epochs = epochs
        self.head: VertexKey | None = None
        """Our newest vertex, durable or not."""
        self._fresh: dict[tuple[int, int], Parent] = {}
        """By line, the newest vertex of a member or with a proposal that ours has not named yet."""
        self._clocks: dict[int, int] = {}
        """By author of these, at least the clock of any vertex of it that we may name."""
        self._asking: set[tuple[int, int]] = set()
        """Of these lines, those with a proposal in a scope where we vote that ours has not named yet."""

    def begin(self, members: Iterable[int]) -> None:
        """Our log is read: the ends of members' lines that it has dropped, and of ours, were not told."""
        for end in (end for author in members for end in self._graph.tips(author)):
            if end.key.author != self._index and self._graph.was_dropped(end.key):
                self._fresh.setdefault(end.key[:2], Parent(*end.key, end.id))
        ours = [end.key for end in self._graph.tips(self._index)]
        self.head = self.head or max(ours, default=None)

    def note(self, header: Header) -> None:
        """A vertex of ours that votes soon names this one, or a later one of its line."""
        if header.author != self._index:
            self._fresh[header.key[:2]] = Parent(*header.key, header.id)
            self._clocks[header.author] = max(header.hlc, self._clocks.get(header.author, 0))
            asked = (item.question.scope for item in header.items if isinstance(item, Proposal))
            if any(self._epochs.has_voted(scope, self._index) for scope in asked):
                self._asking.add(header.key[:2])

    def parents(self, most: int) -> list[Parent]:
        """The newest vertices of members and proposers that our line has not named, one line an author: first those by
        which we enter an epoch, then members of scopes where we vote, by rank, then who asks there, then the others.
        All committees of a site together may be more than a vertex can name."""
        ranks = self._epochs.ranks(self._index)
        fresh = sorted(self._fresh.values())
        entries = {parent.author: parent for parent in fresh if self._epochs.lets_in(parent.key, self.head)}
        newest = {parent.author: parent for parent in fresh} | entries
        for head in self._epochs.crossing(self.head, self._index, newest):
            entries[head.author] = newest[head.author] = head

        def rank(parent: Parent) -> tuple[bool, int, bool, int]:
            rank = ranks.get(parent.author, RANKS)
            is_last = rank == RANKS and parent.key[:2] not in self._asking
            return parent.author not in entries, rank, is_last, parent.author

        return sorted(sorted(newest.values(), key=rank)[:most])

    def clocks(self, parents: Iterable[Parent]) -> tuple[int, ...]:
        return tuple(self._clocks.get(parent.author, 0) for parent in parents)

    def named(self, parents: Iterable[Parent]) -> None:
        """A vertex of ours names these."""
        for parent in parents:
            if self._fresh.get(parent.key[:2]) == parent:
                del self._fresh[parent.key[:2]]
                self._asking.discard(parent.key[:2])

    def heads(self, members: Iterable[int]) -> dict[int, tuple[Parent, int]]:
        """The newest vertex of each other member that we hold, and its clock; 0 for one that our line has named."""
        found: dict[int, tuple[Parent, int]] = {}
        for index in members:
            branches = self._graph.branches(index)
            if branches and index != self._index:
                head = branches[-1].head
                parent = Parent(*head, self._graph.id_at(head) or b"")
                found[index] = (parent, self._clocks[index] if head[:2] in self._fresh else 0)
        return found
