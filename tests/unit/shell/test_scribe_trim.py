"""The journal's thread drops segments in its turn, on a real disk, behind a floor that is durable."""

import queue
from pathlib import Path

from edge.dag.floor import Floor, FloorLine, encode_floor
from edge.dag.journal import Journal, JournalOptions
from edge.dag.records import BOOT, CLEAN, VERTEX, Record, segment_of
from edge.effects import Load, Persist, Trim
from edge.errors import DiskFullError
from edge.limits import FLOOR_BYTES_MAX
from edge.shell import floor as floors
from edge.shell.disk import DirectoryDisk
from edge.shell.scribe import Scribe

OPTIONS = JournalOptions(segment_bytes=4096, max_bytes=16 * 1024)
FLOOR = Floor(7, (FloorLine(1, 1, 3, bytes(32), 1, 0),))
DEADLINE_S = 10.0


class Rig:
    def __init__(self, directory: Path, write_floor=None) -> None:
        self.path = directory / floors.NAME
        self.disk = DirectoryDisk(directory / "log")
        self.journal = Journal(self.disk, OPTIONS)
        self.found = [record for _, record in self.journal.recover()]
        self.answers: queue.Queue = queue.Queue()
        self.scribe = Scribe(
            self.journal,
            lambda ticket, places, _: self.answers.put((ticket, places)),
            lambda ticket, records: self.answers.put((ticket, records)),
            lambda error: self.answers.put((0, error)),
            lambda ticket, places: self.answers.put((ticket, places)),
            write_floor or (lambda data: floors.save(self.path, data)),
        )

    def ask(self, *effects) -> dict:
        """All of them in one batch, if the thread has not begun."""
        for effect in effects:
            self.scribe.put(effect)
        if self.scribe._thread.ident is None:
            self.scribe.start()
        return dict(self.answers.get(timeout=DEADLINE_S) for _ in effects)

    def close(self) -> None:
        assert self.scribe.stop(DEADLINE_S)
        self.disk.close()


def persist(ticket: int, type: int = VERTEX, size: int = 1000) -> Persist:
    return Persist(ticket, (Record(type, b"v" * size),), sync=True)


def test_segments_go_in_their_turn_and_what_must_outlive_them_is_written_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    boot = Record(BOOT, b"\x82\x05\x00")
    writes = [persist(number) for number in range(1, 13)]
    asked = rig.ask(*writes, Trim(50, encode_floor(FLOOR), (boot,), 3), persist(51, CLEAN, 0), Load(52, (1 << 32,)))
    assert segment_of(asked[50][0]) >= 3
    assert asked[52] == (None,), "what was dropped is gone"
    assert asked[51][0] > asked[50][0], "the mark of a clean stop is still the last record"
    assert sorted(path.name for path in (tmp_path / "log").glob("*.seg"))[0] == "00000003.seg"
    assert floors.load(rig.path) == FLOOR
    assert rig.path.stat().st_mode & 0o777 == 0o600
    counts = rig.journal.counts()
    assert counts["segments_dropped"] == 2
    assert rig.journal.size_bytes == sum(size for _, size in rig.journal.segments())
    rig.close()
    again = Rig(tmp_path)
    assert again.journal.clean
    assert [record for record in again.found if record.type == BOOT] == [boot]
    assert again.journal.size_bytes == rig.journal.size_bytes
    again.disk.close()


def test_a_full_log_takes_what_makes_room_in_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    asked = rig.ask(*[persist(number) for number in range(1, 21)])
    assert asked[20] is None
    asked = rig.ask(
        Trim(50, encode_floor(FLOOR), (Record(5, b"r" * 900),), 3), Persist(51, (Record(BOOT, b""),), False)
    )
    assert asked[50] is not None
    rig.close()


def test_without_room_for_the_floor_nothing_is_dropped(tmp_path: Path) -> None:
    def full(data: bytes) -> None:
        raise DiskFullError("no room")

    rig = Rig(tmp_path, full)
    asked = rig.ask(*[persist(number) for number in range(1, 13)], Trim(50, b"", (), 3))
    assert asked[50] is None
    assert rig.journal.counts()["segments_dropped"] == 0
    assert len(list((tmp_path / "log").glob("*.seg"))) == len(rig.journal.segments()) > 2
    rig.close()


def test_a_floor_that_is_damaged_or_too_long_is_none_and_none_at_all_is_empty(tmp_path: Path) -> None:
    path = tmp_path / floors.NAME
    assert floors.load(path) == Floor()
    path.write_bytes(b"\xff")
    assert floors.load(path) is None
    with open(path, "wb") as file:
        file.truncate(FLOOR_BYTES_MAX + 1)
    assert floors.load(path) is None
