"""Shared state on nodes: what one says every keeper has, through restarts, trimming and holes in a log."""

import pytest

from edge import limits
from edge.node import trim
from edge.node.shared import OWN_ADDS_MAX
from edge.state.snapshot import snapshot
from edge.wire.items import ADD, APPEND, GROW, REGISTER
from tests.builders import Machine, World, event


def say(machine: Machine, *ops: tuple[object, ...]) -> None:
    """("put", kind, name, value), ("count", name, delta) or ("remove", name, element)."""
    now = machine.world.now
    for verb, *fields in ops:
        getattr(machine.node.shared, str(verb))(*fields, now)
    machine.do(machine.node.tick(now))


def elements(machine: Machine, name: str) -> set[bytes]:
    held = machine.node.shared.state.sets.get(name)
    return set(held.tags.values()) if held is not None else set()


def roots(world: World) -> set[bytes | None]:
    return {machine.node.shared.root() for machine in world.machines.values()}


def test_what_one_says_is_everywhere_once_and_the_roots_are_equal() -> None:
    world = World(["a", "b", "c"])
    a, b, _ = world.boot_all()
    empty = roots(world)
    say(a, ("put", ADD, "on duty", b"pump"), ("put", REGISTER, "limit", b"20"), ("count", "doors", 3))
    assert a.node.shared.recorded == 0 and not elements(a, "on duty"), "it waits for the commit window"
    world.run(2)
    say(b, ("count", "doors", -1), ("put", APPEND, "notes", b"seen"), ("put", GROW, "models", b"m"))
    world.run(2)
    for machine in world.machines.values():
        assert elements(machine, "on duty") == {b"pump"}
        assert machine.node.shared.state.counters == {"doors": {0: 3, 1: -1}}
        assert machine.node.counts()["state_names"] == 5
    assert len(roots(world)) == 1 and roots(world) != empty and None not in roots(world)
    assert a.node.shared.recorded == a.node.shared.noted == 3
    assert a.vertex_count() == 2, "operations of one moment share a vertex"
    root = a.node.shared.root()
    assert root is not None
    assert a.node.status(world.now)["state"] == {"names": 5, "root": root[:8].hex(), "partial": False}


def test_what_others_have_put_in_is_taken_back_by_naming_their_heads() -> None:
    world = World([f"n{number}" for number in range(6)])
    machines = world.boot_all()
    for machine in machines:
        say(machine, ("put", ADD, "s", b"x"), ("put", ADD, "s", b"own %d" % machine.index))
        world.run(1)
    say(machines[0], ("remove", "s", b"x"))
    world.run(2)
    assert all(elements(machine, "s") == {b"own %d" % number for number in range(6)} for machine in machines)
    assert len(roots(world)) == 1


def test_of_two_lives_of_one_author_two_vertices_take_back() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    say(a, ("put", ADD, "s", b"x"))
    world.run(1)
    a.stop()
    world.ms += 5_000
    a = world.boot("a")
    say(a, ("put", ADD, "s", b"x"))
    world.run(2)
    before = b.vertex_count()
    say(b, ("remove", "s", b"x"))
    world.run(2)
    assert elements(a, "s") == elements(b, "s") == set()
    assert b.vertex_count() == before + 2
    say(a, ("put", ADD, "s", b"x"))
    world.run(1)
    assert elements(b, "s") == {b"x"}


def test_what_is_said_during_a_cut_converges() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    say(a, ("put", ADD, "s", b"x"))
    world.run(1)
    world.fate = lambda sender, to, channel: 0
    say(b, ("remove", "s", b"x"), ("put", REGISTER, "r", b"b"))
    say(a, ("put", ADD, "s", b"x"), ("put", REGISTER, "r", b"a"))
    world.run(1)
    assert elements(b, "s") == set() and elements(a, "s") == {b"x"}
    world.fate = lambda sender, to, channel: 1
    world.run(20)
    assert elements(a, "s") == elements(b, "s") == {b"x"}, "what was put in once more stays"
    assert len(roots(world)) == 1


