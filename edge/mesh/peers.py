"""The members we have heard of, by roster index: when, and how much they said they hold."""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf

from edge.ids import Instant
from edge.limits import HLC_AHEAD_MS_MAX, PEERS_MAX

ONLINE_MS = 15_000
"""Frontiers come at least every ten seconds with jitter; half as much again without one is silence."""


@dataclass(slots=True)
class Peer:
    """What is known of one member; a hint, since nothing here is signed."""

    heard_ms: float = float("-inf")
    """When it last said something itself; never, if others alone have told of it."""
    lines: int = 0
    """Named in its last frontier."""
    behind: int = 0
    """Of those, lines the peer has further than we do."""
    vertices: int = 0
    """Vertices of its own that we accepted since start."""


class Peers:
    """Only members get an entry; of those who left, and of too many, the ones heard least lately are forgotten."""

    def __init__(self) -> None:
        self._peers: dict[int, Peer] = {}
        self.clocks_ahead = 0
        """Vertices that entered the graph with a clock so far ahead of our wall that it is not followed."""

    def __len__(self) -> int:
        return len(self._peers)

    def heard(self, index: int, now: Instant) -> Peer:
        """It speaks: its own frontier came."""
        peer = self._peer(index)
        peer.heard_ms = now.mono_ms
        return peer

    def accepted(self, index: int, made_ms: int, now: Instant) -> None:
        """A vertex of its own entered the graph, by whatever way: a sign of life if it was made just now.

        Backlog comes from others, years later perhaps, and says nothing of its author. Where the clocks do not
        compare, the frontiers must do.
        """
        peer = self._peer(index)
        peer.vertices += 1
        if -ONLINE_MS < made_ms - now.wall_ms < HLC_AHEAD_MS_MAX:
            peer.heard_ms = now.mono_ms
        self.clocks_ahead += made_ms - now.wall_ms > HLC_AHEAD_MS_MAX

    def counts(self) -> dict[str, int]:
        return {"clocks_ahead": self.clocks_ahead}

    def _peer(self, index: int) -> Peer:
        peer = self._peers.get(index)
        if peer is None:
            if len(self._peers) >= PEERS_MAX:
                del self._peers[min(self._peers, key=lambda known: self._peers[known].heard_ms)]
            peer = self._peers[index] = Peer()
        return peer

    def is_online(self, index: int, now: Instant) -> bool:
        peer = self._peers.get(index)
        return peer is not None and now.mono_ms - peer.heard_ms < ONLINE_MS

    def online(self, now: Instant) -> list[int]:
        """Members heard of lately, the latest first."""
        alive = [
            (peer.heard_ms, index) for index, peer in self._peers.items() if now.mono_ms - peer.heard_ms < ONLINE_MS
        ]
        return [index for _, index in sorted(alive, key=lambda item: (-item[0], item[1]))]

    def rows(self, now: Instant) -> list[dict[str, object]]:
        """One row a peer, for people."""
        return [
            {
                "index": index,
                "heard_s": None if isinf(peer.heard_ms) else round((now.mono_ms - peer.heard_ms) / 1000, 1),
                "online": now.mono_ms - peer.heard_ms < ONLINE_MS,
                "lines": peer.lines,
                "ahead_of_us": peer.behind,
                "vertices": peer.vertices,
            }
            for index, peer in sorted(self._peers.items())
        ]
