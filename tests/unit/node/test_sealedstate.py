"""Shared state at the cut of a checkpoint: the same at every node, known after a start, and voted for by who has it."""

from typing import Any

import pytest

from edge.consensus.checkpoint import CHECKPOINT_KEY, Checkpoint, decode_checkpoint, encode_checkpoint
from edge.dag.cut import Cut as EvictionCut
from edge.ids import Parent, VertexKey
from edge.limits import STATE_CUTS_MAX, STATE_JUDGED_MAX
from edge.node import statehandover
from edge.node.sealedstate import SealedState
from edge.state import above
from edge.state.root import Roots
from edge.wire.items import ADD, REGISTER, Put
from tests.builders import Machine, World
from tests.unit.node.test_sealing import SOON, version
from tests.unit.node.test_shared import say
from tests.unit.node.test_voting import site
from tests.unit.state.making import Line


def kept(machine: Machine) -> SealedState:
    return machine.node.shared.sealed


def checkpoint(machine: Machine) -> Checkpoint:
    final = machine.node.voting.agreement.registers.get("site", CHECKPOINT_KEY)
    assert final is not None
    checkpoint = decode_checkpoint(final.value)
    assert checkpoint is not None
    return checkpoint


def values(machine: Machine, name: str = "limit") -> list[bytes]:
    """Of a register, at the cut."""
    return [value for _, value in kept(machine).sealed.state().registers.get(name, {}).values()]


def roots(world: World) -> list[bytes]:
    return [kept(machine).sealed.root for machine in world.up()]


def at_work() -> World:
    world = site("x", **SOON)
    x, a = world.machines["x"], world.machines["a"]
    say(x, ("put", REGISTER, "limit", b"20"), ("put", ADD, "on duty", b"pump"), ("count", "doors", 3))
    world.run(2)
    say(a, ("remove", "on duty", b"pump"), ("count", "doors", -1))
    world.run(20)
    return world


def test_a_checkpoint_says_what_shared_state_comes_to_and_everybody_comes_to_the_same() -> None:
    world = at_work()
    assert [version(machine) for machine in world.up()] == [kept(machine).version for machine in world.up()]
    said = checkpoint(world.machines["x"])
    assert said.state is not None and set(roots(world)) == {said.state}
    for machine in world.up():
        assert Roots(kept(machine).sealed.state()).root() == machine.node.shared.root(), "all that is held is sealed"
        assert machine.node.counts()["state_above"] == 0
    x = world.machines["x"]
    say(x, ("put", REGISTER, "limit", b"30"))
    world.run(3)
    assert all(values(machine) == [b"20"] for machine in world.up()), "the next one brings it"
    assert kept(x).ends() == [max(branch.head for branch in x.node.graph.branches(4))]
    world.run(20)
    assert all(values(machine) == [b"30"] for machine in world.up()) and len(set(roots(world))) == 1


def test_nothing_new_is_no_reason_for_another_one() -> None:
    world = at_work()
    asked = [version(machine) for machine in world.up()]
    world.run(60)
    assert [version(machine) for machine in world.up()] == asked


def test_a_false_root_gets_no_vote_and_is_counted_and_a_true_one_is_decided_beside_it() -> None:
    world = site("x", **SOON)
    d = world.machines["d"]
    checkpoints = d.node.voting.agreement.checkpoints
    true = checkpoints.value

    def false(*asked: Any) -> bytes | None:
        made = decode_checkpoint(true(*asked) or b"")
        return encode_checkpoint(made._replace(state=bytes(32))) if made is not None else None

    checkpoints.value = false  # type: ignore[method-assign]
    d.node.voting.sealing._every_ms = 0.0
    for name in ("a", "b", "c"):
        world.machines[name].node.voting.sealing._every_ms = 20_000.0
    say(world.machines["x"], ("put", REGISTER, "limit", b"20"))
    world.run(14)
    assert d.node.counts()["checkpoints_asked"] >= 1
    assert [version(machine) for machine in world.up()] == [0] * 5
    assert world.machines["a"].node.counts()["state_sealed_wrong"] == 1, "it is judged once"
    world.run(40)
    assert all(values(machine) == [b"20"] for machine in world.up())
    assert len(set(roots(world))) == 1


def test_a_member_that_does_not_know_where_it_stands_lets_the_others_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statehandover, "LOST_MS", 1e9)
    world = site("x", **SOON)
    lost = world.machines["b"]
    kept(lost).is_short = True
    say(world.machines["x"], ("put", REGISTER, "limit", b"20"))
    world.run(20)
    assert [version(machine) for machine in world.up()] == [1] * 5
    assert checkpoint(world.machines["a"]).state is not None, "it asked after those who know more"
    assert values(lost) == [] and kept(lost).ends() is None and kept(lost).root(()) is None


