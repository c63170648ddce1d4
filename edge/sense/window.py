"""A sliding window over a stream of readings: a fixed ring that knows when it is full, and the value it then gives.

Window k covers the readings [k·step, k·step + size). With step > size the readings between two windows are skipped.
A window retires min(step, size) readings, its oldest: those that no later window will see.
"""

from array import array
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from edge import limits


class Window(NamedTuple):
    """One full window, as a model takes it."""

    tensor: bytes
    """Packed little-endian float32: raw readings row-major [size, channels], or the named features."""
    digest: bytes
    """SHA-256 of the tensor's bytes."""
    time_ms: int
    """The time of its last reading."""
    gap: bool
    """Readings are missing inside it, or between it and the window before."""
    retires: int
    """How many readings are accounted for when this window's fate is known."""
    outputs: tuple[float, ...] | None = None
    """For an agent without a model: what it decides on, at once. None: run the model on `tensor`."""


class Push(IntEnum):
    """What a reading did to the ring."""

    HELD = 0
    COMPLETE = 1
    SKIPPED = 2


class Ring:
    """The last `size` readings of `channels` doubles; allocated once, nothing per reading."""

    __slots__ = ("_at", "_missing", "_skip", "_values", "channels", "held", "size", "step")

    def __init__(self, size: int, step: int, channels: int) -> None:
        assert 1 <= size <= limits.WINDOW_READINGS_MAX and step >= 1
        assert 1 <= channels <= limits.WINDOW_CHANNELS_MAX and size * channels <= limits.WINDOW_VALUES_MAX
        self.size = size
        self.step = step
        self.channels = channels
        self.held = 0
        """Readings taken that no window has retired yet."""
        self._values = array("d", bytes(8 * size * channels))
        self._at = 0
        self._missing = size
        self._skip = 0

    @property
    def retires(self) -> int:
        return min(self.step, self.size)

    def push(self, values: Sequence[float]) -> Push:
        """Take one reading of exactly `channels` finite numbers."""
        if self._skip:
            self._skip -= 1
            return Push.SKIPPED
        at = self._at
        for value in values:
            self._values[at] = value
            at += 1
        assert at == self._at + self.channels, "a reading of the wrong width got into the ring"
        self._at = 0 if at == len(self._values) else at
        self.held += 1
        self._missing -= 1
        if self._missing:
            return Push.HELD
        self._missing = self.retires
        self._skip = max(0, self.step - self.size)
        self.held -= self.retires
        return Push.COMPLETE

    def rows(self) -> "array[float]":
        """The window just completed, oldest first, row-major [size, channels]; a copy."""
        return self._values[self._at :] + self._values[: self._at]
