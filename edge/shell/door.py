"""The cheap look at a frame before it may wait for the loop: is it what its topic says, and by somebody we know?

Anyone who reaches the broker can say anything on any topic. A few bytes tell whether a frame can be by whom it claims,
in the thread that read it and before it takes room; what they do not tell, signatures do later. Frontiers and requests
are not signed and cost more to see to than to say: of each member so many are let in, by whomever they really are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Hashable
from typing import TYPE_CHECKING

from edge.limits import (
    FRONTIERS_BURST,
    FRONTIERS_PER_S,
    PROPOSALS_BURST,
    PROPOSALS_PER_S,
    SERVE_REQUESTS_BURST,
    SERVE_REQUESTS_PER_S,
    STRANGER_FRAMES_BURST,
    STRANGER_FRAMES_PER_S,
)
from edge.mesh.allowance import Allowance
from edge.shell.topics import OWNED
from edge.wire.frame import VERTICES, Channel, decode_vertex
from edge.wire.items import Proposal
from edge.wire.refusal import Refusal
from edge.wire.speaker import claimed_speaker
from edge.wire.vertex import decode_header

if TYPE_CHECKING:
    from edge.shell.mqtt import Inbound

Deliver = Callable[[Channel, bytes, int], None]
COUNTED = (
    "refused_frame_shape",
    "refused_author_other",
    "dropped_strangers",
    "dropped_hints",
    "dropped_hushed",
    "dropped_proposals",
    "dropped_no_votes",
)


class Door:
    """Called by the links' threads. `members` and `voters` are replaced with each roster."""

    def __init__(self, deliver: Deliver, clock: Callable[[], float] = time.monotonic) -> None:
        self._deliver = deliver
        self._clock = clock
        self._lock = threading.Lock()
        self._strangers = Allowance(STRANGER_FRAMES_PER_S, STRANGER_FRAMES_BURST)
        self._hints = {
            Channel.FRONTIER: Allowance(FRONTIERS_PER_S, FRONTIERS_BURST),
            Channel.REQUEST: Allowance(SERVE_REQUESTS_PER_S, SERVE_REQUESTS_BURST),
        }
        self._hushed: dict[int, float] = {}
        """Authors that say too much, and until when (monotonic ms)."""
        self.members: Container[int] = ()
        self.voters: Container[int] = ()
        """Members who sit on a committee."""
        self._proposals = Allowance(PROPOSALS_PER_S, PROPOSALS_BURST)
        self._counts = dict.fromkeys(COUNTED, 0)

    def take(self, inbound: Inbound) -> None:
        """Let it in, or count why not. A request's topic is its receiver's: who asks stands in it."""
        channel, sender, payload, _ = inbound
        if channel in OWNED or channel is Channel.REQUEST:
            claimed = claimed_speaker(Channel.VERTEX if channel is Channel.VOTE else channel, payload)
            if claimed is None:
                return self._count("refused_frame_shape")
            if channel is not Channel.REQUEST and claimed != sender:
                return self._count("refused_author_other")
            if claimed not in self.members:
                if not self._may(self._strangers, None):
                    return self._count("dropped_strangers")
                channel = Channel.VERTEX if channel is Channel.VOTE else channel  # before whom we know it does not go
            elif channel in VERTICES:
                if claimed in self._hushed and self._is_hushed(claimed):
                    return self._count("dropped_hushed")
                if channel is Channel.VOTE and claimed not in self.voters:
                    if not self._may(self._proposals, claimed):
                        return self._count("dropped_proposals")
                    if not _proposes(payload):
                        return self._count("dropped_no_votes")
            elif not self._may(self._hints[channel], claimed):
                return self._count("dropped_hints")
            sender = claimed
        return self._deliver(channel, payload, sender)

    def hush(self, author: int, until_mono_ms: float) -> None:
        """Drop what this member says live until then. Called by the loop, about members only."""
        self._hushed[author] = until_mono_ms

    def counts(self) -> dict[str, int]:
        return dict(self._counts)

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def _is_hushed(self, author: int) -> bool:
        if self._clock() * 1000 < self._hushed.get(author, 0.0):
            return True
        self._hushed.pop(author, None)
        return False

    def _may(self, allowance: Allowance, name: Hashable) -> bool:
        """Of hints, a member has its share by the channel. A new member may speak before its roster has come: some of
        what it says waits for that."""
        with self._lock:
            now_ms = self._clock() * 1000
            if not allowance.has(name, now_ms):
                return False
            allowance.spend(name, now_ms)
            return True


def _proposes(payload: bytes) -> bool:
    """Whether a vertex frame is well formed and carries a proposal."""
    frame = decode_vertex(payload)
    header = frame if isinstance(frame, Refusal) else decode_header(frame.header)
    return not isinstance(header, Refusal) and any(isinstance(item, Proposal) for item in header.items)
