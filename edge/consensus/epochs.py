"""Which committee decides in a scope, and how one hands over to the next (docs/decisions/0030).

An epoch begins with the roster version in which its committee is listed, and is entered when q of the one before have
precommitted the change to it. What is asked here of the past of a vertex depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from edge.consensus.committee import Committees, Seats, by_epoch
from edge.consensus.contest import Contest
from edge.consensus.cuts import Cuts, Followed
from edge.consensus.past import CAST, Lock, Statement
from edge.consensus.question import final_id, value_digest
from edge.consensus.registers import Registers
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.limits import COMMITTEES_ENDED_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import PREVOTE, Proposal, Question
from edge.wire.vertex import Header

CHANGE_KEY = "committee"
"""The register of a scope that says who votes there. Members ask for it themselves, once in each epoch."""
COMMITTEE_DOMAIN = b"synedge/1/committee\x00"
CHANGE_BYTES_MAX = 64

Sees = Callable[[Followed], int]
"""The votes of a set, or the heads of a cut, that are below a vertex."""


@lru_cache(maxsize=2 * COMMITTEES_ENDED_MAX)
def change_value(site: bytes, seats: Seats) -> bytes:
    """What a change to this committee is decided as: its epoch, and a digest of who it is."""
    fields = [site, seats.scope, seats.epoch, seats.committee.liars, seats.members]
    return encode([seats.epoch, sha256(COMMITTEE_DOMAIN + encode(fields)).digest()])


def is_change(question: Question) -> bool:
    return question.key == CHANGE_KEY


_Asked = tuple[str, str, int, bytes | None]
"""A question, in whichever epoch: scope, key, version and predecessor."""


def _asked(question: Question) -> _Asked:
    scope, _, key, version, predecessor = question
    return scope, key, version, predecessor


RANKS = 3
"""Of whoever it may matter to name, for one who votes: see `Epochs.ranks`."""


class Handover(NamedTuple):
    """`epoch` decides; `to` is to follow, or None. Members are named by their index."""

    epoch: int
    to: int | None
    stopped: tuple[int, ...]
    """Of who decides, those heard to have precommitted the change: they vote on nothing else."""
    entered: tuple[int, ...]
    """Of who decides, those heard to know what ended the epoch before: they may vote."""


class Epochs:
    """The committees of all times, and the changes from one to another that were proposed."""

    def __init__(self, site: bytes, registers: Callable[[], Registers], graph: Graph) -> None:
        self._site = site
        self.cuts = Cuts(graph)
        self._registers = registers
        self._seats: Committees = {}
        self._scopes: dict[str, tuple[Seats, ...]] = {}
        self._standing: dict[str, Seats] = {}
        self._first: dict[str, Seats | None] = {}
        """By scope, the newest epoch that takes over from nobody."""
        self.changes: dict[tuple[str, int], Contest] = {}
        """By the scope and the epoch that ends."""
        self._asked: dict[_Asked, dict[int, Contest]] = {}
        """Open sets that ask the same question, by epoch."""

    def seat(self, committees: Iterable[Seats]) -> None:
        """The committees that the roster lists, ascending by scope and epoch."""
        self._seats = by_epoch(committees)
        self._scopes = {}
        for seats in self._seats.values():
            self._scopes[seats.scope] = (*self._scopes.get(seats.scope, ()), seats)
        self.cuts.seat(self._seats.values())
        self._standing = {s.scope: s for s in reversed([*self._seats.values()]) if s.stands}
        self._first = {scope: self.find(scope, self._begin(scope)) for scope in self._scopes}

    # ---- committees

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(self._scopes)

    @property
    def members(self) -> frozenset[int]:
        """Whoever voted at any time: what they said is part of the past."""
        return frozenset(index for seats in self._seats.values() for index in seats.members)

    def find(self, scope: str, epoch: int) -> Seats | None:
        return self._seats.get((scope, epoch))

    def standing(self, scope: str) -> Seats | None:
        """Who the roster wants to decide."""
        return self._standing.get(scope)

    def newest(self, scope: str) -> int:
        """The last epoch that is listed, whether it has begun or not."""
        return max((seats.epoch for seats in self._scopes.get(scope, ())), default=0)

    def is_over(self, seats: Seats) -> bool:
        """Whether the authority has had its scope begin anew since: nothing of before binds."""
        begins = (s.epoch for s in self._scopes.get(seats.scope, ()) if s.begins)
        return seats.name not in self._seats or max(begins, default=0) > seats.epoch

    def is_overruled(self, seats: Seats) -> bool:
        """Whether a roster has ended the epoch, without those who voted there."""
        return self._begin(seats.scope) > seats.epoch

    def _begin(self, scope: str, until: int | None = None) -> int:
        """The newest epoch, up to one, that nobody hands over to: it begins by the roster; 0 if there is none."""
        listed = (s for s in self._scopes.get(scope, ()) if until is None or s.epoch <= until)
        return max((s.epoch for s in listed if s.begins or s.cut is not None), default=0)

    def follows(self, scope: str, header: Header) -> bool:
        """Whether the past of votes in a scope goes through this vertex: its author has a seat in this or an earlier
        epoch, by the roster that the vertex was made under."""
        for seats in self._scopes.get(scope, ()):
            if header.author in seats.members and seats.epoch <= header.epoch:
                return True
        return False

    def may_propose(self, question: Question, author: int, epoch: int) -> bool:
        """Whether a committee of the roster of this version has the author in it, or the one that is asked."""
        seats = self.find(question.scope, question.epoch)
        if seats is not None and author in seats.members:
            return True
        latest = ([s for s in listed if s.epoch <= epoch][-1:] for listed in self._scopes.values())
        return any(author in seats.members for found in latest for seats in found)

    # ---- the change of an epoch

    def opened(self, contest: Contest) -> None:
        question = contest.question
        if is_change(question):
            self.changes[question.scope, question.epoch] = contest
        else:
            self._asked.setdefault(_asked(question), {})[question.epoch] = contest

    def closed(self, contest: Contest) -> None:
        question = contest.question
        if is_change(question):
            self.changes.pop((question.scope, question.epoch), None)
            return
        asked = self._asked.get(_asked(question), {})
        asked.pop(question.epoch, None)
        if not asked:
            self._asked.pop(_asked(question), None)

    def change_of(self, seats: Seats) -> Contest | None:
        return self.changes.get(seats.name)

    def entered_by(self, seats: Seats, sees: Sees) -> Contest | None:
        """The change by which somebody with this past has entered the epoch; None also of one that takes over from
        nobody."""
        begin = self._begin(seats.scope, seats.epoch)
        digest = value_digest(change_value(self._site, seats))
        for (scope, epoch), change in self.changes.items():
            if scope == seats.scope and begin <= epoch < seats.epoch and change.certifies(sees(change), digest):
                return change
        return None

    def is_entered(self, seats: Seats, sees: Sees) -> bool:
        """Whether a vote of the epoch counts with this past (rule 4)."""
        if seats.cut is not None:
            return self.cuts.is_crossed(seats.name, sees)
        return seats.begins or self.entered_by(seats, sees) is not None

    def change_question(self, seats: Seats, sees: Sees) -> Question | None:
        """E of an epoch, for somebody with this past; None if that has not entered."""
        if seats.cut is not None and not self.is_entered(seats, sees):
            return None
        if seats.begins or seats.cut is not None:
            is_first = self._scopes[seats.scope][0].name == seats.name and not seats.anew and seats.cut is None
            version, before = (1, None) if is_first else (seats.epoch, value_digest(change_value(self._site, seats)))
            return Question(seats.scope, seats.epoch, CHANGE_KEY, version, before)
        entered = self.entered_by(seats, sees)
        if entered is None:
            return None
        last = final_id(self._site, entered.question, value_digest(change_value(self._site, seats)))
        return Question(seats.scope, seats.epoch, CHANGE_KEY, entered.question.version + 1, last)

    def fault(self, proposal: Proposal, header: Header, sees: Sees) -> str:
        """Why the proposal of a change counts for nothing; empty if it does."""
        question = proposal.question
        seats = self.find(question.scope, question.epoch)
        if seats is None or header.epoch < seats.epoch or self.is_over(seats):
            return "proposal-epoch"
        named = self._named(question.scope, proposal.value)
        is_known = named is not None and named.epoch <= header.epoch
        if named is None or not is_known or not self._begin(question.scope, named.epoch) <= seats.epoch < named.epoch:
            return "proposal-committee"
        if header.author not in seats.members or self.change_question(seats, sees) != question:
            return "proposal-unauthorised"
        return ""

    def _named(self, scope: str, value: bytes) -> Seats | None:
        """The listed committee that the value of a change names."""
        try:
            fields = decode(value, depth_max=1) if len(value) <= CHANGE_BYTES_MAX else None
        except Malformed:
            return None
        match fields:
            case [int() as epoch, bytes()]:
                seats = self.find(scope, epoch)
            case _:
                return None
        return seats if seats is not None and value == change_value(self._site, seats) else None

    # ---- where we are

    def current(self, scope: str) -> Seats | None:
        """Whose turn it is to decide, as far as we know: by votes that were heard, or by a certificate."""
        seats = self._first.get(scope)
        while seats is not None:
            change, after = self.change_of(seats), None
            if change is not None and change.decided is not None:
                after = self._named(scope, change.proposed[change.decided[1]].value)
            if after is None:
                break
            seats = after
        held = self._registers().get(scope, CHANGE_KEY)
        named = self._named(scope, held.value) if held is not None else None
        return named if named is not None and (seats is None or named.epoch > seats.epoch) else seats

    def has_ended(self, contest: Contest) -> bool:
        """Whether a set is open only for what it binds others to."""
        if is_change(contest.question):
            return contest.decided is not None or self.is_overruled(contest.seats)
        current = self.current(contest.seats.scope)
        return current is not None and contest.seats.epoch < current.epoch

    def wanted(self, scope: str) -> Seats | None:
        """The committee that the roster wants and that has not begun; None if there is no change to make."""
        standing = self.standing(scope)
        if standing is None or standing is self._first.get(scope):
            return None  # no epoch comes before the one in which the scope begins
        current = self.current(scope)
        return standing if current is not None and standing.epoch > current.epoch else None

    def lets_in(self, key: VertexKey, head: VertexKey | None) -> bool:
        """Whether this line of its author is one of those by which a change was decided, and whose head is this has not
        all of them below yet: of who has several lines another may not do."""
        for change in self.changes.values():
            if change.decided is None or key.author not in change.seats.members:
                continue
            ballot, digest = change.decided
            if head is not None and change.certifies(change.view(head), digest):
                continue
            cast = Statement(change.seats.members.index(key.author), ballot, CAST, digest)
            if change.view(key) & change.ballots.bit(cast):
                return True
        return False

    def has_voted(self, scope: str, index: int) -> bool:
        """Whether a member has a seat in some epoch of a scope."""
        return any(index in seats.members for seats in self._scopes.get(scope, ()))

    def ranks(self, voter: int) -> dict[int, int]:
        """Members of scopes where one has a seat, by how much it matters to name them: a vertex has room for 31. First
        who hands over, as long as somebody does, and who decides; then those to come; then those of before."""
        ranks: dict[int, int] = {}
        for scope, listed in self._scopes.items():
            if not self.has_voted(scope, voter):
                continue
            current = self.current(scope)
            for seats in listed:
                rank = 2 if current is None or seats.epoch < current.epoch else int(seats.epoch > current.epoch)
                for index in seats.members:
                    ranks[index] = min(rank, ranks.get(index, rank))
        return ranks

    def handover(self, scope: str) -> Handover | None:
        """Where a scope stands, as far as we have heard; None if nobody has ever voted there."""
        seats = self.current(scope)
        if seats is None:
            return None
        wanted, change = self.wanted(scope), self.change_of(seats)
        cast = [one.member for one in change.ballots.statements if one.phase == CAST] if change is not None else []
        stopped = {seats.members[place] for place in cast}
        is_open = seats.begins or (seats.cut is not None and not seats.cut.heads)
        entered = set(seats.members) if is_open else set[int]()
        if seats.cut is not None and seats.cut.heads:
            entered = self.cuts.entered(seats.name)
        digest = value_digest(change_value(self._site, seats))
        for before in () if seats.begins else self.changes.values():
            if before.question.scope == scope and before.seats.epoch < seats.epoch:
                ends = before.past.ends()
                entered |= {author for author, mark in ends if before.certifies(mark.votes, digest)}
        to = wanted.epoch if wanted is not None else None
        return Handover(seats.epoch, to, tuple(sorted(stopped)), tuple(sorted(entered & set(seats.members))))

    # ---- what is taken over

    def is_asked(self, question: Question) -> bool:
        """Whether it is open in some epoch."""
        return _asked(question) in self._asked

    def before(self, question: Question) -> Iterator[Contest]:
        """Open sets of earlier epochs that ask the same."""
        asked = self._asked.get(_asked(question), {})
        return (other for epoch, other in asked.items() if epoch < question.epoch)

    def handed(self, contest: Contest, sees: Sees) -> tuple[Lock, ...]:
        """Quorums of prevotes that earlier epochs have left for the question, in this past."""
        epoch = contest.question.epoch
        return tuple(sorted(lock for older in self.before(contest.question) for lock in self.locks(older, epoch, sees)))

    def locks(self, older: Contest, epoch: int, sees: Sees) -> list[Lock]:
        """Quorums of prevotes that an earlier set leaves for a later epoch, in this past: of what is not below a cut
        between them, none."""
        return older.locks(sees(older) & self._below(older, epoch))

    def _below(self, older: Contest, epoch: int) -> int:
        return self.cuts.below(older.seats.scope, older.seats.epoch, epoch, older.view)

    def counted(self, contest: Contest) -> int:
        """The votes of a set that count, whatever was heard: below each cut that was made since."""
        return self._below(contest, self.newest(contest.seats.scope))

    def is_certified(self, contest: Contest) -> bool:
        """Whether what the votes have decided stands, and is not of a committee that was lost."""
        if contest.decided is None:
            return False
        counted = self.counted(contest)
        return counted == -1 or contest.certifies(counted, contest.decided[1])

    def disowns(self, contest: Contest, ballot: int, value: bytes) -> bool:
        """Whether a certificate is made with the keys of a committee whose epoch has ended: all that it can have
        certified has its quorum of prevotes below the q precommits, or the cut, that ended it, and we hold these."""
        change, counted = self.change_of(contest.seats), self.counted(contest)
        has_ended = counted != -1 or (change is not None and change.decided is not None)
        return has_ended and contest.ballots.count(counted, ballot, PREVOTE, value) < contest.ballots.quorum

    def crossing(self, head: VertexKey | None, index: int, newest: Mapping[int, Parent]) -> list[Parent]:
        """What a line of ours has to name to begin above the cuts of present epochs: of each other author with a head
        that our line lacks the newest vertex, if that is above it."""
        current = (self.current(scope) for scope in self.scopes)
        lacking = [one for seats in current if seats is not None for one in self.cuts.unnamed(*seats.name, head)]
        return [self.cuts.above(one, newest.get(one.author)) for one in lacking if one.author != index]

    def is_handed(self, proposal: Proposal, sees: Sees) -> bool:
        """Whether an earlier epoch has a quorum of prevotes for this value, in this past (rule 7)."""
        digest = value_digest(proposal.value)
        before, epoch = self.before(proposal.question), proposal.question.epoch
        return any(lock.value == digest for one in before for lock in self.locks(one, epoch, sees))

    def left(self, scope: str, epoch: int) -> list[Contest]:
        """Sets that the newest epoch before this one left open, one for each question that is asked."""
        found = []
        for (asked_scope, *_), asked in self._asked.items():
            before = [other for other in asked if other < epoch]
            if asked_scope == scope and before:
                found.append(asked[max(before)])
        return found
