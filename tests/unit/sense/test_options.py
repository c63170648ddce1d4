"""What an `[[agent]]` table may say, and the sentence for what it may not."""

from typing import Any

import pytest

from edge.limits import (
    EVENT_VALUES_MAX,
    NAME_BYTES_MAX,
    TEXT_BYTES_MAX,
    WINDOW_CHANNELS_MAX,
    WINDOW_READINGS_MAX,
    WINDOW_VALUES_MAX,
)
from edge.sense.decide import ArgmaxOptions, ThresholdOptions, ValueOptions
from edge.sense.options import AGENT_NAME, agent_options
from edge.wire.roster import NODE_NAME

FIELDS = ("x", "y", "z")
BEARING = {
    "name": "bearing",
    "source": "accel",
    "window": {"size": 128, "step": 64},
    "model": "bearing.tflite",
    "decide": {"kind": "argmax", "threshold": 0.8, "hold": 3, "labels": ["ok", "worn", "failing"]},
}


def test_the_example_of_the_readme():
    options = agent_options(BEARING, FIELDS)
    assert (options.name, options.source, options.fields) == ("bearing", "accel", FIELDS)
    assert (options.size, options.step, options.tensor_length, options.has_model) == (128, 64, 384, True)
    assert options.decide == ArgmaxOptions(threshold=0.8, hold=3, labels=("ok", "worn", "failing"))


def test_what_is_left_out():
    options = agent_options({"name": "a", "source": "s"}, ["t"])
    assert (options.size, options.step, options.features, options.mean) == (1, 1, (), ())
    assert (options.decide, options.urgent, options.retention, options.unit) == (ValueOptions(), None, 0, None)
    assert agent_options({"name": "a", "source": "s", "window": {"size": 9}}, ["t"]).step == 9


def test_some_fields_in_an_own_order():
    options = agent_options({"name": "a", "source": "s", "fields": ["z", "x"]}, FIELDS)
    assert (options.fields, options.picks, options.source_width) == (("z", "x"), (2, 0), 3)


def test_an_output_by_its_name():
    table = {
        "name": "a", "source": "s", "window": {"size": 10}, "features": ["mean", "rms"],
        "decide": {"kind": "threshold", "above": 3, "index": "y.rms"},
    }  # fmt: skip
    assert agent_options(table, FIELDS).decide == ThresholdOptions(above=3.0, index=3)


def test_the_unit_beside_the_name_or_in_the_decision():
    one = agent_options({"name": "a", "source": "s", "unit": "°C"}, ["t"])
    other = agent_options({"name": "a", "source": "s", "decide": {"kind": "value", "unit": "°C"}}, ["t"])
    assert one.unit == other.unit == "°C"


@pytest.mark.parametrize(("written", "meant"), [("critical", 2), (1, 1), ("routine", 0)])
def test_retention_by_name_or_number(written: object, meant: int):
    assert agent_options({"name": "a", "source": "s", "retention": written}, ["t"]).retention == meant


