"""The file that takes the place of a closed segment: each record where it was, whatever becomes of the bytes."""

import pytest

from edge.dag import eliding
from edge.dag.eliding import Choice, Elided, abandon, bare, elide
from edge.dag.journal import Journal
from edge.dag.reader import follow, read_log, read_record
from edge.dag.records import HEADER_BYTES, SIGNATURE, Record, beside_name, segment_name
from edge.errors import StorageError
from edge.limits import (
    LOG_TABLES_MAX,
)
from edge.sim.disk import SimDisk
from edge.wire.frame import decode_vertex
from tests.reference import log as reference
from tests.unit.dag.journals import TracedDisk, recovered
from tests.unit.dag.lines import OPTIONS, apart, elided, finished, framed, line_of, span, written


def log_of(disk: SimDisk) -> tuple[Journal, dict[int, Record]]:
    """Two peers' lines in turn, our own with signatures apart, and what is no vertex."""
    lines = [line_of(author, 40, [200, 0]) for author in (1, 2, 3)]
    records = [Record(3, b"boot")]
    for one, two, own in zip(*lines, strict=True):
        records += [framed(one), framed(two), framed(own, None), apart(own), Record(31, b"x" * 40)]
    journal, places = written(disk, records)
    return journal, dict(zip(places, records, strict=True))


def after(before: dict[int, Record], gone: Elided) -> dict[int, Record]:
    """What is to be read at each place."""
    left = {place: record for place, record in before.items() if place not in gone.places or record.type != SIGNATURE}
    return {
        place: bare(decode_vertex(record.payload)) if place in gone.places else record for place, record in left.items()
    }


def log_again(disk: SimDisk) -> dict[int, Record]:
    return {place: record for place, record in recovered(disk, OPTIONS)[1] if len(record.payload) < 20_000}


def test_each_record_is_where_it_was() -> None:
    disk = TracedDisk()
    journal, before = log_of(disk)
    segments = dict(journal.segments())
    left = before
    for segment in list(segments)[:-1]:
        gone = elided(journal, segment, span(1), span(2), span(3))
        assert gone is not None and gone.places
        assert gone.bytes == segments[segment] - dict(journal.segments())[segment] > 0
        assert disk.size(segment_name(segment)) == dict(journal.segments())[segment]
        left = after(left, gone)
    assert len(left) < len(before) and sum(dict(journal.segments()).values()) == journal.size_bytes
    assert all(journal.read(place) == record for place, record in left.items())
    assert all(journal.read(place) is None for place in before.keys() - left.keys()), "what is elided is not there"
    assert all(read_record(disk, place) == record for place, record in left.items())
    assert log_again(disk) == left
    assert {place: record for place, record in read_log(disk) if place in before} == left
    assert journal.counts()["segments_elided"] == len(segments) - 1
    again, _ = recovered(disk, OPTIONS)
    assert dict(again.segments()) == dict(journal.segments()) and again.counts()["gaps"] == 0
    for segment in list(segments)[:-1]:
        data = disk.read(segment_name(segment), 0, 1 << 20)
        slow = {item.place: Record(item.type, item.payload) for item in reference.read_segment(data, segment)}
        slow = {place: record for place, record in slow.items() if place in before}
        assert slow == {place: record for place, record in left.items() if place >> 32 == segment}


def test_a_file_is_durable_and_read_back_before_it_takes_the_place() -> None:
    disk = TracedDisk()
    journal, _ = log_of(disk)
    disk.trace.clear()
    elided(journal, 1, span(1), span(2), span(3))
    beside = beside_name(1)
    assert disk.trace[0] == f"create {beside}" and disk.trace[-2:] == [f"sync {beside}", "sync_dir"]
    assert beside not in disk.names()


def test_who_reads_along_goes_on_where_it_was() -> None:
    disk = SimDisk(TracedDisk()._rng)
    journal, before = log_of(disk)
    places = [place for place, _ in read_log(disk)]
    gone = elided(journal, 1, span(1), span(2), span(3))
    assert gone is not None
    left = [place for place in places if before.get(place) is None or place in after(before, gone)]
    for last in places[:60:7]:
        assert [place for place, _ in follow(disk, last)] == [place for place in left if place > last]


def test_what_went_once_may_go_on_later() -> None:
    disk = TracedDisk()
    journal, before = log_of(disk)
    first = elided(journal, 1, span(1, 1, 5), span(2))
    assert first is not None and first.places
    left = after(before, first)
    second = elided(journal, 1, span(1), span(2), span(3))
    assert second is not None and second.places and not set(first.places) & set(second.places)
    left = after(left, second)
    assert all(journal.read(place) == record for place, record in left.items())
    assert log_again(disk) == left
    third = elided(journal, 1, span(1), span(2), span(3))
    assert third == Elided(), "nothing more is worth it"


