"""The arithmetic of quantised tensors, as TensorFlow Lite's reference kernels do it, for what is decided once at load.

Floats there are float32, so every step is rounded to it here (`f32`); a real factor becomes a multiplier and a shift.
"""

import math
import struct
from collections.abc import Callable

from edge.nn.graph import Quantisation

INT8 = (-128, 127)
UINT8 = (0, 255)
RANGES = {"int8": INT8, "uint8": UINT8}
# The schema's ActivationFunctionType, as far as kernels fuse them: bounds of the real numbers.
FUSED = {0: (-math.inf, math.inf), 1: (0.0, math.inf), 2: (-1.0, 1.0), 3: (0.0, 6.0)}

_FLOAT32 = struct.Struct("<f")
_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1


def f32(x: float) -> float:
    """The nearest float32."""
    try:
        value: float = _FLOAT32.unpack(_FLOAT32.pack(x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)
    return value


def away(x: float) -> int:
    """To the nearest integer, halves away from zero. Raises OverflowError for infinities and what is no number."""
    if not math.isfinite(x):
        raise OverflowError(f"{x} is no integer")
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


def multiplier(real: float) -> tuple[int, int]:
    """`real` as multiplier / 2^31 * 2^shift, zero when it is below 2^-31."""
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    fixed = away(fraction * 2**31)
    if fixed == 2**31:
        fixed, shift = fixed // 2, shift + 1
    return (0, 0) if shift < -31 else (fixed, shift)


def scaled(x: int, factor: int, shift: int) -> int:
    """x * factor / 2^31 * 2^shift with both roundings: what the kernels' `syn_scale` computes."""
    left, right = max(shift, 0), max(-shift, 0)
    wrapped = ((x << left) + 2**31) % 2**32 - 2**31
    high = (wrapped * factor + 2**30) >> 31
    mask = (1 << right) - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))


def clamp(x: int, bounds: tuple[int, int]) -> int:
    return min(max(x, bounds[0]), bounds[1])


def fused_range(activation: int, how: Quantisation, dtype: str) -> tuple[int, int]:
    """The stored numbers between which a fused activation leaves its result."""
    low, high = FUSED[activation]
    scale, zero, (least, most) = how.scales[0], how.zero_points[0], RANGES[dtype]
    if math.isfinite(low):
        least = max(least, zero + away(f32(low / scale)))
    if math.isfinite(high):
        most = min(most, zero + away(f32(high / scale)))
    return least, most


def table(answer: Callable[[int], int], dtype: str, out_dtype: str) -> bytes:
    """256 answers by the byte that is asked about; answers are clamped to their type."""
    least, most = RANGES[dtype]
    answers = {x & 0xFF: clamp(answer(x), RANGES[out_dtype]) & 0xFF for x in range(least, most + 1)}
    return bytes(answers[byte] for byte in range(256))


def float_table(function: Callable[[float], float], x: Quantisation, y: Quantisation, dtype: str) -> bytes:
    """A table of a real function, each step in float32."""
    inverse = f32(1 / y.scales[0])

    def answer(stored: int) -> int:
        real = f32(x.scales[0] * (stored - x.zero_points[0]))
        return int(f32(away(f32(function(real) * inverse)) + y.zero_points[0]))

    return table(answer, dtype, dtype)


def rescale_table(
    x: Quantisation, y: Quantisation, dtype: str, out_dtype: str, real: float, bounds: tuple[int, int]
) -> bytes:
    """A table of stored numbers moved from one scale to another by the factor `real`, clamped to `bounds`."""
    factor, shift = multiplier(real)
    zero, out_zero = x.zero_points[0], y.zero_points[0]
    return table(lambda stored: clamp(scaled(stored - zero, factor, shift) + out_zero, bounds), dtype, out_dtype)


def logistic(x: float) -> float:
    """In float32, as the reference kernel fills its table."""
    try:
        e = f32(math.exp(-x))
    except OverflowError:
        e = math.inf
    return f32(1 / f32(1 + e))


def tanh(x: float) -> float:
    return f32(math.tanh(x))
