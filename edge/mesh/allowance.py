"""How much one may do in a while: so much at once, and so much more with every second."""

from __future__ import annotations

from collections.abc import Hashable


class Allowance:
    """For each by name. Who has used it up is told so; nobody else's becomes less. Names are the caller's to bound."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_ms = per_s / 1000
        self._burst = burst
        self._used: dict[Hashable, tuple[float, float]] = {}
        """How much, and at what monotonic ms."""

    def has(self, name: Hashable, now_ms: float) -> bool:
        """Whether anything is left."""
        return self._level(name, now_ms) <= self._burst - 1

    def spend(self, name: Hashable, now_ms: float) -> None:
        self._used[name] = (self._level(name, now_ms) + 1, now_ms)

    def at_ms(self, name: Hashable, now_ms: float, count: float) -> float:
        """When at least so much will be left, if nothing is spent until then."""
        return now_ms + max(0.0, self._level(name, now_ms) + count - self._burst) / self._per_ms

    def _level(self, name: Hashable, now_ms: float) -> float:
        used, at_ms = self._used.get(name, (0.0, now_ms))
        return max(0.0, used - (now_ms - at_ms) * self._per_ms)
