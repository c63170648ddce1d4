"""People's topics through a real Mosquitto, as `mosquitto_sub` shows them."""

import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.ids import Instant, VertexKey
from edge.shell import homeassistant
from edge.shell.publish import EVENTS_BURST, EVENTS_PER_S, AgentCard, People
from edge.shell.told import NAME, Told
from edge.wire.event import Event
from tests.unit.shell.ha_schema import fault

DEADLINE_S = 10.0
SITE = "0011223344556677"
WALL_MS = 1_795_366_905_123
AGENTS = [AgentCard("bearing", "argmax", labels=("ok", "worn")), AgentCard("heat", "threshold", unit="°C")]
DISCOVERY = f"homeassistant/device/synedge-{SITE}-pump-7/config"


class Mosquitto:
    """A broker of our own on a port of our own; it keeps nothing on disk."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._config = directory / f"mosquitto-{self.port}.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\n"
        )
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(["mosquitto", "-c", str(self._config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except ConnectionRefusedError:
                assert self._process.poll() is None, "mosquitto did not start"
                assert time.monotonic() < deadline, "mosquitto does not answer"
                time.sleep(0.01)

    def restart(self) -> None:
        self.stop()
        self._start()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Subscriber:
    """`mosquitto_sub -v`, line by line; it is subscribed once it has shown a retained message that was there before."""

    def __init__(self, port: int, *filters: str) -> None:
        probe = f"probe/{id(self)}"
        subprocess.run(["mosquitto_pub", "-p", str(port), "-t", probe, "-m", "x", "-r"], check=True)
        command = [
            "mosquitto_sub",
            "-p",
            str(port),
            "-v",
            *(word for name in (probe, *filters) for word in ("-t", name)),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._lines: Queue[str] = Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self._early: list[str] = []
        while (line := self._lines.get(timeout=DEADLINE_S)) != f"{probe} x":
            self._early.append(line)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))

    def lines(self, count: int) -> list[str]:
        """The next `count` lines."""
        while len(self._early) < count:
            self._early.append(self._lines.get(timeout=DEADLINE_S))
        taken, self._early = self._early[:count], self._early[count:]
        return taken

    def up_to(self, last: str) -> list[str]:
        """All lines before the one that starts with `last`."""
        taken = []
        while not (line := self.lines(1)[0]).startswith(last):
            taken.append(line)
        return taken

    def is_silent(self) -> bool:
        try:
            self._early.append(self._lines.get_nowait())
        except Empty:
            return not self._early
        return False

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join(DEADLINE_S)
        if self._process.stdout is not None:
            self._process.stdout.close()


class Publisher:
    """A client that does for `People` what the agent's loop does."""

    def __init__(self, port: int) -> None:
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.inbox: Queue[tuple[str, bytes]] = Queue()
        self.client.on_message = lambda _client, _userdata, message: self.inbox.put((message.topic, message.payload))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def publish_text(self, topic: str, text: str, retain: bool) -> bool:
        return self.client.publish(topic, text, 1, retain).rc == 0

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def subscribe(broker: Mosquitto) -> Iterator[Callable[..., Subscriber]]:
    opened: list[Subscriber] = []

    def open_one(*filters: str) -> Subscriber:
        opened.append(Subscriber(broker.port, *filters))
        return opened[-1]

    yield open_one
    for subscriber in opened:
        subscriber.close()


@pytest.fixture
def publisher(broker: Mosquitto) -> Iterator[Publisher]:
    publisher = Publisher(broker.port)
    yield publisher
    publisher.close()


def people_of(publisher: Publisher, told: Told | None = None) -> People:
    people = People(publisher.publish_text, "pump-7", "Pump 7", SITE, AGENTS, told=told)
    people.linked(True, at(0))
    return people


def at(mono_ms: float) -> Instant:
    return Instant(mono_ms, WALL_MS + int(mono_ms))


def worn(time_ms: int) -> Event:
    return Event("bearing", "class", time_ms, ("worn",), None, 0.93)


