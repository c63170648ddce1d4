"""Who is proven to have forked is evicted by a final value: nothing more of it is taken, by nobody, also later."""

import pytest

from edge.consensus.eviction import (
    BY_HAND,
    FORKED,
    Eviction,
    decode_eviction,
    encode_eviction,
    eviction_key,
)
from edge.dag.records import EVIDENCE, SIGNATURE, VERTEX
from edge.effects import Effect, Persist
from edge.ids import Parent
from edge.wire import suite
from edge.wire.frame import Channel, VertexFrame, decode_vertex, encode_vertex
from edge.wire.items import Question
from edge.wire.refusal import Refusal
from edge.wire.vertex import Header, decode_header, encode_header
from tests.builders import SUITE, WALL_MS, Machine, World, event, signer

VOTERS = ("a", "b", "c", "d")
THIEF = 4
"""The member whose key somebody uses twice; no member of the committee."""


def site(*others: str, **options: object) -> World:
    """All but the thief are up."""
    world = World([*VOTERS, "thief", *others], voting=VOTERS, **options)  # type: ignore[arg-type]
    for name in (*VOTERS, *others):
        world.boot(name)
    world.deliver()
    return world


def line(world: World, length: int, mark: int = 0, after: Header | None = None, incarnation: int = 1) -> list[Header]:
    """`length` vertices of the thief; another `mark` makes another branch."""
    made: list[Header] = []
    for _ in range(length):
        after = encode_header(
            suite=SUITE, site=world.roster.site, epoch=1, author=THIEF, incarnation=incarnation,
            seq=after.seq + 1 if after else 1, prev=after.id if after else None, parents=(),
            hlc=(WALL_MS + mark) << 16, body=None,
        )  # fmt: skip
        made.append(after)
    return made


def frame(header: Header, by: str = "thief") -> bytes:
    message = suite.sig_structure(SUITE, suite.PURPOSE_VERTEX, header.raw)
    return encode_vertex(header.raw, signer(by).sign(message, deterministic=True), None)


def tell(machine: Machine, headers: list[Header]) -> None:
    for header in headers:
        machine.do(machine.node.receive(Channel.VERTEX, frame(header), machine.world.now))


def evictions(machine: Machine) -> list[Eviction]:
    return machine.node.voting.evictions()


def forked(world: World, length: int = 3) -> list[Header]:
    """A line that all hold, and one more vertex of which two sides exist."""
    common = line(world, length)
    for machine in world.up():
        tell(machine, common)
    a, b = (world.machines[name] for name in "ab")
    tell(a, line(world, 1, 1, common[-1]))
    tell(b, line(world, 1, 2, common[-1]))
    return common


def test_members_evict_who_is_proven_to_have_forked() -> None:
    world = site("x")
    common = forked(world)
    world.run(20)
    head = common[-1]
    cut = (Parent(*head.key, head.id),)
    assert [evictions(machine) for machine in world.up()] == [[Eviction(THIEF, FORKED, cut)]] * 5
    for machine in world.up():
        assert machine.node.status(world.now)["evicted"] == {str(THIEF): "forked"}
        assert machine.node.counts()["members_evicted"] == 1


def test_the_later_vertices_of_who_is_evicted_are_refused_by_all_also_after_a_restart() -> None:
    world = site("x")
    forked(world)
    world.run(20)
    for name in (*VOTERS, "x"):
        world.machines[name].kill()
        world.boot(name)
    world.run(2)
    for machine in world.up():
        assert machine.node.status(world.now)["evicted"] == {str(THIEF): "forked"}
        before = machine.node.counts()["vertices"]
        tell(machine, line(world, 30, 5))
        assert machine.node.counts()["refused_evicted"] >= 26, "all above the fork"
        assert machine.node.counts()["vertices"] == before


def test_sides_that_part_far_below_the_proof_are_cut_where_all_have_something() -> None:
    world = site()
    common = line(world, 3)
    for machine in world.up():
        tell(machine, common)
    for at, machine in enumerate(world.up()):
        tell(machine, line(world, 4, at % 2 + 1, common[-1]))
    world.run(20)
    told = [evictions(machine) for machine in world.up()]
    assert len(told[0]) == 1 and all(one == told[0] for one in told)
    assert [head.seq for head in told[0][0].heads] == [6]


def test_members_who_know_different_lines_of_it_agree_on_the_lowest_cut() -> None:
    """What one has seen of it another will never take. Ballots must not be used up over that."""
    world = site()
    for at, machine in enumerate(world.up()):
        tell(machine, line(world, 5 - at, 3, incarnation=at + 2))
        tell(machine, line(world, 1, 1))
        tell(machine, line(world, 1, 2))
    world.run(20)
    told = [evictions(machine) for machine in world.up()]
    assert len(told[0]) == 1 and all(one == told[0] for one in told)
    assert [head.seq for head in told[0][0].heads] in ([2], [3]), "no member of a quorum has less of it"
    assert all(final.ballot < 8 for final in world.machines["a"].decided)


