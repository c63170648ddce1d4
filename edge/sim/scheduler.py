"""Virtual time: acts in the order of their moments, equal ones in the order of their planning. Nothing ever waits."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Scheduler:
    """`now` is milliseconds since the world began; acts may plan further acts."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self._acts: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._planned = 0

    def at(self, moment_ms: float, act: Callable[..., None], *args: Any) -> None:
        """Plan `act(*args)`; a moment that has passed is now."""
        self._planned += 1
        heappush(self._acts, (max(moment_ms, self.now), self._planned, act, args))

    def after(self, delay_ms: float, act: Callable[..., None], *args: Any) -> None:
        self._planned += 1
        heappush(self._acts, (self.now + delay_ms, self._planned, act, args))

    def run(self, until_ms: float, is_over: Callable[[], bool]) -> None:
        """Carry out everything planned up to `until_ms`, or until `is_over` says so."""
        acts = self._acts
        while acts and acts[0][0] <= until_ms:
            self.now, _, act, args = heappop(acts)
            self.steps += 1
            act(*args)
            if is_over():
                return
        self.now = max(self.now, until_ms)
