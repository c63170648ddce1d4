"""What waits for the loop: results, votes, vertices, hints, backlog, large bodies, readings; each bounded and counted.

Vertices wait in a lane for each member, and are taken in turn: whoever says more than is its share waits behind
itself. So do those that came as votes, before the others and in a room of their own, and hints (frontiers, requests,
rosters) in a lane for each channel and member, of which a turn sees to a few: they cost most and hurry least. The topic
says who speaks, which nobody has proven yet; what is of no member shares one lane.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Container
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from edge.limits import (
    BLOB_INBOX_BYTES_MAX,
    INBOX_BACKLOG_BYTES_MAX,
    INBOX_BYTES_MAX,
    INBOX_FRAMES_MAX,
    INBOX_HINT_BYTES_MAX,
    INBOX_HINTS_MAX,
    INBOX_VOTE_BYTES_MAX,
    INBOX_VOTES_MAX,
    QUEUE_READINGS_MAX,
)
from edge.sense.reading import Reading
from edge.shell.lanes import Lanes
from edge.wire.frame import VERTICES, Channel

Frame = tuple[Channel, bytes]
Task = Callable[[], Any]
T = TypeVar("T")
NO_MEMBER = -1
HINTS_PER_TURN = 4


class Turn(NamedTuple):
    """What the loop sees to before it looks again, in this order."""

    tasks: list[Task]
    frames: list[Frame]
    readings: list[Reading]
    chores: list[Task]


class Inbox:
    """Filled by many threads, emptied by the loop; `fileno` becomes readable when there is something."""

    def __init__(self) -> None:
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()
        self._chores: deque[Task] = deque()
        self._vertices: Lanes[Frame] = Lanes(INBOX_FRAMES_MAX, INBOX_BYTES_MAX)
        self._votes: Lanes[Frame] = Lanes(INBOX_VOTES_MAX, INBOX_VOTE_BYTES_MAX)
        self._hints: Lanes[Frame] = Lanes(INBOX_HINTS_MAX, INBOX_HINT_BYTES_MAX)
        self._backlog: deque[Frame] = deque()
        self._blobs: deque[Frame] = deque()
        self._readings: deque[Reading] = deque()
        self._backlog_bytes = self._blob_bytes = 0
        self._is_awake = False
        self._is_nudged = False
        self._has_room = self._has_votes_room = True
        self.members: Container[int] = ()
        """Those who have a lane of their own."""
        self.is_busy = False
        """Set by the loop while it has more events than it can record: recordings wait, live sources shed."""
        self.dropped_frames = self.dropped_votes = 0
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

    def chore(self, task: Task) -> None:
        """A result that nobody waits for in haste: one a turn, after whatever is live."""
        with self._lock:
            self._chores.append(task)
            self._rouse()

    def frame(self, channel: Channel, payload: bytes, sender: int = NO_MEMBER) -> None:
        """A frame by a peer; what its lane cannot hold goes, the newest first, and repair brings it back."""
        with self._lock:
            if channel is Channel.BLOB:
                taken = self._blob(payload)
            elif channel is Channel.REPLY:
                taken = self._reply(payload)
            else:
                lane = (channel, sender if sender in self.members else NO_MEMBER)
                lanes = {Channel.VERTEX: self._vertices, Channel.VOTE: self._votes}.get(channel, self._hints)
                taken = lanes.put(lane, (channel, payload), len(payload))
            if channel is Channel.VOTE:
                self.dropped_votes += not taken
            else:
                self.dropped_frames += not taken
            has_room = self._has_votes_room if channel is Channel.VOTE else self._has_room
            if taken and (has_room or channel not in (*VERTICES, Channel.REPLY)):
                self._rouse()

    def _reply(self, payload: bytes) -> bool:
        """Room of its own: what was asked for is bounded by who asks, but anyone can say that he was asked."""
        if len(self._backlog) >= INBOX_FRAMES_MAX or self._backlog_bytes + len(payload) > INBOX_BACKLOG_BYTES_MAX:
            return False
        self._backlog.append((Channel.REPLY, payload))
        self._backlog_bytes += len(payload)
        return True

    def _blob(self, payload: bytes) -> bool:
        """Room of its own, so that chunks never take that of what is live."""
        if len(self._blobs) >= INBOX_FRAMES_MAX or self._blob_bytes + len(payload) > BLOB_INBOX_BYTES_MAX:
            return False
        self._blobs.append((Channel.BLOB, payload))
        self._blob_bytes += len(payload)
        return True

    def reading(self, reading: Reading) -> bool:
        """A reading by a source; False when the node has no room for it now."""
        with self._lock:
            if self.is_busy or len(self._readings) >= QUEUE_READINGS_MAX:
                self.refused_readings += 1
                return False
            self._readings.append(reading)
            self._rouse()
            return True

    def take(
        self,
        count_max: int,
        room: int | None = None,
        readings_max: int | None = None,
        votes_room: int | None = None,
    ) -> Turn:
        """Up to `count_max` of each kind; backlog and large bodies only as far as live traffic leaves room.

        `room`: how many vertices the node can see to now, if fewer, and `votes_room` of those that came as votes. What
        waits longer waits here, in its turn. Without any room a result must come before they do, and wakes the loop.
        `readings_max`: how many readings, if fewer.
        """
        votes_max = count_max if votes_room is None else min(count_max, votes_room)
        live_max = count_max if room is None else min(count_max, room)
        with self._lock:
            if self._is_awake or self._is_nudged:
                self._is_awake = self._is_nudged = False
                with suppress(BlockingIOError):  # a nudge came in between
                    os.eventfd_read(self._wake)
            tasks, self._tasks = list(self._tasks), deque()
            self._has_room, self._has_votes_room = live_max > 0, votes_max > 0
            votes = self._votes.take(votes_max)
            frames = self._vertices.take(live_max)
            hints = self._hints.take(HINTS_PER_TURN)
            backlog = _take(self._backlog, max(1, live_max - len(frames)) if self._has_room else 0)
            self._backlog_bytes -= sum(len(payload) for _, payload in backlog)
            blobs = _take(self._blobs, max(1, count_max - len(frames) - len(hints) - len(backlog)))
            self._blob_bytes -= sum(len(payload) for _, payload in blobs)
            readings = _take(self._readings, count_max if readings_max is None else min(count_max, readings_max))
            chores = _take(self._chores, 1)
            waits = self._hints or self._blobs or self._readings or self._chores
            has_live = (self._has_votes_room and self._votes) or (self._has_room and (self._vertices or self._backlog))
            if waits or has_live:
                self._rouse()
        return Turn(tasks, votes + frames + hints + backlog + blobs, readings, chores)

    def has_readings(self) -> bool:
        return bool(self._readings)

    def counts(self) -> dict[str, int]:
        lanes = (self._votes, self._vertices, self._hints)
        return {
            "inbox_frames": sum(map(len, lanes)) + len(self._backlog) + len(self._blobs),
            "inbox_bytes": sum(lane.size_bytes for lane in lanes) + self._backlog_bytes + self._blob_bytes,
            "inbox_votes": len(self._votes),
            "inbox_dropped_frames": self.dropped_frames,
            "inbox_dropped_votes": self.dropped_votes,
            "inbox_refused_readings": self.refused_readings,
        }

    def _rouse(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            os.eventfd_write(self._wake, 1)


def _take(queue: deque[T], count_max: int) -> list[T]:
    return [queue.popleft() for _ in range(min(count_max, len(queue)))]
