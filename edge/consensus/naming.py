"""Which vertices our next one names: the newest of those whose votes and proposals count."""

from __future__ import annotations

from collections.abc import Iterable

from edge.consensus.epochs import RANKS, Epochs, is_change
from edge.consensus.sets import Sets
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.wire.vertex import Header


class Naming:
    """`index` is ours."""

    def __init__(self, index: int, graph: Graph, epochs: Epochs, sets: Sets) -> None:
        self._index = index
        self._graph = graph
        self._epochs = epochs
        self._sets = sets
        self.head: VertexKey | None = None
        """Our newest vertex, durable or not."""
        self._fresh: dict[tuple[int, int], Parent] = {}
        """By line, the newest vertex of a member or with a proposal that ours has not named yet."""
        self._clocks: dict[int, int] = {}
        """By author of these, at least the clock of any vertex of it that we may name."""

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

    def parents(self, most: int) -> list[Parent]:
        """The newest vertices of members and proposers that our line has not named, one line an author: first those by
        which we enter an epoch, then members of scopes where we vote, by rank, then who asks there, then the others.
        All committees of a site together may be more than a vertex can name."""
        ranks = self._epochs.ranks(self._index)
        fresh = sorted(self._fresh.values())
        entries = {parent.author: parent for parent in fresh if self._epochs.lets_in(parent.key, self.head)}
        newest = {parent.author: parent for parent in fresh}
        asking = self._asking(newest)
        newest |= asking | entries
        is_crowded = not self._epochs.members <= ranks.keys()
        for head in self._epochs.crossing(self.head, self._index, newest):
            entries[head.author] = newest[head.author] = head

        def rank(parent: Parent) -> tuple[bool, int, bool, int]:
            rank = ranks.get(parent.author, RANKS)
            is_last = is_crowded and rank == RANKS and parent.author not in asking
            return parent.author not in entries, rank, is_last, parent.author

        return sorted(sorted(newest.values(), key=rank)[:most])

    def _asking(self, newest: dict[int, Parent]) -> dict[int, Parent]:
        """By author, a vertex by which we see a proposal in a scope where we vote that our line has not seen.

        The past of votes goes through the lines of who votes there alone. On any other a later vertex, with another
        proposal or, where its author votes elsewhere, with anything, shows nothing of what lies below: then it is the
        proposal's own vertex that has to be named, unless a member has.
        """
        shows: dict[int, Parent] = {}
        hides: dict[int, Parent] = {}
        for contest in (one.contest for one in self._sets):
            if is_change(contest.question) or not self._epochs.has_voted(contest.question.scope, self._index):
                continue
            missing = contest.unseen(contest.view(self.head) if self.head is not None else 0)
            views = {author: contest.view(parent.key) for author, parent in newest.items()} if missing else {}
            shown = 0
            for view in views.values():
                shown |= view
            for key, bits in missing.items():
                id = contest.ids[key] if self._graph.is_below(key) else self._graph.id_at(key)
                if not bits & ~views.get(key.author, 0):
                    shows.setdefault(key.author, newest[key.author])
                elif bits & ~shown and id is not None and key.author != self._index:
                    hides.setdefault(key.author, Parent(*key, id))
        return shows | hides

    def clocks(self, parents: Iterable[Parent]) -> tuple[int, ...]:
        return tuple(self._clocks.get(parent.author, 0) for parent in parents)

    def named(self, parents: Iterable[Parent]) -> None:
        """A vertex of ours names these."""
        for parent in parents:
            if self._fresh.get(parent.key[:2]) == parent:
                del self._fresh[parent.key[:2]]

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
