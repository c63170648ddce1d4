"""Operators on elements: arithmetic of two tensors, activations, softmax, and the ways between floats and bytes."""

import struct
from collections.abc import Callable, Sequence
from math import floor, isfinite, prod
from typing import Any

from edge.nn import kernels
from edge.nn.graph import Operator, Tensor
from edge.nn.lowering.build import Build, UnsupportedError, only, quantised, require_shape, same_type, steps_of
from edge.nn.lowering.layers import fused
from edge.nn.quantise import (
    FUSED,
    INT8,
    RANGES,
    away,
    clamp,
    f32,
    float_table,
    fused_range,
    logistic,
    multiplier,
    rescale_table,
    scaled,
    table,
    tanh,
)

_F32_BINARY = {
    "ADD": "F32_ADD", "SUB": "F32_SUB", "MUL": "F32_MUL", "DIV": "F32_DIV", "SQUARED_DIFFERENCE": "F32_SQDIFF",
    "MAXIMUM": "F32_MAX", "MINIMUM": "F32_MIN",
}  # fmt: skip
_S8_BINARY = {"ADD": "S8_ADD", "SUB": "S8_SUB", "MUL": "S8_MUL", "SQUARED_DIFFERENCE": "S8_SQDIFF"}
_LEFT_SHIFT = {"ADD": 20, "SUB": 20, "SQUARED_DIFFERENCE": 7}
_F32_UNARY = {
    "LOGISTIC": "F32_LOGISTIC", "TANH": "F32_TANH", "RSQRT": "F32_RSQRT", "SQRT": "F32_SQRT", "EXP": "F32_EXP",
    "LEAKY_RELU": "F32_LEAKY",
}  # fmt: skip
_RELUS = {"RELU": FUSED[1], "RELU_N1_TO_1": FUSED[2], "RELU6": FUSED[3], "RELU_0_TO_1": (0.0, 1.0)}
_TABLES: dict[str, Callable[[float], float]] = {"LOGISTIC": logistic, "TANH": tanh}
_SOFTMAX_BITS = 5


def binary(build: Build, op: Operator) -> None:
    a, b, y = build.tensor(op, 0), build.tensor(op, 1), build.result(op)
    dtype = only(same_type(a, b, y), ("float32", "int8") if op.name in _S8_BINARY else ("float32",))
    low, high = fused(op) if "fused_activation_function" in op.options else FUSED[0]
    inputs, walk = (build.source(op, 0), build.source(op, 1)), _broadcast(a, b, y)
    if dtype == "float32":
        build.emit(_F32_BINARY[op.name], inputs, build.target(op), f32_low=low, f32_high=high, walk=walk)
        return
    fields = _int8_scales(op, a, b, y)
    bounds = fused_range(int(op.options.get("fused_activation_function", 0)), quantised(y, "output"), "int8")  # type: ignore[arg-type]
    build.emit(_S8_BINARY[op.name], inputs, build.target(op), low=bounds[0], high=bounds[1], walk=walk, **fields)


def _int8_scales(op: Operator, a: Tensor, b: Tensor, y: Tensor) -> dict[str, Any]:
    """Both inputs on half the larger of their scales, with bits to spare, then to the output's."""
    of_a, of_b, of_y = quantised(a, "input 0"), quantised(b, "input 1"), quantised(y, "output")
    one, two, out = of_a.scales[0], of_b.scales[0], of_y.scales[0]
    zero = (of_a.zero_points[0], of_b.zero_points[0], of_y.zero_points[0])
    if op.name == "MUL":
        pairs = [(0, 0), (0, 0), multiplier(f32(f32(one * two) / out))]
        return {"zero": zero, "multiplier": [p[0] for p in pairs], "shift": [p[1] for p in pairs], "left_shift": 0}
    shift, twice = _LEFT_SHIFT[op.name], 2 * max(one, two)
    if op.name == "SQUARED_DIFFERENCE":
        real = twice * twice / f32((1 << 2 * shift) * out)
    else:
        real = twice / f32((1 << shift) * out)
    pairs = [multiplier(one / twice), multiplier(two / twice), multiplier(real)]
    if real >= 1 and op.name != "SUB":
        raise UnsupportedError("whose output is far finer than its inputs")
    return {"zero": zero, "multiplier": [p[0] for p in pairs], "shift": [p[1] for p in pairs], "left_shift": shift}


