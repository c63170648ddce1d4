"""Our own vertices on their way out: durable first, signed beside it, then sent, in the order of their seq."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from edge.dag.admission import Admission
from edge.dag.author import Again, Author, Draft, next_life
from edge.dag.records import BOOT, SIGNATURE, VERTEX, Record
from edge.effects import Broadcast, Persist, Recorded, Sign
from edge.ids import Instant, Parent, VertexId, VertexKey
from edge.limits import HLC_AHEAD_MS_MAX, LOG_SHED_SHARES, OWN_FLIGHT_MAX, PARENTS_MAX
from edge.mesh.gossip import Gossip
from edge.node.desk import Desk
from edge.wire import suite
from edge.wire.cbor import encode
from edge.wire.event import Event
from edge.wire.frame import encode_vertex
from edge.wire.items import Proposal, Vote
from edge.wire.refusal import Refusal
from edge.wire.vertex import Ack, Header, Item, Tally

Parents = tuple[tuple[Parent, ...], tuple[int, ...]]
"""Parents of a vertex, and their clocks."""

RETRY_MS = 1_000
"""A full disk is asked again this often."""


@dataclass(slots=True)
class _Flight:
    """An own vertex between its draft and its broadcast."""

    draft: Draft
    prev: VertexKey | None
    place: int | None = None
    signature: bytes | None = None
    is_recorded: bool = False


class _Waiting(NamedTuple):
    """Records on their way into the log, and who wants to know."""

    number: int
    """In the order they were given: that is the order in which they must lie on the disk."""
    records: tuple[Record, ...]
    then: Callable[[tuple[int, ...], Instant], None]
    sync: bool


class OwnLine:
    """Drafts when due, and sees each draft through. `sent(draft, signature, now)` follows the broadcast."""

    def __init__(
        self,
        desk: Desk,
        author: Author,
        admission: Admission,
        gossip: Gossip,
        sent: Callable[[Draft, bytes, Instant], None],
    ) -> None:
        self._desk = desk
        self._author = author
        self._graph = admission.graph
        self.is_vote: Callable[[Draft], bool] = partial(_is_vote, admission, author.options.index)
        """Whether agreement waits for a vertex of ours, which then travels with the votes."""
        self._gossip = gossip
        self._sent = sent
        self.choose_parents: Callable[[bool], Parents] = lambda has_votes: gossip.take_parents()
        """Which parents the next vertex names, and their clocks; told whether votes ride in it."""
        self.on_draft: Callable[[Header, VertexKey | None, Instant], None] = lambda header, prev, now: None
        """Told of each vertex of ours as it is made, and of the one below it."""
        self.on_signed: Callable[[VertexId, bytes], None] = lambda id, signature: None
        """Told of each signature that comes after its vertex: ours once that is durable, also of before a crash."""
        self.on_lost: Callable[[Header], None] = lambda header: None
        """Told of a vertex that our key has signed and our log lacks."""
        self.on_anew: Callable[[], None] = lambda: None
        """Told when our line goes on from below a hole: what lay above has left the graph."""
        self.entered: Callable[[Header, VertexKey | None], None] = lambda header, prev: None
        """Told of each own vertex that enters the graph, and of the one below it."""
        self._flights: deque[_Flight] = deque()
        self._refused: deque[_Waiting] = deque()
        self._retry_ms = 0.0
        self._given = 0
        self.head: VertexKey | None = None
        self.key_in_use: VertexKey | None = None
        """A vertex that somebody else signed with our key since we started."""
        self._born_ms: int | None = None
        self.note_life: Callable[[int], None] = lambda incarnation: None
        """Told of each incarnation that begins while we run, before anything is written in it."""
        self.is_held = False
        """Nothing is drafted: our line is about to end below what it would hang above."""
        self.log_share = 0.0
        self.recorded_events = 0
        self.recorded_vertices = 0
        self.places: dict[int, int] = {}
        """Where the newest record of a type lies, of those that `keep` wrote."""

    @property
    def is_disk_full(self) -> bool:
        return bool(self._refused)

    @property
    def in_flight(self) -> int:
        return len(self._flights)

    @property
    def unrecorded_events(self) -> int:
        return sum(len(flight.draft.events) for flight in self._flights if not flight.is_recorded)

    @property
    def newest(self) -> Parent | None:
        """The vertex that the next one goes on from, durable or not."""
        id = self._author.prev
        return Parent(*self.head, id) if self.head is not None and id is not None else None

    def begin(self, head: VertexKey | None, now: Instant) -> None:
        """Go on from where recovery says that our line ends."""
        self.head, self._born_ms = head, now.wall_ms

    def begin_anew(self, now: Instant) -> None:
        """Go on in a new incarnation from the highest own vertex that the graph still has."""
        index = self._author.options.index
        heads = [
            Parent(*branch.head, bytes(branch.id_at(branch.head_seq) or b"")) for branch in self._graph.branches(index)
        ]
        head = max(heads, default=None)
        self._author.begin_anew(next_life(self._author.incarnation, now.wall_ms), head)
        self.head, self._born_ms = head.key if head is not None else None, now.wall_ms
        self._say_life(now)
        self._gossip.changed(now)
        self.on_anew()

    def acknowledge(self, ack: Ack, now: Instant) -> None:
        """Say once more what a vertex said that hangs in the air."""
        self._author.add_item(ack, now)

    def meets(self, header: Header, now: Instant) -> Refusal | None:
        """Look at a vertex from the mesh whose signature stands: one of ours that we did not write is another device's.

        Or it is a tail that we lost; not in the incarnation that we are in, and not if it was made after we started.
        Two devices in one incarnation fork, or will: ours ends here, and the next begins. What is on its way to the
        disk comes first: it must not find its place taken.
        """
        if header.author != self._author.options.index or self._graph.holds(header.key, header.id):
            return None
        self.on_lost(header)
        is_ours = header.incarnation == self._author.incarnation
        began_ms = (self._born_ms or 0) + HLC_AHEAD_MS_MAX
        if is_ours or header.incarnation > self._author.incarnation or header.hlc >> 16 > began_ms:
            if self.key_in_use is None:
                self._desk.report("error", "key-in-use", vertex=tuple(header.key), incarnation=self._author.incarnation)
            self.key_in_use = header.key
        if is_ours:
            highest = max(header.incarnation, self._graph.highest_incarnation(header.author))
            self._author.incarnation = next_life(highest, now.wall_ms)
            self._say_life(now)
        if any(flight.draft.header.incarnation == header.incarnation for flight in self._flights):
            return Refusal("key-in-use", str(tuple(header.key)))
        return None

    def _say_life(self, now: Instant) -> None:
        self.note_life(self._author.incarnation)
        self.keep(self.boot_record(now))

    def boot_record(self, now: Instant) -> Record:
        """What says in the log that the incarnation we are in has begun."""
        return Record(BOOT, encode([self._author.incarnation, now.wall_ms]))

    def accepts(self, retention: int) -> bool:
        """Whether an event of this class would be recorded now; the lowest class stops first."""
        return self._author.has_room() and self.log_share < LOG_SHED_SHARES[retention]

    def add(self, event: Event, now: Instant, *, urgent: bool, retention: int, tally: Tally | None) -> bool:
        """Queue an event; False when it is shed, and counted."""
        if not self.accepts(retention):
            self._author.shed(retention)
            return False
        self._author.add(event, now, urgent=urgent, retention=retention, tally=tally)
        return True

    def flush(self, epoch: int, now: Instant) -> None:
        """Draft every batch that is due."""
        while (due_ms := self._author.deadline()) is not None and due_ms <= now.mono_ms and self.has_room:
            self.draft(epoch, now)

    @property
    def has_room(self) -> bool:
        """Whether a vertex may be drafted now, and would soon be durable."""
        return not self._refused and not self.is_held and len(self._flights) < OWN_FLIGHT_MAX

    def draft(
        self,
        epoch: int,
        now: Instant,
        final: Tally | None = None,
        again: Again | None = None,
        items: tuple[Item, ...] = (),
        needs: Mapping[int, tuple[Parent, int]] | None = None,
    ) -> Draft:
        """Make one vertex and start it on its way; with `items`, just these are in it and nothing that is queued.

        `needs`: parents, with their clocks and by author, that it must name.
        """
        has_votes = any(isinstance(item, Vote | Proposal) for item in items)
        parents, clocks = _with(self.choose_parents(has_votes), needs or {})
        prev = self.head
        draft = self._author.draft(epoch, parents, clocks, now, final, again, items)
        self.on_draft(draft.header, prev, now)
        self.head = draft.header.key
        flight = _Flight(draft, prev)
        self._flights.append(flight)
        record = Record(VERTEX, encode_vertex(draft.header.raw, None, draft.body))
        self.persist((record,), partial(self._stored, flight), sync=True)
        self._desk.do(
            Sign(
                self._desk.ticket(partial(self._signed, flight)),
                suite.sig_structure(draft.header.suite, suite.PURPOSE_VERTEX, draft.header.raw),
            )
        )
        return draft

    def persist(
        self, records: tuple[Record, ...], then: Callable[[tuple[int, ...], Instant], None], *, sync: bool = False
    ) -> None:
        """Put records into the log, in this order; a full disk is asked again until it takes them."""
        self._given += 1
        waiting = _Waiting(self._given, records, then, sync)
        if self._refused:
            self._refused.append(waiting)
        else:
            self._ask(waiting)

    def _ask(self, waiting: _Waiting) -> None:
        ticket = self._desk.ticket(partial(self._answered, waiting))
        self._desk.do(Persist(ticket, waiting.records, waiting.sync))

    def _answered(self, waiting: _Waiting, places: tuple[int, ...] | None, now: Instant) -> None:
        is_first = bool(self._refused) and self._refused[0] is waiting
        if places is None:
            if not self._refused:
                self._desk.report("error", "disk-full", retry_ms=RETRY_MS)
            if not is_first:
                # An answer may come late, behind records that were given later and have not been asked for yet.
                self._refused = deque(sorted((*self._refused, waiting), key=lambda item: item.number))
            self._retry_ms = now.mono_ms + RETRY_MS
            return
        if is_first:
            self._refused.popleft()
            self._retry_ms = now.mono_ms
            if not self._refused:
                self._desk.report("info", "disk-has-room")
        waiting.then(places, now)

    def keep(self, record: Record) -> None:
        """Put a record into the log that nobody waits for, and note where it lies."""

        def stored(places: tuple[int, ...], now: Instant) -> None:
            self.places[record.type] = places[0]

        self.persist((record,), stored)

    def retry(self, now: Instant) -> None:
        """Ask the disk again for the first of what it refused; while it refuses that, the others wait."""
        if self._refused and self._retry_ms <= now.mono_ms:
            self._retry_ms = float("inf")  # until it has answered
            self._ask(self._refused[0])

    def deadline(self) -> float:
        """When `retry` or `flush` has something to do, monotonic ms."""
        if self._refused:
            return self._retry_ms
        due_ms = self._author.deadline()
        return due_ms if due_ms is not None and self.has_room else float("inf")

    def sign_again(self, header: Header) -> None:
        """Sign a durable own vertex whose signature a crash took: the same header signed twice is no fork."""
        message = suite.sig_structure(header.suite, suite.PURPOSE_VERTEX, header.raw)
        self._desk.do(Sign(self._desk.ticket(partial(self._signed_again, header)), message))

    def _signed_again(self, header: Header, signature: bytes, now: Instant) -> None:
        self.keep_signature(header.key, header.id, signature)

    def _stored(self, flight: _Flight, places: tuple[int, ...], now: Instant) -> None:
        """Durable; recorded once everything below it is too: a disk that is filling up may refuse a large one first."""
        flight.place = places[0]
        recorded = []
        for first in self._flights:
            if first.place is None:
                break
            if not first.is_recorded:
                self._record(first)
                recorded.append(first.draft)
        if not recorded:
            return
        self._gossip.changed(now)
        self._send_ready(now)
        for draft in recorded:  # after the broadcast: peers wait for milliseconds, people do not
            if draft.events:
                self._desk.do(Recorded(draft.header.key, draft.events))

    def _record(self, flight: _Flight) -> None:
        assert flight.place is not None
        header = flight.draft.header
        self._graph.insert(header.key, header.id, flight.prev, flight.place)
        self.entered(header, flight.prev)
        flight.is_recorded = True
        self.recorded_vertices += 1
        self.recorded_events += len(flight.draft.events)

    def _signed(self, flight: _Flight, signature: bytes, now: Instant) -> None:
        flight.signature = signature
        self._send_ready(now)

    def _send_ready(self, now: Instant) -> None:
        while self._flights and self._flights[0].is_recorded and self._flights[0].signature is not None:
            flight = self._flights.popleft()
            draft, signature = flight.draft, flight.signature
            assert signature is not None
            self._desk.do(Broadcast(encode_vertex(draft.header.raw, signature, draft.body), self.is_vote(draft)))
            self.keep_signature(draft.header.key, draft.header.id, signature)
            self._sent(draft, signature, now)

    def counts(self) -> dict[str, int]:
        return {
            "recorded_events": self.recorded_events,
            "recorded_vertices": self.recorded_vertices,
            "shed_events": self._author.shed_events,
            "queued_events": self._author.queued_events,
        }

    def keep_signature(self, key: VertexKey, id: VertexId, signature: bytes) -> None:
        """Put the signature over a vertex of the log beside it."""
        self.on_signed(id, signature)

        def stored(places: tuple[int, ...], now: Instant) -> None:
            if self._graph.holds(key, id):  # not one that recovery found above a hole
                self._graph.set_signed(key, places[0])

        self.persist((Record(SIGNATURE, id + signature),), stored)


def _is_vote(admission: Admission, index: int, draft: Draft) -> bool:
    """Each vertex of who votes, since votes lie on its whole line, and each with a proposal."""
    return admission.roster.votes(index) or any(isinstance(item, Proposal) for item in draft.header.items)


def _with(chosen: Parents, needs: Mapping[int, tuple[Parent, int]]) -> Parents:
    """The parents that are needed, and of those chosen the ones of other authors, as far as a header has room."""
    if not needs:
        return chosen
    named = dict(needs)
    for parent, clock in zip(*chosen, strict=True):
        if len(named) < PARENTS_MAX:
            named.setdefault(parent.author, (parent, clock))
    rows = [named[author] for author in sorted(named)]
    return tuple(parent for parent, _ in rows), tuple(clock for _, clock in rows)
