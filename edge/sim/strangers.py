"""Somebody on the broker without a key: old frames again, garbled ones, and claims of what nobody holds."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from edge.limits import BRANCHES_PER_AUTHOR_MAX
from edge.sim.network import Spoken
from edge.wire.frame import Channel, FrontierEntry, FrontierFrame, encode_frontier

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster


def repeat(world: Cluster, rng: Random) -> None:
    """An old frame, to whom it was meant for then."""
    spoken = _heard_before(world, rng)
    if spoken is not None:
        world.network.speak(rng.choice(world.network.brokers), spoken)


def garble(world: Cluster, rng: Random) -> None:
    """The same with one byte changed, cut off, or with more behind it."""
    spoken = _heard_before(world, rng)
    if spoken is None or not spoken.payload:
        return
    payload = bytearray(spoken.payload)
    at = rng.randrange(len(payload))
    match rng.randrange(4):
        case 0:
            del payload[at:]
        case 1:
            payload += rng.randbytes(rng.randrange(1, 40))
        case _:
            payload[at] ^= 1 << rng.randrange(8)
    world.network.speak(rng.choice(world.network.brokers), spoken._replace(payload=bytes(payload)))


def lie(world: Cluster, rng: Random) -> None:
    """A frontier under a member's name, of lines that nobody has or that go further than anybody's."""
    roster, _ = world.rosters[-1]
    sender = rng.randrange(len(world.machines))
    entries: dict[tuple[int, int], FrontierEntry] = {}
    for author in range(len(world.machines)):
        held = [branch.incarnation for branch in world.machines[author].branches_of_its_own()]
        for incarnation in [*(held or [1])[1 - BRANCHES_PER_AUTHOR_MAX :], rng.randrange(1, 1 << 27)]:
            if rng.random() < 0.5:
                entry = FrontierEntry(author, incarnation, rng.randrange(1, 1 << 20), rng.randrange(1 << 16))
                entries[author, incarnation] = entry
    frame = FrontierFrame(roster.site, roster.version, sender, tuple(entries[key] for key in sorted(entries)))
    spoken = Spoken(Channel.FRONTIER, sender, sender, encode_frontier(frame))
    world.network.speak(rng.choice(world.network.brokers), spoken)


def _heard_before(world: Cluster, rng: Random) -> Spoken | None:
    history = world.network.history
    return history[rng.randrange(len(history))] if history else None