def _broadcast(a: Tensor, b: Tensor, y: Tensor) -> dict[str, Any]:
    """Steps of both operands through the result's shape; neighbouring dimensions that move alike become one."""
    rank = len(y.shape)
    if rank < max(len(a.shape), len(b.shape)):
        raise UnsupportedError(f"of {list(a.shape)} and {list(b.shape)} to {list(y.shape)}")
    shapes = [(1,) * (rank - len(shape)) + tuple(shape) for shape in (a.shape, b.shape)]
    wanted = tuple(max(one, two) for one, two in zip(*shapes, strict=True))
    if any(dim not in (1, out) for shape in shapes for dim, out in zip(shape, wanted, strict=True)):
        raise UnsupportedError(f"of {list(a.shape)} and {list(b.shape)}")
    require_shape(y.shape, wanted, "output")
    steps = [[step if dim > 1 else 0 for step, dim in zip(steps_of(shape), shape, strict=True)] for shape in shapes]
    dims: list[list[int]] = []
    for dim, one, two in zip(y.shape, *steps, strict=True):
        if dim == 1:
            continue
        if dims and dims[-1][1] == one * dim and dims[-1][2] == two * dim:
            dims[-1] = [dims[-1][0] * dim, one, two]
        else:
            dims.append([dim, one, two])
    dims = dims or [[1, 0, 0]]
    if len(dims) > kernels.RANK_MAX:
        raise UnsupportedError(f"that broadcasts {len(dims)} dimensions (allowed: {kernels.RANK_MAX})")
    return {"rank": len(dims), "dims": [d[0] for d in dims], "a": [d[1] for d in dims], "b": [d[2] for d in dims]}


def unary(build: Build, op: Operator) -> None:
    """Activations. Of an int8 tensor any function is a table of 256 answers."""
    x, y = build.tensor(op, 0), build.result(op)
    allowed = (
        ("float32", "int8") if op.name in _TABLES or op.name in _RELUS or op.name == "LEAKY_RELU" else ("float32",)
    )
    dtype = only(same_type(x, y), allowed)
    require_shape(y.shape, x.shape, "output")
    if dtype == "int8":
        _table_step(build, op, _int8_table(op, x, y))
        return
    fields: dict[str, Any] = {"rows": prod(x.shape)}
    if op.name in _RELUS:
        fields["f32_low"], fields["f32_high"] = _RELUS[op.name]
    if op.name == "LEAKY_RELU":
        fields["scale"] = op.options["alpha"]
    build.emit(
        "F32_CLAMP" if op.name in _RELUS else _F32_UNARY[op.name], (build.source(op, 0),), build.target(op), **fields
    )


def _int8_table(op: Operator, x: Tensor, y: Tensor) -> bytes:
    of_x, of_y = quantised(x, "input"), quantised(y, "output")
    if op.name == "LOGISTIC" and of_y.scales[0] != 1 / 256:
        raise UnsupportedError(f"whose output has scale {of_y.scales[0]} (allowed: 1/256)")
    if op.name in _TABLES:
        return float_table(_TABLES[op.name], of_x, of_y, "int8")
    real = f32(of_x.scales[0] / of_y.scales[0])
    if op.name in _RELUS:
        low, high = _RELUS[op.name]
        zero, scale = of_y.zero_points[0], of_y.scales[0]
        least = max(INT8[0], zero + away(f32(low / scale)))
        most = min(INT8[1], zero + away(f32(high / scale))) if isfinite(high) else INT8[1]
        return rescale_table(of_x, of_y, "int8", "int8", real, (least, most))
    alpha = f32(float(op.options["alpha"]))  # type: ignore[arg-type]
    below, above = multiplier(f32(f32(of_x.scales[0] * alpha) / of_y.scales[0])), multiplier(real)
    if alpha < 0:
        raise UnsupportedError(f"with alpha {alpha} (allowed: 0 and above)")

    def answer(stored: int) -> int:
        value = stored - of_x.zero_points[0]
        return clamp(scaled(value, *(above if value >= 0 else below)) + of_y.zero_points[0], INT8)

    return table(answer, "int8", "int8")


def _table_step(build: Build, op: Operator, answers: bytes) -> None:
    build.emit(
        "TABLE8", (build.source(op, 0), build.store(answers)), build.target(op), rows=prod(build.tensor(op, 0).shape)
    )


def quantise(build: Build, op: Operator) -> None:
    """Floats to bytes, or bytes from one scale to another."""
    x, y = build.tensor(op, 0), build.result(op)
    only(x.dtype, ("float32", "int8", "uint8"))
    low, high = RANGES[only(y.dtype, ("int8", "uint8"), "output")]
    require_shape(y.shape, x.shape, "output")
    of_y = quantised(y, "output")
    if x.dtype == "float32":
        fields = {"scale": of_y.scales[0], "zero": (0, 0, of_y.zero_points[0]), "low": low, "high": high}
        build.emit("QUANTISE", (build.source(op, 0),), build.target(op), rows=prod(x.shape), **fields)
        return
    of_x = quantised(x, "input")
    real = of_x.scales[0] / of_y.scales[0]
    _table_step(build, op, rescale_table(of_x, of_y, x.dtype, y.dtype, real, (low, high)))


def dequantise(build: Build, op: Operator) -> None:
    """Bytes to floats; of a constant, once, now."""
    x, y = build.tensor(op, 0), build.result(op)
    only(y.dtype, ("float32",), "output")
    require_shape(y.shape, x.shape, "output")
    if x.dtype == "float16" and x.data is not None:
        count = prod(x.shape)
        build.known[op.outputs[0]] = struct.pack(f"<{count}f", *struct.unpack(f"<{count}e", x.data))
        return
    least, most = RANGES[only(x.dtype, ("int8", "uint8"))]
    of_x = quantised(x, "input")
    scale, zero = of_x.scales[0], of_x.zero_points[0]
    reals = {stored & 0xFF: f32(scale * (stored - zero)) for stored in range(least, most + 1)}
    answers = build.store(struct.pack("<256f", *(reals[byte] for byte in range(256))))
    build.emit("DEQUANTISE", (build.source(op, 0), answers), build.target(op), rows=prod(x.shape))


