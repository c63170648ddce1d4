"""Cascade-correlation (Fahlman and Lebiere 1990): a network that grows, neuron by neuron, until it is good enough.

Outputs alone are trained, on inputs and on what the neurons so far make of them. Where that leads no further, a pool of
candidates is trained to go along with what is still wrong; the best of them is frozen and is one more input; and so on.
What comes out is a shortcut network: every neuron takes all values before it.
"""

import struct
from array import array
from collections.abc import Iterator
from math import inf, isfinite
from typing import Any, Final, NamedTuple

from edge.nn import _kernels
from edge.nn.errors import DivergedError, ModelError
from edge.nn.fann_data import Data
from edge.nn.kernels import Memory
from edge.nn.train import RULES, Columns, Perceptron, Rule, Trainer, bound, fields, floats
from edge.nn.trainable import ACTIVATIONS, Dense, Shape, layered, spread

_lib, _ffi = _kernels.lib, _kernels.ffi
_FLOAT: Final = 4

POOL: Final = tuple(
    (name, steepness)
    for name in ("SIGMOID_SYMMETRIC", "GAUSSIAN_SYMMETRIC", "ELLIOT_SYMMETRIC", "SIN_SYMMETRIC")
    for steepness in (0.5, 1.0)
)
"""Activations of candidates, of FANN's default pool the symmetric ones."""
EPOCHS_MAX: Final = 150
PATIENCE: Final = 12
CHANGE: Final = 0.01
"""Training of outputs or candidates ends after EPOCHS_MAX, or where PATIENCE epochs have changed by less than CHANGE
what they make small or large: as in libfann."""


class Growth(NamedTuple):
    """How far it is; outputs are trained, and no candidate is."""

    neurons: int
    epochs: int
    """Of outputs and candidates together."""
    loss: float
    """The mean of an output."""


class _Network(NamedTuple):
    """Frozen neurons, each (activation, steepness, weights and bias), and the parameters of the outputs over all."""

    hidden: "tuple[tuple[str, float, array[float]], ...]"
    outputs: "array[float]"


class Cascade:
    """One network that grows on one training set."""

    def __init__(
        self, data: Data, output: str, loss: str, *, neurons_max: int = 30, groups: int = 2, seed: int = 0,
        rule: Rule = RULES["irprop"], pool: tuple[tuple[str, float], ...] = POOL,
    ):  # fmt: skip
        """`groups`: how often each activation of the pool is tried at once, from other weights."""
        if rule.batch not in (0, data.rows):
            raise ModelError(f"cascade: {rule.batch} rows to a step (allowed: all)")
        self.columns = Columns(data, neurons_max)
        self._inputs, self._neurons_max, self._rule = data.inputs, neurons_max, rule
        self._kinds = pool * groups
        self._output, self._loss = output, loss
        self._chance = _ffi.new("uint64_t *", seed)
        self._residual = Memory(self.columns.column_bytes * data.outputs)
        shape = layered([data.inputs, data.outputs], output, output)
        self._network = _Network((), Perceptron(shape, loss).first_weights(seed))
        self._epochs = 0

    def grow(self) -> Iterator[Growth]:
        """After every training of the outputs; ends where `neurons_max` are there. Raises DivergedError."""
        while True:
            loss = self._train_outputs()
            yield Growth(len(self._network.hidden), self._epochs, loss)
            if len(self._network.hidden) == self._neurons_max:
                return
            self._add()

    @property
    def shape(self) -> Shape:
        hidden, inputs, outputs = self._network.hidden, self._inputs, self.columns.outputs
        layers = [Dense(0, inputs + place, inputs + place, 1) for place in range(len(hidden))]
        last = inputs + len(hidden)
        names, steepnesses = [name for name, _, _ in hidden], [steepness for _, steepness, _ in hidden]
        top = layered([last, outputs], self._output, self._output)
        return Shape(
            inputs,
            (*layers, Dense(0, last, last, outputs)),
            (*names, *top.activations),
            (*steepnesses, *top.steepnesses),
        )

    @property
    def weights(self) -> "array[float]":
        """All parameters, as `shape` wants them."""
        result = array("f")
        for _, _, own in self._network.hidden:
            result.extend(own)
        result.extend(self._network.outputs)
        return result

    def _outputs(self) -> Perceptron:
        """The outputs alone, which take everything before them for inputs."""
        return Perceptron(layered([self.columns.inputs, self.columns.outputs], self._output, self._output), self._loss)

    def _train_outputs(self) -> float:
        """The lowest loss that was reached, and those weights kept."""
        perceptron = self._outputs()
        trainer = Trainer(perceptron, self.columns, self._rule, self._network.outputs)
        best, patience = inf, Patience(-1)
        for _ in range(EPOCHS_MAX):
            loss = trainer.epoch()
            self._epochs += 1
            if loss < best:
                best = loss
                self._network = self._network._replace(outputs=trainer.kept)
            if patience.is_out(loss):
                break
        loss, _ = perceptron.test(trainer.weights, self.columns)
        if loss < best:
            best = loss
            self._network = self._network._replace(outputs=trainer.weights)
        return best

    def _add(self) -> None:
        """Train candidates, and let the best be one more neuron; outputs begin without it."""
        perceptron = self._outputs()
        outputs = _ffi.from_buffer("float[]", self._network.outputs)
        residual = floats(self._residual)
        _lib.syn_residuals(perceptron.handle, self.columns.handle, outputs, perceptron.scratch, residual)
        pool = Pool(self.columns, self._residual, self._kinds, self._rule, self._chance)
        patience = Patience(1)
        for _ in range(EPOCHS_MAX):
            self._epochs += 1
            if patience.is_out(pool.epoch()):
                break
        best = pool.best()
        depth, old = self.columns.inputs, self._network.outputs
        wider = array("f")
        for place in range(self.columns.outputs):
            wider.extend(old[place * depth : (place + 1) * depth])
            wider.append(0.0)
        wider.extend(old[self.columns.outputs * depth :])
        name, steepness = self._kinds[best]
        self.columns.append(pool.values(best))
        self._network = _Network((*self._network.hidden, (name, steepness, pool.weights(best))), wider)


