"""The members we have heard of, by roster index: when, and how much they said they hold."""

from __future__ import annotations

from dataclasses import dataclass

from edge.ids import Instant
from edge.limits import PEERS_MAX

ONLINE_MS = 15_000
"""Frontiers come at least every ten seconds with jitter; half as much again without one is silence."""


@dataclass(slots=True)
class Peer:
    """What is known of one member; a hint, since nothing here is signed."""

    heard_ms: float
    lines: int = 0
    behind: int = 0
    """Lines the peer has further than we do."""
    vertices: int = 0
    """Vertices of its own that we accepted since start."""


class Peers:
    """Only members get an entry; of those who left, and of too many, the ones heard least lately are forgotten."""

    def __init__(self) -> None:
        self._peers: dict[int, Peer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def heard(self, index: int, now: Instant) -> Peer:
        peer = self._peers.get(index)
        if peer is None:
            if len(self._peers) >= PEERS_MAX:
                del self._peers[min(self._peers, key=lambda known: self._peers[known].heard_ms)]
            peer = self._peers[index] = Peer(now.mono_ms)
        peer.heard_ms = now.mono_ms
        return peer

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
                "heard_s": round((now.mono_ms - peer.heard_ms) / 1000, 1),
                "online": now.mono_ms - peer.heard_ms < ONLINE_MS,
                "lines": peer.lines,
                "ahead_of_us": peer.behind,
                "vertices": peer.vertices,
            }
            for index, peer in sorted(self._peers.items())
        ]
