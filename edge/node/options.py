"""What a node is told from outside, beside its roster and its senses."""

from dataclasses import dataclass

from edge.wire.roster import Roster

KEEP_ALL_MEMBERS_MAX = 32
"""In a larger site with a gateway a device keeps its own line, unless it is told otherwise."""


def keeps_all(keep: str, roster: Roster) -> bool:
    """What `keep` means in this site: `all`, `own`, or `auto`, by its size and whether a gateway keeps it."""
    has_gateway = any("gateway" in member.roles for member in roster.members)
    return keep == "all" or (keep == "auto" and not (has_gateway and len(roster.members) > KEEP_ALL_MEMBERS_MAX))


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
    drops_sealed: bool = True
    """Without a seat: drop what a committee's members hold, although no gateway does (docs/decisions/0042)."""
    frontier_interval_ms: float = 1000.0
    checkpoint_ms: float = 600_000.0
    """How long a member of a committee lets what is new wait to be sealed (docs/decisions/0038)."""
    witness_ms: float = 2000.0
    """How long a member of a committee lets word of what it holds wait for a vertex that is made anyway."""
