"""Quantisation and the bounds of a tensor."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import limits
from edge.nn.errors import InferenceError
from edge.nn.tensor import TensorSpec


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def test_float32_goes_through_untouched():
    spec = TensorSpec((1, 2), "float32")
    assert spec.pack(floats(1.5, -2.0)) == floats(1.5, -2.0)
    assert spec.unpack(floats(1.5, -2.0)) == (1.5, -2.0)
    assert (spec.values, spec.float_bytes, spec.stored_bytes, spec.fault()) == (2, 8, 8, None)


@pytest.mark.parametrize(
    ("dtype", "value", "stored"),
    [
        ("int8", 0.0, 10),
        ("int8", 0.25, 11),  # a tie: away from zero
        ("int8", -0.25, 9),
        ("int8", 1000.0, 127),
        ("int8", -1000.0, -128),
        ("uint8", -1000.0, 0),
        ("uint8", 1000.0, 255),
    ],
)
def test_quantisation_rounds_ties_away_from_zero_and_clamps(dtype: str, value: float, stored: int):
    spec = TensorSpec((1,), dtype, scale=0.5, zero_point=10)
    letter = "b" if dtype == "int8" else "B"
    assert struct.unpack(letter, spec.pack(floats(value))) == (stored,)


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20))
def test_what_fits_comes_back_within_half_a_step(values: list[float]):
    spec = TensorSpec((len(values),), "int8", scale=0.5, zero_point=3)
    back = spec.unpack(spec.pack(floats(*values)))
    assert all(abs(a - b) <= 0.25 + 1e-9 for a, b in zip(back, values, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_wrong_length_is_refused_with_both_lengths(dtype: str):
    spec = TensorSpec((1, 3), dtype, scale=1.0)
    with pytest.raises(InferenceError, match="8 bytes, the model takes 12"):
        spec.pack(floats(1, 2))
    with pytest.raises(InferenceError, match="declared"):
        spec.unpack(b"\0" * 2)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_stop_at_the_border(bad: float):
    with pytest.raises(InferenceError, match="finite"):
        TensorSpec((2,), "int8", scale=1.0).pack(floats(1.0, bad))
    with pytest.raises(InferenceError, match="finite"):
        TensorSpec((2,), "float32").unpack(floats(1.0, bad))


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (TensorSpec((1, -1), "float32"), "every dimension"),
        (TensorSpec((0,), "float32"), "every dimension"),
        (TensorSpec((1,), "int64"), "allowed: float32, int8, uint8"),
        (TensorSpec((1,), "int8", scale=0.0), "scale"),
        (TensorSpec((1,), "uint8", scale=math.nan), "scale"),
        (TensorSpec((limits.MODEL_TENSOR_VALUES_MAX, 2), "float32"), str(limits.MODEL_TENSOR_VALUES_MAX)),
    ],
)
def test_what_cannot_be_used_says_why(spec: TensorSpec, reason: str):
    assert reason in (spec.fault() or "")


def test_the_largest_tensor_is_allowed():
    assert TensorSpec((limits.MODEL_TENSOR_VALUES_MAX,), "float32").fault() is None
