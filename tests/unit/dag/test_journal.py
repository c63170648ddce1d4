"""The journal's rules one by one; what survives power cuts is in tests/property/test_journal_power_cut.py."""

import struct
from random import Random

import pytest

from edge.dag._crc32c import crc32c, find, seal
from edge.dag.journal import BOOT, CLEAN, GAP, ROSTER, SIGNATURE, VERTEX, Journal, JournalOptions, Place, Record
from edge.dag.records import HEADER_BYTES, place_of, segment_name, segment_numbers
from edge.errors import DiskFullError, StorageError
from edge.limits import QUARANTINE_BYTES_MAX, RECORD_BYTES_MAX, RESYNC_BYTES_MAX, SEGMENT_BYTES
from edge.sim.disk import SimDisk, Tail
from edge.wire.cbor import decode

SMALL = JournalOptions(segment_bytes=4096, max_bytes=64 * 1024)
FIRST = segment_name(1)


class TracedDisk(SimDisk):
    """Writes down what is done to it, in order."""

    def __init__(self) -> None:
        super().__init__(Random(1))
        self.trace: list[str] = []

    def create(self, name: str, allocate: int) -> None:
        self.trace.append(f"create {name}")
        super().create(name, allocate)

    def write(self, name: str, offset: int, data: bytes) -> None:
        self.trace.append(f"write {name}")
        super().write(name, offset, data)

    def sync(self, name: str) -> None:
        self.trace.append(f"sync {name}")
        super().sync(name)

    def sync_dir(self) -> None:
        self.trace.append("sync_dir")
        super().sync_dir()


def opened(disk: SimDisk, options: JournalOptions = SMALL) -> Journal:
    return recovered(disk, options)[0]


def recovered(disk: SimDisk, options: JournalOptions = SMALL) -> tuple[Journal, list[tuple[Place, Record]]]:
    journal = Journal(disk, options)
    found = list(journal.recover())
    return journal, found


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


def test_a_restart_after_a_failed_sync_shows_what_is_durable() -> None:
    """The page cache still shows the records whose sync failed; recovery must not believe it (Rebello, ATC '20)."""
    lost = 0
    for seed in range(20):
        disk = SimDisk(Random(seed))
        journal = opened(disk)
        journal.append(VERTEX, Random(seed).randbytes(1000))
        disk.failing_syncs = 1
        with pytest.raises(StorageError):
            journal.commit()
        assert journal.read(place_of(1, 0)) is not None, "the cache has it"
        _, found = recovered(disk)
        disk.crash(Tail.NONE)
        assert recovered(disk)[1] == found
        lost += not found
    assert 0 < lost < 20


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


# Recovery


def test_an_empty_directory(disk: TracedDisk) -> None:
    journal, found = recovered(disk)
    assert (found, journal.clean, journal.failure, disk.names()) == ([], False, "", [])


def test_clean_means_that_nothing_follows_clean(disk: TracedDisk) -> None:
    journal = opened(disk)
    journal.append(VERTEX, b"x")
    journal.append(CLEAN, b"")
    journal.commit()
    journal = opened(disk)
    assert journal.clean
    journal.append(BOOT, b"")
    journal.commit()
    assert not opened(disk).clean


def test_a_torn_tail_is_cut_and_its_place_reused(disk: TracedDisk) -> None:
    journal = opened(disk)
    kept = journal.append(VERTEX, b"kept")
    journal.append(CLEAN, b"")
    torn = journal.append(VERTEX, b"torn" * 100)
    journal.commit()
    disk.rot(FIRST, (torn & 0xFFFF) + 50, 8)
    disk.trace.clear()
    journal, found = recovered(disk)
    assert disk.trace == [f"sync {FIRST}", f"sync {FIRST}", "sync_dir"], "settled, then the cut made durable"
    assert [record.payload for _, record in found] == [b"kept", b""]
    assert journal.torn_bytes == HEADER_BYTES + 400
    assert not journal.clean, "something followed CLEAN"
    assert not any(disk.read(FIRST, torn & 0xFFFF, 4096)), "reserved zeros again"
    assert disk.size(FIRST) == SMALL.segment_bytes
    assert journal.append(VERTEX, b"new") == torn
    journal.commit()
    disk.crash(Tail.NONE)
    assert [place for place, _ in recovered(disk)[1]] == [kept, kept + HEADER_BYTES + 4, torn]


