"""One thing that goes wrong: when, for how long, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine


@dataclass(frozen=True)
class Fault:
    """`number` names it in a replay; `share` and `span_ms` mean what the kind makes of them."""

    number: int
    kind: str
    at_ms: float
    span_ms: float
    share: float
    """In [0, 1): which machine."""
    seed: str

    def chance(self) -> Random:
        return Random(self.seed)

    def __str__(self) -> str:
        return f"{self.number}: {self.kind} at {self.at_ms / 1000:.1f} s for {self.span_ms / 1000:.1f} s"


def until(world: Cluster, fault: Fault, end: Callable[[], None]) -> None:
    """Undo a fault when its time is over; at healing everything is undone anyway."""
    world.time.after(fault.span_ms, lambda: None if world.is_healing else end())


def device(world: Cluster, fault: Fault) -> Machine:
    """Anyone but a gateway."""
    devices = [machine for machine in world.machines if not machine.is_gateway]
    return devices[int(fault.share * len(devices))]


def anyone(world: Cluster, fault: Fault) -> Machine:
    return world.machines[int(fault.share * len(world.machines))]