def softmax(build: Build, op: Operator) -> None:
    x, y = build.tensor(op, 0), build.result(op)
    dtype = only(same_type(x, y), ("float32", "int8"))
    require_shape(y.shape, x.shape, "output")
    if not x.shape:
        raise UnsupportedError("of a scalar")
    beta = f32(float(op.options["beta"]))  # type: ignore[arg-type]
    sizes = {"rows": prod(x.shape[:-1]), "cols": x.shape[-1]}
    if dtype == "float32":
        build.emit("F32_SOFTMAX", (build.source(op, 0),), build.target(op), scale=beta, **sizes)
        return
    of_x, of_y = quantised(x, "input"), quantised(y, "output")
    if of_y.zero_points[0] != -128 or abs(of_y.scales[0] - 1 / 256) > 0.001 / 256:
        raise UnsupportedError(f"whose output is not in steps of 1/256 from -128 (scale {of_y.scales[0]})")
    real = min(beta * of_x.scales[0] * (1 << 31 - _SOFTMAX_BITS), 2.0**31 - 1)
    if real <= 1:
        raise UnsupportedError(f"with beta {beta} at scale {of_x.scales[0]}")
    factor, shift = multiplier(real)
    radius = floor((2**_SOFTMAX_BITS - 1) * 2 ** (31 - _SOFTMAX_BITS) / 2**shift)
    fields: dict[str, Any] = {"multiplier": (factor, 0, 0), "left_shift": shift, "low": -radius}
    build.emit("S8_SOFTMAX", (build.source(op, 0),), build.target(op), **sizes, **fields)


def matmul(build: Build, op: Operator) -> None:
    """Products of two computed matrices, batch by batch."""
    a, b, y = build.tensor(op, 0), build.tensor(op, 1), build.result(op)
    dtype = only(same_type(a, b, y), ("float32", "int8"))
    if min(len(a.shape), len(b.shape)) < 2:
        raise UnsupportedError(f"of {list(a.shape)} and {list(b.shape)}")
    rows, depth, a_step = _matrix(a.shape, bool(op.options["adj_x"]))
    depth_too, cols, b_step = _matrix(b.shape, bool(op.options["adj_y"]))
    if depth != depth_too:
        raise UnsupportedError(f"of {list(a.shape)} and {list(b.shape)}")
    require_shape(y.shape[-2:], (rows, cols), "output's matrices")
    walk = _batches(a.shape, b.shape, y.shape)
    sizes = {"rows": rows, "cols": cols, "depth": depth, "a_step": a_step, "b_step": b_step}
    inputs = (build.source(op, 0), build.source(op, 1))
    if dtype == "float32":
        build.emit("F32_MATMUL", inputs, build.target(op), walk=walk, **sizes)
        return
    of_a, of_b, of_y = quantised(a, "input 0"), quantised(b, "input 1"), quantised(y, "output")
    factor, shift = multiplier(f32(of_a.scales[0] * of_b.scales[0]) / of_y.scales[0])
    zero = (of_a.zero_points[0], of_b.zero_points[0], of_y.zero_points[0])
    fields: dict[str, Any] = {
        "zero": zero,
        "multiplier": (0, 0, factor),
        "shift": (0, 0, shift),
        "low": -128,
        "high": 127,
    }
    build.emit("S8_MATMUL", inputs, build.target(op), walk=walk, **sizes, **fields)


def _matrix(shape: Sequence[int], is_transposed: bool) -> tuple[int, int, tuple[int, int]]:
    """Rows, columns and the steps along both."""
    rows, cols = shape[-2:]
    return (cols, rows, (1, cols)) if is_transposed else (rows, cols, (cols, 1))


def _batches(a: Sequence[int], b: Sequence[int], y: Sequence[int]) -> dict[str, Any]:
    rank = len(y) - 2
    if rank > kernels.RANK_MAX or max(len(a), len(b)) != len(y):
        raise UnsupportedError(f"of {list(a)} and {list(b)} to {list(y)}")
    steps = []
    for shape in (a, b):
        dims = (1,) * (rank - len(shape) + 2) + tuple(shape[:-2])
        if any(dim not in (1, out) for dim, out in zip(dims, y[:-2], strict=True)):
            raise UnsupportedError(f"of {list(a)} and {list(b)} to {list(y)}")
        strides = steps_of((*dims, prod(shape[-2:])))[:-1]
        steps.append([step if dim > 1 else 0 for step, dim in zip(strides, dims, strict=True)])
    return {"rank": rank, "dims": list(y[:-2]), "a": steps[0], "b": steps[1]}
