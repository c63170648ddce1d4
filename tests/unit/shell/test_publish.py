"""What people and Home Assistant are told, and that a burst cannot flood them."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import limits
from edge.ids import Instant, VertexKey
from edge.shell import homeassistant
from edge.shell.homeassistant import NodeCard
from edge.shell.publish import EVENTS_BURST, EVENTS_PER_S, NODE_EVENTS_BURST, AgentCard, People, event_view, number
from edge.wire.event import Event
from tests.unit.shell.ha_schema import fault

SITE = "0011223344556677"
WALL_MS = 1_795_366_905_123
BEARING = AgentCard("bearing", "argmax", labels=("ok", "worn", "failing"))
KEY = VertexKey(3, 1, 17)


def worn(time_ms: int = WALL_MS, agent: str = "bearing", **changes: Any) -> Event:
    return Event(agent, "class", time_ms, ("worn",), None, 0.9300000071525574)._replace(**changes)


@dataclass
class Broker:
    """Takes what is published, as a broker would keep it."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    retained: dict[str, str] = field(default_factory=dict)
    takes: bool = True

    def publish_text(self, topic: str, text: str, retain: bool) -> bool:
        if not self.takes:
            return False
        assert "\n" not in text
        self.lines.append((topic, text))
        if retain:
            self.retained[topic] = text
        return True

    def json(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(text) for name, text in self.lines if name == topic]


def at(mono_ms: float) -> Instant:
    return Instant(mono_ms, WALL_MS + int(mono_ms))


def people(broker: Broker, *agents: AgentCard, home_assistant: bool = False, linked: bool = True) -> People:
    made = People(broker.publish_text, "pump-7", "Pump 7", SITE, agents or (BEARING,), home_assistant=home_assistant)
    if linked:
        made.linked(True, at(0))
    return made


def test_an_event_reads_like_a_log_line() -> None:
    broker = Broker()
    people(broker).recorded(KEY, [worn()], at(0))
    line = (
        '{"time":"2026-11-22T17:01:45.123Z","agent":"bearing","class":"worn","confidence":0.93,'
        '"seq":17,"index":0,"state":"recorded"}'
    )
    assert broker.lines == [("synedge/n/pump-7/event", line), ("synedge/n/pump-7/agent/bearing", line)]
    assert broker.retained == {"synedge/n/pump-7/agent/bearing": line}


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Event("a", "alarm", 0, (7.25,), "mm/s"), {"alarm": True, "value": 7.25, "unit": "mm/s"}),
        (Event("a", "clear", 0, (3.0,), "mm/s"), {"alarm": False, "value": 3, "unit": "mm/s"}),
        (Event("a", "value", 0, (21.5,), "°C"), {"value": 21.5, "unit": "°C"}),
        (Event("a", "value", 0, (1.0, 0.25)), {"value": 1, "values": [1, 0.25]}),
        (Event("a", "note", 0, ("hello",)), {"kind": "note", "value": "hello"}),
        (
            Event("a", "class", 0, ("x",), None, 1.0, None, None, 3),
            {"class": "x", "confidence": 1, "time_unsure": True, "gap_before": True},
        ),
    ],
)
def test_each_kind_in_its_own_words(event: Event, shown: dict[str, object]) -> None:
    common = {"time": "1970-01-01T00:00:00.000Z", "agent": "a", "seq": 1, "index": 0, "state": "recorded"}
    assert event_view(event, 1, 0) == common | shown


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (0.9300000071525574, 0.93),
        (3.0, 3),
        (-0.0, 0),
        (1e20, 1e20),
        (0.1, 0.1),
        (1_795_366_905.5, 1_795_366_905.5),
        (5e-324, 5e-324),
    ],
)
def test_numbers_are_short(value: float, short: float) -> None:
    assert number(value) == short
    assert len(json.dumps(number(value))) <= 12


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_tell_the_value(value: float) -> None:
    assert number(value) == pytest.approx(value, rel=1e-6, abs=1e-320)
    json.dumps(number(value), allow_nan=False)