def test_where_too_few_know_it_a_checkpoint_says_nothing_of_it_and_the_next_one_goes_on() -> None:
    world = site("x", **SOON)
    for name in ("a", "b"):
        kept(world.machines[name]).is_short = True
    say(world.machines["x"], ("put", REGISTER, "limit", b"20"))
    while not version(world.machines["a"]) and world.ms < 60_000:
        world.run(1)
    assert checkpoint(world.machines["a"]).state is None
    for name in ("a", "b"):
        kept(world.machines[name]).is_short = False
    world.run(40)
    assert all(values(machine) == [b"20"] for machine in world.up())


def test_it_comes_back_from_the_log() -> None:
    world = at_work()
    say(world.machines["x"], ("put", REGISTER, "limit", b"30"))
    world.run(20)
    before, versions = roots(world), [kept(machine).version for machine in world.up()]
    say(world.machines["x"], ("put", REGISTER, "limit", b"40"))
    world.run(2)
    for name in world.names:
        world.machines[name].kill()
    for name in world.names:
        world.boot(name)
    assert roots(world) == before and [kept(machine).version for machine in world.up()] == versions
    assert versions[0] >= 2 and kept(world.machines["a"]).is_current
    world.run(30)
    assert all(values(machine) == [b"40"] for machine in world.up()) and len(set(roots(world))) == 1


def trimmed() -> tuple[World, Machine]:
    """A member whose log has dropped what the state came from."""
    world = World(["a", "b", "c", "d", "g"], gateways=("g",), voting=("a", "b", "c", "d"), **SOON)
    world.segment_records, world.log_records = 8, 48
    world.boot_all()
    world.deliver()
    a = world.machines["a"]
    say(a, ("put", REGISTER, "limit", b"20"))
    world.run(20)
    say(a, ("put", REGISTER, "limit", b"30"))
    for _ in range(40):
        say(a, ("count", "doors", 1))
        world.run(1)
        a.do(a.node.log_share(0.9, world.now, a.segments()))
    assert a.floor.lines
    return world, a


def test_it_outlives_what_the_log_drops() -> None:
    world, a = trimmed()
    before = (kept(a).version, kept(a).sealed.root, kept(a)._above.seqs)
    assert a.floor.sealed is not None and before[0] > 1
    a.kill()
    a = world.boot("a", link=False)
    assert (kept(a).version, kept(a).sealed.root) == before[:2] and kept(a).is_current
    a.do(a.node.linked(True, world.now))
    world.run(30)
    assert len(set(roots(world))) == 1 and values(a) == [b"30"]


def test_a_floor_without_it_leaves_a_start_without_it() -> None:
    world, a = trimmed()
    a.floor = a.floor._replace(sealed=None)
    a.kill()
    a = world.boot("a", link=False)
    assert not kept(a).is_current and kept(a).is_lost and kept(a).ends() is None


def test_where_much_is_said_checkpoints_come_each_minute() -> None:
    world = site("x", checkpoint_ms=600_000.0, witness_ms=500.0)
    x = world.machines["x"]
    say(x, ("put", REGISTER, "limit", b"first"))
    world.run(100)
    assert kept(x).version == 0 and kept(world.machines["a"]).ready == 1
    for number in range(140):
        say(x, ("put", REGISTER, "limit", b"%d" % number))
        world.run(0.2)
    world.run(60)
    assert kept(x).version == 1 and int(values(x)[0]) >= 127 and len(set(roots(world))) == 1


def test_lines_of_who_has_forked_stay_where_they_are() -> None:
    world = at_work()
    for machine in world.up():
        say(machine, ("put", REGISTER, "limit", b"of %d" % machine.index))
    world.run(2)
    a = world.machines["a"]
    assert {end.author for end in kept(a).ends() or ()} == {0, 1, 2, 3, 4}
    for machine in world.up():
        machine.node._admission.quarantined[4] = None
    assert {end.author for end in kept(a).ends() or ()} == {0, 1, 2, 3}
    world.run(30)
    assert len(set(roots(world))) == 1
    assert sorted(values(a)) == [b"20", b"of 0", b"of 1", b"of 2", b"of 3"]


def test_lines_of_who_was_evicted_move_on_up_to_the_cut_alone() -> None:
    world = at_work()
    x, a = world.machines["x"], world.machines["a"]
    for value in (b"30", b"40"):
        say(x, ("put", REGISTER, "limit", value))
        world.run(1)
    (end,) = (end for end in kept(a).ends() or () if end.author == 4)
    below = end._replace(seq=end.seq - 1)
    for machine in world.up():
        graph = machine.node.graph
        heads = (Parent(*below, graph.id_at(below) or b""),)
        machine.node._admission.evicted[4] = EvictionCut(graph, heads)
    assert [end for end in kept(a).ends() or () if end.author == 4] == [below]
    world.run(30)
    assert all(values(machine) == [b"30"] for machine in world.up()) and len(set(roots(world))) == 1


