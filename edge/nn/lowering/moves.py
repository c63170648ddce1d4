"""Operators that only move elements: another shape of the same numbers costs nothing, everything else is copies along
walks. And the mean, whose walk is split into what stays and what is summed."""

import struct
from collections.abc import Sequence
from math import prod
from typing import Any

from edge.nn import kernels
from edge.nn.graph import Operator, Tensor
from edge.nn.lowering.build import (
    ITEM_BYTES,
    Build,
    Place,
    UnsupportedError,
    axis_of,
    only,
    quantised,
    require_shape,
    same_type,
    steps_of,
    tensor_bytes,
)
from edge.nn.quantise import multiplier

GATHERED_MAX = 64


def reshape(build: Build, op: Operator) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the same place under another shape."""
    x, y = build.tensor(op, 0), build.result(op)
    same_type(x, y)
    if prod(x.shape) != prod(y.shape):
        raise UnsupportedError(f"of {list(x.shape)} to {list(y.shape)}")
    if op.outputs[0] in build.graph.subgraphs[0].outputs or x.is_variable:
        _copy(build, build.source(op, 0), x, build.target(op), [prod(x.shape)], [1], [1])
        return
    build.places[op.outputs[0]] = build.source(op, 0)


def transpose(build: Build, op: Operator) -> None:
    x, y, order = build.tensor(op, 0), build.result(op), build.numbers(op, 1)
    same_type(x, y)
    if sorted(order) != list(range(len(x.shape))):
        raise UnsupportedError(f"of {len(x.shape)} dimensions by {list(order)}")
    require_shape(y.shape, [x.shape[i] for i in order], "output")
    steps = steps_of(x.shape)
    _copy(build, build.source(op, 0), x, build.target(op), y.shape, [steps[i] for i in order], steps_of(y.shape))


def concatenation(build: Build, op: Operator) -> None:
    y = build.result(op)
    axis = axis_of(int(op.options["axis"]), len(y.shape))  # type: ignore[arg-type]
    if op.options["fused_activation_function"]:
        raise UnsupportedError("with a fused activation")
    parts = [build.tensor(op, i) for i in range(len(op.inputs))]
    same_type(*parts, y)
    for part in parts:
        _require_alike(part.shape, y.shape, axis, "input")
        _require_same_scale(part, y)
    if sum(part.shape[axis] for part in parts) != y.shape[axis]:
        raise UnsupportedError(f"to {list(y.shape)}")
    target, out, start = build.target(op), steps_of(y.shape), 0
    for i, part in enumerate(parts):
        _copy(build, build.source(op, i), part, target, part.shape, steps_of(part.shape), out, out_start=start)
        start += part.shape[axis] * out[axis]


def split(build: Build, op: Operator) -> None:
    """SPLIT has the axis first, SPLIT_V last and sizes between; results tell the sizes."""
    at = 1 if op.name == "SPLIT" else 0
    x, (axis,) = build.tensor(op, at), build.numbers(op, 0 if op.name == "SPLIT" else 2)[:1]
    axis = axis_of(axis, len(x.shape))
    steps, start = steps_of(x.shape), 0
    for number in range(len(op.outputs)):
        y = build.result(op, number)
        same_type(x, y)
        _require_alike(y.shape, x.shape, axis, "output")
        source = build.source(op, at)
        _copy(build, source, x, build.target(op, number), y.shape, steps, steps_of(y.shape), a_start=start)
        start += y.shape[axis] * steps[axis]
    if start != x.shape[axis] * steps[axis]:
        raise UnsupportedError(f"of {list(x.shape)}, whose parts are less")


def strided_slice(build: Build, op: Operator) -> None:
    x, y = build.tensor(op, 0), build.result(op)
    same_type(x, y)
    begin, end, stride = (build.numbers(op, i) for i in (1, 2, 3))
    if op.options["ellipsis_mask"] or op.options["new_axis_mask"] or op.options["offset"]:
        raise UnsupportedError("with an ellipsis, a new axis or offsets")
    if not len(begin) == len(end) == len(stride) <= len(x.shape):
        raise UnsupportedError(f"of {list(x.shape)} from {list(begin)} to {list(end)}")
    shape, starts, by = [], [], []
    for axis, dim in enumerate(x.shape):
        first, count, step = 0, dim, 1
        if axis < len(begin):
            first, count, step = _range(op, axis, dim, (begin[axis], end[axis], stride[axis]))
        shape.append(count)
        starts.append(first)
        by.append(step)
    shrunk = [n for axis, n in enumerate(shape) if not int(op.options["shrink_axis_mask"]) >> axis & 1]  # type: ignore[arg-type]
    require_shape(y.shape, shrunk, "output")
    _slice(build, op, x, shape, starts, by)


def _range(op: Operator, axis: int, dim: int, wanted: tuple[int, int, int]) -> tuple[int, int, int]:
    """First, count and step along one axis, by Python's rules for slices, which are TensorFlow's."""
    begin, end, step = wanted
    if step == 0 or dim < 1:
        raise UnsupportedError(f"by {step} along {dim}")
    if int(op.options["shrink_axis_mask"]) >> axis & 1:  # type: ignore[arg-type]
        return axis_of(begin, dim), 1, 1
    low = None if int(op.options["begin_mask"]) >> axis & 1 else begin  # type: ignore[arg-type]
    high = None if int(op.options["end_mask"]) >> axis & 1 else end  # type: ignore[arg-type]
    found = range(dim)[low:high:step]
    if not found:
        raise UnsupportedError(f"of nothing along axis {axis}")
    return found.start, len(found), step


def slice_(build: Build, op: Operator) -> None:
    x, y, begin, size = build.tensor(op, 0), build.result(op), build.numbers(op, 1), build.numbers(op, 2)
    same_type(x, y)
    if not len(begin) == len(size) == len(x.shape):
        raise UnsupportedError(f"of {list(x.shape)} from {list(begin)}")
    shape = [dim - first if n == -1 else n for dim, first, n in zip(x.shape, begin, size, strict=True)]
    require_shape(y.shape, shape, "output")
    if any(not 0 <= first <= first + n <= dim for first, n, dim in zip(begin, shape, x.shape, strict=True)):
        raise UnsupportedError(f"of {list(x.shape)} from {list(begin)}, {list(size)} each")
    _slice(build, op, x, shape, list(begin), [1] * len(shape))


def _slice(
    build: Build, op: Operator, x: Tensor, shape: Sequence[int], starts: Sequence[int], by: Sequence[int]
) -> None:
    steps = steps_of(x.shape)
    start = sum(first * step for first, step in zip(starts, steps, strict=True))
    strides = [step * times for step, times in zip(steps, by, strict=True)]
    _copy(build, build.source(op, 0), x, build.target(op), shape, strides, steps_of(shape), a_start=start)


def pad(build: Build, op: Operator) -> None:
    """Filled with the stored zero, or PADV2's value, and the input copied inside."""
    x, y, pads = build.tensor(op, 0), build.result(op), build.numbers(op, 1)
    dtype = only(same_type(x, y), ("float32", "int8"))
    _require_same_scale(x, y)
    if len(pads) != 2 * len(x.shape) or any(n < 0 for n in pads):
        raise UnsupportedError(f"of {list(x.shape)} by {list(pads)}")
    before, after = pads[::2], pads[1::2]
    require_shape(y.shape, [a + dim + b for a, dim, b in zip(before, x.shape, after, strict=True)], "output")
    target, out = build.target(op), steps_of(y.shape)
    start = sum(n * step for n, step in zip(before, out, strict=True))
    if dtype == "int8":
        value = quantised(y, "output").zero_points[0]
        if op.name == "PADV2":
            (value,) = struct.unpack("<b", _filling(build, op, dtype))
        build.emit("FILL", (), target, rows=tensor_bytes(y), low=value)
    elif op.name == "PADV2":
        constant = build.source(op, 2)
        _filling(build, op, dtype)
        _walk(build, constant, 4, target, (y.shape, [0] * len(y.shape), out), (0, 0))
    else:
        build.emit("FILL", (), target, rows=tensor_bytes(y), low=0)
    _copy(build, build.source(op, 0), x, target, x.shape, steps_of(x.shape), out, out_start=start)


