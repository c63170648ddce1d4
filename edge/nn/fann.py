"""Reads and writes networks of the FANN library: `.net` of FANN_FLO_2.1.

A `.net` is text: settings, one to a line, in one order, then all neurons and all connections. Every layer of a layered
network ends with a bias neuron that has no inputs, the last one too; a shortcut network has one bias, in its first
layer, and connects every neuron with all before it. What libfann wrote is written again byte by byte.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from math import isfinite
from typing import Final, NamedTuple

from edge.limits import MODEL_FILE_BYTES_MAX
from edge.nn.errors import ModelError
from edge.nn.mlp import FLOAT32_MAX

VERSION: Final = "FANN_FLO_2.1"
LAYERED, SHORTCUT = 0, 1
WHOLE_MAX: Final = 2**32 - 1
ACTIVATIONS: Final = (
    "LINEAR", "THRESHOLD", "THRESHOLD_SYMMETRIC", "SIGMOID", "SIGMOID_STEPWISE", "SIGMOID_SYMMETRIC",
    "SIGMOID_SYMMETRIC_STEPWISE", "GAUSSIAN", "GAUSSIAN_SYMMETRIC", "GAUSSIAN_STEPWISE", "ELLIOT", "ELLIOT_SYMMETRIC",
    "LINEAR_PIECE", "LINEAR_PIECE_SYMMETRIC", "SIN_SYMMETRIC", "COS_SYMMETRIC", "SIN", "COS",
)  # fmt: skip
"""By number, as libfann 2.2 has them."""

_REAL, _WHOLE, _EXACT = "%f", "%u", "%.20e"
_SETTINGS: Final = {
    "num_layers": _WHOLE, "learning_rate": _REAL, "connection_rate": _REAL, "network_type": _WHOLE,
    "learning_momentum": _REAL, "training_algorithm": _WHOLE, "train_error_function": _WHOLE,
    "train_stop_function": _WHOLE, "cascade_output_change_fraction": _REAL, "quickprop_decay": _REAL,
    "quickprop_mu": _REAL, "rprop_increase_factor": _REAL, "rprop_decrease_factor": _REAL, "rprop_delta_min": _REAL,
    "rprop_delta_max": _REAL, "rprop_delta_zero": _REAL, "cascade_output_stagnation_epochs": _WHOLE,
    "cascade_candidate_change_fraction": _REAL, "cascade_candidate_stagnation_epochs": _WHOLE,
    "cascade_max_out_epochs": _WHOLE, "cascade_min_out_epochs": _WHOLE, "cascade_max_cand_epochs": _WHOLE,
    "cascade_min_cand_epochs": _WHOLE, "cascade_num_candidate_groups": _WHOLE, "bit_fail_limit": _EXACT,
    "cascade_candidate_limit": _EXACT, "cascade_weight_multiplier": _EXACT,
}  # fmt: skip
_LISTS: Final = {"cascade_activation_functions": _WHOLE, "cascade_activation_steepnesses": _EXACT}
"""Each after a line with its count."""
_SCALES: Final = tuple(
    f"scale_{what}_{side}" for side in ("in", "out") for what in ("mean", "deviation", "new_min", "factor")
)
_NEURONS: Final = "neurons (num_inputs, activation_function, activation_steepness)"
_CONNECTIONS: Final = "connections (connected_to_neuron, weight)"

NUMBER: Final = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
WHOLE_NUMBER: Final = r"\d{1,10}"
_ONE: Final = {
    _REAL: re.compile(NUMBER, re.ASCII),
    _EXACT: re.compile(NUMBER, re.ASCII),
    _WHOLE: re.compile(WHOLE_NUMBER, re.ASCII),
}
_NEURON: Final = re.compile(rf"\(({WHOLE_NUMBER}), ({WHOLE_NUMBER}), ({NUMBER})\) ?", re.ASCII)
_CONNECTION: Final = re.compile(rf"\(({WHOLE_NUMBER}), ({NUMBER})\) ?", re.ASCII)

DEFAULTS: Final[Mapping[str, "Setting"]] = {
    "num_layers": 0, "learning_rate": 0.7, "connection_rate": 1.0, "network_type": LAYERED, "learning_momentum": 0.0,
    "training_algorithm": 2, "train_error_function": 1, "train_stop_function": 0,
    "cascade_output_change_fraction": 0.01, "quickprop_decay": -0.0001, "quickprop_mu": 1.75,
    "rprop_increase_factor": 1.2, "rprop_decrease_factor": 0.5, "rprop_delta_min": 0.0, "rprop_delta_max": 50.0,
    "rprop_delta_zero": 0.1, "cascade_output_stagnation_epochs": 12, "cascade_candidate_change_fraction": 0.01,
    "cascade_candidate_stagnation_epochs": 12, "cascade_max_out_epochs": 150, "cascade_min_out_epochs": 50,
    "cascade_max_cand_epochs": 150, "cascade_min_cand_epochs": 50, "cascade_num_candidate_groups": 2,
    "bit_fail_limit": 3.49999994039535522461e-01, "cascade_candidate_limit": 1000.0,
    "cascade_weight_multiplier": 4.00000005960464477539e-01,
    "cascade_activation_functions": (3, 5, 7, 8, 10, 11, 14, 15, 16, 17),
    "cascade_activation_steepnesses": (0.25, 0.5, 0.75, 1.0),
}  # fmt: skip
"""What libfann 2.2 writes for a new network; num_layers is the network's own."""

