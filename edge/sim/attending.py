"""When devices that save power sleep, and how often enough of a committee are there nevertheless."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from edge.consensus.committee import Committee
from edge.sim.fault import Fault
from edge.sim.profiles import MINUTE_MS

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster

NAP_CYCLE_MS = 10 * MINUTE_MS
"""How often a device that saves power sleeps, on average."""
AWAKE_SPREAD = 0.5
"""Of the time between two naps, more or less: no two devices sleep in step for long, as each were there by itself."""
LEAD_CYCLES = 10
"""So many cycles before the beginning naps are planned from: then no moment is more likely to be slept through."""
UP_MS = 10_000.0
"""Everything has started and is connected; naps and observations begin."""
LOOK_MS = 1_000.0


def naps(seed: int, devices: int, asleep: float, until_ms: float) -> list[Fault]:
    """Of devices that each sleep for this share of their time."""
    found: list[Fault] = []
    if not asleep:
        return found
    rng = Random(f"{seed}/naps")
    nap_ms, awake_ms = asleep * NAP_CYCLE_MS, (1 - asleep) * NAP_CYCLE_MS
    for device in range(devices):
        at_ms = UP_MS - LEAD_CYCLES * NAP_CYCLE_MS + rng.uniform(0, NAP_CYCLE_MS)
        while at_ms < until_ms:
            begin_ms, end_ms = max(UP_MS, at_ms), at_ms + nap_ms
            if end_ms > begin_ms:
                share = (device + 0.5) / devices
                found.append(Fault(len(found), "sleep", begin_ms, end_ms - begin_ms, share, "nap"))
            at_ms = end_ms + awake_ms * rng.uniform(1 - AWAKE_SPREAD, 1 + AWAKE_SPREAD)
    return found


class Attending:
    """Looks once a second, from when everything is up until load ends, whether a quorum of those who vote is there:
    awake, and connected to one broker."""

    def __init__(self, world: Cluster) -> None:
        self._world = world
        self._members = range(world.committee)
        self._looks = self._quorate = 0
        if world.committee:
            self._rule = Committee(world.committee, world.liars_max)
            world.time.at(UP_MS + LOOK_MS, self._look)

    @property
    def observed_s(self) -> float:
        return self._looks * LOOK_MS / 1000

    @property
    def availability(self) -> float | None:
        """The share of that time in which the site could decide; None if there was none."""
        return round(self._quorate / self._looks, 6) if self._looks else None

    def expected(self, present: float) -> float:
        """The same of members of whom each is there for this share of the time, by itself: of `committee plan`."""
        return round(self._rule.availability(present), 6)

    def _look(self) -> None:
        world = self._world
        if world.is_healing:
            return
        there = [sum(member in broker.clients for member in self._members) for broker in world.network.brokers]
        self._looks += 1
        self._quorate += max(there) >= self._rule.quorum
        world.time.after(LOOK_MS, self._look)
