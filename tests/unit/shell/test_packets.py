"""A stream of MQTT, cut anywhere: the same packets come out, and no more than one is kept."""

from random import Random

import pytest

from edge.limits import BROKER_PACKET_BYTES_MAX
from edge.shell import _packets
from edge.shell.packets import Packets
from tests.reference import packets as slow

PINGRESP = b"\xd0\x00"
SUBACK = b"\x90\x03\x00\x01\x00"
QOS_1 = b"\x32\x08\x00\x01t\x00\x07abc"


def packet(first: int, body: bytes) -> bytes:
    head = bytearray([first])
    length = len(body)
    while True:
        length, low = divmod(length, 128)
        head.append(low | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def publish(topic: bytes, payload: bytes, flags: int = 0) -> bytes:
    return packet(0x30 | flags, len(topic).to_bytes(2, "big") + topic + payload)


def cut(packets: Packets, stream: bytes, sizes: list[int]) -> list[tuple[bytes | None, bytes, bool]]:
    found, at = [], 0
    for size in sizes:
        found += packets.cut(stream[at : at + size])
        at += size
    return found + list(packets.cut(stream[at:]))


@pytest.mark.parametrize("seed", range(20))
def test_however_the_stream_is_cut_the_same_packets_come(seed):
    random = Random(seed)
    sizes = [0, 1, 100, 126, 127, 128, 16_000, 16_383, 16_384, 70_000]
    said: list[tuple[bytes | None, bytes, bool]] = []
    stream = b""
    for number in range(40):
        other = random.choice([PINGRESP, SUBACK, QOS_1, None, None, None])
        if other is not None:
            stream += other
            said.append((None, other, False))
            continue
        topic, payload = b"t/%d" % number, random.randbytes(random.choice(sizes))
        flags = random.choice([0, 1, 8])  # retained, or marked as a duplicate
        stream += publish(topic, payload, flags)
        said.append((topic, payload, flags == 1))
    parts = [random.choice([1, 2, 3, 1000, 100_000]) for _ in range(3000)]
    assert cut(Packets(), stream, parts) == said


def test_one_that_is_too_large_is_skipped_and_what_follows_is_not():
    packets = Packets()
    large = publish(b"t", bytes(BROKER_PACKET_BYTES_MAX + 1))
    stream = publish(b"a", b"before") + large + publish(b"b", b"after")
    found = cut(packets, stream, [100_000] * (len(stream) // 100_000))
    assert found == [(b"a", b"before", False), (b"b", b"after", False)]
    assert packets.oversize == 1


def test_one_that_is_too_large_is_not_kept():
    packets = Packets()
    head = publish(b"t", bytes(BROKER_PACKET_BYTES_MAX + 1))[:1000]
    assert list(packets.cut(head)) == []
    assert packets._rest == b""


@pytest.mark.parametrize("seed", range(10))
def test_whatever_comes_is_cut_as_the_standard_says(seed):
    random = Random(seed)
    firsts = [0x30, 0x30, 0x31, 0x38, 0x32, 0x3F, 0xD0, 0x00, 0x34]
    ends = [b"", b"\x30", b"\x30\xff\xff\xff", b"\x30\xff\xff\xff\xff\x01", b"\x30\xff\x01\0"]
    for _ in range(300):
        stream = b""
        for _ in range(random.randrange(4)):
            body = bytes([0, random.randrange(6)]) + random.randbytes(random.choice([0, 1, 3, 10, 125, 126, 300]))
            stream += packet(random.choice(firsts), body[random.choice([0, 0, 0, 1, 2]) :])
        stream += random.choice([*ends, random.randbytes(9)])
        stream = stream[: random.randrange(len(stream) + 1)] if random.random() < 0.3 else stream
        assert _packets.cut(stream, 200) == slow.cut(stream, 200)


@pytest.mark.parametrize(
    "wrong", [b"\x30\xff\xff\xff\xff\x7f", b"\x30\x00", b"\x30\x01x", b"\x30\x04\x00\x09ab", b"\x30\x80\x80\x80\x80"]
)
def test_what_is_no_packet_comes_as_it_is(wrong):
    """Whoever gets it ends the connection."""
    found = list(Packets().cut(publish(b"a", b"good") + wrong))
    assert found == [(b"a", b"good", False), (None, wrong, False)]
