"""The replay of a recording: pace, loop, waiting for room, and its end."""

import time
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.shell.sources import open_source
from tests.unit.shell.sources_sink import Sink, running


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """Five readings, 20 ms apart."""
    path = tmp_path / "walk.csv"
    path.write_text("t_ms,x,y\n" + "".join(f"{1000 + 20 * index},{index},{index * 10}\n" for index in range(5)))
    return path


def test_it_ends_and_says_so(walk: Path):
    sink = Sink()
    with running(sink, "file", path=str(walk), speed=0) as source:
        said = sink.wait_said("source-ended")
    assert sink.values == [(float(index), float(index * 10)) for index in range(5)]
    assert said["reason"] == f"the recording {walk} is over after 5 readings"
    assert source.state == "ended", "also after it was stopped"
    assert source.status()["readings"] == 5 and source.fields == ("x", "y")


@pytest.mark.parametrize(("speed", "apart_ms"), [(0, 20), (1, 20), (4, 5), (0.5, 40)])
def test_event_times_follow_the_recording_as_it_is_replayed(walk: Path, speed: float, apart_ms: int):
    before_ms = time.time_ns() // 1_000_000
    sink = Sink()
    with running(sink, "file", path=str(walk), speed=speed):
        readings = sink.wait_count(5)
    times = [reading.time_ms for reading in readings]
    assert [moment - times[0] for moment in times] == [apart_ms * index for index in range(5)]
    assert before_ms <= times[0] <= time.time_ns() // 1_000_000


def test_a_reading_is_not_delivered_before_its_time(walk: Path):
    sink = Sink()
    began = time.monotonic()
    with running(sink, "file", path=str(walk), speed=1):
        sink.wait_count(5)
    assert time.monotonic() - began >= 0.08


def test_a_loop_goes_on_without_a_jump(walk: Path):
    sink = Sink()
    with running(sink, "file", path=str(walk), speed=0, loop=True) as source:
        readings = sink.wait_count(23)
    times = [reading.time_ms for reading in readings]
    assert [moment - times[0] for moment in times] == [20 * index for index in range(23)]
    assert [reading.values[0] for reading in readings[:7]] == [0, 1, 2, 3, 4, 0, 1]
    assert source.state == "stopped" and source.counts()["rounds"] >= 4


def test_a_full_queue_is_waited_for(walk: Path):
    sink = Sink(capacity=2)
    with running(sink, "file", path=str(walk), speed=0) as source:
        sink.wait(lambda: sink.refused > 3)
        assert sink.values == [(0, 0), (1, 10)]
        sink.capacity = 100
        sink.wait_said("source-ended")
    assert [reading.values[0] for reading in sink.readings] == [0, 1, 2, 3, 4]
    assert all(reading.lost == 0 and not reading.gap for reading in sink.readings)
    assert source.counts()["shed_readings"] == 0


def test_it_stops_while_the_queue_is_full(walk: Path):
    sink = Sink(capacity=0)
    with running(sink, "file", path=str(walk), speed=0):
        sink.wait(lambda: sink.refused > 0)


def test_it_stops_while_it_waits_for_the_next_row(tmp_path: Path):
    (tmp_path / "slow.csv").write_text("t_ms,x\n0,1\n3600000,2\n")
    sink = Sink()
    with running(sink, "file", path=str(tmp_path / "slow.csv")):
        sink.wait_count(1)


def test_without_times_the_rows_are_an_interval_apart(tmp_path: Path):
    (tmp_path / "r.csv").write_text("x\n1\nbad\n3\n")
    sink = Sink()
    with running(sink, "file", path=str(tmp_path / "r.csv"), interval_ms=10, speed=2):
        first, second = sink.wait_count(2)
    assert (first.values, second.values, second.gap) == ((1.0,), (3.0,), True)
    assert second.time_ms - first.time_ms == 10, "two rows, at double speed"


def later(path: Path, ago_ms: int, **options: object) -> tuple[list[tuple[float, ...]], list[int]]:
    """Values of a replay that began `ago_ms` before its source, and when they came, in ms after that beginning."""
    start_ms = time.time_ns() // 1_000_000 - ago_ms
    sink = Sink()
    with running(sink, "file", path=str(path), start_at_ms=start_ms, speed=1, **options):
        if options:
            sink.wait_count(1)
        else:
            sink.wait_said("source-ended")
    return sink.values, [reading.time_ms - start_ms for reading in sink.readings]


HOURS = 3_600_000


def test_a_replay_that_began_before_its_source_goes_on_where_it_is(tmp_path: Path):
    """As a sensor does: what was due while nobody listened is gone."""
    (tmp_path / "r.csv").write_text("t_ms,x\n0,1\n1000,2\n2000,3\n2001,4\n")
    values, offsets = later(tmp_path / "r.csv", ago_ms=1500)
    assert (values, offsets) == ([(3.0,), (4.0,)], [2000, 2001])


