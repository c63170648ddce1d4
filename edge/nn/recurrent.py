"""Trains a gated recurrent layer (GRU) with a perceptron behind it, on sequences, by truncated back-propagation through
time. A training set of sequences is one of rows: those of a sequence follow one another, and all have as many."""

from array import array
from collections.abc import Mapping
from math import sqrt
from typing import Any, Final, NamedTuple

from edge.nn import _kernels
from edge.nn.errors import ModelError
from edge.nn.fann_data import Data
from edge.nn.kernels import PANEL, Memory
from edge.nn.train import RULES, Numbers, Perceptron, Rule, Training, bound, check_slopes, fields, floats
from edge.nn.trainable import Shape

_lib, _ffi = _kernels.lib, _kernels.ffi
_FLOAT: Final = 4
STREAMS: Final[int] = _lib.SYN_STREAMS
"""Sequences that are computed at once."""
RECURRENT_RULES: Final[Mapping[str, Rule]] = {
    "irprop": RULES["irprop"]._replace(step_first=0.005),
    "sgd": RULES["sgd"]._replace(batch=8),
    "adam": RULES["adam"]._replace(batch=8),
    "quickprop": RULES["quickprop"],
}
"""As each algorithm is used unless told otherwise: first steps that throw no gate shut, few sequences to a step."""
REMEMBERS: Final = 1.0
"""What the gate that keeps the state begins with: three quarters of it are kept."""


class Recurrent(NamedTuple):
    """A layer of `units` over `inputs`, and what comes behind it, whose inputs are the units.

    Parameters, gates in the order z, r, n: weights of x [3 units][inputs], biases, weights of h [3 units][units],
    biases; then those of the head.
    """

    inputs: int
    units: int
    head: Shape

    @property
    def layer_parameters(self) -> int:
        return 3 * self.units * (self.inputs + self.units + 2)

    @property
    def parameters(self) -> int:
        return self.layer_parameters + self.head.parameters


