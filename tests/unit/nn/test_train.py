"""Training: every gradient against finite differences in double precision, every rule until it has learnt something."""

import math
from array import array
from collections.abc import Sequence
from random import Random

import pytest

from edge.limits import TRAINING_BYTES_MAX
from edge.nn import kernels
from edge.nn.errors import DivergedError, ModelError
from edge.nn.fann_answer import answer as net_answer
from edge.nn.fann_data import Data
from edge.nn.mlp import answer as layers_answer
from edge.nn.train import RULES, Columns, Perceptron, Trainer
from edge.nn.trainable import ACTIVATIONS, Dense, Shape, layered, to_layers, to_net

STEP = 1e-5
TFLITE = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "SOFTMAX")
XOR = Data(4, 2, 1, array("f", [0, 0, 0, 1, 1, 0, 1, 1]), array("f", [0, 1, 1, 0]))


@pytest.fixture(autouse=True)
def _best_kernels():
    kernels.select()
    yield
    kernels.select()


def shape_of(name: str, output: str, *, is_shortcut: bool = False) -> Shape:
    """3-4-3-2, hidden neurons of one activation and differently steep; every layer may take all before it."""
    layers, at = [], 3
    for before, units in ((3, 4), (4, 3), (3, 2)):
        layers.append(Dense(0, at, at, units) if is_shortcut else Dense(at - before, before, at, units))
        at += units
    steepnesses = (0.5, 1.0, 0.7, 1.3, 0.9, 0.4, 0.8, 1.0, 1.0)
    plain = name in ("SOFTMAX", "RELU", "RELU6", "NONE")
    return Shape(3, tuple(layers), (name,) * 7 + (output,) * 2, (1.0,) * 9 if plain else steepnesses)


def random_data(rng: Random, rows: int, inputs: int = 3, outputs: int = 2, *, shares: bool = False) -> Data:
    given = array("f", (rng.uniform(-1, 1) for _ in range(rows * inputs)))
    wanted = array("f")
    for _ in range(rows):
        row = [rng.uniform(0, 0.9) for _ in range(outputs)]
        wanted.extend(value / sum(row) for value in row) if shares else wanted.extend(row)
    return Data(rows, inputs, outputs, given, wanted)


def true_loss(shape: Shape, weights: Sequence[float], data: Data, loss: str) -> float:
    """In double precision, by the books of fann_answer and mlp."""
    exact = array("d", weights)
    if set(shape.activations) & {"SOFTMAX", "RELU", "RELU6", "NONE"}:
        layers = to_layers(shape, exact)  # type: ignore[arg-type]
        ask = lambda row: layers_answer(layers, row)  # noqa: E731
    else:
        net = to_net(shape, exact)  # type: ignore[arg-type]
        ask = lambda row: net_answer(net, row)  # noqa: E731
    is_symmetric = "SYMMETRIC" in shape.activations[-1]
    total = 0.0
    for number in range(data.rows):
        row, wanted = data.row(number)
        for y, t in zip(ask(row), wanted, strict=True):
            if loss == "squared":
                total += (y - t) ** 2 / 2
            elif loss == "atanh":
                width = 2 if is_symmetric else 1
                e = (y - t) / width
                total += width * ((1 + e) * math.log1p(e) + (1 - e) * math.log1p(-e))
            else:
                total -= t * math.log(y)
                total -= 0 if shape.activations[-1] == "SOFTMAX" else (1 - t) * math.log1p(-y)
    return total


def check(shape: Shape, loss: str, rows: int, seed: int) -> None:
    data = random_data(Random(seed), rows, shares=shape.activations[-1] == "SOFTMAX")
    perceptron = Perceptron(shape, loss)
    weights = array("f", (Random(seed + 1).uniform(-0.8, 0.8) for _ in range(shape.parameters)))
    found, gradient = perceptron.gradient(weights, Columns(data))
    assert found == pytest.approx(true_loss(shape, weights, data, loss), rel=1e-5, abs=1e-5)
    scale = max(map(abs, gradient))
    for place in range(shape.parameters):
        ends = []
        for step in (STEP, -STEP):
            moved = list(weights)
            moved[place] += step
            ends.append(true_loss(shape, moved, data, loss))
        assert gradient[place] == pytest.approx((ends[0] - ends[1]) / (2 * STEP), rel=1e-3, abs=1e-4 * scale + 1e-6), (
            place
        )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_gradient_of_every_activation(name: str):
    """As hidden neurons, and as outputs."""
    output = "SIGMOID_SYMMETRIC" if name != "SOFTMAX" and name in ACTIVATIONS[:18] else "NONE"
    check(shape_of(name, output), "squared", 7, 11)
    check(shape_of("NONE" if output == "NONE" else "SIGMOID_SYMMETRIC", name), "squared", 7, 12)


