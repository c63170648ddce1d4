"""SIGKILL under load: a real process, the real disk. What it said was durable is there, and the log goes on."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from edge.dag.journal import VERTEX, Journal
from edge.dag.reader import follow
from edge.shell.disk import DirectoryDisk
from tests.integration.journal_child import OPTIONS, payload


def start(directory: Path, first: int) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "tests.integration.journal_child", str(directory), str(first)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


def run_and_kill(directory: Path, first: int, acknowledgements: int) -> int:
    """The last record number that the child called durable before it was killed."""
    with start(directory, first) as child:
        assert child.stdout is not None
        last = first - 1
        for _ in range(acknowledgements):
            last = int(child.stdout.readline())
        child.kill()
        *_, final = [str(last).encode(), *child.stdout.read().splitlines(keepends=True)]
        # The kill may cut the last line short, and half a number is another number.
        return int(final) if final.endswith(b"\n") or final == str(last).encode() else last


def numbers_in(directory: Path) -> list[int]:
    disk = DirectoryDisk(directory)
    journal = Journal(disk, OPTIONS)
    found = []
    for place, record in journal.recover():
        assert record.type == VERTEX
        number = int.from_bytes(record.payload[:8], "big")
        assert record.payload == payload(number)
        assert journal.read(place) == record
        found.append(number)
    assert journal.quarantined == ()
    assert journal.failure == ""
    disk.close()
    return found


def kill_repeatedly(directory: Path, kills: int, seed: int) -> None:
    rng = Random(seed)
    first = 0
    for _ in range(kills):
        last = run_and_kill(directory, first, rng.randint(0, 40))
        found = numbers_in(directory)
        assert found == list(range(len(found))), "no hole, nothing twice"
        assert len(found) > last, f"{last} was acknowledged, the log ends with {len(found) - 1}"
        first = len(found)
    assert first > kills
    assert len(list(directory.glob("*.seg"))) > 1, "segments were rotated under load"


def test_fifteen_kills(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, 15, seed=1)


@pytest.mark.slow
def test_a_hundred_kills(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, 100, seed=2)


def test_a_reader_follows_a_running_writer(tmp_path: Path) -> None:
    """Across rotations, without a record skipped, twice or half."""
    with start(tmp_path, 0) as child:
        assert child.stdout is not None
        child.stdout.readline()
        disk = DirectoryDisk(tmp_path, read_only=True)
        place = expected = 0
        while place >> 32 < 20:
            for found, record in follow(disk, place):
                assert record.payload == payload(expected)
                place = found
                expected += 1
            child.stdout.readline()  # paces the polling by the writer's progress
        child.kill()
        disk.close()
