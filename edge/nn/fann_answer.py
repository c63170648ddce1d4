"""What a FANN network answers, as `fann_run` computes it, and the same network as layers that can be exported."""

import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import cos, exp, inf, sin
from typing import Final

from edge.nn.errors import ModelError
from edge.nn.fann import ACTIVATIONS, DEFAULTS, Net, Neuron
from edge.nn.mlp import Layer, check

_SUM_MAX: Final = 150.0
"""Divided by the steepness: where libfann clips sums."""

# libfann's own tables of six points (fann_activation.h), halves apart for the symmetric one.
_STEPS: Final = (-2.64665246, -1.47221947, -0.549306154, 0.549306154, 1.47221947, 2.64665294)
_STEP_VALUES: Final = (0.00499999989, 0.0500000007, 0.25, 0.75, 0.949999988, 0.995000005)


def _stepwise(x: float) -> float:
    """Straight lines between six points of the sigmoid, 0 before and 1 behind them."""
    if x < _STEPS[0]:
        return 0.0
    for (low, high), (first, last) in zip(pairwise(_STEPS), pairwise(_STEP_VALUES), strict=True):
        if x < high:
            return first + (last - first) * (x - low) / (high - low)
    return 1.0


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-2 * x)) if x >= 0 else exp(2 * x) / (1 + exp(2 * x))


_FUNCTIONS: Final[Mapping[str, Callable[[float], float]]] = {
    "LINEAR": lambda x: x,
    "THRESHOLD": lambda x: float(x >= 0),
    "THRESHOLD_SYMMETRIC": lambda x: 1.0 if x >= 0 else -1.0,
    "SIGMOID": _sigmoid,
    "SIGMOID_STEPWISE": _stepwise,
    "SIGMOID_SYMMETRIC": lambda x: 2 * _sigmoid(x) - 1,
    "SIGMOID_SYMMETRIC_STEPWISE": lambda x: 2 * _stepwise(x) - 1,
    "GAUSSIAN": lambda x: exp(-x * x),
    "GAUSSIAN_SYMMETRIC": lambda x: 2 * exp(-x * x) - 1,
    "GAUSSIAN_STEPWISE": lambda x: 0.0,  # libfann 2.2 has no code for it
    "ELLIOT": lambda x: x / 2 / (1 + abs(x)) + 0.5,
    "ELLIOT_SYMMETRIC": lambda x: x / (1 + abs(x)),
    "LINEAR_PIECE": lambda x: min(max(x, 0.0), 1.0),
    "LINEAR_PIECE_SYMMETRIC": lambda x: min(max(x, -1.0), 1.0),
    "SIN_SYMMETRIC": sin,
    "COS_SYMMETRIC": cos,
    "SIN": lambda x: sin(x) / 2 + 0.5,
    "COS": lambda x: cos(x) / 2 + 0.5,
}
_BY_NUMBER: Final = tuple(_FUNCTIONS[name] for name in ACTIVATIONS)

_EXPORTS: Final[Mapping[str, tuple[str, float]]] = {
    "LINEAR": ("NONE", 1.0),
    "SIGMOID": ("LOGISTIC", 2.0),
    "SIGMOID_SYMMETRIC": ("TANH", 1.0),
    "LINEAR_PIECE_SYMMETRIC": ("RELU_N1_TO_1", 1.0),
}
"""The same function under TensorFlow Lite's name, and what its argument is multiplied with."""
_IMPORTS: Final = {name: (ACTIVATIONS.index(fann), 1 / factor) for fann, (name, factor) in _EXPORTS.items()}
_SMOOTH: Final = {"SIGMOID_STEPWISE": "SIGMOID", "SIGMOID_SYMMETRIC_STEPWISE": "SIGMOID_SYMMETRIC"}


def answer(net: Net, row: Sequence[float]) -> list[float]:
    """The outputs for one row of inputs, in double precision; like `fann_run` without the network's own scaling."""
    values = [*row, 1.0]
    for number, (_, layer) in enumerate(net.layers()):
        if number:
            values += [_value(neuron, values) for neuron in layer]
    first = len(values) - net.layer_sizes[-1]
    return values[first : first + net.outputs]


def _value(neuron: Neuron, values: list[float]) -> float:
    if not neuron.sources:
        return 1.0
    total = neuron.steepness * sum(w * values[n] for n, w in zip(neuron.sources, neuron.weights, strict=True))
    most = _SUM_MAX / neuron.steepness if neuron.steepness else inf
    return _BY_NUMBER[neuron.activation](-most if total < -most else most if total > most else total)


def as_layers(net: Net, *, smooth: bool = False) -> list[Layer]:
    """A layered network as layers with the same answers; steepness goes into the weights.

    `smooth` takes the stepwise sigmoids for the curves they stand for. Raises ModelError for what has no counterpart.
    """
    if net.is_shortcut:
        raise ModelError("network: shortcut connections (allowed: layered networks)")
    layers = list(net.layers())
    result = []
    for (before, previous), (_, layer) in pairwise(layers):
        name, factor = _activation(layer[:-1], smooth=smooth)
        weights: list[float] = []
        biases: list[float] = []
        for neuron in layer[:-1]:
            row = [0.0] * len(previous)
            for source, weight in zip(neuron.sources, neuron.weights, strict=True):
                row[source - before] += weight * neuron.steepness * factor
            biases.append(row.pop())
            weights += row
        result.append(Layer(weights, biases, name))
    return result


def from_layers(layers: Sequence[Layer]) -> Net:
    """A layered network with the same answers and libfann's own settings. Raises ModelError for what FANN lacks."""
    check(layers)
    sizes = (layers[0].inputs + 1, *(layer.outputs + 1 for layer in layers))
    none = Neuron(0, 0.0, (), ())
    neurons, before = [none] * sizes[0], 0
    for layer, size in zip(layers, sizes, strict=False):
        if layer.activation not in _IMPORTS:
            raise ModelError(f"network: activation {layer.activation} (allowed: {', '.join(_IMPORTS)})")
        activation, steepness = _IMPORTS[layer.activation]
        sources, width = tuple(range(before, before + size)), layer.inputs
        for place, bias in enumerate(layer.biases):
            row = (*layer.weights[place * width : (place + 1) * width], bias)
            neurons.append(Neuron(activation, steepness, sources, tuple(map(_float32, row))))
        neurons.append(none)
        before += size
    return Net({**DEFAULTS, "num_layers": len(sizes)}, sizes, tuple(neurons))


def _float32(x: float) -> float:
    """What libfann will hold, so that the file says the same when libfann writes it again."""
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def _activation(neurons: Sequence[Neuron], *, smooth: bool) -> tuple[str, float]:
    """The one activation of a layer."""
    names = sorted({ACTIVATIONS[neuron.activation] for neuron in neurons})
    if len(names) != 1:
        raise ModelError(
            f"network: a layer with {' and '.join(names) or 'no neurons'} (allowed: one activation a layer)"
        )
    name = _SMOOTH.get(names[0], names[0]) if smooth else names[0]
    if name not in _EXPORTS:
        hint = f"; as a curve it is {_SMOOTH[name]}" if name in _SMOOTH else ""
        raise ModelError(f"network: activation {name} (allowed: {', '.join(_EXPORTS)}{hint})")
    return _EXPORTS[name]