def test_a_burst_is_bounded_the_newest_wins_and_the_skipped_are_counted() -> None:
    broker = Broker()
    view = people(broker)
    for vertex in range(200):  # 10,000 events a second for a second and a bit
        view.recorded(KEY._replace(seq=vertex + 1), [worn(WALL_MS + i) for i in range(64)], at(vertex * 6.4))
    shown = broker.json("synedge/n/pump-7/event")
    assert EVENTS_BURST <= len(shown) <= EVENTS_BURST + 1.28 * EVENTS_PER_S + 1
    for now in range(1300, 3000, 10):
        view.tick(at(now))
    shown = broker.json("synedge/n/pump-7/event")
    assert (shown[-1]["seq"], shown[-1]["index"]) == (200, 63)
    assert len(shown) + sum(line.get("skipped", 0) for line in shown) == 200 * 64
    assert json.loads(broker.retained["synedge/n/pump-7/agent/bearing"]) == shown[-1]
    assert view.counts()["people_events"] == len(shown)
    assert view.counts()["people_events"] + view.counts()["people_skipped"] == 200 * 64
    assert view.deadline(at(3000)) is None


def test_a_burst_of_one_agent_leaves_the_others_their_rate() -> None:
    broker = Broker()
    view = people(broker, AgentCard("loud", "value"), BEARING)
    for seq in range(50):
        view.recorded(KEY._replace(seq=seq + 1), [worn(agent="loud")] * 64, at(seq))
    view.recorded(KEY._replace(seq=51), [worn()], at(50))
    assert broker.json("synedge/n/pump-7/agent/bearing")[-1]["seq"] == 51


def test_many_agents_at_once_are_bounded_together() -> None:
    broker = Broker()
    agents = [AgentCard(f"a{i}", "argmax") for i in range(1000)]
    view = people(broker, *agents)
    for seq in range(3):
        view.recorded(KEY._replace(seq=seq + 1), [worn(agent=card.name) for card in agents], at(0))
    assert len(broker.json("synedge/n/pump-7/event")) == NODE_EVENTS_BURST
    for now in range(0, 20_000, 100):
        view.tick(at(now))
    for card in agents:
        assert json.loads(broker.retained[f"synedge/n/pump-7/agent/{card.name}"])["seq"] == 3


def test_while_the_broker_is_away_only_the_newest_waits() -> None:
    broker = Broker()
    view = people(broker, linked=False)
    for seq in range(1000):
        view.recorded(KEY._replace(seq=seq + 1), [worn()], at(seq))
    assert broker.lines == []
    assert view.deadline(at(1000)) is None
    view.linked(True, at(1000))
    (line,) = broker.json("synedge/n/pump-7/event")
    assert (line["seq"], line["skipped"]) == (1000, 999)


def test_a_new_broker_is_told_everything_retained_again() -> None:
    broker = Broker()
    view = people(broker, home_assistant=True)
    view.recorded(KEY, [worn()], at(10))
    view.state({"linked": True}, at(20))
    held = dict(broker.retained)
    assert len(held) == 3
    events = len(broker.json("synedge/n/pump-7/event"))
    view.linked(False, at(30))
    broker.retained.clear()
    view.linked(True, at(40))
    assert broker.retained == held
    assert len(broker.json("synedge/n/pump-7/event")) == events


def test_what_a_full_outbox_refused_is_said_again() -> None:
    broker = Broker()
    view = people(broker)
    broker.takes = False
    view.recorded(KEY, [worn()], at(0))
    assert broker.retained == {}
    broker.takes = True
    assert view.deadline(at(0)) is not None
    view.tick(at(200))
    assert json.loads(broker.retained["synedge/n/pump-7/agent/bearing"])["seq"] == 17
    assert view.deadline(at(200)) is None


def test_agents_max_bounds_agents_without_a_card() -> None:
    broker = Broker()
    view = people(broker)
    for i in range(limits.AGENTS_MAX + 10):
        view.recorded(KEY, [worn(agent=f"a{i}")], at(i * 1000))
    view.recorded(KEY, [worn(agent="not/a#name")], at(0))
    assert len([topic for topic in broker.retained if "/agent/" in topic]) == limits.AGENTS_MAX - 1
    assert view.counts()["people_skipped"] == 12


