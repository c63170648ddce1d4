"""Whatever lies in the directory, the journal starts, finds every record that is whole, and goes on from there."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dag.journal import GAP, VERTEX, Journal, JournalOptions, Place, Record
from edge.dag.reader import follow, read_log
from edge.dag.records import HEADER_BYTES, segment_name
from edge.sim.disk import SimDisk, Tail

OPTIONS = JournalOptions(segment_bytes=4096)
SEGMENTS = 4

Log = dict[Place, Record]
Spans = list[tuple[str, int, int]]


def open_journal(disk: SimDisk) -> tuple[Journal, list[tuple[Place, Record]]]:
    journal = Journal(disk, OPTIONS)
    found = list(journal.recover())
    assert not journal.failure
    return journal, found


def written_log(rng: Random) -> tuple[SimDisk, Log]:
    disk = SimDisk(rng)
    journal, _ = open_journal(disk)
    log = {}
    while journal.counts()["segment"] < SEGMENTS or rng.random() < 0.7:
        record = Record(VERTEX, rng.randbytes(rng.choice((0, 5, 100, 600, 1500))))
        log[journal.append(*record)] = record
    journal.commit()
    return disk, log


def overwrite(disk: SimDisk, name: str, start: int, data: bytes) -> None:
    content = disk.read(name, 0, disk.size(name))
    disk.put(name, content[:start] + data + content[start + len(data) :])


def rot(disk: SimDisk, name: str, start: int, length: int, rng: Random) -> None:
    disk.rot(name, start, length)


def blank(disk: SimDisk, name: str, start: int, length: int, rng: Random) -> None:
    overwrite(disk, name, start, bytes(length))


def scribble(disk: SimDisk, name: str, start: int, length: int, rng: Random) -> None:
    overwrite(disk, name, start, rng.randbytes(length))


def spoil(disk: SimDisk, name: str, start: int, length: int, rng: Random) -> None:
    disk.spoil(name, start, length)


def misdirect(disk: SimDisk, name: str, start: int, length: int, rng: Random) -> None:
    """Valid records of another segment, or of another place in this one."""
    other = segment_name(rng.randint(1, SEGMENTS))
    overwrite(disk, name, start, disk.read(other, rng.choice((0, start)), length))


HARM: list[Callable[[SimDisk, str, int, int, Random], None]] = [rot, blank, scribble, misdirect, spoil]


@pytest.mark.parametrize("seed", range(300))
def test_every_whole_record_is_found_behind_damage(seed: int) -> None:
    rng = Random(seed)
    disk, log = written_log(rng)
    harmed: Spans = []
    for act in sorted(rng.choices(HARM, k=rng.randint(1, 6)), key=HARM.index):
        name = segment_name(rng.randint(1, SEGMENTS))
        start = rng.randrange(OPTIONS.segment_bytes)
        length = rng.choice((1, 8, 64, 512, 2048))
        act(disk, name, start, length, rng)
        # The segment is one page, and lost whole if that cannot be read.
        harmed.append((name, 0, OPTIONS.segment_bytes) if act is spoil else (name, start, start + length))
    _, found = open_journal(disk)
    found = [(place, record) for place, record in found if record.type != GAP]
    assert [place for place, _ in found] == sorted(place for place, _ in found)
    assert all(log.get(place) == record for place, record in found), "nothing invented"
    missing = log.keys() - dict(found).keys()
    assert all(touched(place, log[place], harmed) for place in missing), "only what was harmed is missing"
    goes_on(disk, found)


def touched(place: Place, record: Record, harmed: Spans) -> bool:
    name, start = segment_name(place >> 32), place & 0xFFFF_FFFF
    end = start + HEADER_BYTES + len(record.payload)
    return any(name == other and start < until and since < end for other, since, until in harmed)


def goes_on(disk: SimDisk, found: list[tuple[Place, Record]]) -> None:
    """The start after a start finds the same, appending works, and readers agree."""
    journal, again = open_journal(disk)
    assert [item for item in again if item[1].type != GAP] == found
    assert all(gap.known for gap in journal.quarantined)
    place = journal.append(VERTEX, b"the next")
    journal.commit()
    disk.crash(Tail.NONE)
    _, last = open_journal(disk)
    assert last == [*again, (place, Record(VERTEX, b"the next"))]
    assert list(read_log(disk)) == last
    assert list(follow(disk, place)) == []


NAMES = st.one_of(
    st.sampled_from(
        ["00000001.seg", "00000002.seg", "00000007.seg", "99999999.seg", "00000000.seg", "quarantine/00000001.seg"]
    ),
    st.text(min_size=1, max_size=20),
)
BYTES = st.one_of(st.binary(max_size=300), st.integers(0, 9000).map(bytes))


@given(st.dictionaries(NAMES, BYTES, max_size=6), st.integers(0, 1 << 30))
def test_a_directory_of_garbage_starts(files: dict[str, bytes], seed: int) -> None:
    disk = SimDisk(Random(seed))
    for name, content in files.items():
        disk.put(name, content)
    _, found = open_journal(disk)
    found = [item for item in found if item[1].type != GAP]
    assert not found
    goes_on(disk, found)
