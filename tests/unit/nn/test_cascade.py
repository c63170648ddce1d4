"""Cascade-correlation: what candidates climb, what grows, and that it is one network in the end."""

from array import array
from itertools import pairwise
from random import Random

import pytest

from edge.nn import _kernels, kernels
from edge.nn.cascade import Cascade, Patience, Pool
from edge.nn.errors import ModelError
from edge.nn.fann import read_net, write_net
from edge.nn.fann_answer import answer
from edge.nn.fann_data import Data
from edge.nn.kernels import Memory
from edge.nn.train import RULES, Columns, Perceptron, floats
from edge.nn.trainable import ACTIVATIONS, Dense, Shape, from_net, to_net

INPUTS, OUTPUTS, ROWS = 3, 2, 21
STEP = 1e-5


@pytest.fixture(autouse=True)
def _best_kernels():
    kernels.select()


def data(seed: int = 1, rows: int = ROWS) -> Data:
    rng = Random(seed)
    given = array("f", (rng.uniform(-1, 1) for _ in range(rows * INPUTS)))
    return Data(rows, INPUTS, OUTPUTS, given, array("f", (rng.uniform(0, 1) for _ in range(rows * OUTPUTS))))


def parity(bits: int) -> Data:
    rows = [[number >> bit & 1 for bit in range(bits)] for number in range(1 << bits)]
    given = array("f", (bit for row in rows for bit in row))
    return Data(len(rows), bits, 1, given, array("f", (sum(row) % 2 for row in rows)))


def score(name: str, steepness: float, weights: list[float], rows: Data, wrong: list[list[float]]) -> float:
    """How far one candidate goes along with what is wrong, in double precision, by FANN's book."""
    shape = Shape(INPUTS, (Dense(0, INPUTS, INPUTS, 1),), (name,), (steepness,))
    net = to_net(shape, array("d", weights))  # type: ignore[arg-type]
    made = [answer(net, rows.row(number)[0])[0] for number in range(rows.rows)]
    return sum(abs(sum(v * e for v, e in zip(made, column, strict=True))) for column in wrong)


def test_candidates_climb_what_goes_along_with_the_errors():
    """The gradient of every activation against finite differences."""
    rows, rng = data(), Random(5)
    columns = Columns(rows)
    wrong = [[rng.uniform(-1, 1) for _ in range(ROWS)] for _ in range(OUTPUTS)]
    wrong = [[value - sum(column) / ROWS for value in column] for column in wrong]
    residual = Memory(columns.column_bytes * OUTPUTS)
    for place, column in enumerate(wrong):
        residual.write(place * columns.column_bytes, array("f", column).tobytes())
    kinds = tuple((name, 0.7) for name in ACTIVATIONS[:18])
    pool = Pool(columns, residual, kinds, RULES["irprop"], _kernels.ffi.new("uint64_t *", 3))
    pool.best()
    gradient = floats(pool.numbers["gradient"])
    for place, (name, steepness) in enumerate(kinds):
        weights = list(pool.weights(place))
        assert pool.scores[place] == pytest.approx(score(name, steepness, weights, rows, wrong), rel=1e-4, abs=1e-4)
        for weight in range(INPUTS + 1):
            ends = []
            for step in (STEP, -STEP):
                moved = list(weights)
                moved[weight] += step
                ends.append(score(name, steepness, moved, rows, wrong))
            at = place * INPUTS + weight if weight < INPUTS else len(kinds) * INPUTS + place
            slope = (ends[1] - ends[0]) / (2 * STEP)  # the way down
            assert gradient[at] == pytest.approx(slope, rel=1e-3, abs=1e-3), (name, weight)


def test_it_grows_until_it_is_right_and_is_one_network():
    rows = parity(5)
    cascade = Cascade(
        rows, "LOGISTIC", "cross-entropy", neurons_max=12, seed=1, pool=(("SIGMOID_SYMMETRIC", 0.5),), groups=8
    )
    losses = []
    for growth in cascade.grow():
        perceptron = Perceptron(cascade.shape, "cross-entropy")
        loss, error = perceptron.test(cascade.weights, Columns(rows), 0.5)
        assert loss == pytest.approx(growth.loss, rel=1e-4, abs=1e-7)
        assert len(cascade.shape.layers) == growth.neurons + 1
        losses.append(loss)
        if error == 0:
            break
    assert error == 0 and 1 < growth.neurons < 12
    assert all(after <= before * 1.0001 for before, after in pairwise(losses))
    net = read_net(write_net(to_net(cascade.shape, cascade.weights)))
    assert net.is_shortcut
    assert all((answer(net, given)[0] > 0.5) == (right[0] > 0.5) for given, right in map(rows.row, range(rows.rows)))
    assert from_net(net)[:2] == (cascade.shape, cascade.weights)


def test_the_same_seed_grows_the_same_network():
    def grown(seed: int) -> bytes:
        cascade = Cascade(data(), "LOGISTIC", "squared", neurons_max=3, seed=seed)
        assert [growth.neurons for growth in cascade.grow()] == [0, 1, 2, 3]
        return cascade.weights.tobytes()

    assert grown(1) == grown(1) != grown(2)


def test_patience_ends_where_too_little_changes():
    falling = Patience(-1)
    assert not any(falling.is_out(0.9**epoch) for epoch in range(50))
    assert [falling.is_out(0.9**49) for _ in range(12)][-2:] == [False, True]
    rising = Patience(1)
    assert not any(rising.is_out(1.1**epoch) for epoch in range(50))
    assert any(rising.is_out(1.1**49) for _ in range(12))


def test_a_cascade_takes_all_rows_to_a_step():
    with pytest.raises(ModelError, match=r"4 rows to a step \(allowed: all\)"):
        Cascade(data(), "LOGISTIC", "squared", rule=RULES["adam"]._replace(batch=4))
