"""What goes over which connection, with links that only take notes."""

from typing import Any, cast

import pytest

from edge import limits
from edge.shell.links import Links
from edge.shell.mqtt import Inbound, Link
from edge.shell.topics import NO_MEMBER
from edge.wire.frame import Channel, RequestFrame, Want, encode_request

SITE = bytes(8)


class Note:
    """Takes what it is given while it is open."""

    def __init__(self) -> None:
        self.taken: list[tuple[Any, ...]] = []
        self.is_open = True

    def publish(self, *frame: Any) -> bool:
        self.taken += [frame] if self.is_open else []
        return self.is_open

    def publish_text(self, topic: str, text: str, *, retain: bool) -> bool:
        return self.publish(topic, text, retain)

    def as_link(self) -> Link:
        return cast(Link, self)


@pytest.fixture
def two() -> tuple[Note, Note]:
    return Note(), Note()


@pytest.fixture
def links(two) -> Links:
    links = Links(cast(Any, None), deliver=lambda frame: None, changed=cast(Any, None), hinted=cast(Any, None))
    links._used = tuple(note.as_link() for note in two)
    return links


def heard(links: Links, member: int, note: Note, channel: Channel = Channel.FRONTIER) -> None:
    links._take(note.as_link(), Inbound(channel, member, b""))


def asked(links: Links, by: int, note: Note) -> None:
    request = RequestFrame(SITE, by, 1, 1000, (Want(1, 1, 0, 0),))
    links._take(note.as_link(), Inbound(Channel.REQUEST, NO_MEMBER, encode_request(request)))


@pytest.mark.parametrize("channel", [Channel.VERTEX, Channel.VOTE, Channel.FRONTIER, Channel.ROSTER, Channel.REQUEST])
def test_what_concerns_everyone_goes_over_both(links, two, channel):
    heard(links, 1, two[0])
    assert links.publish(channel, 1, b"x")
    assert [note.taken for note in two] == [[(channel, 1, b"x")]] * 2


@pytest.mark.parametrize("channel", [Channel.REPLY, Channel.BLOB])
def test_what_is_large_and_for_one_goes_where_it_was_last_heard(links, two, channel):
    first, second = two
    heard(links, 7, first)
    heard(links, 7, second)
    heard(links, 8, first)
    links.publish(channel, 7, b"for seven")
    assert (first.taken, second.taken) == ([], [(channel, 7, b"for seven")])


def test_an_answer_goes_where_the_question_came_from(links, two):
    first, second = two
    heard(links, 7, first)
    asked(links, 7, second)
    links.publish(Channel.REPLY, 7, b"x")
    assert [len(note.taken) for note in two] == [0, 1], "whoever asked has left the broker on which it spoke before"


def test_what_is_for_one_goes_over_both_while_it_was_not_heard(links, two):
    links._take(two[0].as_link(), Inbound(Channel.REQUEST, NO_MEMBER, b"no request"))
    assert links.publish(Channel.REPLY, 7, b"x")
    assert [len(note.taken) for note in two] == [1, 1]


def test_what_a_broker_remembers_does_not_say_where_somebody_is(links, two):
    first, second = two
    links._take(first.as_link(), Inbound(Channel.FRONTIER, 7, b"", is_remembered=True))
    links.publish(Channel.REPLY, 7, b"x")
    assert [len(note.taken) for note in two] == [1, 1]
    heard(links, 7, second)
    links._take(first.as_link(), Inbound(Channel.FRONTIER, 7, b"", is_remembered=True))
    links.publish(Channel.REPLY, 7, b"x")
    assert [len(note.taken) for note in two] == [1, 2]


def test_what_one_link_does_not_take_goes_over_the_other(links, two):
    first, second = two
    heard(links, 7, first)
    first.is_open = False
    assert links.publish(Channel.REPLY, 7, b"x")
    assert links.publish(Channel.VERTEX, 1, b"x")
    assert links.publish_text("topic", "text", True)
    assert len(second.taken) == 3
    links.disuse(first.as_link())
    assert links.publish(Channel.REPLY, 7, b"x"), "nor over one that is lost"
    second.is_open = False
    assert not links.publish(Channel.VERTEX, 1, b"x")


def test_what_strangers_make_up_is_bounded(links, two):
    heard(links, 7, two[1])
    for member in range(100, 100 + limits.MEMBERS_MAX):
        heard(links, member, two[0], Channel.VERTEX)
        assert len(links._heard) <= limits.MEMBERS_MAX
    assert links.counts()["routes_forgotten"] == 1
    heard(links, 7, two[1])
    links.publish(Channel.REPLY, 7, b"x")
    assert [len(note.taken) for note in two] == [0, 1], "a member that is there is soon heard again"


def test_with_one_connection_nothing_is_a_second_copy(links, two):
    first, second = two
    assert not links._is_twin(first.as_link(), "v/1", b"x")
    assert links._is_twin(second.as_link(), "v/1", b"x")
    links.disuse(second.as_link())
    assert [links._is_twin(first.as_link(), "v/1", b"y") for _ in range(3)] == [False] * 3
