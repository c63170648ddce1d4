"""The four kinds of decision, on sequences of outputs."""

from math import log
from typing import Any

import pytest

from edge.limits import SMOOTH_VALUES_MAX
from edge.sense.decide import Decider, Fault, Verdict, decide_options, open_decider, softmax
from edge.sense.table import Table


def decider(**table: Any) -> Decider:
    return open_decider(decide_options(Table(table, "decide."), None))


def labels(made: Decider, *sequence: tuple[float, ...]) -> list[str | None]:
    """The label or kind of each answer, None for quiet."""
    answers = [made.decide(outputs) for outputs in sequence]
    assert not any(isinstance(answer, Fault) for answer in answers)
    return [None if answer is None else _word(answer) for answer in answers]


def _word(answer: Verdict | Fault) -> str:
    assert isinstance(answer, Verdict)
    return str(answer.values[0]) if answer.kind == "class" else answer.kind


OK, WORN, FAILING, UNSURE = (0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.0, 0.05, 0.95), (0.5, 0.4, 0.1)
THREE = ["ok", "worn", "failing"]


def test_argmax_reports_the_label_and_its_probability():
    made = decider(kind="argmax", labels=THREE)
    assert made.decide(WORN) == Verdict("class", ("worn",), 0.9)


def test_argmax_is_quiet_below_the_threshold():
    made = decider(kind="argmax", labels=THREE, threshold=0.8)
    assert labels(made, OK, UNSURE, OK) == ["ok", None, "ok"]
    assert labels(made, (0.8, 0.1, 0.1)) == ["ok"], "the threshold itself is enough"
    assert labels(made, (0.1, 0.8, 0.1)) == ["worn"]


def test_a_change_needs_equal_windows_in_a_row():
    made = decider(kind="argmax", labels=THREE, threshold=0.8, hold=3)
    assert labels(made, OK, OK, OK, OK) == [None, None, "ok", "ok"]
    assert labels(made, WORN, WORN, OK, WORN, WORN, WORN) == [None, None, "ok", None, None, "worn"]


def test_an_unsure_window_breaks_the_row():
    made = decider(kind="argmax", labels=THREE, threshold=0.8, hold=2)
    assert labels(made, OK, UNSURE, OK, OK) == [None, None, None, "ok"]


def test_only_changes_when_asked():
    made = decider(kind="argmax", labels=THREE, threshold=0.8, hold=2, report="change")
    sequence = (OK, OK, OK, UNSURE, OK, FAILING, FAILING, FAILING, OK, OK)
    assert labels(made, *sequence) == [None, "ok", None, None, None, None, "failing", None, None, "ok"]


def test_ignored_labels_are_followed_but_not_said():
    made = decider(kind="argmax", labels=THREE, report="change", ignore=["ok"])
    assert labels(made, OK, WORN, WORN, OK, WORN) == [None, "worn", None, None, "worn"]


def test_without_labels_the_numbers():
    assert labels(decider(kind="argmax"), FAILING) == ["2"]


def test_the_first_of_equals_wins():
    assert labels(decider(kind="argmax", labels=THREE), (0.4, 0.4, 0.2)) == ["ok"]


def test_logits_want_softmax():
    logits = (2.0, 1000.0, -1000.0)
    refused = decider(kind="argmax", labels=THREE).decide(logits)
    assert isinstance(refused, Fault) and "softmax = true" in refused.text and "output 1" in refused.text
    assert isinstance(decider(kind="argmax").decide((1.01, 0.0)), Fault)
    assert isinstance(decider(kind="argmax").decide((-0.5, -0.6)), Fault)
    assert decider(kind="argmax", labels=THREE, softmax=True).decide(logits) == Verdict("class", ("worn",), 1.0)


def test_softmax():
    assert softmax((log(1.0), log(3.0))) == pytest.approx([0.25, 0.75])
    assert softmax((-1e4, 0.0, -1e4)) == [0.0, 1.0, 0.0]


def test_a_rounded_probability_is_one():
    assert decider(kind="argmax", labels=THREE).decide((0.0, 0.0, 1.0000001)) == Verdict("class", ("failing",), 1.0)


def test_an_alarm_and_its_end_with_hysteresis():
    made = decider(kind="threshold", above=10, hysteresis=2)
    values = (5, 10, 10.1, 9, 8.1, 8, 9.9, 11)
    assert labels(made, *((value,) for value in values)) == [
        "clear", None, "alarm", None, None, "clear", None, "alarm",
    ]  # fmt: skip


def test_an_alarm_is_urgent_its_end_is_not():
    made = decider(kind="threshold", below=0)
    assert made.decide((-1.0,)) == Verdict("alarm", (-1.0,), None, True)
    assert made.decide((1.0,)) == Verdict("clear", (1.0,), None, False)