def propose(machine: Machine, eviction: Eviction) -> Question | Refusal:
    key = eviction_key(eviction.author)
    answer, effects = machine.node.propose("site", key, encode_eviction(eviction), machine.world.now)
    machine.do(effects)
    return answer


def test_a_liar_evicts_nobody_of_whom_there_is_no_proof() -> None:
    world = site("x")
    x = world.machines["x"]
    x.submit(event(1), urgent=True)
    world.run(1)
    for why in (FORKED, BY_HAND):
        assert isinstance(propose(world.machines["a"], Eviction(x.index, why, ())), Question)
    world.run(60)
    for machine in world.up():
        assert evictions(machine) == [] and machine.node.counts()["sets_open"] == 1
    cast = [machine.node.counts()["votes_cast"] for machine in world.up()]
    assert cast[0] > 0 and cast[1:] == [0, 0, 0, 0], "a alone, for what whoever operates it seems to have said"
    world.machines["a"].do(world.machines["a"].node.propose("site", "model", b"one", world.now)[1])
    world.run(2)
    assert all(machine.node.voting.finals["site", "model"].value == b"one" for machine in world.up())


@pytest.mark.parametrize(
    "value",
    [b"", b"x", encode_eviction(Eviction(3, FORKED, ())), encode_eviction(Eviction(THIEF, 3, ()))],
)
def test_what_is_no_eviction_of_that_member_is_not_proposed(value: bytes) -> None:
    world = site()
    answer, _ = world.machines["a"].node.propose("site", eviction_key(THIEF), value, world.now)
    assert isinstance(answer, Refusal) and answer.reason == "proposal-eviction"


def test_only_members_of_the_committee_propose_one() -> None:
    world = site("x")
    answer = propose(world.machines["x"], Eviction(THIEF, FORKED, ()))
    assert isinstance(answer, Refusal) and answer.reason == "proposal-unauthorised"


# ---- by the word of operators


def give_word(machine: Machine, author: int) -> Question | Refusal:
    agreement = machine.node.voting.agreement
    question = agreement.question("site", eviction_key(author))
    assert question is not None
    eviction = decode_eviction(agreement.evictions.by_hand(question, author))
    assert isinstance(eviction, Eviction)
    return propose(machine, eviction)


def honest(world: World) -> Machine:
    """A device that has said something, which all hold."""
    x = world.machines["x"]
    for number in range(5):
        x.submit(event(number), urgent=True)
    world.run(1)
    return x


def test_the_word_of_a_quorum_of_operators_evicts_and_less_does_not() -> None:
    world = site("x")
    x = honest(world)
    head = x.node.graph.tips(x.index)[0]
    for name in "ab":
        give_word(world.machines[name], x.index)
    world.run(60)
    assert all(not evictions(machine) for machine in world.up())
    give_word(world.machines["c"], x.index)
    world.run(10)
    wanted = Eviction(x.index, BY_HAND, (Parent(*head.key, head.id),))
    assert [evictions(machine) for machine in world.up()] == [[wanted]] * 5


def test_a_word_is_as_durable_as_the_line_that_it_stands_in() -> None:
    world = site("x")
    x = honest(world)
    give_word(world.machines["a"], x.index)
    world.run(1)
    world.machines["a"].kill()
    world.boot("a")
    for name in "bc":
        give_word(world.machines[name], x.index)
    world.run(20)
    assert all(len(evictions(machine)) == 1 for machine in world.up())


def evicted_by_hand(world: World) -> Machine:
    """x is, with what it said so far; it knows nothing of it."""
    x = honest(world)
    world.fate = lambda sender, to, channel: x.index not in (sender, to)
    for name in "abc":
        give_word(world.machines[name], x.index)
    world.run(10)
    assert all(len(evictions(machine)) == 1 for machine in world.up() if machine is not x)
    return x


def test_who_comes_later_gets_what_is_below_the_cut_and_never_asks_for_more() -> None:
    world = site("x", "late")
    late = world.machines["late"]
    x = honest(world)
    late.stop()
    late.log.clear()
    world.fate = lambda sender, to, channel: x.index not in (sender, to)
    for number in range(5):  # d alone hears of it before it is over
        x.submit(event(number), urgent=True)
    d, beyond = world.machines["d"], x.node.graph.highest_seq(x.index)
    hear(d, x)
    assert d.node.graph.highest_seq(x.index) == beyond
    for name in "abc":
        give_word(world.machines[name], x.index)
    world.run(10)
    cut = evictions(d)[0].heads[0].seq
    assert cut < beyond and d.node.graph.highest_seq(x.index) == beyond, "what was held stays"
    late = world.boot("late")
    world.run(20)
    assert late.node.graph.highest_seq(x.index) == cut and late.node.counts()["gaps"] == 0
    before = [machine.node.counts()["requests_sent"] for machine in world.up()]
    world.run(60)
    assert [machine.node.counts()["requests_sent"] for machine in world.up()] == before


