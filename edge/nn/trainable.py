"""What can be trained: a perceptron as one row of parameters, from layers, from a FANN network, or from widths alone.

Values of one row are numbered through, inputs first; a layer takes a stretch of those before it: the layer before, or
in a shortcut network all of them. Its parameters are weights [units][depth], then biases [units].
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import sqrt
from typing import Final, NamedTuple

from edge.limits import MODEL_TENSOR_VALUES_MAX
from edge.nn import fann
from edge.nn.errors import ModelError
from edge.nn.fann import DEFAULTS, LAYERED, SHORTCUT, Net, Neuron, Setting
from edge.nn.mlp import Layer

ACTIVATIONS: Final = (*fann.ACTIVATIONS, "NONE", "RELU", "RELU6", "SOFTMAX")
"""By the numbers of kernels/include/synedge/train.h. LINEAR is NONE with FANN's bound of sums."""
SLOPELESS: Final = ("THRESHOLD", "THRESHOLD_SYMMETRIC", "GAUSSIAN_STEPWISE")
"""Flat wherever they are smooth: no gradient passes."""
STEEPNESS: Final = 0.5
"""libfann's for a new neuron."""
_TFLITE: Final[Mapping[str, tuple[str, float]]] = {
    "LOGISTIC": ("SIGMOID", 0.5),
    "TANH": ("SIGMOID_SYMMETRIC", 1.0),
    "RELU_N1_TO_1": ("LINEAR_PIECE_SYMMETRIC", 1.0),
    "NONE": ("NONE", 1.0),
    "RELU": ("RELU", 1.0),
    "RELU6": ("RELU6", 1.0),
    "SOFTMAX": ("SOFTMAX", 1.0),
}
"""TensorFlow Lite's names, each as a name above and the steepness that makes it the same function."""
_LAYERS: Final = {name: (tflite, steepness) for tflite, (name, steepness) in _TFLITE.items()} | {
    "LINEAR": ("NONE", 1.0)
}
NAMES: Final = (*_TFLITE, *(name for name in fann.ACTIVATIONS if name not in SLOPELESS))


class Dense(NamedTuple):
    """One layer: `units` neurons, each over `depth` values from `first` on; what they make is numbered from `at` on."""

    first: int
    depth: int
    at: int
    units: int

    @property
    def parameters(self) -> int:
        return (self.depth + 1) * self.units


class Shape(NamedTuple):
    """A perceptron without its parameters."""

    inputs: int
    layers: tuple[Dense, ...]
    activations: tuple[str, ...]
    """Of each neuron in turn."""
    steepnesses: tuple[float, ...]

    @property
    def values(self) -> int:
        return self.inputs + len(self.activations)

    @property
    def outputs(self) -> int:
        return self.layers[-1].units

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def is_shortcut(self) -> bool:
        return any(layer.first == 0 for layer in self.layers[1:])

    def starts(self) -> Iterator[tuple[int, Dense]]:
        """Where the parameters of each layer begin."""
        start = 0
        for layer in self.layers:
            yield start, layer
            start += layer.parameters

    def activation(self, layer: Dense) -> str:
        """The one activation of a layer's neurons; raises ModelError when they differ."""
        first = layer.at - self.inputs
        names = sorted({f"{name} x {steepness:g}" for name, steepness in self._neurons(first, layer.units)})
        if len(names) != 1:
            raise ModelError(f"network: a layer with {' and '.join(names)} (allowed: one activation a layer)")
        return self.activations[first]

    def _neurons(self, first: int, units: int) -> list[tuple[str, float]]:
        return list(zip(self.activations, self.steepnesses, strict=True))[first : first + units]


