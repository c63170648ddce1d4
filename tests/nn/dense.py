"""Products of matrices."""

from math import prod

from edge.nn.graph import OMITTED
from tests.nn.making import Making


def fully_connected(making: Making) -> None:
    """With and without bias; inputs of any rank, folded or kept."""
    rng = making.rng
    inputs, outputs = rng.randint(1, 70), rng.randint(1, 40)
    batch = making.some_shape(1, 3, 4)
    keeps = rng.random() < 0.5
    x = making.give([*batch, inputs])
    weights = making.weights("W", [outputs, inputs], 0, by_channel=rng.random() < 0.3)
    bias = making.bias("b", outputs, x, weights) if rng.random() < 0.8 else OMITTED
    y = making.sums("y", [*(batch if keeps else [prod(batch)]), outputs], x, weights, inputs)
    options = making.fused() | {"keep_num_dims": keeps}
    making.step("FULLY_CONNECTED", [x, weights, bias], [y], options, 5 if keeps or bias == OMITTED else 4)
    making.answer(y)


def batch_matmul(making: Making) -> None:
    """One side computed, the other constant or computed; either may be transposed."""
    rng = making.rng
    rows, inner, columns = (rng.randint(1, 12) for _ in range(3))
    batch = [rng.randint(1, 3) for _ in range(rng.randint(0, 2))]
    adj_x, adj_y = rng.random() < 0.3, rng.random() < 0.3
    left = [*batch, *((inner, rows) if adj_x else (rows, inner))]
    right = [*batch, *((columns, inner) if adj_y else (inner, columns))]
    if rng.random() < 0.5 and left == right:
        x, other = making.two(left)
    else:
        x, other = making.give(left), making.constant("W", right)
    y = making.sums("y", [*batch, rows, columns], x, other, inner)
    making.step("BATCH_MATMUL", [x, other], [y], {"adj_x": adj_x, "adj_y": adj_y}, 2 if making.is_quantised else 1)
    making.answer(y)