def test_a_start_makes_the_same_state_from_the_log() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    say(a, ("put", ADD, "s", b"x"), ("count", "c", 5))
    world.run(1)
    say(b, ("count", "c", 6), ("put", REGISTER, "r", b"1"))
    world.run(1)
    before = a.node.shared.root()
    a.kill()
    a = world.boot("a", link=False)
    assert a.node.shared.root() == before is not None


def test_a_stop_says_what_still_waits() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    say(a, ("count", "c", 1))
    a.stop()
    world.run(1)
    assert b.node.shared.state.counters == {"c": {0: 1}}


def test_who_keeps_its_own_line_has_that_state_and_no_root() -> None:
    world = World(["leaf", "b", "gw"], ("gw",), own_only=("leaf",))
    leaf, b, _ = world.boot_all()
    say(leaf, ("count", "c", 1))
    say(b, ("count", "c", 2))
    world.run(3)
    assert leaf.node.shared.state.counters == {"c": {0: 1}}
    assert leaf.node.shared.root() is None and not leaf.node.shared.is_partial
    assert b.node.shared.state.counters == {"c": {0: 1, 1: 2}}


def trimmed() -> tuple[World, Machine, Machine]:
    """A device that has dropped the oldest part of its log, which a gateway has."""
    world = World(["a", "gw"], ("gw",))
    world.segment_records = 10
    a, gateway = world.boot_all()
    say(a, ("put", ADD, "s", b"old"), ("count", "c", 7), ("put", REGISTER, "r", b"old"))
    world.run(1)
    for number in range(30):
        a.submit(event(number), urgent=True)
        world.run(0.2)
    world.log_records = 60
    world.run(12)
    assert a.node.counts()["trims"] and a.dropped
    return world, a, gateway


def test_state_outlives_the_vertices_that_it_came_from() -> None:
    world, a, gateway = trimmed()
    before = a.node.shared.root()
    assert before == gateway.node.shared.root() is not None
    a.kill()
    a = world.boot("a", link=False)
    assert not a.node.shared.is_partial
    assert a.node.shared.root() == before
    say(a, ("remove", "s", b"old"), ("count", "c", 1))
    world.run(1)
    assert elements(a, "s") == set() and a.node.shared.state.counters == {"c": {0: 8}}


def test_a_floor_without_state_makes_what_a_start_finds_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trim, "FLOOR_BYTES_MAX", 250)
    world, a, _ = trimmed()
    assert "log-floor-without-state" in [report.event for report in a.reports]
    a.kill()
    a = world.boot("a")
    assert a.node.shared.root() is None
    assert a.node.status(world.now)["state"]["partial"]


def test_a_snapshot_of_more_than_the_log_still_has_is_partial_until_peers_give_it_back() -> None:
    world, a, gateway = trimmed()
    say(gateway, ("count", "c", 100))
    world.run(1)
    a.node.shared.root()
    key = max(branch.head for branch in a.node.graph.branches(gateway.index))
    a.floor = a.floor._replace(state=snapshot(a.node.shared.state))
    a.rot(key)
    a.kill()
    a = world.boot("a", link=False)
    assert a.node.shared.is_partial and a.node.shared.root() is None
    a.do(a.node.linked(True, world.now))
    world.run(20)
    assert not a.node.shared.is_partial
    assert a.node.shared.root() == gateway.node.shared.root()


def test_own_operations_that_wait_are_bounded() -> None:
    """STATE_QUEUE_MAX."""
    a = World(["a"]).boot("a")
    for number in range(limits.STATE_QUEUE_MAX):
        a.node.shared.put(APPEND, "s", b"%d" % number, a.world.now)
    with pytest.raises(ValueError, match="wait to be recorded"):
        a.node.shared.put(APPEND, "s", b"more", a.world.now)
    a.world.run(3)
    assert a.node.counts()["state_queued"] == 0
    assert len(a.node.shared.state.series["s"]) == limits.STATE_QUEUE_MAX


