"""One training from its beginning to what can be written: of a perceptron, or of one that grows."""

import time
from argparse import Namespace
from array import array
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Protocol

from edge.errors import UsageError
from edge.lab.progress import Bar
from edge.limits import MODEL_FILE_BYTES_MAX
from edge.nn.cascade import POOL, Cascade
from edge.nn.errors import DivergedError
from edge.nn.export import export_float32, export_int8
from edge.nn.fann import DEFAULTS, Net, read_net, write_net
from edge.nn.fann_data import Data, read_data
from edge.nn.fann_rules import loss_of, rule_of, settings_of
from edge.nn.task import NUMBERS, task_of
from edge.nn.train import RULES, Columns, Perceptron, Rule, Trainer
from edge.nn.trainable import (
    STEEPNESS,
    Shape,
    check_fann,
    check_tflite,
    from_net,
    layered,
    to_layers,
    to_net,
    with_weights,
)
from edge.shell.files import read_bounded

EPOCHS = 300
HIDDEN = (16,)
ACTIVATION = "TANH"
NEURONS = 30
POINTS = 200
"""Of the course, at most; the test set is asked at each."""
SHOWN_S = 0.1
CALIBRATION_ROWS_MAX = 1000


class Point(NamedTuple):
    """The course at one moment. Errors are shares of rows; None where nothing is tested, or nothing can be wrong."""

    epoch: int
    loss: float
    test_loss: float | None
    test_error: float | None


class Network(Protocol):
    """What can be judged; `rows` is a set in the form that it takes."""

    @property
    def loss(self) -> str: ...
    def test(self, weights: "array[float]", rows: Any, middle: float, /) -> tuple[float, float]: ...
    def answers(self, weights: "array[float]", rows: Any, /) -> "array[float]": ...


class Pupil(Protocol):
    """What is trained, epoch by epoch."""

    @property
    def weights(self) -> "array[float]": ...
    @property
    def kept(self) -> "array[float]": ...
    def epoch(self) -> float: ...


class Best(NamedTuple):
    """The network with the lowest loss so far."""

    epoch: int
    loss: float
    network: Network
    shape: Shape
    """Of its dense layers."""
    weights: "array[float]"