def test_scaling_of_features_and_of_a_raw_window():
    table: dict[str, Any] = {"name": "a", "source": "s", "window": {"size": 8}, "model": "m"}
    raw = agent_options({**table, "scaling": {"mean": [1, 2, 3], "std": [1, 1, 2]}}, FIELDS)
    assert (raw.mean, raw.std) == ((1.0, 2.0, 3.0), (1.0, 1.0, 2.0))
    per_element = {"mean": [0] * 9, "std": [1] * 9}
    made = agent_options({**table, "features": ["mean", "std", "corr"], "scaling": per_element}, FIELDS)
    assert len(made.mean) == made.tensor_length == 9


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"decide": {"kind": "threshold", "above": 3, "below": 2, "hysteresis": 0.6, "index": 0}},
        "decide.below = 2.0: allowed is a number that leaves room under above = 3 with its hysteresis on both sides",
    ),
    ({"window": {"size": 0}}, "window.size = 0: allowed is a whole number from 1 to 65536"),
    ({"window": {"size": 4.0}}, "window.size = 4.0: allowed is a whole number"),
    ({"window": {"size": True}}, "window.size = True: allowed is a whole number"),
    ({"window": {"step": 4}}, "window.size is missing: allowed is"),
    ({"window": {"size": 4, "stride": 2}}, "window.stride = 2: there is no such key; allowed in window: size, step"),
    ({"window": 5}, "window = 5: allowed is a table such as { size = 128, step = 64 }"),
    (
        {"window": {"size": 65536, "step": 1}, "fields": list("abcde")},
        "window.size = 65536: with 5 fields allowed is at most 52428",
    ),
    (
        {"features": ["mean", "medain"]},
        "features = ['mean', 'medain']: allowed is a list of different names from mean, std",
    ),
    ({"features": ["mean", "mean"]}, "features = ['mean', 'mean']: allowed"),
    ({"features": "mean"}, "features = 'mean': allowed is a list"),
    ({"features": ["corr"], "fields": ["a"]}, "corr only for two fields or more; this agent has 1"),
    ({"fields": ["a", "q"]}, "fields = ['a', 'q']: allowed is a list of different fields of source s: a, b, c, d, e"),
    ({"scaling": {"mean": [1]}}, "scaling.mean has 1 numbers: allowed is a list of 5 finite numbers, one per field"),
    ({"scaling": {"mean": [1] * 5}}, "scaling.std is missing: allowed is a list of 5 finite numbers, one per field"),
    ({"scaling": {"mean": [1] * 5, "std": [1, 1, 0, 1, 1]}}, "scaling.std[2] = 0: allowed is a number above 0"),
    ({"scaling": {"mean": [1] * 5, "std": [1, 1, -1, 1, 1]}}, "scaling.std[2] = -1: allowed is a number above 0"),
    ({"scaling": {"mean": [float("nan")] * 5, "std": [1] * 5}}, "scaling.mean = [nan, nan, nan, nan, nan]: allowed is"),
    (
        {"features": ["std"], "scaling": {"mean": [], "std": []}},
        "scaling.mean has 0 numbers: allowed is a list of 5 finite numbers, one per element",
    ),
    ({"decide": {"kind": "argmin"}}, "decide.kind = 'argmin': allowed is one of argmax, threshold, value"),
    ({"decide": {}}, "decide.kind is missing: allowed is one of"),
    ({"decide": {"kind": "argmax", "threshold": 1.5}}, "decide.threshold = 1.5: allowed is a number from 0 to 1"),
    (
        {"decide": {"kind": "argmax", "threshold": float("nan")}},
        "decide.threshold = nan: allowed is a number from 0 to 1",
    ),
    ({"decide": {"kind": "argmax", "hold": 0}}, "decide.hold = 0: allowed is a whole number from 1"),
    ({"decide": {"kind": "argmax", "report": "always"}}, "decide.report = 'always': allowed is one of every, change"),
    ({"decide": {"kind": "argmax", "labels": ["a", "a"]}}, "decide.labels = ['a', 'a']: allowed is a list of 2 to"),
    ({"decide": {"kind": "argmax", "labels": ["a", "b" * (TEXT_BYTES_MAX + 1)]}}, "different names of 1 to 64 bytes"),
    (
        {"decide": {"kind": "argmax", "labels": list("abcde"), "ignore": ["f"]}},
        "decide.ignore = ['f']: allowed is a list of names from labels (a, b, c, d, e)",
    ),
    ({"decide": {"kind": "argmax", "softmax": 1}}, "decide.softmax = 1: allowed is true or false"),
    ({"decide": {"kind": "argmax", "labels": list("abc")}}, "decide.labels has 3 names, but there are 5 outputs"),
    (
        {"decide": {"kind": "threshold", "index": 0}},
        "decide.above is missing: allowed is a number in above, in below, or in both",
    ),
    (
        {"decide": {"kind": "threshold", "above": 1, "below": 2}},
        "decide.below = 2.0: allowed is a number that leaves room",
    ),
    (
        {"decide": {"kind": "threshold", "above": 1, "hysteresis": -1}},
        "decide.hysteresis = -1: allowed is a number of at least 0",
    ),
    ({"decide": {"kind": "threshold", "above": "1"}}, "decide.above = '1': allowed is a finite number"),
    ({"decide": {"kind": "threshold", "above": 1}}, "decide.index is missing: there are 5 outputs; allowed is"),
    (
        {"decide": {"kind": "threshold", "above": 1, "index": "q"}},
        "decide.index = 'q': allowed is one of a, b, c, d, e",
    ),
    (
        {"decide": {"kind": "threshold", "above": 1, "index": -1}},
        "decide.index = -1: allowed is the number of an output",
    ),
    ({"decide": {"kind": "value", "every": 0}}, "decide.every = 0: allowed is a whole number from 1"),
    (
        {"decide": {"kind": "value", "threshold": 1}},
        "decide.threshold = 1: there is no such key; allowed in decide: unit, kind, every",
    ),
    ({"window": {"size": 64}}, "decide.index is missing: there are 320 outputs"),
    (
        {"unit": "V", "decide": {"kind": "value", "unit": "mV"}},
        "unit = 'V' and decide.unit = 'mV': allowed is one of the two",
    ),
    ({"unit": "x" * (TEXT_BYTES_MAX + 1)}, "allowed is a unit of 1 to 64 bytes"),
    ({"retention": 3}, "retention = 3: allowed is 0, 1 or 2, or one of routine, important, critical"),
    ({"urgent": "yes"}, "urgent = 'yes': allowed is true or false"),
    ({"name": "Pump 7"}, "name = 'Pump 7': allowed is 1 to 32 of a-z, 0-9 and '-'"),
    ({"name": "a" * (NAME_BYTES_MAX + 1)}, "allowed is 1 to 32 of a-z"),
    ({"windw": {}}, "windw = {}: there is no such key; allowed in this table: name, source,"),
]


