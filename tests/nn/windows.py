"""Convolutions and pools, with every padding, stride and dilation that fits."""

from edge.nn.graph import Option
from edge.nn.schema import PADDINGS
from tests.nn.making import Making


def extent(size: int, window: int, stride: int, dilation: int, *, is_same: bool) -> int:
    """How many places a window has along one dimension."""
    reach = (window - 1) * dilation + 1
    return -(-size // stride) if is_same else -(-(size - reach + 1) // stride)


def geometry(making: Making, *, dilated: bool) -> tuple[list[int], list[int], list[int], dict[str, Option]]:
    """Height and width of image, window and result, and the options that lead from the first to the last."""
    rng = making.rng
    is_same = rng.random() < 0.5
    window = [rng.choice((1, 1, 2, 3, 3, 5)) for _ in range(2)]
    strides = [rng.choice((1, 1, 2, 3)) for _ in range(2)]
    dilation = [1, 1]
    if dilated and rng.random() < 0.4:  # a dilated window moves by ones in TensorFlow, but not in TensorFlow Lite
        dilation = [rng.choice((1, 2, 3)) for _ in range(2)]
    reach = [(size - 1) * wide + 1 for size, wide in zip(window, dilation, strict=True)]
    image = [rng.randint(1 if is_same else low, low + 7) for low in reach]
    out = [extent(*four, is_same=is_same) for four in zip(image, window, strides, dilation, strict=True)]
    options: dict[str, Option] = {
        "padding": PADDINGS.index("SAME" if is_same else "VALID"),
        "stride_h": strides[0],
        "stride_w": strides[1],
        **making.fused(),
    }
    if dilated:
        options |= {"dilation_h_factor": dilation[0], "dilation_w_factor": dilation[1]}
    return image, window, out, options


def conv(making: Making) -> None:
    rng = making.rng
    image, window, out, options = geometry(making, dilated=True)
    inputs, outputs, batch = rng.randint(1, 9), rng.randint(1, 17), rng.choice((1, 1, 2))
    x = making.give([batch, *image, inputs])
    weights = making.weights("W", [outputs, *window, inputs], 0, by_channel=rng.random() < 0.7)
    operands = [x, weights, making.bias("b", outputs, x, weights)]
    y = making.sums("y", [batch, *out, outputs], x, weights, window[0] * window[1] * inputs)
    making.step("CONV_2D", operands, [y], options, 3 if making.is_quantised else 1)
    making.answer(y)


def depthwise(making: Making) -> None:
    rng = making.rng
    image, window, out, options = geometry(making, dilated=True)
    inputs, multiplier, batch = rng.randint(1, 17), rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2))
    outputs = inputs * multiplier
    x = making.give([batch, *image, inputs])
    weights = making.weights("W", [1, *window, outputs], 3, by_channel=rng.random() < 0.7)
    operands = [x, weights, making.bias("b", outputs, x, weights)]
    y = making.sums("y", [batch, *out, outputs], x, weights, window[0] * window[1])
    options |= {"depth_multiplier": multiplier}
    making.step("DEPTHWISE_CONV_2D", operands, [y], options, 3 if making.is_quantised else 1)
    making.answer(y)


def _pool(making: Making, name: str) -> None:
    image, window, out, options = geometry(making, dilated=False)
    channels, batch = making.rng.randint(1, 17), making.rng.choice((1, 1, 2))
    x = making.give([batch, *image, channels])
    y = making.like(x, "y", [batch, *out, channels])
    options |= {"filter_height": window[0], "filter_width": window[1]}
    making.step(name, [x], [y], options, 2 if making.is_quantised else 1)
    making.answer(y)


def average_pool(making: Making) -> None:
    _pool(making, "AVERAGE_POOL_2D")


def max_pool(making: Making) -> None:
    _pool(making, "MAX_POOL_2D")
