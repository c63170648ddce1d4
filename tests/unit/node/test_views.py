"""Vertices name the newest checkpoint that their author knows: whoever was shown another stands out, or is behind."""

from edge.dag.records import VERTEX
from edge.wire.frame import decode_vertex
from edge.wire.vertex import Header, Known, decode_header
from tests.builders import Machine, World, event
from tests.unit.node.test_sealing import at_work, version


def newest(machine: Machine) -> Header:
    header = decode_header(decode_vertex([one for one in machine.log if one.type == VERTEX][-1].payload).header)
    assert isinstance(header, Header)
    return header


def own(machine: Machine) -> Known | None:
    return machine.node.voting.agreement.views.known


def told(machine: Machine) -> list[dict[str, object]]:
    return [dict(report.fields) for report in machine.reports if report.event == "checkpoint-differs"]


def once(world: World) -> World:
    """Until a first checkpoint is final, and no other follows."""
    world.run(22)
    for machine in world.up():
        machine.node.voting.sealing._every_ms = 1e9
    return world


def say(world: World, name: str) -> None:
    world.machines[name].submit(event(7), urgent=True)
    world.run(2)


def test_a_vertex_names_the_newest_checkpoint_that_its_author_knows() -> None:
    world = at_work()
    assert newest(world.machines["x"]).checkpoint is None
    once(world)
    say(world, "x")
    known = own(world.machines["x"])
    assert known is not None and known.version == version(world.machines["a"]) == 1
    for machine in world.up():
        assert own(machine) == known
        assert machine.index == 4 or machine.node.voting.agreement.views.named[4] == known
        assert machine.node.status(world.now)["checkpoint"] == {"version": 1, "differing": []}
        assert machine.node.counts()["checkpoints_differing"] == 0 and told(machine) == []


def test_whoever_names_another_one_is_reported_by_everybody_once_and_until_it_names_ours() -> None:
    world = once(at_work())
    x = world.machines["x"]
    views = x.node.voting.agreement.views
    true, views.known = views.known, Known(1, b"?" * 16)
    for _ in range(3):
        say(world, "x")
    others = [machine for machine in world.up() if machine is not x]
    for machine in others:
        assert told(machine) == [{"author": 4, "version": 1, "prefix": (b"?" * 16).hex()}]
        assert machine.node.status(world.now)["checkpoint"]["differing"] == [4]
    views.known = true
    world.machines["x"].node._author.checkpoint = lambda: Known(2, bytes(16))
    say(world, "x")
    assert [machine.node.counts()["checkpoints_differing"] for machine in others] == [1] * 4


def test_who_hears_of_a_newer_one_asks_for_it() -> None:
    world = at_work()
    x = world.machines["x"]
    x.node.voting.agreement._look = lambda: None  # type: ignore[method-assign]
    x.node._exchange.handover.heard = lambda frame, now: None  # type: ignore[method-assign]
    once(world)
    assert own(x) is None and own(world.machines["a"]) == Known(1, own(world.machines["b"]).prefix)
    asked = x.node.counts()["finals_asked"]
    say(world, "a")
    world.run(5)
    assert own(x) == own(world.machines["a"])
    assert x.node.counts()["finals_asked"] == asked + 1


def test_a_newer_one_that_nobody_has_costs_few_questions() -> None:
    world = once(at_work())
    x, a = world.machines["x"], world.machines["a"]
    x.node._author.checkpoint = lambda: Known(10**9, bytes(16))
    asked = a.node.counts()["finals_asked"]
    for _ in range(30):
        say(world, "x")
    assert 1 <= a.node.counts()["finals_asked"] - asked <= 2
