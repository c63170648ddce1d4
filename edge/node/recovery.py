"""From the log back to a node: vertices into the graph, our own line's end, the incarnation we must not repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from edge.dag.admission import Accepted, Admission, Parked
from edge.dag.author import Author, next_life
from edge.dag.floor import Floor
from edge.dag.graph import ID_BYTES
from edge.dag.pending import Candidate
from edge.dag.records import BOOT, CERTIFICATE, EVIDENCE, FINAL, ROSTER, SEAL, SIGNATURE, VERTEX, Record, segment_of
from edge.ids import Instant, Parent, VertexId, VertexKey
from edge.limits import ELIDED_GAP_VERTICES, ORPHANS_MAX
from edge.node.custody import Custody
from edge.node.forks import Forks
from edge.node.voting import Voting
from edge.wire.cbor import Malformed, decode
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster, open_roster
from edge.wire.vertex import Header, decode_header


class OwnEnd(NamedTuple):
    """Where our own line stands after recovery."""

    head: VertexKey | None
    unsigned: tuple[Header, ...]
    """Durable but not signed: at most the last few before a crash."""


class Orphan(NamedTuple):
    """An own vertex in the log above a hole."""

    key: VertexKey
    id: VertexId
    place: int


class Recovery:
    """Takes every record of the log in order, then `finish`."""

    def __init__(
        self, index: int, admission: Admission, author: Author, custody: Custody, forks: Forks, voting: Voting
    ) -> None:
        self._index = index
        self._graph = admission.graph
        self._forks = forks
        self._voting = voting
        self._admission = admission
        self._author = author
        self._custody = custody
        self._own: Parent | None = None
        self._unsigned: dict[bytes, Header] = {}
        self._signatures: dict[bytes, int] = {}
        """Where signatures lie, by id, over what was not in the graph yet when they were read, and over peers' vertices
        that came without: few, since most come with it."""
        self._incarnation = 0
        self.vertices = 0
        self.unreadable = 0
        self.orphans: dict[bytes, Orphan] = {}
        """Own vertices with events above a hole, by the root of their body, that are not recorded once more yet."""
        self.orphans_beyond = 0
        """Own vertices above a hole that found no room there: their segments stay."""
        self.unsent: dict[bytes, Candidate] = {}
        """Own vertices without a signature at or above them, and without all of what they stand on: a power cut took
        that before the sync which covers both had returned, so they were never sent and are no part of our line."""
        self._unsent_roots: dict[bytes, bytes] = {}
        """Of their bodies, those that are not recorded once more yet, and their ids."""
        self.restored: Callable[..., None] = lambda data, sealed, *, has_floor: None
        """Told at the floor of what that has of shared state, and whether anything was dropped."""
        self._below: dict[tuple[int, int], VertexId] = {}
        """Of each line with a floor the id of the next vertex down that is not here."""
        self._deeper: dict[tuple[int, int], list[tuple[Header, int, int]]] = {}
        """What was had again below a floor, from the top down: headers, places and those of signatures."""
        self.places: dict[int, int] = {}
        """Where the newest record of BOOT and of ROSTER lies, by type."""
        self.pinned_segment = 0
        """The oldest segment with a vertex that found no place in memory; 0 if there is none."""

    def floor(self, floor: Floor) -> None:
        """Before the first record: what was dropped, and how it goes on."""
        for line in floor.lines:
            self._graph.set_floor(line)
            self._below[line.key[:2]] = line.id
            if line.author == self._index:
                self._own_end(Parent(*line.key, line.id))
        for ack in floor.acks:
            self._custody.acknowledged(ack)
        self._author.observe(floor.clock)
        if floor.imprints is not None:
            self._voting.imprinted(floor.imprints)
        self.restored(floor.state, floor.sealed, has_floor=bool(floor.lines))

    def record(self, place: int, record: Record) -> Header | None:
        """Take one record; the header if it held a vertex."""
        if record.type in (BOOT, ROSTER):
            self.places[record.type] = place
        if record.type == VERTEX:
            return self._vertex(place, record.payload)
        if record.type == SIGNATURE:
            header = self._unsigned.pop(record.payload[:ID_BYTES], None)
            if header is not None:
                self._was_sent(header)
                self._covers(header)
                self._voting.signed(header.id, record.payload[ID_BYTES:])
            if header is not None and self._graph.holds(header.key, header.id):
                self._graph.set_signed(header.key, place)
            else:
                self._signatures[record.payload[:ID_BYTES]] = place
        elif record.type == EVIDENCE:
            self._forks.recovered(place, record)
        elif record.type == CERTIFICATE:
            self._voting.recovered(place, record)
        elif record.type == FINAL:
            self._voting.recovered_final(place, record)
        elif record.type == SEAL:
            self._voting.recovered_seal(place, record)
        elif record.type == BOOT:
            self._boot(record.payload)
        return None

    @staticmethod
    def roster(record: Record, authority: bytes) -> Roster | None:
        """The roster of a record, if it is one and the authority signed it."""
        roster = open_roster(record.payload, authority) if record.type == ROSTER else None
        return roster if isinstance(roster, Roster) else None

    @property
    def detached(self) -> int:
        """Vertices whose chain has a hole: they wait for what peers will send."""
        return len(self._admission.pending)

    def counts(self) -> dict[str, int]:
        return {"own_orphans_beyond": self.orphans_beyond, "own_unsent": len(self.unsent)}

    @property
    def highest_incarnation(self) -> int:
        """The highest of ours that the log knows."""
        return max(self._incarnation, self._graph.highest_incarnation(self._index))

    def finish(self, incarnation_floor: int, roster_issued_ms: int, now: Instant) -> OwnEnd:
        """Begin a life: an incarnation that no earlier one can have had."""
        for found in self._deeper.values():
            rows = [(header.id, place, signed) for header, place, signed in found]
            self._graph.deepen(found[0][0].key, rows, found[-1][0].prev)
        self._deeper.clear()
        self._graph.set_signatures(self._signatures)
        self._signatures.clear()
        self._author.observe(roster_issued_ms << 16)
        highest = max(self.highest_incarnation, incarnation_floor)
        self._author.incarnation = next_life(highest, max(now.wall_ms, self._author.clock >> 16))
        self._voting.resume(self.highest_incarnation, self._author.incarnation)
        own = self._own
        if own is not None:
            self._author.seq, self._author.prev = own.seq, own.id
        for id in self._unsent_roots.values():
            if id in self.unsent:
                self._note_orphan(self.unsent[id].header, self.unsent[id].place)
        unsigned = (header for id, header in self._unsigned.items() if id not in self.unsent)
        return OwnEnd(own.key if own else None, tuple(unsigned))

    def _vertex(self, place: int, payload: bytes) -> Header | None:
        frame = decode_vertex(payload)
        header = decode_header(frame.header) if isinstance(frame, VertexFrame) else None
        if not isinstance(frame, VertexFrame) or not isinstance(header, Header):
            self.unreadable += 1
            return None
        signed = place if frame.signature is not None else 0
        if self._below.get(header.key[:2]) == header.id:
            self._go_down(header, place, signed)
            return header
        candidate = Candidate(header, frame.signature, frame.body, place, signed)
        if header.author != self._index:
            self._settle(candidate)
            self._custody.heard(header, self._admission.roster)
            return header
        self._author.observe(header.hlc)
        self._incarnation = max(self._incarnation, header.incarnation)
        if signed:
            self._covers(header)
        elif not self._graph.is_dropped(header.key):
            self._unsigned[header.id] = header
        if signed or self._admission.knows(header) or self._admission.hangs_together(header):
            self._settle(candidate)
        else:
            self._lay_aside(candidate)
        return header

    def _go_down(self, header: Header, place: int, signed: int) -> None:
        """The next vertex below a floor, which was had again."""
        line = header.key[:2]
        self._deeper.setdefault(line, []).append((header, place, signed))
        branch = self._graph.branch(*line)
        if branch is not None and header.seq > branch.first_seq and header.prev is not None:
            self._below[line] = header.prev
        else:
            del self._below[line]

    def _lay_aside(self, candidate: Candidate) -> None:
        """An own vertex that was never sent, unless a signature follows in the log."""
        header = candidate.header
        self.unsent[header.id] = candidate._replace(body=None)
        if header.body is not None:
            self._unsent_roots[header.body.root] = header.id

    def _was_sent(self, header: Header) -> None:
        """Its signature is in the log. It was written after the sync, and all below it on its chain before: they had
        their past, and what is lacking of it the log has lost since."""
        chain: list[Candidate] = []
        at: bytes | None = header.id
        while at is not None and at in self.unsent:
            chain.append(self.unsent.pop(at))
            at = chain[-1].header.prev
        for candidate in reversed(chain):
            self._settle(candidate)

    def _covers(self, header: Header) -> None:
        """Own vertices a little below a signed one need no signature; those that had one may have been elided."""
        at = header.prev
        for _ in range(ELIDED_GAP_VERTICES):
            below = self._unsigned.pop(at, None) if at is not None else None
            if below is None:
                return
            at = below.prev

    def _settle(self, candidate: Candidate) -> None:
        """Into the graph, or the parking lot."""
        answer = self._admission.settle(candidate, on_disk=True)
        for accepted in answer.candidates if isinstance(answer, Accepted) else ():
            self.vertices += 1
            self._own_end(Parent(*accepted.header.key, accepted.header.id))
            self._custody.recovered(accepted.header)
            self._voting.accepted(accepted, 0.0)
            if accepted.header.author == self._index:
                self._hangs_together(accepted.header)
        header, place = candidate.header, candidate.place
        is_full = isinstance(answer, Refusal) and answer.reason == "pending-full"
        is_own = header.author == self._index
        if is_own and isinstance(answer, Parked):
            self._remember(header, place)  # if there is no room, the parking lot has it
        elif is_own and is_full:
            self._note_orphan(header, place)
        elif is_full or (is_own and isinstance(answer, Refusal)):
            self._pin(place)

    def _pin(self, place: int) -> None:
        self.pinned_segment = self.pinned_segment or segment_of(place)

    def _note_orphan(self, header: Header, place: int) -> None:
        """An own vertex hangs in the air, and nothing but this knows of it."""
        if not self._remember(header, place):
            self._pin(place)

    def _remember(self, header: Header, place: int) -> bool:
        """Among the orphans; False if there is no room for it."""
        if header.body is None:
            return True  # nothing in it that could be lost
        if len(self.orphans) >= ORPHANS_MAX:
            self.orphans = {
                root: orphan for root, orphan in self.orphans.items() if not self._custody.has_said(orphan.key)
            }
        if len(self.orphans) >= ORPHANS_MAX:
            self.orphans_beyond += 1
            return False
        self.orphans[header.body.root] = Orphan(header.key, header.id, place)
        return True

    def _hangs_together(self, header: Header) -> None:
        """An own vertex is no orphan; and one with the same body was recorded once more, and waits for nothing."""
        self._custody.heard(header, self._admission.roster)
        if header.body is not None:
            self._unsent_roots.pop(header.body.root, None)
            orphan = self.orphans.pop(header.body.root, None)
            if orphan is not None and orphan.id != header.id:
                self._admission.pending.drop(orphan.id)

    def _own_end(self, vertex: Parent) -> None:
        """Our line goes on from its highest vertex that hangs together; what lies above a hole is a line of its own."""
        if vertex.author == self._index and (self._own is None or vertex.key > self._own.key):
            self._own = vertex

    def _boot(self, payload: bytes) -> None:
        try:
            fields = decode(payload, depth_max=1)
        except Malformed:
            fields = None
        if isinstance(fields, list) and fields and isinstance(fields[0], int):
            self._incarnation = max(self._incarnation, fields[0])
        else:
            self.unreadable += 1
