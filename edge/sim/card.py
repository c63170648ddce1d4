"""What a device has on its card, and what a start makes of it: the steps of `edge.agent` over a simulated disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.dag.floor import Floor, decode_floor
from edge.dag.journal import Journal, JournalOptions
from edge.errors import DiskFullError, StorageError
from edge.node import Node
from edge.sim.disk import SimDisk
from edge.sim.store import SimStore

if TYPE_CHECKING:
    from edge.sim.machine import Machine

NOTE = "incarnation"
FLOOR = "floor.cbor"
"""Files beside the log."""
VOTES = "votes.cbor"
"""A file beside the key, on a disk of its own: the log may be lost while that stays."""


@dataclass(slots=True)
class Trust:
    """What may be asked of a device after what was done to its disk."""

    keeps: bool = True
    """Whatever it recorded is on its disk after every crash."""
    never_forks: bool = True
    """It can know every incarnation that it ever used."""
    is_damaged: bool = False
    """Bytes of its log are not what it wrote."""
    abstains: bool = False
    """Its log was lost as a whole while its key stayed: where it voted before, it votes no more."""


def log_options(machine: Machine) -> JournalOptions:
    """Who has a seat, or had one, has room for what all others drop."""
    world, profile = machine.world, machine.world.profile
    committees = (members for committees in world.scopes.values() for members in committees.values())
    seated = (machine.index in members for members in committees)
    is_small = profile.leaf_log_bytes and not (machine.is_gateway or any(seated))
    return JournalOptions(profile.leaf_log_bytes if is_small else profile.log_bytes, profile.segment_bytes)


def recover(disk: SimDisk, journal: Journal, node: Node, store: SimStore | None) -> None:
    """The whole log through the node; a gateway's store is filled from it. StorageError if the card is dead."""
    recovery = node.recovery
    floor = _floor(disk)
    if floor is not None:
        if store is not None:
            kept = [line for line in floor.lines if line.id in store.vertices or line.author == node.options.index]
            floor = floor._replace(lines=tuple(kept))
        recovery.floor(floor)
    for place, record in journal.recover():
        newer = recovery.roster(record, node.options.authority)
        if newer is not None and newer.version > node.roster.version:
            node.membership.adopt(newer, record.payload)
        header = recovery.record(place, record)
        if store is not None:
            store.refill(record, header)
    if journal.failure:
        raise StorageError(journal.failure)


def noted_incarnation(disk: SimDisk) -> int:
    """Of the last life; 0 if nothing readable says so."""
    if NOTE not in disk.names():
        return 0
    try:
        return int(disk.read(NOTE, 0, 32) or b"0")
    except (ValueError, StorageError):
        return 0


def note_incarnation(disk: SimDisk, incarnation: int) -> None:
    """Durable when it returns; on a full disk over the old one."""
    data = str(incarnation).encode()
    try:
        disk.replace(NOTE, data)
    except DiskFullError:
        if NOTE not in disk.names():
            raise
        disk.write(NOTE, 0, data)
        disk.sync(NOTE)


def note_votes(keys: SimDisk, data: bytes) -> None:
    """Durable when it returns."""
    keys.replace(VOTES, data)


def noted_votes(keys: SimDisk) -> bytes | None:
    return keys.read(VOTES, 0, keys.size(VOTES)) if VOTES in keys.names() else None


def save_floor(disk: SimDisk, data: bytes) -> None:
    """Durable when it returns; DiskFullError leaves the old one."""
    disk.replace(FLOOR, data)


def _floor(disk: SimDisk) -> Floor | None:
    """What the log has dropped; None if the file cannot be understood."""
    if FLOOR not in disk.names():
        return Floor()
    try:
        return decode_floor(disk.read(FLOOR, 0, disk.size(FLOOR)))
    except StorageError:
        return None
