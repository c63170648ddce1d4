"""Whole random networks of several operators, with branches: what one operator leaves must outlive another's work."""

from collections.abc import Callable, Mapping

from edge.nn.draft import per_tensor
from edge.nn.graph import Option
from edge.nn.schema import PADDINGS
from tests.nn.making import Making
from tests.nn.windows import extent

SAME = {"padding": PADDINGS.index("SAME")}


def image(making: Making) -> None:
    """An image through convolutions, pools and branches that meet again, to a decision."""
    rng, making.is_calm = making.rng, True
    x = making.give([1, rng.randint(5, 12), rng.randint(1, 8), rng.randint(1, 6)])
    earlier = [x]
    for _ in range(rng.randint(3, 8)):
        earlier.append(_STEPS[rng.choice([*_STEPS])](making, earlier))
    making.answer(_decision(making, earlier[-1]))


def _version(making: Making, plain: int, quantised: int) -> int:
    return quantised if making.is_quantised else plain


def _windowed(making: Making, name: str, x: int, window: int, channels: int | None) -> int:
    """A window moved over an image whose edges are padded; None: it keeps its channels."""
    batch, height, width, inputs = making.shape_of(x)
    stride = making.rng.choice((1, 1, 1, 2))
    out = [batch, *(extent(size, window, stride, 1, is_same=True) for size in (height, width)), channels or inputs]
    options: dict[str, Option] = {**SAME, "stride_h": stride, "stride_w": stride, **making.fused()}
    if name == "MAX_POOL_2D":
        y = making.like(x, name, out)
        making.step(name, [x], [y], options | {"filter_height": window, "filter_width": window}, _version(making, 1, 2))
        return y
    is_depthwise = name == "DEPTHWISE_CONV_2D"
    shape = [1, window, window, inputs] if is_depthwise else [out[-1], window, window, inputs]
    weights = making.weights(f"{name} W", shape, 3 if is_depthwise else 0, by_channel=making.rng.random() < 0.7)
    bias = making.bias(f"{name} b", out[-1], x, weights)
    y = making.sums(name, out, x, weights, window * window * (1 if is_depthwise else inputs))
    more: dict[str, Option] = {"depth_multiplier": 1} if is_depthwise else {}
    making.step(name, [x, weights, bias], [y], options | more, _version(making, 1, 3))
    return y


def _conv(making: Making, earlier: list[int]) -> int:
    return _windowed(making, "CONV_2D", earlier[-1], making.rng.choice((1, 3)), making.rng.randint(1, 12))


def _depthwise(making: Making, earlier: list[int]) -> int:
    return _windowed(making, "DEPTHWISE_CONV_2D", earlier[-1], 3, None)


def _pool(making: Making, earlier: list[int]) -> int:
    return _windowed(making, "MAX_POOL_2D", earlier[-1], 2, None)


def _residual(making: Making, earlier: list[int]) -> int:
    """The newest and the oldest of its shape, added."""
    x = earlier[-1]
    other = next(one for one in earlier if making.shape_of(one) == making.shape_of(x))
    how = per_tensor(max(making.scale_of(x), making.scale_of(other)), -20) if making.is_quantised else None
    y = making.tensor("sum", making.shape_of(x), how)
    making.step("ADD", [x, other], [y], making.fused(), _version(making, 1, 2))
    return y


def _beside(making: Making, earlier: list[int]) -> int:
    """Two works on the same image side by side."""
    x = earlier[-1]
    batch, height, width, _ = making.shape_of(x)
    left, right = (_relu(making, [x]), _conv1(making, x))
    if making.is_quantised:
        again = making.like(left, "same scale", making.shape_of(right))
        making.step("QUANTIZE", [right], [again], version=2)
        right = again
    y = making.like(left, "beside", [batch, height, width, making.shape_of(left)[3] + making.shape_of(right)[3]])
    making.step("CONCATENATION", [left, right], [y], {"axis": 3}, _version(making, 1, 2))
    return y


def _conv1(making: Making, x: int) -> int:
    """One by one, so that height and width stay."""
    batch, height, width, inputs = making.shape_of(x)
    channels = making.rng.randint(1, 4)
    weights = making.weights("side W", [channels, 1, 1, inputs], 0, by_channel=False)
    bias = making.bias("side b", channels, x, weights)
    y = making.sums("side", [batch, height, width, channels], x, weights, inputs)
    making.step("CONV_2D", [x, weights, bias], [y], {**SAME, "stride_h": 1, "stride_w": 1}, _version(making, 1, 3))
    return y


def _relu(making: Making, earlier: list[int]) -> int:
    y = making.like(earlier[-1], "relu", making.shape_of(earlier[-1]))
    making.step("RELU", [earlier[-1]], [y], version=_version(making, 1, 2))
    return y


_STEPS: Mapping[str, Callable[[Making, list[int]], int]] = {
    "conv": _conv, "depthwise": _depthwise, "pool": _pool, "residual": _residual, "beside": _beside, "relu": _relu,
}  # fmt: skip


def _decision(making: Making, x: int) -> int:
    """All of the image flattened and weighed; now and then made a distribution, in which small differences drown."""
    batch, height, width, channels = making.shape_of(x)
    count, classes = height * width * channels, making.rng.randint(2, 6)
    flat = making.like(x, "flat", [batch, count])
    making.step("RESHAPE", [x, making.integers("flat shape", [batch, count])], [flat])
    weights = making.weights("dense W", [classes, count], 0, by_channel=False)
    bias = making.bias("dense b", classes, flat, weights)
    logits = making.sums("logits", [batch, classes], flat, weights, count)
    making.step("FULLY_CONNECTED", [flat, weights, bias], [logits], version=_version(making, 1, 4))
    if making.rng.random() < 0.7:
        return logits
    y = making.tensor("y", [batch, classes], per_tensor(1 / 256, -128))
    making.step("SOFTMAX", [logits], [y], {"beta": 1.0}, _version(making, 1, 2))
    return y
