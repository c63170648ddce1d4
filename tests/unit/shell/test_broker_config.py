"""What hosted brokers are told, and how we see where they listen."""

import base64
import hashlib
import struct
import sys
import tomllib

import pytest

from edge import limits
from edge.shell.broker_child import BrokerChild
from edge.shell.broker_config import BrokerOptions, mosquitto_config, mosquitto_password, rumqttd_config
from edge.shell.listeners import parse_listeners
from edge.shell.probe import connect_packet


def settings(text: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in text.splitlines())


def test_mosquitto_is_bounded_and_persists_nothing():
    told = settings(mosquitto_config(BrokerOptions(), 1884, None))
    assert told["listener"] == "1884 127.0.0.1"
    assert told["persistence"] == "false"
    assert told["set_tcp_nodelay"] == "true"
    assert told["allow_anonymous"] == "true"
    assert int(told["max_packet_size"]) == limits.BROKER_PACKET_BYTES_MAX
    assert int(told["max_queued_messages"]) == limits.BROKER_QUEUE_PACKETS_MAX
    assert int(told["memory_limit"]) == limits.BROKER_MEMORY_BYTES_MAX
    assert int(told["max_connections"]) == limits.BROKER_CLIENTS_MAX


def test_with_a_user_name_nobody_is_anonymous():
    told = settings(mosquitto_config(BrokerOptions(username="ana", password="x"), 1884, "/passwords"))
    assert told["allow_anonymous"] == "false"
    assert told["password_file"] == "/passwords"


def test_a_mosquitto_password_line():
    name, scheme = mosquitto_password("ana", "secret", b"twelve bytes").split(":")
    _, kind, rounds, salt, digest = scheme.strip().split("$")
    assert (name, kind) == ("ana", "7")
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(salt), int(rounds))
    assert base64.b64decode(digest) == expected


def test_rumqttd_takes_more_than_its_20_kb():
    told = tomllib.loads(rumqttd_config(BrokerOptions(listen="::1"), 1884))["v4"]["1"]
    assert told["listen"] == "[::1]:1884"
    assert told["connections"]["max_payload_size"] == limits.BROKER_PACKET_BYTES_MAX
    assert "auth" not in told["connections"]


def test_rumqttd_gets_the_password_whatever_is_in_it():
    options = BrokerOptions(username="an a", password='q"\\\t\u2028')
    told = tomllib.loads(rumqttd_config(options, 1884))
    assert told["v4"]["1"]["connections"]["auth"] == {"an a": 'q"\\\t\u2028'}


@pytest.mark.parametrize("username", ["", "a:b", "a\nb"])
def test_user_names_that_a_password_file_cannot_hold(username):
    with pytest.raises(ValueError, match="user name"):
        BrokerOptions(username=username, password="x")


def test_a_password_is_not_shown():
    assert "secret" not in repr(BrokerOptions(username="ana", password="secret"))


@pytest.mark.skipif(sys.byteorder != "little", reason="the table is printed in the byte order of the machine")
def test_listeners_are_read_from_the_kernel_table():
    head = "  sl  local_address rem_address   st\n"
    table = head + (
        "   0: 0100007F:0747 00000000:0000 0A 0\n"
        "   1: 0100007F:0747 0100007F:9C40 01 0\n"
        "   2: 00000000:0747 00000000:0000 0A 0\n"
        "   3: 0100007F:0748 00000000:0000 0A 0\n"
    )
    assert parse_listeners(table, 0x747) == {"127.0.0.1", "0.0.0.0"}
    six = head + "   0: 00000000000000000000000001000000:0747 00000000000000000000000000000000:0000 0A 0\n"
    assert parse_listeners(six, 0x747) == {"::1"}
    assert parse_listeners(table, 1) == set()


def test_a_connect_packet_of_any_length():
    short = connect_packet("me", None, None)
    assert short == b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x05\x00\x02me"
    long = connect_packet("me", "u" * 100, "p" * 100)
    assert long[1:3] == bytes([(14 + 204) & 127 | 128, (14 + 204) >> 7])
    assert struct.unpack_from(">H", long, 17 - 0)[0] == 100
    assert long[10] == 0xC2


def test_only_the_last_lines_of_a_broker_are_kept():
    child = BrokerChild("mosquitto", lambda child: None)
    for number in range(limits.BROKER_LOG_LINES_MAX + 3):
        child.lines.append(f"line {number}")
    assert len(child.lines) == limits.BROKER_LOG_LINES_MAX
    assert child.lines[0] == "line 3"
