"""Layers with weights: fully connected, convolutions, and the pools that share their windows."""

import struct
from collections.abc import Sequence
from math import prod
from typing import Any

from edge.nn import kernels
from edge.nn.graph import Operator, Tensor
from edge.nn.lowering.build import (
    Build,
    Place,
    UnsupportedError,
    only,
    quantised,
    require_shape,
    same_type,
    tensor_bytes,
)
from edge.nn.quantise import FUSED, fused_range, multiplier
from edge.nn.schema import ACTIVATIONS

_SAME = 0


def fully_connected(build: Build, op: Operator) -> None:
    x, weights, y = build.tensor(op, 0), build.tensor(op, 1), build.result(op)
    dtype = only(same_type(x, weights, y), ("float32", "int8"))
    if op.options["weights_format"] or len(weights.shape) != 2:
        raise UnsupportedError("whose weights are shuffled or not a matrix")
    cols, depth = weights.shape
    if not depth or prod(x.shape) % depth or prod(y.shape) != prod(x.shape) // depth * cols:
        raise UnsupportedError(f"of {list(x.shape)} by {list(weights.shape)} to {list(y.shape)}")
    sizes = {"rows": prod(x.shape) // depth, "cols": cols, "depth": depth}
    _product(build, op, dtype, "GEMM", (cols, depth), None, sizes)


def conv(build: Build, op: Operator) -> None:
    x, weights, y = build.tensor(op, 0), build.tensor(op, 1), build.result(op)
    dtype = only(same_type(x, weights, y), ("float32", "int8"))
    if len(x.shape) != 4 or len(weights.shape) != 4 or len(y.shape) != 4 or weights.shape[3] != x.shape[3]:
        raise UnsupportedError(f"of {list(x.shape)} by {list(weights.shape)}")
    out_c, kernel_h, kernel_w, in_c = weights.shape
    window = _window(op, x, y, (kernel_h, kernel_w), out_c)
    depth = kernel_h * kernel_w * in_c
    patch = build.scratch(depth * (4 if dtype == "float32" else 1))
    _product(build, op, dtype, "CONV", (out_c, depth), patch, {"window": {**window, "multiplier": 1}})


def depthwise_conv(build: Build, op: Operator) -> None:
    x, weights, y = build.tensor(op, 0), build.tensor(op, 1), build.result(op)
    dtype = only(same_type(x, weights, y), ("float32", "int8"))
    if len(x.shape) != 4 or len(weights.shape) != 4 or len(y.shape) != 4 or weights.shape[0] != 1:
        raise UnsupportedError(f"of {list(x.shape)} by {list(weights.shape)}")
    _, kernel_h, kernel_w, out_c = weights.shape
    if not x.shape[3] or out_c % x.shape[3]:
        raise UnsupportedError(f"of {x.shape[3]} channels to {out_c}")
    times = out_c // x.shape[3]
    window = _window(op, x, y, (kernel_h, kernel_w), out_c)
    patch = build.scratch(tensor_bytes(weights)) if times > 1 else None
    fields = {"window": {**window, "multiplier": times}}
    stored = build.store(build.content(op, 1))
    if dtype == "float32":
        low, high = fused(op)
        floats = (build.source(op, 0), stored, _bias(build, op, out_c), None, None, patch)
        build.emit("F32_DWCONV", floats, build.target(op), f32_low=low, f32_high=high, **fields)
        return
    bias = bytes(4 * out_c) if not build.has(op, 2) else bytes(build.content(op, 2))
    scales = _requant(build, op, out_c, 3)
    inputs = (build.source(op, 0), stored, _padded(build, bias), *scales, patch)
    build.emit("S8_DWCONV", inputs, build.target(op), **_int8_fields(build, op), **fields)


def pool(build: Build, op: Operator) -> None:
    x, y = build.tensor(op, 0), build.result(op)
    dtype = only(same_type(x, y), ("float32", "int8"))
    if len(x.shape) != 4 or len(y.shape) != 4 or x.shape[3] != y.shape[3]:
        raise UnsupportedError(f"of {list(x.shape)} to {list(y.shape)}")
    size = (_positive(op, "filter_height"), _positive(op, "filter_width"))
    window = {**_window(op, x, y, size, x.shape[3]), "multiplier": 1}
    kind = ("AVG" if op.name == "AVERAGE_POOL_2D" else "MAX") + "POOL"
    if dtype == "float32":
        low, high = fused(op)
        build.emit(f"F32_{kind}", (build.source(op, 0),), build.target(op), f32_low=low, f32_high=high, window=window)
        return
    build.emit(f"S8_{kind}", (build.source(op, 0),), build.target(op), **_int8_fields(build, op), window=window)


def _product(
    build: Build,
    op: Operator,
    dtype: str,
    kind: str,
    size: tuple[int, int],
    patch: Place | None,
    fields: dict[str, Any],
) -> None:
    """A matrix product with packed weights."""
    cols, depth = size
    weights = build.content(op, 1)
    if dtype == "float32":
        low, high = fused(op)
        packed = build.store(kernels.pack_f32(cols, depth, weights))
        floats = (build.source(op, 0), packed, _bias(build, op, cols), None, None, patch)
        build.emit(f"F32_{kind}", floats, build.target(op), f32_low=low, f32_high=high, **fields)
        return
    zero = quantised(build.tensor(op, 0), "input").zero_points[0]
    bias = build.content(op, 2) if build.has(op, 2) else None
    if bias is not None:
        require_shape(build.tensor(op, 2).shape, (cols,), "bias")
        only(build.tensor(op, 2).dtype, ("int32",), "bias")
    panels, is_narrow = kernels.pack_s8(cols, depth, weights)
    folded = _padded(build, kernels.fold_s8(cols, depth, weights, bias, zero))
    scales = _requant(build, op, cols, 0)
    inputs = (build.source(op, 0), build.store(panels), folded, *scales, patch)
    fields = {**fields, **_int8_fields(build, op), "narrow": is_narrow}
    build.emit(f"S8_{kind}", inputs, build.target(op), **fields)


def _reals(build: Build, op: Operator, cols: int, axis: int) -> list[float]:
    """What a sum of each output is multiplied by."""
    weights = build.tensor(op, 1)
    x_scale = quantised(build.tensor(op, 0), "input").scales[0]
    y_scale = quantised(build.result(op), "output").scales[0]
    how = weights.quantisation
    if how is None or len(how.scales) not in (1, cols) or (len(how.scales) > 1 and how.axis != axis):
        raise UnsupportedError("whose weights have neither one scale nor one an output")
    if any(how.zero_points):
        raise UnsupportedError("whose weights have a zero point (allowed: 0)")
    scales = how.scales * (cols if len(how.scales) == 1 else 1)
    return [x_scale * scale / y_scale for scale in scales]


def _requant(build: Build, op: Operator, cols: int, axis: int) -> tuple[Place, Place | None]:
    """Multipliers and shifts, one an output. FULLY_CONNECTED has real factors instead, in float64."""
    reals = _reals(build, op, cols, axis)
    if op.name == "FULLY_CONNECTED":
        return build.store(struct.pack(f"<{len(reals)}d", *reals) + bytes(8 * (-cols % kernels.PANEL))), None
    pairs = [multiplier(real) for real in reals]
    return _row(build, [pair[0] for pair in pairs]), _row(build, [pair[1] for pair in pairs])


def _row(build: Build, numbers: Sequence[int]) -> Place:
    return _padded(build, struct.pack(f"<{len(numbers)}i", *numbers))


def _padded(build: Build, row: bytes) -> Place:
    """Four bytes an output, to whole panels."""
    return build.store(row + bytes(-len(row) % (4 * kernels.PANEL)))


def _bias(build: Build, op: Operator, cols: int) -> Place:
    if not build.has(op, 2):
        return build.store(bytes(4 * (cols + -cols % kernels.PANEL)))
    require_shape(build.tensor(op, 2).shape, (cols,), "bias")
    only(build.tensor(op, 2).dtype, ("float32",), "bias")
    return _padded(build, bytes(build.content(op, 2)))


def fused(op: Operator) -> tuple[float, float]:
    """The real bounds of the activation that an operator applies to its result."""
    activation = int(op.options["fused_activation_function"])  # type: ignore[arg-type]
    if activation not in FUSED:
        raise UnsupportedError(f"with fused activation {ACTIVATIONS[activation]}")
    return FUSED[activation]


def _int8_fields(build: Build, op: Operator) -> dict[str, Any]:
    x, y = quantised(build.tensor(op, 0), "input"), quantised(build.result(op), "output")
    fused(op)
    low, high = fused_range(int(op.options["fused_activation_function"]), y, "int8")  # type: ignore[arg-type]
    return {"zero": (x.zero_points[0], 0, y.zero_points[0]), "low": low, "high": high}


def _window(op: Operator, x: Tensor, y: Tensor, kernel: tuple[int, int], out_c: int) -> dict[str, int]:
    """The window's geometry, checked against the shape that the model gives its result."""
    stride = _positive(op, "stride_h"), _positive(op, "stride_w")
    dilation = _positive(op, "dilation_h_factor", 1), _positive(op, "dilation_w_factor", 1)
    sizes, pads = [], []
    for i in (0, 1):
        reach = (kernel[i] - 1) * dilation[i] + 1
        if op.options["padding"] == _SAME:
            sizes.append(-(-x.shape[i + 1] // stride[i]))
            pads.append(max(0, (sizes[i] - 1) * stride[i] + reach - x.shape[i + 1]) // 2)
        else:
            sizes.append((x.shape[i + 1] - reach) // stride[i] + 1)
            pads.append(0)
    require_shape(y.shape, (x.shape[0], *sizes, out_c), "output")
    return {
        "batches": x.shape[0], "in_h": x.shape[1], "in_w": x.shape[2], "in_c": x.shape[3],
        "out_h": sizes[0], "out_w": sizes[1], "out_c": out_c, "kernel_h": kernel[0], "kernel_w": kernel[1],
        "stride_h": stride[0], "stride_w": stride[1], "dilation_h": dilation[0], "dilation_w": dilation[1],
        "pad_top": pads[0], "pad_left": pads[1],
    }  # fmt: skip


def _positive(op: Operator, name: str, default: int = 0) -> int:
    value = int(op.options.get(name, default))  # type: ignore[arg-type]
    if value < 1:
        raise UnsupportedError(f"with {name} {value}")
    return value