@pytest.mark.parametrize(("table", "sentence"), REFUSED, ids=[sentence[:40] for _, sentence in REFUSED])
def test_a_refusal_names_the_key_and_what_is_allowed(table: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match="allowed") as refused:
        agent_options({"name": "a", "source": "s", **table}, "abcde")
    assert sentence in str(refused.value)


def test_agents_are_named_by_the_rule_of_the_wire():
    assert AGENT_NAME == NODE_NAME


def test_a_window_beyond_its_bound_is_refused():
    for key in ("size", "step"):
        with pytest.raises(ValueError, match=rf"window.{key} = {WINDOW_READINGS_MAX + 1}: allowed is"):
            agent_options({"name": "a", "source": "s", "window": {"size": 1, key: WINDOW_READINGS_MAX + 1}}, ["x"])


def test_an_event_takes_so_many_values_and_no_more():
    table = {"name": "a", "source": "s", "window": {"size": EVENT_VALUES_MAX}}
    assert agent_options(table, ["x"]).tensor_length == EVENT_VALUES_MAX
    with pytest.raises(ValueError, match=f"decide.index is missing: there are {EVENT_VALUES_MAX + 1} outputs"):
        agent_options({**table, "window": {"size": EVENT_VALUES_MAX + 1}}, ["x"])


def test_the_bounds_themselves_are_allowed():
    window = {"size": WINDOW_VALUES_MAX // 16, "step": WINDOW_READINGS_MAX}
    table = {"name": "a" * NAME_BYTES_MAX, "source": "s", "window": window, "model": "m"}
    options = agent_options(table, [f"f{index}" for index in range(16)])
    assert options.size * len(options.fields) == WINDOW_VALUES_MAX
    band = {"kind": "threshold", "above": 3, "below": 2, "hysteresis": 0.5, "index": 0, "hold": 1}
    assert agent_options({"name": "a", "source": "s", "decide": band}, ["x", "y"]).decide == ThresholdOptions(
        above=3.0, below=2.0, hysteresis=0.5, index=0
    )
    assert agent_options({"name": "a", "source": "s", "features": ["corr"]}, ["x", "y"]).tensor_length == 1
    assert (
        len(agent_options({"name": "a", "source": "s"}, [f"f{index}" for index in range(WINDOW_CHANNELS_MAX)]).fields)
        == 64
    )


def test_a_source_with_more_fields_than_an_agent_takes():
    fields = [f"f{index}" for index in range(WINDOW_CHANNELS_MAX + 1)]
    with pytest.raises(ValueError, match="source s has 65 fields, an agent takes at most 64"):
        agent_options({"name": "a", "source": "s"}, fields)
    assert agent_options({"name": "a", "source": "s", "fields": ["f64"]}, fields).picks == (64,)
