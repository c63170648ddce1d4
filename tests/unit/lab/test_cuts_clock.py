"""The wall clock of a process that can be set wrong while it runs."""

import time
from pathlib import Path

import pytest

from edge.cli import main as door
from edge.lab.cuts import clock

HOUR_NS = 3_600_000_000_000


def test_the_process_takes_the_clock_of_its_file_for_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    true_ns = time.time_ns
    wall = clock.WallClock(tmp_path / "clock")
    told: list[tuple[float, float, list[str]]] = []

    def hours_ahead() -> float:
        return round((time.time_ns() - true_ns()) / HOUR_NS, 1)

    def synedge(argv: list[str]) -> int:
        before = hours_ahead()
        wall.skew(-7200)
        told.append((before, hours_ahead(), argv))
        return 3

    monkeypatch.setattr(clock, "READ_S", 0.0)
    monkeypatch.setattr(door, "main", synedge)
    for name in ("time", "time_ns"):
        monkeypatch.setattr(time, name, getattr(time, name))  # put back in the end
    wall.skew(3600)
    monotonic = time.monotonic
    assert clock.main([str(wall.file), "run", "--config", "x"]) == 3
    assert told == [(1.0, -2.0, ["run", "--config", "x"])]
    assert round((time.time() - true_ns() / 1e9) / 3600, 1) == -2.0
    assert time.monotonic is monotonic


def test_the_command_runs_synedge_by_this_clock(tmp_path: Path):
    wall = clock.WallClock(tmp_path / "clock")
    assert wall.command()[1:] == ("-m", "edge.lab.cuts.clock", str(tmp_path / "clock"))
    assert wall.file.read_text() == "0"