def test_a_vertex_that_names_what_is_cut_off_is_not_stuck_and_brings_it() -> None:
    world = site("x", "y")
    x = evicted_by_hand(world)
    a, y = world.machines["a"], world.machines["y"]
    y.node._admission.evicted.clear()  # it has not heard of it yet
    for number in (9, 10):
        x.submit(event(number), urgent=True)
    for machine in (a, y):
        hear(machine, x)
    assert y.node.graph.highest_seq(x.index) == 7 and a.node.graph.highest_seq(x.index) == 5
    assert a.node.counts()["refused_evicted"] == 2
    y.submit(event(1), urgent=True)
    world.run(5)
    head = y.node.graph.tips(y.index)[0]
    for machine in (one for one in world.up() if one is not x):
        assert machine.node.graph.holds(head.key, head.id)
        assert machine.node.graph.highest_seq(x.index) == 7, "it is below a vertex of somebody else"
    a.kill()
    assert world.boot("a").node.graph.highest_seq(x.index) == 7, "and in the log"


def test_a_long_stretch_that_was_said_without_knowing_of_it_comes_in_a_few_requests() -> None:
    """Two were cut off together, and one of them is evicted meanwhile: each vertex of the other names one of it."""
    world = site("x", "y")
    x, y = honest(world), world.machines["y"]
    pair = {x.index, y.index}
    world.fate = lambda sender, to, channel: len({sender, to} & pair) in (0, 2)
    for name in "abc":
        give_word(world.machines[name], x.index)
    for number in range(60):
        x.submit(event(number), urgent=True)
        world.run(0.1)
        y.submit(event(number), urgent=True)
        world.run(0.1)
    assert len(evictions(world.machines["a"])) == 1 and not evictions(y)
    world.fate = lambda sender, to, channel: x.index not in (sender, to)
    world.run(30)
    a = world.machines["a"]
    assert a.node.graph.highest_seq(y.index) == y.node.graph.highest_seq(y.index) >= 60
    assert a.node.graph.highest_seq(x.index) >= 60, "as far as y names it"
    assert a.node.counts()["requests_sent"] < 20 and a.node.counts()["gaps"] == 0


def test_what_waits_of_who_is_evicted_is_given_up() -> None:
    """Above a hole, and nobody else names it: it would be asked for on and on, and taken in the end."""
    world = site("x")
    x = honest(world)
    d = world.machines["d"]
    world.fate = lambda sender, to, channel: x.index not in (sender, to)
    for number in range(4):
        x.submit(event(number), urgent=True)
    hear(d, x, after=6)
    assert d.node.counts()["pending"] == 3
    for name in "abc":
        give_word(world.machines[name], x.index)
    world.run(10)
    assert d.node.counts()["pending"] == 0 and d.node.counts()["gaps"] == 0
    hear(d, x)
    assert d.node.graph.highest_seq(x.index) == 5


def hear(machine: Machine, other: Machine, after: int = 0) -> None:
    """Hand over each vertex above a seq that the other has made and this one has not taken."""
    signatures = {record.payload[:32]: record.payload[32:] for record in other.log if record.type == SIGNATURE}
    for record in other.log:
        vertex = decode_vertex(record.payload) if record.type == VERTEX else None
        header = decode_header(vertex.header) if isinstance(vertex, VertexFrame) else None
        if not (isinstance(vertex, VertexFrame) and isinstance(header, Header)):
            continue
        if header.author == other.index and header.seq > after and not machine.node.graph.holds(header.key, header.id):
            whole = encode_vertex(header.raw, vertex.signature or signatures[header.id], vertex.body)
            machine.do(machine.node.receive(Channel.VERTEX, whole, machine.world.now))


def test_who_keeps_its_own_line_learns_of_it_and_believes_no_gateway_above_the_cut() -> None:
    world = World([*VOTERS, "thief", "g", "leaf"], gateways=("g",), own_only=("leaf",), voting=VOTERS)
    for name in (*VOTERS, "g", "leaf"):
        world.boot(name)
    world.run(1)
    g, leaf = world.machines["g"], world.machines["leaf"]
    leaf.submit(event(1), urgent=True)
    world.run(2)
    acked = leaf.node.custody.acked_seq
    assert acked == leaf.node.graph.highest_seq(leaf.index)
    for name in "abc":
        give_word(world.machines[name], g.index)
    world.run(10)
    assert [one.author for one in evictions(leaf)] == [g.index]
    leaf.submit(event(2), urgent=True)
    world.run(20)
    assert leaf.node.custody.acked_seq == acked < leaf.node.graph.highest_seq(leaf.index)


def test_a_proof_is_no_ground_before_it_is_durable() -> None:
    """Else a power cut could leave the question on the disk without it, and it would be nobody's to answer."""
    world = site()
    a, carry_out = world.machines["a"], world.machines["a"]._one
    found: list[tuple[bool, list[int]]] = []

    def look(effect: Effect) -> list[Effect]:
        if isinstance(effect, Persist) and any(record.type == EVIDENCE for record in effect.records):
            found.append((effect.sync, list(a.node.voting.agreement.evictions.proven)))
        return carry_out(effect)

    a._one = look  # type: ignore[method-assign]
    tell(a, [*line(world, 1), *line(world, 1, mark=1)])
    world.run(1)
    assert found == [(True, [])]
    assert list(a.node.voting.agreement.evictions.proven) == [THIEF]
