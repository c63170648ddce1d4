"""Truncated back-propagation through time: the gradient against finite differences in double precision, and a task that
cannot be done without remembering."""

import math
from array import array
from collections.abc import Sequence
from random import Random

import pytest

from edge.nn import kernels
from edge.nn.errors import DivergedError, ModelError
from edge.nn.fann_data import Data
from edge.nn.mlp import answer
from edge.nn.recurrent import RECURRENT_RULES, Recurrent, RecurrentNetwork, RecurrentTrainer, Sequences
from edge.nn.train import RULES
from edge.nn.trainable import layered, to_layers
from tests.nn.recall import recall

STEP = 1e-5


@pytest.fixture(autouse=True)
def _best_kernels():
    kernels.select()
    yield
    kernels.select()


def random_data(rng: Random, rows: int, inputs: int, outputs: int) -> Data:
    given = array("f", (rng.uniform(-1, 1) for _ in range(rows * inputs)))
    return Data(rows, inputs, outputs, given, array("f", (rng.uniform(0.1, 0.9) for _ in range(rows * outputs))))


def step_by_book(shape: Recurrent, weights: Sequence[float], x: Sequence[float], h: Sequence[float]) -> list[float]:
    """One step of the layer, in double precision."""
    units, inputs = shape.units, shape.inputs
    of_x_bias, of_h = 3 * units * inputs, 3 * units * (inputs + 1)
    of_h_bias = of_h + 3 * units * units

    def row(start: int, gate: int, values: Sequence[float]) -> float:
        return sum(weights[start + gate * len(values) + place] * value for place, value in enumerate(values))

    given = [row(0, gate, x) + weights[of_x_bias + gate] for gate in range(3 * units)]
    state = [row(of_h, gate, h) + weights[of_h_bias + gate] for gate in range(3 * units)]
    result = []
    for unit in range(units):
        z, r = (1 / (1 + math.exp(-given[place] - state[place])) for place in (unit, units + unit))
        n = math.tanh(given[2 * units + unit] + r * state[2 * units + unit])
        result.append((1 - z) * n + z * h[unit])
    return result


def answers_by_book(shape: Recurrent, weights: Sequence[float], rows: list[list[float]]) -> list[list[float]]:
    head = to_layers(shape.head, array("d", weights[shape.layer_parameters :]))  # type: ignore[arg-type]
    h, result = [0.0] * shape.units, []
    for x in rows:
        h = step_by_book(shape, weights, x, h)
        result.append(answer(head, h))
    return result


def loss_by_book(shape: Recurrent, weights: Sequence[float], data: Data, steps: int, skip: int, loss: str) -> float:
    total = 0.0
    for first in range(0, data.rows, steps):
        rows = [data.row(number) for number in range(first, first + steps)]
        for made, (_, wanted) in list(zip(answers_by_book(shape, weights, [x for x, _ in rows]), rows, strict=True))[
            skip:
        ]:
            for y, t in zip(made, wanted, strict=True):
                total += (y - t) ** 2 / 2 if loss == "squared" else -t * math.log(y) - (1 - t) * math.log1p(-y)
    return total


@pytest.mark.parametrize(
    ("sequences", "loss", "hidden"), [(3, "squared", []), (1, "cross-entropy", [3]), (35, "squared", [])]
)
def test_the_gradient_through_time(sequences: int, loss: str, hidden: list[int]):
    """With windows as long as a sequence nothing is cut off, and the gradient is the whole one."""
    steps, skip = 5, 1
    shape = Recurrent(2, 4, layered([4, *hidden, 2], "TANH", "LOGISTIC"))
    network = RecurrentNetwork(shape, loss, steps)
    rng = Random(sequences)
    data = random_data(rng, sequences * steps, 2, 2)
    weights = array("f", (rng.uniform(-1, 1) for _ in range(shape.parameters)))
    found, gradient = network.gradient(weights, Sequences(data, steps, skip))
    assert found == pytest.approx(loss_by_book(shape, weights, data, steps, skip, loss), rel=1e-5)
    scale = max(map(abs, gradient))
    for place in range(0, shape.parameters, 1 if sequences < 10 else 9):
        ends = []
        for step in (STEP, -STEP):
            moved = list(weights)
            moved[place] += step
            ends.append(loss_by_book(shape, moved, data, steps, skip, loss))
        slope = (ends[0] - ends[1]) / (2 * STEP)
        assert gradient[place] == pytest.approx(slope, rel=1e-3, abs=1e-4 * scale), place


