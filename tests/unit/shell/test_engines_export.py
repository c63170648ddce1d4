"""What a device exports, TensorFlow Lite runs with the same answers."""

import struct
from collections.abc import Iterator, Sequence
from math import sqrt
from random import Random

import pytest

from edge.nn.backends import ModelFile
from edge.nn.export import export_float32, export_int8
from edge.nn.mlp import Layer, answer
from edge.shell.engines.tflite_c import TfliteC, find_library
from tests.nn.networks import layers, rows

SHAPES = (
    ((16, 32, 8), ("RELU", "NONE")),
    ((16, 32, 8), ("RELU", "SOFTMAX")),
    ((5, 9, 7, 3), ("TANH", "RELU6", "LOGISTIC")),
    ((3, 1), ("RELU_N1_TO_1",)),
    ((1, 4, 2), ("LOGISTIC", "TANH")),
)


@pytest.fixture(scope="module")
def engine() -> TfliteC:
    return TfliteC(find_library())


def answers(engine: TfliteC, data: bytes, inputs: list[list[float]]) -> Iterator[Sequence[float]]:
    model = engine.load(ModelFile("export", data, b""))
    try:
        for row in inputs:
            yield model.run(struct.pack(f"<{len(row)}f", *row))
    finally:
        model.close()


@pytest.mark.parametrize(("widths", "activations"), SHAPES)
def test_float32_is_the_same_to_a_hundred_thousandth(
    engine: TfliteC, widths: tuple[int, ...], activations: tuple[str, ...]
):
    rng = Random(f"{widths} {activations}")
    network, inputs = layers(rng, widths, activations), rows(rng, widths[0], 40)
    for row, got in zip(inputs, answers(engine, export_float32(network), inputs), strict=True):
        assert list(got) == pytest.approx(answer(network, row), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("widths", "activations"), SHAPES)
def test_int8_is_the_same_within_a_few_steps(engine: TfliteC, widths: tuple[int, ...], activations: tuple[str, ...]):
    """By root mean square: a step is 1/255 of the range of the outputs, and every layer adds about one."""
    rng = Random(f"{widths} {activations}")
    network, calibration = layers(rng, widths, activations), rows(rng, widths[0], 200)
    inputs = calibration[:100]
    expected = [answer(network, row) for row in inputs]
    got = list(answers(engine, export_int8(network, calibration), inputs))
    flat = [value for row in expected for value in row]
    step = (max(*flat, 0.0) - min(*flat, 0.0)) / 255
    errors = [a - b for one, other in zip(got, expected, strict=True) for a, b in zip(one, other, strict=True)]
    assert sqrt(sum(error * error for error in errors) / len(errors)) < 2.5 * step * len(network)


def test_int8_decides_as_float32_does(engine: TfliteC):
    """A classifier with an opinion keeps it."""
    rng = Random(7)
    network = [*layers(rng, (16, 32, 8), ("RELU", "SOFTMAX"))]
    network[-1] = Layer([4 * w for w in network[-1].weights], network[-1].biases, "SOFTMAX")
    calibration = rows(rng, 16, 300)
    expected = [answer(network, row) for row in calibration]
    sure = [place for place, row in enumerate(expected) if max(row) > 0.7]
    got = list(answers(engine, export_int8(network, calibration), [calibration[place] for place in sure]))
    same = [
        one.index(max(one)) == expected[place].index(max(expected[place])) for one, place in zip(got, sure, strict=True)
    ]
    assert len(sure) > 100 and all(same)