@pytest.mark.parametrize(("loss", "output"), [
    ("atanh", "SIGMOID"), ("atanh", "SIGMOID_SYMMETRIC"), ("atanh", "LINEAR_PIECE"),
    ("cross-entropy", "SIGMOID"), ("cross-entropy", "SOFTMAX"),
])  # fmt: skip
def test_the_gradient_of_every_loss(loss: str, output: str):
    hidden = "NONE" if output == "SOFTMAX" else "SIGMOID_SYMMETRIC"
    check(shape_of(hidden, output), loss, 7, 13)


def test_the_gradient_of_a_shortcut_network_and_of_many_rows():
    check(shape_of("SIGMOID_SYMMETRIC", "SIGMOID", is_shortcut=True), "squared", 7, 14)
    check(shape_of("SIGMOID_SYMMETRIC", "SIGMOID"), "squared", 261, 15)  # tiles of 128, the last one of 5


@pytest.mark.parametrize("name", [*TFLITE, "ELLIOT", "GAUSSIAN_SYMMETRIC", "SIN"])
def test_answers_while_training_are_those_of_the_network(name: str):
    shape = layered([3, 5, 4], "TANH", name)
    perceptron, data = Perceptron(shape), random_data(Random(3), 21, outputs=4)
    weights = perceptron.first_weights(5)
    got = perceptron.answers(weights, Columns(data))
    for number in range(data.rows):
        row = data.row(number)[0]
        if name in TFLITE:
            expected = layers_answer(to_layers(shape, weights), row)
        else:
            expected = net_answer(to_net(shape, weights), row)
        assert list(got[4 * number : 4 * number + 4]) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_every_variant_gives_the_same_gradient():
    shape = layered([3, 19, 7, 2], "TANH", "LOGISTIC")
    perceptron, columns = Perceptron(shape), Columns(random_data(Random(7), 300))
    weights = perceptron.first_weights(1)
    results = []
    for variant in kernels.variants():
        if kernels.can(variant) is None:
            kernels.select(variant)
            results.append(perceptron.gradient(weights, columns)[1].tolist())
    assert all(result == pytest.approx(results[0], rel=1e-4, abs=1e-4) for result in results)


@pytest.mark.parametrize("algorithm", RULES)
def test_every_rule_learns_exclusive_or(algorithm: str):
    perceptron = Perceptron(layered([2, 4, 1], "TANH", "LOGISTIC"), "cross-entropy")
    columns, rule = Columns(XOR), RULES[algorithm]
    rule = rule._replace(batch=min(rule.batch, 2), rate=max(rule.rate, 0.03))
    trainer = Trainer(perceptron, columns, rule, perceptron.first_weights(1), seed=1)
    losses = [trainer.epoch() for _ in range(600)]
    assert losses[-1] < losses[0] / 10
    assert perceptron.test(trainer.weights, columns, 0.5)[1] == 0


def test_test_counts_what_is_answered_wrongly():
    """A network that repeats its inputs."""
    shape = layered([2, 2], "NONE", "NONE")
    data = Data(4, 2, 2, array("f", [0, 1, 1, 0, 3, 4, 9, 8]), array("f", [0, 1, 0, 1, 1, 0, 1, 0]))
    assert Perceptron(shape).test(array("f", [1, 0, 0, 1, 0, 0]), Columns(data))[1] == 0.5
    single = Data(4, 1, 1, array("f", [0, 1, 1, 0]), array("f", [0, 1, 0, 1]))
    loss, share = Perceptron(layered([1, 1], "NONE", "NONE")).test(array("f", [1, 0]), Columns(single), 0.5)
    assert (loss, share) == (0.25, 0.5)


