"""The note of votes on a real disk: whole, durable, in its turn; over the old one where there is no room."""

import errno
import os
import queue
from pathlib import Path

import pytest

from edge.dag.journal import Journal
from edge.dag.records import BOOT, Record
from edge.effects import NoteVotes, Persist
from edge.errors import DiskFullError, StorageError
from edge.node.votenote import BYTES_MAX
from edge.shell import votenote
from edge.shell.disk import DirectoryDisk
from edge.shell.scribe import Scribe

DEADLINE_S = 10.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / votenote.NAME


def test_it_is_read_as_it_was_saved(path: Path) -> None:
    assert votenote.load(path) is None
    votenote.save(path, b"longer than the next")
    votenote.save(path, b"note")
    assert votenote.load(path) == b"note" and path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [votenote.NAME]


def test_what_cannot_be_read_is_no_note(path: Path) -> None:
    path.write_bytes(bytes(BYTES_MAX + 1))
    assert votenote.load(path) == b""
    path.unlink()
    path.mkdir()
    assert votenote.load(path) == b""


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes, *, mode: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(votenote, "write_atomically", refuse)


@pytest.mark.usefixtures("full")
def test_without_room_it_goes_over_the_old_one_or_not_at_all(path: Path) -> None:
    with pytest.raises(DiskFullError):
        votenote.save(path, b"note")
    path.write_bytes(b"older and longer")
    votenote.save(path, b"note")
    assert votenote.load(path) == b"note"


def test_a_dead_disk_is_final(path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        votenote.save(path.parent / "nowhere" / "votes", b"note")
    assert not isinstance(caught.value, DiskFullError)


class Rig:
    def __init__(self, directory: Path, *, has_room: bool = True) -> None:
        self.disk = DirectoryDisk(directory / "log")
        self.journal = Journal(self.disk)
        assert not list(self.journal.recover())
        self.said: queue.Queue[tuple[str, object]] = queue.Queue()
        commit = self.journal.commit

        def committed() -> None:
            commit()
            self.said.put(("commit", self.journal.counts()["records"]))

        self.journal.commit = committed  # type: ignore[method-assign]

        def write(data: bytes) -> None:
            if not has_room:
                raise DiskFullError("no room")
            self.said.put(("note", self.journal.counts()["records"]))

        self.scribe = Scribe(
            self.journal,
            lambda ticket, places, _: self.said.put(("stored", ticket)),
            lambda ticket, records: None,
            lambda error: self.said.put(("failed", error)),
            noted=lambda ticket, is_durable: self.said.put(("noted", is_durable)),
            write_note=write,
        )

    def ask(self, *effects: Persist | NoteVotes, answers: int) -> list[tuple[str, object]]:
        for effect in effects:
            self.scribe.put(effect)
        self.scribe.start()
        said = [self.said.get(timeout=DEADLINE_S) for _ in range(answers)]
        assert self.scribe.stop(DEADLINE_S)
        self.disk.close()
        return said


def test_what_comes_before_the_note_is_durable_before_it_and_what_comes_after_is_written_after(tmp_path: Path) -> None:
    boot = Persist(1, (Record(BOOT, b"\x82\x05\x00"),), sync=True)
    said = Rig(tmp_path).ask(boot, NoteVotes(2, b"note"), boot._replace(ticket=3), answers=6)
    assert said[:3] == [("commit", 1), ("note", 1), ("noted", True)]
    assert said[3:] == [("commit", 2), ("stored", 1), ("stored", 3)]


def test_a_note_without_room_is_said_and_the_log_goes_on(tmp_path: Path) -> None:
    boot = Persist(1, (Record(BOOT, b"\x82\x05\x00"),), sync=True)
    said = Rig(tmp_path, has_room=False).ask(NoteVotes(2, b"note"), boot, answers=4)
    assert [what for what, _ in said] == ["commit", "noted", "commit", "stored"] and said[1] == ("noted", False)
