"""One agent: windows out, events out, and every reading accounted for."""

from hashlib import sha256
from math import inf, nan

import pytest

from edge.sense.agent import Agent
from edge.sense.features import FLOAT32_MAX
from edge.sense.window import Window
from edge.wire.event import GAP_BEFORE, Event, decode_event, encode_event
from tests.reference import features as slow
from tests.unit.sense.making import MODEL, agent, reading

LABELS = {"kind": "argmax", "labels": ["ok", "worn", "failing"], "threshold": 0.8}
WORN, UNSURE = (0.1, 0.9, 0.0), (0.4, 0.3, 0.3)


def feed(made: Agent, *values: float, start_ms: int = 0, gap: bool = False) -> list[Window]:
    """Windows of readings one second apart."""
    windows = []
    for index, value in enumerate(values):
        window = made.read(reading(value, at=start_ms + 1000 * index, gap=gap and not index))
        if window is not None:
            windows.append(window)
    return windows


def test_a_window_becomes_a_tensor_and_an_event():
    made = agent(("x", "y"), window={"size": 2}, model="m", decide=LABELS, unit="g")
    assert made.read(reading(1, 2, at=10)) is None
    window = made.read(reading(3, 4, at=20))
    assert window is not None and window.outputs is None
    assert window.tensor == slow.pack([1, 2, 3, 4])
    assert window.digest == sha256(window.tensor).digest()
    event = made.decide(window, WORN)
    assert event == Event("a", "class", 20, ("worn",), None, 0.9, MODEL, window.digest, 0)
    assert decode_event(encode_event(event)) == event


def test_scaled_features_are_what_the_model_takes():
    scaling = {"mean": [1.0, 2.0], "std": [2.0, 0.5]}
    made = agent(window={"size": 2}, features=["min", "max"], scaling=scaling, model="m", decide=LABELS)
    (window,) = feed(made, 5, 3)
    assert window.tensor == slow.pack([1.0, 6.0])


def test_without_a_model_the_features_are_the_outputs():
    decide = {"kind": "threshold", "above": 3, "index": "x.max"}
    made = agent(window={"size": 2}, features=["min", "max"], decide=decide, unit="m/s²")
    (window,) = feed(made, 0.1, 4.1)
    assert window.outputs == (0.1, 4.1), "as people wrote them, not rounded to float32"
    event = made.decide(window, window.outputs)
    assert event == Event("a", "alarm", 1000, (4.1,), "m/s²", None, None, window.digest, 0)


def test_only_its_own_fields_in_its_own_order():
    made = agent(("x", "y", "z"), fields=["z", "x"], decide={"kind": "value"})
    window = made.read(reading(1, 2, 3))
    assert window is not None and window.outputs == (3.0, 1.0)


def test_readings_retire_into_what_became_of_their_window():
    made = agent(window={"size": 4, "step": 2}, model="m", decide=LABELS)
    first, second, third = feed(made, *range(8))
    assert made.tally() == (8, 0, 0, 0, 8), "nobody knows yet"
    assert made.decide(first, WORN) is not None
    assert made.decide(second, UNSURE) is None
    made.shed(third)
    assert made.tally() == (8, 2, 2, 2, 2)


def test_windows_may_be_told_in_any_order():
    made = agent(window={"size": 2, "step": 1}, model="m", decide=LABELS)
    first, second = feed(made, 1, 2, 3)
    assert made.decide(second, WORN) and made.decide(first, WORN)
    assert made.tally() == (3, 2, 0, 0, 1)


def test_what_was_skipped_between_windows_is_quiet():
    made = agent(window={"size": 2, "step": 5}, model="m", decide=LABELS)
    (window,) = feed(made, *range(6))
    made.decide(window, WORN)
    assert made.tally() == (6, 2, 3, 0, 1)


def test_a_fate_told_twice_is_our_own_bug():
    made = agent(model="m", decide=LABELS)
    (window,) = feed(made, 1)
    made.decide(window, WORN)
    with pytest.raises(AssertionError, match="twice"):
        made.shed(window)


def test_what_the_source_lost_is_shed():
    made = agent(window={"size": 2}, model="m", decide=LABELS)
    made.read(reading(1))
    window = made.read(reading(2, lost=7))
    assert window is not None and window.gap
    assert made.tally() == (9, 0, 0, 7, 2)


@pytest.mark.parametrize(
    ("values", "at", "words"),
    [
        ((1.0,), 0, "has 1 values; allowed is 2, one per field"),
        ((1.0, 2.0, 3.0), 0, "has 3 values; allowed is 2"),
        ((1.0, nan), 0, "holds nan; allowed are finite float32 numbers"),
        ((-inf, 1.0), 0, "holds -inf"),
        ((1e39, 1.0), 0, "holds 1e+39"),
        ((1.0, 2.0), -1, "has the time -1; allowed are Unix ms from 0"),
        ((1.0, 2.0), 2**53, f"has the time {2**53}"),
    ],
)
def test_a_reading_that_cannot_be_used_is_refused_and_counted(values: tuple[float, ...], at: int, words: str):
    made = agent(("x", "y"), window={"size": 2}, decide={"kind": "value"})
    made.read(reading(1, 2))
    assert made.read(reading(*values, at=at)) is None
    assert made.tally() == (1, 0, 0, 0, 1)
    assert made.counts()["refused"] == 1
    change = made.change()
    assert change is not None and not change.is_ok and words in change.text
    window = made.read(reading(3, 4, at=1))
    assert window is not None and window.gap, "a reading is missing in the middle"


