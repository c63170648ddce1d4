"""What we say unasked: which parents our next vertex names, and when our frontier is worth repeating."""

from __future__ import annotations

from dataclasses import dataclass

from edge.ids import Instant, Parent
from edge.limits import PARENTS_DEVICE_MAX

FRONTIER_FIRST_MS = 200
"""A change is announced this long after it, so that a burst costs one digest."""
FRONTIER_REPEAT_MS = 10_000
"""With nothing new the digest is repeated this often: it is also the sign of life."""


@dataclass(slots=True)
class _Head:
    """The newest vertex of a peer: a candidate for our next parents."""

    parent: Parent
    clock: int
    arrived: int


class Gossip:
    """Heads by others that our own line has not named yet, and the frontier timer."""

    def __init__(self, interval_ms: float, jitter: float) -> None:
        self._interval_ms = interval_ms
        self._repeat_ms = FRONTIER_REPEAT_MS * (0.7 + 0.6 * jitter)
        self._heads: dict[int, _Head] = {}
        self._arrivals = 0
        self._changed_ms: float | None = None
        self._said_ms: float | None = None
        self._whole_ms: float | None = None
        self._company_until_ms = float("-inf")
        self._is_whole = False
        """What was said last, and is retained, was all."""

    def accepted(self, parent: Parent, clock: int, now: Instant) -> None:
        """A vertex by somebody else is in the graph."""
        self.heard(parent, clock)
        self.changed(now)

    def heard(self, parent: Parent, clock: int) -> None:
        """A vertex by somebody else is known to be good: it may be named."""
        self._arrivals += 1
        self._heads.pop(parent.author, None)
        self._heads[parent.author] = _Head(parent, clock, self._arrivals)

    def changed(self, now: Instant) -> None:
        """Our frontier moved."""
        if self._changed_ms is None:
            self._changed_ms = now.mono_ms

    def finals_changed(self, now: Instant) -> None:
        """Our registers moved: also who keeps its own line only would ask for that."""
        self.changed(now)
        self.company(max(self._company_until_ms, now.mono_ms))

    def take_parents(self) -> tuple[tuple[Parent, ...], tuple[int, ...]]:
        """Parents and their clocks for the next vertex: the newest head, then the one that waited longest.

        Newest first shows causality, longest first lets every author be named in turn. A head is named once.
        """
        heads = list(self._heads.values())
        chosen = [heads[-1], *heads[:-1]][:PARENTS_DEVICE_MAX] if heads else []
        for head in chosen:
            del self._heads[head.parent.author]
        chosen.sort(key=lambda head: head.parent.author)
        return tuple(head.parent for head in chosen), tuple(head.clock for head in chosen)

    def frontier_due(self) -> float:
        """When the frontier should be announced next, monotonic ms.

        A change is worth saying to who may lack it; to nobody but leaves the frontier is a sign of life.
        """
        if self._said_ms is None:
            return 0.0
        repeat = self._said_ms + self._repeat_ms
        if self._changed_ms is None or self._changed_ms > self._company_until_ms:
            return repeat
        return min(repeat, max(self._changed_ms + FRONTIER_FIRST_MS, self._said_ms + self._interval_ms))

    def is_whole_due(self, now: Instant) -> bool:
        """Whether all of the frontier is to be said, and not only what changed."""
        return self._whole_ms is None or now.mono_ms >= self._whole_ms + self._repeat_ms

    def said(self, now: Instant, *, is_whole: bool) -> None:
        self._said_ms, self._changed_ms, self._is_whole = now.mono_ms, None, is_whole
        if is_whole:
            self._whole_ms = now.mono_ms

    def say_soon(self) -> None:
        """A new connection: nobody there knows what we hold."""
        self._said_ms = self._whole_ms = None

    def company(self, until_ms: float) -> None:
        """Until then somebody listens who would ask for what we have and it lacks."""
        self._company_until_ms = until_ms

    def met(self, now: Instant) -> None:
        """Somebody who keeps what we keep has come: say all, or a part if all is what the broker has of us."""
        if not self._is_whole:
            self._whole_ms = None
        self.changed(now)