class Patience:
    """Whether something has changed too little for too long; it should fall (direction -1) or rise (1)."""

    def __init__(self, direction: int):
        self._direction, self._epochs = direction, 0
        self._anchor: float | None = None

    def is_out(self, value: float) -> bool:
        self._epochs += 1
        if self._anchor is None or self._direction * (value - self._anchor) > CHANGE * abs(self._anchor):
            self._anchor, self._epochs = value, 0
        return self._epochs >= PATIENCE


class Pool:
    """Candidates for one neuron."""

    def __init__(
        self, columns: Columns, residual: Memory, kinds: tuple[tuple[str, float], ...], rule: Rule, chance: Any
    ):
        count, self._depth, self._columns = len(kinds), columns.inputs, columns
        parameters = count * (self._depth + 1)
        bound(4 * _FLOAT * parameters + 3 * count * columns.column_bytes)
        self.numbers = {name: Memory(_FLOAT * parameters) for name in ("weights", "gradient", "first", "second")}
        self.numbers |= {name: Memory(count * columns.column_bytes) for name in ("values", "slopes", "errors")}
        self.numbers["covariance"] = Memory(_FLOAT * count * columns.outputs)
        if rule.algorithm == "irprop":
            self.numbers["second"].write(0, struct.pack("<f", rule.step_first) * parameters)
        self._owners = (
            _ffi.new("uint32_t[]", [ACTIVATIONS.index(name) for name, _ in kinds]),
            _ffi.new("float[]", [steepness for _, steepness in kinds]), residual,
        )  # fmt: skip
        self._rule, self._step = _ffi.new("syn_rule *", fields(rule)), 0
        self.scores = _ffi.new("double[]", count)
        self._pool = _ffi.new("syn_candidates *")
        self._pool.units, self._pool.depth, self._pool.outputs = count, self._depth, columns.outputs
        self._pool.rows, self._pool.stride = columns.rows, columns.stride
        self._pool.activation, self._pool.steepness = self._owners[:2]
        self._pool.given, self._pool.residual = columns.handle.given, floats(residual)
        for name, memory in self.numbers.items():
            setattr(self._pool, name, floats(memory))
        for place, (name, steepness) in enumerate(kinds):
            wide = spread(
                Shape(self._depth, (one := Dense(0, self._depth, self._depth, 1),), (name,), (steepness,)), one
            )
            _lib.syn_uniform(chance, self._depth, wide, self._pool.weights + place * self._depth)

    def epoch(self) -> float:
        """The best score before the step."""
        self._step += 1
        _lib.syn_candidates_epoch(self._pool, self._rule, self._step, self.scores)
        return float(max(self.scores))

    def best(self) -> int:
        """The candidate with the highest score now. Raises DivergedError when none has a number."""
        _lib.syn_candidates_epoch(self._pool, _ffi.NULL, 0, self.scores)
        ordered = sorted((score, -place) for place, score in enumerate(self.scores) if isfinite(score))
        if not ordered:
            raise DivergedError("cascade: no candidate makes finite numbers; the network so far is kept")
        return -ordered[-1][1]

    def values(self, place: int) -> bytes:
        return self.numbers["values"].read(place * self._columns.column_bytes, self._columns.column_bytes)

    def weights(self, place: int) -> "array[float]":
        """Weights, then the bias."""
        memory, count = self.numbers["weights"], len(self.scores)
        row = memory.read(_FLOAT * place * self._depth, _FLOAT * self._depth)
        return array("f", row + memory.read(_FLOAT * (count * self._depth + place), _FLOAT))
