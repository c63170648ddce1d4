"""What was trained and exported here, as TensorFlow Lite's reference kernels run it."""

import struct
from array import array
from random import Random

import pytest

from edge.nn import kernels
from edge.nn.export import export_float32, export_int8
from edge.nn.export_recurrent import export_recurrent
from edge.nn.fann_data import Data
from edge.nn.network import Network
from edge.nn.plan import lower
from edge.nn.recurrent import RECURRENT_RULES, Recurrent, RecurrentNetwork, RecurrentTrainer, Sequences
from edge.nn.tflite import read
from edge.nn.train import RULES, Columns, Perceptron, Trainer
from edge.nn.trainable import layered, to_layers
from tests.nn.recall import recall
from tests.reference.litert import Oracle

ROWS = 400


def test_the_reference_kernels_remember_the_same(oracle: Oracle):
    """A gated recurrent layer that says each bit four steps late, step by step."""
    kernels.select()
    data = recall(1, 64, 20, 4)
    sequences, shape = Sequences(data, 20, skip=4), Recurrent(1, 12, layered([12, 6, 1], "TANH", "LOGISTIC"))
    network = RecurrentNetwork(shape, "cross-entropy", 10)
    trainer = RecurrentTrainer(network, sequences, RECURRENT_RULES["adam"], network.first_weights(1), seed=1)
    for _ in range(60):
        trainer.epoch()
    assert network.test(trainer.weights, sequences, 0.5)[1] < 0.02
    model = export_recurrent(shape, trainer.weights)
    native, answers = Network(lower(read(model))), network.answers(trainer.weights, sequences)
    for first in range(0, 100, 20):  # a stream each
        given = [struct.pack("<f", *data.row(number)[0]) for number in range(first, first + 20)]
        ours, theirs = ([struct.unpack("<f", one)[0] for one in some] for some in (
            [native.invoke(one) for one in given], oracle.run(model, given)
        ))  # fmt: skip
        native.reset()
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-5)
        assert ours == pytest.approx(answers[first : first + 20], rel=1e-5, abs=1e-5)


def rings(seed: int) -> Data:
    """Three rings around one another, which nothing straight parts."""
    rng, given, wanted = Random(seed), array("f"), array("f")
    for number in range(ROWS):
        x, y, z = (rng.gauss(0, 1) for _ in range(3))
        size, radius = (x * x + y * y + z * z) ** 0.5, 0.5 + number % 3 + rng.uniform(0, 0.6)
        given.extend((radius * x / size, radius * y / size, radius * z / size))
        wanted.extend(float(place == number % 3) for place in range(3))
    return Data(ROWS, 3, 3, given, wanted)


@pytest.mark.parametrize(("hidden", "output"), [("TANH", "LOGISTIC"), ("RELU", "SOFTMAX"), ("RELU6", "NONE")])
def test_the_reference_kernels_answer_the_same(oracle: Oracle, hidden: str, output: str):
    kernels.select()
    train, test = rings(1), rings(2)
    perceptron = Perceptron(layered([3, 24, 3], hidden, output), "squared" if output == "NONE" else "cross-entropy")
    trainer = Trainer(perceptron, Columns(train), RULES["irprop"], perceptron.first_weights(3), seed=3)
    for _ in range(300):
        trainer.epoch()
    exact = perceptron.test(trainer.weights, Columns(test))[1]
    assert exact < 0.1
    answers = perceptron.answers(trainer.weights, Columns(test))
    layers, rows = to_layers(perceptron.shape, trainer.weights), [test.row(number) for number in range(ROWS)]

    def asked(data: bytes) -> tuple[Network, list[bytes], list[bytes]]:
        network = Network(lower(read(data)))
        given = [network.input.pack(struct.pack("<3f", *row)) for row, _ in rows]
        return network, [network.invoke(one) for one in given], oracle.run(data, given)

    network, ours, theirs = asked(export_float32(layers))
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert struct.unpack("<3f", one) == pytest.approx(struct.unpack("<3f", other), rel=1e-5, abs=1e-5)
        assert struct.unpack("<3f", one) == pytest.approx(answers[3 * number : 3 * number + 3], rel=1e-5, abs=1e-5)

    network, ours, theirs = asked(export_int8(layers, [train.row(number)[0] for number in range(0, ROWS, 4)]))
    assert ours == theirs
    got = [network.output.unpack(one) for one in ours]
    wrong = sum(one.index(max(one)) != right.index(1) for one, (_, right) in zip(got, rows, strict=True))
    assert wrong / ROWS <= exact + 0.02
