"""Cutting what a broker sends into MQTT packets, as many as one read brings.

A site speaks in packets of QoS 0 and nothing else that is frequent. These are taken apart here, in C; paho takes one
packet a turn, with a system call for every byte of its head. Whoever reads too slowly loses what
the broker cannot queue, whoever said it: reading fast is what keeps one who floods from silencing the others.
"""

from __future__ import annotations

from edge.limits import BROKER_PACKET_BYTES_MAX
from edge.shell._packets import cut

Packet = tuple[bytes | None, bytes, bool]


class Packets:
    """Fed with bytes as they come; keeps what is not whole yet, and never more than one packet."""

    def __init__(self) -> None:
        self._rest = b""
        self._skip = 0
        self.oversize = 0
        """Packets larger than any broker of ours passes on: they were not kept."""

    def cut(self, data: bytes) -> list[Packet]:
        """(topic, payload, retained?) of each PUBLISH of QoS 0, (None, packet, False) of every other; what is no MQTT
        comes as a packet, too, for whoever knows how to end a connection."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        if self._skip:
            return []
        buffer = self._rest + data[skipped:]
        found, used, self._skip = cut(buffer, BROKER_PACKET_BYTES_MAX)
        self.oversize += self._skip > 0
        self._rest = buffer[used:]
        return found
