"""Home Assistant is told what it understands, within its rules, and again when it comes back."""

import json
from typing import Any

import pytest

from edge import limits
from edge.shell import homeassistant
from edge.shell.homeassistant import NodeCard
from edge.shell.publish import AgentCard
from tests.unit.shell.ha_schema import fault
from tests.unit.shell.people import BEARING, KEY, SITE, Broker, at, people, worn

AGENTS = [
    BEARING,
    AgentCard("plain", "argmax"),
    AgentCard("heat", "threshold", unit="°C", label="Überhitzung"),
    AgentCard("speed", "value", unit="1/min", rhythm_ms=60_000),
    AgentCard("odd", "value"),
    AgentCard("drift", "drift", unit="°C"),
]


def discovered(agents: list[AgentCard], node: str = "pump-7", label: str = "Pump 7") -> tuple[str, str, dict[str, Any]]:
    card = NodeCard(node, label, SITE)
    text, left_out = homeassistant.discovery(card, agents)
    assert left_out == 0
    return homeassistant.discovery_topic(card), text, json.loads(text)


def test_discovery_keeps_home_assistants_rules() -> None:
    topic, text, message = discovered(AGENTS)
    assert fault(topic, text) is None
    components = message["components"]
    assert components["agent_bearing"] == {
        "platform": "sensor",
        "unique_id": f"synedge_{SITE}_pump-7_agent_bearing",
        "name": "bearing",
        "state_topic": "synedge/n/pump-7/agent/bearing",
        "json_attributes_topic": "synedge/n/pump-7/agent/bearing",
        "value_template": "{{ value_json['class'] | default(None) }}",
        "device_class": "enum",
        "options": ["ok", "worn", "failing"],
    }
    assert "options" not in components["agent_plain"]
    assert (components["agent_heat"]["platform"], components["agent_heat"]["name"]) == ("binary_sensor", "Überhitzung")
    drift = components["agent_drift"]
    assert (drift["platform"], drift["device_class"]) == ("binary_sensor", "problem")
    assert components["agent_speed"]["unit_of_measurement"] == "1/min"
    assert components["agent_speed"]["expire_after"] == 180
    assert "expire_after" not in components["agent_odd"]
    assert "unit_of_measurement" not in components["agent_odd"]
    assert message["availability"] == [{"topic": "synedge/n/pump-7/presence"}]
    assert components["connection"]["availability"] == []


@pytest.mark.parametrize(
    "break_it",
    [
        lambda m: m.update(extra=1),
        lambda m: m["device"].pop("identifiers"),
        lambda m: m["origin"].pop("name"),
        lambda m: m["components"]["log"].pop("unique_id"),
        lambda m: m["components"]["log"].pop("state_topic"),
        lambda m: m["components"]["log"].update(platform="gauge"),
        lambda m: m["components"]["log"].update(min=3),
        lambda m: m["components"]["agent_bearing"].update(unit_of_measurement="x"),
        lambda m: m["components"]["agent_bearing"].update(options=[]),
        lambda m: m["components"]["agent_plain"].update(unique_id=m["components"]["log"]["unique_id"]),
    ],
)
def test_the_rules_find_what_is_wrong(break_it: Any) -> None:
    topic, _, message = discovered(AGENTS)
    break_it(message)
    assert fault(topic, json.dumps(message)) is not None


def test_the_templates_read_what_is_published() -> None:
    """The keys that the templates name stand in the messages on their topics."""
    broker = Broker()
    view = people(broker, *AGENTS, home_assistant=True)
    view.recorded(
        KEY,
        [worn(), worn(agent="heat", kind="alarm", values=(80.0,)), worn(agent="speed", kind="value", values=(3.0,))],
        at(0),
    )
    view.state({"log_share": 0.5, "peers_online": 3, "disk_full": False}, at(0))
    components = json.loads(broker.retained[f"homeassistant/device/synedge-{SITE}-pump-7/config"])["components"]
    for key, name in (
        ("agent_bearing", "class"),
        ("agent_heat", "alarm"),
        ("agent_speed", "value"),
        ("log", "log_percent"),
        ("peers", "peers_online"),
        ("recorded", "last_recorded"),
        ("disk", "disk_full"),
    ):
        assert f"value_json['{name}']" in components[key]["value_template"] or (
            f"value_json.{name}" in components[key]["value_template"]
        )
        assert name in json.loads(broker.retained[components[key]["state_topic"]])


def test_ids_of_different_nodes_and_agents_never_meet() -> None:
    one = discovered([AgentCard("b-c", "value")], node="a")[2]["components"]
    other = discovered([AgentCard("c", "value")], node="a-b")[2]["components"]
    assert not {c["unique_id"] for c in one.values()} & {c["unique_id"] for c in other.values()}
    clash = discovered([AgentCard("log", "value")])[2]["components"]
    assert len({c["unique_id"] for c in clash.values()}) == len(clash)


def test_discovery_bytes_max_leaves_agents_out_and_says_so() -> None:
    broker = Broker()
    agents = [AgentCard(f"agent-{i}", "argmax", labels=("ж" * 30, "b")) for i in range(1000)]
    view = people(broker, *agents, home_assistant=True)
    topic, text = next((topic, text) for topic, text in broker.lines if topic.startswith("homeassistant/"))
    assert fault(topic, text) is None
    assert limits.DISCOVERY_BYTES_MAX // 2 < len(text) <= limits.DISCOVERY_BYTES_MAX
    shown = len([key for key in json.loads(text)["components"] if key.startswith("agent_")])
    assert view.counts()["people_agents_left_out"] == 1000 - shown > 0


def test_too_many_labels_are_shown_as_text() -> None:
    _, _, message = discovered([AgentCard("bird", "argmax", labels=tuple(f"species {i}" for i in range(4096)))])
    assert "options" not in message["components"]["agent_bird"]
    assert "device_class" not in message["components"]["agent_bird"]


def test_home_assistant_back_online_is_told_again_after_the_nodes_own_delay() -> None:
    broker = Broker()
    view = people(broker, home_assistant=True)
    topic = homeassistant.discovery_topic(NodeCard("pump-7", "Pump 7", SITE))
    delay_ms = homeassistant.resend_delay_ms(NodeCard("pump-7", "Pump 7", SITE))
    assert 500 <= delay_ms < 5000
    assert len(broker.json(topic)) == 1
    view.home_assistant(b"offline", at(0))
    assert view.deadline(at(0)) is None
    view.home_assistant(b"online", at(100))
    view.home_assistant(b"online", at(200))
    assert view.deadline(at(200)) == 100 + delay_ms
    view.tick(at(99 + delay_ms))
    assert len(broker.json(topic)) == 1
    view.tick(at(100 + delay_ms))
    view.tick(at(20_000))
    assert len(broker.json(topic)) == 2


def test_the_delays_of_a_site_are_spread() -> None:
    delays = {homeassistant.resend_delay_ms(NodeCard(f"pump-{i}", "", SITE)) for i in range(100)}
    assert len(delays) > 90


def test_without_home_assistant_nothing_is_said_to_it() -> None:
    broker = Broker()
    view = people(broker)
    view.home_assistant(b"online", at(0))
    view.tick(at(10_000))
    assert not [topic for topic, _ in broker.lines if topic.startswith("homeassistant")]
