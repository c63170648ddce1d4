"""The features against exact rational arithmetic, and the tensor against struct."""

from array import array
from math import isclose, isnan

from hypothesis import given
from hypothesis import strategies as st

from edge.sense.features import NAMES, extract, feature_names, pack, tensor_length
from tests.reference import features as slow

EXACT = ("min", "max", "range", "median", "iqr", "zcr")
"""Whole numbers make these exact; the others are rounded a few times."""


@st.composite
def windows(draw: st.DrawFn, values: st.SearchStrategy[float]) -> list[tuple[float, ...]]:
    channels = draw(st.integers(1, 4))
    return draw(st.lists(st.tuples(*[values] * channels), min_size=1, max_size=24))


def compare(rows: list[tuple[float, ...]], names: list[str], *, exact: tuple[str, ...]) -> None:
    channels = len(rows[0])
    fast = extract(array("d", [value for row in rows for value in row]), channels, names)
    expected = slow.extract(rows, names)
    labels = feature_names("xyzw"[:channels], names, len(rows))
    assert len(fast) == len(expected) == len(labels) == tensor_length(len(rows), channels, names)
    for label, value, right in zip(labels, fast, expected, strict=True):
        if label.rpartition(".")[2] in exact:
            assert value == right, label
        else:
            assert isclose(value, right, rel_tol=1e-9, abs_tol=1e-9), (label, value, right)


@given(windows(st.integers(-1000, 1000).map(float)), st.permutations(NAMES), st.integers(0, len(NAMES)))
def test_whole_numbers(rows: list[tuple[float, ...]], names: list[str], count: int):
    compare(rows, names[:count], exact=EXACT)


@given(windows(st.floats(-1000, 1000, allow_subnormal=False).map(lambda value: round(value, 3))))
def test_what_sensors_give(rows: list[tuple[float, ...]]):
    """zcr is left out: a value that lies on the mean to the last bit falls on either side."""
    compare(rows, [name for name in NAMES if name != "zcr"], exact=("min", "max"))


@given(windows(st.floats(-(2.0**127), 2.0**127, width=32)))
def test_no_reading_that_is_let_in_breaks_a_feature(rows: list[tuple[float, ...]]):
    """Any float32 may come: the result is numbers, and a tensor or none."""
    channels = len(rows[0])
    values = extract(array("d", [value for row in rows for value in row]), channels, NAMES)
    assert not any(map(isnan, values))
    packed = pack(values)
    assert packed is None or len(packed) == 4 * len(values)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_the_tensor_is_what_struct_packs(values: list[float]):
    assert pack(values) == slow.pack(values)
