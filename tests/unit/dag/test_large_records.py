"""A roster is as large as its site: it is found wherever it stands in the log, and damage costs no more for it."""

from random import Random

import pytest

from edge.dag._crc32c import find
from edge.dag.journal import BOOT, ROSTER, VERTEX, JournalOptions, Record
from edge.dag.reader import read_log, read_record
from edge.dag.records import HEADER_BYTES, payload_max, place_of
from edge.limits import LOG_BYTES_MAX, RECORD_BYTES_MAX, RESYNC_BYTES_MAX, ROSTER_BYTES_MAX, SEGMENT_BYTES
from edge.sim.disk import SimDisk
from tests.unit.dag.journals import FIRST, TracedDisk, recovered

LARGE = JournalOptions(segment_bytes=SEGMENT_BYTES, max_bytes=LOG_BYTES_MAX)
KNOWN = bytes(range(256)) * (ROSTER_BYTES_MAX // 256)


def written(disk: SimDisk, *sizes: int) -> list[Record]:
    """A log of rosters of these sizes with a small record behind each."""
    journal, _ = recovered(disk, LARGE)
    records = [record for size in sizes for record in (Record(ROSTER, KNOWN[:size]), Record(VERTEX, b"v"))]
    for record in records:
        journal.append(record.type, record.payload)
    journal.commit()
    return records


def kept(disk: SimDisk) -> list[Record]:
    return [record for _, record in recovered(disk, LARGE)[1]]


def test_the_largest_roster_and_no_larger_one_and_no_other_record():
    disk = TracedDisk()
    records = written(disk, ROSTER_BYTES_MAX, 200_000, 600_000, ROSTER_BYTES_MAX, 3_000_000)
    assert [record for _, record in read_log(disk)] == records
    journal, found = recovered(disk, LARGE)
    assert [record for _, record in found] == records
    assert all(read_record(disk, place) == record == journal.read(place) for place, record in found)
    assert payload_max(ROSTER) == ROSTER_BYTES_MAX and payload_max(VERTEX) == RECORD_BYTES_MAX
    for kind, size in ((ROSTER, ROSTER_BYTES_MAX + 1), (VERTEX, RECORD_BYTES_MAX + 1), (BOOT, RECORD_BYTES_MAX + 1)):
        with pytest.raises(ValueError, match="no journal record"):
            journal.append(kind, bytes(size))


def test_one_that_is_torn_is_cut():
    disk = TracedDisk()
    records = written(disk, 100_000, 3_000_000)
    end = 100_000 + 2 * HEADER_BYTES + 1 + 2_000_000
    disk.truncate(FIRST, end, SEGMENT_BYTES)
    journal, found = recovered(disk, LARGE)
    assert [record for _, record in found] == records[:2]
    assert journal.torn_bytes > 0 and not journal.quarantined


@pytest.mark.parametrize("at", [0, 4, 700_000, 3_000_000 + HEADER_BYTES + 3])
def test_damage_before_and_in_a_large_record_loses_no_other(at: int):
    disk = TracedDisk()
    records = written(disk, 3_000_000, 2_500_000)
    byte = disk.read(FIRST, at, 1)
    disk.write(FIRST, at, bytes([byte[0] ^ 0x5A]))
    lost = records[1] if at > 3_000_000 else records[0]
    assert kept(disk) == [record for record in records if record is not lost]


def test_garbage_full_of_heads_of_large_records_is_given_up_in_time():
    """Each offset looks like a roster of 4 MB: the checksums stop at the budget."""
    head = ROSTER_BYTES_MAX.to_bytes(4, "little") + bytes([ROSTER])
    garbage = (head + b"\x01\x02\x03\x04") * (SEGMENT_BYTES // 9)
    _, _, spent = find(garbage, 0, place_of(1, 0), RECORD_BYTES_MAX, RESYNC_BYTES_MAX, ROSTER_BYTES_MAX)
    assert RESYNC_BYTES_MAX < spent <= RESYNC_BYTES_MAX + ROSTER_BYTES_MAX
    disk = TracedDisk()
    disk.create(FIRST, SEGMENT_BYTES)
    disk.write(FIRST, 0, garbage)
    reads: list[int] = []
    read = disk.read
    disk.read = lambda name, offset, length: reads.append(length) or read(name, offset, length)  # type: ignore[method-assign]
    assert kept(disk) == []
    assert sum(reads) < 1024 * SEGMENT_BYTES


def test_garbage_costs_little():
    disk = TracedDisk()
    disk.create(FIRST, SEGMENT_BYTES)
    disk.write(FIRST, 0, Random(1).randbytes(SEGMENT_BYTES - 5000))
    reads: list[int] = []
    read = disk.read
    disk.read = lambda name, offset, length: reads.append(length) or read(name, offset, length)  # type: ignore[method-assign]
    assert kept(disk) == []
    assert sum(reads) < 40 * SEGMENT_BYTES