@pytest.mark.parametrize("algorithm", RULES)
def test_the_same_seed_gives_the_same_bits(algorithm: str):
    perceptron, columns = Perceptron(layered([3, 6, 2], "TANH", "LOGISTIC")), Columns(random_data(Random(2), 100))

    def trained(seed: int) -> bytes:
        trainer = Trainer(perceptron, columns, RULES[algorithm], perceptron.first_weights(seed), seed=seed)
        for _ in range(5):
            trainer.epoch()
        return trainer.weights.tobytes()

    assert trained(1) == trained(1) != trained(2)


@pytest.mark.parametrize("batch", [0, 10])
def test_what_diverges_is_stopped_and_the_last_finite_weights_are_kept(batch: int):
    perceptron, columns = Perceptron(layered([3, 6, 2], "RELU", "NONE")), Columns(random_data(Random(2), 100))
    rule = RULES["sgd"]._replace(rate=1e6, batch=batch)
    trainer = Trainer(perceptron, columns, rule, perceptron.first_weights(1))
    with pytest.raises(
        DivergedError, match=r"epoch \d+ made numbers that are not finite; the weights of epoch \d+ are"
    ):
        list(iter(trainer.epoch, None))
    assert all(map(math.isfinite, trainer.weights))
    assert math.isfinite(perceptron.test(trainer.weights, columns)[0])


def test_weights_that_are_no_numbers_are_not_trained():
    perceptron, columns = (
        Perceptron(layered([3, 2], "TANH", "SOFTMAX"), "cross-entropy"),
        Columns(random_data(Random(2), 9)),
    )
    with pytest.raises(DivergedError, match="epoch 1 "):
        Trainer(perceptron, columns, RULES["irprop"], array("f", [math.nan] * 8)).epoch()


def test_a_connection_that_is_not_there_stays_away():
    perceptron, columns = Perceptron(layered([3, 4, 2], "TANH", "LOGISTIC")), Columns(random_data(Random(2), 50))
    weights = perceptron.first_weights(3)
    mask = array("f", [float(place % 3 > 0) for place in range(len(weights))])
    sparse = array("f", map(float.__mul__, weights, mask))
    trainer = Trainer(perceptron, columns, RULES["irprop"], sparse, mask=mask)
    before = trainer.epoch()
    for _ in range(30):
        last = trainer.epoch()
    assert last < before
    assert [weight == 0 for weight in trainer.weights] == [not there for there in mask]


def test_what_does_not_fit_is_refused_by_name():
    shape = layered([3, 4, 2], "TANH", "LOGISTIC")
    with pytest.raises(ModelError, match=r"4 inputs and 2 outputs a row \(allowed: 3 and 2, as the network has\)"):
        Trainer(Perceptron(shape), Columns(random_data(Random(1), 5, 4)), RULES["irprop"], array("f", bytes(4 * 26)))
    with pytest.raises(ModelError, match=r"loss hinge \(allowed: squared, atanh, cross-entropy"):
        Perceptron(shape, "hinge")
    with pytest.raises(ModelError, match="cross-entropy of SIGMOID_SYMMETRIC outputs"):
        Perceptron(layered([3, 2], "TANH", "TANH"), "cross-entropy")
    with pytest.raises(ModelError, match="THRESHOLD; it has no slope to train by"):
        layered([3, 4, 2], "THRESHOLD", "LOGISTIC")
    flat = shape_of("THRESHOLD", "SIGMOID")
    with pytest.raises(ModelError, match="THRESHOLD has no slope to train by"):
        Trainer(
            Perceptron(flat),
            Columns(random_data(Random(1), 5)),
            RULES["irprop"],
            array("f", bytes(4 * flat.parameters)),
        )
    with pytest.raises(ModelError, match="SOFTMAX beside other activations"):
        Perceptron(layered([3, 2], "TANH", "TANH")._replace(activations=("SOFTMAX", "NONE")))


def test_more_memory_than_is_allowed_is_refused():
    width = int(math.sqrt(TRAINING_BYTES_MAX / 24)) + 1
    with pytest.raises(ModelError, match=f"bytes of memory .allowed: up to {TRAINING_BYTES_MAX}"):
        Perceptron(layered([width, width], "TANH", "TANH"))
