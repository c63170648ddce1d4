"""Sensors that speak nonsense, stop or fall silent: named, counted and said once; the agent records what is good."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.integration.agents import Field, Node, field, until

SENSORS = """
[mqtt]
discover = false

[broker]
host = "always"

[[source]]
name = "accel"
kind = "mqtt"
topic = "sensors/pump/accel"
fields = ["x"]

[[agent]]
name = "bearing"
source = "accel"
decide = { kind = "value" }

[[source]]
name = "brief"
kind = "command"
argv = ["DIR/brief"]
format = "csv"

[[agent]]
name = "short"
source = "brief"
decide = { kind = "value" }
"""
BRIEF = """#!/bin/sh
# Ends twice, then goes on.
echo 1
echo >> DIR/lives
[ "$(wc -l < DIR/lives)" -ge 3 ] || { echo "sensor unplugged" >&2; exit 3; }
while read -r line; do echo "$line"; done < DIR/more
"""


def lines(node: Node, *words: str) -> list[str]:
    return [line for line in node.said().splitlines() if all(word in line for word in words)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with field(tmp_path_factory.mktemp("sources"), "one") as site:
        yield running(site)


def running(site: Field) -> Node:
    node = site["one"]
    directory = str(node.directory)
    os.mkfifo(node.directory / "more")
    program = node.directory / "brief"
    program.write_text(BRIEF.replace("DIR", directory))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    node.configure(SENSORS.replace("DIR", directory))
    node.up()
    node.feed(1, 2, 3)  # then silence: the third test waits for it to be noticed
    node.waits_for(lambda status: status["mqtt"]["connected"], "reaches its own broker")
    return node


def publish(node: Node, *payloads: bytes) -> None:
    """As any sensor on the network would, with a client that is not ours."""
    host, _, port = node.now()["mqtt"]["hosted"].rpartition(":")
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(host, int(port))
    client.loop_start()
    try:
        for payload in payloads:
            client.publish("sensors/pump/accel", payload, qos=1).wait_for_publish(10)
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_topic_that_is_not_json(node: Node) -> None:
    publish(node, b'{"x": 1}', b"twelve", b'{"y": 2}', b"\xff\xfe{", b'{"x": [1,', b'{"x": "high"}', b"")
    node.waits_for(lambda status: status["sources"]["accel"]["refused"] == 6, "six payloads refused")
    source = node.now()["sources"]["accel"]
    assert source["state"] == "failing"
    assert "a payload on topic sensors/pump/accel" in source["detail"]
    assert "expected is JSON with a number at x" in source["detail"]
    node.says("source-failing", "source=accel", "sensors/pump/accel")
    publish(node, b'{"x": 7}', b'{"x": 8.5}')
    node.waits_for(lambda status: status["sources"]["accel"]["readings"] == 3, "good messages are taken again")
    until(lambda: {7.0, 8.5} <= set(node.values(1)), "and recorded")
    assert len(lines(node, "source-failing", "source=accel")) == 1, "said once"


def test_a_command_that_ends(node: Node) -> None:
    node.says("source-failing", "source=brief", "ended with status 3", "sensor unplugged")
    node.waits_for(lambda status: status["sources"]["brief"]["readings"] >= 3, "started again, twice")
    with open(node.directory / "more", "w") as more:
        node.waits_for(lambda status: status["sources"]["brief"]["restarts"] == 2, "it goes on now")
        for value in range(100, 110):
            more.write(f"{value}\n")
        more.flush()
        until(lambda: set(range(100, 110)) <= set(node.values(1)), "what it says is recorded")
        assert len(lines(node, "source-failing", "source=brief")) == 1, "one report for the whole outage"


def test_a_sensor_that_falls_silent_is_said_once_and_its_return_too(node: Node) -> None:
    node.says("source", "name=feed", "has sent nothing for")
    node.feed(5, 6)
    node.says("source", "name=feed", "sends again after")
    until(lambda: {5.0, 6.0} <= set(node.values(1)), "what it sends is recorded")
    assert len(lines(node, "name=feed", "has sent nothing")) == 1
    assert node.ask("agents")["level"]["is_silent"] is False


def test_nothing_was_lost_on_the_way(node: Node) -> None:
    tally = node.now()["readings"]
    assert tally["readings"] == tally["recorded"] + tally["quiet"] + tally["shed"] + tally["open"]
    assert node.down() == 0
    assert node.is_clean()
    verdict = node.audit()
    assert verdict["ok"], verdict["reasons"]
    assert verdict["events"] == tally["recorded"]


def test_the_directory_holds_no_child_of_ours(node: Node) -> None:
    """The commands ended with the agent."""
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert str(node.directory).encode() not in status.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
