"""Members who say with their own keys whatever they like, to whom they like, and know what everybody holds.

Each has a machine whose node listens and is never heard: what is said in its name is written here, header by header, on
as many lines as a behaviour wants (`edge.sim.lies`). A broker is theirs too: it hands a vertex to whom they choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from edge.consensus.contest import Contest
from edge.consensus.question import conflict_of
from edge.ids import Parent, VertexId, VertexKey
from edge.sim.signing import SUITE
from edge.wire import suite
from edge.wire.frame import Channel, encode_vertex
from edge.wire.items import Item, Proposal, Question, Vote
from edge.wire.vertex import Header, encode_header

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine

ACT_MS = 700.0
"""Between two acts of one liar that nobody prompted, on average."""


class Line:
    """A line of history that its author goes on with."""

    def __init__(self, incarnation: int, base: Header | None = None) -> None:
        self.incarnation = incarnation
        self.head = base


class Liar:
    """Says nothing. Behaviours override what happens when an honest member has spoken, and now and then."""

    def __init__(self, world: Cluster, machine: Machine) -> None:
        self.world = world
        self.machine = machine
        self.rng = world.chance(f"liar {machine.index}")
        self.own: list[Header] = []
        self._by_id: dict[VertexId, Header] = {}
        self._signatures: dict[VertexId, bytes] = {}
        self._bodies: dict[VertexId, bytes] = {}
        self._shown: dict[int, set[VertexId]] = {}

    def heard(self, victim: Machine, header: Header, votes: tuple[Vote, ...], questions: tuple[Question, ...]) -> None:
        """An honest member is about to publish a vertex; all liars hear of it, then each may `speak`."""

    def speak(self, victim: Machine) -> None:
        """What was written for it when it was heard is shown."""

    def act(self) -> None:
        """Now and then."""

    def requested(self, payload: bytes) -> None:
        """A request has come to this member."""

    # ---- what a behaviour does

    def write(
        self, line: Line, items: Iterable[Item] = (), below: Iterable[Header] = (), epoch: int = 1, **other: Any
    ) -> Header:
        """One more vertex of a line, above these vertices of others; at most one an author, and none of its own.
        `other`: fields of its header that are not as they should be."""
        newest = {header.author: header for header in sorted(below, key=lambda header: header.key)}
        newest.pop(self.machine.index, None)
        head = line.head
        fields = {
            "suite": SUITE,
            "site": self.site,
            "epoch": epoch,
            "author": self.machine.index,
            "incarnation": line.incarnation,
            "seq": head.seq + 1 if head else 1,
            "prev": head.id if head else None,
            "parents": sorted(Parent(*one.key, one.id) for one in newest.values()),
            "hlc": int(1.76e12 + self.world.now) << 16,
            "body": None,
            "items": items,
        }
        header = encode_header(**fields | other)  # type: ignore[arg-type]
        line.head = header
        self.own.append(header)
        self._by_id[header.id] = header
        self._signatures[header.id] = self.sign(header.raw)
        self.world.checkers.forged(header)
        return header

    def sign(self, raw: bytes) -> bytes:
        """With its own key: these bytes as a vertex."""
        return self.world.signatures.sign(self.machine.name, suite.sig_structure(SUITE, suite.PURPOSE_VERTEX, raw))

    def give(self, header: Header, body: bytes) -> None:
        """From now on the vertex is shown with this body."""
        self._bodies[header.id] = body

    def show(self, header: Header, victims: Iterable[Machine]) -> None:
        """The chain up to a vertex, as far as each of them was not shown it before."""
        for victim in victims:
            shown = self._shown.setdefault(victim.index, set())
            chain: list[Header] = []
            at: Header | None = header
            while at is not None and at.id not in shown:
                chain.append(at)
                at = self._by_id[at.prev] if at.prev is not None else None
            for one in reversed(chain):
                shown.add(one.id)
                frame = encode_vertex(one.raw, self._signatures[one.id], self._bodies.get(one.id))
                self.hand(victim, Channel.VOTE, frame)

    def hand(self, victim: Machine, channel: Channel, payload: bytes) -> None:
        """Any bytes, to one member."""
        self.world.network.hand(self.machine.index, victim, channel, payload)

    def hide(self, victim: Machine, for_ms: float) -> None:
        """Nobody else hears what this member says; the broker sees to it."""
        pairs = [(victim.index, other.index) for other in self.world.machines if other is not victim]
        brokers = self.world.network.brokers
        for broker in brokers:
            broker.hidden |= dict.fromkeys(pairs)

        def hear() -> None:
            for broker in brokers:
                for pair in pairs:
                    broker.hidden.pop(pair, None)

        self.world.time.after(for_ms, hear)

    @property
    def site(self) -> bytes:
        return self.world.rosters[0][0].site

    @property
    def honest(self) -> list[Machine]:
        """Members who do not lie."""
        return self.world.liars.honest

    def some(self) -> list[Machine]:
        return self.rng.sample(self.honest, self.rng.randint(1, len(self.honest)))

    def contests(self, conflict: bytes) -> list[Contest]:
        """What honest members know of a set that is open."""
        held = [machine.node.voting.agreement.contest(conflict) for machine in self.honest if machine.is_on]
        return [contest for contest in held if contest is not None]


class Liars:
    """All of a world, and what they have heard together."""

    def __init__(self, world: Cluster) -> None:
        self._world = world
        self.all: list[Liar] = []
        self.honest: list[Machine] = []
        self.headers: list[Header] = []
        """What honest members have said with votes or proposals, in order."""
        self.asked: dict[bytes, Question] = {}
        """Questions by conflict set, the newest last."""

    def begin(self, liars: Sequence[Liar]) -> None:
        world = self._world
        self.all = list(liars)
        names = {liar.machine.index for liar in liars}
        self.honest = [machine for machine in world.machines[: world.committee] if machine.index not in names]
        for liar in liars:
            liar.machine.is_liar = True
            liar.machine.trust.keeps = liar.machine.trust.never_forks = False
            world.checkers.forked[liar.machine.index] = VertexKey(liar.machine.index, 0, 0)
            self._plan(liar)

    def _plan(self, liar: Liar) -> None:
        self._world.time.after(liar.rng.expovariate(1 / ACT_MS), self._act, liar)

    def _act(self, liar: Liar) -> None:
        if not self._world.is_healing:
            liar.act()
            self._plan(liar)

    def requested(self, machine: Machine, payload: bytes) -> None:
        """A request has reached the machine of a liar."""
        for liar in self.all:
            if liar.machine is machine and not self._world.is_healing:
                liar.requested(payload)

    def heard(self, machine: Machine, header: Header) -> None:
        """An honest member is about to publish this."""
        if not self.all or self._world.is_healing or machine not in self.honest:
            return
        votes = tuple(item for item in header.items if isinstance(item, Vote))
        questions = tuple(item.question for item in header.items if isinstance(item, Proposal))
        if not (votes or questions):
            return
        self.headers.append(header)
        for question in questions:
            self.asked[conflict_of(header.site, question)] = question
        for liar in self.all:
            liar.heard(machine, header, votes, questions)
        for liar in self.all:
            liar.speak(machine)
