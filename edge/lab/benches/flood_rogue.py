"""A process of `synedge bench flood`: somebody who misbehaves, with a bare socket and as much as it can say.

Everything is made before it is said, and said at the lowest priority: a rogue has a machine of its own, and takes no
processor time from those who behave but by what it says.
"""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from edge.lab.benches.mesh_worker import answer
from edge.limits import REPAIR_RANGES_MAX
from edge.shell.keys import load_seed
from edge.shell.topics import frame_topic, prefix_of
from edge.wire import suite
from edge.wire.frame import (
    Channel,
    FrontierEntry,
    FrontierFrame,
    RequestFrame,
    Want,
    encode_frontier,
    encode_request,
    encode_vertex,
)
from edge.wire.vertex import Header, encode_header

LIFE = 1
"""Of the greedy author, whose life this is alone."""
FAR = 10**9
PACE_S = 0.001
"""Faster than this nobody sleeps: what is due in it goes at once."""
MADE = 512
"""Of what costs nothing to say again."""


class Socket:
    """MQTT 3.1.1 as far as misbehaving goes."""

    def __init__(self, port: int, name: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = b"\0\4MQTT\4\2\0\0" + struct.pack(">H", len(name)) + name.encode()
        self._socket.sendall(b"\x10" + bytes([len(body)]) + body)
        assert self._socket.recv(4)[:1] == b"\x20"

    def subscribe_and_stop_reading(self, topic_filter: str) -> None:
        body = struct.pack(">HH", 1, len(topic_filter)) + topic_filter.encode() + b"\0"
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.sendall(b"\x82" + bytes([len(body)]) + body)

    def say(self, packets: list[bytes], seconds: float, per_s: float) -> int:
        """As many as go in that time, `per_s` at most; how many went."""
        begun_s = time.monotonic()
        said = 0
        for packet in packets:
            passed_s = time.monotonic() - begun_s
            if passed_s >= seconds:
                break
            if per_s and said / per_s - passed_s > PACE_S:
                time.sleep(said / per_s - passed_s)
            self._socket.sendall(packet)
            said += 1
        return said

    def close(self) -> None:
        self._socket.close()


def packet(topic: str, payload: bytes) -> bytes:
    """A PUBLISH with QoS 0."""
    name = topic.encode()
    length = 2 + len(name) + len(payload)
    head = bytearray(b"\x30")
    while True:
        length, low = divmod(length, 128)
        head.append(low | (128 if length else 0))
        if not length:
            return bytes(head) + struct.pack(">H", len(name)) + name + payload


class Rogue:
    """What each kind of misbehaviour says: `made[kind](count)` is a list of packets."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._site = bytes.fromhex(told["site"])
        self._prefix = prefix_of(told["site"])
        self._epoch: int = told["epoch"]
        self._greedy: int = told["greedy"]
        self._authors: list[int] = told["authors"]
        self._keeper: int = told["keeper"]
        self._suite: int = told["suite"]
        self._signer = suite.Signer(self._suite, load_seed(Path(told["key"])))
        self._hlc = (time.time_ns() // 1_000_000) << 16
        self._random = random.Random(1)
        self._prev: bytes | None = None
        self._seq = 0
        self.made: dict[str, Callable[[int], list[bytes]]] = {
            "greedy": self._chain,
            "junk": self._junk,
            "forged": self._forgeries,
            "frontiers": self._frontiers,
            "requests": self._requests,
            "slow": self._noise,
        }

    def _header(self, author: int, incarnation: int, seq: int, prev: bytes | None) -> Header:
        return encode_header(
            suite=self._suite,
            site=self._site,
            epoch=self._epoch,
            author=author,
            incarnation=incarnation,
            seq=seq,
            prev=prev,
            parents=(),
            hlc=self._hlc + seq,
            body=None,
        )

    def _vertex(self, header: Header, signature: bytes) -> bytes:
        return packet(
            frame_topic(self._prefix, Channel.VERTEX, header.author), encode_vertex(header.raw, signature, None)
        )

    def _chain(self, count: int) -> list[bytes]:
        """A member's own chain: every vertex valid, and as small as one can be."""
        packets = []
        for _ in range(count):
            self._seq += 1
            header = self._header(self._greedy, LIFE, self._seq, self._prev)
            self._prev = header.id
            message = suite.sig_structure(self._suite, suite.PURPOSE_VERTEX, header.raw)
            packets.append(self._vertex(header, self._signer.sign(message)))
        return packets

    def _junk(self, count: int) -> list[bytes]:
        """Bytes that mean nothing on topics of nobody and of members, and vertices by nobody."""
        signature = self._random.randbytes(suite.SUITES[self._suite].signature_bytes)
        kinds: list[bytes] = []
        for number in range(MADE):
            topic = frame_topic(self._prefix, Channel.VERTEX, 10_000 + number)
            kinds.append(packet(topic, self._random.randbytes(200)))
            of_nobody = self._header(10_000 + number, 1, 1, None)
            kinds.append(self._vertex(of_nobody, signature))
            of_member = frame_topic(self._prefix, Channel.VERTEX, self._authors[number % len(self._authors)])
            kinds.append(packet(of_member, self._random.randbytes(200)))
            kinds.append(packet(of_member, encode_vertex(of_nobody.raw, signature, None)))
        return list(islice(cycle(kinds), count))

    def _forgeries(self, count: int) -> list[bytes]:
        """Vertices that members could have made, and did not sign."""
        length = suite.SUITES[self._suite].signature_bytes
        packets = []
        for number in range(count):
            author = self._authors[number % len(self._authors)]
            header = self._header(author, 7, number + 2, bytes(32))
            packets.append(self._vertex(header, self._random.randbytes(64) + bytes(length - 64)))
        return packets

    def _frontiers(self, count: int) -> list[bytes]:
        """Claims of members that they hold what is not there, each another one."""
        packets = []
        for number in range(min(count, MADE)):
            sender = self._authors[number % len(self._authors)]
            entries = tuple(
                FrontierEntry(author, 2 + number, FAR, 7) for author in sorted([*self._authors, self._keeper])
            )
            frame = FrontierFrame(self._site, self._epoch, sender, entries)
            packets.append(packet(frame_topic(self._prefix, Channel.FRONTIER, sender), encode_frontier(frame)))
        return list(islice(cycle(packets), count))

    def _noise(self, count: int) -> list[bytes]:
        """Large messages on a topic of nobody's: only who subscribes to everything gets them."""
        return [packet("noise", bytes(60_000))] * count

    def _requests(self, count: int) -> list[bytes]:
        """Requests for everything, in the name of every member."""
        packets = []
        wants = tuple(Want(author, 0, 0, 0) for author in self._authors) * (REPAIR_RANGES_MAX // len(self._authors))
        for number in range(min(count, MADE)):
            sender = self._authors[number % len(self._authors)]
            frame = RequestFrame(self._site, sender, 2**40 + number, 2**50, wants)
            packets.append(packet(frame_topic(self._prefix, Channel.REQUEST, self._keeper), encode_request(frame)))
        return list(islice(cycle(packets), count))


def main(arguments: list[str]) -> None:
    os.nice(19)
    told = json.loads(arguments[0])
    rogue = Rogue(told)
    packets: list[bytes] = []
    slow: list[Socket] = []
    answer({"linked": True})
    for line in sys.stdin:
        order = json.loads(line)
        if order["op"] == "make":
            packets = rogue.made[order["kind"]](order["count"])
            answer(len(packets))
        elif order["op"] == "listen":
            slow = [Socket(told["port"], f"slow-{number}") for number in range(order["count"])]
            for one in slow:
                one.subscribe_and_stop_reading("#")
            answer(len(slow))
        elif order["op"] == "leave":
            for one in slow:
                one.close()
            slow = []
            answer(None)
        else:
            talker = Socket(told["port"], "rogue")
            said = talker.say(packets, order["seconds"], order["per_s"])
            packets = []
            talker.close()
            answer(said)


if __name__ == "__main__":
    main(sys.argv[1:])