def test_mosquitto_sub_reads_like_a_log(subscribe: Callable[..., Subscriber], publisher: Publisher) -> None:
    shown = subscribe("synedge/n/#")
    people = people_of(publisher)
    people.recorded(VertexKey(0, 1, 17), [worn(WALL_MS), Event("heat", "alarm", WALL_MS, (81.5,), "°C")], at(1))
    people.state({"linked": True, "peers_online": 3, "log_share": 0.021}, at(2))
    worn_line = (
        '{"time":"2026-11-22T17:01:45.123Z","agent":"bearing","class":"worn","confidence":0.93,'
        '"seq":17,"index":0,"state":"recorded"}'
    )
    heat_line = (
        '{"time":"2026-11-22T17:01:45.123Z","agent":"heat","alarm":true,"value":81.5,"unit":"°C",'
        '"seq":17,"index":1,"state":"recorded"}'
    )
    *lines, state = shown.lines(5)
    assert lines == [
        f"synedge/n/pump-7/event {worn_line}",
        f"synedge/n/pump-7/event {heat_line}",
        f"synedge/n/pump-7/agent/bearing {worn_line}",
        f"synedge/n/pump-7/agent/heat {heat_line}",
    ]
    assert state.startswith(
        'synedge/n/pump-7/state {"time":"2026-11-22T17:01:45.125Z","node":"pump-7","label":"Pump 7",'
    )
    assert '"peers_online":3,"log_percent":2.1,"last_recorded":"2026-11-22T17:01:45.123Z"' in state


def test_a_late_subscriber_sees_the_newest_of_each_agent(
    subscribe: Callable[..., Subscriber], publisher: Publisher
) -> None:
    first = subscribe("synedge/n/#")
    people = people_of(publisher)
    for seq in (1, 2, 3):
        people.recorded(VertexKey(0, 1, seq), [worn(WALL_MS + seq)], at(seq))
    people.state({"linked": True}, at(4))
    first.up_to("synedge/n/pump-7/state")
    late = subscribe("synedge/n/#")
    topics = dict(line.split(" ", 1) for line in late.lines(2))
    assert sorted(topics) == ["synedge/n/pump-7/agent/bearing", "synedge/n/pump-7/state"]
    assert json.loads(topics["synedge/n/pump-7/agent/bearing"])["seq"] == 3
    assert late.is_silent()


def test_ten_thousand_events_a_second_arrive_as_a_few_lines(
    subscribe: Callable[..., Subscriber], publisher: Publisher
) -> None:
    shown = subscribe("synedge/n/#")
    people = people_of(publisher)
    for vertex in range(312):  # two seconds of 64 events every 6.4 ms
        people.recorded(VertexKey(0, 1, vertex + 1), [worn(WALL_MS)] * 64, at(vertex * 6.4))
    people.tick(at(3_000))
    people.state({}, at(3_000))
    lines = shown.up_to("synedge/n/pump-7/state")
    events = [json.loads(line.split(" ", 1)[1]) for line in lines if line.startswith("synedge/n/pump-7/event")]
    assert EVENTS_BURST < len(events) <= EVENTS_BURST + 3 * EVENTS_PER_S
    assert len(events) + sum(event.get("skipped", 0) for event in events) == 312 * 64
    assert (events[-1]["seq"], events[-1]["index"]) == (312, 63)


def test_a_broker_that_lost_everything_is_told_again(
    broker: Mosquitto, subscribe: Callable[..., Subscriber], publisher: Publisher
) -> None:
    people = people_of(publisher)
    people.recorded(VertexKey(0, 1, 5), [worn(WALL_MS)], at(0))
    people.state({"linked": True}, at(1))
    people.linked(False, at(2))
    publisher.close()
    broker.restart()
    again = Publisher(broker.port)
    people._publish_text = again.publish_text  # the site link keeps its surface when it changes broker
    shown = subscribe("synedge/n/#", "homeassistant/#")
    people.linked(True, at(3))
    topics = [line.split(" ", 1)[0] for line in shown.lines(3)]
    assert topics == [DISCOVERY, "synedge/n/pump-7/state", "synedge/n/pump-7/agent/bearing"]
    again.close()


