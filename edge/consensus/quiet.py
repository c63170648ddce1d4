"""After a member had nothing to say: until when it need not be asked again.

What it says depends on what it was told, on the machines below, and on time: docs/decisions/0029, *A member*.
"""

from __future__ import annotations

from edge.consensus.checkpoint import Checkpoints
from edge.consensus.epochs import Epochs
from edge.consensus.eviction import Evictions
from edge.consensus.lease import Leases
from edge.consensus.registers import Registers
from edge.consensus.sets import Sets
from edge.dag.graph import Graph


class Quiet:
    """Ends with its time, or by what comes."""

    def __init__(
        self,
        graph: Graph,
        epochs: Epochs,
        sets: Sets,
        registers: Registers,
        checkpoints: Checkpoints,
        leases: Leases,
        evictions: Evictions,
    ) -> None:
        self._graph = graph
        self._cuts = epochs.cuts
        self._sets = sets
        self._registers = registers
        self._checkpoints = checkpoints
        self._leases = leases
        self._evictions = evictions
        self._told = 0
        self._began: tuple[int, ...] = ()
        """What there was when there was nothing to say."""
        self._until_ms = 0.0

    def tell(self) -> None:
        """Something came that may decide what is said next."""
        self._told += 1

    @property
    def _changes(self) -> tuple[int, ...]:
        """Changes with everything that may, but time. What is held beside votes matters to evictions and cuts alone."""
        return (
            self._told,
            self._graph.changes if self._sets.evictions or self._cuts.are_any else -1,
            len(self._evictions.proven),
            self._registers.changes + self._checkpoints.changes + self._leases.changes,
            self._checkpoints.state_changes,
        )

    def begin(self, until_ms: float) -> None:
        """There is nothing to say now, nor before this moment, monotonic ms, unless something comes."""
        self._began, self._until_ms = self._changes, until_ms

    @property
    def until_ms(self) -> float | None:
        """Until when there is nothing to say, monotonic ms; None if something has come since."""
        return self._until_ms if self._began == self._changes else None
