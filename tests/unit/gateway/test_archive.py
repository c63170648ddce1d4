"""The archive thread: what it says is done is on the disk, also when it is killed."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import Queue

import pytest

from edge import limits
from edge.errors import DiskFullError, StorageError, TryLaterError
from edge.gateway.archive import Archiver, Failure
from edge.gateway.store import Stored, Vertex
from edge.gateway.store.sqlite import SqliteStore
from tests.unit.gateway.contract import header_of
from tests.unit.gateway.memory import MemoryStore
from tests.unit.gateway.vertices import chain

DEADLINE_S = 10.0


class Told:
    """What the archiver has called back."""

    def __init__(self) -> None:
        self.done: Queue[int] = Queue()
        self.failed: Queue[Failure] = Queue()

    def tickets(self, count: int) -> list[int]:
        return [self.done.get(timeout=DEADLINE_S) for _ in range(count)]


class Troubled(MemoryStore):
    """A store that fails as it is told, and counts its transactions."""

    def __init__(self) -> None:
        super().__init__()
        self.troubles: list[Exception] = []
        self.commits = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def put_many(self, vertices: Iterable[Vertex]) -> Stored:
        self.entered.set()
        assert self.gate.wait(DEADLINE_S)
        if self.troubles:
            raise self.troubles.pop(0)
        self.commits += 1
        return super().put_many(vertices)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def archive(told: Told) -> Iterator[Callable[[MemoryStore | SqliteStore], Archiver]]:
    started: list[Archiver] = []

    def start(store: MemoryStore | SqliteStore) -> Archiver:
        archiver = Archiver(store, told.done.put, told.failed.put, retry_s=0.01)
        archiver.start()
        started.append(archiver)
        return archiver

    yield start
    for archiver in started:
        archiver.stop(DEADLINE_S)


Start = Callable[[MemoryStore | SqliteStore], Archiver]


def test_done_follows_the_commit_in_order(tmp_path: Path, told: Told, archive: Start) -> None:
    store = SqliteStore(tmp_path / "gateway.db")
    archiver = archive(store)
    vertices = chain(1, 100)
    for ticket, vertex in enumerate(vertices):
        assert archiver.submit(ticket, [vertex])
    assert told.tickets(100) == list(range(100))
    assert archiver.stop(DEADLINE_S)
    assert store.count().vertices == 100
    counts = archiver.counts()
    assert (counts["archived_vertices"], counts["archived_events"]) == (100, 200)
    assert counts["archive_queue"] == counts["archive_queue_bytes"] == 0
    store.close()


def test_what_queues_up_shares_one_transaction(told: Told, archive: Start) -> None:
    store = Troubled()
    store.gate.clear()
    archiver = archive(store)
    archiver.submit(0, chain(1, 1))
    assert store.entered.wait(DEADLINE_S)
    for ticket in range(1, 500):
        archiver.submit(ticket, chain(1 + ticket, 1))
    assert told.done.empty()
    store.gate.set()
    assert told.tickets(500) == list(range(500))
    assert store.commits == 2


def test_a_full_disk_is_told_once_and_its_tickets_wait(told: Told, archive: Start) -> None:
    store = Troubled()
    store.troubles = [DiskFullError("full"), DiskFullError("full"), TryLaterError("busy")]
    archiver = archive(store)
    archiver.submit(1, chain(1, 1))
    assert told.tickets(1) == [1]
    assert str(told.failed.get(timeout=DEADLINE_S)) == "full"
    assert told.failed.empty()
    assert archiver.counts()["archive_retries"] == 3
    store.troubles = [DiskFullError("full again")]
    archiver.submit(2, chain(2, 1))
    assert told.tickets(1) == [2]
    assert str(told.failed.get(timeout=DEADLINE_S)) == "full again"


@pytest.mark.parametrize("trouble", [StorageError("the disk is gone"), ValueError("a bug")])
def test_a_final_error_is_told_and_nothing_is_done_after_it(told: Told, archive: Start, trouble: Exception) -> None:
    store = Troubled()
    store.troubles = [trouble]
    archiver = archive(store)
    archiver.submit(1, chain(1, 1))
    error = told.failed.get(timeout=DEADLINE_S)
    assert type(error) is StorageError
    assert str(trouble) in str(error)
    assert not archiver.submit(2, chain(1, 1))
    assert not archiver.stop(DEADLINE_S)
    assert told.done.empty()
    assert store.count() == (0, 0)


def test_tickets_max_and_archive_queue_bytes_bound_the_queue(told: Told, archive: Start) -> None:
    store = Troubled()
    store.gate.clear()
    archiver = archive(store)
    (vertex,) = chain(1, 1)
    taken = 0
    while archiver.submit(taken, [vertex]):
        taken += 1
    assert taken == limits.TICKETS_MAX
    store.gate.set()
    assert told.tickets(taken) == list(range(taken))

    store.entered.clear()
    store.gate.clear()
    (raw, _, body) = vertex
    big = (raw, bytes(1 << 20), body)
    taken = 0
    while archiver.submit(taken, [big]):
        taken += 1
    assert taken == limits.ARCHIVE_QUEUE_BYTES // sum(map(len, (raw, big[1], body or b"")))
    assert archiver.counts()["archive_refused"] == 2
    assert archiver.counts()["archive_queue_bytes"] <= limits.ARCHIVE_QUEUE_BYTES
    store.gate.set()
    told.tickets(taken)


def test_one_ticket_larger_than_the_bound_still_passes(told: Told, archive: Start) -> None:
    (raw, _, body) = chain(1, 1)[0]
    archiver = archive(MemoryStore())
    assert archiver.submit(1, [(raw, bytes(limits.ARCHIVE_QUEUE_BYTES), body)])
    assert told.tickets(1) == [1]


def test_stop_stores_what_is_queued(told: Told, archive: Start) -> None:
    store = MemoryStore()
    archiver = archive(store)
    for ticket, vertex in enumerate(chain(1, 200)):
        archiver.submit(ticket, [vertex])
    assert archiver.stop(DEADLINE_S)
    assert told.tickets(200) == list(range(200))
    assert store.count().vertices == 200
    assert not archiver.submit(1, [])


def test_stop_on_a_full_disk_says_that_it_was_not_possible(told: Told, archive: Start) -> None:
    store = Troubled()
    store.troubles = [DiskFullError("full")] * 1000
    archiver = archive(store)
    archiver.submit(1, chain(1, 1))
    told.failed.get(timeout=DEADLINE_S)
    assert not archiver.stop(DEADLINE_S)
    assert told.done.empty()


KILLED = """
import os, sys, threading
from pathlib import Path
from edge.gateway.archive import Archiver
from edge.gateway.store.sqlite import SqliteStore
from tests.unit.gateway.vertices import chain

