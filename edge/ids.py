"""The small values every room speaks in: names of vertices, and the moment a machine is told it is."""

from typing import NamedTuple

VertexId = bytes
"""SHA-256 over the domain tag and the header without its signature; 32 bytes."""


class VertexKey(NamedTuple):
    """Names a vertex: (author, incarnation, seq). Two ids under one key are a fork."""

    author: int
    incarnation: int
    seq: int


class Parent(NamedTuple):
    """A causal dependency as a header carries it: the key and the full id."""

    author: int
    incarnation: int
    seq: int
    id: VertexId

    @property
    def key(self) -> VertexKey:
        return VertexKey(self.author, self.incarnation, self.seq)


class Instant(NamedTuple):
    """One reading of the clocks, taken once per turn of the loop and passed down as `now`."""

    mono_ms: float
    """Monotonic, since an arbitrary start; for deadlines."""
    wall_ms: int
    """Unix time; a hint that never decides validity."""
