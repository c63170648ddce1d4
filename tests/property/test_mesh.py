"""Whatever the network does, nodes that can talk at last hold the same graph, and nothing recorded is missing."""

from random import Random
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dag.records import VERTEX
from edge.wire.frame import Channel, decode_vertex
from edge.wire.vertex import decode_header
from tests.builders import World, event


def headers_of(machine) -> set[bytes]:
    return {decode_header(decode_vertex(record.payload).header).id for record in machine.log if record.type == VERTEX}


def settle(world: World, seconds: float = 40.0) -> None:
    world.fate = lambda sender, to, channel: 1
    while world.ms < 1e7 and seconds > 0:
        world.run(1)
        seconds -= 1
        if world.is_converged() and all(not m.node._pending.missing() for m in world.up()):
            world.run(1)
            if world.is_converged():
                return


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32), loss=st.sampled_from([0.0, 0.1, 0.5, 1.0]), twice=st.sampled_from([0.0, 0.3]))
def test_loss_repetition_and_reordering_do_not_change_what_is_held(seed: int, loss: float, twice: float) -> None:
    random = Random(seed)
    world = World([f"n{index}" for index in range(4)], gateways=("n3",), seed=seed)
    machines = world.boot_all()
    world.fate = lambda sender, to, channel: 0 if random.random() < loss else 1 + (random.random() < twice)
    for number in range(12):
        random.choice(machines).submit(*[event(number * 10 + one, pad=40) for one in range(random.randrange(1, 9))])
        world.run(random.random(), shuffle=True)
    settle(world)
    assert world.is_converged(), [machine.frontier() for machine in world.up()]
    sets = [headers_of(machine) for machine in world.up()]
    assert sets[0] == sets[1] == sets[2] == sets[3]
    recorded = sum(len(events) for machine in machines for _, events in machine.recorded)
    assert recorded > 0
    assert all(machine.node.counts()["signatures_bad"] == 0 for machine in machines)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_crashes_that_lose_a_tail_are_no_forks_and_nothing_sent_is_lost(seed: int) -> None:
    random = Random(seed)
    world = World([f"n{index}" for index in range(4)], seed=seed)
    world.boot_all()
    seen: set[bytes] = set()
    for number in range(15):
        name = random.choice(world.names)
        machine = world.machines[name]
        if not machine.is_up:
            world.boot(name)
        elif random.random() < 0.3:
            machine.kill(lose=random.choice([0, 0, 1, 2, 5]) if len(machine.log) > 8 else 0)
        else:
            machine.submit(*[event(number * 10 + one) for one in range(3)], urgent=random.random() < 0.5)
        world.run(random.random(), shuffle=True)
    for name in world.names:
        if not world.machines[name].is_up:
            world.boot(name)
    settle(world)
    assert world.is_converged(), [machine.frontier() for machine in world.up()]
    for machine in world.up():
        assert machine.node.counts()["quarantined"] == 0
        seen |= headers_of(machine)
    assert all(headers_of(machine) == seen for machine in world.up())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 32), room=st.sampled_from([64, 80, 120]))
def test_a_frontier_that_never_fits_a_frame_is_enough(seed: int, room: int) -> None:
    """Each says its own line and one or two of the others' at a time."""
    random = Random(seed)
    names = ["a", "b", "c", "d", "e", "f"]
    with patch("edge.node.exchange.FRONTIER_BYTES_MAX", room):
        world = World(names, seed=seed)
        machines = world.boot_all()
        world.fate = lambda sender, to, channel: int(random.random() > 0.7)
        for number in range(20):
            random.choice(machines).submit(event(number), urgent=True)
            world.run(random.random(), shuffle=True)
        for name in ("b", "c", "e"):
            world.machines[name].kill()
        frames: list[int] = []
        world.fate = lambda sender, to, channel: 1
        for name in ("b", "c", "e"):
            world.boot(name)
        heard = world.machines["c"].node.receive
        world.machines["c"].node.receive = lambda channel, payload, now: (
            (  # type: ignore[method-assign]
                frames.append(len(payload)) if channel is Channel.FRONTIER else None
            )
            or heard(channel, payload, now)
        )
        settle(world, 120)
    assert world.is_converged(), [machine.frontier() for machine in world.up()]
    assert frames and max(frames) <= room


def test_a_late_joiner_gets_exactly_what_it_lacks() -> None:
    world = World(["a", "b", "late"])
    a, b = world.boot("a"), world.boot("b")
    for number in range(300):
        (a if number % 2 else b).submit(event(number, pad=60), urgent=True)
        world.deliver()
    assert a.vertex_count() == b.vertex_count() == 300
    world.bytes_sent.clear()
    late = world.boot("late")
    settle(world)
    assert headers_of(late) == headers_of(a)
    assert late.node.counts()["duplicates"] == 0, "nothing is sent twice"
    counts = late.node.counts()
    assert counts["signatures_verified"] < 40, "one signature proves a range"
    unique = sum(len(record.payload) for record in late.log if record.type == VERTEX)
    assert world.bytes_sent[Channel.REPLY] < 1.2 * unique


def test_a_node_that_was_away_asks_only_for_the_end() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    a.submit(*[event(number) for number in range(64)])
    world.run(2)
    world.fate = lambda sender, to, channel: 0
    for number in range(20):
        a.submit(event(100 + number), urgent=True)
        world.run(0.1)
    world.fate = lambda sender, to, channel: 1
    before = b.node.counts()["signatures_verified"]
    world.run(15)
    assert a.frontier() == b.frontier()
    assert b.node.counts()["signatures_verified"] - before <= 3


def test_a_live_vertex_waits_for_the_backlog_it_stands_on() -> None:
    world = World(["a", "b", "late"])
    a = world.boot("a")
    world.boot("b")
    for number in range(200):
        a.submit(event(number, pad=60), urgent=True)
        world.deliver()
    late = world.boot("late")
    world.fate = lambda sender, to, channel: 0 if channel is Channel.REPLY else 1
    world.run(2)
    b = world.machines["b"]
    b.submit(event(1000), urgent=True)
    world.deliver()
    assert late.node.graph.highest_seq(1) == 0
    assert len(late.node._pending) == 1, "the newcomer waits for its parent, it is not thrown away"
    verified = late.node.counts()["signatures_verified"]
    world.fate = lambda sender, to, channel: 1
    world.run(10)
    assert late.node.graph.highest_seq(1) == 1
    assert late.node.counts()["signatures_verified"] - verified < 20
