"""The packaged recordings, labels and network are what their page says, and the figures follow from them."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from edge.lab import watch
from edge.sense.agent import Agent
from edge.sense.options import agent_options
from edge.sense.reading import Reading
from edge.shell.engines import open_model

CHANNELS = ["ax", "ay", "az", "gx", "gy", "gz"]
STREAMS = watch.streams()


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def test_there_are_enough_streams_and_the_first_show_many_people():
    assert len(STREAMS) == 10
    assert len({stream.name for stream in STREAMS}) == 10
    assert len({stream.person for stream in STREAMS[:5]}) == 5
    assert {stream.arm for stream in STREAMS} == {"left", "right"}


def test_nobody_here_trained_the_network():
    told = watch.about()
    assert {stream.person for stream in STREAMS} == set(told["held_out"])
    assert not set(told["held_out"]) & set(told["trained_on"])


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_recording_is_84_seconds_at_50_hz_of_plausible_motion(stream: watch.Stream):
    table = rows(stream.recording)
    assert list(table[0]) == ["t_ms", *CHANNELS]
    assert [int(row["t_ms"]) for row in table] == list(range(0, 84_000, 20))
    gravity = sum(sum(float(row[axis]) ** 2 for axis in CHANNELS[:3]) ** 0.5 for row in table) / len(table)
    assert 0.8 < gravity < 1.6
    assert all(abs(float(row[axis])) < 40 for row in table for axis in CHANNELS)


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_labels_cover_the_recording_with_each_exercise_once(stream: watch.Stream):
    with open(stream.labels, newline="") as file:
        spans = list(csv.DictReader(file))
    assert sorted(span["label"] for span in spans) == sorted(watch.about()["labels"])
    assert [(int(s["from_ms"]), int(s["to_ms"])) for s in spans] == [(t, t + 12_000) for t in range(0, 84_000, 12_000)]


def test_no_recording_says_what_was_done():
    """Labels are in files of their own: a device that reads the recording cannot know them."""
    for stream in STREAMS:
        text = gzip.decompress(stream.recording.read_bytes()).decode()
        assert not any(label in text for label in watch.about()["labels"])


def test_the_folder_is_small_and_carries_its_licence():
    files = [path for path in watch.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_200_000
    assert "Copyright (c) 2018, David M. Burns" in (watch.FOLDER / "LICENSE").read_text()
    readme = (watch.FOLDER / "README.md").read_text()
    assert "1802.01489" in readme and "seglearn" in readme


def test_the_page_quotes_the_measured_figures():
    told, readme = watch.about(), (watch.FOLDER / "README.md").read_text()
    for key in ("accuracy_held_out", "accuracy_slice"):
        assert f"**{told[key]['value']:.3f}**" in readme
    assert f"{told['model_bytes']:,} bytes" in readme and f"{told['accuracy_held_out']['n']:,} windows" in readme


def test_the_figures_in_the_file_follow_from_its_counts():
    for key in ("accuracy_held_out", "accuracy_slice"):
        told = watch.about()[key]
        counts = {int(person): (right, total) for person, (right, total) in told["per_person"].items()}
        right, total = sum(k for k, _ in counts.values()), sum(n for _, n in counts.values())
        assert (told["right"], told["n"], told["value"]) == (right, total, round(right / total, 4))
        assert told["wilson95"] == pytest.approx(watch.wilson(right, total), abs=1e-4)
        assert told["ci95_by_person"] == pytest.approx(watch.interval(counts), abs=1e-4)


def test_the_model_is_the_described_one():
    told, model = watch.about(), open_model(watch.agent_settings()["model"])
    assert Path(model.path).stat().st_size == told["model_bytes"]
    assert model.input_shape == (1, told["window"]["size"], len(told["fields"]))
    assert model.output_shape == (1, len(told["labels"]))
    assert sum(model.run(bytes(model.input_bytes))) == pytest.approx(1.0, abs=1e-5)
    model.close()


def test_an_agent_with_these_settings_is_right_as_often_as_the_file_says():
    """The shipped path: readings through an agent's window, the model, and its decision, against the labels."""
    settings = watch.agent_settings() | {"source": "watch"}
    model = open_model(settings["model"])
    counts: dict[int, tuple[int, int]] = {}
    for stream in STREAMS:
        agent = Agent(agent_options(settings, CHANNELS))
        agent.model_loaded(model.digest, model.input.values, model.output.values)
        for row in rows(stream.recording):
            values = tuple(float(row[axis]) for axis in CHANNELS)
            window = agent.read(Reading("watch", int(row["t_ms"]), values))
            if window is None:
                continue
            event = agent.decide(window, model.run(window.tensor))
            assert event is not None
            end = window.time_ms + 20
            truth = watch.true_label(stream.labels, end - 128 * 20, end)
            right, total = counts.get(stream.person, (0, 0))
            counts[stream.person] = (right + (event.values == (truth.label,)), total + 1)
    model.close()
    told = watch.about()["accuracy_slice"]["per_person"]
    assert {str(person): list(count) for person, count in counts.items()} == told


# --- what was done when ---------------------------------------------------------------------------------------------


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("from_ms,to_ms,label\n0,1000,rest\n1000,3000,row\n")
    return path


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "label", "share"),
    [
        (0, 1000, "rest", 1.0),
        (999, 1001, "rest", 0.5),  # a tie goes to the earlier
        (500, 2000, "row", 2 / 3),
        (2000, 3000, "row", 1.0),
        (2500, 4000, "rest", 2 / 3),  # round the end of a loop
        (3000, 4000, "rest", 1.0),
        (301_000, 302_000, "row", 1.0),
        (0, 3000, "row", 2 / 3),
    ],
)
def test_true_label_is_that_of_most_of_the_time(labels: Path, from_ms: int, to_ms: int, label: str, share: float):
    truth = watch.true_label(labels, from_ms, to_ms)
    assert truth.label == label
    assert truth.share == pytest.approx(share)
    assert truth.is_pure == (share == 1.0)


def test_labels_with_a_hole_are_not_used(tmp_path: Path):
    path = tmp_path / "labels.csv"
    path.write_text("from_ms,to_ms,label\n0,1000,rest\n1500,3000,row\n")
    with pytest.raises(AssertionError):
        watch.true_label(path, 0, 100)


# --- how sure -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962), (0, 0, 0.0, 1.0)],
)
def test_wilson_against_known_values(right: int, total: int, low: float, high: float):
    assert watch.wilson(right, total) == pytest.approx((low, high), abs=1e-4)


def test_people_who_differ_widen_the_interval():
    """By hand: share 0.8, variance 3/2 · (10² + 0² + 10²) / 300² = 0.003333, t(2) = 4.3027, half 0.2484."""
    low, high = watch.interval({1: (70, 100), 2: (80, 100), 3: (90, 100)})
    assert (low, high) == pytest.approx((0.8 - 0.2484, 1.0), abs=1e-4)
    assert low < watch.wilson(240, 300)[0]


def test_people_who_agree_do_not_make_it_narrower_than_their_windows_allow():
    assert watch.interval({1: (8, 10), 2: (8, 10)}) == watch.wilson(16, 20)


def test_one_person_or_none_is_still_an_answer():
    assert watch.interval({1: (8, 10), 2: (0, 0)}) == watch.wilson(8, 10)
    assert watch.interval({}) == (0.0, 1.0)


def test_the_description_is_plain_json():
    assert json.loads((watch.FOLDER / "activity.json").read_text()) == watch.about()
