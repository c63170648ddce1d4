"""What is looked at before a frame takes room: a few bytes, and whether it is by somebody we know."""

from collections import Counter

import pytest

from edge.limits import (
    EARLY_FRAMES_MAX,
    FRONTIERS_BURST,
    FRONTIERS_PER_S,
    PROPOSALS_BURST,
    PROPOSALS_PER_S,
    SERVE_REQUESTS_BURST,
    SERVE_REQUESTS_PER_S,
    STRANGER_FRAMES_BURST,
    STRANGER_FRAMES_PER_S,
)
from edge.shell.door import Door
from edge.shell.mqtt import NO_SENDER, Inbound
from edge.wire.frame import (
    Channel,
    FrontierFrame,
    RequestFrame,
    Want,
    encode_frontier,
    encode_request,
    encode_vertex,
)
from edge.wire.items import Item, Proposal, Question, Vote
from edge.wire.vertex import encode_header

SITE = b"sitesite"


PROPOSAL = Proposal(Question("site", 1, "models/bearing", 1, None), b"value")


def vertex(author: int, *items: Item) -> bytes:
    header = encode_header(
        suite=1,
        site=SITE,
        epoch=1,
        author=author,
        incarnation=1,
        seq=1,
        prev=None,
        parents=(),
        hlc=1,
        body=None,
        items=items,
    )
    return encode_vertex(header.raw, bytes(2420), None)


class Stand:
    """A door with a clock, and what came through."""

    def __init__(self, *members: int) -> None:
        self.let_in: list[tuple[Channel, bytes, int]] = []
        self.now_s = 100.0
        self.door = Door(lambda *frame: self.let_in.append(frame), lambda: self.now_s)
        self.door.members = members

    def say(self, channel: Channel, payload: bytes, sender: int = NO_SENDER) -> None:
        self.door.take(Inbound(channel, sender, payload))


def test_a_frame_by_the_member_of_its_topic_comes_in():
    stand = Stand(3, 70_000)
    frontier = encode_frontier(FrontierFrame(SITE, 9, 3, ()))
    request = encode_request(RequestFrame(SITE, 70_000, 1, 1000, (Want(3, 0, 0, 0),)))
    stand.say(Channel.VERTEX, vertex(70_000), 70_000)
    stand.say(Channel.FRONTIER, frontier, 3)
    stand.say(Channel.REQUEST, request)
    stand.say(Channel.ROSTER, b"a roster names nobody")
    assert [(channel, sender) for channel, _, sender in stand.let_in] == [
        (Channel.VERTEX, 70_000),
        (Channel.FRONTIER, 3),
        (Channel.REQUEST, 70_000),
        (Channel.ROSTER, NO_SENDER),
    ], "a request's sender stands in it"
    assert not any(stand.door.counts().values())


@pytest.mark.parametrize("junk", [b"", b"\x83", b"\x83\x59", bytes(3000), b"\x83\x58\x50\x8c\x01\x48", b"\xff" * 200])
@pytest.mark.parametrize("channel", [Channel.VERTEX, Channel.FRONTIER, Channel.REQUEST])
def test_bytes_that_mean_nothing_end_here(channel, junk):
    stand = Stand(3)
    stand.say(channel, junk, 3)
    assert stand.let_in == [] and stand.door.counts()["refused_frame_shape"] == 1


def test_whoever_speaks_on_the_topic_of_another_ends_here():
    stand = Stand(3, 4)
    stand.say(Channel.VERTEX, vertex(4), 3)
    stand.say(Channel.FRONTIER, encode_frontier(FrontierFrame(SITE, 9, 4, ())), 3)
    assert stand.let_in == [] and stand.door.counts()["refused_author_other"] == 2


def test_on_the_topic_of_votes_come_those_of_who_votes_and_proposals():
    stand = Stand(3, 4)
    stand.door.voters = (3,)
    stand.say(Channel.VOTE, vertex(3), 3)
    stand.say(Channel.VOTE, vertex(4, PROPOSAL), 4)
    assert [(channel, sender) for channel, _, sender in stand.let_in] == [(Channel.VOTE, 3), (Channel.VOTE, 4)]
    stand.say(Channel.VOTE, vertex(4), 4)
    stand.say(Channel.VOTE, vertex(4, Vote(bytes(32), 0, 0, None)), 4)
    stand.say(Channel.VOTE, vertex(4)[:-1], 4)
    assert len(stand.let_in) == 2 and stand.door.counts()["dropped_no_votes"] == 3
    stand.say(Channel.VOTE, vertex(3), 4)
    assert stand.door.counts()["refused_author_other"] == 1
    stand.say(Channel.VOTE, vertex(9), 9)
    assert stand.let_in[2][::2] == (Channel.VERTEX, 9), "before whom we know no stranger goes"
    stand.door.hush(3, stand.now_s * 1000 + 500)
    stand.say(Channel.VOTE, vertex(3), 3)
    assert len(stand.let_in) == 3 and stand.door.counts()["dropped_hushed"] == 1


