"""Configured broker URLs, and what is remembered of a broker that was tried."""

import pytest

from edge.shell.candidates import Candidate, Target, parse_url


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "username"),
    [
        ("mqtt://broker", "broker", 1883, False, None),
        ("mqtt://ana@192.168.1.5:1884/", "192.168.1.5", 1884, False, "ana"),
        ("mqtts://broker.local", "broker.local", 8883, True, None),
        ("mqtts://a%40b@[fd00::2]:9000", "fd00::2", 9000, True, "a@b"),
    ],
)
def test_a_url_names_a_broker(url, host, port, tls, username):
    target = parse_url(url, 3)
    assert (target.host, target.port, target.tls, target.username) == (host, port, tls, username)
    assert target.origin == "configured"
    assert target.order < Target("x", "h", 1, "mdns", (1, 0, "")).order


@pytest.mark.parametrize(
    "url",
    [
        "broker",
        "http://broker",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://broker:0",
        "mqtt://broker:99999",
        "mqtt://broker:port",
        "mqtt://broker/path",
        "mqtt://broker?x=1",
        "mqtt://ana:secret@broker",
    ],
)
def test_anything_else_is_refused(url):
    with pytest.raises(ValueError, match=r".") as error:
        parse_url(url, 0)
    assert "secret" not in str(error.value)


def test_an_ipv6_address_is_written_with_brackets():
    assert parse_url("mqtt://[::1]:1884", 0).address == "[::1]:1884"


def test_failures_wait_twice_as_long_each_time_up_to_a_bound():
    candidate = Candidate(parse_url("mqtt://broker", 0))
    waits = []
    for _ in range(6):
        candidate.failed(0.0, 5_000, 1.0, "")
        waits.append(candidate.retry_at_ms)
    assert waits == [500, 1_000, 2_000, 4_000, 5_000, 5_000]