def test_home_assistant_finds_the_node_and_is_told_again_when_it_comes_back(
    broker: Mosquitto, subscribe: Callable[..., Subscriber], publisher: Publisher
) -> None:
    people = people_of(publisher)
    shown = subscribe("homeassistant/device/#")
    (line,) = shown.lines(1)
    topic, text = line.split(" ", 1)
    assert fault(topic, text) is None
    device = json.loads(text)["device"]
    assert (device["name"], device["identifiers"]) == ("Pump 7", [f"synedge_{SITE}_pump-7"])

    publisher.client.subscribe(homeassistant.STATUS_TOPIC)
    subprocess.run(
        ["mosquitto_pub", "-p", str(broker.port), "-t", homeassistant.STATUS_TOPIC, "-m", "online", "-r"], check=True
    )
    topic, payload = publisher.inbox.get(timeout=DEADLINE_S)
    assert topic == homeassistant.STATUS_TOPIC
    people.home_assistant(payload, at(100))
    due = people.deadline(at(100))
    assert due is not None
    people.tick(at(due))
    assert shown.lines(1) == [line]


def test_an_agent_that_is_gone_is_taken_back_at_the_next_start(
    tmp_path: Path, subscribe: Callable[..., Subscriber], publisher: Publisher
) -> None:
    """`heat` leaves the configuration, `bearing` is shown as another kind of entity from then on."""
    people = people_of(publisher, told=Told(tmp_path / NAME))
    heat = Event("heat", "alarm", WALL_MS, (81.5,), "°C")
    people.recorded(VertexKey(0, 1, 1), [worn(WALL_MS), heat], at(0))
    home_assistant = subscribe("homeassistant/#")
    (first,) = home_assistant.lines(1)
    assert {"agent_bearing", "agent_heat"} <= set(json.loads(first.split(" ", 1)[1])["components"])
    shown = subscribe("synedge/n/+/agent/+")
    assert sorted(line.split(" ")[0] for line in shown.lines(2)) == [
        "synedge/n/pump-7/agent/bearing",
        "synedge/n/pump-7/agent/heat",
    ]

    again = People(
        publisher.publish_text, "pump-7", "Pump 7", SITE, [AgentCard("bearing", "threshold")],
        told=Told(tmp_path / NAME),
    )  # fmt: skip
    again.linked(True, at(0))
    assert shown.lines(1) == ["synedge/n/pump-7/agent/heat (null)"]
    removal, discovery = home_assistant.lines(2)
    for line in (removal, discovery):
        assert fault(*line.split(" ", 1)) is None
    gone = json.loads(removal.split(" ", 1)[1])["components"]
    assert (gone["agent_heat"], gone["agent_bearing"]) == ({"platform": "binary_sensor"}, {"platform": "sensor"})
    left = json.loads(discovery.split(" ", 1)[1])["components"]
    assert "agent_heat" not in left and left["agent_bearing"]["platform"] == "binary_sensor"

    late = subscribe("synedge/n/#", "homeassistant/#")
    topics = [line.split(" ", 1)[0] for line in late.lines(2)]
    assert sorted(topics) == [DISCOVERY, "synedge/n/pump-7/agent/bearing"]
    assert late.is_silent()


def test_every_topic_is_on_the_node_and_every_line_is_json(
    subscribe: Callable[..., Subscriber], publisher: Publisher
) -> None:
    shown = subscribe("synedge/#", "homeassistant/#")
    people = people_of(publisher)
    hostile = Event("bearing", "class", WALL_MS, ("a/#+\u202e{{x}}",), "%")
    people.recorded(VertexKey(0, 1, 1), [hostile], at(0))
    people.state({"broker": "127.0.0.1:1883"}, at(0))
    for line in shown.lines(4):
        topic, text = line.split(" ", 1)
        assert re.fullmatch(r"synedge/n/pump-7/(event|state|agent/bearing)", topic) or topic == DISCOVERY
        json.loads(text)
