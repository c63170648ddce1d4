"""The topics frames travel on: `synedge/1/<site>/<channel>[/<index>]`, and a node's presence."""

from typing import NamedTuple

from edge import limits
from edge.wire.frame import Channel

BYTES_MAX = {
    Channel.VERTEX: limits.FRAME_BYTES_MAX,
    Channel.FRONTIER: limits.FRONTIER_BYTES_MAX,
    Channel.REQUEST: limits.FRAME_BYTES_MAX,
    Channel.REPLY: limits.FRAME_BYTES_MAX,
    Channel.ROSTER: min(limits.ROSTER_BYTES_MAX, limits.BROKER_PACKET_BYTES_MAX - 1024),
}
RETAINED = (Channel.FRONTIER, Channel.ROSTER)
OWNED = (Channel.VERTEX, Channel.FRONTIER)
"""Channels whose topic names the sender; on rq and rs it names the receiver, r has no index."""
NO_MEMBER = -1
_CHANNELS = {str(channel): channel for channel in Channel}


class Place(NamedTuple):
    """What the topic of a frame says: the member it is of or for, NO_MEMBER on r."""

    channel: Channel
    member: int


def prefix_of(site: str) -> str:
    return f"synedge/1/{site}/"


def presence_of(node: str) -> str:
    return f"synedge/n/{node}/presence"


def frame_topic(prefix: str, channel: Channel, index: int) -> str:
    return f"{prefix}{channel}" if channel is Channel.ROSTER else f"{prefix}{channel}/{index}"


def frame_filters(prefix: str, own: int, *, keep_all: bool) -> list[str]:
    """What a node subscribes to: hints, what is asked of it and answered to it, and every vertex if it keeps them."""
    names = ["f/+", f"rq/{own}", f"rs/{own}", "r"]
    if keep_all:
        names.append("v/+")
    return [prefix + name for name in names]


def parse_frame_topic(name: str) -> Place | None:
    """The part of a topic after the prefix; None if it is none of ours. An index has exactly one spelling."""
    word, slash, digits = name.partition("/")
    channel = _CHANNELS.get(word)
    if channel is Channel.ROSTER:
        return Place(channel, NO_MEMBER) if not slash else None
    if channel is None or not digits.isascii() or not digits.isdigit() or len(digits) > 10:
        return None
    index = int(digits)
    if index > limits.INDEX_MAX or str(index) != digits:
        return None
    return Place(channel, index)
