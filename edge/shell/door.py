"""The cheap look at a frame before it may wait for the loop: is it what its topic says, and by somebody we know?

Anyone who reaches the broker can say anything on any topic. A few bytes tell whether a frame can be by whom it claims,
in the thread that read it and before it takes room; what they do not tell, signatures do later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container
from typing import TYPE_CHECKING

from edge.limits import STRANGER_FRAMES_BURST, STRANGER_FRAMES_PER_S
from edge.mesh.allowance import Allowance
from edge.shell.topics import OWNED
from edge.wire.frame import Channel, claimed_speaker

if TYPE_CHECKING:
    from edge.shell.mqtt import Inbound

Deliver = Callable[[Channel, bytes, int], None]


class Door:
    """Called by the links' threads. `members` is replaced with each roster."""

    def __init__(self, deliver: Deliver, clock: Callable[[], float] = time.monotonic) -> None:
        self._deliver = deliver
        self._clock = clock
        self._lock = threading.Lock()
        self._strangers = Allowance(STRANGER_FRAMES_PER_S, STRANGER_FRAMES_BURST)
        self.members: Container[int] = ()
        self._counts = dict.fromkeys(("refused_frame_shape", "refused_author_other", "dropped_strangers"), 0)

    def take(self, inbound: Inbound) -> None:
        """Let it in, or count why not. A request's topic is its receiver's: who asks stands in it."""
        channel, sender, payload, _ = inbound
        if channel in OWNED or channel is Channel.REQUEST:
            claimed = claimed_speaker(channel, payload)
            if claimed is None:
                return self._count("refused_frame_shape")
            if channel is not Channel.REQUEST and claimed != sender:
                return self._count("refused_author_other")
            if claimed not in self.members and not self._may_stranger():
                return self._count("dropped_strangers")
            sender = claimed
        return self._deliver(channel, payload, sender)

    def counts(self) -> dict[str, int]:
        return dict(self._counts)

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def _may_stranger(self) -> bool:
        """A new member may speak before its roster has come: some of it waits for that."""
        with self._lock:
            now_ms = self._clock() * 1000
            if not self._strangers.has(None, now_ms):
                return False
            self._strangers.spend(None, now_ms)
            return True
