"""The words for how far what is shown has come: each value gets the one that its vertex or register has earned."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge import converged, registers
from edge.consensus.checkpoint import Checkpoints, Leaf, Seal
from edge.consensus.lease import Term, encode_term
from edge.consensus.question import final_id, value_digest
from edge.consensus.registers import Final, Registers
from edge.consensus.shown import vertex_word
from edge.effects import FinalsSealed
from edge.limits import LEASE_MS_MIN
from edge.node.certified import Certified
from edge.node.desk import Desk
from edge.wire.finals import tag_of
from edge.wire.items import ADD, APPEND, GROW, REGISTER, Question
from tests.builders import Machine, World
from tests.unit.node.test_sealing import SOON
from tests.unit.node.test_sealing import version as checkpoint_of
from tests.unit.node.test_voting import propose, site

TYPES = ["grow", "set", "register", "counter", "series"]


def agent_of(machine: Machine) -> Any:
    """What answers on the control socket look at."""
    identity = SimpleNamespace(roster=machine.world.roster, member=SimpleNamespace(index=machine.index))
    return SimpleNamespace(node=machine.node, identity=identity)


def say(machine: Machine, value: bytes, delta: int) -> None:
    """Something of each type."""
    shared, now = machine.node.shared, machine.world.now
    for kind in (GROW, ADD, REGISTER, APPEND):
        shared.put(kind, "n", value, now)
    shared.count("n", delta, now)


def listed(machine: Machine, **asked: bool) -> dict[str, str]:
    """By type, the word of the name that all have used."""
    return {row["type"]: row["state"] for row in converged.state(agent_of(machine), asked)["names"]}


def of_values(machine: Machine, **asked: bool) -> dict[str, Any]:
    """By type, the word of each value, or that of the only one."""
    rows = converged.state_get(agent_of(machine), {"name": "n", **asked})
    return {
        row["type"]: {value["value"]: value["state"] for value in row["values"]} if "values" in row else row["state"]
        for row in rows
    }


@pytest.fixture
def world() -> World:
    """Words come after a second, checkpoints after ten."""
    return site("x", **{**SOON, "witness_ms": 1_000.0})


def test_a_word_is_the_highest_that_is_reached() -> None:
    reached = {"witnessed": 5, "sealed": 3}
    assert [vertex_word(reached, seq, is_own=True) for seq in (3, 4, 6)] == ["sealed", "witnessed", "recorded"]
    assert vertex_word({}, 1, is_own=False) == "held"


def test_shared_state_is_recorded_or_held_then_witnessed_then_sealed(world: World) -> None:
    x, a = world.machines["x"], world.machines["a"]
    assert converged.state(agent_of(x), {})["names"] == []
    say(x, b"one", 2)
    world.run(0.6)
    assert listed(x) == dict.fromkeys(TYPES, "recorded") and listed(a) == dict.fromkeys(TYPES, "held")
    world.run(4)
    assert listed(x) == listed(a) == dict.fromkeys(TYPES, "witnessed")
    assert of_values(a)["set"] == {"one": "witnessed"} and listed(a, sealed=True) == {}
    world.run(30)
    assert checkpoint_of(x) == 1
    assert listed(x) == listed(a) == listed(x, sealed=True) == dict.fromkeys(TYPES, "sealed")


def test_of_several_parts_each_has_its_own_word_and_the_name_that_of_the_last(world: World) -> None:
    x, a = world.machines["x"], world.machines["a"]
    say(x, b"one", 2)
    world.run(35)
    assert checkpoint_of(x) == 1
    say(x, b"two", 3)
    world.run(0.6)
    assert listed(x) == dict.fromkeys(TYPES, "recorded")
    both = {"one": "sealed", "two": "recorded"}
    assert of_values(x) == {
        "grow": both, "set": both, "register": "recorded", "counter": "recorded", "series": both,
    }  # fmt: skip
    assert of_values(a)["grow"] == {"one": "sealed", "two": "held"}
    assert of_values(x, sealed=True)["counter"] == "sealed", "the number that the checkpoint has"
    world.run(60)
    assert listed(x) == listed(a) == dict.fromkeys(TYPES, "sealed")


def test_what_two_have_said_is_as_sure_as_one_and_what_they_counted_as_the_other(world: World) -> None:
    x, a = world.machines["x"], world.machines["a"]
    say(x, b"one", 2)
    world.run(35)
    say(a, b"one", 1)
    world.run(0.6)
    row = next(row for row in converged.state_get(agent_of(x), {"name": "n"}) if row["type"] == "counter")
    assert (row["states"], row["state"]) == ({"x": "sealed", "a": "held"}, "held")
    assert of_values(x)["grow"] == of_values(x)["set"] == {"one": "sealed"}, "as x has said it"
    assert (listed(x)["grow"], listed(x)["counter"], listed(x)["series"]) == ("sealed", "held", "held")


def test_where_vertices_above_the_checkpoint_are_not_at_hand_no_more_is_claimed(world: World) -> None:
    x = world.machines["x"]
    say(x, b"one", 2)
    world.run(5)
    assert listed(x) == dict.fromkeys(TYPES, "witnessed")
    x.node.shared.sealed._above.held.clear()
    assert listed(x) == dict.fromkeys(TYPES, "witnessed") | {"grow": "recorded", "counter": "recorded"}


def row_of(machine: Machine, key: str) -> dict[str, Any]:
    return next(row for row in registers.registers(agent_of(machine)) if row["key"] == key)


def test_a_register_its_certificate_and_a_lease_are_final_then_sealed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registers, "now", lambda: world.now)
    a, x = world.machines["a"], world.machines["x"]
    propose(a, "model", b"one")
    propose(a, "lease/door", encode_term(Term(a.index, LEASE_MS_MIN)))
    world.run(3)
    model = {"scope": "site", "key": "model"}

    def words(machine: Machine) -> list[str]:
        (lease,) = registers.leases(agent_of(machine))
        certificate = registers.certificate(agent_of(machine), model)
        return [row_of(machine, "model")["state"], certificate["state"], lease["level"]]

    assert words(a) == words(x) == ["final"] * 3
    world.run(30)
    assert words(a) == words(x) == ["sealed"] * 3
    assert row_of(x, "checkpoint")["state"] == "final", "nothing is above it"
    propose(a, "model", b"two")
    world.run(2)
    assert words(x) == ["final", "final", "sealed"]


@pytest.mark.parametrize(("sealed_version", "is_other_sealed"), [(1, False), (2, True)])
def test_a_checkpoint_seals_the_value_that_it_vouches_for_and_no_other_of_its_version(
    sealed_version: int, is_other_sealed: bool
) -> None:
    """As where a committee in the place of a lost one has decided a version again."""
    here, question = b"sitesite", Question("site", 1, "model", 1, None)
    checkpoints = Checkpoints(here, Registers(here))
    leaf = Leaf(sealed_version, final_id(here, question, value_digest(b"one")))
    checkpoints.adopt("site", Seal(1, (), {tag_of("site", "model"): leaf}))
    certified = Certified(Desk(), lambda question: (question.version, question.epoch), checkpoints)
    assert certified.is_sealed(Final(question, b"one", 0, b""))
    assert certified.is_sealed(Final(question._replace(epoch=2), b"two", 0, b"")) == is_other_sealed
    assert not certified.is_sealed(Final(question._replace(version=3), b"three", 0, b""))


def told(machine: Machine) -> list[tuple[str, int, bytes, bool]]:
    """What people were told, in order."""
    effects = [effect.finals if isinstance(effect, FinalsSealed) else (effect,) for effect in machine.decided]
    return [(one.question.key, one.question.version, one.value, one.is_sealed) for more in effects for one in more]


def test_a_value_is_told_once_as_final_and_once_as_sealed(world: World) -> None:
    a, x = world.machines["a"], world.machines["x"]
    propose(a, "model", b"one")
    world.run(30)
    known = [("model", 1, b"one", False), ("checkpoint", 1), ("model", 1, b"one", True)]
    assert [one if one[0] == "model" else one[:2] for one in told(x)] == known
    world.run(60)
    assert len(told(x)) == 3, "nothing new is sealed"
    propose(a, "other", b"1")
    world.run(60)
    assert [one[:2] for one in told(x) if one[3]] == [("model", 1), ("other", 1)], "what stays as it was is not told"
    propose(a, "model", b"two")
    world.run(60)
    assert [one for one in told(x) if one[0] == "model"][2:] == [
        ("model", 2, b"two", False),
        ("model", 2, b"two", True),
    ]


def test_a_start_tells_nothing_again_and_what_is_sealed_after_it(world: World) -> None:
    a, x = world.machines["a"], world.machines["x"]
    propose(a, "model", b"one")
    world.run(30)
    propose(a, "late", b"two")
    world.run(2)
    x.kill()
    x = world.boot("x")
    assert told(x) == []
    world.run(60)
    assert [one for one in told(x) if one[0] != "checkpoint"] == [("late", 1, b"two", True)]


def test_what_came_below_a_checkpoint_is_told_as_sealed_at_once(world: World) -> None:
    x = world.machines["x"]
    x.kill()
    for number in range(5):
        propose(world.machines["a"], f"key/{number}", b"%d" % number)
        world.run(1)
    world.run(40)
    x = world.boot("x")
    world.run(20)
    keys = [one for one in told(x) if one[0].startswith("key/")]
    assert len(keys) == 5 and all(one[3] for one in keys)
