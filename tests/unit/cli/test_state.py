"""`synedge state`: what it says of what an agent answers, and what it refuses before it asks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.limits import STATE_NAME_BYTES_MAX, STATE_VALUE_BYTES_MAX
from tests.unit.cli.conftest import Synedge, answering

LIST = {
    "root": "ab" * 32, "partial": False, "more": 3,
    "names": [
        {"type": "set", "name": "on duty", "count": 2, "state": "held"},
        {"type": "register", "name": "limit", "value": "21.5", "value_hex": "32312e35", "state": "sealed"},
        {"type": "counter", "name": "doors", "total": -4, "state": "witnessed"},
        {"type": "series", "name": "notes", "count": 1, "state": "recorded"},
    ],
}  # fmt: skip
GET = [
    {"type": "set", "name": "a", "more": False,
     "values": [{"value": None, "value_hex": "00ff", "by": ["pump-7"], "state": "witnessed"}]},
    {"type": "register", "name": "a", "value": "1", "value_hex": "31", "by": "valve-2", "time_ms": 5,
     "state": "sealed"},
    {"type": "counter", "name": "a", "total": 3, "by": {"pump-7": 5, "valve-2": -2}, "state": "held",
     "states": {"pump-7": "recorded", "valve-2": "held"}},
]  # fmt: skip


class Agent:
    """Notes what is asked, and records what was said after so many more questions."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {"state": LIST, "state_get": GET}
        self.patience = 2
        self.life = 1

    def __call__(self, asked: dict[str, Any]) -> Any:
        self.asked.append(asked)
        return self.answers.get(asked["op"], self._said(asked["op"]))

    def _said(self, op: str) -> dict[str, int]:
        if op == "state_say":
            return {"number": 7, "recorded": 6, "life": 1}
        self.patience -= 1
        return {"recorded": 7 if self.patience <= 0 else 6, "life": self.life}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "synedge.toml"
    file.write_text('[node]\nname = "pump"\n')
    return file


@pytest.fixture
def agent(config: Path) -> Iterator[Agent]:
    made = Agent()
    with answering(config.parent, made):
        yield made


def test_the_list_ends_with_the_root(agent: Agent, config: Path, synedge: Synedge) -> None:
    lines = synedge("state", "list", "-c", config).out.splitlines()
    assert lines[1].split() == ["set", "on", "duty", "2", "elements", "held"]
    assert [line.split()[-1] for line in lines[2:5]] == ["sealed", "witnessed", "recorded"]
    assert lines[3].split() == ["counter", "doors", "-4", "witnessed"]
    assert lines[5:] == ["and 3 more; `synedge state get NAME` shows each", f"root {'ab' * 32}"]
    assert synedge("state", "list", "-c", config, "--json").json == LIST
    agent.answers["state"] = {"root": None, "partial": True, "names": [], "more": 0}
    assert synedge("state", "list", "-c", config).out.splitlines() == [
        "nobody has said anything yet",
        "partial: this device lacks part of what was said",
    ]
    agent.answers["state"] = {"root": None, "partial": False, "names": [], "more": 0}
    assert "own line only" in synedge("state", "list", "-c", config).out


def test_state_is_shown_as_the_newest_checkpoint_has_it(agent: Agent, config: Path, synedge: Synedge) -> None:
    said = {"root": "cd" * 32, "partial": False, "version": 3, "newest": 3, "names": [], "more": 0}

    def last(**changed: object) -> str:
        agent.answers["state"] = said | changed
        return synedge("state", "list", "--sealed", "-c", config).out.splitlines()[-1]

    assert last() == f"as of checkpoint site/3, root {'cd' * 32}"
    assert agent.asked[-1] == {"op": "state", "sealed": True}
    assert last(newest=5) == f"as of checkpoint site/3, root {'cd' * 32}; 5 is final and not followed yet"
    assert last(version=0, newest=0).startswith("no checkpoint")
    assert "handed it over" in last(partial=True, root=None)
    assert "nobody else's" in last(root=None)
    synedge("state", "get", "a", "--sealed", "-c", config)
    assert agent.asked[-1] == {"op": "state_get", "name": "a", "sealed": True}


def test_a_name_is_shown_in_each_of_its_types(agent: Agent, config: Path, synedge: Synedge) -> None:
    out = synedge("state", "get", "a", "-c", config).out
    for said in ("set: 1", "0x00ff", "register: 1, by valve-2, sealed", "counter: 3, held"):
        assert said in out
    ends = [line.split() for line in out.splitlines()]
    for row in (["0x00ff", "pump-7", "witnessed"], ["pump-7", "5", "recorded"], ["valve-2", "-2", "held"]):
        assert row in ends
    agent.answers["state_get"] = []
    ended = synedge("state", "get", "a", "-c", config)
    assert (ended.code, ended.out) == (1, "a: nothing\n")


def test_what_is_said_is_waited_for(agent: Agent, config: Path, synedge: Synedge) -> None:
    assert synedge("state", "set", "limit °C", "21,5 °", "-c", config).out == "limit °C: recorded\n"
    assert agent.asked[0] == {
        "op": "state_say", "verb": "set", "name": "limit °C", "value_hex": "21,5 °".encode().hex()
    }  # fmt: skip
    assert [asked["op"] for asked in agent.asked[1:]] == ["state_said"] * 2
    assert synedge("state", "count", "doors", "-3", "--wait", "0", "-c", config).out == "doors: said\n"
    assert agent.asked[-1] == {"op": "state_say", "verb": "count", "name": "doors", "delta": -3}
    synedge("state", "add", "s", "x", "--grow", "--wait", "0", "-c", config)
    assert agent.asked[-1]["verb"] == "grow"


def test_what_is_not_recorded_in_time_ends_with_75(agent: Agent, config: Path, synedge: Synedge) -> None:
    agent.patience = 1_000_000
    assert synedge("state", "append", "n", "x", "--wait", "0.1", "-c", config).code == 75
    agent.life = 2
    ended = synedge("state", "append", "n", "x", "-c", config)
    assert ended.code == 75 and "began anew" in ended.err


@pytest.mark.parametrize(
    "words",
    [
        ("set", "", "x"),
        ("set", "n" * (STATE_NAME_BYTES_MAX + 1), "x"),
        ("add", "a\tb", "x"),
        ("append", "n", "x" * (STATE_VALUE_BYTES_MAX + 1)),
        ("count", "n", "0"),
        ("count", "n", "x"),
        ("get", "\x07"),
    ],
)
def test_what_no_agent_would_take_is_a_mistake(config: Path, synedge: Synedge, words: tuple[str, ...]) -> None:
    assert synedge("state", *words, "-c", config).code == 64