class Sequences:
    """A training set as the kernels take it. Raises ModelError when its rows do not make whole sequences."""

    def __init__(self, data: Data, steps: int, skip: int = 0):
        """`skip`: steps at the beginning of each sequence that are not judged."""
        if steps < 1 or data.rows % steps:
            raise ModelError(
                f"training set: {data.rows} rows in sequences of {steps} (allowed: a whole number of them)"
            )
        if not 0 <= skip < steps:
            raise ModelError(f"training set: {skip} of {steps} steps not judged (allowed: 0 to {steps - 1})")
        self.sequences, self.steps, self.skip = data.rows // steps, steps, skip
        self.inputs, self.outputs = data.inputs, data.outputs
        self._stride = -(-self.sequences // PANEL) * PANEL
        bound(_FLOAT * self._stride * steps * (data.inputs + data.outputs))
        self._given, self._wanted = self._columns(data.inputs, data.given), self._columns(data.outputs, data.wanted)
        self._set = _ffi.new("syn_sequences *")
        self._set.sequences, self._set.steps = self.sequences, steps
        self._set.stride, self._set.skip = self._stride, skip
        self._set.given, self._set.wanted = floats(self._given), floats(self._wanted)

    @property
    def handle(self) -> Any:
        """For the C side."""
        return self._set

    @property
    def judged(self) -> int:
        """Outputs that are judged, of all sequences and steps."""
        return self.sequences * (self.steps - self.skip) * self.outputs

    def _columns(self, width: int, numbers: "array[float]") -> Memory:
        memory = Memory(_FLOAT * self._stride * self.steps * width)
        given = _ffi.from_buffer("float[]", numbers)
        _lib.syn_sequences_of(self.sequences, self.steps, width, self._stride, given, floats(memory))
        return memory


class RecurrentNetwork:
    """A network as the kernels take it, the loss it is judged by, and room to compute `window` steps in."""

    def __init__(self, shape: Recurrent, loss: str, window: int):
        if window < 1:
            raise ModelError(f"training: errors go back {window} steps (allowed: 1 or more)")
        if shape.head.inputs != shape.units:
            raise ModelError(f"network: {shape.units} units before {shape.head.inputs} inputs (allowed: as many)")
        check_slopes(shape.head)
        bound(_FLOAT * 6 * shape.parameters)
        self.shape, self.window = shape, window
        self.head = Perceptron(shape.head, loss)
        self._gru = _ffi.new("syn_gru *")
        self._gru.inputs, self._gru.units, self._gru.parameters = shape.inputs, shape.units, shape.parameters
        self._gru.head = self.head.handle
        room = _FLOAT * _lib.syn_gru_scratch_floats(self._gru, window)
        bound(_FLOAT * 6 * shape.parameters + room)
        self._scratch = Memory(room)

    @property
    def handle(self) -> Any:
        """For the C side."""
        return self._gru

    @property
    def scratch(self) -> Any:
        return floats(self._scratch)

    @property
    def loss(self) -> str:
        return self.head.loss

    def first_weights(self, seed: int) -> "array[float]":
        """At random, as wide as the units ask for; biases 0, but what is remembered is remembered for long."""
        shape, state = self.shape, _ffi.new("uint64_t *", seed)
        weights = array("f", bytes(_FLOAT * shape.layer_parameters))
        view, gates = _ffi.from_buffer("float[]", weights), 3 * shape.units
        wide = 1 / sqrt(shape.units)
        _lib.syn_uniform(state, gates * shape.inputs, wide, view)
        _lib.syn_uniform(state, gates * shape.units, wide, view + gates * (shape.inputs + 1))
        bias = gates * shape.inputs
        weights[bias : bias + shape.units] = array("f", [REMEMBERS] * shape.units)
        del view  # or the array could not grow
        return weights + self.head.first_weights(state[0])

    def gradient(self, weights: "array[float]", sequences: Sequences) -> tuple[float, "array[float]"]:
        """Loss and its gradient, summed over sequences, steps and outputs."""
        self.check(sequences)
        result = array("f", bytes(_FLOAT * self.shape.parameters))
        given, out = _ffi.from_buffer("float[]", weights), _ffi.from_buffer("float[]", result)
        loss = _lib.syn_gru_gradient(self._gru, sequences.handle, given, self.window, out, self.scratch)
        return float(loss), result

    def test(self, weights: "array[float]", sequences: Sequences, middle: float = 0.0) -> tuple[float, float]:
        """The mean loss of an output that is judged, and the share of steps that are answered wrongly, as
        `Perceptron.test` counts."""
        loss, wrong = self._asked(weights, sequences, middle, None)
        return loss / sequences.judged, wrong * sequences.outputs / sequences.judged

    def answers(self, weights: "array[float]", sequences: Sequences) -> "array[float]":
        """[sequences][steps][outputs]."""
        result = array("f", bytes(_FLOAT * sequences.sequences * sequences.steps * sequences.outputs))
        self._asked(weights, sequences, 0.0, result)
        return result

    def _asked(
        self, weights: "array[float]", sequences: Sequences, middle: float, answers: "array[float] | None"
    ) -> tuple[float, int]:
        self.check(sequences)
        wrong, given = _ffi.new("uint32_t *"), _ffi.from_buffer("float[]", weights)
        out = _ffi.NULL if answers is None else _ffi.from_buffer("float[]", answers)
        loss = _lib.syn_gru_test(self._gru, sequences.handle, given, middle, self.scratch, wrong, out)
        return float(loss), int(wrong[0])

    def check(self, sequences: Sequences) -> None:
        """Raises ModelError when a set is not this network's."""
        if (sequences.inputs, sequences.outputs) != (self.shape.inputs, self.shape.head.outputs):
            raise ModelError(
                f"training set: {sequences.inputs} inputs and {sequences.outputs} outputs a step "
                f"(allowed: {self.shape.inputs} and {self.shape.head.outputs}, as the network has)"
            )


class RecurrentTrainer(Training):
    """Of a network that remembers, as `Trainer` is for perceptrons. A rule's `batch` counts sequences."""

    def __init__(
        self, network: RecurrentNetwork, sequences: Sequences, rule: Rule, weights: "array[float]", *, seed: int = 0
    ):
        network.check(sequences)
        if rule.batch > STREAMS and rule.batch < sequences.sequences:
            raise ModelError(f"training: {rule.batch} sequences to a step (allowed: 1 to {STREAMS}, or 0 for all)")
        assert len(weights) == network.shape.parameters
        self._owners = network, sequences, _ffi.new("syn_rule *", fields(rule))
        super().__init__(_lib.syn_gru_epoch, Numbers(rule, weights), sequences.judged, "shorter windows")
        self._training = self._numbers.into(_ffi.new("syn_gru_training *"))
        self._training.gru, self._training.set, self._training.rule = network.handle, sequences.handle, self._owners[2]
        self._order = _ffi.new("uint32_t[]", list(range(sequences.sequences)))
        self._training.order, self._training.random, self._training.scratch = self._order, seed, network.scratch
        self._training.batch, self._training.window = rule.batch or sequences.sequences, network.window
