"""Payloads of a topic, without a broker: the link's callback is called by the test."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edge import limits
from edge.errors import ConfigError
from edge.sense.reading import Reading
from edge.shell.sources import Source, open_source
from tests.unit.shell.sources_sink import Sink, opened

Publish = Callable[[bytes], None]


@contextmanager
def subscribed(
    sink: Sink, deliver: Callable[[Reading], bool] | None = None, **options: object
) -> Iterator[tuple[Source, Publish]]:
    source = opened(sink, "mqtt", topic="sensors/pump7/accel", **options)
    callbacks: dict[str, Callable[[str, bytes], None]] = {}
    source.start(deliver or sink.deliver, callbacks.__setitem__)
    try:
        yield source, lambda payload: callbacks["sensors/pump7/accel"]("sensors/pump7/accel", payload)
    finally:
        assert source.stop()


def test_the_example_of_the_readme():
    sink = Sink()
    with subscribed(sink, fields=["x", "y", "z"]) as (source, publish):
        publish(b'{"x": 0.1, "y": -0.2, "z": 9.81}')
        (reading,) = sink.wait_count(1)
    assert reading.values == (0.1, -0.2, 9.81) and source.fields == ("x", "y", "z")


def test_a_bare_number_needs_no_fields():
    sink = Sink()
    with subscribed(sink) as (_, publish):
        publish(b"21.5")
        assert sink.wait_count(1)[0].values == (21.5,)


def test_a_batch_with_its_own_times():
    sink = Sink()
    with subscribed(sink, fields=["v"], time_field="t", time_unit="s") as (_, publish):
        publish(b'{"v": [1, 2], "t": [10, 11]}')
        readings = sink.wait_count(2)
    assert [(reading.time_ms, reading.values) for reading in readings] == [(10_000, (1.0,)), (11_000, (2.0,))]


def test_a_topic_that_is_not_json_names_the_topic_and_what_was_expected():
    sink = Sink()
    with subscribed(sink, fields=["x", "y"]) as (source, publish):
        publish(b"ready")
        said = sink.wait_said("source-failing")
        assert source.state == "failing"
        publish(b'{"x": 1}')
        publish(b'{"x": 1, "y": 2}')
        sink.wait_said("source-recovered")
    assert said["reason"] == (
        "a payload on topic sensors/pump7/accel is not JSON: Expecting value at byte 0; "
        "expected is JSON with a number at x, y"
    )
    assert [event for _, event, _ in sink.said] == ["source-failing", "source-recovered"], "said once for two payloads"
    assert source.counts() | {"refused": 2, "readings": 1, "messages": 3} == source.counts()
    assert sink.readings[0].gap


def test_a_payload_that_is_too_large_is_not_opened():
    sink = Sink()
    with subscribed(sink) as (_, publish):
        publish(b" " * limits.LINE_BYTES_MAX + b"1")
        assert "allowed are at most 65536" in str(sink.wait_said("source-failing")["reason"])


@pytest.mark.parametrize("payload", [b"1", b" " * 40_000 + b"1"])
def test_the_queue_is_bounded_in_messages_and_in_bytes(payload: bytes):
    """While the source's thread is held, what comes beyond the bound is shed and counted, and a gap marks its place."""
    hold, held = threading.Event(), threading.Event()
    sink = Sink()

    def deliver(reading: Reading) -> bool:
        held.set()
        assert hold.wait(10)
        return sink.deliver(reading)

    room = min(limits.SOURCE_MESSAGES_MAX, limits.SOURCE_MESSAGES_BYTES // len(payload))
    with subscribed(sink, deliver) as (source, publish):
        publish(payload)
        assert held.wait(10)
        for _ in range(room + 5):
            publish(payload)
        assert source.counts()["shed_messages"] == 5
        hold.set()
        sink.wait_count(1 + room)
        publish(payload)
        readings = sink.wait_count(2 + room)
    assert [reading.gap for reading in readings] == [False] * (1 + room) + [True]


def test_readings_that_find_no_room_are_shed_and_told_with_the_next():
    sink = Sink(capacity=1)
    with subscribed(sink) as (source, publish):
        for payload in (b"1", b"[2, 3]", b"4"):
            publish(payload)
        sink.wait(lambda: sink.refused == 3)
        sink.capacity = 9
        publish(b"5")
        assert [(reading.values, reading.lost) for reading in sink.wait_count(2)] == [((1.0,), 0), ((5.0,), 3)]
    assert source.counts()["shed_readings"] == 3


def test_what_comes_after_the_stop_is_ignored():
    sink = Sink()
    source = opened(sink, "mqtt", topic="t")
    callbacks: dict[str, Callable[[str, bytes], None]] = {}
    source.start(sink.deliver, callbacks.__setitem__)
    assert source.stop()
    callbacks["t"]("t", b"1")
    assert source.counts()["messages"] == 0 and not sink.readings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "topic is missing: allowed is an MQTT topic without + and #"),
        ({"topic": "a/+/b"}, "topic = 'a/+/b': allowed is an MQTT topic without + and # (one source is one stream)"),
        ({"topic": "synedge/1/00/v/1"}, "allowed is a topic of sensors; synedge/1/… is the mesh's own"),
        ({"topic": "t", "fields": ["a["]}, "'a[' is no path: allowed is such as x, a.b[0].c"),
        ({"topic": "t", "fields": []}, "fields = []: allowed is a list of different JSON paths"),
        ({"topic": "t", "time_unit": "h"}, "time_unit = 'h': allowed is one of s, ms, us, ns"),
        ({"topic": "t", "qos": 1}, "qos = 1: there is no such key; allowed in this table: topic, fields"),
    ],
)
def test_options_that_are_refused(options: dict[str, object], words: str):
    with pytest.raises(ConfigError, match=r"^source s: ") as refused:
        open_source("s", "mqtt", options)
    assert words in str(refused.value)