def test_a_band_alarms_on_both_sides():
    made = decider(kind="threshold", above=8, below=2, hysteresis=1)
    values = (5, 9, 7.5, 7, 1, 2.5, 3, 1)
    assert labels(made, *((value,) for value in values)) == [
        "clear", "alarm", None, "clear", "alarm", None, "clear", "alarm",
    ]  # fmt: skip


def test_an_alarm_may_have_to_hold():
    made = decider(kind="threshold", above=1, hold=2)
    values = (0, 0, 2, 0, 2, 2, 0, 2, 0, 0)
    assert labels(made, *((value,) for value in values)) == [
        None, "clear", None, None, None, "alarm", None, None, None, "clear",
    ]  # fmt: skip


def test_every_window_of_an_alarm_when_asked():
    made = decider(kind="threshold", above=1, hold=2, report="every", index=1)
    assert labels(made, (9, 2), (9, 2), (9, 3), (9, 0), (9, 0)) == [None, "alarm", "alarm", "alarm", "clear"]


def test_values_every_so_often():
    made = decider(kind="value", every=3)
    assert labels(made, *[(1.0,)] * 8) == ["value", None, None, "value", None, None, "value", None]


def test_values_that_moved():
    made = decider(kind="value", every=100, deadband=0.5)
    values = (20.0, 20.4, 20.5, 20.9, 20.1, 20.0)
    assert labels(made, *((value,) for value in values)) == ["value", None, "value", None, None, "value"]


def test_all_outputs_or_one():
    assert decider(kind="value").decide((1.0, 2.0)) == Verdict("value", (1.0, 2.0))
    assert decider(kind="value", index=1).decide((1.0, 2.0)) == Verdict("value", (2.0,))


def test_a_noisy_output_is_averaged_before_it_is_judged():
    made = decider(kind="threshold", above=0.5, smooth=3)
    values = (1, 1, 0, 0, 1, 1, 1, 1, 0, 0)  # means from the third on: 2/3 1/3 1/3 2/3 1 1 2/3 1/3
    assert labels(made, *((float(value),) for value in values)) == [
        None, None, "alarm", "clear", None, "alarm", None, None, None, "clear",
    ]  # fmt: skip


def test_an_event_tells_the_average():
    made = decider(kind="threshold", above=0.97, smooth=5)
    answers = [made.decide((value,)) for value in (0.25, 1.0, 1.0, 1.0, 1.0, 1.0)]
    assert answers == [None, None, None, None, Verdict("clear", (0.85,)), Verdict("alarm", (1.0,), None, True)]


def test_every_output_has_an_average_of_its_own():
    assert labels(decider(kind="argmax", labels=THREE, smooth=2), WORN, WORN, OK, OK) == [None, "worn", "ok", "ok"]
    made = decider(kind="value", smooth=2)
    assert [made.decide(outputs) for outputs in ((1.0, 2.0), (3.0, 4.0))] == [None, Verdict("value", (2.0, 3.0))]


def test_an_average_remembers_so_much_and_no_more():
    half = SMOOTH_VALUES_MAX // 2
    decider(kind="value", smooth=half).check(2)
    with pytest.raises(ValueError, match=f"there are 3 outputs; allowed is a whole number from 1 to {2 * half // 3}$"):
        decider(kind="value", smooth=half).check(3)
    for value in (0, SMOOTH_VALUES_MAX + 1, 2.5, True, "5"):
        with pytest.raises(ValueError, match=f"decide.smooth = .*: allowed is .* from 1 to {SMOOTH_VALUES_MAX}"):
            decider(kind="value", smooth=value)


@pytest.mark.parametrize(
    ("table", "width", "words"),
    [
        ({"kind": "argmax", "labels": THREE}, 7, "decide.labels has 3 names, but there are 7 outputs"),
        ({"kind": "argmax"}, 1, 'use "threshold"'),
        ({"kind": "threshold", "above": 1}, 2, "decide.index is missing: there are 2 outputs"),
        ({"kind": "threshold", "above": 1, "index": 5}, 5, "decide.index = 5: there are 5 outputs; allowed is"),
        ({"kind": "value"}, 65, "decide.index is missing: there are 65 outputs"),
    ],
)
def test_a_decision_must_fit_the_outputs(table: dict[str, Any], width: int, words: str):
    with pytest.raises(ValueError, match=r"allowed|use") as refused:
        decider(**table).check(width)
    assert words in str(refused.value)


def test_a_drift_is_an_alarm_that_ends_by_itself():
    made = decider(kind="drift", clear_after=3)
    calm, drift = (0.0, 5.0, 5.0), (1.0, 5.0, 9.0)
    assert made.decide(drift) == Verdict("alarm", (9.0, 5.0), None, True)
    assert labels(made, calm, calm, drift, calm, calm) == [None, None, "alarm", None, None]
    assert made.decide((0.0, 9.0, 9.5)) == Verdict("clear", (9.5,))
    assert labels(made, calm, calm, calm, calm) == [None] * 4
