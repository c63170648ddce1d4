"""Our detectors say what river says: recorded in river_said.json, and asked again where river can be installed."""

import json
import os
import struct
import subprocess
from array import array
from typing import Any

import pytest

from edge.nn.detectors import AdwinOptions, DetectorOptions, ForestOptions, PageHinkleyOptions
from edge.nn.streams import Detector
from tests.conformance.river_said import FILE, SCORED, STREAMS, adwin_options, page_hinkley_options, rows
from tests.integration.tflite_venv import ROOT, make
from tests.reference.streams import drifting

HEAD_BYTES, SPLIT = 40, struct.Struct("<dII")
"""kernels/include/synedge/streams.h: a forest's head, its inputs' ranges, then its splits."""
SAID: dict[str, Any] = json.loads(FILE.read_text())


def drifts(options: DetectorOptions, stream: list[float]) -> tuple[list[int], float]:
    """Where, and the last mean."""
    answers = Detector(options).run(array("d", stream))
    return [place for place in range(len(stream)) if answers[3 * place]], answers[3 * len(stream) - 2]


def test_adwin_tells_drifts_at_the_very_steps():
    found = 0
    for seed, (steps, mean) in enumerate(SAID["adwin"]):
        ours, our_mean = drifts(AdwinOptions(**adwin_options(seed)), drifting(seed))
        assert ours == steps, f"stream {seed}"
        assert our_mean == mean or steps[-1] == 1999, f"stream {seed}"
        found += len(steps)
    assert len(SAID["adwin"]) == STREAMS and found > 500


def test_page_hinkley_tells_drifts_at_the_very_steps():
    found = 0
    for seed, (steps, mean) in enumerate(SAID["page_hinkley"]):
        assert drifts(PageHinkleyOptions(**page_hinkley_options(seed)), drifting(seed)) == (steps, mean), (
            f"stream {seed}"
        )
        found += len(steps)
    assert len(SAID["page_hinkley"]) == STREAMS and found > 500


@pytest.mark.parametrize("seed", range(SCORED))
def test_half_space_trees_with_its_splits_give_its_scores(seed: int):
    said = SAID["forest"][seed]
    limits = () if said["is_scaled"] else ((0.0, 1.0),) * said["inputs"]
    detector = Detector(ForestOptions(said["n_trees"], said["height"], said["window_size"], limits), said["inputs"])
    plant(detector, said["trees"])
    values = [value for row in rows(seed, 200, said["inputs"]) for value in row]
    scores = detector.run(array("d", [9.0 * value - 4.0 for value in values] if said["is_scaled"] else values))
    assert scores.tolist() == said["scores"]
    assert max(scores) > 0


def plant(detector: Detector, trees: list[Any]) -> None:
    """Splits from elsewhere, as a state that is loaded."""
    state, height = bytearray(detector.save()), detector.options.height  # type: ignore[union-attr]
    for number, tree in enumerate(trees):
        level = [tree]
        for place in range(2**height - 1):
            input_, at, left, right = level.pop(0)
            split = number * (2**height - 1) + place
            SPLIT.pack_into(state, HEAD_BYTES + 16 * detector.inputs + SPLIT.size * split, at, input_, 0)
            level += [left, right]
    detector.load(bytes(state))


@pytest.mark.skipif(os.environ.get("SYNEDGE_SLOW") != "1", reason="installs river, 250 MB: SYNEDGE_SLOW=1")
def test_river_still_says_so():
    pins = (ROOT / "deploy/requirements/bench.txt").read_text().split()
    needed = [pin for pin in pins if pin.partition("==")[0] in ("river", "narwhals", "numpy", "scipy")]
    try:
        python = make(ROOT / ".venv-bench-river", *needed)
    except RuntimeError as error:
        pytest.skip(f"river cannot be installed here: {error}")
    done = subprocess.run(
        [python, "-m", "tests.conformance.river_said"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "river says what is recorded\n"), done.stderr[-2000:]
