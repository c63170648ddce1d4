"""The journal's rules one by one; what survives power cuts is in tests/property/test_journal_power_cut.py."""

import struct
from random import Random

import pytest

from edge.dag._crc32c import crc32c
from edge.dag.journal import BOOT, CLEAN, ROSTER, SIGNATURE, VERTEX, Journal, JournalOptions, Record
from edge.dag.records import HEADER_BYTES, place_of, segment_name, segment_numbers
from edge.errors import DiskFullError, StorageError
from edge.limits import RECORD_BYTES_MAX
from edge.sim.disk import SimDisk, Tail
from tests.unit.dag.journals import FIRST, SMALL, TracedDisk, opened, recovered


@pytest.fixture
def disk() -> TracedDisk:
    return TracedDisk()


# The form


def slow_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_crc32c_is_castagnolis() -> None:
    assert crc32c(b"") == 0
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720 B.4
    data = Random(3).randbytes(200)
    for length in range(200):
        assert crc32c(data[:length]) == slow_crc32c(data[:length])


def test_the_form_on_the_disk(disk: TracedDisk) -> None:
    journal = opened(disk)
    journal.append(CLEAN, b"")
    place = journal.append(VERTEX, b"payload")
    assert place == 1 << 32 | HEADER_BYTES
    length_and_type = struct.pack("<IB", 7, VERTEX)
    crc = slow_crc32c(struct.pack("<Q", place) + length_and_type + b"payload")
    assert disk.read(FIRST, HEADER_BYTES, 16) == length_and_type + struct.pack("<I", crc) + b"payload"
    assert disk.size(FIRST) == SMALL.segment_bytes, "reserved ahead"
    assert not any(disk.read(FIRST, HEADER_BYTES + 16, 4096))


def test_only_our_names_are_segments() -> None:
    names = [
        "00000010.seg",
        "00000002.seg",
        "00000000.seg",
        "1.seg",
        "0000000a.seg",
        "٠٠٠٠٠٠٠١.seg",
        "quarantine/1",
        ".lock",
    ]
    assert segment_numbers(names) == [2, 10]


# Writing


def test_nothing_is_appended_before_recovery(disk: TracedDisk) -> None:
    with pytest.raises(RuntimeError):
        Journal(disk).append(VERTEX, b"")
    journal = Journal(disk)
    next(journal.recover(), None)
    assert opened(disk).append(VERTEX, b"")


@pytest.mark.parametrize(("type", "size"), [(0, 1), (32, 1), (256, 1), (VERTEX, RECORD_BYTES_MAX + 1)])
def test_no_such_record(disk: TracedDisk, type: int, size: int) -> None:
    with pytest.raises(ValueError, match="no journal record"):
        opened(disk, JournalOptions()).append(type, bytes(size))


def test_the_largest_record_fits_and_is_read_back(disk: TracedDisk) -> None:
    journal = opened(disk, JournalOptions())
    payload = Random(2).randbytes(RECORD_BYTES_MAX)
    place = journal.append(VERTEX, payload)
    assert journal.read(place) == Record(VERTEX, payload)
    with pytest.raises(ValueError, match="no journal record"):
        opened(SimDisk(Random(1))).append(VERTEX, bytes(SMALL.segment_bytes))


def test_one_sync_pays_for_all_records_of_a_commit(disk: TracedDisk) -> None:
    journal = opened(disk)
    for _ in range(10):
        journal.append(VERTEX, b"x" * 100)
    disk.trace.clear()
    journal.commit()
    journal.commit()
    assert disk.trace == [f"sync {FIRST}"]


def test_rotation_syncs_the_full_segment_before_the_next_exists(disk: TracedDisk) -> None:
    journal = opened(disk)
    journal.append(VERTEX, bytes(3000))
    disk.trace.clear()
    place = journal.append(VERTEX, bytes(3000))
    second = segment_name(2)
    assert disk.trace == [f"sync {FIRST}", f"create {second}", "sync_dir", f"write {second}"]
    assert place == place_of(2, 0)
    disk.trace.clear()
    journal.commit()
    assert disk.trace == [f"sync {second}"]


