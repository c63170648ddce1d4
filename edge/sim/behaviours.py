"""How members of a committee lie, by name, alone and mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.sim.abuse import ABUSES
from edge.sim.liars import Liar
from edge.sim.lies import LIES, STRANGERS

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster

BEHAVIOURS: dict[str, type[Liar]] = {**LIES, **STRANGERS, **ABUSES}
MIXES: dict[str, tuple[str, ...]] = {"mix": (*LIES, *ABUSES), "votes": (*LIES,), "abuse": (*ABUSES,)}
"""Each liar its own way, of these."""


def make_liars(world: Cluster) -> list[Liar]:
    """The last of the committee, or as many devices behind it where the behaviour is a stranger's."""
    name, count = world.profile.behaviour, world.profile.byzantine
    first = world.committee if name in STRANGERS else world.committee - count
    rng = world.chance("behaviours")
    return [
        BEHAVIOURS[rng.choice(MIXES.get(name, (name,)))](world, machine)
        for machine in world.machines[first : first + count]
    ]
