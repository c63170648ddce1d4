"""What a node is told from outside, beside its roster and its senses."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What a node is told once, when it starts."""

    index: int
    """Our place in the roster."""
    suite: int
    authority: bytes
    """The public key that signs rosters."""
    commit_window_ms: int = 1000
    keep_all: bool = True
    is_gateway: bool = False
    frontier_interval_ms: float = 1000.0