def test_windows_carry_states_and_cut_errors():
    """The loss is the same however often errors are cut off, the gradient is not; of windows of one step it is that of
    steps whose state before is given."""
    shape = Recurrent(2, 3, layered([3, 1], "TANH", "NONE"))
    data, rng = random_data(Random(4), 12, 2, 1), Random(5)
    weights = array("f", (rng.uniform(-1, 1) for _ in range(shape.parameters)))
    results = [RecurrentNetwork(shape, "squared", window).gradient(weights, Sequences(data, 6)) for window in (6, 4, 1)]
    assert len({round(loss, 5) for loss, _ in results}) == 1
    whole, part, single = (gradient.tolist() for _, gradient in results)
    assert whole != pytest.approx(part, rel=1e-2) and part != pytest.approx(single, rel=1e-2)
    place, ends = 3 * 3 * 2 + 4, []  # the bias of a gate
    for step in (STEP, -STEP):
        moved = list(weights)
        moved[place] += step
        total = 0.0
        for first in (0, 6):
            h = [0.0] * 3
            for number in range(first, first + 6):
                x, wanted = data.row(number)
                made = answer(
                    to_layers(shape.head, weights[shape.layer_parameters :]), step_by_book(shape, moved, x, h)
                )
                total += (made[0] - wanted[0]) ** 2 / 2
                h = step_by_book(shape, weights, x, h)
        ends.append(total)
    assert single[place] == pytest.approx((ends[0] - ends[1]) / (2 * STEP), rel=1e-3)


@pytest.mark.parametrize(("algorithm", "epochs"), [("irprop", 300), ("adam", 60)])
def test_delayed_recall_is_learnt(algorithm: str, epochs: int):
    """Without what it remembers a network is right in half of the steps."""
    delay, steps = 4, 20
    train, test = (Sequences(recall(seed, 128, steps, delay), steps, skip=delay) for seed in (1, 2))
    network = RecurrentNetwork(Recurrent(1, 16, layered([16, 1], "TANH", "LOGISTIC")), "cross-entropy", 10)
    trainer = RecurrentTrainer(network, train, RECURRENT_RULES[algorithm], network.first_weights(1), seed=1)
    assert network.test(trainer.weights, test, 0.5)[1] > 0.4
    losses = [trainer.epoch() for _ in range(epochs)]
    assert losses[-1] < losses[0] / 10
    assert network.test(trainer.weights, test, 0.5)[1] < 0.01


def test_answers_are_those_of_the_book_from_the_first_step_on():
    shape = Recurrent(2, 5, layered([5, 3, 2], "TANH", "SOFTMAX"))
    network, data = RecurrentNetwork(shape, "squared", 4), random_data(Random(3), 40, 2, 2)
    weights = network.first_weights(2)
    got = network.answers(weights, Sequences(data, 8, skip=3)).tolist()
    for first in range(0, 40, 8):
        expected = answers_by_book(shape, weights, [data.row(number)[0] for number in range(first, first + 8)])
        flat = [value for row in expected for value in row]
        assert got[2 * first : 2 * (first + 8)] == pytest.approx(flat, rel=1e-5, abs=1e-5)


def test_the_same_seed_gives_the_same_bits():
    sequences = Sequences(recall(1, 24, 6, 1), 6)
    network = RecurrentNetwork(Recurrent(1, 4, layered([4, 1], "TANH", "LOGISTIC")), "squared", 3)

    def trained(seed: int) -> bytes:
        trainer = RecurrentTrainer(
            network, sequences, RULES["sgd"]._replace(batch=5), network.first_weights(seed), seed=seed
        )
        for _ in range(4):
            trainer.epoch()
        return trainer.weights.tobytes()

    assert trained(1) == trained(1) != trained(2)


def test_what_diverges_is_stopped_and_the_last_finite_weights_are_kept():
    sequences = Sequences(recall(1, 24, 6, 1), 6)
    network = RecurrentNetwork(Recurrent(1, 4, layered([4, 1], "TANH", "NONE")), "squared", 3)
    trainer = RecurrentTrainer(network, sequences, RULES["sgd"]._replace(rate=1e20, batch=0), network.first_weights(1))
    with pytest.raises(DivergedError, match="made numbers that are not finite"):
        list(iter(trainer.epoch, None))
    assert all(map(math.isfinite, trainer.weights)) and math.isfinite(network.test(trainer.weights, sequences)[0])


def test_what_does_not_fit_is_refused_by_name():
    data = recall(1, 4, 6, 1)
    with pytest.raises(ModelError, match=r"24 rows in sequences of 7 \(allowed: a whole number"):
        Sequences(data, 7)
    with pytest.raises(ModelError, match=r"6 of 6 steps not judged \(allowed: 0 to 5\)"):
        Sequences(data, 6, skip=6)
    shape = Recurrent(2, 4, layered([4, 1], "TANH", "LOGISTIC"))
    with pytest.raises(ModelError, match="errors go back 0 steps"):
        RecurrentNetwork(shape, "squared", 0)
    with pytest.raises(ModelError, match="4 units before 3 inputs"):
        RecurrentNetwork(shape._replace(head=layered([3, 1], "TANH", "LOGISTIC")), "squared", 1)
    network = RecurrentNetwork(shape, "squared", 3)
    with pytest.raises(ModelError, match=r"1 inputs and 1 outputs a step \(allowed: 2 and 1"):
        RecurrentTrainer(network, Sequences(data, 6), RULES["irprop"], network.first_weights(1))
    fitting, many = RecurrentNetwork(shape._replace(inputs=1), "squared", 3), recall(1, 100, 6, 1)
    with pytest.raises(ModelError, match=r"40 sequences to a step \(allowed: 1 to 32, or 0 for all\)"):
        RecurrentTrainer(fitting, Sequences(many, 6), RULES["adam"]._replace(batch=40), fitting.first_weights(1))
