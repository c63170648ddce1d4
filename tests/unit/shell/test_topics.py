"""Topics of frames: one spelling each way, nothing else accepted."""

import pytest

from edge import limits
from edge.shell.topics import (
    BYTES_MAX,
    NO_MEMBER,
    Place,
    _parsed,
    frame_filters,
    frame_topic,
    host_topic,
    parse_frame_topic,
    parse_host_topic,
    prefix_of,
    twin_topic,
    vote_filter,
)
from edge.wire.frame import Channel

PREFIX = prefix_of("0123456789abcdef")


def parse(topic: str) -> Place | None:
    return parse_frame_topic(topic.encode(), PREFIX.encode())


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("member", [0, 7, limits.INDEX_MAX])
def test_a_topic_reads_back(channel, member):
    topic = frame_topic(PREFIX, channel, member)
    assert topic.startswith("synedge/1/0123456789abcdef/")
    expected = NO_MEMBER if channel is Channel.ROSTER else member
    is_owned = channel in (Channel.VERTEX, Channel.VOTE, Channel.FRONTIER)
    assert parse(topic) == Place(channel, expected, is_owned, BYTES_MAX[channel])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "v",
        "v/",
        "v/-1",
        "v/01",
        "v/1/2",
        "v/x",
        "v/٣",
        "v/4294967296",
        "v/99999999999",
        "r/",
        "r/1",
        "x/1",
        "V/1",
        "/1",
    ],
)
def test_other_names_are_none_of_ours(name):
    assert parse(PREFIX + name) is None


@pytest.mark.parametrize("topic", ["v/1", "synedge/1/0123456789abcdee/v/1", "synedge/n/a/presence", PREFIX])
def test_topics_elsewhere_are_none_of_ours(topic):
    assert parse(topic) is None
    assert parse_frame_topic(PREFIX.encode() + b"v/\xff", PREFIX.encode()) is None


def test_a_node_that_keeps_only_its_own_hears_gateways_alone():
    mine = {PREFIX + name for name in ("rq/3", "rs/3", "b/3", "r", "h/+")}
    assert {*frame_filters(PREFIX, 3, keep_all=True)} - mine == {f"{PREFIX}v/+", f"{PREFIX}f/+"}
    own = frame_filters(PREFIX, 3, keep_all=False, gateways=(0, 3, 7))
    assert {*own} - mine == {PREFIX + name for name in ("v/0", "c/0", "f/0", "v/7", "c/7", "f/7")}
    assert {*frame_filters(PREFIX, 3, keep_all=False)} - mine == {f"{PREFIX}f/+"}, "nobody else says who is there"


def test_a_vote_and_the_same_vertex_with_the_rest_are_twins():
    prefix = PREFIX.encode()
    votes, rest = prefix + b"c/7", prefix + b"v/7"
    assert twin_topic(votes, prefix, Channel.VOTE) == twin_topic(rest, prefix, Channel.VERTEX) == rest
    assert twin_topic(prefix + b"f/7", prefix, Channel.FRONTIER) == prefix + b"f/7"
    assert vote_filter(PREFIX) not in frame_filters(PREFIX, 3, keep_all=True), "they have a connection of their own"


def test_the_topic_of_a_host_reads_back_and_is_no_frame():
    topic = host_topic(PREFIX, 7)
    assert parse_host_topic(topic.removeprefix(PREFIX)) == 7
    assert parse(topic) is None
    assert [parse_host_topic(other) for other in ("h", "h/", "h/01", "h/x", "h/4294967296", "v/7")] == [None] * 6


def test_what_is_remembered_of_topics_is_bounded_in_bytes_too():
    """Anyone can say any topic, of up to 64 kB."""
    assert parse(f"{PREFIX}v/{limits.INDEX_MAX}") is not None
    assert parse(f"{PREFIX}rq/{limits.INDEX_MAX}") is not None
    before = _parsed.cache_info().currsize
    assert parse(PREFIX + "v/" + "1" * 60_000) is None
    assert _parsed.cache_info().currsize == before
    assert _parsed.cache_info().maxsize == limits.MEMBERS_MAX
