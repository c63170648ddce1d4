"""All agents together: who gets a reading, what they add up to, and which source fell silent."""

import json

import pytest

from edge.limits import AGENTS_MAX, SOURCES_MAX
from edge.sense.senses import Senses
from tests.unit.sense.making import MODEL, options, reading

VALUE = {"kind": "value"}


def senses(*sources: str) -> Senses:
    """Two agents on source s (one of two readings, one of one), one on source t."""
    return Senses(
        [
            options(name="pair", window={"size": 2}, decide=VALUE),
            options(name="each", decide=VALUE),
            options(name="other", source="t", decide=VALUE),
        ],
        sources,
    )


def test_agents_share_a_source():
    made = senses()
    assert [name for name, _ in made.read(reading(1), 0)] == ["each"]
    windows = made.read(reading(2), 0)
    assert [name for name, _ in windows] == ["pair", "each"]
    assert [made.outputs(name, window, window.outputs).values for name, window in windows] == [(1.0, 2.0), (2.0,)]  # type: ignore[union-attr]


def test_the_tally_is_the_sum():
    made = senses()
    assert made.tally() == (0, 0, 0, 0, 0)
    first = made.read(reading(1), 0)
    assert made.tally() == (2, 0, 0, 0, 2)
    made.outputs(*first[0], (1.0,))
    ((_, pair), (_, each)) = made.read(reading(2, lost=3), 0)
    made.shed("each", each)
    made.outputs("pair", pair, None)
    assert made.tally() == (10, 1, 0, 9, 0)
    assert [sum(column) for column in zip(*(made.agent(name).tally() for name in made.names), strict=True)] == [
        10, 1, 0, 9, 0,
    ]  # fmt: skip


def test_the_counts_are_sums():
    made = senses()
    for value in (1.0, float("nan"), 2.0):
        for name, window in made.read(reading(value), 0):
            made.outputs(name, window, None if name == "pair" else window.outputs)
    counts = made.counts()
    assert [counts[key] for key in ("windows", "events", "refused", "errors")] == [3, 2, 2, 1]
    assert counts["readings"] == 4


def test_a_reading_nobody_takes_is_counted():
    made = senses("s", "spare")
    assert made.read(reading(1, source="spare"), 0) == []
    assert made.read(reading(1, source="unknown", lost=2), 0) == []
    assert made.counts()["unclaimed"] == 3
    assert made.tally() == (0, 0, 0, 0, 0)


def test_two_agents_of_one_name():
    with pytest.raises(ValueError, match="agent name a: is used twice"):
        Senses([options(), options()])


def test_more_agents_or_sources_than_a_node_has_are_our_own_bug():
    """The configuration refuses them with a sentence."""
    Senses([], [f"s{index}" for index in range(SOURCES_MAX)])
    with pytest.raises(AssertionError):
        Senses([], [f"s{index}" for index in range(SOURCES_MAX + 1)])
    with pytest.raises(AssertionError):
        Senses([options(name=f"a{index}") for index in range(AGENTS_MAX + 1)])


def test_a_model_that_does_not_fit_is_refused_with_the_agents_name():
    made = Senses([options(model="m", decide=VALUE)])
    with pytest.raises(ValueError, match="agent a: the model takes 2 numbers"):
        made.model_loaded("a", MODEL, 2, 1)


def test_a_silent_source_is_said_once_and_so_is_its_return():
    made = senses()
    for index in range(10):
        made.read(reading(index), index * 100.0)
    assert made.stalled(5_900) == []
    (change,) = made.stalled(6_000)
    assert (change.kind, change.name, change.is_ok) == ("source", "s", False)
    assert change.text == "has sent nothing for 5 s; usual is one within 0.1 s"
    assert made.stalled(7_000) == []
    assert made.counts()["silent_sources"] == 1 and made.status()["each"]["is_silent"]
    made.read(reading(1), 9_900)
    (change,) = made.stalled(9_950)
    assert (change.name, change.is_ok, change.text) == ("s", True, "sends again after 9 s")
    assert made.counts()["silent_sources"] == 0


def test_a_source_that_never_sent_anything():
    made = senses("s", "t", "spare")
    made.read(reading(1, source="t"), 0)
    assert made.stalled(0) == []
    assert [change.name for change in made.stalled(60_001)] == ["s", "t", "spare"]
    assert made.stalled(99_999) == []


def test_a_source_that_has_ended_is_not_silent():
    made = senses()
    for index in range(10):
        made.read(reading(index), index * 100.0)
    made.ended("s")
    assert [change.name for change in made.stalled(100_000) if change.name == "s"] == []


def test_faults_of_agents_are_said_once():
    made = senses()
    made.read(reading(float("nan")), 0)
    assert sorted(change.name for change in made.faults()) == ["each", "pair"]
    assert made.faults() == []
    for name, window in made.read(reading(1), 1):
        made.outputs(name, window, window.outputs)
    for name, window in made.read(reading(2), 2):
        made.outputs(name, window, window.outputs)
    assert [(change.name, change.is_ok) for change in made.faults()] == [("each", True)]


def test_the_status_is_json():
    made = senses()
    ((name, window),) = made.read(reading(1), 0)
    made.outputs(name, window, window.outputs)
    status = json.loads(json.dumps(made.status()))
    assert list(status) == ["pair", "each", "other"]
    assert status["each"]["last"]["values"] == [1.0]
    assert (status["each"]["readings"], status["each"]["recorded"], status["each"]["fault"]) == (1, 1, None)
    assert status["pair"]["open"] == 1 and status["pair"]["last"] is None
