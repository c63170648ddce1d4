"""Training sets of FANN."""

import math
import struct
from array import array
from random import Random

import pytest

from edge import limits
from edge.nn.errors import ModelError
from edge.nn.fann_data import Data, read_data, write_data

XOR = b"4 2 1\n-1 -1\n-1\n-1 1\n1\n1 -1\n1\n1 1\n-1\n"


def test_rows_are_inputs_and_then_wanted_outputs():
    data = read_data(XOR)
    assert (data.rows, data.inputs, data.outputs) == (4, 2, 1)
    assert data.row(1) == ([-1.0, 1.0], [1.0])
    assert data.row(3) == ([1.0, 1.0], [-1.0])


def test_lines_mean_nothing():
    assert read_data(b" ".join(XOR.split())) == read_data(XOR.replace(b"\n", b"\r\n\t")) == read_data(XOR)


def test_every_float32_comes_back_to_the_bit():
    rng = Random(1)
    words = [rng.getrandbits(32) for _ in range(3000)]
    numbers = [x for x in (struct.unpack("<f", struct.pack("<I", word))[0] for word in words) if math.isfinite(x)]
    numbers = numbers[: len(numbers) // 3 * 3]
    rows = len(numbers) // 3
    data = Data(rows, 2, 1, array("f", numbers[: 2 * rows]), array("f", numbers[2 * rows :]))
    assert read_data(write_data(data)) == data
    assert write_data(read_data(write_data(data))) == write_data(data)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "0 numbers (allowed: rows inputs outputs and the rows)"),
        (b"4 2", "2 numbers"),
        (b"x 2 1", "begins with 'x'"),
        (b"0 2 1", "begins with '0' (allowed: rows inputs outputs, from 1)"),
        (b"-1 2 1", "begins with '-1'"),
        (b"1 2 1 0 0", "2 numbers behind the head (allowed: 3)"),
        (b"1 2 1 0 0 0 0", "4 numbers behind the head (allowed: 3)"),
        (b"4000000000 4000000000 1 0", "1 numbers behind the head"),
        (b"1 1 1 0 nan", "number 5 is 'nan' (allowed: finite float32)"),
        (b"1 1 1 inf 0", "number 4 is 'inf'"),
        (b"1 1 1 1e39 0", "number 4 is '1e39'"),
        (b"1 1 1 1_0 0", "number 4 is '1_0'"),
        (b"1 1 1 0x1 0", "number 4 is '0x1'"),
        (b"1 1 1 \xff 0", "number 4 is"),
    ],
)
def test_what_is_no_training_set_is_refused(data: bytes, what: str):
    with pytest.raises(ModelError) as caught:
        read_data(data, "a.data")
    assert str(caught.value).startswith("training set a.data: ") and what in str(caught.value)


def test_a_file_that_is_too_large_is_not_read():
    with pytest.raises(ModelError, match=str(limits.MODEL_FILE_BYTES_MAX)):
        read_data(bytes(limits.MODEL_FILE_BYTES_MAX + 1))