Setting = float | int | tuple[float, ...] | tuple[int, ...]


class Neuron(NamedTuple):
    """One without sources is an input or a bias."""

    activation: int
    steepness: float
    sources: tuple[int, ...]
    """Neurons of earlier layers, counted over the whole network."""
    weights: tuple[float, ...]


class Net(NamedTuple):
    """A network as its file has it."""

    settings: Mapping[str, Setting]
    """In the order of the file: how it was or will be trained. `scale_…` are there when the network has scaling."""
    layer_sizes: tuple[int, ...]
    """Biases included, as in the file."""
    neurons: tuple[Neuron, ...]

    @property
    def is_shortcut(self) -> bool:
        return self.settings["network_type"] == SHORTCUT

    @property
    def inputs(self) -> int:
        return self.layer_sizes[0] - 1

    @property
    def outputs(self) -> int:
        return self.layer_sizes[-1] - (not self.is_shortcut)

    def layers(self) -> Iterator[tuple[int, tuple[Neuron, ...]]]:
        """Where each layer begins, and its neurons."""
        for end, size in zip(accumulate(self.layer_sizes), self.layer_sizes, strict=True):
            yield end - size, self.neurons[end - size : end]


def read_net(data: bytes, path: str = "") -> Net:
    """Raises ModelError naming the file, the line, what is wrong and what is allowed."""
    lines = _Lines(data, path)
    settings: dict[str, Setting] = {name: lines.number(name, form) for name, form in _SETTINGS.items()}
    for name, form in _LISTS.items():
        count = lines.number(f"{name}_count", _WHOLE)
        settings[name] = lines.numbers(name, form, int(count))
    sizes = tuple(int(size) for size in lines.numbers("layer_sizes", _WHOLE, int(settings["num_layers"])))  # type: ignore[arg-type]
    if settings["network_type"] not in (LAYERED, SHORTCUT):
        raise lines.fault(f"network_type {settings['network_type']} (allowed: {LAYERED} layered, {SHORTCUT} shortcut)")
    if len(sizes) < 2 or min(sizes) < 1 or sizes[0] < 2:
        raise lines.fault(f"layer sizes {list(sizes)} (allowed: two or more layers, each of one or more)")
    if lines.number("scale_included", _WHOLE):
        outputs = sizes[-1] - (settings["network_type"] == LAYERED)
        for name in _SCALES:
            settings[name] = lines.numbers(name, _REAL, sizes[0] - 1 if name.endswith("_in") else outputs)
    heads = lines.groups(_NEURONS, _NEURON)
    connections = lines.groups(_CONNECTIONS, _CONNECTION)
    if lines.more():
        raise lines.fault("something behind the connections (allowed: nothing)")
    net = Net(settings, sizes, _joined(lines, heads, connections))
    _check(lines, net)
    return net


def write_net(net: Net) -> bytes:
    """The file. Same network, same bytes."""
    lines = [VERSION, *(f"{name}={form % net.settings[name]}" for name, form in _SETTINGS.items())]
    for name, form in _LISTS.items():
        values = net.settings[name]
        assert isinstance(values, tuple)
        lines += [f"{name}_count={len(values)}", f"{name}={_spaced(form, values)}"]
    lines += [f"layer_sizes={_spaced(_WHOLE, net.layer_sizes)}"]
    scales = {name: values for name, values in net.settings.items() if name in _SCALES and isinstance(values, tuple)}
    lines += [f"scale_included={int(bool(scales))}", *(f"{name}={_spaced(_REAL, scales[name])}" for name in scales)]
    heads = (f"({len(one.sources)}, {one.activation}, {_EXACT % one.steepness}) " for one in net.neurons)
    pairs = (
        f"({source}, {_EXACT % weight}) "
        for one in net.neurons
        for source, weight in zip(one.sources, one.weights, strict=True)
    )
    lines += [f"{_NEURONS}={''.join(heads)}", f"{_CONNECTIONS}={''.join(pairs)}", ""]
    return "\n".join(lines).encode()


def _spaced(form: str, values: tuple[float, ...]) -> str:
    return "".join(f"{form % value} " for value in values)


