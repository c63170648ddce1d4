"""Operators that work on numbers one by one, or add some of them up."""

from edge.nn.draft import per_tensor
from edge.nn.graph import Option
from tests.nn.making import Making


def _operands(making: Making) -> tuple[int, int, list[int]]:
    """Two operands and the shape of the result: both computed, or one constant that may be spread over the other."""
    rng = making.rng
    shape = making.some_shape(1, 4)
    if rng.random() < 0.4:
        return *making.two(shape), shape
    x = making.give(shape)
    small = [dim if rng.random() < 0.5 else 1 for dim in shape]
    constant = making.constant("c", rng.choice((shape, small, small[rng.randrange(len(small)) :], [])))
    return (x, constant, shape) if rng.random() < 0.5 else (constant, x, shape)


def _binary(making: Making, name: str, options: dict[str, Option], *, is_product: bool) -> None:
    left, right, shape = _operands(making)
    y = making.tensor("y", shape)
    if making.is_quantised:
        scales = making.scale_of(left), making.scale_of(right)
        typical = scales[0] * scales[1] * 74 * 74 if is_product else max(scales) * 74
        y = making.tensor("z", shape, per_tensor(typical / 50 * 2.0 ** making.rng.uniform(-1, 1), making.zero_point()))
    making.step(name, [left, right], [y], options, 2 if making.is_quantised else 1)
    making.answer(y)


def add(making: Making) -> None:
    _binary(making, "ADD", making.fused(), is_product=False)


def sub(making: Making) -> None:
    _binary(making, "SUB", making.fused(), is_product=False)


def mul(making: Making) -> None:
    _binary(making, "MUL", making.fused(), is_product=True)


def squared_difference(making: Making) -> None:
    _binary(making, "SQUARED_DIFFERENCE", {}, is_product=True)


def div(making: Making) -> None:
    """By what is not zero."""
    shape = making.some_shape(1, 4)
    x = making.give(shape)
    by = making.draft.constant("c", [1], [making.rng.choice((-3.0, 0.25, 7.0))])
    y = making.tensor("y", shape)
    making.step("DIV", [x, by], [y], making.fused())
    making.answer(y)


def maximum(making: Making) -> None:
    _binary(making, "MAXIMUM", {}, is_product=False)


def minimum(making: Making) -> None:
    _binary(making, "MINIMUM", {}, is_product=False)


def mean(making: Making) -> None:
    rng = making.rng
    shape = making.some_shape(2, 4)
    axes = sorted(rng.sample(range(len(shape)), rng.randint(1, len(shape))))
    keeps = rng.random() < 0.5
    out = [1 if place in axes else dim for place, dim in enumerate(shape) if keeps or place not in axes]
    x = making.give(shape)
    y = making.tensor("y", out) if rng.random() < 0.5 else making.like(x, "y", out)
    named = [axis - len(shape) if rng.random() < 0.3 else axis for axis in axes]
    making.step("MEAN", [x, making.integers("axes", named)], [y], {"keep_dims": keeps}, 2 if making.is_quantised else 1)
    making.answer(y)


def _alone(
    making: Making, name: str, options: dict[str, Option] | None = None, out: tuple[float, int] | None = None,
    version: int = 2,
) -> None:  # fmt: skip
    """One tensor in, one of the same shape out; `version` is that for int8."""
    shape = making.some_shape(1, 4)
    x = making.give(shape)
    y = making.tensor("y", shape, per_tensor(*out) if out else None)
    making.step(name, [x], [y], options, version if making.is_quantised else 1)
    making.answer(y)


def _clamped(making: Making, name: str, width: float, version: int) -> None:
    """What it lets through fills the range, give or take."""
    scale = width / 255 * 2.0 ** making.rng.uniform(-0.5, 1)
    _alone(making, name, out=(scale, making.zero_point()), version=version)


def rsqrt(making: Making) -> None:
    making.low, making.high = 0.01, 9.0
    _alone(making, "RSQRT")


def sqrt(making: Making) -> None:
    making.low, making.high = 0.0, 9.0
    _alone(making, "SQRT")


def exp(making: Making) -> None:
    making.low, making.high = -9.0, 2.0
    _alone(making, "EXP")


def softmax(making: Making) -> None:
    beta = making.rng.choice((1.0, 1.0, 0.5, 2.0))
    _alone(making, "SOFTMAX", {"beta": beta}, (1 / 256, -128))


def logistic(making: Making) -> None:
    making.low, making.high = -9.0, 9.0
    _alone(making, "LOGISTIC", out=(1 / 256, -128))


def tanh(making: Making) -> None:
    making.low, making.high = -5.0, 5.0
    _alone(making, "TANH", out=(1 / 128, 0))


def relu(making: Making) -> None:
    _alone(making, "RELU")


def relu6(making: Making) -> None:
    making.low, making.high = -9.0, 9.0
    _clamped(making, "RELU6", 6, 2)


def relu_n1_to_1(making: Making) -> None:
    _clamped(making, "RELU_N1_TO_1", 2, 1)


def relu_0_to_1(making: Making) -> None:
    _clamped(making, "RELU_0_TO_1", 1, 1)


def leaky_relu(making: Making) -> None:
    _alone(making, "LEAKY_RELU", {"alpha": making.rng.choice((0.01, 0.1, 0.3, 0.9))})


def quantize(making: Making) -> None:
    """From float32 to int8 or uint8, and from int8 to a differently quantised int8 or uint8."""
    shape = making.some_shape(1, 4)
    x = making.give(shape)
    kind = making.rng.choice(("int8", "uint8"))
    y = making.tensor("y", shape, dtype=kind)
    making.step("QUANTIZE", [x], [y], version=2)
    making.answer(y)


def dequantize(making: Making) -> None:
    """From int8 or uint8 to float32."""
    shape = making.some_shape(1, 4)
    x = making.give(shape, making.rng.choice(("int8", "uint8")))
    y = making.tensor("y", shape, dtype="float32")
    making.step("DEQUANTIZE", [x], [y], version=2)
    making.answer(y)
