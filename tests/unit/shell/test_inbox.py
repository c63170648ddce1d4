"""What waits for the loop: its bounds, whose turn it is, and a wake-up that is safe inside a signal handler."""

import select
import signal
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from edge.limits import (
    BLOB_INBOX_BYTES_MAX,
    INBOX_BACKLOG_BYTES_MAX,
    INBOX_BYTES_MAX,
    INBOX_FRAMES_MAX,
    INBOX_HINT_BYTES_MAX,
    INBOX_HINTS_MAX,
    INBOX_VOTE_BYTES_MAX,
    INBOX_VOTES_MAX,
    QUEUE_READINGS_MAX,
    ROSTER_BYTES_MAX,
)
from edge.sense.reading import Reading
from edge.shell.inbox import HINTS_PER_TURN, Inbox
from edge.wire.frame import Channel


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    made.close()


def is_awake(inbox: Inbox) -> bool:
    return bool(select.select([inbox], [], [], 0)[0])


def reading(number: int) -> Reading:
    return Reading("s", number, (1.0,))


def test_frames_are_bounded_in_number(inbox):
    inbox.members = range(INBOX_FRAMES_MAX)
    for member in range(INBOX_FRAMES_MAX):
        inbox.frame(Channel.VERTEX, b"x", member)
    assert inbox.counts()["inbox_frames"] == INBOX_FRAMES_MAX
    for member in range(5):
        inbox.frame(Channel.VERTEX, b"x", member)
    assert inbox.counts()["inbox_frames"] == INBOX_FRAMES_MAX
    assert inbox.counts()["inbox_dropped_frames"] == 5
    inbox.frame(Channel.REPLY, b"x")
    assert inbox.counts()["inbox_frames"] == INBOX_FRAMES_MAX + 1, "backlog has room of its own"
    while inbox.take(100)[1]:
        pass
    assert inbox.counts()["inbox_frames"] == inbox.counts()["inbox_bytes"] == 0
    for _ in range(2 * INBOX_FRAMES_MAX):
        inbox.frame(Channel.REPLY, b"x")
    assert inbox.counts()["inbox_frames"] == INBOX_FRAMES_MAX


