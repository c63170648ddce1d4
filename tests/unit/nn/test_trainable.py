"""Networks as rows of parameters and back: what was trained is what is written."""

from array import array
from random import Random

import pytest

from edge.nn.errors import ModelError
from edge.nn.fann import SHORTCUT, Net, Neuron, read_net, write_net
from edge.nn.fann_answer import answer
from edge.nn.fann_data import Data
from edge.nn.mlp import answer as layers_answer
from edge.nn.task import Task, task_of
from edge.nn.train import Columns, Perceptron
from edge.nn.trainable import Dense, Shape, from_layers, from_net, layered, to_layers, to_net, with_weights
from tests.nn.networks import layers, rows

GROWN = Shape(
    3, (Dense(0, 3, 3, 1), Dense(0, 4, 4, 1), Dense(0, 5, 5, 2)),
    ("ELLIOT", "SIN", "SIGMOID", "SIGMOID"), (0.5, 1.0, 0.5, 0.5),
)  # fmt: skip


def chance(shape: Shape, seed: int = 1) -> "array[float]":
    rng = Random(seed)
    return array("f", (rng.uniform(-2, 2) for _ in range(shape.parameters)))


def asked(shape: Shape, weights: "array[float]", given: list[list[float]]) -> list[list[float]]:
    """What training computes for these rows."""
    numbers = array("f", (x for row in given for x in row))
    data = Data(len(given), shape.inputs, shape.outputs, numbers, array("f", bytes(4 * len(given) * shape.outputs)))
    got = Perceptron(shape).answers(weights, Columns(data)).tolist()
    return [got[at : at + shape.outputs] for at in range(0, len(got), shape.outputs)]


@pytest.mark.parametrize(
    "shape", [layered([4, 6, 3], "TANH", "LOGISTIC"), layered([4, 5, 4, 3], "ELLIOT", "SIN"), GROWN]
)
def test_a_network_of_fann_answers_as_it_was_trained_and_comes_back(shape: Shape):
    weights = chance(shape)
    net = read_net(write_net(to_net(shape, weights)))
    assert net.is_shortcut == shape.is_shortcut
    given = rows(Random(2), shape.inputs, 9)
    for row, got in zip(given, asked(shape, weights, given), strict=True):
        assert got == pytest.approx(answer(net, row), rel=1e-5, abs=1e-5)
    again, same, mask = from_net(net)
    assert (again, same, mask) == (shape, weights, None)


def test_layers_answer_as_they_were_trained_and_come_back():
    for activations in (("RELU", "SOFTMAX"), ("TANH", "LOGISTIC"), ("RELU6", "NONE"), ("RELU_N1_TO_1", "NONE")):
        network = layers(Random(3), (4, 6, 3), activations)
        shape, weights = from_layers(network)
        given = rows(Random(2), 4, 9)
        for row, got in zip(given, asked(shape, weights, given), strict=True):
            assert got == pytest.approx(layers_answer(network, row), rel=1e-5, abs=1e-5)
        assert [layer.activation for layer in to_layers(shape, weights)] == list(activations)
        assert [list(layer.weights) for layer in to_layers(shape, weights)] == [
            list(layer.weights) for layer in network
        ]


def test_steepness_goes_into_the_weights_of_exported_layers():
    shape = layered([2, 3, 1], "SIGMOID_SYMMETRIC", "SIGMOID")
    assert shape.steepnesses[0] == 0.5
    weights, given = chance(shape), rows(Random(2), 2, 5)
    network = to_layers(shape, weights)
    assert [layer.activation for layer in network] == ["TANH", "LOGISTIC"]
    for row, got in zip(given, asked(shape, weights, given), strict=True):
        assert got == pytest.approx(layers_answer(network, row), rel=1e-5, abs=1e-5)


def test_a_sparse_network_keeps_its_gaps():
    net = to_net(layered([3, 2], "TANH", "LOGISTIC"), chance(layered([3, 2], "TANH", "LOGISTIC")))
    thin = tuple(
        one._replace(sources=one.sources[1:], weights=one.weights[1:]) if one.sources else one for one in net.neurons
    )
    net = Net({**net.settings, "connection_rate": 0.7}, net.layer_sizes, thin)
    _, weights, mask = from_net(read_net(write_net(net)))
    assert mask is not None and mask.tolist() == [0, 1, 1, 0, 1, 1, 1, 1]
    assert all(bool(weight) == bool(there) for weight, there in zip(weights, mask, strict=True))
    changed = with_weights(net, array("f", [2.0 * weight for weight in weights]))
    assert [one.sources for one in changed.neurons] == [one.sources for one in net.neurons]
    assert changed.neurons[4].weights == tuple(2 * weight for weight in net.neurons[4].weights)


def test_a_connection_that_is_there_twice_keeps_its_sum():
    twice = Neuron(3, 0.5, (0, 0, 1), (1.0, 2.0, 4.0))
    none = Neuron(0, 0.0, (), ())
    net = to_net(layered([1, 1], "TANH", "SIGMOID"), array("f", [0, 0]))
    net = Net({**net.settings, "connection_rate": 0.5}, net.layer_sizes, (none, none, twice, none))
    _, weights, _ = from_net(net)
    assert weights.tolist() == [3, 4]
    assert with_weights(net, weights).neurons[2].weights == (3.0, 0.0, 4.0)


def test_what_a_format_lacks_is_named():
    relu = layered([2, 3, 1], "RELU", "NONE")
    with pytest.raises(ModelError, match="FANN has no RELU "):
        to_net(relu, chance(relu))
    elliot = layered([2, 3, 1], "ELLIOT", "NONE")
    with pytest.raises(ModelError, match="TensorFlow Lite has no ELLIOT "):
        to_layers(elliot, chance(elliot))
    with pytest.raises(ModelError, match="shortcut connections"):
        to_layers(GROWN, chance(GROWN))
    mixed = relu._replace(activations=("RELU", "SIN", "RELU", "NONE"))
    with pytest.raises(ModelError, match="a layer with RELU x 1 and SIN x 1"):
        to_layers(mixed, chance(mixed))
    with pytest.raises(ModelError, match=r"widths \[3, 0\] \(allowed: two or more, each from 1 to 1048576\)"):
        layered([3, 0], "TANH", "NONE")


def test_grown_networks_are_shortcut_ones():
    net = to_net(GROWN, chance(GROWN))
    assert net.settings["network_type"] == SHORTCUT and net.layer_sizes == (4, 1, 1, 2)


@pytest.mark.parametrize(("outputs", "wanted", "task"), [
    (1, [0, 1, 1], Task("sides", 0, 1)),
    (3, [0, 1, 0, 1, 0, 0], Task("classes", 0, 1)),
    (2, [-1, 1, 1, -1], Task("classes", -1, 1)),
    (2, [1, 1, 0, 1], Task("numbers")),
    (1, [0, 0.5, 1], Task("numbers")),
    (1, [7, 7], Task("numbers")),
])  # fmt: skip
def test_what_a_training_set_asks_for(outputs: int, wanted: list[float], task: Task):
    count = len(wanted) // outputs
    assert task_of(Data(count, 1, outputs, array("f", [0] * count), array("f", wanted))) == task


def test_outputs_that_fit_a_task():
    assert (Task("classes", 0, 1).output, Task("classes", 0, 1).loss) == ("LOGISTIC", "cross-entropy")
    assert (Task("sides", -1, 1).output, Task("sides", -1, 1).loss) == ("TANH", "squared")
    assert (Task("sides", 2, 5).output, Task("numbers").output) == ("NONE", "NONE")
