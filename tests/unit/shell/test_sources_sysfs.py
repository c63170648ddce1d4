"""Files with one number each, read by deadline."""

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.shell.sources import open_source
from tests.unit.shell.sources_sink import Sink, running


@pytest.fixture
def axes(tmp_path: Path) -> list[str]:
    for axis, value in (("x", "100\n"), ("y", "-7\n")):
        (tmp_path / f"in_accel_{axis}_raw").write_text(value)
    return [str(tmp_path / f"in_accel_{axis}_raw") for axis in "xy"]


def test_raw_plus_offset_times_scale(axes: list[str]):
    sink = Sink()
    with running(sink, "sysfs", paths=axes, interval_ms=5, scale=[0.5, 2], offset=-1) as source:
        readings = sink.wait_count(3)
    assert source.fields == ("in_accel_x_raw", "in_accel_y_raw")
    assert [reading.values for reading in readings] == [(49.5, -16.0)] * 3


def test_one_reading_per_interval(axes: list[str]):
    sink = Sink()
    with running(sink, "sysfs", paths=axes, interval_ms=60_000) as source:
        sink.wait_count(1)
    assert (len(sink.readings), source.counts()["missed"]) == (1, 0)


def test_one_path_and_a_name_of_its_own(axes: list[str]):
    assert open_source("s", "sysfs", {"path": axes[0], "fields": ["x"]}).fields == ("x",)


def test_files_of_one_name_are_told_apart(tmp_path: Path):
    paths = []
    for zone in ("zone0", "zone1"):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "temp").write_text("20000")
        paths.append(str(tmp_path / zone / "temp"))
    assert open_source("s", "sysfs", {"paths": paths}).fields == ("zone0/temp", "zone1/temp")


def test_a_sensor_that_goes_away_and_comes_back(axes: list[str]):
    sink = Sink()
    path = Path(axes[1])
    with running(sink, "sysfs", paths=axes, interval_ms=5) as source:
        sink.wait_count(2)
        path.rename(path.with_suffix(".gone"))
        said = sink.wait_said("source-failing")
        assert source.state == "failing"
        path.with_suffix(".gone").rename(path)
        sink.wait_said("source-recovered")
    assert (
        said["reason"] == f"{path}: cannot be read: No such file or directory; expected is a file that holds one number"
    )
    assert [event for _, event, _ in sink.said] == ["source-failing", "source-recovered"], "each said once"
    assert any(reading.gap for reading in sink.readings)
    assert source.counts()["refused"] >= 1


@pytest.mark.parametrize("text", ["", "on\n", "1 2\n", "nan", "inf"])
def test_what_is_no_number_is_refused(tmp_path: Path, text: str):
    (tmp_path / "v").write_text(text)
    sink = Sink()
    with running(sink, "sysfs", path=str(tmp_path / "v"), interval_ms=5):
        said = sink.wait_said("source-failing")
    assert "expected is one" in str(said["reason"]) and not sink.readings


def test_a_device_that_blocks_does_not_block_the_source(tmp_path: Path):
    """A pipe without a writer: opening it must not wait."""
    import os

    os.mkfifo(tmp_path / "pipe")
    sink = Sink()
    with running(sink, "sysfs", path=str(tmp_path / "pipe"), interval_ms=5):
        sink.wait_said("source-failing")


def test_readings_that_find_no_room_are_shed_and_told_with_the_next(axes: list[str]):
    sink = Sink(capacity=1)
    with running(sink, "sysfs", paths=axes, interval_ms=5) as source:
        sink.wait(lambda: sink.refused >= 3)
        sink.capacity = 100
        sink.wait_count(3)
    assert sink.readings[1].lost == sink.refused == source.counts()["shed_readings"]
    assert sink.readings[0].lost == sink.readings[2].lost == 0


def test_a_slow_consumer_costs_ticks_not_drift(axes: list[str]):
    """While `deliver` holds the thread, deadlines pass: they are skipped and counted, and the next reading says gap."""
    import threading

    hold, held = threading.Event(), threading.Event()
    sink = Sink()

    def deliver(reading: object) -> bool:
        if len(sink.readings) == 1 and not held.is_set():
            held.set()
            hold.wait(0.2)
        return sink.deliver(reading)  # type: ignore[arg-type]

    source = open_source("src", "sysfs", {"paths": axes, "interval_ms": 10}, sink.report)
    source.start(deliver)
    sink.wait_count(4)
    assert source.stop()
    assert source.counts()["missed"] >= 10
    assert sink.readings[2].gap


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "path is missing: allowed is 1 to 64 paths of files, in path or in paths"),
        ({"path": "a", "paths": ["b"]}, "paths = ['b']: allowed is only one of path and paths"),
        ({"paths": []}, "paths = []: allowed is 1 to 64 paths"),
        ({"paths": ["a", 5]}, "paths = ['a', 5]: allowed is"),
        ({"paths": ["a", "a"]}, "allowed is each file once"),
        ({"path": "a", "interval_ms": 0}, "interval_ms = 0: allowed is a number from 1 to 8.64e+07"),
        ({"path": "a", "scale": [1, 2]}, "scale = [1, 2]: allowed is a finite number, or a list of 1, one per path"),
        ({"path": "a", "scale": "auto"}, "scale = 'auto': allowed is a finite number"),
        ({"path": "a", "fields": ["x", "y"]}, "fields = ['x', 'y']: allowed is a list of 1 different names"),
        ({"path": "a", "rate": 5}, "rate = 5: there is no such key"),
    ],
)
def test_options_that_are_refused(options: dict[str, object], words: str):
    with pytest.raises(ConfigError, match=r"^source s: ") as refused:
        open_source("s", "sysfs", options)
    assert words in str(refused.value)