def test_a_replay_that_was_over_before_its_source_began_delivers_nothing(tmp_path: Path):
    (tmp_path / "r.csv").write_text("t_ms,x\n0,1\n1000,2\n")
    assert later(tmp_path / "r.csv", ago_ms=HOURS) == ([], [])


def test_a_loop_that_began_long_ago_is_joined_in_its_present_round(tmp_path: Path):
    """Years of rounds are not played through one by one."""
    (tmp_path / "r.csv").write_text("t_ms,x\n0,1\n20,2\n40,3\n")
    values, offsets = later(tmp_path / "r.csv", ago_ms=50 * 365 * 24 * HOURS, loop=True)
    assert all(offset % 60 == 20 * (value - 1) for (value,), offset in zip(values, offsets, strict=True))
    assert offsets[0] >= 50 * 365 * 24 * HOURS


def test_a_bad_row_is_counted_said_and_marks_a_gap(tmp_path: Path):
    (tmp_path / "r.csv").write_text("t_ms,x\n0,1\n20,?\n40,3\n")
    sink = Sink()
    with running(sink, "file", path=str(tmp_path / "r.csv"), speed=0) as source:
        sink.wait_said("source-ended")
    assert [(reading.values, reading.gap) for reading in sink.readings] == [((1.0,), False), ((3.0,), True)]
    assert [event for _, event, _ in sink.said] == ["source-failing", "source-recovered", "source-ended"]
    assert source.counts()["refused"] == 1
    assert "'?' in column x; allowed is a number" in str(sink.said[0][2]["reason"])


def test_a_recording_that_goes_away_is_waited_for(walk: Path):
    sink = Sink()
    aside = walk.with_suffix(".aside")
    source = open_source("src", "file", {"path": str(walk), "speed": 0}, sink.report)
    source.backoff_s = 0.01
    walk.rename(aside)
    source.start(sink.deliver)
    assert "cannot be opened: No such file" in str(sink.wait_said("source-failing")["reason"])
    aside.rename(walk)
    sink.wait_said("source-ended")
    assert source.stop() and len(sink.readings) == 5


def test_a_recording_without_a_usable_row(tmp_path: Path):
    (tmp_path / "r.csv").write_text("t_ms,x\n0,a\n")
    sink = Sink()
    with running(sink, "file", path=str(tmp_path / "r.csv"), loop=True) as source:
        sink.wait(lambda: source.restarts > 1)
    assert source.counts()["readings"] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": 5}, "path = 5: allowed is the path of a CSV file, plain or .gz"),
        ({}, "path = None: allowed is the path of a CSV file"),
        ({"path": "/none.csv"}, "/none.csv: cannot be opened: No such file or directory"),
        ({"speed": -1}, "speed = -1: allowed is a number from 0 to 1e+06"),
        ({"speed": 1e-9}, "speed = 1e-09: allowed is 0, or a number from 0.001 to 1e+06"),
        ({"loop": "yes"}, "loop = 'yes': allowed is true or false"),
        ({"fields": ["x", "z"]}, "no column 'z'; the header has t_ms, x, y"),
        ({"time_unit": "min"}, "time_unit = 'min': allowed is one of s, ms, us, ns"),
        ({"interval_ms": 0}, "interval_ms = 0: allowed is a number of at least 0.001"),
        ({"sped": 2}, "sped = 2: there is no such key; allowed in this table: path, fields"),
    ],
)
def test_options_that_are_refused(walk: Path, options: dict[str, object], words: str):
    given = {"path": str(walk), **options} if options else {}
    with pytest.raises(ConfigError, match=r"^source walk: ") as refused:
        open_source("walk", "file", given)
    assert words in str(refused.value)


def test_a_recording_without_times_needs_a_pace(tmp_path: Path):
    (tmp_path / "r.csv").write_text("x\n1\n")
    with pytest.raises(ConfigError, match=r"no column t_ms.*allowed is time_field, interval_ms, or speed = 0"):
        open_source("r", "file", {"path": str(tmp_path / "r.csv")})
    assert open_source("r", "file", {"path": str(tmp_path / "r.csv"), "speed": 0}).fields == ("x",)


def test_one_that_was_never_started_stops_too(walk: Path):
    source = open_source("walk", "file", {"path": str(walk)})
    assert source.stop() and source.state == "stopped"


def test_an_unknown_kind():
    with pytest.raises(ConfigError, match="source a: kind = 'gpio': allowed is one of file, mqtt, sysfs, command"):
        open_source("a", "gpio", {})