def test_a_damaged_middle_is_quarantined_and_reported_once(disk: TracedDisk) -> None:
    journal = opened(disk)
    places = [journal.append(VERTEX, bytes([n]) * 100) for n in range(1, 6)]
    journal.append(CLEAN, b"")
    journal.commit()
    start, end = places[2] & 0xFFFF, places[3] & 0xFFFF
    disk.rot(FIRST, start + 20, 1)
    damaged = disk.read(FIRST, start, end - start)

    journal, found = recovered(disk)
    assert [place for place, record in found if record.type == VERTEX] == [places[n] for n in (0, 1, 3, 4)]
    assert [tuple(gap) for gap in journal.quarantined] == [(1, start, end, False)]
    assert journal.torn_bytes == 0
    assert not journal.clean
    assert journal.read(places[2]) is None
    assert journal.counts()["read_damaged"] == 1
    assert disk.read(f"quarantine/00000001-{start}-{end}", 0, 4096) == damaged
    assert disk.read(FIRST, start, end - start) == damaged, "left where it is"

    journal.append(CLEAN, b"")
    journal.commit()
    journal, found = recovered(disk)
    assert [decode(record.payload) for _, record in found if record.type == GAP] == [[1, start, end]]
    assert [tuple(gap) for gap in journal.quarantined] == [(1, start, end, True)]
    assert journal.clean, "an old, reported gap does not make every later stop unclean"


def test_damage_at_the_end_of_a_full_segment_is_no_torn_tail(disk: TracedDisk) -> None:
    journal = opened(disk)
    last = [journal.append(VERTEX, bytes(1900)) for _ in range(3)][1]
    journal.commit()
    disk.rot(FIRST, last & 0xFFFF, 30)
    journal, found = recovered(disk)
    assert len(found) == 2
    assert [gap[:2] for gap in journal.quarantined] == [(1, last & 0xFFFF)]


def test_a_record_inside_a_payload_is_never_taken_for_one_of_ours(disk: TracedDisk) -> None:
    """A peer chooses what stands in a vertex: records it made must not come up behind damage."""
    journal = opened(disk)
    forged = b"".join(seal(place_of(1, offset), CLEAN, b"") for offset in range(0, 300, 9))
    journal.append(VERTEX, forged)
    journal.append(VERTEX, b"behind")
    journal.commit()
    disk.rot(FIRST, 0, 9)
    _, found = recovered(disk)
    assert [record.payload for _, record in found if record.type != GAP] == [b"behind"]


def test_types_of_later_versions_are_carried_along(disk: TracedDisk) -> None:
    journal = opened(disk)
    journal.append(31, b"from the future")
    journal.commit()
    journal, found = recovered(disk)
    assert [record for _, record in found] == [Record(31, b"from the future")]
    assert journal.quarantined == ()


def test_a_page_that_cannot_be_read_is_a_gap_and_not_the_end(disk: TracedDisk) -> None:
    options = JournalOptions(segment_bytes=64 * 1024)
    journal = opened(disk, options)
    places = [journal.append(VERTEX, bytes([n + 1]) * 1000) for n in range(20)]
    journal.commit()
    disk.spoil(FIRST, 8192 + 10, 1)
    journal, found = recovered(disk, options)
    assert {*places} - {place for place, _ in found} == {
        place for place in places if (place & 0xFFFF) < 12288 and (place & 0xFFFF) + 1009 > 8192
    }
    assert len(journal.quarantined) == 1
    assert journal.torn_bytes == 0


def test_an_unreadable_end_is_never_cut(disk: TracedDisk) -> None:
    journal = opened(disk)
    journal.append(VERTEX, b"kept" * 100)
    journal.commit()
    disk.spoil(FIRST, 300, 10)
    journal, found = recovered(disk)
    assert [record.type for _, record in found] == []
    assert (journal.torn_bytes, len(journal.quarantined), journal.failure) == (0, 1, "")
    assert journal.append(VERTEX, b"next") >> 32 == 2


