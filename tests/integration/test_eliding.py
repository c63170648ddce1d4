"""Signatures that go from a real log on a real disk, while the journal's thread does what else is asked of it."""

import queue
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.dag.eliding import Choice, Elided, Span, elide
from edge.dag.journal import CLEAN, VERTEX, Journal, JournalOptions, Record
from edge.dag.reader import read_log
from edge.dag.records import beside_name, segment_name, segment_of
from edge.dag.verify import verify_log
from edge.effects import Elide, Load, Persist
from edge.lab.benches.log_maker import LogMaker, Made, Shape
from edge.shell.disk import DirectoryDisk
from edge.shell.scribe import Scribe
from edge.wire.roster import Roster, site_id
from tests.builders import AUTHORITY, WALL_MS

DEADLINE_S = 30.0
SUITE = 2
AUTHORS = 8
MB = 1024 * 1024
SPANS = tuple(Span(author, 1, 1, 1 << 40) for author in range(1, AUTHORS + 1))


class Site:
    """A log with lines of authors that never ran, each vertex signed with ML-DSA-65, as live traffic brings them."""

    def __init__(self, directory: Path, segment_bytes: int, events: int = 1) -> None:
        self.directory = directory
        self.options = JournalOptions(segment_bytes=segment_bytes)
        self.authors = [Made(index, f"author-{index}", SUITE, 1) for index in range(1, AUTHORS + 1)]
        members = tuple(author.member for author in self.authors)
        self.roster = Roster(site_id(AUTHORITY.public_key), 1, WALL_MS, (SUITE,), members, (), ())
        disk, journal = self.open()
        maker = LogMaker(journal, self.roster.site, 1, WALL_MS, Shape(events, parents=2, is_signed=True))
        while len(journal.segments()) < 3:
            for _ in maker.rounds(self.authors, 1):
                pass
        journal.commit()
        disk.close()

    def open(self) -> tuple[DirectoryDisk, Journal]:
        disk = DirectoryDisk(self.directory)
        journal = Journal(disk, self.options)
        list(journal.recover())
        assert not journal.failure
        return disk, journal

    def records(self) -> dict[int, Record]:
        """As somebody beside the agent reads them."""
        disk = DirectoryDisk(self.directory, read_only=True)
        try:
            return dict(read_log(disk))
        finally:
            disk.close()

    def files(self) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in sorted(self.directory.iterdir()) if path.is_file()}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "log", 256 * 1024)


def test_all_of_a_log_reads_back_and_holds_and_a_start_goes_on_from_it(site: Site) -> None:
    before = site.records()
    held, _ = verify_log(before.values(), site.roster, AUTHORITY.public_key)
    disk, journal = site.open()
    gone = [_all(elide(journal, segment, Choice(SPANS))) for segment in (1, 2)]
    assert all(one is not None and len(one.places) > 40 for one in gone)
    left = {place for one in gone if one is not None for place in one.places}
    found = {place: journal.read(place) for place in before}
    disk.close()
    assert before.keys() == site.records().keys() and found == site.records()
    assert all((found[place] == record) == (place not in left) for place, record in before.items())
    verdict, _ = verify_log(site.records().values(), site.roster, AUTHORITY.public_key)
    assert not verdict.faults and verdict.frontier == held.frontier and verdict.vertices == held.vertices
    assert verdict.signatures == held.signatures - len(left)
    assert set(site.files()) == {segment_name(1), segment_name(2), segment_name(3), ".lock"}
    disk, journal = site.open()
    place = journal.append(VERTEX, b"the next")
    journal.commit()
    disk.close()
    assert site.records() == {**found, place: Record(VERTEX, b"the next")}


