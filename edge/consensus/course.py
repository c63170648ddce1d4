"""A member's own way through the ballots of one conflict set: which vote is next, and when to look again.

docs/decisions/0029, *A member*, rules 2 to 5. Nothing here is durable: votes are, on the member's own line, and the
ballot and the lock follow from them.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from edge.consensus.contest import Contest, entering
from edge.consensus.past import Lock, Mark
from edge.limits import BALLOT_MAX
from edge.wire.items import PRECOMMIT, PREVOTE, Vote

GATHER_MS = 20.0
"""A first prevote waits so long for other proposals: what all see, all prefer alike."""
TIMEOUT_GROWTH = 1.25
TIMEOUT_GROWTH_MAX = 4.0
PATIENT_GROWTH_MAX = 400.0
"""Where members may have to wait for one another: all ballots last for some ten hours."""
COORDINATOR_WAIT_SHARE = 0.25
"""Of the timeout: how long a coordinator waits to hear what everyone precommitted in the ballot before."""


class _Scene(NamedTuple):
    """What a vote is chosen by."""

    contest: Contest
    votes: int
    """In its past."""
    handed: tuple[Lock, ...]
    """Quorums of earlier epochs in its past."""
    mine: Mark
    reached: list[tuple[int, int]]
    now_ms: float

    def unlocks(self, value: bytes, ballot: int) -> bool:
        return self.contest.unlocks(self.votes, self.handed, self.mine.lock, value, ballot)


class Course:
    """`place` is ours in the committee; `timeout_ms` that of the first ballot, T0. Who is patient waits for the end of
    each: others may still come to vote for what they cannot vote for now, and a liar must not use up the ballots."""

    def __init__(self, place: int, timeout_ms: float, *, is_patient: bool = False) -> None:
        self._place = place
        self._timeout_ms = timeout_ms
        self._is_patient = is_patient
        self.ballot = 0
        self._entered_ms: float | None = None
        self._step_ms = 0.0
        self._stepped = (0, PREVOTE)
        self.due_ms = float("inf")
        """When to ask again although nothing came."""

    def next_vote(
        self, contest: Contest, votes: int, mine: Mark, now_ms: float, handed: tuple[Lock, ...] = ()
    ) -> Vote | None:
        """The vote to cast, seeing `votes`, and `handed` of earlier epochs; None while there is nothing to say. Ask
        again after it is cast."""
        mine = entering(mine, handed)
        if self._entered_ms is None:
            self._entered_ms = self._step_ms = now_ms
            self.ballot = max(0, mine.last[0])
        self.due_ms = float("inf")
        if contest.decided is not None or not contest.ballots.is_proposed(votes, None):
            return None
        reached = contest.ballots.reached(votes)
        while True:
            self._jump(contest, reached, now_ms)
            phase = PREVOTE if mine.last < (self.ballot, PREVOTE) else PRECOMMIT
            if mine.last >= (self.ballot, PRECOMMIT):
                if not self._is_over(contest, votes, reached, now_ms):
                    return None
                self._enter(self.ballot + 1, now_ms)
                continue
            self._step((self.ballot, phase), now_ms)
            choose = self._prevote if phase == PREVOTE else self._precommit
            is_chosen, value = choose(_Scene(contest, votes, handed, mine, reached, now_ms))
            return Vote(contest.conflict, self.ballot, phase, value) if is_chosen else None

    @property
    def _limit_ms(self) -> float:
        most = PATIENT_GROWTH_MAX if self._is_patient else TIMEOUT_GROWTH_MAX
        return self._timeout_ms * min(TIMEOUT_GROWTH**self.ballot, most)

    def _enter(self, ballot: int, now_ms: float) -> None:
        self.ballot, self._entered_ms = ballot, now_ms
        self._step((ballot, PREVOTE), now_ms)

    def _step(self, step: tuple[int, int], now_ms: float) -> None:
        if step > self._stepped:
            self._stepped, self._step_ms = step, now_ms

    def _is_late(self, now_ms: float) -> bool:
        """Whether the step has lasted as long as it may; if not, the end of it is when to look again."""
        end = self._step_ms + self._limit_ms
        if now_ms >= end:
            return True
        self.due_ms = min(self.due_ms, end)
        return False

    def _jump(self, contest: Contest, reached: list[tuple[int, int]], now_ms: float) -> None:
        """To the highest ballot that r + 1 members have reached: one of them is honest."""
        ballots = sorted((last[0] for last in reached), reverse=True)
        highest = ballots[contest.seats.committee.liars]
        if highest > self.ballot:
            self._enter(highest, now_ms)

    def _is_over(self, contest: Contest, votes: int, reached: list[tuple[int, int]], now_ms: float) -> bool:
        """Whether the ballot has failed. A quorum must be seen to have come so far: who is cut off from it stays here,
        silent, and does not use up ballots."""
        here = (self.ballot, PRECOMMIT)
        self._step((self.ballot, PRECOMMIT + 1), now_ms)
        if self.ballot >= BALLOT_MAX or sum(last >= here for last in reached) < contest.seats.committee.quorum:
            return False
        is_lost = not contest.ballots.can_reach(votes, *here, reached)
        return (is_lost and not self._is_patient) or self._is_late(now_ms)

    def _precommit(self, scene: _Scene) -> tuple[bool, bytes | None]:
        ballots, votes = scene.contest.ballots, scene.votes
        value = ballots.quorum_for(votes, self.ballot, PREVOTE)
        if value is not None:
            return True, value
        is_hopeless = not ballots.can_reach(votes, self.ballot, PREVOTE, scene.reached)
        return is_hopeless or self._is_late(scene.now_ms), None

    def _prevote(self, scene: _Scene) -> tuple[bool, bytes | None]:
        ballots, votes = scene.contest.ballots, scene.votes
        if self.ballot == 0:
            return self._first(scene)
        coordinator = coordinator_of(scene.contest, self.ballot)
        if coordinator == self._place:
            return self._coordinate(scene)
        if scene.reached[coordinator] >= (self.ballot, PREVOTE):
            for value in ballots.values(ballots.by(votes, coordinator), self.ballot, PREVOTE):
                if scene.unlocks(value, self.ballot) and self._may(scene, value):
                    return True, value
            return True, None
        return self._is_late(scene.now_ms), None

    def _first(self, scene: _Scene) -> tuple[bool, bytes | None]:
        """Ballot 0 has no leader: what was taken over, or the plurality of what is in view, once."""
        contest, votes, now_ms, lock = scene.contest, scene.votes, scene.now_ms, scene.mine.lock
        if lock is not None:  # somebody who enters proposes it
            return contest.ballots.is_proposed(votes, lock.value), lock.value
        since = min((proposed.since_ms for proposed in contest.proposed.values()), default=now_ms)
        if contest.seats.committee.members > 1 and now_ms < since + GATHER_MS:
            self.due_ms = since + GATHER_MS
            return False, None
        value = _plurality(contest, votes, now_ms)
        if value is None:
            self.due_ms = min(contest.opens_ms(value) for value in contest.proposed)
        return value is not None, value

    def _may(self, scene: _Scene, value: bytes) -> bool:
        """Whether its time has come, for us or for a quorum, one of which is honest."""
        contest = scene.contest
        if contest.opens_ms(value) <= scene.now_ms or any(lock.value == value for lock in scene.handed):
            return True
        ballots = contest.ballots
        return any(ballots.quorum_for(scene.votes, ballot, PREVOTE) == value for ballot in range(self.ballot))

    def _coordinate(self, scene: _Scene) -> tuple[bool, bytes | None]:
        """Name the value of the highest ballot with q prevotes, of whichever epoch, once all were heard or have had
        their time."""
        contest, votes = scene.contest, scene.votes
        assert self._entered_ms is not None
        heard_all = all(last >= (self.ballot - 1, PRECOMMIT) for last in scene.reached)
        until = self._entered_ms + self._limit_ms * COORDINATOR_WAIT_SHARE
        if not heard_all and scene.now_ms < until:
            self.due_ms = min(self.due_ms, until)
            return False, None
        for ballot in range(self.ballot - 1, -1, -1):
            value = contest.ballots.quorum_for(votes, ballot, PREVOTE)
            if value is not None:
                break
        else:
            lock = max(scene.handed, default=scene.mine.lock)
            value = lock.value if lock is not None else _plurality(contest, votes, scene.now_ms)
        is_valid = value is not None and contest.ballots.is_proposed(votes, value)
        is_open = is_valid and value is not None and scene.unlocks(value, self.ballot)
        return True, value if is_open else None


def coordinator_of(contest: Contest, ballot: int) -> int:
    """The place of the member who names the value in a later ballot."""
    return (int.from_bytes(contest.conflict[:8], "big") + ballot) % contest.seats.committee.members


def _plurality(contest: Contest, votes: int, now_ms: float) -> bytes | None:
    """Of proposals whose time has come, that with most prevotes in ballot 0; of equals the one whose digest with the
    set's comes first. None if there is none."""
    counts = contest.ballots.single(votes, 0)
    in_view = (value for value in contest.proposed if contest.ballots.is_proposed(votes, value))
    return min(
        (value for value in in_view if contest.opens_ms(value) <= now_ms),
        key=lambda value: (-counts.get(value, 0), sha256(contest.conflict + value).digest()),
        default=None,
    )
