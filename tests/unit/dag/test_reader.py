"""Reading a log beside its writer: nothing twice, nothing skipped, nothing half."""

from random import Random

import pytest

from edge.dag.journal import GAP, VERTEX, Journal, JournalOptions, Place
from edge.dag.reader import follow, read_log, read_record
from edge.dag.records import Disk, place_of, segment_name
from edge.sim.disk import SimDisk

SMALL = JournalOptions(segment_bytes=4096)


class Tail:
    """A caller that polls."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._place: Place = 0

    def poll(self) -> list[bytes]:
        found = []
        for place, record in follow(self._disk, self._place):
            found.append(record.payload)
            self._place = place
        return found


class TornReads(SimDisk):
    """A reader that races with the writer: later bytes show already when earlier ones do not yet."""

    hidden: tuple[int, int] | None = None
    reads = 0

    def read(self, name: str, offset: int, length: int) -> bytes:
        data = bytearray(super().read(name, offset, length))
        if self.hidden:
            for at in range(max(self.hidden[0], offset), min(self.hidden[1], offset + len(data))):
                data[at - offset] = 0
            self.reads += 1
            if self.reads == 4:  # the record before, the head of the next, the window, the search behind the damage
                self.hidden = None
        return bytes(data)


@pytest.fixture
def disk() -> SimDisk:
    return SimDisk(Random(1))


def opened(disk: SimDisk) -> Journal:
    journal = Journal(disk, SMALL)
    list(journal.recover())
    return journal


def test_follow_gives_each_record_once_across_segments(disk: SimDisk) -> None:
    journal = opened(disk)
    tail = Tail(disk)
    rng = Random(5)
    assert tail.poll() == []
    written, seen = [], []
    for number in range(400):
        payload = b"%d " % number * rng.choice((1, 20, 200))
        journal.append(VERTEX, payload)
        written.append(payload)
        if rng.random() < 0.2:
            seen += tail.poll()
            assert seen == written
    assert journal.counts()["segment"] > 20
    assert tail.poll() == written[len(seen) :]
    assert tail.poll() == []
    assert [record.payload for _, record in read_log(disk)] == written


def test_what_was_appended_before_a_rotation_is_not_skipped(disk: SimDisk) -> None:
    journal = opened(disk)
    journal.append(VERTEX, b"first")
    tail = Tail(disk)
    assert tail.poll() == [b"first"]
    journal.append(VERTEX, b"second")
    journal.append(VERTEX, bytes(4080))
    assert journal.counts()["segment"] == 2
    assert tail.poll() == [b"second", bytes(4080)]


def test_polling_an_idle_log_reads_almost_nothing() -> None:
    class Counting(SimDisk):
        bytes_read = 0

        def read(self, name: str, offset: int, length: int) -> bytes:
            data = super().read(name, offset, length)
            self.bytes_read += len(data)
            return data

    disk = Counting(Random(1))
    journal = Journal(disk, JournalOptions())
    list(journal.recover())
    journal.append(VERTEX, b"x")
    tail = Tail(disk)
    tail.poll()
    disk.bytes_read = 0
    assert tail.poll() == []
    assert disk.bytes_read < 10_000, "not the 8 MB that are reserved"


def test_a_half_written_record_is_not_there_yet(disk: SimDisk) -> None:
    journal = opened(disk)
    place = journal.append(VERTEX, b"whole")
    second = journal.append(VERTEX, b"second" * 50)
    whole = disk.read(segment_name(1), 0, 4096)
    disk.put(segment_name(1), whole[: (second & 0xFFFF) + 100].ljust(4096, b"\0"))
    assert [found for found, _ in read_log(disk)] == [place]
    assert list(follow(disk, place)) == []
    disk.put(segment_name(1), whole)
    assert [found for found, _ in follow(disk, place)] == [second]


def test_a_record_seen_before_the_one_in_front_of_it_is_read_again() -> None:
    disk = TornReads(Random(1))
    journal = opened(disk)
    places = [journal.append(VERTEX, bytes([n]) * 100) for n in range(1, 5)]
    disk.hidden = ((places[1] & 0xFFFF) + 20, places[2] & 0xFFFF)
    assert [place for place, _ in follow(disk, places[0])] == places[1:]
    assert disk.hidden is None


def test_damage_is_passed_over(disk: SimDisk) -> None:
    journal = opened(disk)
    places = [journal.append(VERTEX, bytes([n]) * 100) for n in range(1, 80)]
    assert journal.counts()["segment"] > 1
    for damaged in (places[3], places[20], places[-2]):
        disk.rot(segment_name(damaged >> 32), (damaged & 0xFFFF) + 15, 1)
    expected = [place for place in places if place not in (places[3], places[20], places[-2])]
    assert [place for place, _ in read_log(disk)] == expected
    assert read_record(disk, places[3]) is None
    assert [place for place, _ in follow(disk, places[2])] == expected[3:]


def test_a_place_that_is_gone_starts_at_the_next_segment(disk: SimDisk) -> None:
    journal = opened(disk)
    places = [journal.append(VERTEX, bytes([n]) * 1000) for n in range(1, 20)]
    disk.remove(segment_name(1))
    assert [place for place, _ in follow(disk, places[0])] == [place for place in places if place >> 32 > 1]
    assert list(follow(disk, places[-1])) == []


@pytest.mark.parametrize("place", [0, 1, place_of(1, 1), place_of(1, 5000), place_of(9, 0), place_of(1, 0) + 2**40])
def test_there_is_no_record_at_a_wrong_place(disk: SimDisk, place: Place) -> None:
    journal = opened(disk)
    journal.append(VERTEX, b"x" * 100)
    assert read_record(disk, place) is None
    assert journal.read(place) is None


def test_reading_an_empty_directory(disk: SimDisk) -> None:
    assert list(read_log(disk)) == []
    assert list(follow(disk, 0)) == []


def test_reading_writes_nothing(disk: SimDisk) -> None:
    journal = opened(disk)
    place = journal.append(VERTEX, b"x" * 100)
    journal.append(GAP, b"")
    disk.rot(segment_name(1), 50, 1)
    before = disk.operations
    list(read_log(disk))
    list(follow(disk, place))
    assert disk.operations == before