def test_a_node_refuses_what_would_take_the_slot_of_something_else() -> None:
    """STATE_SLOTS_MAX, as our own side meets it."""
    a = World(["a"]).boot("a")
    shared, now = a.node.shared, a.world.now
    for number in range(limits.STATE_SLOTS_MAX):
        shared.count(f"{number:03}", 1, now)
    with pytest.raises(ValueError, match="no more are allowed"):
        shared.count("more", 1, now)
    a.world.run(2)
    with pytest.raises(ValueError, match="no more are allowed"):
        shared.count("more", 1, a.world.now)
    shared.count("000", 1, a.world.now)


def test_what_was_put_in_stays_however_much_comes_and_goes_after_it() -> None:
    a = World(["a"]).boot("a")
    say(a, ("put", ADD, "s", b"stays"))
    a.world.run(1)
    for number in range(2 * limits.STATE_SLOTS_MAX):
        say(a, ("put", ADD, "s", b"%d" % number))
        if number % 50 == 49:
            a.world.run(1)
            for gone in range(number - 49, number + 1):
                say(a, ("remove", "s", b"%d" % gone))
            a.world.run(1)
    assert elements(a, "s") == {b"stays"}


def test_so_many_elements_of_its_own_may_a_node_have() -> None:
    a = World(["a"]).boot("a")
    for number in range(OWN_ADDS_MAX):
        say(a, ("put", ADD, "s", b"%d" % number))
    with pytest.raises(ValueError, match="take some back first"):
        say(a, ("put", ADD, "s", b"more"))
    say(a, ("put", ADD, "s", b"0"))
    a.world.run(2)
    assert len(elements(a, "s")) == OWN_ADDS_MAX


def test_what_no_peer_would_take_is_refused_at_once() -> None:
    a = World(["a"]).boot("a")
    shared, now = a.node.shared, a.world.now
    with pytest.raises(ValueError, match="allowed: a name of 1 to 64 bytes"):
        shared.put(REGISTER, "", b"", now)
    with pytest.raises(ValueError, match="not 0"):
        shared.count("c", 0, now)
    with pytest.raises(ValueError, match="at most 256 bytes"):
        shared.put(ADD, "s", bytes(limits.STATE_VALUE_BYTES_MAX + 1), now)
    assert shared.noted == 0 and a.node.counts()["state_queued"] == 0


def test_what_is_not_there_cannot_be_taken_back() -> None:
    a = World(["a"]).boot("a")
    with pytest.raises(ValueError, match="no such element"):
        say(a, ("remove", "s", b"x"))
    a.node.shared.put(ADD, "s", b"x", a.world.now)
    with pytest.raises(ValueError, match="just now"):
        say(a, ("remove", "s", b"x"))


def test_what_we_put_in_before_our_log_was_lost_another_device_takes_back() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    say(a, ("put", ADD, "s", b"x"))
    world.run(1)
    a.kill()
    a.log.clear()
    world.ms += 5_000
    a = world.boot("a")
    world.run(20)
    say(a, ("count", "c", 1))
    world.run(2)
    assert elements(a, "s") == {b"x"}
    with pytest.raises(ValueError, match="another one can take it back"):
        say(a, ("remove", "s", b"x"))
    say(b, ("remove", "s", b"x"))
    world.run(2)
    assert elements(a, "s") == elements(b, "s") == set()
    assert len(roots(world)) == 1 and None not in roots(world)


def test_an_own_line_that_broke_is_partial_until_a_start_reads_the_log_anew() -> None:
    world = World(["a", "b"])
    a = world.boot("a", link=False)
    say(a, ("count", "c", 1))
    world.run(1)
    say(a, ("count", "c", 2))
    world.run(1)
    b = world.boot("b")
    keys = [branch.head for branch in a.node.graph.branches(0)]
    a.rot(keys[0])
    a.do(a.node.linked(True, world.now))
    world.run(30)
    assert a.node.shared.is_partial and a.node.shared.root() is None
    a.stop()
    world.ms += 5_000
    a = world.boot("a")
    world.run(30)
    assert a.node.shared.root() == b.node.shared.root() is not None
