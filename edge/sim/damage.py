"""Faults that leave a log with other bytes than were written to it, or without any."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from edge.dag.records import HEADER_BYTES, offset_of, place_of, segment_name, segment_numbers, segment_of
from edge.dag.table import read_table
from edge.sim.disk import SimDisk, Tail
from edge.sim.fault import Fault, anyone, device, until

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine


def _spot(machine: Machine, rng: Random) -> tuple[str, int] | None:
    """Somewhere in the part of the log that is in use."""
    numbers = segment_numbers(machine.disk.names()) if machine.is_on else []
    sizes = dict(machine.journal.segments()) if machine.is_on else {}
    if not numbers:
        return None
    number = rng.choice(numbers)
    return segment_name(number), rng.randrange(max(1, sizes.get(number, 1)))


def _is_spared(world: Cluster, machine: Machine) -> bool:
    """Beside liars no more disks of a committee rot than it bears with them: all that it is asked must be decided."""
    return bool(world.profile.byzantine) and not world.checkers.ledger.bears_loss_of(machine)


def _rot(world: Cluster, fault: Fault) -> None:
    machine, rng = device(world, fault), fault.chance()
    spot = _spot(machine, rng)
    if spot is not None and not _is_spared(world, machine):
        machine.trust.keeps, machine.trust.is_damaged = False, True
        machine.disk.rot(*spot, rng.choice((1, 1, 8, 512)))


def _decay(world: Cluster, fault: Fault) -> None:
    """Rot in several places of anybody's log, a gateway's too."""
    machine, rng = anyone(world, fault), fault.chance()
    for _ in range(rng.choice((1, 2, 6))):
        spot = _spot(machine, rng)
        if spot is not None:
            machine.trust.keeps, machine.trust.is_damaged = False, True
            machine.disk.rot(*spot, rng.choice((1, 8, 512)))


def _new_card(world: Cluster, fault: Fault) -> None:
    """A device loses its card, and comes back with an empty one: everything is read for it somewhere else."""
    machine = device(world, fault)
    machine.trust.keeps = machine.trust.never_forks = False
    machine.cut_power(Tail.NONE, None)
    machine.disk = SimDisk(fault.chance())
    until(world, fault, machine.boot)


def _new_log(world: Cluster, fault: Fault) -> None:
    """A member loses its log and keeps its key, perhaps just after it has voted where nobody heard it."""
    machine, network = device(world, fault), world.network
    network.mute[machine.index] = None
    world.time.after(fault.chance().uniform(0, 4_000), _lose_log, world, fault, machine)


def _lose_log(world: Cluster, fault: Fault, machine: Machine) -> None:
    world.network.mute.pop(machine.index, None)
    if world.is_healing:
        return
    machine.trust.keeps = machine.trust.never_forks = False
    machine.trust.abstains = True
    machine.cut_power(Tail.NONE, fault.chance().uniform(500, 2_000))
    machine.disk = SimDisk(fault.chance())


def _misdirected(world: Cluster, fault: Fault) -> None:
    machine, rng = device(world, fault), fault.chance()
    spot, source = _spot(machine, rng), _spot(machine, rng)
    if spot is not None and source is not None and not _is_spared(world, machine):
        machine.trust.keeps, machine.trust.is_damaged = False, True
        data = machine.disk.read(source[0], source[1] // 512 * 512, 512)
        machine.disk.misdirect(spot[0], spot[1] // 512 * 512, data)


def _lonely_rot(world: Cluster, fault: Fault) -> None:
    """Nobody hears a device for a while, and of what it wrote meanwhile a record rots."""
    machine, network = anyone(world, fault), world.network
    if not machine.is_on:
        return
    network.mute[machine.index] = None
    end = place_of(*machine.journal.segments()[-1])

    def hear() -> None:
        network.mute.pop(machine.index, None)
        own = machine.node.graph.branch(machine.index, machine.node.incarnation) if machine.is_on else None
        written = [place for place in own.places if place >= end] if own is not None else []
        if written:
            place = fault.chance().choice(written)
            name, offset = segment_name(segment_of(place)), offset_of(place)
            table = read_table(machine.disk, segment_of(place), name)
            lies_at = offset if table is None else table.find(offset) or 0
            machine.trust.keeps, machine.trust.is_damaged = False, True
            machine.disk.rot(name, lies_at + HEADER_BYTES, 1)

    until(world, fault, hear)


KINDS = {
    "rot": _rot, "decay": _decay, "lonely rot": _lonely_rot, "misdirected": _misdirected, "new card": _new_card,
    "new log": _new_log,
}  # fmt: skip