def layered(widths: Sequence[int], hidden: str, output: str) -> Shape:
    """A perceptron of these widths, inputs first. Activations by TensorFlow Lite's name or FANN's; FANN's are half as
    steep, as in a new network of libfann. Raises ModelError naming what is not allowed."""
    if len(widths) < 2 or min(widths) < 1 or max(widths) > MODEL_TENSOR_VALUES_MAX:
        allowed = f"two or more, each from 1 to {MODEL_TENSOR_VALUES_MAX}"
        raise ModelError(f"network: widths {list(widths)} (allowed: {allowed})")
    layers, names, steepnesses, at = list[Dense](), list[str](), list[float](), widths[0]
    for before, units in pairwise(widths):
        is_last = len(layers) == len(widths) - 2
        name, steepness = _known(output if is_last else hidden)
        layers.append(Dense(at - before, before, at, units))
        names += [name] * units
        steepnesses += [steepness] * units
        at += units
    return Shape(widths[0], tuple(layers), tuple(names), tuple(steepnesses))


def _known(name: str) -> tuple[str, float]:
    if name not in NAMES:
        why = "; it has no slope to train by" if name in SLOPELESS else ""
        raise ModelError(f"network: activation {name}{why} (allowed: {', '.join(NAMES)})")
    return _TFLITE.get(name, (name, STEEPNESS))


def spread(shape: Shape, layer: Dense) -> float:
    """How far from 0 the weights of a layer may begin, uniformly: Glorot and Bengio 2010, twice as far where a neuron
    is half as steep; for rectifiers He et al. 2015."""
    number = layer.at - shape.inputs
    if shape.activations[number].startswith("RELU"):
        return sqrt(6 / layer.depth)
    return sqrt(6 / (layer.depth + layer.units)) / (shape.steepnesses[number] or 1)


# -- FANN --------------------------------------------------------------------------------------------------------------


def from_net(net: Net) -> tuple[Shape, "array[float]", "array[float] | None"]:
    """Shape, parameters, and where a sparse network has connections: 1, else 0; None where it has all."""
    numbers = _numbers(net)
    layers, neurons, before = [], list[Neuron](), 0
    for index, (start, members) in enumerate(net.layers()):
        own = [neuron for neuron in members if neuron.sources]
        if index:
            at = net.inputs + len(neurons)
            first = 0 if net.is_shortcut else before
            layers.append(Dense(first, at - first, at, len(own)))
        before, neurons = numbers[start], neurons + own
    names = tuple(ACTIVATIONS[neuron.activation] for neuron in neurons)
    shape = Shape(net.inputs, tuple(layers), names, tuple(neuron.steepness for neuron in neurons))
    weights, mask = array("f", bytes(4 * shape.parameters)), array("f", bytes(4 * shape.parameters))
    for neuron, places in zip(neurons, _places(shape, numbers, neurons), strict=True):
        for place, weight in zip(places, neuron.weights, strict=True):
            weights[place] += weight
            mask[place] = 1
    return shape, weights, None if all(mask) else mask


def with_weights(net: Net, weights: "array[float]") -> Net:
    """The same network with other parameters. A connection that is there twice holds its sum once."""
    shape, _, _ = from_net(net)
    numbers = _numbers(net)
    own = [neuron for neuron in net.neurons if neuron.sources]
    places = iter(_places(shape, numbers, own))
    neurons = []
    for neuron in net.neurons:
        if neuron.sources:
            taken: dict[int, float] = {}
            row = next(places)
            values = tuple(0.0 if place in taken else taken.setdefault(place, weights[place]) for place in row)
            neurons.append(neuron._replace(weights=values))
        else:
            neurons.append(neuron)
    return net._replace(neurons=tuple(neurons))


