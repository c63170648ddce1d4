"""Detectors: the same for the same seed, what they learnt saved and taken back, and what is out of bounds refused."""

import struct
from array import array
from hashlib import sha256
from random import Random

import pytest

from edge import limits
from edge.nn.detectors import AdwinOptions, DetectorOptions, ForestOptions, PageHinkleyOptions
from edge.nn.errors import InferenceError, ModelError
from edge.nn.streams import Detector, bound, digest

KINDS: tuple[tuple[DetectorOptions, int], ...] = (
    (ForestOptions(3, 4, 20), 2),
    (ForestOptions(3, 4, 20, ((-3.0, 3.0), (0.0, 9.0))), 2),
    (AdwinOptions(0.05, 4), 1),
    (PageHinkleyOptions(10, 0.05, 4.0), 1),
)
ADWIN_HEAD = struct.Struct("<8Id2Q2d32I")
"""kernels/include/synedge/streams.h, syn_adwin."""


def stream(seed: int, count: int) -> "array[float]":
    """Noise around a mean that changes every so often."""
    rng, mean = Random(seed), 0.0
    numbers = array("d")
    for _ in range(count):
        mean = rng.choice((mean,) * 50 + (0.0, 5.0, -2.0))
        numbers.append(rng.gauss(mean, 0.3))
    return numbers


def test_a_score_is_high_where_nothing_was():
    detector = Detector(ForestOptions(), 2)
    rng = Random(1)
    usual = array("d", [rng.gauss(place, 0.1) for _ in range(1000) for place in (20.0, 0.5)])
    scores = detector.run(usual)
    assert not any(scores[:250]) and all(0 < score <= 1 for score in scores[250:])
    strange = detector.run(array("d", [35.0, 2.0]))[0]
    assert strange > 0.95 > sum(scores[250:]) / 750


def test_a_change_is_told_soon_with_the_means_on_both_sides():
    rng = Random(2)
    values = array("d", [rng.gauss(20 if place < 1000 else 22, 0.5) for place in range(2000)])
    for options in (AdwinOptions(), PageHinkleyOptions()):
        answers = Detector(options).run(values)
        drifts = [place for place in range(2000) if answers[3 * place]]
        assert len(drifts) == 1 and 1000 < drifts[0] < 1100
        before, after = answers[3 * drifts[0] + 1 : 3 * drifts[0] + 3]
        assert before == pytest.approx(20, abs=0.1) and 20.5 < after < 22.3


@pytest.mark.parametrize(("options", "inputs"), KINDS)
def test_many_rows_in_one_call_are_as_one_by_one(options: DetectorOptions, inputs: int):
    rows = stream(3, 200 * inputs)
    one = Detector(options, inputs)
    apart = [number for at in range(0, len(rows), inputs) for number in one.run(rows[at : at + inputs])]
    assert Detector(options, inputs).run(rows).tolist() == apart


def test_a_seed_makes_the_trees():
    rows = stream(4, 400)
    first, same, other = (Detector(ForestOptions(3, 4, 20, seed=seed), 2).run(rows) for seed in (1, 1, 2))
    assert first == same != other


@pytest.mark.parametrize(("options", "inputs"), KINDS)
def test_what_was_learnt_goes_on_elsewhere(options: DetectorOptions, inputs: int):
    rows = stream(5, 300 * inputs)
    detector, other = Detector(options, inputs), Detector(options, inputs)
    detector.run(rows)
    other.load(detector.save())
    assert detector.run(rows) == other.run(rows)
    fresh = Detector(options, inputs)
    other.reset()
    assert other.run(rows) == fresh.run(rows)


@pytest.mark.parametrize(("options", "inputs"), KINDS)
def test_a_state_of_others_is_refused_and_changes_nothing(options: DetectorOptions, inputs: int):
    detector = Detector(options, inputs)
    state = detector.save()
    others: list[tuple[DetectorOptions, int]] = [*KINDS, (AdwinOptions(0.06, 4), 1), (PageHinkleyOptions(11), 1)]
    for other, width in others:
        if (other, width) != (options, inputs):
            with pytest.raises(ModelError, match=f"state of {options.kind}: "):
                detector.load(Detector(other, width).save())
    for wrong in (b"", state[:-1], state + b"\0", bytes(len(state)), b"\xff" * len(state)):
        with pytest.raises(ModelError):
            detector.load(wrong)
    assert detector.save() == state


@pytest.mark.parametrize(("options", "inputs"), KINDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e39])
def test_what_is_no_float32_is_refused_and_not_learnt(options: DetectorOptions, inputs: int, value: float):
    detector = Detector(options, inputs)
    detector.run(stream(6, 10 * inputs))
    state = detector.save()
    with pytest.raises(InferenceError, match="row 0 holds what is no float32"):
        detector.run(array("d", [value] * inputs))
    assert detector.save() == state


