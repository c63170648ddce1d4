"""The last questions, once everything has healed: of what was promised, is anything not there?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge.dag.graph import ID_BYTES, Graph
from edge.dag.reader import read_log
from edge.dag.records import SIGNATURE, VERTEX
from edge.ids import VertexId, VertexKey
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.vertex import Header
from edge.wire.voters import SITE_SCOPE

if TYPE_CHECKING:
    from edge.sim.checkers import Checkers
    from edge.sim.machine import Machine


def has(graph: Graph, key: VertexKey, id: VertexId) -> bool:
    """Held, or held once and dropped from the log since."""
    return graph.holds(key, id) or graph.is_dropped(key)


def is_kept(checkers: Checkers, dropper: Machine, key: VertexKey) -> bool:
    """Whether enough honest members of a committee that vouches, and whose turn it is as far as this machine knows or
    comes later, have a vertex in their logs; none at who has a seat there itself."""
    world, id = checkers.world, dropper.node.graph.id_at(key)
    epochs, known, kept = dropper.node.voting.agreement.epochs, dropper.node.roster.version, False
    for scope in [SITE_SCOPE] if SITE_SCOPE in world.scopes else world.scopes:
        committees = world.scopes[scope]
        current = epochs.current(scope)
        if current is None:
            continue
        if id is None or not checkers.ledger.is_bearable_in(scope):
            kept = True
            continue
        turns = {epoch: members for epoch, members in committees.items() if epoch >= current.epoch}
        if any(dropper.index in members for epoch, members in turns.items() if epoch <= known):
            return False
        least = checkers.ledger.honest_in(scope)
        have = (sum(_keeps(world.machines[index], key, id) for index in members) for members in turns.values())
        kept = kept or any(count >= least for count in have)
    return kept


def _keeps(machine: Machine, key: VertexKey, id: VertexId) -> bool:
    """Whether its log has this vertex."""
    if machine.is_liar or not machine.trust.keeps or not machine.life:
        return False
    graph = machine.node.graph
    return graph.holds(key, id) and graph.place(key)[0] > 0


def nowhere(checkers: Checkers) -> None:
    """What a disk that keeps has recorded is in some log or store, whoever has dropped it."""
    machines = [machine for machine in checkers.world.machines if machine.life and not machine.is_liar]
    for author, ids in checkers.recorded.items():
        machine = checkers.world.machines[author]
        if not machine.trust.keeps or machine.is_gone or author in checkers.forked:
            continue
        for id in ids:
            key = checkers.vertices[id].header.key
            in_logs = any(one.node.graph.holds(key, id) and not one.node.graph.is_dropped(key) for one in machines)
            if not (in_logs or any(id in one.store.vertices for one in machines)):
                checkers.violated("lost-recorded", None, f"nobody has {tuple(key)} any more")
                return


def recorded(checkers: Checkers) -> None:
    """What a disk that keeps has recorded, every keeper has."""
    for author, ids in checkers.recorded.items():
        machine = checkers.world.machines[author]
        if not machine.trust.keeps or machine.is_gone or author in checkers.forked:
            continue
        for machine in checkers.world.keepers():
            graph = machine.node.graph
            for id in ids:
                key = checkers.vertices[id].header.key
                if not has(graph, key, id):
                    checkers.violated("lost-recorded", machine, f"lacks {tuple(key)}")
                    break


def claimed(checkers: Checkers, member: Machine, holder: Machine) -> None:
    """What a member whose disk keeps and is there has said that its log holds, another holds; itself after every
    start."""
    if not member.trust.keeps or member.is_gone or member.trust.is_damaged or holder.trust.is_damaged:
        return
    for id, key in checkers.ledger.claimed.get(member.index, {}).items():
        if not has(holder.node.graph, key, id) and key.author not in checkers.forked:
            checkers.violated("lost-witnessed", holder, f"{tuple(key)}, by the word of {member.name}")
            return


def readable(checkers: Checkers) -> None:
    """Of a log that rotted: what hung above a hole was recorded once more, with the same body."""
    for machine in checkers.world.machines:
        author = machine.index
        if not (machine.trust.is_damaged and machine.trust.never_forks) or author in checkers.forked:
            continue
        owns = [checkers.header(record.payload) for _, record in read_log(machine.disk) if record.type == VERTEX]
        readable = [header for header in owns if header.author == author and header.body is not None]
        for keeper in checkers.world.keepers():
            graph = keeper.node.graph
            ids = [
                branch.id_at(seq)
                for branch in graph.branches(author)
                for seq in range(branch.start, branch.head_seq + 1)
            ]
            bodies = [checkers.vertices[id].header.body for id in ids if id is not None]
            roots = dict.fromkeys(body.root for body in bodies if body is not None)
            for header in readable:
                assert header.body is not None
                if header.body.root not in roots and not graph.is_dropped(header.key):
                    checkers.violated("lost-readable", keeper, f"lacks {tuple(header.key)} and its body")
                    break


def beyond_mending(checkers: Checkers) -> list[VertexKey]:
    """What a keeper holds of somebody else and its log has lost, or the signature over it, and no log nor store of all
    can read any more; and what it holds others' vertices above, and its own line has begun anew below.

    Its author lost it, too, and nobody else ever had it: who named it as a parent waits with it (docs/decisions/0021).
    """
    lacking: dict[VertexKey, VertexId | None] = {}
    unproven: list[list[tuple[VertexKey, VertexId | None]]] = []
    for machine in checkers.world.keepers():
        graph = machine.node.graph
        lacking |= {key: graph.id_at(key) for key in graph.lost if key.author != machine.index}
        if machine.trust.is_damaged:
            lacking |= {lacked.key: lacked.id for _, lacked in without_parents(checkers, machine)}
        for author in graph.authors() if machine.trust.is_damaged else ():
            for branch in graph.branches(author) if author != machine.index else ():
                signed = max((at for at, place in enumerate(branch.signed) if place), default=-1)
                above = range(branch.start + signed + 1, branch.head_seq + 1)
                unproven.append([(branch.head._replace(seq=seq), branch.id_at(seq)) for seq in above])
    if not (lacking or unproven):
        return []
    readable, signed_ids = _readable(checkers)
    gone = [key for key, id in lacking.items() if id not in readable]
    for ends in unproven:
        proven = max((at for at, (_, id) in enumerate(ends) if id in signed_ids), default=-1)
        gone += [key for key, _ in ends[proven + 1 :]]
    return gone


def without_parents(checkers: Checkers, machine: Machine) -> Iterator[tuple[VertexKey, Header]]:
    """What a machine holds above a vertex that it does not hold, and the lowest such vertex of that line."""
    graph = machine.node.graph
    for branch in graph.lines():
        for seq in range(branch.held_from, branch.head_seq + 1):
            id = branch.id_at(seq)
            assert id is not None
            for parent in checkers.vertices[id].header.parents:
                if not has(graph, parent.key, parent.id) and parent.author not in checkers.forked:
                    yield VertexKey(branch.author, branch.incarnation, seq), _lowest_unheld(checkers, graph, parent.id)


def _lowest_unheld(checkers: Checkers, graph: Graph, id: VertexId) -> Header:
    lowest = checkers.vertices[id].header
    while lowest.prev is not None:
        below = checkers.vertices[lowest.prev].header
        if has(graph, below.key, below.id):
            break
        lowest = below
    return lowest


def _readable(checkers: Checkers) -> tuple[dict[VertexId, None], dict[VertexId, None]]:
    """What some log or store can read, and over what of it one has a signature, too."""
    readable: dict[VertexId, None] = {}
    signed: dict[VertexId, None] = {}
    for machine in checkers.world.machines:
        readable |= dict.fromkeys(machine.store.vertices)
        signed |= {id: None for id, (_, signature, _) in machine.store.vertices.items() if signature is not None}
        for _, record in read_log(machine.disk):
            if record.type == VERTEX:
                id = checkers.header(record.payload).id
                readable[id] = None
                frame = decode_vertex(record.payload)
                if isinstance(frame, VertexFrame) and frame.signature is not None:
                    signed[id] = None
            elif record.type == SIGNATURE:
                signed[record.payload[:ID_BYTES]] = None
    return readable, signed


def acknowledged(checkers: Checkers) -> list[VertexKey]:
    """Of every line that a gateway acknowledged, what its store does not have."""
    lost: list[VertexKey] = []
    stores = [machine.store for machine in checkers.world.machines if machine.is_gateway]
    for _, newest in checkers.acked.values():
        at: VertexId | None = newest
        while at is not None:
            known = checkers.vertices.get(at)
            if known is None or not any(at in store.vertices for store in stores):
                lost.append(known.header.key if known is not None else VertexKey(0, 0, 0))
            at = known.header.prev if known is not None else None
    return lost
