"""What must hold, watched from outside of the nodes while they run; and at the end, once everything has healed.

A vertex is known by what machines write, send and hold. Promises are to devices whose disk keeps what it says: what an
image, a lying flush or a rotten sector took away is promised only where a gateway has acknowledged it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from edge import limits
from edge.dag.floor import decode_floor
from edge.dag.frontier import frontier
from edge.dag.records import CERTIFICATE, VERTEX, Record
from edge.effects import Trim, Verify
from edge.ids import VertexId, VertexKey
from edge.sim import forks, losses
from edge.sim.agreement import Ledger
from edge.sim.converging import Converging
from edge.sim.evictions import Evictions
from edge.sim.losses import has
from edge.wire.cbor import decode
from edge.wire.frame import VERTICES, Channel, FrontierEntry, VertexFrame, decode_vertex
from edge.wire.vertex import Ack, Header, decode_header

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine


class Violation(NamedTuple):
    """Something that was promised and did not hold. `kind` is one of KINDS."""

    kind: str
    at_s: float
    who: str
    text: str


KINDS = {
    "exception": "a node raised",
    "sent-early": "a vertex was sent before its own disk had it",
    "honest-fork": "two headers under one name or two lives in one incarnation by a device that could know better",
    "fork-unnamed": "two keepers hold different sides of a fork, and one of them does not say so",
    "lost-recorded": "what a device recorded is gone from its log, or from keepers after everything healed",
    "lost-readable": "an own vertex that a damaged log can still read has reached not every keeper, nor has its body",
    "lost-witnessed": "what a member said that it holds is not there after its start, or not at every keeper",
    "sealed-false": "a checkpoint has other registers at two nodes, or seals what too few honest members hold",
    "lost-acknowledged": "what a gateway acknowledged is not in its store",
    "dropped-early": "a log drops what neither a gateway's store has nor q - r honest members, or as a member",
    "unprovable": "a log without signatures has a vertex that nothing near above it in the log covers",
    "graphs-differ": "equal frontiers over different graphs",
    "roots-differ": "equal graphs with different roots of shared state, or none where there must be one",
    "sealed-differs": "two nodes have other shared state at the cut of one checkpoint, or other than lies below it",
    "causality": "a vertex is held without its parents",
    "bounds": "something grew beyond its bound",
    "disagreement": "two values are final for one version of a register, while at most r members lie or lost votes",
    "voted-twice": "votes on a set that do not ascend, by a member whose disk keeps what it says",
    "certificate": "a certificate in a log is not true",
    "lease-shared": "two devices take a lease for theirs at once, while at most r members lie or lost votes",
    "lost-final": "a start does not know what this device said to be final",
    "honest-evicted": "somebody is evicted who neither forked nor was to go, while at most r members lie or lost votes",
    "evicted-taken": "a node takes a vertex above or beside the cut of its author's eviction, and nobody names it",
    "final-unknown": "a node has not learned what another knows to be final, long after everything healed",
    "verified-twice": "the signature of a vertex that is held was checked again",
    "unconverged": "keepers did not agree within the time promised after heal and quiet",
}


@dataclass(slots=True)
class Known:
    """A vertex that some machine wrote."""

    header: Header
    is_recorded: bool = False
    is_durable: bool = False


class Checkers:
    """One for a run; `violations` ends it."""

    def __init__(self, world: Cluster) -> None:
        self.world = world
        self.violations: list[Violation] = []
        self.vertices: dict[VertexId, Known] = {}
        self.named: dict[VertexKey, VertexId] = {}
        self.births: dict[tuple[int, int], VertexId] = {}
        """By author and incarnation: the first vertex of it."""
        self.forked: dict[int, VertexKey] = {}
        """Authors with two headers under one name or two lives in one incarnation, who may have; or to be evicted."""
        self.recorded: dict[int, list[VertexId]] = {}
        """By author, in order: what its disk had, as its own node said."""
        self.acked: dict[tuple[int, int], tuple[int, VertexId]] = {}
        self.ledger = Ledger(world)
        self.converging = Converging(world)
        self.evictions = Evictions(world)
        self.recorded_events = 0
        self.receiving: Channel | None = None
        self.notes: Counter[str] = Counter()
        """Reports by event, and other things worth counting."""
        self.peaks: Counter[str] = Counter()
        self._heads: dict[tuple[int, int], int] = {}
        """By machine and incarnation: how much of its own line has been looked at, as a seq."""
        self._accepted: list[VertexKey] = []
        self._excused: dict[int, frozenset[VertexId]] = {}
        """By machine: vertices of its log that wait for their chain. They had their parents, which a crash took."""
        self._by_raw: dict[bytes, Header] = {}

    def violated(self, kind: str, machine: Machine | None, text: str) -> None:
        assert kind in KINDS
        who = machine.name if machine is not None else "site"
        self.violations.append(Violation(kind, round(self.world.now / 1000, 3), who, text))

    def note(self, event: str) -> None:
        self.notes[event] += 1

    # ---- what a machine does

    def persisting(self, machine: Machine, records: tuple[Record, ...]) -> None:
        """On its way into a log; own vertices are seen here first."""
        for record in records:
            if record.type == CERTIFICATE:
                self.ledger.certified(machine, record.payload)
            if record.type == VERTEX:
                header = self.header(record.payload)
                if header.author == machine.index and header.id not in self.vertices:
                    self._made(machine, header)

    def _made(self, machine: Machine, header: Header) -> None:
        self.vertices[header.id] = Known(header)
        others = [self.named.setdefault(header.key, header.id)]
        prev = self.vertices.get(header.prev) if header.prev is not None else None
        if prev is None or prev.header.incarnation != header.incarnation:
            others.append(self.births.setdefault((header.author, header.incarnation), header.id))
        if any(other != header.id for other in others):
            self.forked[header.author] = header.key
            if machine.trust.never_forks:
                self.violated("honest-fork", machine, f"{tuple(header.key)}")

    def forged(self, header: Header) -> None:
        """Made by who may say anything."""
        self.note("lies")
        self.vertices[header.id] = Known(header, is_durable=True)
        self._by_raw[header.raw] = header

    def durable(self, machine: Machine, records: tuple[Record, ...]) -> None:
        """A sync has returned."""
        for record in records:
            if record.type == VERTEX:
                known = self.vertices[self.header(record.payload).id]
                if known.header.author == machine.index and not known.is_durable:
                    self.ledger.durable(machine, known.header)
                known.is_durable = True

    def sending(self, machine: Machine, payload: bytes) -> None:
        """A vertex on its way to everyone."""
        known = self.vertices.get(self.header(payload).id)
        if known is None or not known.is_durable:
            self.violated("sent-early", machine, f"{tuple(self.header(payload).key)}")
            return
        self.ledger.sending(known.header, payload)
        self.world.liars.heard(machine, known.header)
        if machine.is_gateway:
            for item in known.header.items:
                if isinstance(item, Ack):
                    line = (item.author, item.incarnation)
                    self.acked[line] = max(self.acked.get(line, (0, b"")), (item.seq, item.id))

    def verifying(self, machine: Machine, effect: Verify) -> None:
        """A live frame of what is held, signature and all, costs a look-up."""
        if self.receiving not in VERTICES:
            return
        header, graph = self._signed_header(effect.message), machine.node.graph
        if header is not None and graph.holds(header.key, header.id) and graph.place(header.key)[1]:
            self.violated("verified-twice", machine, f"{tuple(header.key)}")

    def trimming(self, machine: Machine, effect: Trim) -> None:
        """What a log is about to drop, a gateway has, or enough of a committee that must keep it, whatever the node
        believes; of who has forked nobody is owed anything but the proof."""
        floor = decode_floor(effect.floor)
        assert floor is not None
        stores = [other.store.vertices for other in self.world.machines if other.is_gateway]
        quarantined = forks.quarantined(machine)
        for line in floor.lines:
            if line.author in quarantined:
                continue
            branch = machine.node.graph.branch(line.author, line.incarnation)
            assert branch is not None
            for seq in range(branch.held_from, line.seq + 1):
                id = branch.id_at(seq)
                key = VertexKey(line.author, line.incarnation, seq)
                if not any(id in store for store in stores) and not losses.is_kept(self, machine, key):
                    self.violated("dropped-early", machine, f"{tuple(key)}")
                    return

    def accepted(self, key: VertexKey) -> None:
        """The node's own word that a vertex by others entered its graph."""
        self._accepted.append(key)

    def stepped(self, machine: Machine, had_effects: bool) -> None:
        """After every input: what entered the graph is what its author made, and stands on its parents."""
        if self._accepted:
            accepted, self._accepted = self._accepted, []
            for key in accepted:
                self._entered(machine, key)
        if had_effects:  # a vertex of its own is recorded with an effect, or sent with one soon after
            self._own_line(machine)
        if machine.keep_all:
            self.converging.stepped(machine)

    def _own_line(self, machine: Machine) -> None:
        node = machine.node
        branch = node.graph.branch(machine.index, node.incarnation)
        if branch is None:
            return
        head = branch.head_seq
        line = (machine.index, node.incarnation)
        seen = self._heads.get(line, 0)
        if head <= seen:
            return
        for seq in range(max(seen + 1, branch.start), head + 1):
            id = branch.id_at(seq)
            assert id is not None
            known = self.vertices[id]
            if not known.is_recorded:
                known.is_recorded = True
                self.recorded.setdefault(machine.index, []).append(id)
            self._entered(machine, VertexKey(machine.index, node.incarnation, seq))
        self._heads[line] = head

    def _entered(self, machine: Machine, key: VertexKey) -> None:
        graph = machine.node.graph
        id = graph.id_at(key)
        known = self.vertices.get(id) if id is not None else None
        if known is None:
            self.violated("causality", machine, f"holds {tuple(key)}, which nobody made")
            return
        self.evictions.entered(machine, key, known.header.id)
        if not machine.keep_all or id in self._excused.get(machine.index, ()):
            return
        for parent in known.header.parents:
            if not has(graph, parent.key, parent.id) and parent.author not in forks.quarantined(machine):
                self.violated("causality", machine, f"{tuple(key)} without its parent {tuple(parent.key)}")

    def booted(self, machine: Machine) -> None:
        """After recovery: what was recorded is there, if the disk is one that keeps."""
        machine.node.on_accepted = self.accepted
        self.ledger.booted(machine)
        self.evictions.booted(machine)
        self._excused[machine.index] = frozenset(machine.node._pending._parked)
        graph = machine.node.graph
        for author in graph.authors():
            for branch in graph.branches(author):
                for seq in range(branch.start, branch.head_seq + 1):
                    id = branch.id_at(seq)
                    if id not in self.vertices:
                        self.violated("causality", machine, f"recovered {(author, branch.incarnation, seq)} of nobody")
        if not machine.trust.keeps:
            return
        for id in self.recorded.get(machine.index, ()):
            header = self.vertices[id].header
            if not has(graph, header.key, id):
                self.violated("lost-recorded", machine, f"{tuple(header.key)} after a restart")
                return

    def ended(self, machine: Machine) -> None:
        self._accepted.clear()

    def now_and_then(self, machine: Machine) -> None:
        """Bounds, by the node's own account and by a look inside."""
        node, peaks = machine.node, self.peaks
        counts = node.counts()
        for name, most in _BOUNDS.items():
            peaks[name] = max(peaks[name], counts[name])
            if counts[name] > most:
                self.violated("bounds", machine, f"{name} is {counts[name]}, at most {most}")
        authors = Counter(candidate.header.author for candidate in node._pending._parked.values())
        parked = max(authors.values(), default=0)
        peaks["pending_per_author"] = max(peaks["pending_per_author"], parked)
        if parked > limits.PENDING_PER_AUTHOR_MAX:
            self.violated("bounds", machine, f"{parked} vertices of one author are parked")
        log_bytes, most = machine.journal.size_bytes, machine.journal.options.max_bytes
        peaks["log_bytes"] = max(peaks["log_bytes"], log_bytes)
        if log_bytes > most + limits.RECORD_BYTES_MAX and not machine.is_liar:
            self.violated("bounds", machine, f"the log has {log_bytes} bytes, at most {most}")

    # ---- the end

    def frontiers(self) -> dict[str, tuple[FrontierEntry, ...]]:
        """Of every keeper, without the lines of authors whose fork is proven."""
        return {
            machine.name: tuple(entry for entry in frontier(machine.node.graph) if entry.author not in self.forked)
            for machine in self.world.keepers()
        }

    def are_graphs_equal(self) -> None:
        """Equal frontiers, equal graphs; called at any time."""
        seen: dict[tuple[FrontierEntry, ...], tuple[str, object]] = {}
        for machine in self.world.keepers():
            graph = machine.node.graph
            told = tuple(entry for entry in frontier(graph) if entry.author not in self.forked)
            held = [
                (branch.author, branch.incarnation, branch.first_seq, branch.head_seq)
                for author in graph.authors()
                if author not in self.forked
                for branch in graph.branches(author)
            ]
            other, theirs = seen.setdefault(told, (machine.name, held))
            if theirs != held:
                self.violated("graphs-differ", machine, f"from {other}")

    def finished(self, *, can_agree: bool) -> None:
        """Everything has healed and been quiet: what was promised is there; at every keeper if that can be."""
        self.are_graphs_equal()
        self._parents_are_held()
        self._forks_are_named()
        self.converging.finished()
        losses.nowhere(self)
        if can_agree:
            losses.recorded(self)
            for member in self.world.machines:
                for keeper in () if member.is_liar else self.world.keepers():
                    losses.claimed(self, member, keeper)
            losses.readable(self)
        lost = losses.acknowledged(self)
        if lost:
            self.violated("lost-acknowledged", None, f"{len(lost)}, the first is {tuple(lost[0])}")

    def _parents_are_held(self) -> None:
        keepers = self.world.keepers()
        lacking = [(machine, *found) for machine in keepers for found in losses.without_parents(self, machine)]
        gone = losses.beyond_mending(self) if lacking else []
        for machine, key, lacked in lacking:
            if lacked.key not in gone or not machine.trust.is_damaged:
                self.violated("causality", machine, f"{tuple(key)} without {tuple(lacked.key)}")
                return

    def _forks_are_named(self) -> None:
        for machine, author in forks.unnamed(self.world.keepers(), self.forked):
            self.violated("fork-unnamed", machine, f"by {self.world.machines[author].name}")

    # ---- reading

    def header(self, payload: bytes) -> Header:
        frame = decode_vertex(payload)
        assert isinstance(frame, VertexFrame)
        header = self._by_raw.get(frame.header)
        if header is None:
            decoded = decode_header(frame.header)
            assert isinstance(decoded, Header)
            header = self._by_raw[frame.header] = decoded
        return header

    def _signed_header(self, message: bytes) -> Header | None:
        """The header that a Sig_structure carries."""
        return self._by_raw.get(decode(message)[3])


_BOUNDS = {
    "pending": limits.MEMBERS_MAX * limits.PENDING_PER_AUTHOR_MAX,
    "pending_bytes": limits.PENDING_BYTES_MAX,
    "queued_events": limits.QUEUE_EVENTS_MAX,
    "open_tickets": 2 * limits.TICKETS_MAX,
    "early": limits.EARLY_FRAMES_MAX,
    "archiving": limits.TICKETS_MAX,
    "gaps": limits.MEMBERS_MAX * limits.GAPS_PER_AUTHOR_MAX,
}
