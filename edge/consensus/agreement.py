"""QR-Avalanche, certified: proposals and votes in, our votes and finals out (docs/decisions/0029 and 0030).

Everything rides in vertices. The node tells of each vertex once, in causal order, our own when it is drafted; asks
what is due, and which parents the vertex must name that carries it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from edge.consensus.arrivals import Arrivals, Heard
from edge.consensus.certificate import certify
from edge.consensus.chains import Chains
from edge.consensus.checkpoint import Checkpoints
from edge.consensus.committee import Seats
from edge.consensus.contest import Contest
from edge.consensus.cuts import Followed
from edge.consensus.epochs import Epochs, Sees, is_change
from edge.consensus.eviction import Evictions
from edge.consensus.imprint import Imprints
from edge.consensus.lease import Leases
from edge.consensus.naming import Naming
from edge.consensus.proposers import Proposers
from edge.consensus.question import conflict_of, final_id, is_eviction, value_digest
from edge.consensus.quiet import Quiet
from edge.consensus.registers import Final, Registers
from edge.consensus.sets import Sets
from edge.consensus.turn import IsLost, Turn
from edge.consensus.views import Views
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.wire.items import PRECOMMIT, Item, Proposal, Question, Vote
from edge.wire.vertex import Header

TIMEOUT_MS = 400.0
"""T0 of the first ballot."""


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
        self.registers = Registers(site)
        self.leases = Leases(index, self.registers)
        self.checkpoints = Checkpoints(site, self.registers)
        self.views = Views(site)
        self.epochs = Epochs(site, lambda: self.registers, graph)
        self.registers.generation = self.epochs.cuts.generation
        self.evictions = Evictions(index, graph, self.registers)
        self.proposers = Proposers(self.epochs, self.leases, self.checkpoints, self.evictions)
        self._members: frozenset[int] = frozenset()
        self.sets = self.evictions.sets = Sets(site, index, self.epochs, self.proposers.opens_ms, timeout_ms)
        self._turn = Turn(site, index, self.epochs, self.sets, self.evictions, self.proposers.fault)
        self.quiet = Quiet(graph, self.epochs, self.sets, self.registers, self.checkpoints, self.leases, self.evictions)
        self._arrivals = Arrivals(graph, quarantined)
        self.wanted = self._arrivals.wanted
        self._chains = Chains()
        self.imprints = Imprints(index, self.epochs, self.evictions, self._arrivals, self._chains)
        self.naming = Naming(index, graph, self.epochs, self.sets)
        self._finals: list[Final] = []
        self.is_silent = False
        """We say nothing of ourselves, in no epoch."""
        self.voted_twice: dict[int, None] = {}
        """Members who contradicted themselves: no more than have seats."""
        self.voted_stopped: dict[int, None] = {}
        """And those who voted above their own stop."""
        self.refused: dict[str, int] = {}
        self.votes_cast = self.votes_counted = self.decided = self.ballots_lost = 0

    def seat(self, committees: Iterable[Seats], gateways: Iterable[int]) -> None:
        """The committees that the roster lists, of all times. What ended sets say is kept: it binds those after."""
        self.quiet.tell()
        self.epochs.seat(committees)
        self.imprints.seat()
        self._members = self.epochs.members
        self.proposers.gateways = frozenset(gateways)
        for open_ in self.sets:
            if self.epochs.is_over(open_.contest.seats):
                self._close(open_.contest)

    @property
    def is_member(self) -> bool:
        """Whether we sit, or sat, on a committee."""
        return self._index in self._members

    def abstain_where(self, is_lost: IsLost) -> None:
        """Whoever can know says in which epochs we may have voted what our log no longer has."""
        self._turn.is_lost = is_lost

    # ---- what is heard

    def concerns(self, header: Header) -> bool:
        """Whether there is more in a vertex than that it came: most are of devices, and say nothing to us."""
        if header.items or header.author in self._members:
            return True
        self._arrivals.passed(header.key)
        return False

    def heard(self, header: Header, prev: VertexKey | None, signature: bytes | None, now_ms: float) -> None:
        """A vertex that concerns us is in the graph, or drafted by us.

        A start may read vertices from a damaged log whose past comes only later, from peers: what they say is
        judged then, since a vote without its past would be another one.
        """
        if header.author == self._index:
            self.quiet.tell()  # also if it has to wait
        for one in self._arrivals.take(Heard(header, prev, signature), self._members):
            self._take(one, now_ms)

    def shown(self, headers: Sequence[Header], signature: bytes, now_ms: float) -> tuple[bool, int | None]:
        """A chain of a forked member, which this signature covers: what lies beside the line that is held is judged if
        somebody's vertex stands on it. Whether any was new; and of what it hangs above, if we lack that, the seq."""
        self.quiet.tell()
        chain, lacking_seq = self._arrivals.beside(headers, signature)
        for heard in chain:
            if heard.alias is None:
                self._refuse("side-room")
                break
            for one in self._arrivals.take(heard, self._members):
                self._take(one, now_ms)
        return bool(chain), lacking_seq

    def _take(self, heard: Heard, now_ms: float) -> None:
        header, prev, signature, alias = heard
        parents = self._held(header.parents)

        def sees(one: Followed) -> int:
            return one.seen(heard.key, prev, parents)

        self.epochs.cuts.heard(heard.key, header, prev, parents, self.epochs.follows)
        for item in header.items:
            if isinstance(item, Proposal):
                self._proposed(item, heard, sees, now_ms)
        self._chains.cover(header, signature)
        if header.author not in self._members:
            return
        self.quiet.tell()
        if header.author == self._index:
            self.naming.head = header.key
        elif alias is None:
            self.naming.note(header)
        self._votes(heard, parents, sees)
        self._look()

    def _proposed(self, proposal: Proposal, heard: Heard, sees: Sees, now_ms: float) -> None:
        question, header = proposal.question, heard.header
        if self.registers.is_past(question) and not is_change(question):
            return self.sets.passed(conflict_of(self._site, question))
        fault = self.proposers.heard(proposal, heard, sees)
        if fault:
            return self._refuse(fault)
        open_ = self.sets.of(question)
        if open_ is None:
            seats = self.epochs.find(question.scope, question.epoch)
            assert seats is not None
            open_ = self.sets.open(question, seats, header.author)
        if open_ is None:
            return self._refuse("sets-many")
        fault = open_.contest.propose(heard.key, header.id, proposal.value, header.author, now_ms)
        if fault:
            return self._refuse(fault)
        self.quiet.tell()
        if is_eviction(question.key):
            self.evictions.say(header.author, proposal.value)
        if heard.alias is None:
            self.naming.note(header)
        return None

    def _votes(self, heard: Heard, parents: list[VertexKey], sees: Sees) -> None:
        header, prev, signature, _ = heard
        votes: dict[bytes, list[tuple[int, Vote]]] = {}
        for at, item in enumerate(header.items):
            contest = self.contest(item.conflict) if isinstance(item, Vote) else None
            if contest is not None and header.author not in contest.seats.members:
                self._refuse("vote-stranger")
            elif isinstance(item, Vote):
                votes.setdefault(item.conflict, []).append((at, item))
        self._refuse("vote-unasked", self.sets.unasked(votes))
        cut: dict[tuple[str, int], int] = {}
        for contest in self._followed(heard):
            said = [
                (at, vote)
                for at, vote in votes.get(contest.conflict, ())
                if self._counts(contest, heard, at, cut, sees)
            ]
            handed = self.epochs.handed(contest, sees) if said else ()
            told = contest.heard(heard.key, prev, parents, [vote for _, vote in said], handed)
            self.voted_twice |= contest.twice
            for (at, _), (statement, reason) in zip(said, told, strict=True):
                if reason:
                    self._refuse(reason)
                else:
                    self.votes_counted += 1
                if statement is None or statement.phase != PRECOMMIT or statement.value is None:
                    continue
                self._chains.said(contest, statement, heard.key, header, signature)
                if is_change(contest.question):
                    cut.setdefault(contest.seats.name, at)

    def _followed(self, heard: Heard) -> list[Contest]:
        """Sets whose past goes through this vertex; changes first, since they end what may be said on others."""
        if not len(self.sets):
            return []
        scopes = {scope: self.epochs.follows(scope, heard.header) for scope in self.epochs.scopes}
        contests = (one.contest for one in reversed([*self.sets]))
        return [one for one in contests if scopes.get(one.question.scope) and not one.past.knows(heard.key)]

    def _counts(self, contest: Contest, heard: Heard, at: int, cut: Mapping[tuple[str, int], int], sees: Sees) -> bool:
        """Whether a member's vote may count at all: it has entered the epoch, and has not stopped in it."""
        seats = contest.seats
        if not self.epochs.is_entered(seats, sees):
            self._refuse("vote-early")
            return False
        change = self.epochs.change_of(seats)
        if is_change(contest.question) or change is None:
            return True
        has_stopped = heard.prev is not None and change.past.mark(heard.prev).has_cast
        if has_stopped or at > cut.get(seats.name, at):
            self._refuse("vote-stopped")
            self.voted_stopped[heard.header.author] = None
            return False
        return True

    def _held(self, parents: Iterable[Parent]) -> list[VertexKey]:
        """Of these, what we have."""
        names = (self._arrivals.name(parent) for parent in parents)
        return [name for name in names if name is not None]

    def signed(self, id: bytes, signature: bytes) -> None:
        """A vertex that was heard without its signature has it now: ours, once it is durable."""
        self._arrivals.signed(id, signature)
        self._chains.signed(id, signature)
        self._look()

    def unsigned(self) -> list[VertexKey]:
        """Precommits that decided a set and came in a long range, with a signature far above: a certificate needs one
        nearer."""
        return [key for contest, key in self._chains.unsigned() if self._is_uncertified(contest)]

    def contest(self, conflict: bytes) -> Contest | None:
        """An open set."""
        open_ = self.sets.get(conflict)
        return open_.contest if open_ is not None else None

    def open_sets(self) -> list[Contest]:
        """Those that may still be decided."""
        return [open_.contest for open_ in self.sets if not self.epochs.has_ended(open_.contest)]

    # ---- what is decided

    def _is_uncertified(self, contest: Contest) -> bool:
        return self.epochs.is_certified(contest) and not self.registers.is_past(contest.question)

    def _look(self) -> None:
        """Take what is decided and certified by now."""
        for open_ in self.sets:
            contest = open_.contest
            certificate = certify(self._site, contest) if self._is_uncertified(contest) else None
            if certificate is not None and contest.decided is not None:
                ballot, digest = contest.decided
                self.ballots_lost += ballot
                self.learn(Final(contest.question, contest.proposed[digest].value, ballot, certificate))

    def decide(self, final: Final) -> bool:
        """A certificate that was judged says so. False if it is not new, or cannot be: see `_is_forged`."""
        if self._is_forged(final):
            self._refuse("certificate-late")
            return False
        return self.learn(final)

    def _is_forged(self, final: Final) -> bool:
        """Whether it is of a committee that handed over, or was lost, and cannot have certified it by then."""
        open_ = self.sets.of(final.question)
        if open_ is None or is_change(final.question) or final.ballot is None:
            return self.registers.contradicts(final)
        return self.epochs.disowns(open_.contest, final.ballot, value_digest(final.value))

    def learn(self, final: Final) -> bool:
        """A value that is certified, or vouched for by what is. False if it is not new."""
        if not self.recall(final):
            return False
        self.decided += 1
        self._finals.append(final)
        return True

    def recall(self, final: Final) -> bool:
        """A final value that our log has a certificate of. False if it is not new."""
        groundless = self.sets.groundless(final.question, value_digest(final.value))
        if not self.registers.take(final):
            return False
        self._refuse("value-groundless", groundless)
        for machine in (self.leases, self.checkpoints, self.views):
            machine.learned(final)
        for open_ in self.sets:
            question = open_.contest.question
            if self.registers.is_past(question) and not is_change(question):
                self._close(open_.contest)
        return True

    def _close(self, contest: Contest) -> None:
        self.sets.close(contest)
        self._chains.drop(contest)

    def take_finals(self) -> list[Final]:
        """What became final since this was last asked."""
        finals, self._finals = self._finals, []
        return finals

    # ---- what we say

    def question(self, scope: str, key: str) -> Question | None:
        """What a proposal for the key must answer now; None if nobody decides in this scope."""
        seats = self.epochs.current(scope)
        if seats is None or self.epochs.standing(scope) is None:
            return None
        held = self.registers.get(scope, key)
        if held is None:
            return Question(scope, seats.epoch, key, 1, None)
        before = final_id(self._site, held.question, value_digest(held.value))
        return Question(scope, seats.epoch, key, held.question.version + 1, before)

    def has_room(self, question: Question, author: int) -> str:
        """Why this member should not ask, what waits here counted in; empty if others will have room for it."""
        return self.sets.fault(question, author, self._arrivals.asked(author))

    @property
    def has_open(self) -> bool:
        """Whether there is anything to say, or to follow."""
        return self._turn.has_open

    def release(self, now_ms: float, *, can_ask: bool) -> None:
        """Judge what has waited in vain for a line of who has forked: perhaps nothing is open because all of it did.
        `can_ask`: somebody is there."""
        for one in self._arrivals.released(self._members, now_ms, can_ask=can_ask):
            self.quiet.tell()
            self._take(one, now_ms)

    def is_due(self, now_ms: float) -> bool:
        """Whether `due` is worth asking: where it had nothing to say, it is once that may be otherwise."""
        if self.quiet.until_ms is not None:
            return now_ms >= self.quiet.until_ms
        is_open = self.has_open
        if not is_open:
            self.quiet.begin(float("inf"))
        return is_open

    def due(self, parents: list[Parent], now_ms: float) -> list[Item]:
        """What to say now, all in one vertex that names these parents; tell of it by `heard` before asking again."""
        items: list[Item] = []
        if not self._must_wait:
            items = self._turn.due(self.registers, self.naming.head, self._held(parents), now_ms)
            self.votes_cast += sum(isinstance(item, Vote) for item in items)
        if not items:
            self.quiet.begin(self._next_due())
        return items

    def deadline(self) -> float:
        """When `due` is worth asking although nothing came, monotonic ms."""
        return self._next_due() if self.quiet.until_ms is None else self.quiet.until_ms

    def _next_due(self) -> float:
        due_ms = min(self.sets.deadline(), self.evictions.due_ms)
        return due_ms if self.has_open and not self._must_wait else float("inf")

    @property
    def _must_wait(self) -> bool:
        """What we may have said, we do not know; or we say nothing at all."""
        return self.is_silent or self._arrivals.waits(self._index)

    def _refuse(self, reason: str, times: int = 1) -> None:
        if times:
            self.refused[reason] = self.refused.get(reason, 0) + times

    def counts(self) -> dict[str, int]:
        counts = {
            **self.sets.counts(),
            "agreement_early": len(self._arrivals),
            "agreement_beside": len(self._arrivals.sides),
            "registers": len(self.registers),
            "members_evicted": sum(is_eviction(final.question.key) for final in self.registers),
            "votes_cast": self.votes_cast,
            "votes_counted": self.votes_counted,
            "decided": self.decided,
            "ballots_lost": self.ballots_lost,
            "members_voted_twice": len(self.voted_twice),
            "members_voted_stopped": len(self.voted_stopped),
            "checkpoints_differing": self.views.differed,
        }
        return counts | {f"refused_{reason.replace('-', '_')}": count for reason, count in self.refused.items()}
