"""What people and Home Assistant are told, and that a burst cannot flood them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import limits
from edge.effects import Decided
from edge.shell.publish import EVENTS_BURST, EVENTS_PER_S, NODE_EVENTS_BURST, AgentCard, People, event_view, number
from edge.wire.event import Event
from edge.wire.items import Question
from tests.unit.shell.people import BEARING, KEY, SITE, WALL_MS, Broker, at, people, worn


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


def test_many_that_wait_are_shown_in_turn_and_not_all_asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    cards = [AgentCard(f"a{i}", "argmax") for i in range(1000)]
    view = people(broker, *cards)
    asked: list[None] = []
    may_show = People._may_show
    monkeypatch.setattr(People, "_may_show", lambda *args: asked.append(None) or may_show(*args))
    for card in cards:
        view.recorded(KEY, [worn(agent=card.name)], at(0))
    asked.clear()
    for now_ms in range(0, 7_000, 10):
        view.tick(at(now_ms))
    assert len(asked) < 3 * len(cards), "seven hundred turns cost no look at everyone who waits"
    assert len([topic for topic in broker.retained if "/agent/" in topic]) == len(cards)


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


def test_a_final_value_is_said_again_once_it_is_sealed_under_the_same_topic() -> None:
    broker = Broker()
    view = people(broker)
    one = Decided(Question("site", 1, "model/a", 4, bytes(32)), b"3c0f", 0)
    topic = "synedge/n/pump-7/final/site/model/a"
    view.decided(one)
    view.decided(one._replace(is_sealed=True))
    rows = broker.json(topic)
    assert [row.pop("state") for row in rows] == ["final", "sealed"] and rows[0] == rows[1]
    assert (rows[0]["version"], rows[0]["value"]) == (4, "3c0f")
    assert list(broker.retained) == [topic] and json.loads(broker.retained[topic])["state"] == "sealed"
    broker.retained.clear()
    view.linked(False, at(1))
    view.linked(True, at(2))
    assert json.loads(broker.retained[topic])["state"] == "sealed", "another broker hears the newest"
