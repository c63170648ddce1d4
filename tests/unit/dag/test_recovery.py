"""Recovery's rules one by one: what it cuts, what it keeps aside, and that it always starts."""

import struct
from random import Random

import pytest

from edge.dag import recovery
from edge.dag._crc32c import find, seal
from edge.dag.journal import BOOT, CLEAN, GAP, VERTEX, JournalOptions, Record
from edge.dag.records import HEADER_BYTES, place_of, segment_name
from edge.errors import StorageError
from edge.limits import QUARANTINE_BYTES_MAX, RECORD_BYTES_MAX, RESYNC_BYTES_MAX, SEGMENT_BYTES
from edge.sim.disk import SimDisk, Tail
from edge.wire.cbor import decode
from tests.unit.dag.journals import FIRST, SMALL, TracedDisk, opened, recovered


@pytest.fixture
def disk() -> TracedDisk:
    return TracedDisk()


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


def test_gaps_listed_one_by_one_are_bounded(disk: TracedDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "GAPS_MAX", 3)
    journal = opened(disk)
    places = [journal.append(VERTEX, bytes([n]) * 91) for n in range(1, 20)]
    journal.commit()
    for place in places[1::2]:
        disk.rot(FIRST, (place & 0xFFFF) + 10, 1)
    journal, found = recovered(disk)
    assert len(found) == 10
    assert len(journal.quarantined) == 3
    assert journal.counts()["gaps"] == 9
    assert journal.counts()["gap_bytes"] == 900


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
