"""The conflict sets that are open, and how many there may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from edge.consensus.checkpoint import is_checkpoint
from edge.consensus.committee import Seats
from edge.consensus.contest import Contest
from edge.consensus.course import Course
from edge.consensus.epochs import Epochs, is_change
from edge.consensus.question import conflict_of, is_eviction
from edge.dag.graph import Graph
from edge.limits import CLOSED_SETS_MAX, OPEN_SETS_MAX, OPEN_SETS_PER_AUTHOR_MAX, OWN_OPEN_SETS_MAX
from edge.wire.items import Proposal, Question

OpensMs = Callable[[Question, bytes], float]
"""From when on we may be the one who votes for a value, monotonic ms."""


class OpenSet(NamedTuple):
    """A conflict set, who named it first, and our way through it if we have a seat."""

    contest: Contest
    opener: int
    course: Course | None


class Sets:
    """By their digest, in the order they were opened. `index` is ours; `timeout_ms` is T0.

    `opens_ms` tells of a value from when on a member may be the one who votes for it, monotonic ms.
    """

    def __init__(
        self, site: bytes, index: int, epochs: Epochs, opens_ms: Callable[[Question, bytes], float], timeout_ms: float
    ) -> None:
        self._site = site
        self._index = index
        self._epochs = epochs
        self._opens_ms = opens_ms
        self._timeout_ms = timeout_ms
        self._open: dict[bytes, OpenSet] = {}
        self._in_turn: tuple[OpenSet, ...] = ()
        self._closed: dict[bytes, None] = {}
        """The newest of those that were: votes on them come late, and are no fault."""
        self.evictions = 0
        """Of those that are open, how many would evict somebody."""

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenSet]:
        """What was open when this began; changes last, since what is said after one does not count."""
        return iter(self._in_turn)

    def _changed(self) -> None:
        questions = [one.contest.question for one in self._open.values()]
        self._in_turn = tuple(sorted(self._open.values(), key=lambda one: is_change(one.contest.question)))
        self.evictions = sum(is_eviction(question.key) for question in questions)

    def counts(self) -> dict[str, int]:
        """Those that can be decided, changes included, and those that only bind later epochs."""
        ended = sum(self._epochs.has_ended(one.contest) for one in self._open.values())
        changes = sum(map(self._epochs.has_ended, self._epochs.changes.values()))
        groundless = sum(self.groundless(one.contest.question) for one in self._open.values())
        return {"sets_open": len(self._open) - ended, "sets_left": ended - changes, "values_groundless": groundless}

    def get(self, conflict: bytes) -> OpenSet | None:
        return self._open.get(conflict)

    def of(self, question: Question) -> OpenSet | None:
        return self._open.get(conflict_of(self._site, question))

    def unasked(self, conflicts: Iterable[bytes]) -> int:
        """How many of these nobody asked here, or so long ago that it is forgotten."""
        return sum(one not in self._open and one not in self._closed for one in conflicts)

    def groundless(self, question: Question, answer: bytes | None = None) -> int:
        """How many values a member must not vote for were proposed, but for the one that is the answer: checkpoints
        that name what is not final here, evictions that it has no grounds for."""
        open_ = self.of(question)
        if open_ is None or open_.course is None:
            return 0
        contest = open_.contest
        return sum(value != answer and contest.opens_ms(value) == float("inf") for value in contest.proposed)

    def fault(self, question: Question, author: int, besides: int = 0) -> str:
        """Why this member should not ask, if so many of its questions come before; empty if others will have room for
        it: twice as much, since they may learn later than it does that earlier ones are answered."""
        open_ = self.of(question)
        if open_ is None:
            return "" if self._may_open(question, author, OWN_OPEN_SETS_MAX - besides) else "sets-many"
        return "" if open_.contest.has_room(author, besides) else "proposals-many"

    def _may_open(self, question: Question, author: int, most: int) -> bool:
        if is_change(question) or self._epochs.is_asked(question):
            return True  # there is one of each epoch; and what is taken over had room in its first
        # What a quorum has decided was no one author's doing; it may only wait here for a signature.
        openers = [one.opener for one in self._open.values() if one.contest.decided is None and one.opener >= 0]
        return len(openers) < OPEN_SETS_MAX and openers.count(author) < most

    def open(self, question: Question, seats: Seats, author: int) -> OpenSet | None:
        """A new set, if there is room for it."""
        if not self._may_open(question, author, OPEN_SETS_PER_AUTHOR_MAX):
            return None
        return self.begin(question, seats, -1 if is_change(question) or self._epochs.is_asked(question) else author)

    def begin(self, question: Question, seats: Seats, opener: int) -> OpenSet:
        """A new set, whether or not there is room: by this author, or -1 if it is nobody's doing."""
        is_ours = self._index in seats.members
        is_patient = is_eviction(question.key)
        course = Course(seats.members.index(self._index), self._timeout_ms, is_patient=is_patient) if is_ours else None
        contest = Contest(self._site, question, seats, self._opens_ms)
        self._open[contest.conflict] = OpenSet(contest, opener, course)
        self._changed()
        self._epochs.opened(contest)
        return self._open[contest.conflict]

    def close(self, contest: Contest) -> None:
        del self._open[contest.conflict]
        self.passed(contest.conflict)
        self._changed()
        self._epochs.closed(contest)

    def passed(self, conflict: bytes) -> None:
        """A question that was asked, and is answered."""
        self._closed[conflict] = None
        while len(self._closed) > CLOSED_SETS_MAX:
            del self._closed[next(iter(self._closed))]

    def unsaid(self, graph: Graph) -> list[Proposal]:
        """What we asked in vertices that have left the graph, and in no other: nobody else knows of it. A checkpoint is
        asked for anew where there is something to seal."""
        found: list[Proposal] = []
        for contest in (one.contest for one in self._open.values()):
            ours = [key for key in contest.proposals if key.author == self._index]
            if any(graph.id_at(key) is not None or graph.is_dropped(key) for key in ours) or is_checkpoint(
                contest.question
            ):
                continue
            values = (one.value for one in contest.proposed.values() if one.proposer == self._index)
            found += [Proposal(contest.question, value) for value in values]
        return found

    def deadline(self) -> float:
        """When something may be due although nothing came, monotonic ms."""
        waiting = (
            one.course.due_ms
            for one in self._open.values()
            if one.course is not None and not (is_change(one.contest.question) and self._epochs.has_ended(one.contest))
        )
        return min(waiting, default=float("inf"))
