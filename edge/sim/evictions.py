"""Evictions in a simulated site: people who tell members whom to evict, and what must hold of who is evicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.consensus.eviction import Eviction, decode_eviction, eviction_key
from edge.consensus.question import is_eviction
from edge.effects import Decided, Effect
from edge.ids import Instant, VertexId, VertexKey
from edge.node import Node
from edge.wire.voters import SITE_SCOPE

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine

AGAIN_MS = 1_000.0
"""People come back so often to a device that is off."""


class Evictions:
    """Of one run: load and checker."""

    def __init__(self, world: Cluster) -> None:
        self._world = world
        self.told: dict[int, None] = {}
        """Whom people want evicted: of its further line nothing is promised."""
        self._known: dict[int, dict[int, Eviction]] = {}
        """By machine, what this life of it takes for final."""
        self._valid: dict[Eviction, frozenset[VertexId]] = {}

    # ---- load

    def tell(self, machine: Machine) -> None:
        """People go to each honest member and say that this device is to be evicted."""
        if machine.index in self.told or machine.is_liar:
            return
        self.told[machine.index] = None
        self._world.checkers.forked.setdefault(machine.index, VertexKey(machine.index, 0, 0))
        for member in self._world.machines[: self._world.committee]:
            if not member.is_liar:
                self._say(member, machine.index)

    def _say(self, member: Machine, author: int) -> None:
        def propose(now: Instant) -> list[Effect]:
            answer, effects = _word(member.node, author, now)
            if not answer:
                self._world.time.after(AGAIN_MS, self._say, member, author)
            return effects

        if member.is_awake and member.is_ready and not member.is_stopping:
            member.feed_plain(propose)
        else:
            self._world.time.after(AGAIN_MS, self._say, member, author)

    # ---- checks

    def booted(self, machine: Machine) -> None:
        """What a start knows to be final is all that it refuses by."""
        self._known[machine.index] = {one.author: one for one in machine.node.voting.evictions()}
        for author in self._known[machine.index]:
            self._judge(machine, author)

    def decided(self, machine: Machine, final: Decided) -> None:
        eviction = decode_eviction(final.value) if is_eviction(final.question.key) else None
        if isinstance(eviction, Eviction):
            self._world.checkers.note("evictions")
            self._known.setdefault(machine.index, {})[eviction.author] = eviction
            self._judge(machine, eviction.author)

    def _judge(self, machine: Machine, author: int) -> None:
        """Nobody is evicted who has not forked and whom people do not want gone, while at most r members lie."""
        if self.is_wrong(author) and self._world.checkers.ledger.is_bearable:
            self._world.checkers.violated(
                "honest-evicted", machine, f"takes {self._world.machines[author].name} for it"
            )

    def is_wrong(self, author: int) -> bool:
        one = self._world.machines[author]
        return one.trust.keeps and one.trust.never_forks and not one.is_liar and author not in self.told

    def wronged(self) -> int:
        """How many devices that never lied another such one holds for a liar, for a fork or for votes that are against
        the rule, or has for evicted though nobody wants it gone."""
        honest = [machine for machine in self._world.machines if machine.life and not machine.is_liar]
        named: set[int] = set()
        for node in (machine.node for machine in honest):
            agreement = node.voting.agreement
            named |= {*agreement.voted_twice, *agreement.voted_stopped}
            named |= {*node._admission.quarantined, *node._admission.evicted}
        return sum(one.index in named and self.is_wrong(one.index) for one in honest)

    def entered(self, machine: Machine, key: VertexKey, id: VertexId) -> None:
        """A vertex came into a graph: not one above a cut, nor beside one whose heads are held, but for somebody."""
        eviction = self._known.get(machine.index, {}).get(key.author)
        if eviction is None or key.author == machine.index or id in self._below(eviction):
            return
        graph = machine.node.graph
        end = max((head.seq for head in eviction.heads), default=0)
        is_beyond = key.seq > end or all(graph.holds(head.key, head.id) for head in eviction.heads)
        if is_beyond and not self._is_needed(machine, key, id):
            self._world.checkers.violated("evicted-taken", machine, f"{tuple(key)}")

    def _below(self, eviction: Eviction) -> frozenset[VertexId]:
        """Its heads and all vertices below them on their chains."""
        if eviction not in self._valid:
            self._valid[eviction] = frozenset(id for head in eviction.heads for id in self._chain(head.id))
        return self._valid[eviction]

    def _chain(self, id: VertexId | None) -> list[VertexId]:
        """A vertex and all below it on its author's chain."""
        chain: list[VertexId] = []
        while id is not None and id in self._world.checkers.vertices:
            chain.append(id)
            id = self._world.checkers.vertices[id].header.prev
        return chain

    def _is_needed(self, machine: Machine, key: VertexKey, id: VertexId) -> bool:
        """Whether a vertex by somebody else that this machine holds, or that waits there, names it or one above it, on
        its chain or in its life: which side of a fork is named shows only later."""
        node = machine.node
        for other, known in self._world.checkers.vertices.items():
            header = known.header
            named = [parent for parent in header.parents if parent.author == key.author and parent.seq >= key.seq]
            is_named = any(one.incarnation == key.incarnation or id in self._chain(one.id) for one in named)
            if header.author == key.author or not is_named:
                continue
            if node.graph.holds(header.key, other) or other in node._pending:
                return True
        return False


def _word(node: Node, author: int, now: Instant) -> tuple[bool, list[Effect]]:
    """Whether the member took the word, or needs it no more."""
    agreement, key = node.voting.agreement, eviction_key(author)
    question = agreement.question(SITE_SCOPE, key)
    if question is None or question.version > 1:
        return question is not None, []
    value = agreement.evictions.by_hand(question, author)
    _, effects = node.propose(SITE_SCOPE, key, value, now)
    return author in agreement.evictions.words, effects
