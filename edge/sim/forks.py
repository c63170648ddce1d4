"""Forks in a simulated site: where keepers hold different sides, each of them names whoever has forked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from edge.ids import VertexId, VertexKey

if TYPE_CHECKING:
    from edge.sim.machine import Machine


def unnamed(keepers: list[Machine], forked: Iterable[int]) -> list[tuple[Machine, int]]:
    """Keepers that do not say so, and of whose fork, where keepers hold different sides of it. Who has evicted its
    author and holds neither side takes no proof of it either."""
    found: list[tuple[Machine, int]] = []
    for author in forked:
        held: dict[VertexKey, VertexId] = {}
        sides: dict[VertexKey, None] = {}
        names = {machine.index: dict(_names(machine, author)) for machine in keepers}
        for known in names.values():
            sides |= {key: None for key, id in known.items() if held.setdefault(key, id) != id}
        found += [
            (machine, author)
            for machine in keepers
            if sides and author not in quarantined(machine) and author != machine.index
            if author not in machine.node._admission.evicted or sides.keys() & names[machine.index].keys()
        ]
    return found


def quarantined(machine: Machine) -> dict[int, None]:
    return machine.node._admission.quarantined


def _names(machine: Machine, author: int) -> Iterator[tuple[VertexKey, VertexId]]:
    """What it holds of an author: each vertex, and under 0 the first of each life."""
    for branch in machine.node.graph.branches(author):
        birth = branch.id_at(branch.first_seq)
        if birth is not None:
            yield VertexKey(author, branch.incarnation, 0), birth
        for seq in range(branch.start, branch.head_seq + 1):
            id = branch.id_at(seq)
            assert id is not None
            yield VertexKey(author, branch.incarnation, seq), id
