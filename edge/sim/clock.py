"""The clocks of one device: a monotonic one that drifts and stops in sleep, and a wall clock that anyone may set."""

from __future__ import annotations

from edge.ids import Instant

WORLD_BEGAN_MS = 1_760_000_000_000
"""True Unix time when a simulation begins."""
EPOCH_1970_MS = 12_000
"""What a device without a battery believes it is, some seconds after it got power."""


class Clock:
    """Answers from the world's time. `drift` is how much faster than true time it runs (50 ppm: 5e-5)."""

    def __init__(self, drift: float, skew_ms: float, start_ms: float) -> None:
        self._rate = 1 + drift
        self._mono_at = 0.0
        self._mono = start_ms
        self._wall_offset = WORLD_BEGAN_MS + skew_ms
        self._is_asleep = False

    def now(self, time_ms: float) -> Instant:
        return Instant(self.mono(time_ms), max(0, int(self._wall_offset + time_ms * self._rate)))

    def mono(self, time_ms: float) -> float:
        if self._is_asleep:
            return self._mono
        return self._mono + (time_ms - self._mono_at) * self._rate

    def when(self, mono_ms: float) -> float:
        """The world's time at which the monotonic clock shows `mono_ms`."""
        return self._mono_at + (mono_ms - self._mono) / self._rate

    def reboot(self, time_ms: float) -> None:
        """The monotonic clock begins anew with every power-up."""
        self._mono_at, self._mono, self._is_asleep = time_ms, 1_000.0, False

    def suspend(self, time_ms: float) -> None:
        """CLOCK_MONOTONIC stands still while a device sleeps; its wall clock goes on."""
        self._mono, self._mono_at, self._is_asleep = self.mono(time_ms), time_ms, True

    def resume(self, time_ms: float) -> None:
        self._mono_at, self._is_asleep = time_ms, False

    def jump(self, by_ms: float) -> None:
        """Somebody sets the wall clock."""
        self._wall_offset += by_ms

    def set_to(self, wall_ms: float, time_ms: float) -> None:
        self._wall_offset = wall_ms - time_ms * self._rate

    def set_true(self, time_ms: float) -> None:
        """A time source answers."""
        self.set_to(WORLD_BEGAN_MS + time_ms, time_ms)
