"""What a log can prove before and after signatures go from it, read from the disk as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.dag.graph import Branch
from edge.dag.reader import read_record
from edge.dag.records import SIGNATURE, segment_of
from edge.ids import VertexKey
from edge.limits import CHUNK_BYTES
from edge.wire.frame import VertexFrame, decode_vertex

if TYPE_CHECKING:
    from edge.sim.machine import Machine


def provable(machine: Machine, segment: int) -> list[VertexKey]:
    """Vertices of a segment from each of which a range ends at a signature within one chunk."""
    found: list[VertexKey] = []
    for branch in machine.node.graph.lines():
        for index, place in enumerate(branch.places):
            if segment_of(place) == segment and _is_covered(machine, branch, index):
                found.append(VertexKey(branch.author, branch.incarnation, branch.start + index))
    return found


def check(machine: Machine, segment: int, before: list[VertexKey]) -> None:
    """What could be proven still can, unless it was dropped since."""
    checkers = machine.world.checkers
    checkers.note("elisions")
    if machine.trust.is_damaged:
        return
    now = dict.fromkeys(provable(machine, segment))
    for key in before:
        if key not in now and segment_of(machine.node.graph.place(key)[0]) == segment:
            checkers.violated("unprovable", machine, f"{tuple(key)}")
            return


def _is_covered(machine: Machine, branch: Branch, index: int) -> bool:
    size = 0
    for place, signed in zip(branch.places[index:], branch.signed[index:], strict=True):
        record = read_record(machine.disk, place) if place else None
        frame = decode_vertex(record.payload) if record is not None else None
        if not isinstance(frame, VertexFrame):
            return False
        size += len(frame.header) + len(frame.body or b"") + 8
        if size > CHUNK_BYTES:
            return False
        apart = read_record(machine.disk, signed) if signed not in (0, place) else None
        if frame.signature is not None or (apart is not None and apart.type == SIGNATURE):
            return True
    return False
