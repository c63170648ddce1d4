"""Fetching one large body: whom to ask for which chunks, and how long to wait for whom.

Only what was verified counts as held, so all that peers say is a hint: a wrong chunk costs its own bytes and the trust
in whoever seems to have sent it. Nothing here must survive a restart; what is missing is what the disk has not got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.ids import Instant
from edge.limits import BLOB_SERVE_BYTES_PER_S, BLOB_SERVE_MAX
from edge.wire.blob import BlobRequest

LOOK_MS = 500.0
"""How often those who have shown nothing yet are gone through, unless one of them has just said no."""
TIMEOUT_MS = 3_000.0
FLIGHT_MS_MAX = 15_000.0
"""However steadily chunks trickle in."""
PATIENCE_MS = 1_000.0
PATIENCE_MS_MAX = 60_000.0
DISTRUST_MS = 600_000.0
"""Whoever seems to have sent a wrong chunk is asked again only then: who really sent it cannot be known."""
SEEKERS_MAX = 4
"""Asked at once, one part each, while nobody is known to have the blob."""

REQUEST_COST_BYTES = 1024
"""What answering costs beside the bytes sent, so that asking for nothing is not free."""

Part = int | None
"""The number of a chunk, or None for the manifest."""


class Ask(NamedTuple):
    """To be sent to a member; no chunks: for the manifest."""

    to: int
    correlation: int
    chunks: tuple[int, ...]


@dataclass(slots=True)
class _Source:
    """A member that was asked."""

    fruitless: int = 0
    not_before_ms: float = 0.0
    is_good: bool = False
    """It has sent something that was right."""


@dataclass(slots=True)
class _Flight:
    """A request that is open."""

    correlation: int
    begun_ms: float
    heard_ms: float
    parts: list[Part] = field(default_factory=list)


class Fetch:
    """What is missing of one blob, and what is asked from whom; one request a member."""

    def __init__(self, draw: Callable[[], int]) -> None:
        """`draw()`: a number nobody can guess, for the correlation of a request."""
        self._draw = draw
        self._missing: dict[int, None] | None = None
        self._sources: dict[int, _Source] = {}
        self._flights: dict[int, _Flight] = {}
        self._look_ms = 0.0
        self.timeouts = 0

    @property
    def missing(self) -> int:
        """Chunks neither held nor being written; 0 too while no manifest is known."""
        return len(self._missing or ())

    @property
    def in_flight(self) -> int:
        """Chunks asked for and not yet here."""
        return sum(part is not None for flight in self._flights.values() for part in flight.parts)

    @property
    def is_complete(self) -> bool:
        return self._missing is not None and not self._missing

    def needs(self, chunks: Iterable[int]) -> None:
        """There is a manifest, and by it these are missing."""
        self._missing = dict.fromkeys(chunks)

    def asks(
        self,
        online: Callable[[], Sequence[int]],
        room: int,
        now: Instant,
        is_busy: Callable[[int], bool] = lambda to: False,
    ) -> list[Ask]:
        """Requests to send now for at most `room` chunks: whoever has proven good gets all, one after the other.

        `is_busy(member)`: it has a request of ours for another blob, and keeps only one of a member.
        """
        self._expire(now)
        if self.is_complete or any(self._is_good(to) for to in self._flights):
            return []
        if room > 0:
            for to, source in self._sources.items():
                if source.is_good and not is_busy(to):
                    return [self._ask(to, self._wanted()[:room], now)]
        if now.mono_ms < self._look_ms:
            return []
        self._look_ms = now.mono_ms + LOOK_MS
        return self._seek([to for to in online() if not is_busy(to)], room, now)

    def has_asked(self, member: int) -> bool:
        """It has not answered all of it yet."""
        return member in self._flights

    def _seek(self, online: Sequence[int], room: int, now: Instant) -> list[Ask]:
        """Ask some who may have it: a manifest of each, or another chunk of each."""
        asks: list[Ask] = []
        for to in online:
            wanted = self._wanted()
            if not wanted or len(self._flights) >= SEEKERS_MAX or (wanted[0] is not None and len(asks) >= room):
                break
            if self._is_free(to, now):
                asks.append(self._ask(to, wanted[:1], now))
        return asks

    def expects(self, sender: int, correlation: int, part: Part) -> bool:
        """Whether this was asked; then it no longer is. What nobody asked for is refused before it costs anything."""
        flight = self._flights.get(sender)
        if flight is None or flight.correlation != correlation or part not in flight.parts:
            return False
        flight.parts.remove(part)
        if not flight.parts:
            del self._flights[sender]
        return True

    def took(self, sender: int, part: Part, now: Instant) -> None:
        """It was what it should be."""
        self._sources[sender] = _Source(is_good=True)
        flight = self._flights.get(sender)
        if flight is not None and now.mono_ms - flight.begun_ms < FLIGHT_MS_MAX:
            flight.heard_ms = now.mono_ms
        if part is not None and self._missing is not None:
            self._missing.pop(part, None)

    def lacks(self, sender: int, now: Instant) -> None:
        """It has nothing for us, or not now: others are asked first."""
        self._flights.pop(sender, None)
        self._look_ms = now.mono_ms
        source = self._sources.setdefault(sender, _Source())
        pause = min(PATIENCE_MS_MAX, PATIENCE_MS * (1 << min(source.fruitless, 16)))
        source.fruitless += 1
        source.is_good = False
        source.not_before_ms = now.mono_ms + pause

    def lied(self, sender: int, now: Instant) -> None:
        """What came in its name was wrong."""
        self.lacks(sender, now)
        self._sources[sender].not_before_ms = now.mono_ms + DISTRUST_MS

    def deadline(self) -> float:
        """When `asks` may have something to say."""
        if self._missing is not None and not self._missing:
            return float("inf")
        dues = [flight.heard_ms + TIMEOUT_MS for flight in self._flights.values()]
        if not any(self._is_good(to) for to in self._flights):
            dues.append(self._look_ms)
        return min(dues)

    def _wanted(self) -> Sequence[Part]:
        if self._missing is None:
            return [None]
        asked = {part for flight in self._flights.values() for part in flight.parts}
        return [number for number in self._missing if number not in asked]

    def _ask(self, to: int, parts: Sequence[Part], now: Instant) -> Ask:
        flight = self._flights[to] = _Flight(self._draw(), now.mono_ms, now.mono_ms, list(parts))
        return Ask(to, flight.correlation, tuple(part for part in parts if part is not None))

    def _is_free(self, member: int, now: Instant) -> bool:
        source = self._sources.get(member)
        return member not in self._flights and (source is None or now.mono_ms >= source.not_before_ms)

    def _is_good(self, member: int) -> bool:
        source = self._sources.get(member)
        return source is not None and source.is_good

    def _expire(self, now: Instant) -> None:
        for member, flight in list(self._flights.items()):
            if now.mono_ms - flight.heard_ms >= TIMEOUT_MS:
                self.timeouts += 1
                self.lacks(member, now)


class Serving:
    """Requests being answered: one a member, a part of each in turn, no faster than BLOB_SERVE_BYTES_PER_S in sum.

    All of it may be lost; whoever still lacks something asks again.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[BlobRequest, list[Part]]] = {}
        self._ready_ms = 0.0
        self._is_reading = False

    def offer(self, request: BlobRequest) -> bool:
        """Take a request, in the place of an earlier one by the same member; False when too many wait."""
        if request.sender not in self._waiting and len(self._waiting) >= BLOB_SERVE_MAX:
            return False
        self._waiting[request.sender] = (request, list(request.chunks) or [None])
        return True

    def next(self, now: Instant) -> tuple[BlobRequest, Part] | None:
        """What to read and send now; `done` before the next one."""
        if self._is_reading or not self._waiting or now.mono_ms < self._ready_ms:
            return None
        sender = next(iter(self._waiting))
        request, parts = self._waiting.pop(sender)
        part = parts.pop(0)
        if parts:
            self._waiting[sender] = (request, parts)
        self._is_reading = True
        return request, part

    def done(self, request: BlobRequest, sent_bytes: int | None, now: Instant) -> None:
        """So much was sent; None: there was nothing, and the rest of the request has no hope either."""
        self._is_reading = False
        waiting = self._waiting.get(request.sender)
        if sent_bytes is None and waiting is not None and waiting[0] is request:
            del self._waiting[request.sender]
        cost = REQUEST_COST_BYTES + (sent_bytes or 0)
        self._ready_ms = max(self._ready_ms, now.mono_ms) + cost * 1000 / BLOB_SERVE_BYTES_PER_S

    def deadline(self) -> float:
        return self._ready_ms if self._waiting and not self._is_reading else float("inf")
