"""What an agent answers about shared state."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge import converged
from edge.limits import STATE_ROWS_MAX
from edge.wire.items import ADD, APPEND, GROW, REGISTER
from tests.builders import World


def agent_of(world: World, name: str) -> Any:
    node = world.machines[name].node
    return SimpleNamespace(node=node, loop=SimpleNamespace(tell=lambda act: act()))


def test_a_name_is_told_in_each_of_its_types_with_who_said_it() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    for machine in (a, b):
        shared = machine.node.shared
        for kind in (GROW, ADD, REGISTER, APPEND):
            shared.put(kind, "n", b"\xff" if machine is a and kind == ADD else b"x", world.now)
        shared.count("n", 2 + machine.index, world.now)
    world.run(2)
    grow, elements, register, counter, series = converged.state_get(agent_of(world, "a"), {"name": "n"})
    assert grow["values"] == [{"value": "x", "value_hex": "78", "by": ["a", "b"], "state": "recorded"}]
    assert [(row["value"], row["value_hex"], row["by"]) for row in elements["values"]] == [
        ("x", "78", ["b"]),
        (None, "ff", ["a"]),
    ]
    assert (register["value"], register["by"]) == ("x", "b") and register["time_ms"] > 1_760_000_000_000
    assert (counter["total"], counter["by"]) == (5, {"a": 2, "b": 3})
    assert [(row["value"], row["by"]) for row in series["values"]] == [("x", "a"), ("x", "b")]
    assert converged.state_get(agent_of(world, "a"), {"name": "m"}) == []
    told, other = (converged.state(agent_of(world, name), {}) for name in "ab")
    assert told["root"] == other["root"] is not None
    assert [(row["type"], row.get("count"), row.get("total")) for row in told["names"]] == [
        ("grow", 1, None), ("set", 2, None), ("register", None, None), ("counter", None, 5), ("series", 2, None),
    ]  # fmt: skip


def test_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert STATE_ROWS_MAX >= 256
    monkeypatch.setattr(converged, "STATE_ROWS_MAX", 2)
    world = World(["a"])
    a = world.boot("a")
    for number in range(3):
        a.node.shared.put(APPEND, "s", b"%d" % number, world.now)
        a.node.shared.count(f"c{number}", 1, world.now)
    world.run(1)
    told = converged.state(agent_of(world, "a"), {})
    assert (len(told["names"]), told["more"]) == (2, 2)
    (series,) = converged.state_get(agent_of(world, "a"), {"name": "s"})
    assert [row["value"] for row in series["values"]] == ["1", "2"] and series["more"], "the newest"


def test_what_is_said_has_a_number_that_is_reached_when_it_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(["a"])
    monkeypatch.setattr(converged, "now", lambda: world.now)
    world.boot("a")
    agent = agent_of(world, "a")
    said = converged.state_say(agent, {"verb": "count", "name": "c", "delta": 2})
    assert (said["number"], said["recorded"]) == (1, 0)
    assert converged.state_say(agent, {"verb": "grow", "name": "c", "value_hex": "00"})["number"] == 2
    world.run(1)
    assert converged.state_said(agent)["recorded"] == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"verb": "drop", "name": "a", "value_hex": ""}, "verb 'drop': allowed"),
        ({"verb": ["add"], "name": "a", "value_hex": ""}, "allowed"),
        ({"verb": "add", "name": "a", "value_hex": "x"}, "bytes in hex"),
        ({"verb": "add", "name": "a"}, "bytes in hex"),
        ({"verb": "count", "name": "a", "delta": True}, "not 0"),
        ({"verb": "count", "name": "a", "delta": "1"}, "not 0"),
        ({"verb": "set", "name": "", "value_hex": ""}, "allowed: a name"),
        ({"verb": "remove", "name": "a", "value_hex": ""}, "no such element"),
    ],
)
def test_what_cannot_be_said_is_refused_with_a_reason(asked: dict[str, Any], said: str) -> None:
    world = World(["a"])
    world.boot("a")
    with pytest.raises(ValueError, match=said):
        converged.state_say(agent_of(world, "a"), asked)
