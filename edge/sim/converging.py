"""Shared state in a simulated site: what devices say, and that equal graphs and equal cuts give equal roots, after
every step."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from edge.dag.graph import ID_BYTES
from edge.effects import Effect
from edge.ids import Instant, VertexId
from edge.node import Node
from edge.node.sealedstate import SealedState
from edge.node.shared import Shared
from edge.state.crdt import State
from edge.state.root import Roots
from edge.wire.items import ADD, APPEND, GROW, REGISTER

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine

SAYING_SHARE = 0.1
"""Of the moments at which a device makes an event."""
OPS = 3
"""Said in such a moment, most often in one vertex: few vertices, for a world costs by those."""
NODES_MAX = 50
"""In larger sites hardly anyone keeps what others say."""
NAMES = ("a", "b", "c")

Held = tuple[tuple[int, int, int, VertexId], ...]
"""The head of every line: two graphs with the same hold the same, since a head is bound to all below it."""


class Converging:
    """Load and checker of one run."""

    def __init__(self, world: Cluster) -> None:
        self._world = world
        self._rng: Random = world.chance("state")
        self._roots: dict[Held, tuple[str, bytes]] = {}
        self._seen: dict[int, tuple[int, int]] = {}
        """By machine: its life, and how many vertices its state had taken when it was looked at."""
        self._sealed: dict[int, tuple[str, bytes]] = {}
        """By the version of a checkpoint: who came to its cut first, and the root there."""
        self._cuts: dict[int, tuple[int, int]] = {}
        """By machine: its life, and the version that it was looked at."""

    # ---- load

    def say(self, machine: Machine) -> None:
        """Somebody on this device says something, or takes back what he sees."""
        if len(self._world.machines) > NODES_MAX or self._rng.random() > SAYING_SHARE:
            return
        rng = self._rng
        drawn = [(rng.random(), rng.random(), rng.choice(NAMES), rng.random()) for _ in range(OPS)]
        if machine.is_awake and machine.is_ready and not machine.is_stopping:
            machine.feed_plain(lambda now: _say_all(machine.node, drawn, now))

    # ---- checks

    def stepped(self, machine: Machine) -> None:
        """After every input of a keeper: if its graph changed, its root is that of all who held the same."""
        shared = machine.node.shared
        self._at_cut(machine, shared.sealed)
        seen = (machine.life, shared.entries)
        if self._seen.get(machine.index) == seen:
            return
        self._seen[machine.index] = seen
        root = shared.root()
        if root is None:
            return
        held = _held(machine)
        other, theirs = self._roots.setdefault(held, (machine.name, root))
        if theirs != root:
            self._world.checkers.violated("roots-differ", machine, f"{root[:4].hex()}, {theirs[:4].hex()} at {other}")

    def _at_cut(self, machine: Machine, kept: SealedState) -> None:
        """Shared state at the cut of a checkpoint is the same for all who have come there."""
        seen = (machine.life, kept.version)
        if not kept.version or machine.is_liar or self._cuts.get(machine.index) == seen:
            return
        self._cuts[machine.index] = seen
        self._world.checkers.note("shared state at a cut")
        other, theirs = self._sealed.setdefault(kept.version, (machine.name, kept.sealed.root))
        if theirs != kept.sealed.root and self._world.checkers.ledger.is_bearable:
            text = f"checkpoint {kept.version}: {kept.sealed.root[:4].hex()}, {theirs[:4].hex()} at {other}"
            self._world.checkers.violated("sealed-differs", machine, text)

    def finished(self) -> None:
        """Whose disk keeps what it says has a root; and what all hold, taken anew, has the same."""
        for machine in self._world.keepers():
            shared = machine.node.shared
            if machine.trust.keeps and not machine.trust.is_damaged and shared.root() is None:
                self._world.checkers.violated("roots-differ", machine, f"has none: {shared.status()}")
            self._look_at_views(machine)
            if shared.sealed.newest.version and not shared.sealed.is_current:
                self._world.checkers.note("behind at a cut")
        for machine in self._world.keepers()[:1]:
            root, anew = machine.node.shared.root(), self._anew(machine)
            if None not in (root, anew) and root != anew:
                self._world.checkers.violated("roots-differ", machine, "is not that of what it holds")
            kept = machine.node.shared.sealed.sealed
            anew = self._anew(machine, kept.ends)
            has_forks = bool(machine.node.counts()["quarantined"])  # then another side may be below the cut
            if anew is not None and not has_forks and Roots(kept.state()).root() != anew:
                self._world.checkers.violated("sealed-differs", machine, "is not that of what lies below the cut")

    def _look_at_views(self, machine: Machine) -> None:
        """Whoever keeps the rules names the checkpoints that are final."""
        checkers, machines = self._world.checkers, self._world.machines
        if not checkers.ledger.is_bearable or checkers.notes["decided since a recovery"]:
            return
        for author, known in machine.node.voting.agreement.views.differing.items():
            if not machines[author].is_liar:
                checkers.violated("sealed-false", machine, f"{machines[author].name} names another one: {known}")

    def _anew(self, machine: Machine, ends: Mapping[tuple[int, int], int] | None = None) -> bytes | None:
        """The root of everything held, or up to these ends, taken author by author; None if the beginning was
        dropped."""
        state, graph = State(), machine.node.graph
        for author in graph.authors():
            for branch in graph.branches(author):
                if branch.is_cut:
                    return None
                through = branch.head_seq
                if ends is not None:  # a life in which nothing was said is below the cut with those after it
                    end = ends.get((author, branch.incarnation))
                    through = max(end, branch.first_seq) if end is not None else 0
                for seq in range(branch.start, through + 1):
                    header = self._world.checkers.vertices[branch.id_at(seq) or b""].header
                    state.apply(header, branch.base.incarnation if branch.base is not None else 0)
        return Roots(state).root()


def _held(machine: Machine) -> Held:
    return tuple(
        sorted(
            [
                (branch.author, branch.incarnation, branch.head_seq, bytes(branch.ids[-ID_BYTES:]))
                for branch in machine.node.graph.lines()
            ]
        )
    )


def _say_all(node: Node, drawn: list[tuple[float, float, str, float]], now: Instant) -> list[Effect]:
    for verb, kind, name, number in drawn:
        with suppress(ValueError):  # nothing to take back, or no room
            _say(node.shared, verb, kind, name, number, now)
    return node.tick(now)


def _say(shared: Shared, verb: float, kind: float, name: str, number: float, now: Instant) -> None:
    value = b"%d" % int(number * 6)
    if verb < 0.2:
        shared.count(name, (1 + int(number * 9)) * (1 if kind < 0.5 else -1), now)
    elif verb < 0.4:
        shared.remove(name, value, now)
    else:
        shared.put((GROW, ADD, ADD, REGISTER, REGISTER, APPEND)[int(kind * 6)], name, value, now)


def by_arrival(machine: Machine) -> None:
    """Take the rule away by which the last writer is found: for `edge.sim.breaks`."""
    state = machine.node.shared.state
    usual, arrivals = state._set, iter(range(1 << 62))

    def last(share: Any, order: Any, op: Any) -> bool:
        return usual(share, order._replace(hlc=next(arrivals)), op)

    setattr(state, "_set", last)  # noqa: B010


def without_cut(machine: Machine) -> None:
    """Take the rule away by which all seal the same: each has in it what it holds just then."""
    kept = machine.node.shared.sealed
    usual = kept.sealed.ahead

    def all_held(ends: Any, above: Any, origin: Any) -> Any:
        return usual(list(above.ends(lambda name: 1 << 53)), above, origin)

    setattr(kept.sealed, "ahead", all_held)  # noqa: B010
    setattr(kept, "_has", lambda step, root: True)  # noqa: B010