def test_damage_is_told_and_what_is_left_is_read(site: Site) -> None:
    disk, journal = site.open()
    assert _all(elide(journal, 1, Choice(SPANS)))
    disk.close()
    whole = site.records()
    path = site.directory / segment_name(1)
    data = path.read_bytes()
    (site.directory / beside_name(2)).write_bytes(data[:5000])

    def found(harmed: bytes) -> tuple[dict[int, Record], Journal]:
        path.write_bytes(harmed)
        disk, journal = site.open()
        disk.close()
        return site.records(), journal

    records, journal = found(data[:4] + b"?" + data[5:])
    assert records == whole and not journal.quarantined, "the other table tells"
    assert journal.counts()["leftovers"] == 1 and not (site.directory / beside_name(2)).exists()
    records, journal = found(data[: len(data) // 2])
    (gap,) = journal.quarantined
    assert gap.segment == 1 and gap.end > len(data) // 2
    assert records.items() < {**whole, **records}.items()
    there = [sum(segment_of(place) == 1 for place in one) for one in (records, whole)]
    assert 0.5 * there[1] < there[0] < there[1]
    records, journal = found(b"?" + data[1:-1] + b"?")
    assert journal.counts()["gaps"] >= 1 and not any(segment_of(place) == 1 for place in records)


class Rig:
    """The journal's thread over a site's log."""

    def __init__(self, site: Site) -> None:
        self.disk, self.journal = site.open()
        self.answers: queue.Queue = queue.Queue()
        self.scribe = Scribe(
            self.journal,
            lambda ticket, places, _: self.answers.put((ticket, places)),
            lambda ticket, records: self.answers.put((ticket, records)),
            lambda error: self.answers.put((0, error)),
            elided=lambda ticket, elided: self.answers.put((ticket, elided)),
        )
        self.scribe.start()

    def told(self) -> tuple[int, object]:
        return self.answers.get(timeout=DEADLINE_S)


def test_who_waits_for_the_disk_comes_between_two_steps(site: Site) -> None:
    before = site.records()
    places = tuple(place for place in before if segment_of(place) == 1)
    rig = Rig(site)
    rig.scribe.put(Elide(1, 1, SPANS))
    order: list[int] = []
    elided: Elided | None = None
    ticket = 2
    while elided is None:
        rig.scribe.put(Persist(ticket, (Record(31, b"x" * 100),), sync=True))
        rig.scribe.put(Load(ticket + 1, places[:3]))
        for _ in range(2):
            name, answer = rig.told()
            order.append(name)
            if isinstance(answer, Elided):
                elided = answer
        ticket += 2
    assert order.index(2) < order.index(1), "it was not held up"
    assert len(elided.places) > 40
    rig.scribe.put(Load(ticket + 10, places))
    name, records = rig.told()
    while name != ticket + 10:
        name, records = rig.told()
    changed = {place for place, record in zip(places, records, strict=True) if record != before[place]}
    assert changed == set(elided.places)
    assert rig.scribe.stop(DEADLINE_S)
    rig.disk.close()


def test_a_stop_waits_for_no_rewrite_and_the_mark_of_it_is_the_last_record(site: Site) -> None:
    rig = Rig(site)
    rig.scribe.put(Elide(1, 1, SPANS))
    rig.scribe.put(Elide(2, 2, SPANS))
    rig.scribe.put(Persist(3, (Record(CLEAN, b""),), sync=True))
    assert rig.scribe.stop(DEADLINE_S)
    rig.disk.close()
    assert beside_name(1) not in site.files() and beside_name(2) not in site.files()
    disk, journal = site.open()
    assert journal.clean
    disk.close()


@pytest.mark.slow
def test_a_device_with_small_bodies_keeps_a_fifth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two segments of 8 MB, one event of a hundred bytes in a vertex; what is printed stands in docs/BENCHMARKS.md."""
    for events in (1, 8):
        site = Site(tmp_path / f"log-{events}", 8 * MB, events)
        disk, journal = site.open()
        sizes = dict(journal.segments())
        longest_ms, begun_s = 0.0, time.monotonic()
        for segment in (1, 2):
            steps = elide(journal, segment, Choice(SPANS))
            for step_ms in _timed(steps):
                longest_ms = max(longest_ms, step_ms)
        seconds = time.monotonic() - begun_s
        left = dict(journal.segments())
        disk.close()
        begun_s = time.monotonic()
        disk, _ = site.open()
        start_s = time.monotonic() - begun_s
        disk.close()
        before, after = sizes[1] + sizes[2], left[1] + left[2]
        verdict, _ = verify_log(site.records().values(), site.roster, AUTHORITY.public_key)
        assert not verdict.faults and verdict.vertices > 3000
        assert after < (0.25 if events == 1 else 0.5) * before
        with capsys.disabled():
            print(
                f"\n{events} events a vertex: {before:,} to {after:,} bytes ({1 - after / before:.0%} less), "
                f"{seconds:.2f} s, longest step {longest_ms:.0f} ms, read again in {start_s:.2f} s"
            )


def _timed(steps: Iterator[None]) -> Iterator[float]:
    while True:
        begun_s = time.monotonic()
        try:
            next(steps)
        except StopIteration:
            return
        yield (time.monotonic() - begun_s) * 1000


def _all(steps: Iterator[None]) -> Elided | None:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
