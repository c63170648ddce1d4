"""What people were told is remembered across starts, and given up once they know."""

import json
import os
from pathlib import Path

import pytest

from edge.limits import AGENTS_MAX, DISCOVERY_BYTES_MAX
from edge.shell.homeassistant import AgentCard, NodeCard, removal
from edge.shell.told import GONE_MAX, NAME, NOTHING, Gone, Told
from tests.unit.shell.people import SITE, Broker, at, people

HEAT = AgentCard("heat", "threshold")
BEARING = AgentCard("bearing", "argmax")
DISCOVERY = f"homeassistant/device/synedge-{SITE}-pump-7/config"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / NAME


def test_what_is_no_longer_told_is_gone_until_it_is_taken_back(file: Path) -> None:
    assert Told(file).begin({"a": "sensor", "b": "binary_sensor"}, True) == NOTHING
    second = Told(file)
    assert second.begin({"b": "sensor"}, True) == Gone({"a": "sensor", "b": "binary_sensor"}, False)
    assert Told(file).begin({"b": "sensor"}, True).agents == {"a": "sensor", "b": "binary_sensor"}, "not said yet"
    second.taken_back()
    assert Told(file).begin({"b": "sensor"}, False) == Gone({}, True)


def test_the_file_is_written_only_when_something_changes(file: Path) -> None:
    Told(file).begin({"a": "sensor"}, True)
    os.utime(file, ns=(1, 1))
    assert Told(file).begin({"a": "sensor"}, True) == NOTHING
    assert file.stat().st_mtime_ns == 1 and file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"agents": 3, "discovery": true}', '{"agents": {"a": "x/#"}}', "\xff"]
)
def test_a_damaged_file_counts_as_none(file: Path, text: str) -> None:
    file.write_text(text)
    assert Told(file).begin({"a": "sensor"}, True) == NOTHING
    assert json.loads(file.read_text()) == {"agents": {"a": "sensor"}, "discovery": True}


def test_a_disk_that_refuses_costs_the_memory_alone(tmp_path: Path) -> None:
    told = Told(tmp_path / "gone" / NAME)
    assert told.begin({"a": "sensor"}, True) == NOTHING
    told.taken_back()


def test_it_stays_within_its_bound_and_one_message(file: Path) -> None:
    names = [f"{number:032d}" for number in range(2 * AGENTS_MAX)]
    Told(file).begin(dict.fromkeys(names[:AGENTS_MAX], "binary_sensor"), True)
    gone = Told(file).begin(dict.fromkeys(names[AGENTS_MAX:], "binary_sensor"), True)
    assert len(gone.agents) == GONE_MAX
    assert len(Told(file).begin({}, True).agents) == GONE_MAX, "what was noted can be read again"
    assert len(removal(NodeCard("n" * 32, "", SITE), gone.agents)) <= DISCOVERY_BYTES_MAX


def test_people_note_it_once_a_broker_has_taken_all_of_it(file: Path) -> None:
    people(Broker(), HEAT, BEARING, told=Told(file))
    deaf = Broker(takes=False)
    people(deaf, BEARING, told=Told(file))
    broker = Broker()
    view = people(broker, BEARING, told=Told(file))
    assert broker.retained == {"synedge/n/pump-7/agent/heat": ""}
    other = Broker()
    view._publish_text = other.publish_text
    view.linked(False, at(1))
    view.linked(True, at(2))
    assert other.retained == broker.retained, "another broker may hold it too"
    last = Broker()
    people(last, BEARING, told=Told(file))
    assert last.retained == {}


def test_who_wants_no_discovery_any_more_leaves_none_behind(file: Path) -> None:
    people(Broker(), BEARING, home_assistant=True, told=Told(file))
    broker = Broker()
    people(broker, BEARING, told=Told(file))
    assert broker.lines == [(DISCOVERY, "")]
