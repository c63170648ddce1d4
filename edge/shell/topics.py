"""The topics frames travel on: `synedge/1/<site>/<channel>[/<index>]`; which broker a node hosts, and its presence."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from edge import limits
from edge.wire.frame import Channel

BYTES_MAX = {
    Channel.VERTEX: limits.FRAME_BYTES_MAX,
    Channel.VOTE: limits.FRAME_BYTES_MAX,
    Channel.FRONTIER: limits.FRONTIER_BYTES_MAX,
    Channel.REQUEST: limits.FRAME_BYTES_MAX,
    Channel.REPLY: limits.FINALS_FRAME_BYTES_MAX,  # one with certificates; others are smaller
    Channel.BLOB: limits.FRAME_BYTES_MAX,
    Channel.ROSTER: limits.ROSTER_BYTES_MAX,
}
RETAINED = (Channel.FRONTIER, Channel.ROSTER)
OWNED = (Channel.VERTEX, Channel.VOTE, Channel.FRONTIER)
"""Channels whose topic names the sender; on rq, rs and b it names the receiver, r has no index."""
NO_MEMBER = -1
ADDRESSED = (Channel.REQUEST, Channel.REPLY, Channel.BLOB)
"""Channels that concern one member."""
_HOST = "h"
_CHANNELS = {str(channel): channel for channel in Channel}
_NAME_MAX = max(map(len, _CHANNELS)) + len(f"/{limits.INDEX_MAX}")
"""Characters of the longest name that can be one of ours."""


class Place(NamedTuple):
    """What the topic of a frame says: the member it is of or for, NO_MEMBER on r."""

    channel: Channel
    member: int
    is_owned: bool
    """Whether it is of that member, who says it."""
    bytes_max: int
    """Of a frame there."""


def prefix_of(site: str) -> str:
    return f"synedge/1/{site}/"


def presence_of(node: str) -> str:
    return f"synedge/n/{node}/presence"


def host_topic(prefix: str, index: int) -> str:
    """Where a member tells of the broker it hosts."""
    return f"{prefix}{_HOST}/{index}"


def frame_topic(prefix: str, channel: Channel, index: int) -> str:
    return f"{prefix}{channel}" if channel is Channel.ROSTER else f"{prefix}{channel}/{index}"


def frame_filters(prefix: str, own: int, *, keep_all: bool, gateways: Iterable[int] = ()) -> list[str]:
    """What a node subscribes to: what is asked of it and answered to it, rosters and brokers; and what everyone says if
    it keeps that. If not, what gateways say, which acknowledge its own; where there is none, who else is there."""
    names = [f"rq/{own}", f"rs/{own}", f"b/{own}", "r", f"{_HOST}/+"]
    others = [index for index in gateways if index != own]
    if keep_all:
        names += ["v/+", "f/+"]
    elif others:
        names += [f"{channel}/{index}" for channel in OWNED for index in others]
    else:
        names.append("f/+")
    return [prefix + name for name in names]


def vote_filter(prefix: str) -> str:
    """What a keeper subscribes to on the connection that votes have for themselves; who keeps its own line hears
    gateways on its only one."""
    return f"{prefix}{Channel.VOTE}/+"


def twin_topic(topic: bytes, prefix: bytes, channel: Channel) -> bytes:
    """The topic by which two copies of a frame are one: whoever has no connection for votes says them with the rest."""
    at = len(prefix)
    return prefix + b"v" + topic[at + len(channel) :] if channel is Channel.VOTE else topic


def parse_frame_topic(topic: bytes, prefix: bytes) -> Place | None:
    """What a topic says; None if it is none of ours. An index has exactly one spelling."""
    return _parsed(topic, prefix) if len(topic) <= len(prefix) + _NAME_MAX else None


@lru_cache(maxsize=limits.MEMBERS_MAX)
def _parsed(topic: bytes, prefix: bytes) -> Place | None:
    """Remembered, and anyone can say any topic: so it is asked of short ones alone."""
    if not topic.startswith(prefix) or not topic.isascii():
        return None
    word, slash, digits = topic[len(prefix) :].decode().partition("/")
    channel = _CHANNELS.get(word)
    if channel is Channel.ROSTER:
        return Place(channel, NO_MEMBER, False, BYTES_MAX[channel]) if not slash else None
    index = _index(digits)
    if channel is None or index is None:
        return None
    return Place(channel, index, channel in OWNED, BYTES_MAX[channel])


def parse_host_topic(name: str) -> int | None:
    """The member whose broker a topic, after the prefix, is about; None if it is about something else."""
    word, _, digits = name.partition("/")
    return _index(digits) if word == _HOST else None


def _index(digits: str) -> int | None:
    if not digits.isascii() or not digits.isdigit() or len(digits) > 10:
        return None
    index = int(digits)
    return index if index <= limits.INDEX_MAX and str(index) == digits else None