@pytest.mark.parametrize(
    ("options", "inputs"),
    [
        (ForestOptions(trees=limits.DETECTOR_TREES_MAX + 1), 1),
        (ForestOptions(height=limits.DETECTOR_HEIGHT_MAX + 1), 1),
        (ForestOptions(trees=17, height=limits.DETECTOR_HEIGHT_MAX), 1),
        (ForestOptions(window=limits.DETECTOR_VALUES_MAX + 1), 1),
        (ForestOptions(), limits.DETECTOR_INPUTS_MAX + 1),
        (ForestOptions(limits=((1.0, 1.0),)), 1),
        (ForestOptions(limits=((0.0, float("inf")),)), 1),
        (AdwinOptions(delta=0.0), 1),
        (AdwinOptions(clock=0), 1),
        (AdwinOptions(max_buckets=limits.DETECTOR_BUCKETS_MAX + 1), 1),
        (AdwinOptions(), 2),
        (PageHinkleyOptions(alpha=0.0), 1),
        (PageHinkleyOptions(threshold=float("nan")), 1),
    ],
)
def test_options_out_of_bounds_are_refused(options: DetectorOptions, inputs: int):
    with pytest.raises(ModelError, match=f"^{options.kind}: "):
        Detector(options, inputs)


def test_the_bounds_themselves_are_taken():
    nodes = 2 ** (limits.DETECTOR_HEIGHT_MAX + 1) - 1
    trees = limits.DETECTOR_NODES_MAX // nodes
    largest = Detector(ForestOptions(trees, limits.DETECTOR_HEIGHT_MAX), limits.DETECTOR_INPUTS_MAX)
    assert len(largest.save()) < 17_000_000
    Detector(ForestOptions(limits.DETECTOR_TREES_MAX, 1, limits.DETECTOR_VALUES_MAX))
    Detector(AdwinOptions(max_buckets=limits.DETECTOR_BUCKETS_MAX))


def test_both_languages_name_the_same_bounds():
    names = {
        "FOREST_INPUTS": limits.DETECTOR_INPUTS_MAX,
        "FOREST_TREES": limits.DETECTOR_TREES_MAX,
        "FOREST_HEIGHT": limits.DETECTOR_HEIGHT_MAX,
        "FOREST_NODES": limits.DETECTOR_NODES_MAX,
        "STREAM_VALUES": limits.DETECTOR_VALUES_MAX,
        "ADWIN_BUCKETS": limits.DETECTOR_BUCKETS_MAX,
    }
    assert {name: bound(f"{name}_MAX") for name in names} == names


def test_a_window_of_adwin_ends_where_its_rows_do():
    """Full to the last bucket: with the next value the oldest is forgotten, and the sums are those of what is left."""
    detector = Detector(AdwinOptions(max_buckets=2, clock=1_000_000))
    fresh = detector.save()
    head = list(ADWIN_HEAD.unpack_from(fresh))
    rows = bound("ADWIN_ROWS")
    width = 2 * (2**rows - 1)
    head[6], head[9], head[10], head[11] = rows, width, width, float(width)
    head[13:] = [2] * rows
    buckets = b"".join(struct.pack("<6d", 2.0**row, 0, 2.0**row, 0, 0, 0) for row in range(rows))
    detector.load(ADWIN_HEAD.pack(*head) + buckets)
    detector.run(array("d", [1.0]))
    found = ADWIN_HEAD.unpack_from(detector.save())
    assert found[10] == width + 1 - 2 ** (rows - 1) and found[11] == found[10]
    other = Detector(detector.options)
    other.load(detector.save())


def test_a_digest_names_the_options():
    told = [digest(options, inputs) for options, inputs in KINDS] + [digest(ForestOptions(3, 4, 20), 3)]
    assert len(set(told)) == len(told)
    assert digest(AdwinOptions(), 1).hex()[:16] == digest(AdwinOptions(0.002), 1).hex()[:16]


DIGESTS = ("2f826e636f2f49ad", "48bc9f046fbe1d5a", "cd4d3e9bee545978", "ab81f4d86804cc35")


@pytest.mark.parametrize(("kind", "said"), [*enumerate(DIGESTS)])
def test_answers_are_the_same_on_every_machine(kind: int, said: str):
    options, inputs = KINDS[kind]
    rng, mean, rows = Random(7), 0.0, array("d")
    for _ in range(400 * inputs):  # no function of a C library that might round in its own way
        mean = rng.choice((mean,) * 50 + (0.0, 5.0, -2.0))
        rows.append(mean + rng.random() - 0.5)
    answers = Detector(options, inputs).run(rows)
    assert sha256(struct.pack(f"<{len(answers)}d", *answers)).hexdigest()[:16] == said
