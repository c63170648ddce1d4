"""The journal's thread: one sync for all that waits, order on a disk that fills up, an end when it dies."""

import queue
import threading
from collections.abc import Iterator
from random import Random

import pytest

from edge.dag.journal import Journal, JournalOptions
from edge.dag.records import SIGNATURE, VERTEX, Record
from edge.effects import Load, Persist
from edge.errors import DiskFullError, StorageError
from edge.shell.scribe import Scribe
from edge.sim.disk import SimDisk

WAIT_S = 10


class Held(Journal):
    """A journal whose commits wait until the test lets them go, and whose room is the test's."""

    def __init__(self) -> None:
        super().__init__(SimDisk(Random(1)), JournalOptions(max_bytes=1 << 20))
        self.go = threading.Event()
        self.go.set()
        self.is_committing = threading.Event()
        self.commits = 0
        assert not list(self.recover())
        self.go.clear()
        self.is_committing.clear()
        self.commits = 0
        self.room_bytes = 1 << 20
        self.order: list[bytes] = []
        self.bug: Exception | None = None

    def append(self, type: int, payload: bytes) -> int:
        if self.bug is not None:
            raise self.bug
        if len(payload) > self.room_bytes:
            raise DiskFullError("no room")
        self.order.append(payload)
        return super().append(type, payload)

    def commit(self) -> None:
        self.is_committing.set()
        assert self.go.wait(WAIT_S)
        super().commit()
        self.commits += 1


class Desk:
    def __init__(self) -> None:
        self.journal = Held()
        self.answers: queue.Queue[tuple[int, object]] = queue.Queue()
        self.failures: queue.Queue[StorageError] = queue.Queue()
        self.scribe = Scribe(
            self.journal,
            lambda ticket, places, at_ns: self.answers.put((ticket, places)),
            lambda ticket, records: self.answers.put((ticket, records)),
            self.failures.put,
        )
        self.scribe.start()

    def vertex(self, ticket: int, size: int, *, sync: bool = True) -> Persist:
        effect = Persist(ticket, (Record(VERTEX, bytes([ticket]) * size),), sync)
        self.scribe.put(effect)
        return effect

    def answer(self) -> tuple[int, object]:
        return self.answers.get(timeout=WAIT_S)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.journal.go.set()
    made.scribe.stop(WAIT_S)


def test_what_waits_shares_one_sync(desk):
    desk.vertex(1, 100)
    for ticket in range(2, 40):
        desk.vertex(ticket, 100)
    desk.journal.go.set()
    assert [desk.answer()[0] for _ in range(1, 40)] == list(range(1, 40))
    assert desk.journal.commits <= 3


def test_nothing_is_answered_before_it_is_durable(desk):
    desk.vertex(1, 100)
    assert desk.journal.is_committing.wait(WAIT_S)
    assert desk.answers.empty()
    desk.journal.go.set()
    assert desk.answer()[0] == 1


def test_what_was_written_is_read_back(desk):
    desk.journal.go.set()
    desk.vertex(1, 50)
    places = desk.answer()[1]
    desk.scribe.put(Load(2, places))
    assert desk.answer() == (2, (Record(VERTEX, bytes([1]) * 50),))


def test_no_vertex_overtakes_one_that_was_refused(desk):
    journal = desk.journal
    journal.go.set()
    journal.room_bytes = 100
    large = desk.vertex(1, 500)
    desk.vertex(2, 50)
    desk.scribe.put(Persist(3, (Record(SIGNATURE, bytes(60)),), False))
    assert [desk.answer() for _ in range(2)] == [(1, None), (2, None)]
    assert desk.answer()[1] is not None, "a signature belongs to what is there already"
    journal.room_bytes = 1000
    desk.vertex(4, 50)
    assert desk.answer() == (4, None), "not yet: the refused one comes first"
    desk.scribe.put(large._replace(ticket=5))
    desk.vertex(6, 50)
    assert all(desk.answer()[1] for _ in range(2))
    assert [payload[:1] for payload in journal.order if len(payload) != 60] == [b"\x01", b"\x06"]


@pytest.mark.parametrize("error", [StorageError("the card is gone"), ZeroDivisionError("a bug of ours")])
def test_a_dead_disk_is_said_once_and_nothing_is_answered_any_more(desk, error):
    desk.journal.go.set()
    desk.journal.bug = error
    desk.vertex(1, 10)
    failure = desk.failures.get(timeout=WAIT_S)
    assert str(error) in str(failure)
    desk.journal.bug = None
    desk.vertex(2, 10)
    assert not desk.scribe.stop(WAIT_S)
    assert desk.answers.empty() and desk.failures.empty()


def test_it_writes_what_is_queued_before_it_ends(desk):
    for ticket in range(1, 20):
        desk.vertex(ticket, 10)
    desk.journal.go.set()
    assert desk.scribe.stop(WAIT_S)
    assert desk.answers.qsize() == 19
