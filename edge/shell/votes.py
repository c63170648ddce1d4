"""The connection that votes have for themselves: `c/` and nothing else, QoS 1, so that no bulk is before them anywhere.

What waits in a broker for a slow reader, or in a socket, waits in one queue for each connection: a node that is late
with vertices would get votes as late, and a broker whose queue for it is full would drop them. It stands beside a Link
to the same broker for as long as that does, and never instead of it: what it cannot take goes there.
"""

import logging
import threading
import time
from collections.abc import Callable

from edge import limits
from edge.shell.connection import COUNTED, Connection, Counts, Ears, MqttOptions
from edge.shell.pump import Sent
from edge.shell.topics import frame_topic, vote_filter
from edge.wire.frame import Channel

log = logging.getLogger(__name__)

AGAIN_S = (1.0, 2.0, 5.0)
"""How long to wait before the next try, by how many have failed in a row."""


class VoteLine(Connection):
    """One such connection, which lives once."""

    def __init__(self, options: MqttOptions, ears: Ears, ended: Callable[["VoteLine", str], None]) -> None:
        super().__init__(options, ears, f"{options.client_id}-c", "mqtt-votes", COUNTED)
        self.has_been_up = False
        self._topic = frame_topic(self._prefix, Channel.VOTE, options.index)
        self._tell = ended

    def publish(self, payload: bytes) -> bool:
        """Say a vertex of ours. False: it is not taken, and is to go another way."""
        if not self._up or len(payload) > limits.FRAME_BYTES_MAX:
            return False
        if self._pump.send(self._topic, payload, retain=False, qos=1) is not Sent.TAKEN:
            return False
        self._counts["frames_out"] += 1
        self._counts["bytes_out"] += len(payload)
        return True

    def _subscriptions(self) -> list[tuple[str, int]]:
        return [(vote_filter(self._prefix), 1)]

    def _came_up(self) -> None:
        self.has_been_up = True

    def _ended(self, reason: str) -> None:
        self._tell(self, reason)


class Votes:
    """Keeps a VoteLine while one is wanted. `tick` and `stop` come from the thread of the Link beside it, `publish`
    and `counts` from any."""

    def __init__(self, options: MqttOptions, ears: Ears, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._ears = ears
        self._clock = clock
        self.is_wanted = False
        """Somebody votes on this site."""
        self.reason = ""
        """Why there is none at the moment, if that is known."""
        self._line: VoteLine | None = None
        self._again_at = 0.0
        self._failures = 0
        self._lock = threading.Lock()  # around what is counted
        self._counts: Counts = {**dict.fromkeys(COUNTED, 0), "vote_connections": 0, "vote_drops": 0}

    @property
    def is_up(self) -> bool:
        line = self._line
        return line is not None and line.is_up

    def publish(self, payload: bytes) -> bool:
        """As VoteLine.publish; False without one."""
        line = self._line
        return line is not None and line.publish(payload)

    def tick(self) -> None:
        """Begin one if it is wanted and none is there, leave it if it is not."""
        line = self._line
        if line is not None and not self.is_wanted:
            line.stop(0)
        elif line is None and self.is_wanted and self._clock() >= self._again_at:
            self._line = line = VoteLine(self._options, self._ears, self._over)
            line.start()

    def stop(self, timeout_s: float = 0.0) -> None:
        self.is_wanted = False
        if (line := self._line) is not None:
            line.stop(timeout_s)

    def counts(self) -> Counts:
        """Those of the connections so far."""
        with self._lock:
            total, line = dict(self._counts), self._line
            return _summed(total, line) if line is not None else total

    def _over(self, line: VoteLine, reason: str) -> None:
        """In the line's thread, its last act."""
        if self.is_wanted:
            self._failures = 0 if line.has_been_up else min(self._failures + 1, len(AGAIN_S) - 1)
            if reason != self.reason:
                log.warning(
                    "votes go with the rest broker=%s:%d reason=%r", line.options.host, line.options.port, reason
                )
        self.reason = reason
        self._again_at = self._clock() + AGAIN_S[self._failures]
        with self._lock:
            self._counts = _summed(self._counts, line)
            self._counts["vote_drops"] += line.has_been_up and self.is_wanted
            self._line = None


def _summed(total: Counts, line: VoteLine) -> Counts:
    for name, value in line.counts().items():
        total[name] += value
    total["vote_connections"] += line.has_been_up
    return total
