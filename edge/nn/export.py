"""Exports a trained multi-layer perceptron as `.tflite`, in float32 or quantised to int8 after training.

Quantisation is that of TensorFlow Lite's specification: activations asymmetric with the range that a calibration set
shows, weights symmetric, biases int32 in steps of input times weight; weights have one scale a layer, which every
version of TensorFlow Lite takes. Where a single weight is so large that all others would be rounded away, it is
cut off instead: the calibration set's answers decide.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from edge.nn.draft import Draft, per_tensor
from edge.nn.errors import ModelError
from edge.nn.graph import Quantisation
from edge.nn.mlp import ACTIVATIONS, FLOAT32_MAX, Layer, answer, check
from edge.nn.schema import ACTIVATIONS as CODES
from edge.nn.tflite_writer import write_tflite

_FUSED = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
"""Activations that FULLY_CONNECTED does itself, in both types."""
_FIXED: Mapping[str, Quantisation] = {
    "LOGISTIC": per_tensor(1 / 256, -128),
    "TANH": per_tensor(1 / 128, 0),
    "SOFTMAX": per_tensor(1 / 256, -128),
}
"""What TensorFlow Lite demands of the int8 outputs of these operators."""
_SATURATED: Mapping[str, float] = {"LOGISTIC": 7.0, "TANH": 3.5}
"""Sums beyond which the output is its last step: no range need be wider, and a narrower one has finer steps."""
_OPTIONS: Mapping[str, Mapping[str, float]] = {"SOFTMAX": {"beta": 1.0}}
_DENSE_VERSION, _INT8_DENSE_VERSION, _INT8_VERSION = 1, 4, 2
_BIAS_MAX = 2**30
_CUTS = tuple(2 ** (-step / 2) for step in range(16))
"""Of the largest weight: where weights may be cut off."""
_TRIED_PRODUCTS = 4_000_000
"""Multiplications that looking for the best of them may take, in all."""
_SCALE_MIN = 1e-9
"""Where everything is 0: small, and far from what float32 flushes."""


class Range(NamedTuple):
    """Where the numbers of a tensor lie; 0 is always among them."""

    low: float = 0.0
    high: float = 0.0

    def with_row(self, row: Iterable[float]) -> "Range":
        values = list(row)
        return Range(min(self.low, *values), max(self.high, *values))

    def within(self, bound: float) -> "Range":
        """What of it lies between -bound and bound."""
        return Range(max(self.low, -bound), min(self.high, bound))

    def quantisation(self) -> Quantisation:
        """256 steps over the range, 0 exactly on one of them."""
        scale = max((self.high - self.low) / 255, _SCALE_MIN)
        return per_tensor(scale, min(max(round(-128 - self.low / scale), -128), 127))


def export_float32(layers: Sequence[Layer], description: str = "") -> bytes:
    """The file. Raises ModelError when the layers do not fit together."""
    check(layers)
    draft = Draft()
    given = last = draft.tensor("input", (1, layers[0].inputs))
    for number, layer in enumerate(layers):
        last = dense(draft, f"layer{number}", last, layer)
    return write_tflite(draft.graph([given], [last], description))


def dense(draft: Draft, name: str, given: int, layer: Layer) -> int:
    """One layer in float32, over a tensor that is there; the number of what comes out."""
    weights = draft.constant(f"{name}_weights", (layer.outputs, layer.inputs), layer.weights)
    biases = draft.constant(f"{name}_biases", (layer.outputs,), layer.biases)
    out = draft.tensor(name, (1, layer.outputs))
    draft.operator("FULLY_CONNECTED", (given, weights, biases), (out,), _fused(layer), _DENSE_VERSION)
    if layer.activation in _FUSED:
        return out
    last = draft.tensor(f"{name}_{layer.activation.lower()}", (1, layer.outputs))
    draft.operator(layer.activation, (out,), (last,), _OPTIONS.get(layer.activation))
    return last


def export_int8(layers: Sequence[Layer], calibration: Iterable[Sequence[float]], description: str = "") -> bytes:
    """The file, its input and output int8 too; `calibration` is rows of inputs as they will come.

    Raises ModelError when the layers do not fit together or the calibration set cannot be used.
    """
    check(layers)
    rows = list(calibration)
    ranges, scales = calibrate(layers, rows), _scales(layers, rows)
    draft = Draft()
    width, how = layers[0].inputs, ranges[0].quantisation()
    given = last = draft.tensor("input", (1, width), "int8", how)
    for number, (layer, seen, scale) in enumerate(zip(layers, ranges[1:], scales, strict=True)):
        name, sums = f"layer{number}", seen.within(_SATURATED.get(layer.activation, inf)).quantisation()
        weights, biases = _weights(draft, name, layer, how, scale)
        out = draft.tensor(name, (1, layer.outputs), "int8", sums)
        draft.operator("FULLY_CONNECTED", (last, weights, biases), (out,), _fused(layer), _INT8_DENSE_VERSION)
        last, how = out, sums
        if layer.activation not in _FUSED:
            how = _FIXED[layer.activation]
            last = draft.tensor(f"{name}_{layer.activation.lower()}", (1, layer.outputs), "int8", how)
            draft.operator(layer.activation, (out,), (last,), _OPTIONS.get(layer.activation), _INT8_VERSION)
    return write_tflite(draft.graph([given], [last], description))


def calibrate(layers: Sequence[Layer], rows: Iterable[Sequence[float]]) -> list[Range]:
    """Where the inputs lie, and then for each layer what comes out of its FULLY_CONNECTED, its own activation included.

    An activation that is an operator of its own comes after that, and has a range of its own by definition.
    """
    ranges, count = [Range()] * (len(layers) + 1), 0
    for row in rows:
        if len(row) != layers[0].inputs:
            raise ModelError(f"calibration: row {count} of {len(row)} numbers (allowed: {layers[0].inputs})")
        values = list(row)
        ranges[0] = ranges[0].with_row(values)
        for number, layer in enumerate(layers):
            sums = layer.sums(values)
            if not all(abs(value) <= FLOAT32_MAX for value in (*values, *sums)):
                raise ModelError(f"calibration: row {count} makes layer {number} overflow (allowed: finite float32)")
            values = ACTIVATIONS[layer.activation](sums)
            ranges[number + 1] = ranges[number + 1].with_row(values if layer.activation in _FUSED else sums)
        count += 1
    if not count:
        raise ModelError("calibration: no rows (allowed: one or more)")
    return ranges


def _scales(layers: Sequence[Layer], rows: Sequence[Sequence[float]]) -> list[float]:
    """Of the weights of each layer: the largest under which answers to some of the rows change at most twice as much as
    under the best. Layers behind one are tried on what quantised weights before it make."""
    products = len(_CUTS) * sum(len(layer.weights) * (number + 1) for number, layer in enumerate(layers))
    values = [list(row) for row in rows[:: max(1, len(rows) * products // _TRIED_PRODUCTS)]]
    wanted = _through(layers, values)
    scales = list[float]()
    for number, layer in enumerate(layers):
        largest = max(map(abs, layer.weights)) / 127
        tried = [max(largest * cut, _SCALE_MIN) for cut in _CUTS]
        behind = layers[number + 1 :]
        wrong = [_apart(_through([_coarse(layer, scale), *behind], values), wanted) for scale in tried]
        scales.append(next(scale for scale, apart in zip(tried, wrong, strict=True) if apart <= 2 * min(wrong)))
        values = _through([_coarse(layer, scales[-1])], values)
    return scales


def _through(layers: Sequence[Layer], rows: list[list[float]]) -> list[list[float]]:
    return [answer(layers, row) for row in rows]


def _apart(one: list[list[float]], other: list[list[float]]) -> float:
    return sum((a - b) ** 2 for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def _coarse(layer: Layer, scale: float) -> Layer:
    """The same with quantised weights."""
    return layer._replace(weights=[q * scale for q in _quantised(layer.weights, scale)])


def _quantised(weights: Sequence[float], scale: float) -> list[int]:
    return [min(max(round(w / scale), -127), 127) for w in weights]


def _weights(draft: Draft, name: str, layer: Layer, given: Quantisation, scale: float) -> tuple[int, int]:
    """The constants of one layer, symmetric around 0, in steps that are coarse enough for the largest bias too."""
    scale = max(scale, max(map(abs, layer.biases)) / given.scales[0] / _BIAS_MAX)
    step = scale * given.scales[0]
    weights = _quantised(layer.weights, scale)
    biases = [round(b / step) for b in layer.biases]
    shape = (layer.outputs, layer.inputs)
    return (
        draft.constant(f"{name}_weights", shape, weights, "int8", per_tensor(scale)),
        draft.constant(f"{name}_biases", (layer.outputs,), biases, "int32", per_tensor(step)),
    )


def _fused(layer: Layer) -> dict[str, int]:
    name = layer.activation if layer.activation in _FUSED else "NONE"
    return {"fused_activation_function": CODES.index(name)}