def test_the_largest_float32_is_a_reading():
    made = agent(("x", "y"), decide={"kind": "value"})
    assert made.read(reading(FLOAT32_MAX, -FLOAT32_MAX)) is not None


def test_time_that_runs_backwards_is_a_gap():
    made = agent(window={"size": 3, "step": 1}, decide={"kind": "value"})
    assert not feed(made, 1, 2, 3)[0].gap
    gaps = [window.gap for window in feed(made, 4, 5, 6, 7, start_ms=500)]
    assert gaps == [True, True, True, False], "every window that has the jump inside or right before it"


def test_a_pause_much_longer_than_usual_is_a_gap():
    made = agent(decide={"kind": "value"})
    feed(made, *range(20))
    assert not made.read(reading(1, at=28_000)).gap  # type: ignore[union-attr]
    assert made.read(reading(1, at=400_000)).gap  # type: ignore[union-attr]


def test_a_clock_in_1970_and_its_repair():
    """Without a battery clock the first readings lie near 0; the jump to now is one gap and no more."""
    made = agent(decide={"kind": "value"})
    feed(made, *range(5))
    windows = feed(made, 1, 2, start_ms=1_800_000_000_000)
    assert [window.gap for window in windows] == [True, False]


def test_the_gap_is_told_with_the_next_event_and_once():
    made = agent(window={"size": 1}, model="m", decide=LABELS)
    (window,) = feed(made, 1, gap=True)
    assert made.decide(window, UNSURE) is None
    one, two = (made.decide(each, WORN) for each in feed(made, 2, 3, start_ms=1000))
    assert one is not None and one.flags == GAP_BEFORE
    assert two is not None and two.flags == 0


def test_a_shed_window_is_a_gap_before_the_next_event():
    made = agent(model="m", decide=LABELS)
    first, second = feed(made, 1, 2)
    made.shed(first)
    event = made.decide(second, WORN)
    assert event is not None and event.flags == GAP_BEFORE


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ((0.5, 0.5), "2 outputs came; expected are 3"),
        ((3.0, -1.0, 0.0), "no probability"),
    ],
)
def test_outputs_that_make_no_sense_are_an_error_and_shed(outputs: tuple[float, ...], words: str):
    made = agent(window={"size": 2}, model="m", decide=LABELS)
    first, second = feed(made, 1, 2, 3, 4)
    assert made.decide(first, outputs) is None
    assert made.tally() == (4, 0, 0, 2, 2)
    assert made.counts()["errors"] == 1
    change = made.change()
    assert change is not None and words in change.text and not change.is_ok
    assert made.change() is None, "said once"
    made.decide(second, WORN)
    change = made.change()
    assert change is not None and change.is_ok


@pytest.mark.parametrize("number", [nan, inf, -inf])
def test_a_model_that_answers_with_no_number_is_stopped_and_says_so_once(number: float):
    made = agent(window={"size": 2}, model="m", decide=LABELS)
    first, second = feed(made, 1, 2, 3, 4)
    event = made.decide(first, (0.5, number, 0.5))
    assert event is not None and event.kind == "failed" and made.is_urgent(event)
    assert event.values == (f"output 1 of the model is {number}, not a finite number",)
    assert event.model == MODEL and event.input == first.digest
    assert made.decide(second, WORN) is None, "what was on its way is not judged any more"
    assert feed(made, 5, 6, 7, 8) == [], "and nothing is asked of the model again"
    assert made.tally() == (8, 2, 0, 6, 0)
    assert made.counts()["errors"] == made.counts()["events"] == 1
    change = made.change()
    assert change is not None and not change.is_ok and change.text.startswith("stopped until the next start: output 1")
    assert made.change() is None
    assert made.fault == change.text


def test_a_model_that_fails_is_an_error_and_shed():
    made = agent(model="m", decide=LABELS)
    (window,) = feed(made, 1)
    made.fail(window, "the engine died")
    assert made.tally() == (1, 0, 0, 1, 0)
    assert made.fault == "the engine died"


def test_a_window_beyond_float32_is_an_error_and_shed():
    made = agent(("x", "y"), window={"size": 2}, features=["mean", "energy"], decide={"kind": "value"})
    made.read(reading(1, 1e30))
    assert made.read(reading(2, 1e30)) is None
    assert made.tally() == (2, 0, 0, 2, 0)
    assert made.fault == "y.energy is 1e+60, beyond float32; scale the source down"


def test_a_model_of_another_shape_is_refused():
    made = Agent(agent(("x", "y"), window={"size": 4}, model="m", decide=LABELS).options)
    with pytest.raises(ValueError, match=r"takes 10 numbers, but window.size 4 × 2 fields \(x, y\) make 8"):
        made.model_loaded(MODEL, 10, 3)
    with pytest.raises(ValueError, match=r"labels has 3 names, but there are 5 outputs"):
        made.model_loaded(MODEL, 8, 5)


def test_alarms_are_urgent_unless_told_otherwise():
    decide = {"kind": "threshold", "above": 1}
    alarm, clear = Event("a", "alarm", 0, (2.0,)), Event("a", "clear", 0, (0.0,))
    made = agent(decide=decide)
    assert (made.is_urgent(alarm), made.is_urgent(clear)) == (True, False)
    assert agent(decide=decide, urgent=True).is_urgent(clear)
    assert not agent(decide=decide, urgent=False).is_urgent(alarm)
