"""Our own line, broken by our own disk: it goes on from below the hole, and what lies above is recorded once more.

A record of ours that rots before anybody has it leaves a hole that nobody can fill. What hangs above it can reach no
one, so it leaves the graph, and a new incarnation continues what is still whole, as after a start. Each batch of events
that is still readable is signed again there, with the same body to the byte: so a start knows from the log alone which
were (`edge.node.recovery`), and whoever meets both sees by the root that they are the same events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable
from functools import partial

from edge.dag.admission import Admission
from edge.dag.coverage import coverage
from edge.dag.records import Record, segment_of
from edge.effects import Load
from edge.ids import Instant, VertexKey
from edge.limits import OWN_FLIGHT_MAX
from edge.mesh.peers import Peers
from edge.mesh.repair import Repair
from edge.node.custody import Custody
from edge.node.desk import Desk
from edge.node.ownline import OwnLine
from edge.node.recovery import Orphan
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.vertex import Ack, Header, decode_header

ASKED_MS = 6_000.0
"""What we ask for by name, somebody who is there and has it gives within this: two requests that time out."""
HEARD_MS = 15_000.0
"""What somebody has of our line above what we hold, he says within this; as long as `Peers` waits for a frontier."""
CLAIMED_MS = 60_000.0
"""And if somebody does say so, this long is waited for the next vertex of it."""
READ_VERTICES = 16
RETENTION_MAX = 2
"""What is rescued was recorded before: it has the room of the highest class."""


class Rescue:
    """Told of time, it looks whether our line is whole, and makes it whole again."""

    def __init__(
        self,
        desk: Desk,
        index: int,
        admission: Admission,
        own: OwnLine,
        custody: Custody,
        peers: Peers,
        repair: Repair,
    ) -> None:
        self._desk = desk
        self._index = index
        self._admission = admission
        self._graph = admission.graph
        self._own = own
        self._custody = custody
        self._peers = peers
        self._repair = repair
        self.on_cut: Callable[[Iterable[VertexKey]], None] = lambda keys: None
        """Told of own vertices that leave the graph."""
        self._orphans: deque[Orphan] = deque()
        self._originals: dict[VertexKey, Orphan] = {}
        """Of what was recorded once more and no gateway has said to keep: where its events stand as well."""
        self._waits_for: VertexKey | None = None
        """The lowest own vertex that somebody may still give us, or give what it hangs above."""
        self._since_ms = 0.0
        self._is_ready = False
        """Nobody will: the orphans are recorded once more."""
        self._reading = 0
        self.lost_vertices = 0
        """Of ours, that nobody has any more."""
        self.rescued_vertices = 0

    def begin(self, orphans: Iterable[Orphan], unsent: Container[bytes]) -> None:
        """After recovery: what the log has of ours above a hole. Peers may have what is missing, but not of what was
        never sent, which need not wait for them."""
        self._orphans.extend(sorted(orphans))
        if self._orphans and all(orphan.id in unsent for orphan in self._orphans):
            self._is_ready = True
            fields = {"vertex": "/".join(map(str, self._orphans[0].key)), "readable": len(self._orphans)}
            self._desk.report("warning", "own-line-unsent", **fields)

    @property
    def pinned_segment(self) -> int:
        """The oldest segment that events of ours lie in which nobody else has yet; 0 without any."""
        kept = (*self._orphans, *self._originals.values())
        return segment_of(min((orphan.place for orphan in kept), default=0))

    # ---- waiting for others

    def tick(self, is_linked: bool, now: Instant) -> None:
        """Once a second: wait as long as somebody may give what is missing, then go on without it."""
        if self._index in self._admission.quarantined:
            self._own.is_held = False
            return  # of a forked author nobody takes anything
        if self._is_ready:
            return
        if self._orphans:
            self._orphans = deque(orphan for orphan in self._orphans if not self._is_safe(orphan))
        if self._originals:
            rest = [key for key in self._originals if not self._custody.has_said(key)]
            self._originals = {key: self._originals[key] for key in rest}
        lost = self._lost()
        lowest = min((*lost, *(orphan.key for orphan in list(self._orphans)[:1])), default=None)
        if lowest is None or lowest != self._waits_for or not (is_linked and self._peers.online(now)):
            self._waits_for, self._since_ms, self._own.is_held = lowest, now.mono_ms, False
        elif now.mono_ms - self._since_ms >= self._patience_ms(is_lost=bool(lost)):
            if lost:
                self._begin_anew(lost, now)
            else:
                self._give_up(lowest)

    def _is_safe(self, orphan: Orphan) -> bool:
        """Its line is whole again, or a gateway has it, which gives it back."""
        return self._graph.holds(orphan.key, orphan.id) or self._custody.has_said(orphan.key)

    def _lost(self) -> list[VertexKey]:
        """Own vertices that our disk has lost and no gateway keeps."""
        lost = [key for key in self._graph.lost if key.author == self._index]
        if not lost:
            return []
        roster = self._admission.roster
        covered = coverage(self._graph.branches(self._index), lambda branch: self._custody.covered_seq(branch, roster))
        return [key for key in lost if key.seq > covered[key.incarnation]]

    def _patience_ms(self, *, is_lost: bool) -> float:
        if is_lost:
            return ASKED_MS
        return CLAIMED_MS if self._repair.is_claimed(self._index) else HEARD_MS

    # ---- going on without it

    def _begin_anew(self, lost: list[VertexKey], now: Instant) -> None:
        """As soon as nothing of ours is on its way to the disk: it would hang above the hole, too."""
        self._own.is_held = True
        above = sorted({key: None for lowest in lost for key in self._graph.above(lowest)})
        orphans = [Orphan(key, self._graph.id_at(key) or b"", self._graph.place(key)[0]) for key in above]
        readable = [orphan for orphan in orphans if orphan.key not in self._graph.lost]
        originals = [self._originals[key] for key in above if key in self._graph.lost and key in self._originals]
        gone = len(above) - len(readable) - len(originals)
        if self._own.in_flight or not all(orphan.place for orphan in readable):
            return
        self._graph.cut(above)
        self.on_cut(above)
        self._own.begin_anew(now)
        self._own.is_held = False
        self._orphans = deque(sorted((*self._orphans, *readable, *originals)))
        self.lost_vertices += gone
        self._is_ready = True
        self._say_broken(above[0], gone)

    def _give_up(self, lowest: VertexKey) -> None:
        """The start has begun a new line already; what hangs above the hole need not wait any more."""
        self._admission.pending.drop_stored(self._index)
        self._is_ready = True
        self._say_broken(lowest, 0)

    def _say_broken(self, first: VertexKey, lost: int) -> None:
        fields = {"vertex": "/".join(map(str, first)), "lost": lost, "readable": len(self._orphans)}
        self._desk.report("error", "own-line-broken", **fields)

    def turn(self, epoch: int, now: Instant) -> None:
        """Record the next orphans once more, as far as disk and log have room."""
        if not self._is_ready or self._reading:
            return
        if not self._orphans:
            self._is_ready = False
            self._desk.report("warning", "own-line-mended", rescued=self.rescued_vertices, lost=self.lost_vertices)
        elif self._own.in_flight < OWN_FLIGHT_MAX // 2 and self._own.accepts(RETENTION_MAX):
            batch = [self._orphans.popleft() for _ in range(min(READ_VERTICES, len(self._orphans)))]
            self._reading = len(batch)
            ticket = self._desk.ticket(partial(self._loaded, batch, epoch))
            self._desk.do(Load(ticket, tuple(orphan.place for orphan in batch)))

    def _loaded(self, batch: list[Orphan], epoch: int, records: tuple[Record | None, ...], now: Instant) -> None:
        self._reading = 0
        for orphan, record in zip(batch, records, strict=True):
            frame = decode_vertex(record.payload) if record is not None else None
            header = decode_header(frame.header) if isinstance(frame, VertexFrame) else None
            if not isinstance(frame, VertexFrame) or not isinstance(header, Header):
                self.lost_vertices += 1
            elif not self._is_safe(orphan):
                self._record_again(header, frame.body, orphan.place, epoch, now)

    def _record_again(self, header: Header, body: bytes | None, place: int, epoch: int, now: Instant) -> None:
        for item in header.items:
            if isinstance(item, Ack):
                self._own.acknowledge(item, now)
        if body is not None and header.body is not None:
            copy = self._own.draft(epoch, now, again=(body, header.body))
            self._originals[copy.header.key] = Orphan(header.key, header.id, place)
            self.rescued_vertices += 1

    def counts(self) -> dict[str, int]:
        waiting = sum(not self._is_safe(orphan) for orphan in self._orphans)
        return {
            "own_orphans": waiting + self._reading + len(self._lost()),
            "own_rescued": self.rescued_vertices,
            "own_lost": self.lost_vertices,
        }
