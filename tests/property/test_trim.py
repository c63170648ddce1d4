"""A log that drops what gateways have acknowledged: nothing else ever goes, and whoever lacks it still gets it."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dag.floor import FloorAck
from edge.dag.records import VERTEX
from edge.wire.frame import Channel, decode_vertex
from edge.wire.vertex import decode_header
from tests.builders import Machine, World, event
from tests.property.test_mesh import headers_of, settle


def small(names: list[str], gateways: tuple[str, ...] = (), seed: int = 0) -> World:
    world = World(names, gateways, seed)
    world.segment_records, world.log_records = 10, 200
    return world


def busy(world: World, machines: list[Machine], rounds: int) -> None:
    for number in range(rounds):
        machines[number % len(machines)].submit(event(number, pad=40), urgent=True)
        world.run(0.1)


def held(machine: Machine) -> list:
    return [decode_header(decode_vertex(r.payload).header) for r in machine.log if r.type == VERTEX]


def test_without_a_gateway_nothing_is_dropped() -> None:
    world = small(["a", "b"])
    a, b = world.boot_all()
    busy(world, [a, b], 150)
    world.run(30)
    assert len(a.log) > 0.6 * world.log_records
    assert a.dropped == b.dropped == 0
    assert not a.floor.lines


def test_what_a_gateway_has_is_dropped_and_a_newcomer_gets_it_from_there() -> None:
    world = small(["a", "b", "gw", "late"], ("gw",))
    a, b, gw = (world.boot(name) for name in ("a", "b", "gw"))
    busy(world, [a, b], 200)
    world.run(5)
    for machine in (a, b, gw):
        assert machine.dropped > 0
        assert len(machine.log) < 0.6 * world.log_records
        assert machine.node.counts()["vertices"] == machine.vertex_count()
    (line,) = [line for line in a.floor.lines if line.author == 0]
    assert a.node.graph.branch(0, line.incarnation).floor_seq == line.seq
    late = world.boot("late")
    settle(world, 120)
    assert world.is_converged(), [machine.frontier() for machine in world.up()]
    everything = {decode_header(raw).id for raw in gw.archived}
    own = {h.seq for h in map(decode_header, gw.archived) if h.author == 0}
    assert own == set(range(1, 101)), "all of a device's line is in the gateway"
    assert late.dropped > 0 or headers_of(late) == everything
    assert {line.author for line in late.floor.lines} <= {0, 1, 2}
    for author in (0, 1):
        assert late.node.graph.highest_seq(author) == 100
        assert late.node.graph.branches(author)[0].first_seq == 1, "its line hangs together from the first vertex"


def test_a_newcomer_with_room_holds_every_vertex() -> None:
    world = small(["a", "b", "gw", "late"], ("gw",))
    a, b, gw = (world.boot(name) for name in ("a", "b", "gw"))
    busy(world, [a, b], 200)
    world.run(5)
    assert a.dropped and b.dropped and gw.dropped
    world.log_records = 100_000
    late = world.boot("late")
    settle(world, 120)
    assert world.is_converged()
    assert headers_of(late) == {decode_header(raw).id for raw in gw.archived}
    assert late.dropped == 0


def test_a_device_that_trimmed_restarts_where_it_was() -> None:
    world = small(["a", "b", "gw"], ("gw",))
    a, b, gw = world.boot_all()
    busy(world, [a, b], 200)
    world.run(5)
    before = a.frontier(), a.node.counts()["vertices"], a.node.custody.acked_seq
    assert a.dropped
    a.stop()
    again = world.boot("a")
    assert (again.frontier(), again.node.counts()["vertices"], again.node.custody.acked_seq) == before
    assert again.node.recovery.detached == 0
    again.submit(event(1000), urgent=True)
    assert [key for key, _ in again.recorded] == [(0, again.node.incarnation, 101)]
    world.run(5)
    assert world.is_converged()
    again.kill()
    third = world.boot("a")
    third.submit(event(1001), urgent=True)
    assert [key for key, _ in third.recorded] == [(0, third.node.incarnation, 102)]
    world.run(5)
    assert world.is_converged()
    assert gw.node.counts()["quarantined"] == b.node.counts()["quarantined"] == 0


def test_a_line_that_lies_below_the_floor_as_a_whole_goes_on() -> None:
    world = small(["a", "b", "gw"], ("gw",))
    a, b, _ = world.boot_all()
    a.submit(event(1), urgent=True)
    world.run(3)
    a.stop()
    busy(world, [b], 200)
    world.run(5)
    assert b.floor.line(0, a.node.incarnation) is not None
    assert b.node.graph.branches(0)[0].held_from == 2
    b.stop()
    b = world.boot("b")
    a = world.boot("a")
    world.run(5)
    a.submit(event(2), urgent=True)
    world.run(5)
    assert world.is_converged()
    assert b.node.graph.highest_seq(0) == 2


def test_acknowledgements_are_heard_by_a_log_without_room() -> None:
    world = small(["a", "b", "gw"], ("gw",))
    a, b = world.boot("a"), world.boot("b")
    busy(world, [a, b], 250)
    world.run(20)
    assert a.dropped == 0
    assert len(a.log) / world.log_records >= 0.85, "peers' vertices are refused"
    world.boot("gw")
    world.run(60)
    assert a.dropped > 0
    assert b.dropped > 0
    settle(world, 60)
    assert world.is_converged(), [machine.frontier() for machine in world.up()]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1 << 32), loss=st.sampled_from([0.0, 0.2, 0.6]))
def test_nothing_unacknowledged_is_ever_dropped(seed: int, loss: float) -> None:
    """The gateway comes and goes, acknowledgements are lost, devices crash: what is gone is in the gateway."""
    random = Random(seed)
    world = small(["a", "b", "gw"], ("gw",), seed)
    world.boot_all()
    recorded: dict[str, set[tuple[int, int, int]]] = {"a": set(), "b": set()}
    world.fate = lambda sender, to, channel: int(random.random() >= loss)
    for number in range(150):
        for name in ("a", "b"):
            machine = world.machines[name]
            if not machine.is_up:
                machine = world.boot(name)
            machine.submit(event(number, pad=20), urgent=random.random() < 0.7)
            if random.random() < 0.03:
                if random.random() < 0.5:
                    machine.stop()
                else:
                    machine.kill(lose=random.choice([0, 1, 3]))
            recorded[name] |= {key for key, _ in machine.recorded}
        gw = world.machines["gw"]
        if random.random() < 0.05:
            gw.kill() if gw.is_up else world.boot("gw")
        world.run(random.random() / 2, shuffle=True)
        check_nothing_is_lost(world, recorded)
    for name in world.names:
        if not world.machines[name].is_up:
            world.boot(name)
    settle(world, 90)
    assert world.is_converged(), [machine.frontier() for machine in world.up()]
    check_nothing_is_lost(world, recorded)
    for name in ("a", "b"):
        assert world.machines[name].node.counts()["quarantined"] == 0


def check_nothing_is_lost(world: World, recorded: dict[str, set]) -> None:
    stored = {decode_header(raw).key for raw in world.machines["gw"].archived}
    for name, keys in recorded.items():
        in_log = {header.key for header in held(world.machines[name])}
        gone = {key for key in keys if key not in in_log}
        assert gone <= stored, f"{name} dropped what no gateway has: {sorted(gone - stored)[:3]}"


def test_an_acknowledgement_of_another_vertex_under_our_key_covers_nothing() -> None:
    world = small(["a", "gw"], ("gw",))
    a = world.boot("a")
    busy(world, [a], 150)
    a.node.custody.acknowledged(FloorAck(0, a.node.incarnation, 60, b"x" * 32))
    world.run(30)
    assert a.dropped == 0
    real = a.node.graph.branches(0)[0].id_at(60)
    a.node.custody.acknowledged(FloorAck(0, a.node.incarnation, 60, real))
    world.run(30)
    assert 0 < a.floor.lines[0].seq <= 60


def test_a_device_answers_only_from_what_it_holds() -> None:
    world = small(["a", "gw", "late"], ("gw",))
    a, gw = world.boot("a"), world.boot("gw")
    busy(world, [a], 150)
    world.run(5)
    floor = a.floor.lines[0].seq
    gw.is_up = False
    world.boot("late")
    world.fate = lambda sender, to, channel: 1 if sender == 0 or channel is not Channel.REPLY else 0
    world.run(10)
    late = world.machines["late"]
    parked = late.node._pending
    heard = [key.seq for key in parked.keys() if key.author == 0]  # noqa: SIM118
    assert late.node.graph.highest_seq(0) == 0
    assert heard and min(heard) > floor
    gw = world.boot("gw")
    world.fate = lambda sender, to, channel: 1
    settle(world, 60)
    assert late.node.graph.highest_seq(0) == 150
