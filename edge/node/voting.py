"""Agreement on the node: votes leave in vertices of our own line, and what is final lies in the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from edge.consensus.agreement import Agreement
from edge.consensus.certificate import Certificate, decode_certificate, look
from edge.consensus.committee import Committees, Seats, by_epoch, seats_of
from edge.consensus.eviction import WHY, Eviction, decode_eviction
from edge.consensus.question import is_eviction
from edge.consensus.registers import Final
from edge.consensus.sealrecord import decode_final, decode_seal, encode_final
from edge.dag.admission import Admission
from edge.dag.author import Author
from edge.dag.graph import Branch
from edge.dag.pending import Candidate
from edge.dag.records import CERTIFICATE, FINAL, Record, segment_of
from edge.effects import Decided, FinalsSealed
from edge.ids import Instant, Parent, VertexKey
from edge.limits import PARENTS_DEVICE_MAX, PARENTS_MAX
from edge.node.certified import Certified
from edge.node.desk import Desk
from edge.node.options import NodeOptions
from edge.node.ownline import OwnLine
from edge.node.sealing import Sealing
from edge.node.votenote import Epoch, VoteNote
from edge.node.witnessing import Witnessing
from edge.wire.items import Proposal, Question, Vote
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.vertex import Header


class Voting:
    """Between the agreement and our own line."""

    def __init__(self, desk: Desk, options: NodeOptions, admission: Admission, own: OwnLine, author: Author) -> None:
        self._desk = desk
        self._index = index = options.index
        self._admission = admission
        self._graph = admission.graph
        self._own = own
        self._roster: Roster | None = None
        self._committees: Committees = {}
        self._early: deque[Candidate] = deque()
        """Vertices of the log above one whose roster lies further on, and their signatures."""
        self._signatures: dict[bytes, bytes] = {}
        self._told = {"voted-twice": 0, "voted-stopped": 0}
        """How many members were named for each breach."""
        self._unjudged: list[tuple[int, Record]] = []
        """Certificates of the log whose committee is in a roster that the log has further on."""
        self._are_votes_lost = False
        """What the floor file has of changes is damaged, and with it what we said on them."""
        self._certifying = 0
        """How many finals are not durable yet."""
        self._drops_sealed = options.drops_sealed and not options.is_gateway
        self.agreement = Agreement(admission.roster.site, index, admission.graph, admission.quarantined)
        self.witnessing = Witnessing(index, admission, author, own, options.witness_ms)
        self.note = VoteNote(desk)
        self.agreement.abstain_where(self.note.is_lost)
        machines = (admission, self.agreement, self.witnessing.witnesses, own)
        self.sealing = Sealing(index, *machines, options.checkpoint_ms, self.note.is_lost)
        author.checkpoint = lambda: self.agreement.views.known
        self.certified = Certified(desk, self.agreement.registers.rank, self.agreement.checkpoints)
        self.finals, self.overruled = self.certified.finals, self.certified.overruled
        self.can_ask: Callable[[Instant], Sequence[int]] = lambda now: ()
        """Who is there and may give what we lack."""
        own.on_draft = self._drafted
        own.on_signed = self.agreement.signed
        own.on_lost = self._lost
        self._unsaid: deque[Proposal] = deque()
        """What we asked above a hole in our line."""
        own.on_anew = lambda: self._unsaid.extend(self.agreement.sets.unsaid(self._graph))
        self._gossiped = own.choose_parents
        own.choose_parents = self._parents

    def _seat(self) -> None:
        """Go by the committees of the roster that admission goes by."""
        roster = self._admission.roster
        if roster is not self._roster:
            self._roster = roster
            gateways = (member.index for member in roster.members if "gateway" in member.roles)
            self._committees = by_epoch(seats_of(roster))
            self.agreement.seat(self._committees.values(), gateways)
            self.witnessing.seat(self._committees.values(), roster)

    # ---- what is heard

    def accepted(self, candidate: Candidate, now_ms: float) -> None:
        """A vertex is in the graph, by somebody else or read from the log.

        The roster that it was made under may have been written once more since, and then lies further on in the log.
        """
        self._seat()
        self._early.append(candidate)
        while self._early and self._early[0].header.epoch <= self._admission.roster.version:
            self._accept(self._early.popleft(), now_ms)
        if not self._early:
            self._sign()

    def _sign(self) -> None:
        signatures, self._signatures = self._signatures, {}
        for id, signature in signatures.items():
            self.agreement.signed(id, signature)

    def _accept(self, candidate: Candidate, now_ms: float) -> None:
        header = candidate.header
        self.agreement.views.heard(header, now_ms)
        self.witnessing.heard(header)
        if self.agreement.concerns(header):
            self.agreement.heard(header, self._prev(header), candidate.signature, now_ms)

    def shown(self, headers: Sequence[Header], signature: bytes, now: Instant) -> tuple[bool, int | None]:
        """See `Agreement.shown`."""
        self._seat()
        return self.agreement.shown(headers, signature, now.mono_ms)

    def signed(self, id: bytes, signature: bytes) -> None:
        """The signature of a vertex of the log, which lies apart from it."""
        if self._early:
            self._signatures[id] = signature
        self.agreement.signed(id, signature)

    def _prev(self, header: Header) -> VertexKey | None:
        branch = self._graph.branch(header.author, header.incarnation)
        if branch is None or header.seq > branch.first_seq:
            return VertexKey(header.author, header.incarnation, header.seq - 1)
        return branch.base

    def _drafted(self, header: Header, prev: VertexKey | None, now: Instant) -> None:
        self.witnessing.heard(header)
        self.agreement.heard(header, prev, None, now.mono_ms)

    def _lost(self, header: Header) -> None:
        """A peer knows a vote of ours that we do not: there may be others, so we vote no more in this epoch."""
        self._seat()
        if any(isinstance(item, Vote) for item in header.items) and self.note.lose(self._newest()):
            self.agreement.quiet.tell()
            self._desk.report("error", "votes-lost", vertex=tuple(header.key))

    def _newest(self) -> list[Epoch]:
        """Of each scope the last epoch in which we may have a seat: nobody can know that it has not begun."""
        seats = (seats for seats in self._committees.values() if self._index in seats.members)
        return list({seats.scope: seats.name for seats in seats}.values())

    @property
    def abstains(self) -> list[str]:
        """Scopes in whose epoch we have a seat, and may not use it: our log may lack votes of ours."""
        return [one.scope for one in self._turns() if self._index in one.members and self.note.is_lost(*one.name)]

    @property
    def has_seat(self) -> bool:
        """Whether we sit on a committee whose turn it is, or may come."""
        turns, every = {one.scope: one.epoch for one in self._turns()}, self._committees.values()
        return any(self._index in one.members and one.epoch >= turns.get(one.scope, 0) for one in every)

    def _turns(self) -> list[Seats]:
        """Whose turn it is, of each scope."""
        epochs = self.agreement.epochs
        return [seats for seats in map(epochs.current, epochs.scopes) if seats is not None]

    @property
    def drops_sealed(self) -> bool:
        """Whether what is sealed need not stay in our log: who has a seat keeps it for all others."""
        return self._drops_sealed and not self.has_seat

    def sealed_seq(self, branch: Branch) -> int:
        """The seq up to which a branch is sealed by committees that vouch for it and whose turn it is."""
        vouches = self.witnessing.witnesses.vouches
        found = (self.sealing.lines_by(*seats.name) for seats in self._turns() if vouches(seats.scope))
        return max((lines.get((branch.author, branch.incarnation), 0) for lines in found), default=0)

    def evictions(self) -> list[Eviction]:
        """Members of whom nothing more is taken, by index; what says so is in our log."""
        keys = (register for register in self.finals if is_eviction(register[1]))
        found = (decode_eviction(self.finals[register].value) for register in keys)
        return sorted(one for one in found if isinstance(one, Eviction))

    # ---- the log

    def recovered(self, place: int, record: Record) -> None:
        """A certificate that the log held before this start: judged when it was written, by all but its signatures now.

        The roster with its committee may have been written once more since, and then lies further on.
        """
        self._seat()
        certificate = decode_certificate(record.payload)
        if not isinstance(certificate, Certificate):
            return self._disbelieve(place, certificate)
        fault = look(certificate, self._admission.roster.site, self._committees)
        if fault is not None and fault.reason in ("epoch-unknown", "scope-unknown"):
            return self._unjudged.append((place, record))
        if fault is not None:
            return self._disbelieve(place, fault)
        final = Final(certificate.question, certificate.value, certificate.ballot, record.payload)
        self.agreement.recall(final)
        return self._keep(final, record, place)

    def recovered_final(self, place: int, record: Record) -> None:
        """What a checkpoint vouched for, as our log says."""
        final = decode_final(record.payload)
        if final is None:
            return self._disbelieve(place, Refusal("certificate-shape", "final"))
        self.agreement.recall(final)
        return self._keep(final, record, place)

    def recovered_seal(self, place: int, record: Record) -> None:
        """What our log says that a checkpoint came to."""
        decoded = decode_seal(record.payload)
        if decoded is None:
            return self._disbelieve(place, Refusal("certificate-shape", "seal"))
        scope, seal, lines = decoded
        self.agreement.checkpoints.adopt(scope, seal)
        self.certified.seal(scope, record, place)
        return self.sealing.take(scope, seal, lines)

    def _sealed(self, record: Record, places: tuple[int, ...], now: Instant) -> None:
        self.recovered_seal(places[0], record)
        if sealed := self.certified.newly_sealed():
            self._desk.do(FinalsSealed(tuple(map(self._decided, sealed))))

    def _disbelieve(self, place: int, fault: Refusal) -> None:
        self._desk.report("error", "certificate-refused", segment=segment_of(place), reason=str(fault))

    def resume(self, known: int, life: int) -> None:
        """All of the log is read: the highest incarnation of ours that it knows, and the one that begins."""
        self._seat()
        self.note.begin(known, life, self._newest())
        if self._are_votes_lost:
            self.note.lose(self._newest())
        self.agreement.naming.begin(self.agreement.epochs.members)

    def _keep(self, final: Final, record: Record, place: int) -> None:
        self.certified.keep(final, record, place)
        self._evict(self.finals[final.question.scope, final.question.key])

    def _evict(self, final: Final) -> None:
        """From here on nothing more of a member is let in but what is below the cut: its certificate is durable."""
        eviction = decode_eviction(final.value) if is_eviction(final.question.key) else None
        if isinstance(eviction, Eviction) and eviction.author not in self._admission.evicted:
            self._admission.evict(eviction.author, eviction.heads)
            self._desk.report("warning", "evicted", author=eviction.author, why=WHY[eviction.why])

    def begin(self, now: Instant) -> None:
        """After recovery: write down what the log's votes say beyond its certificates."""
        self._seat()
        while self._early:  # of a roster that is nowhere in the log
            self._accept(self._early.popleft(), 0.0)
        self._sign()
        unjudged, self._unjudged = self._unjudged, []
        for place, record in unjudged:
            self.recovered(place, record)
        for place, _ in self._unjudged:
            self._disbelieve(place, Refusal("epoch-unknown", "no roster has its committee"))
        self._unjudged.clear()
        for final in self.certified.newly_sealed():  # told before this start
            self.certified.tell_sealed(final)
        for final in self.agreement.take_finals():
            held = self.finals.get((final.question.scope, final.question.key))
            rank = self.agreement.registers.rank
            if held is None or rank(held.question) < rank(final.question):
                self._persist(final)

    @property
    def pinned_segment(self) -> int:
        """The oldest segment that an open set needs; 0 if there is none: see `Imprints.needed`."""
        keys = (*self.agreement.imprints.needed(), *self.agreement.unsigned())
        return min((segment_of(place) for key in keys if (place := self._graph.place(key)[0])), default=0)

    def imprinted(self, data: bytes) -> None:
        """At the start, before the first vertex: what the floor file has of how committees came to be."""
        if not self.agreement.imprints.restore(data):
            self._are_votes_lost = True
            self._desk.report("error", "log-floor-imprints", bytes=len(data))

    @property
    def is_deciding(self) -> bool:
        """Whether a question is open to us, or its certificate is on its way to the disk: nobody is told before."""
        return self.agreement.has_open or self._certifying > 0

    def _persist(self, final: Final) -> None:
        self._certifying += 1
        record = Record(CERTIFICATE, final.certificate) if final.certificate else Record(FINAL, encode_final(final))
        self._own.persist((record,), partial(self._kept, final, record), sync=True)

    def _kept(self, final: Final, record: Record, places: tuple[int, ...], now: Instant) -> None:
        self._certifying -= 1
        self._keep(final, record, places[0])
        self._desk.do(self._decided(final))

    def _decided(self, final: Final) -> Decided:
        is_recovered = self.agreement.registers.is_recovered(final.question)
        return Decided(*final[:3], is_recovered, self.certified.tell_sealed(final))

    def _late(self, final: Final, record: Record, places: tuple[int, ...], now: Instant) -> None:
        self._keep(final, record, places[0])

    # ---- what we say

    def propose(self, scope: str, key: str, value: bytes, epoch: int, now: Instant) -> Question | Refusal:
        """Propose the next value of a register, in a vertex of its own; the question that it answers."""
        self._seat()
        question = self.agreement.question(scope, key)
        if question is None:
            return Refusal("scope-unknown", scope)
        if not self._own.has_room:
            return Refusal("own-line-full")
        proposal = Proposal(question, value)
        fault = self.agreement.proposers.fault(proposal, self._index, epoch) or self.agreement.has_room(
            question, self._index
        )
        if fault:
            return Refusal(fault, f"{scope} {key}")
        self.agreement.leases.asked(question, now)
        self._own.draft(epoch, now, items=(proposal,))
        return question

    def turn(self, epoch: int, now: Instant) -> None:
        """Cast what is due, and put into the log what is final."""
        self._seat()
        agreement = self.agreement
        agreement.leases.turn(now.mono_ms)
        if self._admission.quarantined:  # only of who has forked there is another line to wait for
            agreement.release(now.mono_ms, can_ask=bool(self.can_ask(now)))
        self.note.turn(now.mono_ms)
        while self._unsaid and self._own.has_room:
            self._own.draft(epoch, now, items=(self._unsaid.popleft(),))
        while (
            agreement.is_due(now.mono_ms)
            and self._own.has_room
            and self._is_noted()
            and (votes := agreement.due(agreement.naming.parents(PARENTS_MAX), now.mono_ms))
        ):
            self._own.draft(epoch, now, items=tuple(votes))
        for final in agreement.take_finals():
            self._persist(final)
        for record in self.sealing.records():
            self._own.persist((record,), partial(self._sealed, record), sync=True)
        for final in agreement.registers.take_overruled():
            known = self.overruled.get((final.question.scope, final.question.key))
            if final.certificate and known != final:
                record = Record(CERTIFICATE, final.certificate)
                self._own.persist((record,), partial(self._late, final, record), sync=True)
        self._tell("voted-twice", agreement.voted_twice)
        self._tell("voted-stopped", agreement.voted_stopped)
        for one, named in agreement.views.take_differing():
            said = {"author": one, "version": named.version, "prefix": named.prefix.hex()}
            self._desk.report("error", "checkpoint-differs", **said)
        self.witnessing.turn(epoch, now)
        self.sealing.turn(epoch, now)

    def _tell(self, event: str, authors: Mapping[int, None]) -> None:
        """Name those of whom a breach came to be known since this was last told."""
        if len(authors) == self._told[event]:
            return
        for author in list(authors)[self._told[event] :]:
            self._desk.report("error", event, author=author)
        self._told[event] = len(authors)

    def _is_noted(self) -> bool:
        """Whether it is durable beside the key that we vote wherever something is open to us."""
        agreement = self.agreement
        ours = [one.contest.seats.name for one in agreement.sets if one.course is not None]
        return self.note.promise(ours, agreement.epochs.scopes)

    def deadline(self) -> float:
        note_ms = self.note.deadline()
        if not self._own.has_room:
            return note_ms
        own_ms = note_ms if self.note.is_behind else self.agreement.deadline()
        return min(own_ms, self.witnessing.deadline(), self.sealing.deadline())

    def status(self) -> dict[str, Any]:
        levels = {"witnessed_seq": self.witnessing.own_seq, "sealed_seq": self.sealing.own_seq}
        views = self.agreement.views
        checkpoint = {"version": views.known.version if views.known else 0, "differing": list(views.differing)}
        evicted = {str(one.author): WHY[one.why] for one in self.evictions()}
        broke_word = sorted({*self.agreement.voted_twice, *self.agreement.voted_stopped})
        return {
            "votes_lost": self.abstains, **levels, "checkpoint": checkpoint, "evicted": evicted,
            "broke_word": broke_word,
        }  # fmt: skip

    def counts(self) -> dict[str, int]:
        return self.agreement.counts() | self.witnessing.counts() | self.sealing.counts()

    def _parents(self, has_votes: bool) -> tuple[tuple[Parent, ...], tuple[int, ...]]:
        """A member's vertex names members, and who proposed: votes never wait for anybody's bulk."""
        agreement = self.agreement
        if not (has_votes or agreement.is_member):
            return self._gossiped(False)
        parents = agreement.naming.parents(PARENTS_MAX if has_votes else PARENTS_DEVICE_MAX)
        clocks = agreement.naming.clocks(parents)
        agreement.naming.named(parents)
        return tuple(parents), clocks
