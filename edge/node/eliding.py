"""Signatures go from the log before anything else does: those that one above makes needless (docs/decisions/0046).

A signature covers its author's line below it, so of what others surely have (a gateway, or the members of a committee
by its checkpoint) one in every so many is enough to prove all of it. Which of them stay is chosen from the bytes of a
segment, by who writes it anew (`edge.dag.eliding`); here is said which may go at all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial

from edge.dag.admission import Admission
from edge.dag.coverage import coverage
from edge.dag.eliding import Elided, Span
from edge.dag.graph import Branch, Graph
from edge.dag.records import place_of
from edge.effects import Elide
from edge.ids import Instant, VertexKey
from edge.limits import ELIDED_GAP_VERTICES, LOG_ELIDE_SHARE
from edge.node.custody import Custody
from edge.node.desk import Desk
from edge.node.forks import Forks
from edge.node.voting import Voting
from edge.wire.roster import Roster

ROUND_MS = 10_000.0
"""Between two rounds through the segments."""
NEEDLESS_MIN = 8
"""So few signatures are not worth a look at a segment."""


def spans_of(graph: Graph, branch: Branch, segment: int, through_seq: int) -> Iterator[tuple[Span, int, int]]:
    """Of a branch, what of a segment may lose signatures up to `through_seq`: each run of vertices that lies there,
    with how many signatures of it may go and how many lie there in all.

    Where the vertex below a run has no signature, the first of the run is what covers that one, and stays.
    """
    low, high = place_of(segment, 0), place_of(segment + 1, 0)
    places, signed = branch.places, branch.signed
    at = bisect_left(places, low)
    while at < len(places) and places[at] < high:
        first = at
        while at < len(places) and low <= places[at] < high:
            at += 1
        ours = [branch.start + index for index in range(first, at) if low <= signed[index] < high]
        if ours:
            may_go = ours if _is_signed_below(graph, branch, first) else ours[1:]
            may_go = [seq for seq in may_go if seq <= through_seq]
            if may_go:
                yield Span(branch.author, branch.incarnation, may_go[0], may_go[-1]), len(may_go), len(ours)
            else:
                yield Span(branch.author, branch.incarnation, 1, 0), 0, len(ours)
        at = max(at, first + 1)


def _is_signed_below(graph: Graph, branch: Branch, index: int) -> bool:
    """Whether nothing below depends on the first signature from here on."""
    if index > int(branch.is_cut):
        return bool(branch.signed[index - 1])
    base = branch.base
    return branch.is_cut or base is None or not graph.place(base)[0] or bool(graph.place(base)[1])


class Eliding:
    """Looks at one segment after the other while the log is filling up, and asks for one rewrite at a time."""

    def __init__(self, desk: Desk, admission: Admission, custody: Custody, forks: Forks, voting: Voting) -> None:
        self._desk = desk
        self._admission = admission
        self._graph = admission.graph
        self._custody = custody
        self._forks = forks
        self._voting = voting
        self._is_busy = False
        self._not_before_ms = float("-inf")
        self._next = 0
        """The segment to look at next, or the one after it that there is."""
        self._stayed: dict[int, int] = {}
        """Signatures that might have gone and were left in a segment, when it was last read for that."""
        self.signatures = self.bytes = self.refused = 0
        admission.does_without = self.does_without

    def look(self, segments: Sequence[tuple[int, float]], now: Instant) -> None:
        """Write the next segment anew that would become much smaller, if the log is full enough; of each, oldest first,
        the number and its share of the log's maximum."""
        share = sum(size for _, size in segments)
        if share < LOG_ELIDE_SHARE or self._is_busy or now.mono_ms < self._not_before_ms:
            return
        segment = next((number for number, _ in segments[:-1] if number >= self._next), None)
        if segment is None:
            self._next = 0
            self._not_before_ms = now.mono_ms + ROUND_MS
            known = {number for number, _ in segments}
            self._stayed = {number: stayed for number, stayed in self._stayed.items() if number in known}
            return
        self._next = segment + 1
        found = list(self._spans(segment))
        needless, signed = sum(count for _, count, _ in found), sum(count for _, _, count in found)
        if needless < max(NEEDLESS_MIN, signed // 2, 2 * self._stayed.get(segment, 0)):
            return
        self._is_busy = True
        spans = tuple(span for span, count, _ in found if count)
        ticket = self._desk.ticket(partial(self._elided, segment, spans, needless))
        self._desk.do(Elide(ticket, segment, spans))

    def _spans(self, segment: int) -> Iterator[tuple[Span, int, int]]:
        for author in self._graph.authors():
            covered = self._covered(author)
            for branch in self._graph.branches(author):
                yield from spans_of(self._graph, branch, segment, covered[branch.incarnation])

    def _covered(self, author: int) -> dict[int, int]:
        """By incarnation, the seq up to which others surely have an author's line, and nobody needs each signature.

        Of a forked author all stay, and of one whose votes are still to be shown.
        """
        branches = self._graph.branches(author)
        if self._is_needed(author):
            return dict.fromkeys((branch.incarnation for branch in branches), 0)
        roster = self._admission.roster
        return coverage(branches, lambda branch: self._said(branch, roster), with_floors=False)

    def _said(self, branch: Branch, roster: Roster) -> int:
        return max(self._custody.covered_seq(branch, roster), self._voting.sealed_seq(branch))

    def _is_needed(self, author: int) -> bool:
        admission = self._admission
        if author in admission.quarantined or author in admission.conflicts or author in self._forks.proofs:
            return True
        return any(key.author == author for key in self._voting.agreement.unsigned())

    def does_without(self, key: VertexKey) -> bool:
        """Whether a held vertex needs no signature of its own: it would go again."""
        branch = self._graph.branch(key.author, key.incarnation)
        if branch is None:
            return False
        above = key.seq + 1 - branch.start
        near = branch.signed[above : above + ELIDED_GAP_VERTICES]
        return any(near) and key.seq <= self._covered(key.author)[key.incarnation]

    def _elided(
        self, segment: int, spans: tuple[Span, ...], needless: int, elided: Elided | None, now: Instant
    ) -> None:
        self._is_busy = False
        if elided is None:
            self.refused += 1
            self._not_before_ms = now.mono_ms + ROUND_MS
            return self._desk.report("warning", "log-elide-refused", segment=segment)
        self._stayed[segment] = needless - len(elided.places)
        if not elided.places:
            return None
        gone = frozenset(elided.places)
        for span in spans:
            self._graph.forget_signatures(span, gone)
        self.signatures += len(elided.places)
        self.bytes += elided.bytes
        fields = {"segment": segment, "signatures": len(elided.places), "bytes": elided.bytes}
        return self._desk.report("info", "log-elided", **fields)

    def counts(self) -> dict[str, int]:
        return {
            "elided_signatures": self.signatures, "elided_bytes": self.bytes, "elisions_refused": self.refused,
        }  # fmt: skip
