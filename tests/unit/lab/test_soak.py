"""What `bench soak` makes of what it saw, and the recordings it plays."""

import gzip
from pathlib import Path

import pytest

from edge.lab import plot, watch
from edge.lab.benches.soak import COURSE_POINTS, course, repeat
from edge.lab.benches.soak_trend import FLAT, Sample, slope, trend


def looks(*, per_h: float = 0.0, more: int = 0, count: int = 100) -> list[Sample]:
    """A sample a minute: memory rises all the while, descriptors in the last quarter alone."""
    return [Sample(60.0 * n, 30 + per_h * n / 60, 20 + (more if n >= 3 * count / 4 else 0), 12) for n in range(count)]


def test_the_slope_is_that_of_the_line():
    assert slope([(0, 1.0), (1, 3.0), (2, 5.0)]) == 2
    assert slope([(0, 5.0), (1, 2.0), (2, 5.0)]) == 0
    assert slope([]) is None and slope([(1, 2.0), (1, 3.0)]) is None


def test_what_grows_is_seen_and_by_how_much():
    grows = trend(looks(per_h=2.5), 0)
    assert grows.slope_mb_per_h == pytest.approx(2.5)
    assert grows.rss_mb[1] - grows.rss_mb[0] == pytest.approx(2.5 * 75 / 60, abs=0.05)
    assert trend(looks(), 0).slope_mb_per_h == 0


def test_what_happens_while_it_warms_up_does_not_count():
    warm = [Sample(float(second), 10.0 + second, second, 3) for second in range(20)]
    later = [Sample(float(second), 30.0, 20, 12) for second in range(20, 100)]
    calm = trend(warm + later, 20)
    assert (calm.slope_mb_per_h, calm.rss_mb, calm.descriptors) == (0, (30, 30), (20, 20))
    assert calm.rss_mb_max == 30 and trend([*warm, Sample(25.0, 5.0, 1, 1)], 20).rss_mb_max == 29


@pytest.mark.parametrize(("more", "flat"), [(0, True), (FLAT, True), (FLAT + 1, False), (-5, True)])
def test_descriptors_that_become_more_are_not_flat(more: int, flat: bool):
    assert trend(looks(more=more), 0).is_flat is flat


def test_one_sample_has_no_slope():
    assert trend(looks(count=1), 10).slope_mb_per_h is None


def test_a_recording_goes_on_without_a_jump_for_as_long_as_asked(tmp_path: Path):
    stream = watch.streams()[0]
    repeat(stream.recording, tmp_path / "long.csv.gz", 200_000)
    with gzip.open(tmp_path / "long.csv.gz", "rt") as file:
        head, *lines = file.read().splitlines()
    with gzip.open(stream.recording, "rt") as file:
        assert head == file.readline().strip()
        first = [line.strip() for line in file]
    assert lines[: len(first)] == first
    assert [int(line.split(",")[0]) for line in lines] == list(range(0, 200_000, 20))
    assert lines[len(first)].split(",")[1:] == first[0].split(",")[1:]


def test_the_course_becomes_a_picture(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="an extra: synedge[plot]")
    plot.draw_soak({"gateway": looks(per_h=1.0), "device-1": looks()}, 600, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")


def test_the_course_is_that_of_the_devices():
    told = course({"gateway": looks(per_h=100.0), "device-1": looks(per_h=6.0, count=120)}, 7200)
    assert len(told) == COURSE_POINTS
    assert told["10.0 min"] == pytest.approx(30 + 0.1 * 4.5) and told["120.0 min"] == pytest.approx(30 + 0.1 * 114.5)
