"""What it takes to let those devices know that have no vote: counted where a frame reaches one, not computed.

Where devices keep everything they hear votes as members do, or get them by repair; where they keep their own line
alone, a gateway hands them certificates, and what a checkpoint vouches for. What they ask with is not counted, which is
less than a hundredth of that, nor what frontiers say of registers, which are sent anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.sim.network import TOPIC_BYTES
from edge.wire.finals import is_about_finals
from edge.wire.frame import VERTICES, Channel, Range, ReplyFrame, decode_reply
from edge.wire.items import Proposal, Vote
from edge.wire.stateparts import REPLY_HEAD
from edge.wire.vertex import Header, decode_header

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine


def is_agreeing(header: Header) -> bool:
    """Whether it has a proposal or votes."""
    return any(isinstance(item, Proposal | Vote) for item in header.items)


class Delivering:
    """Listens to the network of a world from now on."""

    def __init__(self, world: Cluster) -> None:
        self._world = world
        self.bytes = 0
        """Of what reached any of them, each copy by itself."""
        self.receivers = sum(not (machine.is_gateway or self._votes(machine)) for machine in world.machines)
        world.network.handed = self._handed

    def _votes(self, machine: Machine) -> bool:
        return machine.index < self._world.committee

    def _handed(self, receiver: Machine, channel: Channel, payload: bytes) -> None:
        if receiver.is_gateway or self._votes(receiver):
            return
        if channel in VERTICES:
            if is_agreeing(self._world.checkers.header(payload)):
                self.bytes += len(payload) + TOPIC_BYTES
        elif channel is Channel.REPLY and payload[:1] != REPLY_HEAD:
            if is_about_finals(payload):
                self.bytes += len(payload) + TOPIC_BYTES
            else:
                self.bytes += _agreeing_bytes(payload)


def _agreeing_bytes(reply: bytes) -> int:
    """Of an answer with vertices, those with proposals or votes."""
    frame = decode_reply(reply)
    assert isinstance(frame, ReplyFrame)
    return sum(map(_range_bytes, frame.ranges))


def _range_bytes(given: Range) -> int:
    sizes = [
        len(raw) + len(body or b"")
        for raw, body in zip(given.headers, given.bodies, strict=True)
        if isinstance(header := decode_header(raw), Header) and is_agreeing(header)
    ]
    return sum(sizes) + (len(given.signature) if sizes else 0)
