"""Random perceptrons and inputs for them."""

from collections.abc import Sequence
from math import sqrt
from random import Random

from edge.nn.mlp import Layer


def layers(rng: Random, widths: Sequence[int], activations: Sequence[str] = ()) -> list[Layer]:
    """Weights that keep numbers about as large as they are; float32 exactly. Without names: RELU, and NONE at last."""
    names = activations or ["RELU"] * (len(widths) - 2) + ["NONE"]
    return [
        Layer(
            [rounded(rng.gauss(0, sqrt(2 / inputs))) for _ in range(inputs * outputs)],
            [rounded(rng.gauss(0, 0.2)) for _ in range(outputs)],
            name,
        )
        for inputs, outputs, name in zip(widths, widths[1:], names, strict=False)
    ]


def rows(rng: Random, width: int, count: int) -> list[list[float]]:
    return [[rounded(rng.gauss(0, 1)) for _ in range(width)] for _ in range(count)]


def rounded(x: float) -> float:
    """A number that float32 holds."""
    return round(x * 2**16) / 2**16
