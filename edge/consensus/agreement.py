"""QR-Avalanche, certified: proposals and votes in, our votes and finals out (docs/decisions/0029).

Everything rides in vertices. The node tells of each vertex once, in causal order, our own when it is drafted; asks
which votes are due, and which parents the vertex must name that carries them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from edge.consensus.arrivals import Arrivals, Heard
from edge.consensus.certificate import certify
from edge.consensus.committee import Seats
from edge.consensus.contest import Contest
from edge.consensus.course import Course
from edge.consensus.lease import Leases, is_lease
from edge.consensus.lease import fault as lease_fault
from edge.consensus.past import NOTHING, Statement
from edge.consensus.question import conflict_of, final_id, value_digest
from edge.consensus.registers import Final, Registers
from edge.dag.evidence import Side
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.limits import OPEN_SETS_MAX, OPEN_SETS_PER_AUTHOR_MAX, VOTE_CHAIN_MAX, VOTES_PER_VERTEX_MAX
from edge.wire.items import PRECOMMIT, Proposal, Question, Vote
from edge.wire.vertex import Header

TIMEOUT_MS = 400.0
"""T0 of the first ballot."""


class _Set(NamedTuple):
    """An open conflict set, who named it first, and our way through it if we have a seat."""

    contest: Contest
    opener: int
    course: Course | None


class _Chain(NamedTuple):
    """A precommit whose signature has not come yet: headers from it up to the newest on its line."""

    contest: Contest
    statement: Statement
    key: VertexKey
    headers: tuple[bytes, ...]
    ids: tuple[bytes, ...]
    """Of the headers."""


class Agreement:
    """`index` is ours in the roster; `quarantined` has the authors of proven forks; `timeout_ms` is T0."""

    def __init__(
        self,
        site: bytes,
        index: int,
        graph: Graph,
        quarantined: Mapping[int, None] = MappingProxyType({}),
        timeout_ms: float = TIMEOUT_MS,
    ) -> None:
        self._site = site
        self._index = index
        self._graph = graph
        self._timeout_ms = timeout_ms
        self._seats: dict[str, Seats] = {}
        self._is_trusted: frozenset[int] = frozenset()
        self._members: frozenset[int] = frozenset()
        self._sets: dict[bytes, _Set] = {}
        self._arrivals = Arrivals(graph, quarantined)
        self._chains: list[_Chain] = []
        self._head: VertexKey | None = None
        """Our newest vertex, durable or not."""
        self._fresh: dict[tuple[int, int], tuple[Parent, int]] = {}
        """By line, the newest vertex of a member or with a proposal that ours has not named yet, and its clock."""
        self._finals: list[Final] = []
        self.registers = Registers(site)
        self.leases = Leases(index, self.registers)
        self.abstains = False
        """We may have voted what our log no longer has; until the next epoch, whose sets are others."""
        self.refused: dict[str, int] = {}
        self.votes_cast = self.votes_counted = self.decided = self.ballots_lost = 0

    def seat(self, committees: Iterable[Seats], gateways: Iterable[int]) -> None:
        """The committees of the roster, one a scope. Sets of earlier epochs are closed: nobody counts votes there."""
        before, self._seats = self._seats, {seats.scope: seats for seats in committees}
        if before and before != self._seats:
            self.abstains = False
        self._members = frozenset(index for seats in self._seats.values() for index in seats.members)
        self._is_trusted = self._members | frozenset(gateways)
        for conflict, open_ in list(self._sets.items()):
            if self._seats.get(open_.contest.question.scope) != open_.contest.seats:
                self._close(conflict)

    @property
    def is_member(self) -> bool:
        """Whether we sit on a committee."""
        return self._index in self._members

    # ---- what is heard

    def concerns(self, header: Header) -> bool:
        """Whether there is more in a vertex than that it came: most are of devices, and say nothing to us."""
        if header.items or header.author in self._members:
            return True
        self._arrivals.passed(header)
        return False

    def heard(self, header: Header, prev: VertexKey | None, signature: bytes | None, now_ms: float) -> None:
        """A vertex that concerns us is in the graph, or drafted by us.

        A start may read vertices from a damaged log whose past comes only later, from peers: what they say is
        judged then, since a vote without its past would be another one.
        """
        for one in self._arrivals.take(Heard(header, prev, signature), self._members):
            self._take(one, now_ms)

    def _take(self, heard: Heard, now_ms: float) -> None:
        header, prev, signature = heard
        for item in header.items:
            if isinstance(item, Proposal):
                self._proposed(item, header, now_ms)
        self._cover(header, signature)
        if header.author not in self._members:
            return
        if header.author == self._index:
            self._head = header.key
        else:
            self._note(header)
        self._votes(header, prev, signature)
        self._look()

    def _note(self, header: Header) -> None:
        """A vertex of ours that votes soon names this one, or a later one of its line."""
        if header.author != self._index:
            self._fresh[header.key[:2]] = (Parent(*header.key, header.id), header.hlc)

    def _proposed(self, proposal: Proposal, header: Header, now_ms: float) -> None:
        question = proposal.question
        if self.registers.is_past(question):
            return None
        fault = self.fault(proposal, header.author)
        if fault:
            return self._refuse(fault)
        seats = self._seats[question.scope]
        conflict = conflict_of(self._site, question)
        open_ = self._sets.get(conflict)
        if open_ is None:
            open_ = self._open(conflict, question, seats, header.author)
        if open_ is None:
            return self._refuse("sets-many")
        fault = open_.contest.propose(header.key, proposal.value, header.author, now_ms)
        if fault:
            return self._refuse(fault)
        self._note(header)
        return None

    def fault(self, proposal: Proposal, author: int) -> str:
        """Why a proposal by this member counts for nothing, whatever it asks; empty if it may be decided."""
        question = proposal.question
        seats = self._seats.get(question.scope)
        if seats is None or seats.epoch != question.epoch:
            return "proposal-epoch"
        if is_lease(question.key):
            return lease_fault(proposal.value, author)
        # Keys of leases are for any member of the site; the others are the committee's and the gateways'.
        return "" if author in self._is_trusted else "proposal-unauthorised"

    def has_room(self, question: Question, author: int) -> str:
        """Why a proposal by this member would find no room; empty if it does."""
        open_ = self._sets.get(conflict_of(self._site, question))
        if open_ is None:
            return "" if self._may_open(author) else "sets-many"
        return "" if open_.contest.has_room(author) else "proposals-many"

    def _may_open(self, author: int) -> bool:
        # What a quorum has decided was no one author's doing; it may only wait here for a signature.
        openers = [open_.opener for open_ in self._sets.values() if open_.contest.decided is None]
        return len(openers) < OPEN_SETS_MAX and openers.count(author) < OPEN_SETS_PER_AUTHOR_MAX

    def _open(self, conflict: bytes, question: Question, seats: Seats, author: int) -> _Set | None:
        if not self._may_open(author):
            return None
        is_ours = self._index in seats.members
        course = Course(seats.members.index(self._index), self._timeout_ms) if is_ours else None
        contest = Contest(self._site, question, seats, self.leases.opens_ms)
        self._sets[conflict] = _Set(contest, author, course)
        return self._sets[conflict]

    def _votes(self, header: Header, prev: VertexKey | None, signature: bytes | None) -> None:
        votes: dict[bytes, list[Vote]] = {}
        for item in header.items:
            if isinstance(item, Vote):
                votes.setdefault(item.conflict, []).append(item)
        parents = self._held(header.parents)
        for conflict, open_ in self._sets.items():
            if header.author not in open_.contest.seats.members:
                continue
            for statement, reason in open_.contest.heard(header.key, prev, parents, votes.get(conflict, ())):
                if reason:
                    self._refuse(reason)
                else:
                    self.votes_counted += 1
                if statement is None or statement.phase != PRECOMMIT or statement.value is None:
                    continue
                if signature is not None:
                    open_.contest.show(statement, Side((header.raw,), signature))
                else:
                    self._chains.append(_Chain(open_.contest, statement, header.key, (header.raw,), (header.id,)))

    def _held(self, parents: Iterable[Parent]) -> list[VertexKey]:
        """Of these, what the graph has: of who has forked it has one side, and what the other says is not counted."""
        return [parent.key for parent in parents if self._graph.holds(parent.key, parent.id)]

    def _cover(self, header: Header, signature: bytes | None) -> None:
        """A signature covers all below it on its chain that has none of its own."""
        for at, chain in enumerate(self._chains):
            if chain.ids[-1] == header.prev and len(chain.ids) < VOTE_CHAIN_MAX:
                longer = chain._replace(headers=(*chain.headers, header.raw), ids=(*chain.ids, header.id))
                self._chains[at] = longer
        if signature is not None:
            self._signed(header.id, signature)

    def signed(self, id: bytes, signature: bytes) -> None:
        """A vertex that was heard without its signature has it now: ours, once it is durable."""
        self._arrivals.signed(id, signature)
        self._signed(id, signature)
        self._look()

    def _signed(self, id: bytes, signature: bytes) -> None:
        chains, self._chains = self._chains, []
        for chain in chains:
            if id in chain.ids:
                length = chain.ids.index(id) + 1
                chain.contest.show(chain.statement, Side(chain.headers[:length], signature))
            else:
                self._chains.append(chain)

    def unsigned(self) -> list[VertexKey]:
        """Precommits that decided a set and came in a long range, with a signature far above: a certificate needs one
        nearer."""
        return [chain.key for chain in self._chains if chain.contest.decided is not None]

    def contest(self, conflict: bytes) -> Contest | None:
        """An open set."""
        open_ = self._sets.get(conflict)
        return open_.contest if open_ is not None else None

    def open_sets(self) -> list[Contest]:
        return [open_.contest for open_ in self._sets.values()]

    # ---- what is decided

    def _look(self) -> None:
        """Take what is decided and certified by now."""
        for open_ in list(self._sets.values()):
            contest = open_.contest
            certificate = certify(self._site, contest) if contest.decided is not None else None
            if certificate is not None and contest.decided is not None:
                ballot, digest = contest.decided
                self.ballots_lost += ballot
                self.decide(Final(contest.question, contest.proposed[digest].value, ballot, certificate))

    def decide(self, final: Final) -> bool:
        """A value is certified: by the votes we heard, or by a certificate that was judged. False if it is not new."""
        if not self.recall(final):
            return False
        self.decided += 1
        self._finals.append(final)
        return True

    def recall(self, final: Final) -> bool:
        """A final value that our log has a certificate of. False if it is not new."""
        if not self.registers.take(final):
            return False
        self.leases.learned(final)
        for conflict, open_ in list(self._sets.items()):
            if self.registers.is_past(open_.contest.question):
                self._close(conflict)
        return True

    def _close(self, conflict: bytes) -> None:
        open_ = self._sets.pop(conflict)
        self._chains = [chain for chain in self._chains if chain.contest is not open_.contest]

    def take_finals(self) -> list[Final]:
        """What became final since this was last asked."""
        finals, self._finals = self._finals, []
        return finals

    # ---- what we say

    def question(self, scope: str, key: str) -> Question | None:
        """What a proposal for the key must answer now; None if nobody decides in this scope."""
        seats = self._seats.get(scope)
        if seats is None:
            return None
        held = self.registers.get(scope, key)
        if held is None:
            return Question(scope, seats.epoch, key, 1, None)
        before = final_id(self._site, held.question, value_digest(held.value))
        return Question(scope, seats.epoch, key, held.question.version + 1, before)

    def parents(self, most: int) -> list[Parent]:
        """The newest vertices of members and proposers that our line has not named, members first; one an author."""
        newest = {parent.author: parent for parent in sorted(parent for parent, _ in self._fresh.values())}
        chosen = sorted(newest.values(), key=lambda parent: (parent.author not in self._members, parent.author))
        return sorted(chosen[:most])

    def clocks(self, parents: Iterable[Parent]) -> tuple[int, ...]:
        return tuple(self._fresh[parent.key[:2]][1] for parent in parents)

    def named(self, parents: Iterable[Parent]) -> None:
        """A vertex of ours names these."""
        for parent in parents:
            if self._fresh.get(parent.key[:2], (None,))[0] == parent:
                del self._fresh[parent.key[:2]]

    @property
    def has_open(self) -> bool:
        """Whether there is anything to vote on, or to follow."""
        return bool(self._sets)

    def due(self, parents: list[Parent], now_ms: float) -> list[Vote]:
        """Votes to cast now, all in one vertex that names these parents; tell of it by `heard` before asking again."""
        for one in self._arrivals.released(self._members):
            self._take(one, now_ms)
        if self.abstains or self._arrivals.waits(self._index):
            return []  # what we may have said, we do not know
        names = self._held(parents)
        votes: list[Vote] = []
        for open_ in self._sets.values():
            if len(votes) >= VOTES_PER_VERTEX_MAX:
                break
            if open_.course is None or not self._is_open(open_.contest):
                continue
            contest = open_.contest
            seen = contest.view(self._head) if self._head is not None else 0
            for name in names:
                seen |= contest.view(name)
            mine = contest.past.mark(self._head) if self._head is not None else NOTHING
            vote = open_.course.next_vote(contest, seen, mine, now_ms)
            if vote is not None:
                votes.append(vote)
        self.votes_cast += len(votes)
        return votes

    def _is_open(self, contest: Contest) -> bool:
        """Whether it may be voted on: it asks for what follows the final value that we know, and there is room."""
        is_new = self.registers.get(contest.question.scope, contest.question.key) is None
        return self.registers.is_next(contest.question) and not (is_new and self.registers.is_full)

    def needed(self) -> list[VertexKey]:
        """The vertices with the proposals of open sets: what lies above them in the log is told again at a start."""
        return [
            name for open_ in self._sets.values() for name in open_.contest.proposals if isinstance(name, VertexKey)
        ]

    def deadline(self) -> float:
        """When `due` is worth asking although nothing came, monotonic ms."""
        return min(
            (open_.course.due_ms for open_ in self._sets.values() if open_.course is not None), default=float("inf")
        )

    def _refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def counts(self) -> dict[str, int]:
        counts = {
            "sets_open": len(self._sets),
            "agreement_early": len(self._arrivals),
            "registers": len(self.registers),
            "votes_cast": self.votes_cast,
            "votes_counted": self.votes_counted,
            "decided": self.decided,
            "ballots_lost": self.ballots_lost,
        }
        return counts | {f"refused_{reason.replace('-', '_')}": count for reason, count in self.refused.items()}