def test_what_lies_above_is_known_after_the_log_has_dropped_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that found no room, and whose record is gone, keeps its line where it is: nothing false is proposed."""
    monkeypatch.setattr(above, "STATE_ABOVE_AUTHOR_MAX", 3)
    monkeypatch.setattr(above, "STATE_ABOVE_MAX", 8)
    state = kept(World(["a"]).boot("a"))
    line = Line(0)
    for number in range(12):
        state.entered(line.says(Put(REGISTER, "limit", b"%d" % number)))
    again = kept(World(["a"]).boot("a"))
    again.restored(state.dump(), has_floor=True)
    assert again._above.seqs == state._above.seqs and set(again._above.held) == set(state._above.held)
    assert again._above.between((0, 1), 0, 3) is not None and again._above.between((0, 1), 0, 4) is None


def test_what_has_no_room_in_memory_is_read_back_from_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """STATE_ABOVE_HELD_MAX and STATE_ABOVE_AUTHOR_MAX."""
    monkeypatch.setattr(above, "STATE_ABOVE_HELD_MAX", 8)
    monkeypatch.setattr(above, "STATE_ABOVE_AUTHOR_MAX", 5)
    world = site("x", **SOON)
    for machine in (world.machines["x"], world.machines["a"]):
        for number in range(12):
            say(machine, ("put", REGISTER, "limit", b"%d" % number))
            world.run(0.3)
    held = kept(world.machines["b"])._above
    assert held.count >= 12 and len(held.held) == 8
    assert max(sum(key.author == author for key in held.held) for author in (0, 4)) == 5
    world.run(120)
    assert all(sorted(values(machine)) == [b"11", b"11"] for machine in world.up())
    assert len(set(roots(world))) == 1 and version(world.machines["a"]) > 2


def test_more_lines_than_there_is_room_for_move_on_one_checkpoint_after_the_other() -> None:
    world = site(*(f"n{number}" for number in range(60)), voters=("a", "b", "c", "d"), **SOON)
    for machine in world.up():
        say(machine, ("put", REGISTER, "limit", b"%d" % machine.index))
    while not version(world.machines["a"]) and world.ms < 60_000:
        world.run(0.2)
    first = checkpoint(world.machines["a"])
    assert 20 < len(first.lines) < 64, "half of the room is for registers"
    world.run(30)
    assert len(values(world.machines["n7"])) == 64 and len(set(roots(world))) == 1


def ends(*seqs: int) -> tuple[VertexKey, ...]:
    return tuple(VertexKey(author, 1, seq) for author, seq in enumerate(seqs))


def test_only_so_many_checkpoints_wait_for_their_vertices_and_then_it_must_be_handed_over() -> None:
    """STATE_CUTS_MAX."""
    machine = site().machines["a"]
    state = kept(machine)
    for number in range(1, STATE_CUTS_MAX + 5):
        state.learned(number, ends(99), bytes(32))
    assert len(state._waiting) == STATE_CUTS_MAX and not state.is_current and not state.is_lost
    assert state.newest.version == STATE_CUTS_MAX + 4


def test_only_so_many_proposed_roots_are_remembered() -> None:
    """STATE_JUDGED_MAX."""
    machine = site().machines["a"]
    state = kept(machine)
    for number in range(STATE_JUDGED_MAX + 5):
        assert not state.fits((), number.to_bytes(32, "big"))
    assert len(state._judged) == STATE_JUDGED_MAX and state.wrong == STATE_JUDGED_MAX + 5
    assert state.fits((), state.sealed.root)


def test_more_vertices_than_are_counted_end_a_line_until_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """STATE_ABOVE_MAX."""
    monkeypatch.setattr(above, "STATE_ABOVE_MAX", 6)
    world = site("x", checkpoint_ms=1e9, witness_ms=500.0)
    x = world.machines["x"]
    for number in range(9):
        say(x, ("put", REGISTER, "limit", b"%d" % number))
        world.run(0.3)
    a = world.machines["a"]
    assert kept(a)._above.count == 6
    for machine in world.up():
        machine.node.voting.sealing._every_ms = 5_000.0
    world.run(30)
    assert values(a) == [b"5"] and len(set(roots(world))) == 1
    say(x, ("put", REGISTER, "limit", b"late"))
    world.run(20)
    assert values(a) == [b"5"], "what came between is not known"
    monkeypatch.setattr(above, "STATE_ABOVE_MAX", 100)
    world.options |= SOON
    for name in world.names:
        world.machines[name].kill()
    for name in world.names:
        world.boot(name)
    world.run(40)
    assert values(a := world.machines["a"]) == [b"late"] and len(set(roots(world))) == 1
