"""What waits for the loop: results, live frames, backlog, large bodies, readings; each bounded and counted."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from edge.limits import BLOB_INBOX_BYTES_MAX, INBOX_BYTES_MAX, INBOX_FRAMES_MAX, QUEUE_READINGS_MAX
from edge.sense.reading import Reading
from edge.wire.frame import Channel

Task = Callable[[], Any]
T = TypeVar("T")


class Inbox:
    """Filled by many threads, emptied by the loop; `fileno` becomes readable when there is something."""

    def __init__(self) -> None:
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()
        self._live: deque[tuple[Channel, bytes]] = deque()
        self._backlog: deque[tuple[Channel, bytes]] = deque()
        self._blobs: deque[tuple[Channel, bytes]] = deque()
        self._readings: deque[Reading] = deque()
        self._bytes = self._blob_bytes = 0
        self._is_awake = False
        self._is_nudged = False
        self.is_busy = False
        """Set by the loop while it has more events than it can record: recordings wait, live sources shed."""
        self.dropped_frames = 0
        self.refused_readings = 0

    def fileno(self) -> int:
        return self._wake

    def close(self) -> None:
        os.close(self._wake)

    def nudge(self) -> None:
        """Wake the loop from a signal handler: it may have interrupted any line of ours, so it takes no lock."""
        self._is_nudged = True
        os.eventfd_write(self._wake, 1)

    def task(self, task: Task) -> None:
        """A result or a request; bounded by the tickets and clients there are."""
        with self._lock:
            self._tasks.append(task)
            self._rouse()

    def frame(self, channel: Channel, payload: bytes) -> None:
        """A frame by a peer; when full, the newest goes and repair brings it back."""
        with self._lock:
            if channel is Channel.BLOB:
                return self._blob(payload)
            queue = self._backlog if channel is Channel.REPLY else self._live
            if len(queue) >= INBOX_FRAMES_MAX or self._bytes + len(payload) > INBOX_BYTES_MAX:
                self.dropped_frames += 1
                return None
            queue.append((channel, payload))
            self._bytes += len(payload)
            return self._rouse()

    def _blob(self, payload: bytes) -> None:
        """Room of its own, so that chunks never take that of what is live."""
        if len(self._blobs) >= INBOX_FRAMES_MAX or self._blob_bytes + len(payload) > BLOB_INBOX_BYTES_MAX:
            self.dropped_frames += 1
            return
        self._blobs.append((Channel.BLOB, payload))
        self._blob_bytes += len(payload)
        self._rouse()

    def reading(self, reading: Reading) -> bool:
        """A reading by a source; False when the node has no room for it now."""
        with self._lock:
            if self.is_busy or len(self._readings) >= QUEUE_READINGS_MAX:
                self.refused_readings += 1
                return False
            self._readings.append(reading)
            self._rouse()
            return True

    def take(self, count_max: int) -> tuple[list[Task], list[tuple[Channel, bytes]], list[Reading]]:
        """Up to `count_max` of each kind; backlog and large bodies only as far as live traffic leaves room."""
        with self._lock:
            if self._is_awake or self._is_nudged:
                self._is_awake = self._is_nudged = False
                with suppress(BlockingIOError):  # a nudge came in between
                    os.eventfd_read(self._wake)
            tasks, self._tasks = list(self._tasks), deque()
            frames = _take(self._live, count_max)
            frames += _take(self._backlog, max(1, count_max - len(frames)))
            self._bytes -= sum(len(payload) for _, payload in frames)
            blobs = _take(self._blobs, max(1, count_max - len(frames)))
            self._blob_bytes -= sum(len(payload) for _, payload in blobs)
            frames += blobs
            readings = _take(self._readings, count_max)
            if self._live or self._backlog or self._blobs or self._readings:
                self._rouse()
        return tasks, frames, readings

    def has_readings(self) -> bool:
        return bool(self._readings)

    def counts(self) -> dict[str, int]:
        return {
            "inbox_frames": len(self._live) + len(self._backlog) + len(self._blobs),
            "inbox_bytes": self._bytes + self._blob_bytes,
            "inbox_dropped_frames": self.dropped_frames,
            "inbox_refused_readings": self.refused_readings,
        }

    def _rouse(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            os.eventfd_write(self._wake, 1)


def _take(queue: deque[T], count_max: int) -> list[T]:
    return [queue.popleft() for _ in range(min(count_max, len(queue)))]