class _Lines:
    """The file line by line, each expected by name."""

    def __init__(self, data: bytes, path: str):
        self._path, self._line = path, 1
        if len(data) > MODEL_FILE_BYTES_MAX:
            raise self.fault(f"{len(data)} bytes (allowed: up to {MODEL_FILE_BYTES_MAX})")
        head, _, rest = data.partition(b"\n")
        if head.rstrip(b"\r") != VERSION.encode():
            raise self.fault(f"begins with {head[:24]!r} (allowed: {VERSION})")
        self._lines = iter(rest.decode("ascii", "backslashreplace").split("\n"))

    def fault(self, what: str) -> ModelError:
        return ModelError(f"network {self._path}: line {self._line}: {what}")

    def more(self) -> bool:
        return any(line.strip() for line in self._lines)

    def text(self, name: str) -> str:
        """What stands behind `name=`."""
        self._line += 1
        found, is_there, value = next(self._lines, "").partition("=")
        if not is_there or found != name:
            raise self.fault(f"is {found[:40]!r} (allowed: {name}=…)")
        return value.strip()

    def number(self, name: str, form: str) -> float | int:
        return self._one(name, self.text(name), form)

    def numbers(self, name: str, form: str, count: int) -> tuple[float, ...]:
        words = self.text(name).split()
        if len(words) != count:
            raise self.fault(f"{name} of {len(words)} numbers (allowed: {count})")
        return tuple(self._one(name, word, form) for word in words)

    def groups(self, name: str, form: "re.Pattern[str]") -> list[tuple[str, ...]]:
        """All `(…) ` of a line, and nothing else."""
        text, at, found = self.text(name), 0, []
        while at < len(text):
            match = form.match(text, at)
            if match is None:
                raise self.fault(f"{name} has {text[at : at + 40]!r} at letter {at} (allowed: groups of numbers)")
            found.append(match.groups())
            at = match.end()
        return found

    def finite(self, what: str, word: str) -> float:
        value = float(word)
        if not isfinite(value) or abs(value) > FLOAT32_MAX:
            raise self.fault(f"{what} {word} (allowed: finite float32)")
        return value

    def _one(self, name: str, word: str, form: str) -> float | int:
        if not _ONE[form].fullmatch(word):
            raise self.fault(f"{name} is {word[:40]!r} (allowed: a {'whole ' if form == _WHOLE else ''}number)")
        if form != _WHOLE:
            return self.finite(name, word)
        if int(word) > WHOLE_MAX:
            raise self.fault(f"{name} is {word} (allowed: up to {WHOLE_MAX})")
        return int(word)


def _joined(lines: _Lines, heads: list[tuple[str, ...]], connections: list[tuple[str, ...]]) -> tuple[Neuron, ...]:
    """Neurons with their connections, which follow one another."""
    wanted = sum(int(count) for count, _, _ in heads)
    if wanted != len(connections):
        raise lines.fault(f"{len(connections)} connections (allowed: {wanted}, as the neurons say)")
    neurons, at = [], 0
    for count, activation, steepness in heads:
        own = connections[at : at + int(count)]
        at += int(count)
        sources, weights = (int(place) for place, _ in own), (lines.finite("weight", weight) for _, weight in own)
        neurons.append(Neuron(int(activation), lines.finite("steepness", steepness), tuple(sources), tuple(weights)))
    return tuple(neurons)


def _check(lines: _Lines, net: Net) -> None:
    """That the network feeds forward and is what its type and rate say: libfann trusts those and not the sources."""
    if len(net.neurons) != sum(net.layer_sizes):
        raise lines.fault(f"{len(net.neurons)} neurons (allowed: {sum(net.layer_sizes)}, as layer_sizes says)")
    is_full = net.settings["connection_rate"] >= 1  # type: ignore[operator]
    before = 0
    for number, (start, layer) in enumerate(net.layers()):
        for place, neuron in enumerate(layer, start):
            where = f"neuron {place} of layer {number}"
            is_bias = not net.is_shortcut and place == start + len(layer) - 1
            if neuron.activation >= len(ACTIVATIONS):
                raise lines.fault(f"{where}: activation {neuron.activation} (allowed: 0 to {len(ACTIVATIONS) - 1})")
            first = 0 if net.is_shortcut else before
            wanted = range(0) if number == 0 or is_bias else range(first, start)
            if is_full or not wanted:
                is_right = neuron.sources == tuple(wanted)
            else:
                is_right = bool(neuron.sources) and all(source in wanted for source in neuron.sources)
            if not is_right:
                said = f"{wanted[0]} to {wanted[-1]}" if wanted else "none"
                raise lines.fault(f"{where}: connected to {_few(neuron.sources)} (allowed: {said})")
        before = start


def _few(sources: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, sources[:8])) or "none"
    return f"{shown}, …" if len(sources) > 8 else shown