def test_at_most_so_many_go_from_one_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    """ELIDED_PER_SEGMENT_MAX bounds the table, whatever went before."""
    monkeypatch.setattr(eliding, "ELIDED_PER_SEGMENT_MAX", 12)
    disk = TracedDisk()
    journal, before = log_of(disk)
    first = elided(journal, 1, span(1), span(2), span(3))
    assert first is not None and len(first.places) == 12
    assert elided(journal, 1, span(1), span(2), span(3)) == Elided()
    assert log_again(disk) == after(before, first)


def test_who_would_hardly_become_smaller_stays_as_it_is() -> None:
    disk = TracedDisk()
    journal, _ = log_of(disk)
    disk.trace.clear()
    assert elided(journal, 1, span(1, 1, 3)) == Elided()
    assert elided(journal, 99, span(1)) == Elided() == elided(journal, journal.segments()[-1][0], span(1))
    assert not disk.trace


def test_a_damaged_segment_stays_as_it_is() -> None:
    disk = TracedDisk()
    journal, before = log_of(disk)
    disk.rot(segment_name(1), (max(place for place in before if place >> 32 == 1) & 0xFFFF_FFFF) + 20, 1)
    disk.trace.clear()
    assert elided(journal, 1, span(1), span(2), span(3)) == Elided()
    assert not disk.trace


def test_without_room_nothing_changes_and_it_is_told() -> None:
    disk = TracedDisk()
    journal, before = log_of(disk)
    disk.room = 4096
    assert elided(journal, 1, span(1), span(2), span(3)) is None
    assert disk.room == 4096 and beside_name(1) not in disk.names()
    disk.room, disk.thin = 4096, True
    assert elided(journal, 1, span(1), span(2), span(3)) is None
    assert beside_name(1) not in disk.names()
    assert all(journal.read(place) == record for place, record in before.items())
    assert not journal.failure
    disk.room, disk.thin = 60_000, False
    gone = elided(journal, 1, span(1), span(2), span(3))
    assert gone is not None and gone.places
    assert disk.room == 60_000 + OPTIONS.segment_bytes - disk.size(segment_name(1)), "the old file's is free again"


def test_a_disk_that_fails_is_final() -> None:
    disk = TracedDisk()
    journal, before = log_of(disk)
    disk.failing_syncs = 1
    with pytest.raises(StorageError):
        elided(journal, 1, span(1), span(2), span(3))
    assert journal.failure
    assert log_again(disk) == before


def test_a_file_that_does_not_read_back_does_not_take_the_place() -> None:
    class Forgetful(TracedDisk):
        def settle(self, name: str) -> None:
            super().settle(name)
            if name == beside_name(1):
                self.rot(name, self.size(name) // 2, 1)

    disk = Forgetful()
    journal, before = log_of(disk)
    assert elided(journal, 1, span(1), span(2), span(3)) == Elided()
    assert log_again(disk) == before and beside_name(1) not in disk.names()


def test_a_segment_that_was_dropped_meanwhile_does_not_come_back() -> None:
    disk = TracedDisk()
    journal, _ = log_of(disk)
    steps = elide(journal, 1, Choice([span(1), span(2), span(3)]))
    while not any(f"write {beside_name(1)}" in line for line in disk.trace):
        next(steps)
    journal.drop_before(2)
    assert finished(steps) == Elided()
    assert segment_name(1) not in disk.names() and beside_name(1) not in disk.names()


def test_who_is_stopped_leaves_nothing_behind() -> None:
    disk = TracedDisk()
    journal, before = log_of(disk)
    steps = elide(journal, 1, Choice([span(1), span(2), span(3)]))
    while beside_name(1) not in disk.names():
        next(steps)
    abandon(journal, 1)
    assert beside_name(1) not in disk.names() and log_again(disk) == before


def test_a_start_removes_what_a_power_cut_left() -> None:
    disk = TracedDisk()
    log_of(disk)
    disk.put(beside_name(1), b"half of it")
    journal, _ = recovered(disk, OPTIONS)
    assert beside_name(1) not in disk.names()
    assert journal.counts()["leftovers"] == 1 and journal.counts()["gaps"] == 0


def test_one_damaged_table_is_read_from_the_other_end() -> None:
    disk = TracedDisk()
    journal, before = log_of(disk)
    gone = elided(journal, 1, span(1), span(2), span(3))
    assert gone is not None
    left = after(before, gone)
    end = disk.size(segment_name(1))
    for offset in (0, 4, HEADER_BYTES + 3, end - 3, end - 20):
        twin = disk.clone()
        twin.rot(segment_name(1), offset, 1)
        assert log_again(twin) == left, offset


def test_without_both_tables_the_segment_is_damage_and_the_rest_is_read() -> None:
    disk = TracedDisk()
    journal, before = log_of(disk)
    elided(journal, 1, span(1), span(2), span(3))
    disk.rot(segment_name(1), 4, 1)
    disk.rot(segment_name(1), disk.size(segment_name(1)) - 20, 1)
    again, found = recovered(disk, OPTIONS)
    assert {place >> 32 for place, _ in found} == {number for number, _ in again.segments()} - {1}
    assert [gap.segment for gap in again.quarantined] == [1] and again.counts()["gaps"] == 1
    assert all(again.read(place) is None for place in before if place >> 32 == 1)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.8, 0.97])
