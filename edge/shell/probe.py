"""Asking a broker one question: do you accept an MQTT 3.1.1 CONNECT (OASIS MQTT 3.1.1, §3.1 and §3.2)?"""

import socket
import struct
from typing import NamedTuple

_CONNACK_WORDS = {
    1: "unacceptable protocol version",
    2: "client id rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorised",
}


class Answer(NamedTuple):
    """`accepted`, or why not; `refused` is a broker that speaks MQTT and says no."""

    accepted: bool
    refused: bool
    reason: str


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def connect_packet(client_id: str, username: str | None, password: str | None) -> bytes:
    """A clean-session CONNECT without a will; for short ids and credentials (at most 16 kB in all)."""
    flags = 0x02 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    body = _text("MQTT") + struct.pack(">BBH", 4, flags, 5) + _text(client_id)
    body += b"".join(_text(part) for part in (username, password) if part is not None)
    assert len(body) < 128 * 128
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 127 | 128, len(body) >> 7])
    return b"\x10" + length + body


def ask(
    host: str, port: int, *, client_id: str, username: str | None, password: str | None, timeout_s: float
) -> Answer:
    """One CONNECT, its CONNACK, a DISCONNECT. Every failure is an answer."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(connect_packet(client_id, username, password))
            connack = b""
            while len(connack) < 4:
                part = connection.recv(4 - len(connack))
                if not part:
                    return Answer(False, False, "the connection was closed before CONNACK")
                connack += part
            if connack[:2] != b"\x20\x02":
                return Answer(False, False, "this is not an MQTT broker")
            if connack[3] != 0:
                return Answer(False, True, _CONNACK_WORDS.get(connack[3], f"CONNACK {connack[3]}"))
            connection.sendall(b"\xe0\x00")
            return Answer(True, False, "")
    except OSError as error:
        return Answer(False, False, error.strerror or str(error))
