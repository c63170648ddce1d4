"""What a liar has said on another line under the same name counts where an honest member stands on it."""

from __future__ import annotations

from itertools import count

from edge.consensus.contest import Contest
from edge.consensus.past import Statement
from edge.consensus.question import conflict_of, value_digest
from edge.ids import Parent, VertexKey
from edge.wire import suite
from edge.wire.frame import Channel, encode_vertex
from edge.wire.items import PRECOMMIT, PREVOTE, Question, Vote
from edge.wire.vertex import Header, encode_header
from tests.builders import SUITE, WALL_MS, Machine, World, signer

LIAR = 3
A, B, C = 0, 1, 2


class Side:
    """One of the liar's lines, all of which begin under the same name."""

    def __init__(self, world: World, shown_to: list[Machine]) -> None:
        self._world = world
        self.shown_to = shown_to
        self.head: Header | None = None

    def say(self, *votes: Vote) -> None:
        """Above the newest of each member that this one knows."""
        graph, head = self.shown_to[0].node.graph, self.head
        tips = [graph.tips(author)[-1] for author in (A, B, C) if graph.tips(author)]
        self.head = encode_header(
            suite=SUITE, site=self._world.roster.site, epoch=1, author=LIAR, incarnation=1,
            seq=head.seq + 1 if head else 1, prev=head.id if head else None,
            parents=tuple(Parent(*tip.key, tip.id) for tip in tips),
            hlc=(WALL_MS + int(self._world.ms)) << 16, body=None, items=votes,
        )  # fmt: skip
        message = suite.sig_structure(SUITE, suite.PURPOSE_VERTEX, self.head.raw)
        frame = encode_vertex(self.head.raw, signer("liar").sign(message, deterministic=True), None)
        for machine in self.shown_to:
            machine.do(machine.node.receive(Channel.VOTE, frame, self._world.now))
            assert machine.node.graph.holds(self.head.key, self.head.id)


def contest(machine: Machine, conflict: bytes) -> Contest:
    found = machine.node.voting.agreement.contest(conflict)
    assert found is not None
    return found


def locks(machine: Machine, conflict: bytes) -> tuple[int, bytes] | None:
    """Of its newest vertex: ballot and value."""
    head = machine.node.graph.tips(machine.index)[-1].key
    lock = contest(machine, conflict).past.mark(head).lock
    return lock and (lock.ballot, lock.value)


def key_for(world: World) -> tuple[str, bytes]:
    """A key whose second ballot B coordinates."""
    for number in count():
        key = f"key/{number}"
        conflict = conflict_of(world.roster.site, Question("site", 1, key, 1, None))
        if (int.from_bytes(conflict[:8], "big") + 1) % 4 == B:
            return key, conflict
    raise AssertionError


def two_locks() -> tuple[World, bytes, str]:
    """A is locked on one value by a line of the liar that it alone was shown, B later on another by another line."""
    world = World(["a", "b", "c", "liar"], voting=("a", "b", "c", "liar"))
    a, b, c = (world.boot(name) for name in ("a", "b", "c"))
    world.deliver()
    one, two = value_digest(b"one"), value_digest(b"two")
    key, conflict = key_for(world)

    def vote(ballot: int, phase: int, value: bytes | None) -> Vote:
        return Vote(conflict, ballot, phase, value)

    def run_until(machine: Machine, *said: tuple[int, int, int, bytes | None]) -> None:
        agreement = machine.node.voting.agreement
        while (found := agreement.contest(conflict)) is None or not set(said) <= set(found.ballots.statements):
            world.run(0.01, step_ms=10)
            assert world.ms < 20_000

    side, other = Side(world, [a]), Side(world, [b, c])
    world.fate = lambda sender, to, channel: int((sender, to) == (C, A))
    c.do(c.node.propose("site", key, b"one", world.now)[1])
    run_until(a, (A, 0, PREVOTE, one), (C, 0, PREVOTE, one))
    side.say(vote(0, PREVOTE, one))
    assert locks(a, conflict) == (0, one)
    b.do(b.node.propose("site", key, b"two", world.now)[1])
    run_until(b, (B, 0, PREVOTE, two))
    world.fate = lambda sender, to, channel: int(A not in (sender, to))
    run_until(b, (C, 0, PREVOTE, one))
    run_until(c, (B, 0, PREVOTE, two))
    other.say(vote(0, PREVOTE, two))
    run_until(b, (B, 0, PRECOMMIT, None), (C, 0, PRECOMMIT, None))
    other.say(vote(0, PRECOMMIT, None))
    run_until(b, (B, 1, PREVOTE, two), (C, 1, PREVOTE, two))
    world.fate = lambda sender, to, channel: int((sender, to) == (C, B))
    other.shown_to = [b]
    other.say(vote(1, PREVOTE, two))
    run_until(c, (C, 1, PRECOMMIT, None))
    assert (locks(a, conflict), locks(b, conflict), locks(c, conflict)) == ((0, one), (1, two), None)
    world.fate = lambda sender, to, channel: 1
    return world, conflict, key


def final(machine: Machine, key: str) -> bytes | None:
    found = machine.node.voting.agreement.registers.get("site", key)
    return found and found.value


def seen(machine: Machine, conflict: bytes, header_of: Machine) -> set[Statement]:
    """What is below the newest vertex of one member, as another counts it, that both have."""
    found = contest(machine, conflict)
    votes = found.past.mark(header_of.node.graph.tips(header_of.index)[-1].key).votes
    return {statement for at, statement in enumerate(found.ballots.statements) if votes >> at & 1}


def test_two_locks_by_quorums_that_one_alone_has_seen_are_opened_by_what_each_stands_on() -> None:
    world, _, key = two_locks()
    machines = list(world.machines.values())
    world.run(10)
    assert [final(machine, key) for machine in machines] == [b"two"] * 3, "the lock of the later ballot"
    for machine in machines:
        counts = machine.node.counts()
        assert counts["agreement_early"] == 0 and counts["quarantined"] == 1 and counts["agreement_beside"] > 0
        assert not any(branch.incarnation > 1 << 32 for branch in machine.node.graph.branches(LIAR))


def test_everyone_counts_the_same_whichever_line_it_holds() -> None:
    world, conflict, _ = two_locks()
    machines = list(world.machines.values())
    for machine in machines:
        machine.node.voting.agreement.is_silent = True
    world.run(5)
    assert len({machine.node.graph.id_at(VertexKey(LIAR, 1, 1)) for machine in machines}) == 2
    for one in machines:
        counted = [seen(machine, conflict, one) for machine in machines]
        assert counted[0] == counted[1] == counted[2] and any(said.member == LIAR for said in counted[0])


def test_after_a_start_it_is_asked_for_once_more() -> None:
    world, _, key = two_locks()
    for machine in world.machines.values():
        machine.node.voting.agreement.is_silent = True
    world.run(5)
    for name in ("a", "b", "c"):
        world.machines[name].kill()
    world.ms += 5000
    a = world.boot("a")
    world.run(1)
    counts = a.node.counts()
    assert counts["agreement_early"] > 0 and counts["agreement_beside"] == 0, "the log has the line that is held"
    b, c = world.boot("b"), world.boot("c")
    world.run(15)
    assert [final(machine, key) for machine in (a, b, c)] == [b"two"] * 3
