"""The door to the C of training: training sets in columns, rules, and one pass after another over a perceptron.

A call works without the GIL on memory that belongs to its objects: no two threads may use one trainer at once.
"""

import struct
from array import array
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final, NamedTuple

from edge.limits import TRAINING_BYTES_MAX
from edge.nn import _kernels
from edge.nn.errors import DivergedError, ModelError
from edge.nn.fann_data import Data
from edge.nn.kernels import PANEL, Memory
from edge.nn.trainable import ACTIVATIONS, NAMES, SLOPELESS, Shape, spread

_lib, _ffi = _kernels.lib, _kernels.ffi
_FLOAT: Final = 4

LOSSES: Final = ("squared", "atanh", "cross-entropy")
"""By the numbers of train.h. `atanh` is FANN's error function."""
ALGORITHMS: Final = ("irprop", "sgd", "adam", "quickprop")


class Rule(NamedTuple):
    """How a gradient becomes a step; what an algorithm does not use means nothing. Gradients are means over rows."""

    algorithm: str = "irprop"
    rate: float = 0.0
    momentum: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    increase: float = 1.2
    decrease: float = 0.5
    step_first: float = 0.1
    step_min: float = 1e-6
    step_max: float = 50.0
    growth: float = 1.75
    decay: float = 0.0
    batch: int = 0
    """Rows to a step; 0: all."""


RULES: Final[Mapping[str, Rule]] = {
    "irprop": Rule(),
    "sgd": Rule("sgd", rate=0.02, momentum=0.9, batch=32),
    "adam": Rule("adam", rate=0.01, batch=32),
    "quickprop": Rule("quickprop", rate=0.3, decay=-1e-7, step_max=10.0),
}
"""As each algorithm is used unless told otherwise. iRPROP-: the factors of its paper, steps as in libfann."""