def _filling(build: Build, op: Operator, dtype: str) -> bytes | memoryview:
    """What PADV2 fills with: one constant of the input's type."""
    only(build.tensor(op, 2).dtype, (dtype,), "value")
    require_shape([prod(build.tensor(op, 2).shape)], [1], "value")
    return build.content(op, 2)


def pack(build: Build, op: Operator) -> None:
    """Tensors of one shape along a new axis."""
    y, parts = build.result(op), [build.tensor(op, i) for i in range(max(len(op.inputs), 1))]
    same_type(*parts, y)
    axis = axis_of(int(op.options["axis"]), len(y.shape))  # type: ignore[arg-type]
    wanted = [*parts[0].shape[:axis], len(parts), *parts[0].shape[axis:]]
    require_shape(y.shape, wanted, "output")
    target, out = build.target(op), steps_of(y.shape)
    for i, part in enumerate(parts):
        require_shape(part.shape, parts[0].shape, f"input {i}")
        _require_same_scale(part, y)
        others = [*out[:axis], *out[axis + 1 :]]
        start = i * out[axis]
        _copy(build, build.source(op, i), part, target, part.shape, steps_of(part.shape), others, out_start=start)


def unpack(build: Build, op: Operator) -> None:
    """One tensor for each place along an axis."""
    x = build.tensor(op, 0)
    axis = axis_of(int(op.options["axis"]), len(x.shape))  # type: ignore[arg-type]
    shape, steps = [*x.shape[:axis], *x.shape[axis + 1 :]], steps_of(x.shape)
    if len(op.outputs) != x.shape[axis]:
        raise UnsupportedError(f"of {list(x.shape)} to {len(op.outputs)}")
    for number in range(len(op.outputs)):
        y = build.result(op, number)
        same_type(x, y)
        require_shape(y.shape, shape, "output")
        strides, start = [*steps[:axis], *steps[axis + 1 :]], number * steps[axis]
        source, target = build.source(op, 0), build.target(op, number)
        _copy(build, source, x, target, shape, strides, steps_of(shape), a_start=start)