class Course:
    """What all trainings have: sets, the best network so far, and how it came to be."""

    rule: Rule
    algorithm: str
    steps, skip = 1, 0
    """Rows of a sequence, and how many at its beginning are not judged."""

    def __init__(self, args: Namespace):
        self.args = args
        self.data = read_set(args.data)
        self.test_data = read_set(args.test) if args.test else None
        self.test_set = self.as_set(self.test_data) if self.test_data else None
        self.task = task_of(self.data)
        self.output = args.output or self.task.output
        self.is_fann = args.out.suffix == ".net"
        if self.is_fann and self.output == "NONE":
            self.output = "LINEAR"
        self.best: Best | None = None
        self.points: list[Point] = []
        self.epochs = 0
        """Done so far."""

    def run(self, *, as_json: bool) -> tuple[str, DivergedError | None]:
        """Why it ended: `epochs`, `until`, `right`, `neurons`, `interrupted` or `diverged`."""
        bar = self._bar(as_json)
        try:
            return self._go(bar), None
        except KeyboardInterrupt:
            if self.best is None:
                raise
            return "interrupted", None
        except DivergedError as error:
            if self.best is None:
                raise
            return "diverged", error
        finally:
            bar.clear()

    def as_set(self, data: Data) -> Any:
        """A set in the form that the network takes."""
        return Columns(data)

    def content(self) -> bytes:
        """The best network as a file."""
        return write_net(self.net()) if self.is_fann else self.tflite()

    def net(self) -> Net:
        assert self.best is not None
        settings = {**DEFAULTS, **settings_of(self.rule, self.best.network.loss, self.data.rows)}
        return to_net(self.best.shape, self.best.weights, settings)

    def tflite(self) -> bytes:
        assert self.best is not None
        layers = to_layers(self.best.shape, self.best.weights)
        if not self.args.int8:
            return export_float32(layers, self.note)
        stride = -(-self.data.rows // CALIBRATION_ROWS_MAX)
        rows = [self.data.row(number)[0] for number in range(0, self.data.rows, stride)]
        return export_int8(layers, rows, self.note)

    @property
    def note(self) -> str:
        """For people who look into the file."""
        return f"trained on {self.args.data.name}"

    def judged(self, network: Network, weights: "array[float]", rows: Any) -> tuple[float, float | None]:
        """Loss and the share of wrong answers, None where nothing can be wrong."""
        loss, error = network.test(weights, rows, self.task.middle)
        return loss, None if self.task.kind == NUMBERS else error

    def figures(self) -> dict[str, Any]:
        assert self.best is not None
        network, weights = self.best.network, self.best.weights
        loss, error = self.judged(network, weights, self.as_set(self.data))
        tested = self._tested(network, weights)
        return {
            "algorithm": self.algorithm,
            "loss_kind": network.loss,
            "layers": self.widths(),
            "parameters": len(weights),
            "seed": self.args.seed,
            "epochs": self.epochs,
            "epoch_best": self.best.epoch,
            **self._timed(),
            "rows": self.data.rows,
            "loss": loss,
            "error": error,
            "test_rows": self.test_data.rows if self.test_data else None,
            "test_loss": tested[0],
            "test_error": tested[1],
        }

    def widths(self) -> list[int]:
        """Of all layers, the inputs first."""
        assert self.best is not None
        return [self.best.shape.inputs, *(layer.units for layer in self.best.shape.layers)]

    def _bar(self, as_json: bool) -> Bar:
        raise NotImplementedError

    def _go(self, bar: Bar) -> str:
        raise NotImplementedError

    def _timed(self) -> dict[str, Any]:
        return {}

    def _tested(self, network: Network, weights: "array[float]") -> tuple[float | None, float | None]:
        if self.test_set is None:
            return None, None
        loss, error = self.judged(network, weights, self.test_set)
        return loss if isfinite(loss) else None, error

    def _look(self, network: Network, weights: "array[float]", loss: float) -> None:
        self.points.append(Point(self.epochs, loss, *self._tested(network, weights)))

    def _said(self, loss: float) -> str:
        error = self.points[-1].test_error if self.points else None
        return f"loss {loss:.4g}" + (f", test error {error:.2%}" if error is not None else "")

    def _is_low(self, loss: float) -> bool:
        return self.args.until is not None and loss <= self.args.until

    def _loss(self, shape: Shape) -> str:
        """What the outputs ask for."""
        if self.args.loss:
            return str(self.args.loss)
        is_share = (self.task.low, self.task.high) == (0.0, 1.0)
        is_fit = set(shape.activations[-shape.outputs :]) <= {"SIGMOID", "SOFTMAX"}
        return "cross-entropy" if is_share and is_fit else "squared"

    def _given(self, rule: Rule) -> Rule:
        """With what the options say."""
        given = {name: getattr(self.args, name) for name in ("rate", "momentum", "batch")}
        return rule._replace(**{name: value for name, value in given.items() if value is not None})


class Stepwise(Course):
    """A network of a fixed shape, epoch by epoch."""

    def __init__(self, args: Namespace):
        super().__init__(args)
        if args.neurons is not None:
            raise UsageError("--neurons is for --algorithm cascade")
        self._whole = args.epochs or EPOCHS
        self._epoch_s: list[float] = []

    def begin(self, network: Network, shape: Shape, rows: Any, pupil: Pupil, *, is_whole: bool) -> None:
        """`is_whole`: all rows make one step, so an epoch's loss is that of the weights before it."""
        self._network, self._shape, self._rows, self._pupil, self._is_whole = network, shape, rows, pupil, is_whole
        self._tested(network, pupil.weights)  # raises when the test set does not fit

    def _bar(self, as_json: bool) -> Bar:
        return Bar(self._whole, as_json=as_json)

    def _go(self, bar: Bar) -> str:
        pupil, stride, shown_s = self._pupil, -(-self._whole // POINTS), 0.0
        for epoch in range(1, self._whole + 1):
            begun_s = time.perf_counter()
            loss = pupil.epoch()
            now_s = time.perf_counter()
            self.epochs = epoch
            self._epoch_s.append(now_s - begun_s)
            if self.best is None or loss < self.best.loss:
                # Of many steps an epoch has a loss on the way, which is as near as one gets.
                weights = pupil.kept if self._is_whole else pupil.weights
                self.best = Best(epoch - self._is_whole, loss, self._network, self._shape, weights)
            if epoch % stride == 0 or epoch in (1, self._whole) or self._is_low(loss):
                self._look(self._network, pupil.weights, loss)
            if now_s - shown_s > SHOWN_S:
                shown_s = now_s
                bar.show(epoch, self._said(loss))
            if self._is_low(loss):
                return "until"
        if self._is_whole:
            self._last()
        return "epochs"

    def _last(self) -> None:
        """The weights after the last step, of which no epoch has told the loss."""
        weights = self._pupil.weights
        loss, _ = self._network.test(weights, self._rows, 0.0)
        if self.best is not None and loss < self.best.loss:
            self.best = Best(self.epochs, loss, self._network, self._shape, weights)

    def _timed(self) -> dict[str, Any]:
        return {"epoch_ms": round(1000 * median(self._epoch_s), 3)}


class Fixed(Stepwise):
    """A perceptron of a given shape, or one that was trained before."""

    def __init__(self, args: Namespace):
        super().__init__(args)
        self._before = read_net(read_bounded(args.net, MODEL_FILE_BYTES_MAX), str(args.net)) if args.net else None
        weights: array[float] | None = None
        mask: array[float] | None = None
        if self._before is not None:
            shape, weights, mask = from_net(self._before)
            self.rule = self._given(rule_of(self._before.settings, args.algorithm, self.data.rows))
            loss = args.loss or loss_of(self._before.settings)
        else:
            shape = self._layered()
            self.rule = self._given(RULES[args.algorithm or "irprop"])
            loss = self._loss(shape)
        self.algorithm = self.rule.algorithm
        perceptron, columns = Perceptron(shape, loss), Columns(self.data)
        weights = weights or perceptron.first_weights(args.seed)
        trainer = Trainer(perceptron, columns, self.rule, weights, seed=args.seed, mask=mask)
        is_whole = self.rule.batch == 0 or self.rule.batch >= self.data.rows
        self.begin(perceptron, shape, columns, trainer, is_whole=is_whole)

    def net(self) -> Net:
        if self._before is None:
            return super().net()
        assert self.best is not None
        settings = settings_of(self.rule, self.best.network.loss, self.data.rows)
        net = with_weights(self._before, self.best.weights)
        return net._replace(settings={**net.settings, **settings})

    def _layered(self) -> Shape:
        hidden = HIDDEN if self.args.layers is None else self.args.layers
        activation = self.args.activation or ACTIVATION
        if self.is_fann and activation == "NONE":
            activation = "LINEAR"
        shape = layered([self.data.inputs, *hidden, self.data.outputs], activation, self.output)
        check_fann(shape) if self.is_fann else check_tflite(shape)
        return shape


class Growing(Course):
    """Cascade-correlation: one neuron after the other."""

    algorithm = "cascade"

    def __init__(self, args: Namespace):
        super().__init__(args)
        for name in ("net", "layers", "batch", "epochs"):
            if getattr(args, name) is not None:
                raise UsageError(f"--{name} and --algorithm cascade: a cascade grows, and ends, by itself")
        if not self.is_fann:
            raise UsageError(f"--out {args.out}: a cascade has shortcut connections; allowed: a name that ends in .net")
        self._most = NEURONS if args.neurons is None else args.neurons
        pool = POOL if args.activation is None else ((args.activation, STEEPNESS), (args.activation, 2 * STEEPNESS))
        for name, _ in pool:
            check_fann(layered([1, 1, 1], name, self.output))
        self.rule = self._given(RULES["irprop"])
        loss = self._loss(layered([1, 1], self.output, self.output))
        self._cascade = Cascade(
            self.data, self.output, loss, neurons_max=self._most, seed=args.seed, rule=self.rule, pool=pool
        )
        self._loss_kind = loss

    def _bar(self, as_json: bool) -> Bar:
        return Bar(self._most, as_json=as_json)

    def _go(self, bar: Bar) -> str:
        columns = Columns(self.data)
        for growth in self._cascade.grow():
            perceptron, weights = Perceptron(self._cascade.shape, self._loss_kind), self._cascade.weights
            self.epochs = growth.epochs
            loss, error = self.judged(perceptron, weights, columns)
            if self.best is None or loss < self.best.loss:
                self.best = Best(growth.epochs, loss, perceptron, perceptron.shape, weights)
            self._look(perceptron, weights, loss)
            bar.show(growth.neurons, f"neurons, {self._said(loss)}")
            if self._is_low(loss):
                return "until"
            if error == 0 and self.args.until is None:
                return "right"
        return "neurons"


def read_set(path: Path) -> Data:
    return read_data(read_bounded(path, MODEL_FILE_BYTES_MAX), str(path))
