"""The detectors in C answer what their slow twins answer, whatever comes."""

from array import array
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.nn.detectors import AdwinOptions, ForestOptions, PageHinkleyOptions
from edge.nn.streams import Detector
from tests.reference import streams as slow

SEEDS = st.integers(0, 2**32 - 1)
SPLITMIX = 0x9E3779B97F4A7C15
WORD = 2**64 - 1


class Chance:
    """splitmix64 as numbers in [0, 1): kernels/src/chance.h."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def __call__(self) -> float:
        self.state = z = (self.state + SPLITMIX) & WORD
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & WORD
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & WORD
        return ((z ^ z >> 31) >> 11) / 2**53


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 5), st.integers(1, 6), st.integers(1, 60), st.integers(1, 4), st.booleans())
def test_half_space_trees(seed: int, trees: int, height: int, window: int, inputs: int, has_limits: bool):
    rng = Random(seed)
    limits = tuple((low, low + rng.uniform(0.1, 50)) for low in (rng.uniform(-20, 20) for _ in range(inputs)))
    options = ForestOptions(trees, height, window, limits if has_limits else (), seed)
    chance = Chance(seed)
    grown = [slow.grow(chance, limits if has_limits else [(0.0, 1.0)] * inputs, height) for _ in range(trees)]
    twin = slow.Forest(grown, height, window, options.limits)
    rows = [[rng.choice((0.0, rng.gauss(0, 20))) for _ in range(inputs)] for _ in range(4 * window)]
    fast = Detector(options, inputs).run(array("d", [value for row in rows for value in row]))
    assert fast.tolist() == [twin.take(row) for row in rows]


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from((0.002, 0.1, 0.5)), st.integers(1, 40), st.integers(2, 8), st.integers(1, 9))
def test_adwin(seed: int, delta: float, clock: int, buckets: int, shortest: int):
    stream = slow.drifting(seed, 600)
    twin = slow.Adwin(delta, clock, buckets, shortest, seed % 30)
    fast = Detector(AdwinOptions(delta, clock, buckets, shortest, seed % 30)).run(array("d", stream))
    assert fast.tolist() == [number for value in stream for number in twin.take(value)]


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 50), st.sampled_from((0.0, 0.005, 1.0)), st.floats(0.1, 100), st.floats(0.9, 1))
def test_page_hinkley(seed: int, instances: int, delta: float, threshold: float, alpha: float):
    stream = slow.drifting(seed, 600)
    mode = ("both", "up", "down")[seed % 3]
    twin = slow.PageHinkley(instances, delta, threshold, alpha, mode)
    fast = Detector(PageHinkleyOptions(instances, delta, threshold, alpha, mode)).run(array("d", stream))
    assert fast.tolist() == [number for value in stream for number in twin.take(value)]
