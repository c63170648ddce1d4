"""UNIDIRECTIONAL_SEQUENCE_LSTM in its plain form, of floats or of bytes: four gates, no peepholes, no projection, no
normalisation. Its states are part of the arena and stay from run to run.

The integer form is TensorFlow Lite's with int8 activations, int16 cells and int32 biases. Without normalisation its
gates have one scale, 2^-12, whatever the file says of them; what the output gate lets through has that of the fifth
intermediate tensor, and what the file says of the result itself is for those who read it.
"""

import struct
from math import frexp, inf
from typing import NamedTuple

from edge.nn import kernels
from edge.nn.graph import Operator, Quantisation, Tensor
from edge.nn.lowering.build import (
    ITEM_BYTES,
    Build,
    Place,
    UnsupportedError,
    only,
    quantised,
    require_shape,
    same_type,
    tensor_bytes,
)
from edge.nn.lowering.states import keep
from edge.nn.quantise import f32, multiplier
from edge.nn.schema import ACTIVATIONS, INTERMEDIATES

_TANH = ACTIVATIONS.index("TANH")
_OF_X, _OF_H, _BIASES = range(1, 5), range(5, 9), range(12, 16)
"""Inputs of the gates i, f, g, o."""
_UNWANTED = (*range(9, 12), 16, 17, *range(20, 24))
"""Inputs of peepholes, projection and normalisation."""
_H, _C = 18, 19
_GATE_SCALE = 2.0**-12
_HIDDEN = 4
"""Among the intermediate tensors."""
_SHIFT_MAX = 30
_INT16 = (-(2**15), 2**15 - 1)
_CELL_BITS_MAX = 6
"""Before a cell's binary point: TensorFlow Lite's tanh knows 0 to 6."""


class _Sizes(NamedTuple):
    steps: int
    streams: int
    depth: int
    units: int
    step: tuple[int, int]
    """How many vectors lie between two steps, and between two streams."""


def lstm(build: Build, op: Operator) -> None:
    x, y = build.tensor(op, 0), build.result(op)
    dtype = only(same_type(x, y), ("float32", "int8"))
    unwanted = [i for i in _UNWANTED if build.has(op, i)]
    if unwanted or not build.has(op, 1):
        raise UnsupportedError(f"with other gates than the plain four (inputs {unwanted})")
    if op.options["fused_activation_function"] != _TANH or len(x.shape) != 3 or len(build.tensor(op, 1).shape) != 2:
        raise UnsupportedError("with another activation than TANH or other than three dimensions, and two of weights")
    sizes = _sizes(x, build.tensor(op, 1), is_time_major=bool(op.options["time_major"]))
    require_shape(x.shape[2:], (sizes.depth,), "input's vectors")
    require_shape(y.shape, (*x.shape[:2], sizes.units), "output")
    if float(op.options["cell_clip"]) < 0:  # type: ignore[arg-type]
        raise UnsupportedError(f"with cell_clip {op.options['cell_clip']} (allowed: 0 and above)")
    for number in (*_OF_X, *_OF_H):
        wanted = (sizes.units, sizes.depth if number in _OF_X else sizes.units)
        require_shape(build.tensor(op, number).shape, wanted, f"input {number}")
        only(build.tensor(op, number).dtype, (dtype,), f"input {number}")
    for number in _BIASES:
        require_shape(build.tensor(op, number).shape, (sizes.units,), f"input {number}")
        only(build.tensor(op, number).dtype, ("int32" if dtype == "int8" else dtype,), f"input {number}")
    if dtype == "int8":
        _of_bytes(build, op, sizes)
    else:
        _of_floats(build, op, sizes)


def _sizes(x: Tensor, weights: Tensor, *, is_time_major: bool) -> _Sizes:
    units, depth = weights.shape
    if is_time_major:
        return _Sizes(x.shape[0], x.shape[1], depth, units, (x.shape[1], 1))
    return _Sizes(x.shape[1], x.shape[0], depth, units, (1, x.shape[1]))


def _of_floats(build: Build, op: Operator, sizes: _Sizes) -> None:
    """Input and recurrent weights side by side, as one matrix of inputs and state."""
    rows, depth, units = bytearray(), sizes.depth, sizes.units
    for of_x, of_h in zip(_OF_X, _OF_H, strict=True):
        for unit in range(units):
            rows += build.content(op, of_x)[4 * unit * depth : 4 * (unit + 1) * depth]
            rows += build.content(op, of_h)[4 * unit * units : 4 * (unit + 1) * units]
    weights = build.store(kernels.pack_f32(4 * units, depth + units, bytes(rows)))
    bias = build.store(_padded(b"".join(build.content(op, number) for number in _BIASES)))
    states = [_state(build, op, number, "float32", sizes) for number in (_H, _C)]
    clip = float(op.options["cell_clip"]) or inf  # type: ignore[arg-type]
    inputs = (build.source(op, 0), weights, bias, *states, build.scratch(4 * (depth + 5 * units)))
    _emit(build, op, "F32_LSTM", inputs, sizes, f32_low=-clip, f32_high=clip)