def test_of_proposals_in_one_name_only_so_many_come_in():
    stand = Stand(3, 4, 5)
    stand.door.voters = (3,)
    for _ in range(PROPOSALS_BURST + 5):
        stand.say(Channel.VOTE, vertex(4, PROPOSAL), 4)
        stand.say(Channel.VOTE, vertex(3), 3)
    stand.say(Channel.VOTE, vertex(5, PROPOSAL), 5)
    assert Counter(sender for _, _, sender in stand.let_in) == {3: PROPOSALS_BURST + 5, 4: PROPOSALS_BURST, 5: 1}
    assert stand.door.counts()["dropped_proposals"] == 5
    stand.now_s += 1
    for _ in range(PROPOSALS_BURST):
        stand.say(Channel.VOTE, vertex(4, PROPOSAL), 4)
    assert stand.door.counts()["dropped_proposals"] == 5 + PROPOSALS_BURST - PROPOSALS_PER_S


def test_of_those_that_no_roster_names_only_so_many_come_in():
    """Some do: a newcomer may be heard before the roster that names it."""
    stand = Stand(3)
    for stranger in range(100, 100 + 3 * STRANGER_FRAMES_BURST):
        stand.say(Channel.VERTEX, vertex(stranger), stranger)
    assert len(stand.let_in) == STRANGER_FRAMES_BURST >= EARLY_FRAMES_MAX
    assert stand.door.counts()["dropped_strangers"] == 2 * STRANGER_FRAMES_BURST
    stand.say(Channel.VERTEX, vertex(3), 3)
    assert stand.let_in[-1][2] == 3, "whom we know is not held up"
    stand.now_s += 0.5
    for stranger in range(100, 100 + STRANGER_FRAMES_BURST):
        stand.say(Channel.VERTEX, vertex(stranger), stranger)
    assert len(stand.let_in) == STRANGER_FRAMES_BURST + 1 + STRANGER_FRAMES_PER_S // 2


def test_who_is_hushed_waits_alone_and_only_so_long():
    stand = Stand(3, 4)
    stand.door.hush(3, stand.now_s * 1000 + 500)
    for member in (3, 4):
        stand.say(Channel.VERTEX, vertex(member), member)
    stand.say(Channel.FRONTIER, encode_frontier(FrontierFrame(SITE, 9, 3, ())), 3)
    assert [(channel, sender) for channel, _, sender in stand.let_in] == [(Channel.VERTEX, 4), (Channel.FRONTIER, 3)]
    assert stand.door.counts()["dropped_hushed"] == 1
    stand.now_s += 0.5
    stand.say(Channel.VERTEX, vertex(3), 3)
    assert len(stand.let_in) == 3


@pytest.mark.parametrize(
    ("channel", "burst", "per_s"),
    [
        (Channel.FRONTIER, FRONTIERS_BURST, FRONTIERS_PER_S),
        (Channel.REQUEST, SERVE_REQUESTS_BURST, SERVE_REQUESTS_PER_S),
    ],
)
def test_hints_in_one_name_come_in_only_so_often(channel, burst, per_s):
    stand = Stand(3, 4)

    def say(member: int) -> None:
        if channel is Channel.FRONTIER:
            stand.say(channel, encode_frontier(FrontierFrame(SITE, 9, member, ())), member)
        else:
            stand.say(channel, encode_request(RequestFrame(SITE, member, 1, 1000, (Want(3, 0, 0, 0),))))

    for _ in range(2 * burst):
        say(3)
    assert len(stand.let_in) == burst and stand.door.counts()["dropped_hints"] == burst
    say(4)
    assert stand.let_in[-1][2] == 4, "nobody else's share has become less"
    stand.now_s += 1
    for _ in range(burst):
        say(3)
    assert len(stand.let_in) == burst + 1 + per_s