store = SqliteStore(Path(sys.argv[1]))
room = threading.Semaphore(256)


def done(ticket):
    os.write(1, b"%08d\\n" % ticket)  # at once and whole: atomic on a pipe
    room.release()


archiver = Archiver(store, done, lambda error: os.abort())
archiver.start()
vertices = [chain(author, 400, events_each=8) for author in range(1, 9)]
ticket = 0
for seq in range(400):
    for author in range(8):
        room.acquire()
        assert archiver.submit(ticket, [vertices[author][seq]])
        ticket += 1
archiver.stop(60)
"""


@pytest.mark.parametrize("round_", range(6))
def test_kill_9_loses_nothing_that_was_reported_done(tmp_path: Path, round_: int) -> None:
    path = tmp_path / "gateway.db"
    kill_after = random.Random(round_).randrange(1, 2000)
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, bufsize=0)
    assert child.stdout is not None
    reported = b""
    while len(reported) < 9 * kill_after:
        piece = os.read(child.stdout.fileno(), 9)
        assert piece, f"the child ended by itself with {child.wait()}"
        reported += piece
    child.kill()
    reported += child.stdout.read()  # done before it died, read after
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    tickets = [int(text) for text in reported.split()]
    assert tickets == list(range(len(tickets)))

    vertices = [chain(author, 400, events_each=8) for author in range(1, 9)]
    store = SqliteStore(path)
    assert store.quarantined is None
    ids = [header_of(vertices[ticket % 8][ticket // 8][0]).id for ticket in tickets]
    assert all(store.has(ids))
    count = store.count()
    assert count.events == 8 * count.vertices == 8 * sum(store.frontier().values())
    last = tickets[-1]
    assert store.event(last % 8 + 1, 1, last // 8 + 1, 7) is not None
    store.close()
