"""Detectors as an agent's table names them: options, what fits them, and what a refusal says."""

import re
from typing import Any

import pytest

from edge import limits
from edge.nn.detectors import AdwinOptions, ForestOptions, PageHinkleyOptions
from edge.sense.decide import DriftOptions, ThresholdOptions, ValueOptions
from edge.sense.options import agent_options
from edge.sense.table import Table
from tests.unit.sense.making import agent, options, reading

FOREST = "half-space-trees"


def test_a_name_alone_means_the_defaults():
    assert options(detector="adwin").detector == AdwinOptions()
    assert options(detector="page-hinkley").detector == PageHinkleyOptions()
    made = options(("x", "y"), detector=FOREST)
    assert (made.detector, made.has_model, made.decide) == (ForestOptions(), True, ValueOptions())


def test_every_option_has_its_place():
    table = {"kind": FOREST, "trees": 7, "height": 5, "window": 100, "limits": [[0, 1], [-5, 5.5]], "seed": 3}
    assert options(("x", "y"), detector=table).detector == ForestOptions(7, 5, 100, ((0.0, 1.0), (-5.0, 5.5)), 3)
    table = {
        "kind": "adwin", "delta": 0.01, "clock": 8, "max_buckets": 4, "min_window_length": 9, "grace_period": 20,
    }  # fmt: skip
    assert options(detector=table).detector == AdwinOptions(0.01, 8, 4, 9, 20)
    table = {
        "kind": "page-hinkley", "min_instances": 9, "delta": 1, "threshold": 7.5, "alpha": 0.99, "mode": "up",
    }  # fmt: skip
    assert options(detector=table).detector == PageHinkleyOptions(9, 1.0, 7.5, 0.99, "up")


def test_one_pair_of_limits_is_for_all_inputs():
    made = options(("x", "y"), detector={"kind": FOREST, "limits": [0, 100]}, features=["mean", "std"])
    assert isinstance(made.detector, ForestOptions) and made.detector.limits == ((0.0, 100.0),) * 4


def test_a_detector_of_drift_says_drifts_unless_told_otherwise():
    assert options(detector="adwin").decide == DriftOptions()
    assert options(detector="adwin", decide={"kind": "drift", "clear_after": 5}).decide == DriftOptions(5)
    assert options(detector="adwin", decide={"kind": "value", "index": 2}).decide == ValueOptions(index=2)
    bound = options(detector=FOREST, decide={"kind": "threshold", "above": 0.9})
    assert bound.decide == ThresholdOptions(above=0.9)


def test_what_is_in_force_shows_the_defaults():
    table = Table({"name": "a", "source": "s", "detector": "page-hinkley"})
    agent_options(table, ["x"])
    assert table.in_force()["detector"] == {
        "kind": "page-hinkley", "min_instances": 30, "delta": 0.005, "threshold": 50.0, "alpha": 0.9999, "mode": "both",
    }  # fmt: skip


def forest(**more: Any) -> dict[str, Any]:
    return {"detector": {"kind": FOREST, **more}}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"detector": "adwn"}, "detector.kind = 'adwn': allowed is one of half-space-trees, adwin, page-hinkley"),
        ({"detector": 3}, 'detector = 3: allowed is a name such as "adwin", or a table'),
        ({"detector": {}}, "detector.kind is missing"),
        ({"detector": "adwin", "model": "m.tflite"}, "detector = 'adwin': allowed is one of model and detector"),
        ({"detector": {"kind": "adwin", "treshold": 1}}, "detector.treshold = 1: there is no such key"),
        ({"detector": "adwin", "features": ["mean", "std"]}, "one input; fields, window and features make 2 (x.mean, "),
        ({"detector": FOREST, "window": {"size": 257}}, "at most 256 inputs; fields, window and features make 257"),
        (
            forest(trees=17, height=15),
            "detector.trees = 17: allowed is a whole number from 1 to 16 for trees of height",
        ),
        (forest(limits=[1, 1]), "detector.limits = [1, 1]: allowed is [low, high] with low below high"),
        (forest(limits=[[0, 1], [0, 1]]), "or a list of 1 such pairs"),
        (forest(limits=[True, 2]), "detector.limits"),
        (forest(limits=[]), "detector.limits"),
        (forest(limits=[0, float("inf")]), "detector.limits"),
        ({"detector": {"kind": "adwin", "delta": 0}}, "detector.delta = 0: allowed is a number from 1e-09 to 0.999"),
        ({"detector": {"kind": "page-hinkley", "mode": "left"}}, "allowed is one of both, up, down"),
        ({"detector": "adwin", "decide": {"kind": "argmax"}}, "allowed is drift, value for detector adwin"),
        (
            {"detector": FOREST, "decide": {"kind": "drift"}},
            "allowed is value, threshold for detector half-space-trees",
        ),
        ({"decide": {"kind": "drift"}}, "allowed is drift for adwin, page-hinkley alone"),
        ({"model": "m", "decide": {"kind": "drift"}}, "allowed is drift for adwin, page-hinkley alone"),
        ({"detector": "adwin", "decide": {"kind": "value", "index": 3}}, "decide.index = 3: there are 3 outputs"),
    ],
)
def test_a_refusal_names_the_key_and_what_is_allowed(table: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        options(**table)


def test_bounds_of_options():
    for key, most in (
        ("trees", limits.DETECTOR_TREES_MAX),
        ("height", limits.DETECTOR_HEIGHT_MAX),
        ("window", limits.DETECTOR_VALUES_MAX),
    ):
        with pytest.raises(ValueError, match=f"allowed is a whole number from 1 to {most}"):
            options(**forest(**{key: most + 1}))
    assert options(**forest(trees=limits.DETECTOR_TREES_MAX)).has_model
    with pytest.raises(ValueError, match=f"from 2 to {limits.DETECTOR_BUCKETS_MAX}"):
        options(detector={"kind": "adwin", "max_buckets": 1})


def test_an_agent_waits_for_its_detector_and_says_which_it_was():
    made = agent(detector="adwin")
    window = made.read(reading(1.0, at=10))
    assert window is not None and window.outputs is None
    event = made.decide(window, (1.0, 2.0, 3.0))
    assert event is not None and (event.kind, event.values, len(event.model or b"")) == ("alarm", (3.0, 2.0), 32)
    assert made.is_urgent(event)
