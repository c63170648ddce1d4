"""A sensor that publishes JSON to a real Mosquitto, read through the node's own link."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.shell.mqtt import Ears, Link, MqttOptions
from edge.shell.sources import open_source
from tests.unit.shell.sources_sink import WAIT_S, Sink

TOPIC = "sensors/pump7/accel"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n")
    broker = subprocess.Popen(["mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + WAIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except ConnectionRefusedError:
            assert broker.poll() is None and time.monotonic() < deadline_s
            time.sleep(0.01)
    yield port
    broker.kill()
    broker.wait()


@pytest.fixture
def link(port: int) -> Iterator[Link]:
    up = threading.Event()
    options = MqttOptions(
        host="127.0.0.1", port=port, client_id="test", site="00" * 8, index=1, node="pump-7", keep_all=False
    )
    link = Link(options, Ears(lambda _: None), on_state=lambda is_up, _: up.set() if is_up else None)
    link.start()
    assert up.wait(WAIT_S)
    yield link
    link.stop()


def publish(port: int, payload: str, *more: str) -> None:
    command = ["mosquitto_pub", "-p", str(port), "-t", TOPIC, "-q", "1", "-m", payload, *more]
    subprocess.run(command, check=True, timeout=WAIT_S)


def test_readings_from_a_topic(port: int, link: Link):
    publish(port, json.dumps({"x": 0, "y": 0, "z": 0}), "-r")  # retained: shows that the subscription stands
    sink = Sink()
    source = open_source("accel", "mqtt", {"topic": TOPIC, "fields": ["x", "y", "z"]}, sink.report)
    source.start(sink.deliver, link.watch)
    sink.wait_count(1)
    publish(port, json.dumps({"x": [1, 2], "y": [3, 4], "z": [5, 6]}))
    publish(port, "not JSON")
    publish(port, json.dumps({"x": 7, "y": 8, "z": 9.5}))
    readings = sink.wait_count(4)
    assert source.stop()
    assert [reading.values for reading in readings[1:]] == [(1, 3, 5), (2, 4, 6), (7, 8, 9.5)]
    assert [reading.gap for reading in readings] == [False, False, False, True]
    assert f"a payload on topic {TOPIC} is not JSON" in str(sink.wait_said("source-failing")["reason"])