def test_a_failed_sync_is_final(disk: TracedDisk) -> None:
    journal = opened(disk)
    kept = journal.append(VERTEX, b"kept")
    journal.commit()
    journal.append(VERTEX, b"not durable")
    disk.failing_syncs = 1
    disk.trace.clear()
    with pytest.raises(StorageError, match="sync failed"):
        journal.commit()
    for act in (journal.commit, lambda: journal.append(CLEAN, b"")):
        with pytest.raises(StorageError, match="takes no more records"):
            act()
    assert disk.trace == [f"sync {FIRST}"], "never retried"
    assert journal.read(kept) == Record(VERTEX, b"kept")
    assert journal.failure


def test_a_failed_sync_of_the_directory_is_final(disk: TracedDisk) -> None:
    journal = opened(disk)
    disk.failing_syncs = 1
    with pytest.raises(StorageError):
        journal.append(VERTEX, b"")
    with pytest.raises(StorageError, match="takes no more records"):
        journal.commit()


# A full disk


def test_a_full_disk_leaves_no_trace_of_the_record(disk: TracedDisk) -> None:
    disk.thin = True
    journal = opened(disk)
    first = journal.append(VERTEX, b"first" * 100)
    disk.room = 300
    with pytest.raises(DiskFullError):
        journal.append(VERTEX, b"second" * 100)
    small = journal.append(SIGNATURE, b"small")
    disk.room = None
    after = journal.append(VERTEX, b"after" * 20)
    journal.commit()
    disk.crash(Tail.NONE)
    journal, found = recovered(disk)
    assert [place for place, _ in found] == [first, small, after]
    assert (journal.torn_bytes, journal.quarantined) == (0, ())


def test_no_half_record_remains_when_the_disk_stays_full(disk: TracedDisk) -> None:
    disk.thin = True
    journal = opened(disk)
    journal.append(VERTEX, b"first")
    disk.room = 300
    with pytest.raises(DiskFullError):
        journal.append(VERTEX, bytes(range(1, 251)) * 2)
    journal.commit()
    disk.crash(Tail.NONE)
    journal, found = recovered(disk)
    assert (len(found), journal.torn_bytes, journal.quarantined) == (1, 0, ())


def test_a_full_disk_at_rotation_is_tried_again(disk: TracedDisk) -> None:
    journal = opened(disk)
    journal.append(VERTEX, bytes(3000))
    disk.room = 100
    for _ in range(3):
        with pytest.raises(DiskFullError):
            journal.append(VERTEX, bytes(3000))
    small = journal.append(VERTEX, bytes(500))
    assert small >> 32 == 1, "what fits into the old segment still goes there"
    disk.room = None
    assert journal.append(VERTEX, bytes(3000)) == place_of(2, 0)
    journal.commit()
    disk.crash(Tail.NONE)
    assert len(recovered(disk)[1]) == 3
    assert journal.counts()["refused_full"] == 3


def test_the_limit_of_the_log_refuses_vertices_but_not_the_small_records(disk: TracedDisk) -> None:
    journal = opened(disk, JournalOptions(segment_bytes=4096, max_bytes=10_000))
    for _ in range(10_000 // 509):
        journal.append(VERTEX, bytes(500))
    with pytest.raises(DiskFullError, match="limit of 10000 bytes"):
        journal.append(VERTEX, bytes(500))
    assert 0.9 < journal.share <= 1.0
    with pytest.raises(DiskFullError):
        journal.append(ROSTER, bytes(500))
    for type in (BOOT, SIGNATURE, CLEAN):
        assert journal.append(type, b"")
    journal.commit()
    again = opened(disk, JournalOptions(segment_bytes=4096, max_bytes=10_000))
    assert again.share == journal.share
    assert again.clean
