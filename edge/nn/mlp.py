"""A multi-layer perceptron as plain numbers, and its answer by the book: what exports must equal."""

from collections.abc import Callable, Mapping, Sequence
from math import exp, isfinite, tanh
from typing import NamedTuple

from edge.nn.errors import ModelError

FLOAT32_MAX = 3.4028234663852886e38


def _softmax(row: list[float]) -> list[float]:
    largest = max(row)
    powers = [exp(x - largest) for x in row]
    whole = sum(powers)
    return [power / whole for power in powers]


def _logistic(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


ACTIVATIONS: Mapping[str, Callable[[list[float]], list[float]]] = {
    "NONE": lambda row: row,
    "RELU": lambda row: [max(x, 0.0) for x in row],
    "RELU6": lambda row: [min(max(x, 0.0), 6.0) for x in row],
    "RELU_N1_TO_1": lambda row: [min(max(x, -1.0), 1.0) for x in row],
    "LOGISTIC": lambda row: [_logistic(x) for x in row],
    "TANH": lambda row: [tanh(x) for x in row],
    "SOFTMAX": _softmax,
}
"""By the names of TensorFlow Lite's schema."""


class Layer(NamedTuple):
    """Every output is connected with every input."""

    weights: Sequence[float]
    """Row by row, one row for each output."""
    biases: Sequence[float]
    activation: str = "NONE"

    @property
    def outputs(self) -> int:
        return len(self.biases)

    @property
    def inputs(self) -> int:
        return len(self.weights) // max(len(self.biases), 1)

    def sums(self, row: Sequence[float]) -> list[float]:
        """What goes into the activation."""
        width = self.inputs
        return [
            sum(w * x for w, x in zip(self.weights[out * width : (out + 1) * width], row, strict=True)) + bias
            for out, bias in enumerate(self.biases)
        ]


def check(layers: Sequence[Layer]) -> None:
    """Raises ModelError when the layers do not fit together or hold what is no float32."""
    if not layers:
        raise ModelError("network: no layers (allowed: one or more)")
    for number, layer in enumerate(layers):
        where = f"network: layer {number}"
        if layer.activation not in ACTIVATIONS:
            raise ModelError(f"{where}: activation {layer.activation} (allowed: {', '.join(ACTIVATIONS)})")
        if not layer.outputs or not layer.inputs or len(layer.weights) != layer.inputs * layer.outputs:
            raise ModelError(f"{where}: {len(layer.weights)} weights for {layer.outputs} outputs (allowed: a multiple)")
        if number and layer.inputs != layers[number - 1].outputs:
            before = layers[number - 1].outputs
            raise ModelError(
                f"{where}: takes {layer.inputs} numbers, the layer before gives {before} (allowed: as many)"
            )
        for value in (*layer.weights, *layer.biases):
            if not (isfinite(value) and abs(value) <= FLOAT32_MAX):
                raise ModelError(f"{where}: a weight is {value} (allowed: finite float32)")


def answer(layers: Sequence[Layer], row: Sequence[float]) -> list[float]:
    """The network's outputs for one row of inputs, in double precision."""
    values = list(row)
    for layer in layers:
        values = ACTIVATIONS[layer.activation](layer.sums(values))
    return values
