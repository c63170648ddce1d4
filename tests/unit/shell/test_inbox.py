"""What waits for the loop: its bounds, whose turn it is, and a wake-up that is safe inside a signal handler."""

import select
import signal
import threading
from collections.abc import Iterator

import pytest

from edge.limits import BLOB_INBOX_BYTES_MAX, INBOX_BYTES_MAX, INBOX_FRAMES_MAX, QUEUE_READINGS_MAX
from edge.sense.reading import Reading
from edge.shell.inbox import Inbox
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
    for _ in range(INBOX_FRAMES_MAX + 5):
        inbox.frame(Channel.VERTEX, b"x")
    assert inbox.counts()["inbox_frames"] == INBOX_FRAMES_MAX
    assert inbox.counts()["inbox_dropped_frames"] == 5
    inbox.frame(Channel.REPLY, b"x")
    assert inbox.counts()["inbox_frames"] == INBOX_FRAMES_MAX + 1, "backlog has room of its own"


def test_frames_are_bounded_in_bytes(inbox):
    for _ in range(2 * INBOX_BYTES_MAX // 60_000):
        inbox.frame(Channel.VERTEX, bytes(60_000))
    assert INBOX_BYTES_MAX - 60_000 < inbox.counts()["inbox_bytes"] <= INBOX_BYTES_MAX
    while inbox.take(100)[1]:
        pass
    assert inbox.counts()["inbox_bytes"] == 0
    inbox.frame(Channel.VERTEX, bytes(60_000))
    assert inbox.counts()["inbox_frames"] == 1


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
    _, frames, _ = inbox.take(12)
    assert [payload for _, payload in frames] == [b"new"] * 10 + [b"old"] * 2
    inbox.frame(Channel.VERTEX, b"new")
    for _ in range(3):
        inbox.frame(Channel.VERTEX, b"new")
    _, frames, _ = inbox.take(4)
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
