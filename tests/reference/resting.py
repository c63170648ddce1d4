"""How weights rest as int8 and come back, one number at a time: the slow twin of kernels/src/idle.c."""

import math
import struct
from collections.abc import Sequence

LEAST = 127 * 2.0**-126
PANEL = 8


def float32(number: float) -> float:
    found: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return found


def rested(constants: Sequence[float], products: Sequence[tuple[int, int, int]]) -> list[float]:
    """Packed constants after a rest; `products` as `Plan.products` has them."""
    out = list(constants)
    for offset, panels, depth in products:
        for panel in range(panels):
            for lane in range(PANEL):
                first = offset // 4 + panel * depth * PANEL + lane
                places = range(first, first + depth * PANEL, PANEL)
                for place, weight in zip(places, _row([constants[place] for place in places]), strict=True):
                    out[place] = weight
    return out


def _row(weights: list[float]) -> list[float]:
    if not all(map(math.isfinite, weights)):
        return [math.nan] * len(weights)
    most = max(map(abs, weights))
    if most < LEAST:
        return [0.0] * len(weights)
    scale = float32(most / 127)
    return [float32(scale * _away(float32(weight / scale))) for weight in weights]


def _away(number: float) -> float:
    """To the nearest whole number, halves away from zero."""
    return math.copysign(math.floor(abs(number) + 0.5), number)