def gather(build: Build, op: Operator) -> None:
    """Slices by constant indices, one copy each."""
    x, y, places = build.tensor(op, 0), build.result(op), build.numbers(op, 1)
    same_type(x, y)
    axis = axis_of(int(op.options["axis"]), len(x.shape))  # type: ignore[arg-type]
    if op.options["batch_dims"] or len(places) > GATHERED_MAX:
        raise UnsupportedError(f"in batches, or of {len(places)} slices (allowed: {GATHERED_MAX})")
    if any(not 0 <= place < x.shape[axis] for place in places):
        raise UnsupportedError(f"of {list(places)} from {x.shape[axis]}")
    require_shape(y.shape, [*x.shape[:axis], *build.tensor(op, 1).shape, *x.shape[axis + 1 :]], "output")
    flat = [*x.shape[:axis], len(places), *x.shape[axis + 1 :]]
    steps, out, target = steps_of(x.shape), steps_of(flat), build.target(op)
    shape = [*x.shape[:axis], 1, *x.shape[axis + 1 :]]
    for i, place in enumerate(places):
        starts = {"a_start": place * steps[axis], "out_start": i * out[axis]}
        _copy(build, build.source(op, 0), x, target, shape, steps, out, **starts)


def mean(build: Build, op: Operator) -> None:
    x, y = build.tensor(op, 0), build.result(op)
    dtype = only(same_type(x, y), ("float32", "int8"))
    rank = len(x.shape)
    axes = sorted({axis_of(axis, rank) for axis in build.numbers(op, 1)})
    kept = [axis for axis in range(rank) if axis not in axes]
    count = prod(x.shape[axis] for axis in axes)
    if prod(y.shape) != prod(x.shape[axis] for axis in kept) or not count or rank > kernels.RANK_MAX:
        raise UnsupportedError(f"of {list(x.shape)} along {axes} to {list(y.shape)}")
    steps, order = steps_of(x.shape), kept + axes
    walk = {
        "rank": rank,
        "split": len(kept),
        "dims": [x.shape[axis] for axis in order],
        "a": [steps[axis] for axis in order],
    }
    if dtype == "float32":
        build.emit("F32_MEAN", (build.source(op, 0),), build.target(op), walk=walk, depth=count)
        return
    of_x, of_y = quantised(x, "input"), quantised(y, "output")
    factor, shift = multiplier(of_x.scales[0] / of_y.scales[0])
    spare = min(count.bit_length() - 1, 32, 31 + shift)  # the division's share of the multiplier's bits
    fields: dict[str, Any] = {
        "zero": (of_x.zero_points[0], 0, of_y.zero_points[0]),
        "multiplier": (0, 0, (factor << spare) // count),
        "shift": (0, 0, shift - spare),
        "low": -128,
        "high": 127,
    }
    build.emit("S8_MEAN", (build.source(op, 0),), build.target(op), walk=walk, depth=count, **fields)


def _require_alike(got: Sequence[int], other: Sequence[int], axis: int, what: str) -> None:
    """One shape, but for their lengths along the axis."""
    wanted = list(other)
    if len(got) == len(other):
        wanted[axis] = got[axis]
    require_shape(got, wanted, what)


def _require_same_scale(x: Tensor, y: Tensor) -> None:
    if x.dtype in ("int8", "uint8"):
        one, other = quantised(x, "input"), quantised(y, "output")
        if (one.scales, one.zero_points) != (other.scales, other.zero_points):
            raise UnsupportedError("whose inputs and output differ in scale or zero point")


def _copy(
    build: Build, source: Place, x: Tensor, target: Place, shape: Sequence[int], steps: Sequence[int],
    out: Sequence[int], *, a_start: int = 0, out_start: int = 0,
) -> None:  # fmt: skip
    """Elements of `x`, along `steps` of the source and `out` of the target."""
    if x.dtype not in ITEM_BYTES:
        raise UnsupportedError(f"of {x.dtype}")
    _walk(build, source, ITEM_BYTES[x.dtype], target, (shape, steps, out), (a_start, out_start))


def _walk(
    build: Build, source: Place, size: int, target: Place,
    walk: tuple[Sequence[int], Sequence[int], Sequence[int]], starts: tuple[int, int],
) -> None:  # fmt: skip
    """Neighbouring dimensions that both sides walk through alike become one."""
    dims: list[list[int]] = []
    for dim, step, out in zip(*walk, strict=True):
        if dim == 0:
            return
        if dim == 1:
            continue
        if dims and dims[-1][1] == step * dim and dims[-1][2] == out * dim:
            dims[-1] = [dims[-1][0] * dim, step, out]
        else:
            dims.append([dim, step, out])
    dims = dims or [[1, 1, 1]]
    if len(dims) > kernels.RANK_MAX:
        raise UnsupportedError(f"that moves {len(dims)} dimensions (allowed: {kernels.RANK_MAX})")
    fields = {
        "rank": len(dims), "dims": [d[0] for d in dims], "a": [d[1] for d in dims], "out": [d[2] for d in dims],
        "a_start": starts[0], "out_start": starts[1],
    }  # fmt: skip
    build.emit("COPY", (source,), target, depth=size, walk=fields)
