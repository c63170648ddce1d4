"""Frames of many that wait for one: a lane for each who speaks, one frame from each in turn.

A lane may hold as much as is free beside all that waits, and no more. So one who floods takes half of the room and
leaves the other half; n of them leave one part in n + 1 (Choudhury and Hahne 1998, dynamic queue thresholds). What a
lane cannot hold is refused there, whoever else speaks loses nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lane(Generic[T]):
    """What one has said and nobody has heard yet."""

    __slots__ = ("frames", "size_bytes")

    def __init__(self) -> None:
        self.frames: deque[tuple[T, int]] = deque()
        self.size_bytes = 0


class Lanes(Generic[T]):
    """Not thread-safe: whoever shares it locks."""

    def __init__(self, frames_max: int, bytes_max: int) -> None:
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._lanes: dict[Hashable, Lane[T]] = {}
        """In the order in which they have their turn."""
        self.size_bytes = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, name: Hashable, frame: T, size_bytes: int) -> bool:
        """At the end of a lane; False when that has its share already."""
        lane = self._lanes.get(name)
        count, held = (len(lane.frames), lane.size_bytes) if lane else (0, 0)
        if count >= self._frames_max - self._count or held + size_bytes > self._bytes_max - self.size_bytes:
            return False
        if lane is None:
            lane = self._lanes[name] = Lane()
        lane.frames.append((frame, size_bytes))
        lane.size_bytes += size_bytes
        self.size_bytes += size_bytes
        self._count += 1
        return True

    def take(self, count_max: int) -> list[T]:
        """Up to so many, one from each lane in turn; the next call goes on where this one ended."""
        taken: list[T] = []
        while self._lanes and len(taken) < count_max:
            name = next(iter(self._lanes))
            lane = self._lanes.pop(name)
            frame, size_bytes = lane.frames.popleft()
            lane.size_bytes -= size_bytes
            self.size_bytes -= size_bytes
            self._count -= 1
            taken.append(frame)
            if lane.frames:
                self._lanes[name] = lane  # last in the order
        return taken