def _of_bytes(build: Build, op: Operator, sizes: _Sizes) -> None:
    x, hidden = quantised(build.tensor(op, 0), "input"), _hidden(build, op)
    h = quantised(build.tensor(op, _H), f"input {_H}")
    quantised(build.result(op), "output")
    panels, is_narrow, rows, scales = [], True, bytearray(), bytearray()
    for numbers, depth, given in ((_OF_X, sizes.depth, x), (_OF_H, sizes.units, h)):
        weights = b"".join(build.content(op, number) for number in numbers)
        bias = b"".join(build.content(op, number) for number in _BIASES) if numbers is _OF_X else None
        packed, narrow = kernels.pack_s8(4 * sizes.units, depth, weights)
        panels.append(build.store(packed))
        is_narrow &= narrow
        rows += _padded(kernels.fold_s8(4 * sizes.units, depth, weights, bias, given.zero_points[0]))
        scales += b"".join(struct.pack("<2i", *_gate_scale(build, op, number, given)) for number in numbers)
    bits, clip = _cell(build, op)
    states = [_state(build, op, _H, "int8", sizes, h.zero_points[0]), _state(build, op, _C, "int16", sizes)]
    padded = 4 * sizes.units + -4 * sizes.units % kernels.PANEL
    inputs = (build.source(op, 0), *panels, build.store(rows + scales), *states)
    factor, shift = _factor(f32(2.0**-30 / hidden.scales[0]), f"intermediate tensor {_HIDDEN}")
    _emit(
        build, op, "S8_LSTM", (*inputs, build.scratch(4 * padded + 8 * sizes.units)), sizes,
        zero=(x.zero_points[0], h.zero_points[0], hidden.zero_points[0]), narrow=is_narrow,
        multiplier=(0, 0, factor), shift=(0, 0, shift), low=clip[0], high=clip[1], left_shift=bits,
    )  # fmt: skip


def _hidden(build: Build, op: Operator) -> Quantisation:
    """How what the output gate lets through is quantised."""
    indices = op.options[INTERMEDIATES]
    if not isinstance(indices, tuple) or len(indices) != _HIDDEN + 1:
        raise UnsupportedError(f"without its {_HIDDEN + 1} intermediate tensors")
    return quantised(build.tensors[int(indices[_HIDDEN])], f"intermediate tensor {_HIDDEN}")


def _gate_scale(build: Build, op: Operator, number: int, given: Quantisation) -> tuple[int, int]:
    weights = quantised(build.tensor(op, number), f"input {number}")
    if weights.zero_points[0]:
        raise UnsupportedError(f"whose input {number} has zero point {weights.zero_points[0]} (allowed: 0)")
    return _factor(f32(f32(weights.scales[0] * given.scales[0]) / _GATE_SCALE), f"input {number}")


def _factor(real: float, what: str) -> tuple[int, int]:
    """Raises OverflowError where it is infinite."""
    factor, shift = multiplier(real)
    if shift > _SHIFT_MAX:
        raise UnsupportedError(f"with a factor of {real:g} by {what} (allowed: below 2^{_SHIFT_MAX})")
    return factor, shift


def _cell(build: Build, op: Operator) -> tuple[int, tuple[int, int]]:
    """Bits of a cell before its binary point, and the least and the most that it may be."""
    scale = quantised(build.tensor(op, _C), f"input {_C}").scales[0]
    fraction, exponent = frexp(scale)
    bits = 15 + exponent - 1
    if fraction != 0.5 or not 0 <= bits <= _CELL_BITS_MAX:
        raise UnsupportedError(f"whose input {_C} has scale {scale:g} (allowed: 2^-15 to 2^{_CELL_BITS_MAX - 15})")
    most = int(min(f32(float(op.options["cell_clip"]) / scale), _INT16[1]))  # type: ignore[arg-type]
    return bits, (-most, most) if most else _INT16


def _padded(row: bytes) -> bytes:
    """Four bytes an output, to whole panels."""
    return row + bytes(-len(row) % (4 * kernels.PANEL))


def _state(build: Build, op: Operator, number: int, dtype: str, sizes: _Sizes, start: int = 0) -> Place:
    """Kept from run to run; every byte is `start` at first."""
    tensor, count = build.tensor(op, number), sizes.streams * sizes.units
    if not tensor.is_variable or tensor.dtype != dtype or tensor_bytes(tensor) != count * ITEM_BYTES[dtype]:
        raise UnsupportedError(f"whose input {number} is not a state of {count} numbers of {dtype}")
    if sum(other.inputs.count(op.inputs[number]) for other in build.graph.subgraphs[0].operators) > 1:
        raise UnsupportedError(f"whose state in input {number} is read elsewhere too")
    state = keep(build, tensor_bytes(tensor))
    state.initial = bytes([start & 0xFF]) * len(state.initial)
    return Place(state.buffer)


def _emit(
    build: Build, op: Operator, kind: str, inputs: tuple[Place | None, ...], sizes: _Sizes, **fields: object
) -> None:
    build.emit(
        kind, inputs, build.target(op),
        rows=sizes.steps, cols=sizes.units, depth=sizes.depth, window={"batches": sizes.streams},
        a_step=[n * sizes.depth for n in sizes.step], b_step=[n * sizes.units for n in sizes.step], **fields,
    )  # fmt: skip
