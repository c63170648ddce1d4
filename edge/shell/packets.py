"""Cutting what a broker sends into MQTT packets, as many as one read brings.

A site speaks in packets of QoS 0 and nothing else that is frequent. Taking these apart here costs some microseconds
each; paho takes one packet a turn, with a system call for every byte of its head. Whoever reads too slowly loses what
the broker cannot queue, whoever said it: reading fast is what keeps one who floods from silencing the others.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.limits import BROKER_PACKET_BYTES_MAX

_PUBLISH = 0x30
_TYPE_AND_QOS = 0xF6
_RETAINED = 0x01
_LENGTH_BYTES_MAX = 4


class Packets:
    """Fed with bytes as they come; keeps what is not whole yet, and never more than one packet."""

    def __init__(self) -> None:
        self._rest = b""
        self._skip = 0
        self.oversize = 0
        """Packets larger than any broker of ours passes on: they were not kept."""

    def cut(self, data: bytes) -> Iterator[tuple[bytes | None, bytes, bool]]:
        """(topic, payload, retained?) of each PUBLISH of QoS 0, (None, packet, False) of every other; what is no MQTT
        comes as a packet, too, for whoever knows how to end a connection."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        buffer = self._rest + data[skipped:]
        at, size = 0, len(buffer)
        while at < size:
            body, length = _length(buffer, at + 1)
            if not body:
                break
            end = body + length
            if end > size and length <= BROKER_PACKET_BYTES_MAX:
                break
            if end > size:
                self.oversize += 1
                self._skip = end - size
                at = size
                break
            topic = body + 2
            cut = topic + int.from_bytes(buffer[body:topic], "big")
            if length < 0:
                yield None, buffer[at:], False
                at = size
            elif buffer[at] & _TYPE_AND_QOS != _PUBLISH or topic > end or cut > end:
                yield None, buffer[at:end], False
                at = end
            else:
                yield buffer[topic:cut], buffer[cut:end], bool(buffer[at] & _RETAINED)
                at = end
        self._rest = buffer[at:]


def _length(buffer: bytes, at: int) -> tuple[int, int]:
    """Where a packet's body begins, and its length: (0, 0) if that is not here yet, negative if it has none."""
    length = 0
    for place in range(_LENGTH_BYTES_MAX):
        if at + place >= len(buffer):
            return 0, 0
        byte = buffer[at + place]
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return at + place + 1, length
    return at, -1