class Columns:
    """A training set as the kernels take it, with room for more inputs that are computed from those."""

    def __init__(self, data: Data, room: int = 0):
        self.rows, self.inputs, self.outputs = data.rows, data.inputs, data.outputs
        self.stride = -(-data.rows // PANEL) * PANEL
        bound(_FLOAT * self.stride * (data.inputs + room + data.outputs))
        self._given = self._columns(data.inputs + room, data.inputs, data.given)
        self._wanted = self._columns(data.outputs, data.outputs, data.wanted)
        self._set = _ffi.new("syn_columns *")
        self._set.rows, self._set.stride = self.rows, self.stride
        self._set.given, self._set.wanted = floats(self._given), floats(self._wanted)

    @property
    def handle(self) -> Any:
        """For the C side."""
        return self._set

    @property
    def column_bytes(self) -> int:
        """Of one column, its padding included."""
        return _FLOAT * self.stride

    def append(self, column: bytes) -> None:
        """One more input, for which there is room."""
        self._given.write(self.column_bytes * self.inputs, column)
        self.inputs += 1

    def _columns(self, room: int, width: int, numbers: "array[float]") -> Memory:
        memory = Memory(self.column_bytes * room)
        _lib.syn_columns_of(self.rows, width, self.stride, _ffi.from_buffer("float[]", numbers), floats(memory))
        return memory


class Perceptron:
    """A shape as the kernels take it, the loss it is judged by, and room to compute in."""

    def __init__(self, shape: Shape, loss: str = "squared"):
        check_loss(shape, loss)
        bound(_FLOAT * 6 * shape.parameters)
        self.shape, self.loss = shape, loss
        numbers = [ACTIVATIONS.index(name) for name in shape.activations]
        self._activations = _ffi.new("uint32_t[]", numbers)
        self._steepnesses = _ffi.new("float[]", list(shape.steepnesses))
        self._layers = _ffi.new("syn_dense[]", [(*layer, start) for start, layer in shape.starts()])
        self._mlp = _ffi.new("syn_mlp *")
        self._mlp.layers, self._mlp.layers_count = self._layers, len(shape.layers)
        self._mlp.inputs, self._mlp.values, self._mlp.outputs = shape.inputs, shape.values, shape.outputs
        self._mlp.parameters, self._mlp.loss = shape.parameters, LOSSES.index(loss)
        self._mlp.activation, self._mlp.steepness = self._activations, self._steepnesses
        room = _FLOAT * _lib.syn_train_scratch_floats(self._mlp)
        bound(_FLOAT * 6 * shape.parameters + room)
        self._scratch = Memory(room)

    @property
    def handle(self) -> Any:
        """For the C side."""
        return self._mlp

    @property
    def scratch(self) -> Any:
        return floats(self._scratch)

    def first_weights(self, seed: int) -> "array[float]":
        """At random, as wide as the layers ask for; biases 0."""
        state = _ffi.new("uint64_t *", seed)
        weights = array("f", bytes(_FLOAT * self.shape.parameters))
        view = _ffi.from_buffer("float[]", weights)
        for start, layer in self.shape.starts():
            _lib.syn_uniform(state, layer.depth * layer.units, spread(self.shape, layer), view + start)
        return weights

    def gradient(self, weights: "array[float]", columns: Columns) -> tuple[float, "array[float]"]:
        """Loss and its gradient, summed over rows and outputs."""
        self._fits(columns, weights)
        result = array("f", bytes(_FLOAT * self.shape.parameters))
        given, out = _ffi.from_buffer("float[]", weights), _ffi.from_buffer("float[]", result)
        loss = _lib.syn_train_gradient(self._mlp, columns.handle, given, 0, _ffi.NULL, columns.rows, out, self.scratch)
        return float(loss), result

    def answers(self, weights: "array[float]", columns: Columns) -> "array[float]":
        """[rows][outputs], in float32 as training computes them."""
        self._fits(columns, weights)
        result = array("f", bytes(_FLOAT * columns.rows * self.shape.outputs))
        given, out = _ffi.from_buffer("float[]", weights), _ffi.from_buffer("float[]", result)
        _lib.syn_train_answers(self._mlp, columns.handle, given, self.scratch, out)
        return result

    def test(self, weights: "array[float]", columns: Columns, middle: float = 0.0) -> tuple[float, float]:
        """The mean loss of an output, and the share of rows that are answered wrongly: of several outputs another than
        is wanted is the largest, a single one is on the other side of `middle`."""
        self._fits(columns, weights)
        wrong = _ffi.new("uint32_t *")
        given = _ffi.from_buffer("float[]", weights)
        loss = _lib.syn_train_test(self._mlp, columns.handle, given, middle, self.scratch, wrong)
        return loss / (columns.rows * columns.outputs), wrong[0] / columns.rows

    def _fits(self, columns: Columns, weights: "array[float]") -> None:
        check_widths(self.shape, columns)
        assert len(weights) == self.shape.parameters


class Numbers:
    """What a training keeps for each parameter, as it begins."""

    def __init__(self, rule: Rule, weights: "array[float]"):
        count = len(weights)
        self._memory = {name: Memory(_FLOAT * count) for name in ("weights", "gradient", "first", "second", "kept")}
        for name in ("weights", "kept"):
            self._memory[name].write(0, weights.tobytes())
        if rule.algorithm == "irprop":
            self._memory["second"].write(0, struct.pack("<f", rule.step_first) * count)

    def into(self, training: Any) -> Any:
        """The struct of the C side, with its places."""
        for name, memory in self._memory.items():
            setattr(training, name, floats(memory))
        return training

    def copy(self, name: str) -> "array[float]":
        return array("f", self._memory[name].read(0, self._memory[name].size))


class Training:
    """A network on its way, epoch by epoch. Who makes one sets `_training`, the struct of the C side's epoch."""

    _training: Any

    def __init__(self, epoch: Callable[[Any], float], numbers: Numbers, judged: int, hint: str):
        """`judged`: outputs that an epoch's loss is the sum over. `hint`: what else may help when numbers diverge."""
        self._epoch, self._numbers, self._judged, self._hint = epoch, numbers, judged, hint
        self.epochs = 0
        """Done so far."""

    @property
    def weights(self) -> "array[float]":
        """A copy."""
        return self._numbers.copy("weights")

    @property
    def kept(self) -> "array[float]":
        """The weights before the last epoch, which its loss is of when the whole set makes one step."""
        return self._numbers.copy("kept")

    def epoch(self) -> float:
        """One pass over the set; the mean loss of an output. Raises DivergedError when it is not finite, and keeps the
        weights with which everything was."""
        loss = float(self._epoch(self._training))
        if not isfinite(loss):
            raise DivergedError(
                f"epoch {self.epochs + 1} made numbers that are not finite; the weights of epoch {self.epochs} "
                f"are kept (allowed: finite; a lower rate or {self._hint} may help)"
            )
        self.epochs += 1
        return loss / self._judged


class Trainer(Training):
    """Of a perceptron. Raises ModelError when shape, loss and set do not fit together."""

    def __init__(
        self, perceptron: Perceptron, columns: Columns, rule: Rule, weights: "array[float]", *, seed: int = 0,
        mask: "array[float] | None" = None,
    ):  # fmt: skip
        check_widths(perceptron.shape, columns)
        check_slopes(perceptron.shape)
        count = perceptron.shape.parameters
        assert len(weights) == count and (mask is None or len(mask) == count)
        self._owners = perceptron, columns, _ffi.new("syn_rule *", fields(rule))
        judged = columns.rows * columns.outputs
        super().__init__(_lib.syn_train_epoch, Numbers(rule, weights), judged, "other inputs")
        self._training = self._numbers.into(_ffi.new("syn_training *"))
        self._training.mlp, self._training.set, self._training.rule = perceptron.handle, columns.handle, self._owners[2]
        self._training.scratch = perceptron.scratch
        self._mask = None if mask is None else _ffi.new("float[]", mask.tolist())
        self._training.mask = _ffi.NULL if self._mask is None else self._mask
        self._order = _ffi.new("uint32_t[]", list(range(columns.rows)))
        self._training.order, self._training.random = self._order, seed
        self._training.batch = rule.batch or columns.rows


def check_loss(shape: Shape, loss: str) -> None:
    """Raises ModelError when this loss is not one of these outputs, or a softmax is not a whole layer."""
    if loss not in LOSSES:
        raise ModelError(f"training: loss {loss} (allowed: {', '.join(LOSSES)})")
    for layer in shape.layers:
        first = layer.at - shape.inputs
        names = shape.activations[first : first + layer.units]
        if "SOFTMAX" in names and len(set(names)) > 1:
            raise ModelError("network: SOFTMAX beside other activations in a layer (allowed: alone)")
    outputs = shape.activations[-shape.outputs :]
    if loss == "cross-entropy" and (wrong := [name for name in outputs if name not in ("SOFTMAX", "SIGMOID")]):
        raise ModelError(f"training: cross-entropy of {wrong[0]} outputs (allowed: SOFTMAX, SIGMOID or LOGISTIC)")


def check_slopes(shape: Shape) -> None:
    """Raises ModelError when a neuron cannot be trained."""
    if flat := sorted({name for name in shape.activations if name in SLOPELESS}):
        raise ModelError(f"network: {', '.join(flat)} has no slope to train by (allowed: {', '.join(NAMES)})")


def check_widths(shape: Shape, columns: Columns) -> None:
    if (columns.inputs, columns.outputs) != (shape.inputs, shape.outputs):
        raise ModelError(
            f"training set: {columns.inputs} inputs and {columns.outputs} outputs a row "
            f"(allowed: {shape.inputs} and {shape.outputs}, as the network has)"
        )


def fields(rule: Rule) -> dict[str, Any]:
    """For the C side. Raises ModelError for an algorithm that there is not."""
    if rule.algorithm not in ALGORITHMS:
        raise ModelError(f"training: algorithm {rule.algorithm} (allowed: {', '.join(ALGORITHMS)})")
    numbers = {name: getattr(rule, name) for name in rule._fields if name not in ("algorithm", "batch", "step_first")}
    return {"kind": ALGORITHMS.index(rule.algorithm), **numbers}


def floats(memory: Memory) -> Any:
    """For the C side."""
    return _ffi.cast("float *", memory.at)


def bound(size: int) -> None:
    """Raises ModelError when training would take more memory than it may."""
    if size > TRAINING_BYTES_MAX:
        raise ModelError(f"training: {size} bytes of memory (allowed: up to {TRAINING_BYTES_MAX})")


assert len(ACTIVATIONS) == _lib.SYN_ACTIVATIONS
assert len(LOSSES) == _lib.SYN_LOSSES
assert len(ALGORITHMS) == _lib.SYN_RULES
