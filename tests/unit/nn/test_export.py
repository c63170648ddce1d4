"""What is exported reads back as it was, and what cannot be exported says why. Engines run it in tests/unit/shell."""

import math
import struct
from random import Random

import pytest

from edge.nn.errors import ModelError
from edge.nn.export import Range, calibrate, export_float32, export_int8
from edge.nn.graph import Subgraph
from edge.nn.mlp import ACTIVATIONS, Layer, answer
from edge.nn.network import Network
from edge.nn.plan import lower
from edge.nn.tflite import read
from tests.nn.networks import layers, rows


def main_of(data: bytes) -> Subgraph:
    return read(data).subgraphs[0]


def test_float_weights_are_stored_as_they_are():
    network = layers(Random(1), (5, 4, 3), ("RELU", "SOFTMAX"))
    main = main_of(export_float32(network, "note"))
    assert [step.name for step in main.operators] == ["FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]
    stored = main.tensors[main.operators[0].inputs[1]]
    assert stored.shape == (4, 5) and stored.data == struct.pack("<20f", *network[0].weights)


def test_the_same_network_gives_the_same_bytes():
    network, calibration = layers(Random(1), (5, 4, 3)), rows(Random(2), 5, 20)
    assert export_float32(network) == export_float32(network)
    assert export_int8(network, calibration) == export_int8(network, calibration)


def test_int8_weights_are_symmetric_and_within_half_a_step():
    network = layers(Random(3), (6, 9))
    main = main_of(export_int8(network, rows(Random(4), 6, 50)))
    x, weights, biases = (main.tensors[index] for index in main.operators[0].inputs)
    assert weights.quantisation is not None and weights.data is not None and x.quantisation is not None
    (scale,), zero_points, _ = weights.quantisation
    assert zero_points == (0,)
    stored = struct.unpack("<54b", weights.data)
    assert max(map(abs, stored)) == 127
    assert all(abs(q * scale - w) <= scale * 0.501 for q, w in zip(stored, network[0].weights, strict=True))
    assert biases.quantisation is not None
    assert biases.quantisation.scales[0] == pytest.approx(scale * x.quantisation.scales[0])


def test_one_weight_that_is_far_too_large_is_cut_off_rather_than_all_others_rounded_away():
    """A neuron that only says on which side its input is, beside one that matters."""
    network = [Layer([500.0, 0.0, 0.0, 0.7], [0.0, 0.1], "TANH"), Layer([0.1, 1.0], [0.0])]
    given = rows(Random(8), 2, 60)
    data = export_int8(network, given)
    weights = main_of(data).tensors[main_of(data).operators[0].inputs[1]]
    assert weights.quantisation is not None and weights.quantisation.scales[0] < 1  # uncut 3.9
    model = Network(lower(read(data)))
    for row in given:
        (made,) = model.run(struct.pack("<2f", *row))
        assert made == pytest.approx(answer(network, row)[0], abs=0.15)


def test_sums_before_a_sigmoid_are_stored_as_far_as_it_moves():
    network = [Layer([30.0], [0.0], "LOGISTIC")]
    main = main_of(export_int8(network, [[-1.0], [1.0]]))
    sums = main.tensors[main.operators[0].outputs[0]].quantisation
    assert sums is not None and sums.scales[0] == pytest.approx(14 / 255)


@pytest.mark.parametrize(
    ("seen", "zero_point"),
    [(Range(-1.0, 1.0), 0), (Range(0.0, 6.0), -128), (Range(-6.0, 0.0), 127), (Range(), -128)],
)
def test_zero_is_exactly_on_a_step(seen: Range, zero_point: int):
    how = seen.quantisation()
    assert how.zero_points[0] in (zero_point, zero_point - 1)
    assert how.scales[0] > 0
    for value in seen:
        assert -129 <= value / how.scales[0] + how.zero_points[0] <= 128


def test_the_calibration_sees_sums_before_an_activation_of_its_own_and_values_behind_a_fused_one():
    network = [Layer([2.0], [0.0], "RELU"), Layer([1.0], [-3.0], "TANH")]
    ranges = calibrate(network, [[-1.0], [2.0]])
    assert ranges == [Range(-1.0, 2.0), Range(0.0, 4.0), Range(-3.0, 1.0)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_can_be_exported(activation: str):
    network = layers(Random(5), (3, 4), (activation,))
    for data in (export_float32(network), export_int8(network, rows(Random(6), 3, 9))):
        names = [step.name for step in main_of(data).operators]
        assert names in (["FULLY_CONNECTED"], ["FULLY_CONNECTED", activation])


def test_a_network_of_zeros_can_be_exported():
    network = [Layer([0.0] * 4, [0.0, 0.0])]
    assert main_of(export_int8(network, [[0.0, 0.0]])).tensors


def test_the_answer_by_the_book():
    network = [Layer([1.0, -1.0, 2.0, 0.5], [0.5, -4.0], "RELU"), Layer([1.0, 1.0], [0.0], "LOGISTIC")]
    assert answer(network, [3.0, 1.0]) == [pytest.approx(1 / (1 + math.exp(-5.0)))]
    assert answer([Layer([1.0, 1.0], [0.0, 0.0], "SOFTMAX")], [1000.0]) == [0.5, 0.5]
    assert answer([Layer([1.0], [0.0], "LOGISTIC")], [-1000.0]) == [0.0]


@pytest.mark.parametrize(
    ("network", "what"),
    [
        ([], "no layers"),
        ([Layer([1.0], [0.0], "SINE")], "activation SINE (allowed: NONE, RELU"),
        ([Layer([1.0, 2.0, 3.0], [0.0, 0.0])], "3 weights for 2 outputs"),
        ([Layer([], [])], "0 weights for 0 outputs"),
        ([Layer([1.0, 2.0], [0.0, 0.0]), Layer([1.0], [0.0])], "layer 1: takes 1 numbers, the layer before gives 2"),
        ([Layer([math.nan], [0.0])], "a weight is nan"),
        ([Layer([1.0], [math.inf])], "a weight is inf"),
        ([Layer([1e39], [0.0])], "a weight is 1e+39 (allowed: finite float32)"),
    ],
)
def test_what_is_no_network_is_refused(network: list[Layer], what: str):
    for export in (export_float32, lambda network: export_int8(network, [[0.0]])):
        with pytest.raises(ModelError) as caught:
            export(network)
        assert what in str(caught.value)


@pytest.mark.parametrize(
    ("calibration", "what"),
    [([], "no rows"), ([[1.0]], "row 0 of 1 numbers (allowed: 2)"), ([[1.0, math.inf]], "row 0 makes"),
     ([[0.0, 0.0], [0.0, math.nan]], "row 1 makes layer 0 overflow"), ([[1e39, 0.0]], "overflow")],
)  # fmt: skip
def test_a_calibration_that_shows_nothing_is_refused(calibration: list[list[float]], what: str):
    with pytest.raises(ModelError) as caught:
        export_int8([Layer([1.0, 1.0], [0.0])], calibration)
    assert what in str(caught.value)