def test_state_every_five_seconds_at_most_unless_something_important_changes() -> None:
    broker = Broker()
    view = people(broker)
    status: dict[str, object] = {"linked": True, "vertices": 0, "log_share": 0.0123}
    for now in range(0, 20_000, 100):
        view.state(status | {"vertices": now}, at(now))
    shown = broker.json("synedge/n/pump-7/state")
    assert [line["vertices"] for line in shown] == [0, 5000, 10_000, 15_000]
    assert shown[0] == {
        "time": "2026-11-22T17:01:45.123Z",
        "node": "pump-7",
        "label": "Pump 7",
        "linked": True,
        "vertices": 0,
        "log_percent": 1.23,
        "last_recorded": None,
        "version": shown[0]["version"],
    }
    view.state(status | {"disk_full": True}, at(20_050))
    view.state(status | {"disk_full": False}, at(20_100))  # flapping
    view.state(status | {"disk_full": False}, at(20_600))
    assert [line.get("disk_full") for line in broker.json("synedge/n/pump-7/state")[-2:]] == [True, False]


def test_a_state_that_does_not_change_is_said_once_a_minute() -> None:
    broker = Broker()
    view = people(broker)
    for now in range(0, 180_000, 100):
        view.state({"linked": True}, at(now))
    assert len(broker.json("synedge/n/pump-7/state")) == 3


def test_state_tells_when_was_last_recorded() -> None:
    broker = Broker()
    view = people(broker)
    view.recorded(KEY, [worn(0), worn(WALL_MS)], at(0))
    view.state({}, at(0))
    assert broker.json("synedge/n/pump-7/state")[0]["last_recorded"] == "2026-11-22T17:01:45.123Z"


@pytest.mark.parametrize("name", ["", "Pump", "a/b", "a#", "+", "-a", "a" * 33, "ä", "a\n"])
def test_names_that_are_no_names_never_reach_a_topic(name: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        People(Broker().publish_text, name, "", SITE, [])
    with pytest.raises(ValueError, match="topic"):
        People(Broker().publish_text, "pump-7", "", SITE, [AgentCard(name, "value")])
    with pytest.raises(ValueError, match="site"):
        People(Broker().publish_text, "pump-7", "", "../../x", [])


HOSTILE = '"},"x":{"\x1b[31m{{ states }}\u202e\n/#+'


def test_free_text_is_only_data() -> None:
    broker = Broker()
    card = AgentCard("bearing", "argmax", labels=(HOSTILE, "b"), unit=HOSTILE, label=HOSTILE)
    view = People(broker.publish_text, "pump-7", HOSTILE, SITE, [card])
    view.linked(True, at(0))
    view.recorded(KEY, [worn(values=(HOSTILE,), unit=HOSTILE)], at(0))
    view.state({"broker": HOSTILE}, at(0))
    assert {topic for topic, _ in broker.lines} == {
        f"homeassistant/device/synedge-{SITE}-pump-7/config",
        *(f"synedge/n/pump-7/{name}" for name in ("event", "agent/bearing", "state")),
    }
    assert all(text.isprintable() for _, text in broker.lines)
    assert broker.json("synedge/n/pump-7/event")[0]["class"] == HOSTILE
    assert broker.json("synedge/n/pump-7/state")[0]["broker"] == HOSTILE


AGENTS = [
    BEARING,
    AgentCard("plain", "argmax"),
    AgentCard("heat", "threshold", unit="°C", label="Überhitzung"),
    AgentCard("speed", "value", unit="1/min", rhythm_ms=60_000),
    AgentCard("odd", "value"),
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
        "value_template": "{{ value_json['class'] }}",
        "device_class": "enum",
        "options": ["ok", "worn", "failing"],
    }
    assert "options" not in components["agent_plain"]
    assert (components["agent_heat"]["platform"], components["agent_heat"]["name"]) == ("binary_sensor", "Überhitzung")
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


def test_forget_takes_back_what_is_retained() -> None:
    broker = Broker()
    view = people(broker, home_assistant=True)
    view.recorded(KEY, [worn()], at(0))
    view.state({}, at(0))
    view.forget()
    assert set(broker.retained.values()) == {""}