def test_a_stray_file_does_not_push_the_numbering(disk: TracedDisk) -> None:
    journal = opened(disk)
    journal.append(VERTEX, b"ours")
    journal.commit()
    disk.put("99999999.seg", b"junk" * 100)
    disk.put("00000007.seg", b"")
    journal, found = recovered(disk)
    assert [record.payload for _, record in found] == [b"ours"]
    assert journal.append(VERTEX, bytes(4080)) == place_of(2, 0)
    assert sorted(disk.names()) == [FIRST, segment_name(2), "quarantine/00000007.seg", "quarantine/99999999.seg"]


def test_a_segment_without_one_record_is_a_gap_and_keeps_its_number(disk: TracedDisk) -> None:
    journal = opened(disk)
    places = [journal.append(VERTEX, bytes([n]) * 4000) for n in range(1, 4)]
    journal.commit()
    disk.put(segment_name(2), b"\x55" * 4096)
    journal, found = recovered(disk)
    assert [place for place, record in found if record.type == VERTEX] == [places[0], places[2]]
    assert [tuple(gap) for gap in journal.quarantined] == [(2, 0, 4096, False)]
    assert segment_name(2) in disk.names()


def test_quarantine_is_bounded(disk: TracedDisk) -> None:
    disk.put("quarantine/old", bytes(QUARANTINE_BYTES_MAX - 150))
    journal = opened(disk)
    places = [journal.append(VERTEX, bytes([n]) * 91) for n in range(1, 8)]
    journal.commit()
    for place in (places[1], places[3], places[5]):
        disk.rot(FIRST, (place & 0xFFFF) + 10, 1)
    journal, _ = recovered(disk)
    assert len(journal.quarantined) == 3
    assert sum("quarantine" in name for name in disk.names()) == 2


def test_a_full_disk_does_not_stop_a_start(disk: TracedDisk) -> None:
    journal = opened(disk)
    places = [journal.append(VERTEX, bytes([n]) * 1000) for n in range(1, 5)]
    journal.commit()
    disk.rot(FIRST, places[1] & 0xFFFF, 5)
    disk.room = 0
    disk.thin = True
    journal, found = recovered(disk)
    assert len(found) == 3
    assert not journal.failure
    disk.room = None
    journal, _ = recovered(disk)
    assert [gap.known for gap in journal.quarantined] == [False], "said again, since it could not be written down"


def test_a_disk_that_refuses_repair_is_read_but_not_written(disk: TracedDisk) -> None:
    journal = opened(disk)
    journal.append(VERTEX, b"x")
    journal.commit()
    disk.failing_syncs = 2  # of the segment, then of the directory
    journal, found = recovered(disk)
    assert len(found) == 1
    assert "cannot be repaired" in journal.failure
    with pytest.raises(StorageError, match="cannot be repaired"):
        journal.append(VERTEX, b"y")


def test_damage_made_to_cost_much_is_given_up() -> None:
    """Every fifth offset looks like the head of the longest record: unbounded, 8 MB would cost 100 GB of checksums."""
    hostile = (struct.pack("<IB", RECORD_BYTES_MAX, VERTEX) * (SEGMENT_BYTES // 5 + 1))[:SEGMENT_BYTES]
    _, _, spent = find(hostile, 0, place_of(1, 0), RECORD_BYTES_MAX, RESYNC_BYTES_MAX)
    assert RESYNC_BYTES_MAX < spent <= RESYNC_BYTES_MAX + RECORD_BYTES_MAX
    disk = SimDisk(Random(1))
    disk.put(FIRST, hostile)
    journal, found = recovered(disk, JournalOptions())
    assert not found
    assert [tuple(gap) for gap in journal.quarantined] == [(1, 0, SEGMENT_BYTES, False)]
    assert journal.append(VERTEX, b"goes on") >> 32 == 2
