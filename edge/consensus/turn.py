"""What a member says next: votes, and what it has to propose when a committee hands over (docs/decisions/0030)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edge.consensus.committee import Seats
from edge.consensus.contest import Contest
from edge.consensus.cuts import Followed
from edge.consensus.epochs import Epochs, Sees, change_value, is_change
from edge.consensus.eviction import Evictions
from edge.consensus.past import NOTHING
from edge.consensus.question import is_eviction
from edge.consensus.registers import Registers
from edge.consensus.sets import OpenSet, Sets
from edge.ids import VertexKey
from edge.limits import VOTES_PER_VERTEX_MAX
from edge.wire.items import PRECOMMIT, Item, Proposal, Question, Vote

Fault = Callable[[Proposal, int, int], str]
"""Why a member may not propose this, under the roster of a version."""
IsLost = Callable[[str, int], bool]
"""Whether we may have voted what our log no longer has, in this epoch of a scope: there we abstain."""


class Turn:
    """`index` is ours."""

    def __init__(self, site: bytes, index: int, epochs: Epochs, sets: Sets, evictions: Evictions, fault: Fault) -> None:
        self._site = site
        self._index = index
        self._epochs = epochs
        self._sets = sets
        self._evictions = evictions
        self._fault = fault
        self.is_lost: IsLost = lambda scope, epoch: False

    @property
    def has_open(self) -> bool:
        ended = self._epochs.has_ended
        is_open = any(not (is_change(one.contest.question) and ended(one.contest)) for one in self._sets)
        return is_open or any(self._is_wanted(scope) for scope in self._epochs.scopes)

    def _is_wanted(self, scope: str) -> bool:
        """Whether we have something to propose, or may come to."""
        seats = self._epochs.current(scope)
        return self._epochs.wanted(scope) is not None or (seats is not None and bool(self._evictions.wanted(seats)))

    def due(
        self, registers: Registers, head: VertexKey | None, names: Iterable[VertexKey], now_ms: float
    ) -> list[Item]:
        """What a vertex after `head` that names these has to say: one proposal, or votes."""
        named = [*names, *([head] if head is not None else [])]

        def sees(one: Followed) -> int:
            votes = 0
            for name in named:
                votes |= one.view(name)
            return votes

        proposal = self._proposal(registers, sees, now_ms)
        if proposal is not None:
            return [proposal]
        votes: list[Item] = []
        for open_ in self._sets:
            if len(votes) >= VOTES_PER_VERTEX_MAX:
                break
            vote = self._vote(open_, registers, head, sees, now_ms)
            if vote is not None:
                votes.append(vote)
                if is_change(open_.contest.question) and vote.phase == PRECOMMIT and vote.value is not None:
                    break  # nothing on other questions stands above it
        return votes

    # ---- votes

    def _vote(
        self, open_: OpenSet, registers: Registers, head: VertexKey | None, sees: Sees, now_ms: float
    ) -> Vote | None:
        contest, course = open_.contest, open_.course
        if course is None:
            return None
        course.due_ms = float("inf")
        if not self._may_vote(contest, registers, head, sees):
            return None
        mine = contest.past.mark(head) if head is not None else NOTHING
        return course.next_vote(contest, sees(contest), mine, now_ms, self._epochs.handed(contest, sees))

    def _may_vote(self, contest: Contest, registers: Registers, head: VertexKey | None, sees: Sees) -> bool:
        seats, question = contest.seats, contest.question
        if self.is_lost(*seats.name) or self._epochs.is_overruled(seats) or not self._epochs.is_entered(seats, sees):
            return False
        change = self._epochs.change_of(seats)
        if is_change(question):
            return True  # until it is decided by votes: a certificate proves it, and lets nobody enter
        if self._has_ended(seats) or (change is not None and head is not None and change.past.mark(head).has_cast):
            return False
        is_new = registers.get(question.scope, question.key) is None
        return registers.is_next(question) and not (is_new and registers.is_full)

    def _has_ended(self, seats: Seats) -> bool:
        """Whether the epoch is over, or nobody is to vote there."""
        current = self._epochs.current(seats.scope)
        return current is None or current.epoch > seats.epoch or self._epochs.standing(seats.scope) is None

    # ---- proposals

    def _proposal(self, registers: Registers, sees: Sees, now_ms: float) -> Proposal | None:
        """A change of the committee that the roster wants, what a new epoch has to go on with, or an eviction."""
        for scope in self._epochs.scopes:
            seats = self._epochs.current(scope)
            if seats is None or self._index not in seats.members or not self._epochs.is_entered(seats, sees):
                continue
            proposal = self._change(seats, sees)
            if proposal is None and not seats.begins:
                proposal = self._taken_over(seats, registers, sees)
            if proposal is None and self._epochs.standing(scope) is not None:
                proposal = self._evictions.proposal(seats, now_ms)
            if proposal is not None:
                return proposal
        return None

    def _change(self, seats: Seats, sees: Sees) -> Proposal | None:
        wanted = self._epochs.wanted(seats.scope)
        if wanted is None or self._epochs.change_of(seats) is not None:
            return None
        question = self._epochs.change_question(seats, sees)
        return Proposal(question, change_value(self._site, wanted)) if question is not None else None

    def _taken_over(self, seats: Seats, registers: Registers, sees: Sees) -> Proposal | None:
        """The highest quorum that an earlier epoch has left for a question (rule 7); without one, what was proposed, if
        that may be proposed now."""
        for older in self._epochs.left(seats.scope, seats.epoch):
            question = older.question._replace(epoch=seats.epoch)
            if not registers.is_next(question):
                continue
            open_ = self._sets.of(question)
            known = open_.contest.proposed if open_ is not None else {}
            before = self._epochs.before(question)
            locks = [(lock, one) for one in before for lock in self._epochs.locks(one, seats.epoch, sees)]
            if locks:
                (*_, digest), source = max(locks, key=lambda found: found[0])
                if digest not in known and not self._sets.fault(question, self._index):
                    return Proposal(question, source.proposed[digest].value)
            elif not known and (proposal := self._again(older, question, sees(older))) is not None:
                return proposal
        return None

    def _again(self, older: Contest, question: Question, votes: int) -> Proposal | None:
        """What had no quorum, if who proposed it still may, and we may, too. Evictions are proposed for grounds."""
        if is_eviction(question.key):
            return None
        for digest, proposed in sorted(older.proposed.items(), key=lambda one: one[0]):
            proposal = Proposal(question, proposed.value)
            authors = (proposed.proposer, self._index)
            if older.ballots.is_proposed(votes, digest) and not any(
                self._fault(proposal, author, question.epoch) for author in authors
            ):
                return proposal if not self._sets.fault(question, self._index) else None
        return None