def to_net(shape: Shape, weights: "array[float]", settings: Mapping[str, Setting] = DEFAULTS) -> Net:
    """A network of FANN, layered or shortcut. Raises ModelError for activations that FANN lacks."""
    check_fann(shape)
    bias = not shape.is_shortcut  # of its own in each layer
    sizes = (shape.inputs + 1, *(layer.units + bias for layer in shape.layers))
    neurons, before = [Neuron(0, 0.0, (), ())] * sizes[0], 0
    kinds = iter(zip(shape.activations, shape.steepnesses, strict=True))
    for layer, size in zip(shape.layers, sizes, strict=False):
        sources = tuple(range(before, before + size)) if bias else tuple(range(len(neurons)))
        before += size
        for name, steepness in (next(kinds) for _ in range(layer.units)):
            number = fann.ACTIVATIONS.index("LINEAR" if name == "NONE" else name)
            neurons.append(Neuron(number, steepness, sources, (0.0,) * len(sources)))
        neurons += [Neuron(0, 0.0, (), ())] * bias
    kind = {"num_layers": len(sizes), "network_type": SHORTCUT if shape.is_shortcut else LAYERED}
    return with_weights(Net({**settings, **kind}, sizes, tuple(neurons)), weights)


def check_fann(shape: Shape) -> None:
    """Raises ModelError for activations that FANN lacks."""
    if lacking := sorted({name for name in shape.activations if name not in (*fann.ACTIVATIONS, "NONE")}):
        raise ModelError(f"network: FANN has no {', '.join(lacking)} (allowed: {', '.join(fann.ACTIVATIONS)})")


def _numbers(net: Net) -> list[int]:
    """The number of each neuron's value; of a bias -1."""
    numbers, next_one = [], 0
    for place, neuron in enumerate(net.neurons):
        is_value = place < net.inputs or bool(neuron.sources)
        numbers.append(next_one if is_value else -1)
        next_one += is_value
    return numbers


def _places(shape: Shape, numbers: Sequence[int], neurons: Sequence[Neuron]) -> Iterator[list[int]]:
    """For each neuron, where among the parameters each of its connections is."""
    rest = iter(neurons)
    for start, layer in shape.starts():
        for unit in range(layer.units):
            bias = start + layer.units * layer.depth + unit
            row = start + unit * layer.depth - layer.first
            yield [bias if numbers[source] < 0 else row + numbers[source] for source in next(rest).sources]


# -- layers ------------------------------------------------------------------------------------------------------------


def to_layers(shape: Shape, weights: "array[float]") -> list[Layer]:
    """The same answers as layers that can be exported to `.tflite`. Raises ModelError for what has no counterpart."""
    check_tflite(shape)
    result = []
    for start, layer in shape.starts():
        tflite, steepness = _LAYERS[shape.activation(layer)]
        factor = shape.steepnesses[layer.at - shape.inputs] / steepness
        middle, end = start + layer.units * layer.depth, start + layer.parameters
        result.append(
            Layer([w * factor for w in weights[start:middle]], [b * factor for b in weights[middle:end]], tflite)
        )
    return result


def check_tflite(shape: Shape) -> None:
    """Raises ModelError for what has no counterpart in TensorFlow Lite."""
    if shape.is_shortcut:
        raise ModelError("network: shortcut connections (allowed: layered networks)")
    for layer in shape.layers:
        name = shape.activation(layer)
        if name not in _LAYERS:
            raise ModelError(f"network: TensorFlow Lite has no {name} (allowed: {', '.join(_LAYERS)})")


def from_layers(layers: Sequence[Layer]) -> tuple[Shape, "array[float]"]:
    """Shape and parameters of layers, as `mlp.check` allows them."""
    inputs = layers[0].inputs
    dense, names, steepnesses, weights, at = [], list[str](), list[float](), array("f"), inputs
    for layer in layers:
        name, steepness = _TFLITE[layer.activation]
        dense.append(Dense(at - layer.inputs, layer.inputs, at, layer.outputs))
        names += [name] * layer.outputs
        steepnesses += [steepness] * layer.outputs
        at += layer.outputs
        weights.extend(layer.weights)
        weights.extend(layer.biases)
    return Shape(inputs, tuple(dense), tuple(names), tuple(steepnesses)), weights
