"""One conflict set as a node sees it: what was proposed, which votes count, what is decided (docs/decisions/0029)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from edge.consensus.committee import Seats
from edge.consensus.past import CAST, NEVER, NOTHING, Ballots, Lock, Mark, Past, Statement
from edge.consensus.question import conflict_of, value_digest
from edge.dag.evidence import Side
from edge.ids import VertexId, VertexKey
from edge.limits import PROPOSALS_PER_AUTHOR_MAX
from edge.wire.items import PRECOMMIT, PREVOTE, Question, Vote


class Proposed(NamedTuple):
    """A value that somebody proposed who may."""

    value: bytes
    proposer: int
    since_ms: float


class Contest:
    """Proposals and votes of one set.

    `opens_ms` tells of a value from when on a member may be the one who votes for it, monotonic ms.
    """

    def __init__(
        self,
        site: bytes,
        question: Question,
        seats: Seats,
        opens_ms: Callable[[Question, bytes], float] = lambda question, value: 0.0,
    ) -> None:
        self._opens_ms = opens_ms
        self.question = question
        self.conflict = conflict_of(site, question)
        self.seats = seats
        self.ballots = Ballots(seats.committee.members, seats.committee.quorum)
        self.past = Past()
        self.proposed: dict[bytes, Proposed] = {}
        """By digest, in the order they came."""
        self.proposals: dict[VertexKey, int] = {}
        """Vertices with a proposal, and the bits of these."""
        self.ids: dict[VertexKey, VertexId] = {}
        """Of these vertices: they may have to be named when the log has dropped them."""
        self.decided: tuple[int, bytes] | None = None
        """(ballot, digest of the value), once q members were heard to precommit it."""
        self._precommits: dict[tuple[int, bytes], dict[int, None]] = {}
        """Who did, by ballot and value."""
        self.twice: dict[int, None] = {}
        """Members who voted twice in one phase of a ballot: it counts no less, and they lie."""
        self.shown: dict[Statement, Side] = {}
        """Where each precommit for a value stands: what a certificate is made of."""

    def opens_ms(self, digest: bytes) -> float:
        """For a value that was proposed."""
        return self._opens_ms(self.question, self.proposed[digest].value)

    def has_room(self, proposer: int, besides: int = 0) -> bool:
        """Whether another value by this member would be taken, even if so many more come first."""
        theirs = sum(proposed.proposer == proposer for proposed in self.proposed.values())
        return theirs + besides < PROPOSALS_PER_AUTHOR_MAX

    def propose(self, vertex: VertexKey, id: VertexId, value: bytes, proposer: int, now_ms: float) -> str:
        """Take a proposal that stands in this vertex; or why not. Tell of it before the votes of its vertex."""
        digest = value_digest(value)
        if digest not in self.proposed:
            if not self.has_room(proposer):
                return "proposals-many"
            self.proposed[digest] = Proposed(value, proposer, now_ms)
        self.proposals[vertex] = self.proposals.get(vertex, 0) | self.ballots.propose(digest)
        self.ids[vertex] = id
        return ""

    def unseen(self, votes: int) -> dict[VertexKey, int]:
        """Vertices with a proposal of a value that is none of these, and the bits of that."""
        return {key: bits & ~votes for key, bits in self.proposals.items() if bits & ~votes}

    def heard(
        self,
        key: VertexKey,
        prev: VertexKey | None,
        parents: Iterable[VertexKey],
        votes: Iterable[Vote] = (),
        handed: tuple[Lock, ...] = (),
    ) -> list[tuple[Statement | None, str]]:
        """A vertex of a member, of this epoch or another: what it says, with the reason where that does not count.

        A precommit that its past does not justify is told with a reason, too: a certificate may have it. `handed` are
        the quorums of earlier epochs in its past.
        """
        before = self.past.mark(prev) if prev is not None else NOTHING
        seen = before.votes | self._beside(key, parents)
        mark = before._replace(votes=seen) if seen != before.votes else before
        said: list[tuple[Statement | None, str]] = []
        for vote in votes:
            mark, one = self._count(mark, self.seats.members.index(key.author), vote, handed)
            said.append(one)
        self.past.put(key, mark)
        return said

    def seen(self, key: VertexKey, prev: VertexKey | None, parents: Iterable[VertexKey]) -> int:
        """What is below this vertex, and proposed in it."""
        votes = self.past.mark(prev).votes if prev is not None else 0
        return votes | self._beside(key, parents)

    def _beside(self, key: VertexKey, parents: Iterable[VertexKey]) -> int:
        """The same, but for what is below on its own line."""
        votes = self.proposals.get(key, 0)
        for parent in parents:
            votes |= self.view(parent)
        return votes

    def view(self, vertex: VertexKey) -> int:
        """What a vertex that names this one sees by it."""
        return self.past.mark(vertex).votes | self.proposals.get(vertex, 0)

    def locks(self, votes: int) -> list[Lock]:
        """What these votes can bind somebody in a later epoch to, or free it from: every quorum of prevotes."""
        return [Lock(self.seats.epoch, *quorum) for quorum in self.ballots.quorums(votes, PREVOTE)]

    def certifies(self, votes: int, value: bytes) -> bool:
        """Whether q precommits for the value, in one ballot, are among these: justified or not, as in a certificate."""
        return any(cast == value for _, cast in self.ballots.quorums(votes, CAST))

    def unlocks(self, votes: int, handed: tuple[Lock, ...], lock: Lock | None, value: bytes, ballot: int) -> bool:
        """Whether a member with this lock may prevote the value in the ballot: it sees q prevotes from the lock on."""
        if lock is None or lock.value == value:
            return True
        if any(one.value == value and one[:2] >= lock[:2] for one in handed):
            return True
        first = lock.ballot if lock.epoch == self.seats.epoch else 0
        ballots = self.ballots
        return any(ballots.count(votes, at, PREVOTE, value) >= ballots.quorum for at in range(first, ballot))

    def _count(
        self, mark: Mark, member: int, vote: Vote, handed: tuple[Lock, ...]
    ) -> tuple[Mark, tuple[Statement | None, str]]:
        """The mark with this vote, and whether it counts: 0029, *What others accept*."""
        statement = Statement(member, vote.ballot, vote.phase, vote.value)
        if self.ballots.contradicts(statement):
            self.twice[self.seats.members[member]] = None
        if statement[1:3] <= mark.last:
            return mark, (None, "vote-order")
        if not self.ballots.is_proposed(mark.votes, None):
            # It is as if it were not there: who hears of the set only later does not know that it is.
            return mark, (None, "vote-unproposed")
        mark = entering(mark, handed)
        mark = Mark(mark.votes, statement[1:3], mark.lock, mark.has_cast)
        if not self.ballots.is_proposed(mark.votes, vote.value):
            return mark, (None, "vote-unproposed")
        lock = mark.lock
        if vote.value is not None and vote.phase == PREVOTE:
            if not self.unlocks(mark.votes, handed, lock, vote.value, vote.ballot):
                return mark, (None, "vote-against-lock")
        elif vote.value is not None:
            self._precommitted(member, vote.ballot, vote.value)
            cast = self.ballots.bit(Statement(member, vote.ballot, CAST, vote.value))
            mark = Mark(mark.votes | cast, mark.last, mark.lock, has_cast=True)
            if self.ballots.count(mark.votes, vote.ballot, PREVOTE, vote.value) < self.ballots.quorum:
                return mark, (statement, "vote-unjustified")
            lock = Lock(self.seats.epoch, vote.ballot, vote.value)
        bit = self.ballots.bit(statement)
        return Mark(mark.votes | bit, mark.last, lock, mark.has_cast), (statement, "")

    def recall(self, statement: Statement) -> None:
        """One that was counted before a start, in the order in which they were."""
        self.ballots.bit(statement)
        if statement.phase == CAST and statement.value is not None:
            self._precommitted(statement.member, statement.ballot, statement.value)

    def _precommitted(self, member: int, ballot: int, value: bytes) -> None:
        """q of these are a certificate, whatever is known of what they saw: of q members q - r are honest, and saw
        enough. So a liar whose votes reach some of us alone cannot keep the others from what is decided."""
        members = self._precommits.setdefault((ballot, value), {})
        members[member] = None
        if self.decided is None and len(members) >= self.ballots.quorum:
            self.decided = (ballot, value)

    def show(self, statement: Statement, shown: Side) -> None:
        """A precommit for a value stands here; the shortest signed place is kept."""
        held = self.shown.get(statement)
        if held is None or len(shown.headers) < len(held.headers):
            self.shown[statement] = shown

    def certifying(self) -> list[Side] | None:
        """q signed precommits for what was decided, by member ascending; None while there are not so many."""
        if self.decided is None:
            return None
        ballot, value = self.decided
        found = [
            shown
            for statement, shown in sorted(self.shown.items(), key=lambda entry: entry[0].member)
            if statement[1:] == (ballot, PRECOMMIT, value)
        ]
        return found[: self.ballots.quorum] if len(found) >= self.ballots.quorum else None


def entering(mark: Mark, handed: tuple[Lock, ...]) -> Mark:
    """A member's first vote on the question in this epoch fixes what it takes over: the highest quorum below."""
    return mark._replace(lock=max(handed, default=None)) if mark.last == NEVER else mark