def test_frames_are_bounded_in_bytes(inbox):
    inbox.members = range(100)
    for member in range(100):
        for _ in range(2 * INBOX_BYTES_MAX // 60_000 // 100):
            inbox.frame(Channel.VERTEX, bytes(60_000), member)
    assert INBOX_BYTES_MAX - 180_000 < inbox.counts()["inbox_bytes"] <= INBOX_BYTES_MAX
    for _ in range(2 * INBOX_BACKLOG_BYTES_MAX // 60_000):
        inbox.frame(Channel.REPLY, bytes(60_000))
    assert inbox.counts()["inbox_bytes"] <= INBOX_BYTES_MAX + INBOX_BACKLOG_BYTES_MAX
    assert inbox.counts()["inbox_bytes"] > INBOX_BYTES_MAX + INBOX_BACKLOG_BYTES_MAX - 240_000
    while inbox.take(100)[1]:
        pass
    assert inbox.counts()["inbox_bytes"] == 0
    inbox.frame(Channel.VERTEX, bytes(60_000))
    assert inbox.counts()["inbox_frames"] == 1


def test_votes_go_first_whatever_else_waits(inbox):
    inbox.members = range(10)
    for member in range(10):
        inbox.frame(Channel.VERTEX, b"vertex", member)
    for member in (3, 3, 3, 4):
        inbox.frame(Channel.VOTE, b"%d" % member, member)
    turn = inbox.take(100, room=0, votes_room=2)
    assert turn.frames == [(Channel.VOTE, b"3"), (Channel.VOTE, b"4")], "each in turn, where vertices have no room"
    assert inbox.counts()["inbox_votes"] == 2 and is_awake(inbox), "there is room for more"
    assert inbox.take(100, room=0, votes_room=0).frames == []
    inbox.frame(Channel.VOTE, b"4", 4)
    assert not is_awake(inbox), "a result will wake it"
    turn = inbox.take(100, room=2, votes_room=100)
    assert [channel for channel, _ in turn.frames] == [Channel.VOTE] * 3 + [Channel.VERTEX] * 2


def test_votes_have_room_of_their_own(inbox):
    inbox.members = range(INBOX_FRAMES_MAX)
    for member in range(INBOX_FRAMES_MAX + 5):
        inbox.frame(Channel.VERTEX, b"x", member)
    for _ in range(2 * INBOX_VOTES_MAX):
        inbox.frame(Channel.VOTE, b"flood", 1)
    held = inbox.counts()["inbox_votes"]
    assert held == INBOX_VOTES_MAX // 2, "one who floods takes half of it"
    assert inbox.counts()["inbox_dropped_votes"] == 2 * INBOX_VOTES_MAX - held
    inbox.frame(Channel.VOTE, b"another", 2)
    assert inbox.counts()["inbox_votes"] == held + 1
    while inbox.take(100)[1]:
        pass
    for member in range(100):
        for _ in range(2 * INBOX_VOTE_BYTES_MAX // 60_000 // 100 + 1):
            inbox.frame(Channel.VOTE, bytes(60_000), member)
    assert INBOX_VOTE_BYTES_MAX - 180_000 < inbox.counts()["inbox_bytes"] <= INBOX_VOTE_BYTES_MAX


def test_hints_have_room_of_their_own_and_a_turn_sees_to_a_few(inbox):
    inbox.members = range(2 * INBOX_HINTS_MAX)
    for member in range(2 * INBOX_HINTS_MAX):
        inbox.frame(Channel.FRONTIER, b"costly", member)
    assert inbox.counts()["inbox_frames"] == INBOX_HINTS_MAX
    for member in range(10):
        inbox.frame(Channel.VERTEX, b"live", member)
    first = [payload for _, payload in inbox.take(128).frames]
    assert first == [b"live"] * 10 + [b"costly"] * HINTS_PER_TURN
    inbox.frame(Channel.REQUEST, b"asked", 5)
    assert is_awake(inbox)
    others = [payload for _, payload in inbox.take(128, 0).frames]
    assert others == [b"costly"] * HINTS_PER_TURN, "they go on while the verifier is busy"
    while inbox.take(100).frames:
        pass
    assert inbox.counts()["inbox_frames"] == inbox.counts()["inbox_bytes"] == 0
    for member in range(3):
        inbox.frame(Channel.ROSTER, bytes(ROSTER_BYTES_MAX), member)
    assert ROSTER_BYTES_MAX <= inbox.counts()["inbox_bytes"] <= INBOX_HINT_BYTES_MAX


def test_one_chore_is_done_a_turn(inbox):
    done: list[int] = []
    for number in range(3):
        inbox.chore(partial(done.append, number))
    for count in range(1, 4):
        assert is_awake(inbox)
        (chore,) = inbox.take(128).chores
        chore()
        assert len(done) == count
    assert not is_awake(inbox) and done == [0, 1, 2]


@pytest.mark.parametrize("size", [1, 3_500, 60_000])
def test_who_floods_pushes_out_nothing_by_others(inbox, size):
    inbox.members = (1, 2, 3)
    for _ in range(3 * INBOX_FRAMES_MAX):
        inbox.frame(Channel.VERTEX, b"g" * size, 1)
    dropped = inbox.counts()["inbox_dropped_frames"]
    assert dropped >= 2 * INBOX_FRAMES_MAX
    for number in range(20):
        for member in (2, 3):
            inbox.frame(Channel.VERTEX, b"%d %d" % (member, number), member)
    inbox.frame(Channel.FRONTIER, b"by the greedy", 1)
    assert inbox.counts()["inbox_dropped_frames"] == dropped, "every frame by somebody else was taken in"
    first = [payload for _, payload in inbox.take(8)[1]]
    assert {b"2 0", b"2 1", b"3 0", b"3 1", b"by the greedy"} < set(first), "and has its turn, between two of the flood"
    rest = [payload for _, payload in inbox.take(100)[1]]
    others = [payload for payload in first + rest if payload[:1] in b"23"]
    assert others == [b"%d %d" % (member, number) for number in range(20) for member in (2, 3)], "in order"


def test_made_up_members_share_one_lane(inbox):
    inbox.members = (1,)
    for stranger in range(100, 100 + 2 * INBOX_FRAMES_MAX):
        inbox.frame(Channel.VERTEX, b"junk", stranger)
    assert inbox.counts()["inbox_frames"] == INBOX_FRAMES_MAX // 2
    inbox.frame(Channel.VERTEX, b"good", 1)
    assert b"good" in [payload for _, payload in inbox.take(2)[1]]


def test_many_who_flood_leave_room_for_one_who_does_not(inbox):
    inbox.members = range(50)
    for _ in range(INBOX_FRAMES_MAX):
        for member in range(1, 50):
            inbox.frame(Channel.VERTEX, b"flood", member)
    dropped = inbox.counts()["inbox_dropped_frames"]
    for _ in range(INBOX_FRAMES_MAX // 50 // 3):
        inbox.frame(Channel.VERTEX, b"rare", 0)
    assert inbox.counts()["inbox_dropped_frames"] == dropped


def test_what_the_node_has_no_room_for_waits_in_its_turn(inbox):
    inbox.members = (1, 2)
    for _ in range(100):
        inbox.frame(Channel.VERTEX, b"flood", 1)
    inbox.frame(Channel.REPLY, b"backlog")
    inbox.reading(reading(1))
    _, frames, readings, _ = inbox.take(128, 0)
    assert frames == [] and len(readings) == 1, "readings are not held up"
    assert not is_awake(inbox), "nobody turns in vain"
    inbox.frame(Channel.VERTEX, b"rare", 2)
    assert not is_awake(inbox)
    inbox.task(lambda: None)
    assert is_awake(inbox)
    _, frames, *_ = inbox.take(128, 3)
    assert [payload for _, payload in frames] == [b"flood", b"rare", b"flood", b"backlog"]
    assert is_awake(inbox)


def test_large_bodies_have_room_of_their_own_and_come_last(inbox):
    for number in range(2 * BLOB_INBOX_BYTES_MAX // 60_000):
        inbox.frame(Channel.BLOB, bytes([number]) * 60_000)
    assert BLOB_INBOX_BYTES_MAX - 60_000 < inbox.counts()["inbox_bytes"] <= BLOB_INBOX_BYTES_MAX
    assert inbox.counts()["inbox_dropped_frames"] > 0
    dropped = inbox.counts()["inbox_dropped_frames"]
    for _ in range(5):
        inbox.frame(Channel.VERTEX, b"live")
        inbox.frame(Channel.REPLY, b"backlog")
    assert inbox.counts()["inbox_dropped_frames"] == dropped
    channels = [channel for channel, _ in inbox.take(10)[1]]
    assert channels == [Channel.VERTEX] * 5 + [Channel.REPLY] * 5 + [Channel.BLOB]
    while inbox.take(100)[1]:
        pass
    assert inbox.counts()["inbox_bytes"] == 0 and not is_awake(inbox)


def test_large_bodies_are_bounded_in_number_too(inbox):
    for _ in range(INBOX_FRAMES_MAX + 5):
        inbox.frame(Channel.BLOB, b"x")
    assert inbox.counts()["inbox_frames"] == INBOX_FRAMES_MAX


def test_readings_are_bounded_and_the_source_is_told(inbox):
    for number in range(QUEUE_READINGS_MAX):
        assert inbox.reading(reading(number))
    assert not inbox.reading(reading(0))
    assert inbox.counts()["inbox_refused_readings"] == 1
    assert len(inbox.take(10)[2]) == 10
    assert inbox.reading(reading(1))
    inbox.is_busy = True
    assert not inbox.reading(reading(2)), "events wait to be recorded: recordings wait, live sources shed"


def test_live_traffic_goes_ahead_of_backlog(inbox):
    for _ in range(10):
        inbox.frame(Channel.REPLY, b"old")
        inbox.frame(Channel.VERTEX, b"new")
    _, frames, *_ = inbox.take(12)
    assert [payload for _, payload in frames] == [b"new"] * 10 + [b"old"] * 2
    inbox.frame(Channel.VERTEX, b"new")
    for _ in range(3):
        inbox.frame(Channel.VERTEX, b"new")
    _, frames, *_ = inbox.take(4)
    assert [payload for _, payload in frames] == [b"new"] * 4 + [b"old"], "which is not starved either"


def test_it_is_awake_as_long_as_something_waits(inbox):
    assert not is_awake(inbox)
    for number in range(3):
        inbox.reading(reading(number))
    assert is_awake(inbox)
    inbox.take(2)
    assert is_awake(inbox)
    inbox.take(2)
    assert not is_awake(inbox)


def test_a_signal_handler_wakes_it_whatever_it_interrupts(inbox):
    """The handler runs in the middle of our own lines; a lock that those hold would never be free again."""
    signals = 0

    def handler(*_: object) -> None:
        nonlocal signals
        signals += 1
        inbox.nudge()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(20_000):
            inbox.task(lambda: None)
            inbox.take(10)
            if signals >= 100:
                break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert signals >= 10
    inbox.take(10)
    assert not is_awake(inbox)
    inbox.nudge()
    assert is_awake(inbox)


def test_tasks_of_many_threads_all_arrive(inbox):
    done: list[int] = []

    def post(base: int) -> None:
        for number in range(500):
            inbox.task(lambda number=base + number: done.append(number))

    threads = [threading.Thread(target=post, args=(base,)) for base in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    while len(done) < 1500:
        assert select.select([inbox], [], [], 10)[0]
        for task in inbox.take(10)[0]:
            task()
    for thread in threads:
        thread.join()
    assert [number for number in done if number < 1000] == list(range(500)), "each thread's in order"
