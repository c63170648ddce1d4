"""One node of the mesh: every input answers the effects it causes, in the order they must happen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from edge.dag.admission import Admission
from edge.dag.author import Author, AuthorOptions, Draft
from edge.dag.graph import Graph
from edge.dag.pending import Candidate, Pending
from edge.dag.records import BOOT, CLEAN, Record
from edge.effects import Effect, Ticket
from edge.ids import Instant, Parent, VertexKey
from edge.limits import LOG_PEERS_SHARE, LOG_WARN_SHARE
from edge.mesh.gossip import Gossip
from edge.mesh.peers import Peers
from edge.node.blobs import Blobs
from edge.node.custody import Custody
from edge.node.deepening import Deepening
from edge.node.desk import Desk
from edge.node.exchange import Exchange
from edge.node.forks import Forks
from edge.node.handover import Handover
from edge.node.intake import Intake, Room
from edge.node.membership import Membership
from edge.node.mending import Mending
from edge.node.options import NodeOptions
from edge.node.ownline import OwnLine
from edge.node.reach import Reach
from edge.node.readback import Readback
from edge.node.recovery import Recovery
from edge.node.rescue import Rescue
from edge.node.sensing import Sensing
from edge.node.shared import Shared
from edge.node.trim import Segments, Trimmer
from edge.node.voting import Voting
from edge.sense.reading import Reading
from edge.sense.senses import Senses
from edge.wire.event import Event
from edge.wire.frame import VERTICES, Channel
from edge.wire.items import Question
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.vertex import Header, Tally

TICK_MS = 1_000


class Node:
    """Joins the machines. `salts(n)` gives n random bytes, `jitter` is one number in [0, 1)."""

    def __init__(
        self, options: NodeOptions, roster: Roster, roster_bytes: bytes, senses: Senses,
        salts: Callable[[int], bytes], jitter: float,
    ) -> None:  # fmt: skip
        self.options, self.senses = options, senses
        self.graph, self.peers = Graph(), Peers()
        self._desk = Desk()
        self._gossip = Gossip(options.frontier_interval_ms, jitter)
        self._pending = Pending()
        self._admission = Admission(self.graph, self._pending, roster)
        self.reach = Reach(options.index, self._admission, self.peers)
        mine = (self._desk, options.index)
        self._author = Author(AuthorOptions(options.suite, roster.site, options.index, options.commit_window_ms), salts)
        self._own = OwnLine(self._desk, self._author, self._admission, self._gossip, self._sent)
        self.voting = Voting(self._desk, options, self._admission, self._own, self._author)
        self._sensing = Sensing(self._desk, senses, self._author, self._own)
        self._readback = Readback(self._desk, self.graph, options.index, self._own.sign_again)
        self.custody = Custody(*mine, self._admission, self._readback, self._author, options.is_gateway)
        self._forks = Forks(self._desk, self._admission, self._readback, self._own.persist)
        self._exchange = Exchange(
            *mine, self._admission, self._readback, self._forks, self.peers, self._gossip, self.custody.remind
        )
        agreed, self.voting.can_ask = self.voting.agreement, self.peers.online
        self._exchange.unsigned, self._exchange.beside = agreed.unsigned, agreed.wanted
        agreed.evictions.proven = self._forks.durable
        self._exchange.handover = Handover(*mine, self._admission, agreed, self.peers, self._gossip, salts, jitter)
        self._mending = Mending(self._desk, self._admission, self._own.persist, options.is_gateway)
        came, own = (self._accepted, self._mending.came), (self._own.meets, self._own.keep_signature)
        told = (self._forks, self.custody, *came, *own, self._overheard)
        self._intake = Intake(self._desk, self._admission, self._exchange.repair, *told)
        self._intake.wants, self._intake.shown = self._exchange.wants, self.voting.shown
        self._intake.has_seat, self._intake.said = self.voting.witnessing.hears
        self._exchange.handover.refuse = self._intake.refuse
        roster_says = (roster_bytes, self._own.keep, 0.0 if options.is_gateway else 0.2 + 0.8 * jitter)
        self.membership = Membership(self._desk, options.authority, self._admission, *roster_says)
        self.blobs = Blobs(*mine, self.membership, self.reach.may_answer, salts, self._intake.refuse)
        self.recovery = Recovery(options.index, self._admission, self._author, self.custody, self._forks, self.voting)
        self._own.places = self.recovery.places
        keeps = (self.custody, self.recovery, self._forks, self.voting)
        self._trimmer = Trimmer(self._desk, self._admission, self._author, *keeps)
        self._rescue = Rescue(*mine, self._admission, self._own, self.custody, self.peers, self._exchange.repair)
        told_of = (self.recovery, self._trimmer, self._rescue, self._readback, agreed.checkpoints)
        self.shared = Shared(self._admission, self._author, self._own, *told_of)
        self._trimmer.pinned_segment = lambda: self._rescue.pinned_segment
        writes = (self._desk, self._admission, self._own.persist, self._exchange.repair.brought)
        self._deepening = Deepening(*writes, self._trimmer.lacks, self.voting, options.is_gateway)
        self._exchange.deeper, self._intake.take_below = self._deepening, self._deepening.take
        self.on_accepted: Callable[[VertexKey], None] = lambda key: None
        """Told of each vertex by others that enters the graph; for measuring, never for deciding."""
        self.is_booting = True
        """Our incarnation is not durable yet."""
        self.is_closed = self._is_closing = self._owes_tally = self._is_linked = self._warned = False
        self._tick_ms = 0.0
        if not options.keep_all:
            self.keep_own_line()

    # ---- start and stop

    def keep_own_line(self) -> None:
        """From now on hold nobody else's line; before `start`."""
        self._admission.only = self.options.index
        self.custody.minds_all = False
        self._gossip.company(float("inf"))  # whoever keeps everything wants what we make

    def start(self, incarnation_floor: int, now: Instant) -> list[Effect]:
        """After recovery: take an incarnation, say so durably, and mend what the last stop left."""
        own = self.recovery.finish(incarnation_floor, self.roster.issued_ms, now)
        self._own.begin(own.head, now)
        self._rescue.begin(self.recovery.orphans.values(), self.recovery.unsent)
        self.voting.begin(now)
        for header in own.unsigned:
            self._own.sign_again(header)
        self._own.persist((self._own.boot_record(now),), self._booted, sync=True)
        self._tick_ms = now.mono_ms + TICK_MS
        return self._turn(now)

    def note_lives(self, note: Callable[[int], None]) -> None:
        """Have each incarnation that begins while we run noted, as that of the start is."""
        self._own.note_life = note

    def stop(self, now: Instant) -> list[Effect]:
        """Draft everything queued and the last tally; call again with results until `is_idle`, then `close`."""
        while self._author.queued_events:
            self._own.draft(self.roster.version, now)
        self.shared.turn(self.roster.version, now, is_last=True)
        self._close_account(now)
        return self._desk.take()

    def _close_account(self, now: Instant) -> None:
        """Sign where the readings since the last event went, if any came."""
        tally = self.senses.tally()
        if tally != (self._author.told_tally or Tally(0, 0, 0, 0, 0)):
            self._own.draft(self.roster.version, now, tally)

    def close(self, now: Instant) -> list[Effect]:
        """The mark of a clean stop, the last record of the log: from here on nothing is taken in or written."""
        self._is_closing = True
        self._desk.forget()
        self._own.persist((Record(CLEAN, b""),), self._closed, sync=True)
        return self._desk.take()

    def _booted(self, places: tuple[int, ...], now: Instant) -> None:
        self.is_booting = False
        self.recovery.places[BOOT] = places[0]

    def _closed(self, places: tuple[int, ...], now: Instant) -> None:
        self.is_closed = True

    @property
    def is_idle(self) -> bool:
        """Nothing of ours is on its way to the disk or the signer."""
        return not self._own.in_flight

    @property
    def is_disk_full(self) -> bool:
        """The disk has refused something, and is asked again."""
        return self._own.is_disk_full

    @property
    def roster(self) -> Roster:
        """The newest one known."""
        return self.membership.roster

    @property
    def room(self) -> Room:
        """How many more live frames may come now: what is let in beyond that would wait for one queue, in no turn."""
        return self._intake.room

    @property
    def queued_events(self) -> int:
        return self._author.queued_events

    @property
    def unrecorded_events(self) -> int:
        """Events taken that are not durable yet."""
        return self._author.queued_events + self._own.unrecorded_events

    @property
    def incarnation(self) -> int:
        return self._author.incarnation

    # ---- inputs from sensors and agents

    def read(self, reading: Reading, now: Instant) -> list[Effect]:
        """A reading from a source; complete windows become inferences."""
        self._sensing.read(reading, now)
        return self._turn(now)

    def source_ended(self, source: str, now: Instant) -> list[Effect]:
        """A source has said that nothing more will come."""
        self.senses.ended(source)
        self._owes_tally = True
        return self._turn(now)

    def submit(self, event: Event, now: Instant, *, urgent: bool = False, retention: int = 0) -> list[Effect]:
        """An event made elsewhere than in our senses."""
        self._own.add(event, now, urgent=urgent, retention=retention, tally=self.senses.tally())
        return self._turn(now)

    def propose(self, scope: str, key: str, value: bytes, now: Instant) -> tuple[Question | Refusal, list[Effect]]:
        """Propose the next value of a register; the question that it answers, or why it may not be asked."""
        answer = self.voting.propose(scope, key, value, self.roster.version, now)
        return answer, self._turn(now)

    def submit_all(self, events: Iterable[Event], now: Instant, *, retention: int = 0) -> list[Effect]:
        """Many events made elsewhere, for one turn's price."""
        tally = self.senses.tally()
        for event in events:
            self._own.add(event, now, urgent=False, retention=retention, tally=tally)
        return self._turn(now)

    # ---- inputs from the mesh

    def receive(self, channel: Channel, payload: bytes, now: Instant) -> list[Effect]:
        """A frame by a peer."""
        refusal: Refusal | None = None
        if self._is_closing:
            return []
        if channel in VERTICES:
            self._intake.vertex(payload, now, is_vote=channel is Channel.VOTE)
            if self._desk.is_clear:
                return []  # known, or nothing to us: most of what a large site hears
        elif channel is Channel.REPLY:
            refusal = self._exchange.reply(payload, self._intake.reply, now)
        elif channel is Channel.FRONTIER:
            frame = self._exchange.heard(payload, self.roster, now)
            if isinstance(frame, Refusal):
                refusal = frame
            elif frame.epoch < self.roster.version:
                self.membership.say(now)
        elif channel is Channel.BLOB:
            self.blobs.receive(payload, now)
        elif channel is Channel.REQUEST:
            refusal = self._exchange.serve(payload, self.roster, now)
        else:
            version = self.roster.version
            refusal = self.membership.receive(payload, now)
            if self.roster.version != version:
                self._intake.roster_changed(now)
        if refusal is not None:
            self._intake.refuse(refusal)
        return self._turn(now)

    def linked(self, up: bool, now: Instant) -> list[Effect]:
        """A broker connection came or went; whoever is there now knows nothing of us."""
        self._is_linked = up
        if up:
            self._gossip.say_soon()
            self.membership.linked(now)
        return self._turn(now)

    # ---- results of effects

    def answered(self, ticket: Ticket, result: Any, now: Instant) -> list[Effect]:
        """What the effect of this ticket says it answers."""
        self._desk.answer(ticket, result, now)
        return self._turn(now)

    stored = trimmed = elided = loaded = inferred = signed = verified = answered

    def archived(self, ticket: Ticket, now: Instant) -> list[Effect]:
        return self.answered(ticket, True, now)

    # ---- time

    def log_share(self, share: float, now: Instant, segments: Segments = ()) -> list[Effect]:
        """How full the log is, 0 to 1 of its maximum, and what each segment has of that."""
        self._own.log_share = share
        if not (self.is_booting or self._is_closing):
            self._trimmer.look(segments, self.roster, self.membership.data, now)
        if share >= LOG_WARN_SHARE and not self._warned:
            self._desk.report("warning", "log-filling", share=round(share, 2))
        self._warned = share >= LOG_WARN_SHARE
        return self._turn(now)

    def tick(self, now: Instant) -> list[Effect]:
        """Called at `deadline()`."""
        if now.mono_ms >= self._tick_ms:
            self._tick_ms = now.mono_ms + TICK_MS
            for change in (*self.senses.stalled(now.mono_ms), *self.senses.faults()):
                level = "info" if change.is_ok else "warning"
                self._desk.report(level, change.kind, name=change.name, text=change.text)
            self._forks.look(now)
            self._rescue.tick(self._is_linked, now)
        if self._is_linked:
            self.membership.tick(now)
        return self._turn(now)

    def deadline(self) -> float:
        """When `tick` wants to be called next, monotonic ms; never, once nothing more is said or asked."""
        if self._is_closing:
            return float("inf")
        due_ms = min(self._own.deadline(), self.custody.deadline(), self.voting.deadline(), self.shared.deadline())
        if self.senses.has_streams or self._forks.has_open:
            due_ms = min(due_ms, self._tick_ms)
        # Without a link nothing is announced or asked, however long it has been due.
        if self._is_linked:
            due_ms = min(due_ms, self._exchange.deadline(), self.blobs.deadline(), self.membership.deadline)
        return due_ms

    # ---- what it knows

    def counts(self) -> dict[str, int]:
        """Every counter of every machine, by name."""
        machines = (
            self._own, self._mending, self._rescue, self._trimmer, self._deepening, self.shared, self.voting,
            self.blobs, self._pending, self._intake, self._exchange, self.custody, self.recovery, self.peers,
        )  # fmt: skip
        return {
            "vertices": self.graph.vertices,
            "quarantined": len(self._admission.quarantined),
            "open_tickets": self._desk.open_tickets,
            "records_damaged": self._readback.damaged,
        } | {name: count for machine in machines for name, count in machine.counts().items()}

    def status(self, now: Instant) -> dict[str, Any]:
        """What a person or script asks first."""
        own = {
            "index": self.options.index,
            "incarnation": self._author.incarnation,
            "seq": self._author.seq,
            "epoch": self.roster.version,
            "time_unsure": not self._author.is_sure(now.wall_ms),
            "linked": self._is_linked,
            "acked_seq": self.custody.acked_seq,
            "state": self.shared.status(),
            "readings": self.senses.tally()._asdict(),
            "log_share": round(self._own.log_share, 4),
            "disk_full": self._own.is_disk_full,
            "key_in_use": self._own.key_in_use,
            **self.voting.status(),
            "peers_online": len(self.peers.online(now)),
            "gaps": self._exchange.repair.gaps,
            "records_lacking": len(self.graph.lost),
            "quarantined": list(self._admission.quarantined),
            **self._rescue.counts(),
        }
        counts = self.counts()
        told = ("vertices", "recorded_events", "shed_events", "pending", "sets_open", "values_groundless", "registers")
        freed = ("dropped_vertices", "dropped_sealed", "elided_signatures", "elided_bytes", "clocks_ahead")
        return own | {name: counts[name] for name in (*told, *freed)}

    # ---- inside

    def _turn(self, now: Instant) -> list[Effect]:
        """What is due after any input: drafts, retries, frontiers, requests."""
        if self._is_closing:
            return self._desk.take()
        roster, own = self.membership.roster, self._own
        self._intake.is_full = own.is_disk_full or own.log_share >= LOG_PEERS_SHARE or self.custody.is_full
        self.custody.settle(len(roster.members), now)
        self._mending.look()
        own.retry(now)
        self._rescue.turn(roster.version, now)
        self.voting.turn(roster.version, now)
        self.shared.turn(roster.version, now)
        own.flush(roster.version, now)
        if self._owes_tally and not self._author.queued_events:
            self._owes_tally = False
            self._close_account(now)
        if self._is_linked:
            self._exchange.announce(roster, now)
            self._exchange.ask(roster, now)
            self.blobs.turn(now)
        return self._desk.take()

    def _accepted(self, candidates: tuple[Candidate, ...], now: Instant) -> None:
        """Vertices by others are in the graph, in causal order."""
        for candidate in candidates:
            header = candidate.header
            self.on_accepted(header.key)
            self.voting.accepted(candidate, now.mono_ms)
            if header.author == self.options.index and candidate.place and not candidate.signed:
                self._own.sign_again(header)  # what it hung above was missing until now
            elif header.author != self.options.index:
                self._gossip.accepted(Parent(*header.key, header.id), header.hlc, now)
                self.peers.accepted(header.author, header.hlc >> 16, now)
            if not candidate.place:
                self._mending.keep(candidate)
            self.custody.archive(header, candidate.signature, candidate.body)

    def _overheard(self, header: Header, now: Instant) -> None:
        """A gateway's vertex that we do not keep: our next one may name it."""
        self._gossip.heard(Parent(*header.key, header.id), header.hlc)
        self.peers.accepted(header.author, header.hlc >> 16, now)

    def _sent(self, draft: Draft, signature: bytes, now: Instant) -> None:
        self.custody.archive(draft.header, signature, draft.body)
