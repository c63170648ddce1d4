"""Our own line of history: collects events into batches and makes the next vertex from each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from edge.ids import Instant, Parent, VertexId
from edge.limits import BATCH_BYTES, BATCH_EVENTS_MAX, HLC_AHEAD_MS_MAX, INDEX_MAX, ITEMS_MAX, QUEUE_EVENTS_MAX
from edge.wire import hlc
from edge.wire.event import Event, encode_event
from edge.wire.vertex import SALT_BYTES, BodyRef, Header, Item, Known, Shed, Tally, encode_body, encode_header

SURE_AFTER_MS = 1_704_067_200_000
"""2024-01-01: a wall clock before this is a clock nobody has set."""
LIFE_MAX = INDEX_MAX // 2
"""A clock far in the future must not use up the incarnations."""


def next_life(highest: int, wall_ms: int) -> int:
    """The incarnation of a life that begins now: the second of its start since 2024, and above `highest`.

    A log restored from an image ends in an old life, and counting on from there would repeat the names of those that
    came after the image was made. The clock does not repeat.
    """
    return max(highest + 1, min((wall_ms - SURE_AFTER_MS) // 1000, LIFE_MAX))


@dataclass(frozen=True, slots=True)
class AuthorOptions:
    """Who signs our vertices, and for which site."""

    suite: int
    site: bytes
    index: int
    commit_window_ms: int


class Draft(NamedTuple):
    """A vertex we made: durable first, then signed, then sent."""

    header: Header
    body: bytes | None
    events: tuple[Event, ...]


Again = tuple[bytes, BodyRef]
"""The body of a vertex of ours that is made once more: the same events with the same salts."""


class _Queued(NamedTuple):
    event: Event
    size_bytes: int
    retention: int
    urgent: bool
    due_ms: float
    tally: Tally | None


class Author:
    """State of our chain. `salts(n)` gives n random bytes."""

    def __init__(self, options: AuthorOptions, salts: Callable[[int], bytes]) -> None:
        self.options = options
        self.incarnation = 1
        self.seq = 0
        self.prev: VertexId | None = None
        self.clock = 0
        self.checkpoint: Callable[[], Known | None] = lambda: None
        """The newest one that we know."""
        self._sure_after_ms = SURE_AFTER_MS
        self.told_tally: Tally | None = None
        """The account of readings as our newest vertex gives it."""
        self._salts = salts
        self._queue: deque[_Queued] = deque()
        self._items: deque[Item] = deque()
        self._items_due_ms: float | None = None
        self._urgent = 0
        self._shed = [0, 0, 0]
        self._shed_told = [0, 0, 0]

    @property
    def queued_events(self) -> int:
        return len(self._queue)

    @property
    def queued_items(self) -> int:
        return len(self._items)

    @property
    def shed_events(self) -> int:
        return sum(self._shed)

    def has_room(self) -> bool:
        return len(self._queue) < QUEUE_EVENTS_MAX

    def add(self, event: Event, now: Instant, *, urgent: bool, retention: int, tally: Tally | None) -> None:
        """Queue an event for the next batch. The tally is the sensing account as of this event."""
        size = len(encode_event(event)) + SALT_BYTES + 3
        due = now.mono_ms if urgent else now.mono_ms + self.options.commit_window_ms
        self._queue.append(_Queued(event, size, retention, urgent, due, tally))
        self._urgent += urgent

    def add_item(self, item: Item, now: Instant) -> None:
        """Queue an item (an acknowledgement) for the next vertex."""
        self._items.append(item)
        if self._items_due_ms is None:
            self._items_due_ms = now.mono_ms + self.options.commit_window_ms

    def shed(self, retention: int) -> None:
        """Count an event that is not recorded; the count itself is signed with the next vertex."""
        self._shed[retention] += 1

    def deadline(self) -> float | None:
        """When the next batch is due, monotonic ms; None with nothing to say."""
        if self._urgent or len(self._queue) >= BATCH_EVENTS_MAX:
            return 0.0
        items_ms = self._items_due_ms
        if not self._queue:
            return items_ms
        due_ms = self._queue[0].due_ms
        return due_ms if items_ms is None else min(due_ms, items_ms)

    def observe(self, clock: int) -> None:
        """At the start: never write below what we know to have been written, nor trust a clock that stands below it."""
        self.clock = max(self.clock, clock)
        # Our own clock may have followed a peer that ran ahead.
        self._sure_after_ms = max(SURE_AFTER_MS, (self.clock >> 16) - HLC_AHEAD_MS_MAX)

    def is_sure(self, wall_ms: int) -> bool:
        """Whether the wall clock can be right: one that nobody has set since the power came back stands in the past."""
        return wall_ms >= self._sure_after_ms

    def begin_anew(self, incarnation: int, head: Parent | None) -> None:
        """Another line, from this vertex on; what the accounts said above it is said once more."""
        self.incarnation = incarnation
        self.seq, self.prev = (head.seq, head.id) if head is not None else (0, None)
        self.told_tally, self._shed_told = None, [0, 0, 0]

    def draft(
        self,
        epoch: int,
        parents: tuple[Parent, ...],
        clocks: tuple[int, ...],
        now: Instant,
        final: Tally | None = None,
        again: Again | None = None,
        items: tuple[Item, ...] = (),
    ) -> Draft:
        """Make the next vertex from the oldest batch and queued items; the chain moves on at once.

        `again`: a body that was recorded before, and nothing of what is queued; likewise with `items` of its own.
        """
        batch = self._take_batch() if again is None and not items else []
        events = tuple(queued.event for queued in batch)
        body, ref = again or (None, None)
        if events:
            retention = max(queued.retention for queued in batch)
            body, ref = encode_body(events, self._salts(SALT_BYTES * len(events)), retention=retention)
        self.clock = hlc.tick(self.clock, now.wall_ms, clocks, self.is_sure(now.wall_ms))
        header = encode_header(
            suite=self.options.suite,
            site=self.options.site,
            epoch=epoch,
            author=self.options.index,
            incarnation=self.incarnation,
            seq=self.seq + 1,
            prev=self.prev,
            parents=parents,
            hlc=self.clock,
            body=ref,
            checkpoint=self.checkpoint(),
            items=items
            or self._take_items(final or next((queued.tally for queued in reversed(batch) if queued.tally), None)),
        )
        self.seq, self.prev = header.seq, header.id
        return Draft(header, body, events)

    def _take_batch(self) -> list[_Queued]:
        batch: list[_Queued] = []
        size = 0
        while self._queue and len(batch) < BATCH_EVENTS_MAX:
            size += self._queue[0].size_bytes
            if batch and size > BATCH_BYTES:
                break
            queued = self._queue.popleft()
            self._urgent -= queued.urgent
            batch.append(queued)
        return batch

    def _take_items(self, tally: Tally | None) -> tuple[Item, ...]:
        items: list[Item] = [tally] if tally else []
        self.told_tally = tally or self.told_tally
        for retention, (shed, told) in enumerate(zip(self._shed, self._shed_told, strict=True)):
            if shed != told:
                items.append(Shed(retention, shed))
        self._shed_told = list(self._shed)
        while self._items and len(items) < ITEMS_MAX:
            items.append(self._items.popleft())
        if not self._items:
            self._items_due_ms = None
        return tuple(items)