def test_of_a_truncated_file_what_is_left_is_read_and_the_rest_is_told(share: float) -> None:
    disk = TracedDisk()
    journal, before = log_of(disk)
    gone = elided(journal, 1, span(1), span(2), span(3))
    assert gone is not None
    left = {place: record for place, record in after(before, gone).items() if place >> 32 == 1}
    size = disk.size(segment_name(1))
    disk.truncate(segment_name(1), int(size * share), 0)
    again, found = recovered(disk, OPTIONS)
    kept = {place: record for place, record in found if place >> 32 == 1}
    assert kept.items() <= left.items() and again.counts()["gaps"] == (1 if share else 0)
    if share > 0.1:
        assert len(kept) > (share - 0.15) * len(left)
        known, _ = recovered(disk, OPTIONS)
        assert all(gap.known for gap in known.quarantined), "reported once"


def test_damage_inside_costs_what_it_touches() -> None:
    disk = TracedDisk()
    journal, before = log_of(disk)
    gone = elided(journal, 1, span(1), span(2), span(3))
    assert gone is not None
    left = {place: record for place, record in after(before, gone).items() if place >> 32 == 1}
    size = disk.size(segment_name(1))
    for harm in range(1000, size - 1000, 1777):
        twin = disk.clone()
        twin.rot(segment_name(1), harm, 40)
        again, found = recovered(twin, OPTIONS)
        kept = {place: record for place, record in found if place >> 32 == 1}
        assert kept.items() <= left.items() and len(left) - len(kept) <= 3
        (gap,) = again.quarantined
        assert gap.start <= harm < gap.end and gap.end - gap.start < 6000
        slow = reference.read_segment(twin.read(segment_name(1), 0, size), 1)
        assert [item.place for item in slow if isinstance(item, reference.Record)] == sorted(kept)


def test_zeros_inside_are_damage() -> None:
    disk = TracedDisk()
    journal, _ = log_of(disk)
    elided(journal, 1, span(1), span(2), span(3))
    name = segment_name(1)
    data = disk.read(name, 0, 1 << 20)
    disk.put(name, data[:4000] + bytes(3000) + data[7000:])
    again, _ = recovered(disk, OPTIONS)
    (gap,) = again.quarantined
    assert gap.start <= 4000 and gap.end >= 7000


def test_nothing_is_ever_appended_to_an_elided_segment() -> None:
    disk = TracedDisk()
    journal, _ = log_of(disk)
    elided(journal, 1, span(1), span(2), span(3))
    for number, _ in journal.segments()[1:]:
        disk.remove(segment_name(number))
    again, found = recovered(disk, OPTIONS)
    assert found and again.append(31, b"next") >> 32 == 2
    again.commit()
    assert recovered(disk, OPTIONS)[1] == [*found, (2 << 32, Record(31, b"next"))]


def test_only_a_few_tables_are_kept_in_memory() -> None:
    """LOG_TABLES_MAX."""
    disk = TracedDisk()
    records = [framed(one) for one in line_of(1, 400)]
    journal, places = written(disk, records)
    segments = [number for number, _ in journal.segments()[:-1]]
    assert len(segments) > LOG_TABLES_MAX
    for number in segments:
        assert elided(journal, number, span(1))
    for place in places:
        assert journal.read(place) is not None
    assert journal.counts()["tables_read"] == len(segments)
    for place in places[:3]:
        assert journal.read(place) is not None
    assert journal.counts()["tables_read"] == len(segments) + 1, "the first had to go for the later ones"
    assert len(journal._tables) == LOG_TABLES_MAX
