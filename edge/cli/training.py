"""Trains a perceptron: from a training set and options to a file, watched on the way and judged at the end."""

import os
import struct
import sys
import time
from argparse import Namespace
from array import array
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from edge.cli.main import EXIT_INTERRUPTED
from edge.cli.output import Output, bytes_text
from edge.errors import UsageError
from edge.lab import curve, plot
from edge.lab.progress import Bar
from edge.limits import MODEL_FILE_BYTES_MAX
from edge.nn import kernels
from edge.nn.errors import DivergedError
from edge.nn.export import export_float32, export_int8
from edge.nn.fann import DEFAULTS, Net, read_net, write_net
from edge.nn.fann_data import Data, read_data
from edge.nn.fann_rules import loss_of, rule_of, settings_of
from edge.nn.task import NUMBERS, Task, task_of
from edge.nn.train import RULES, Columns, Perceptron, Rule, Trainer
from edge.nn.trainable import Shape, from_net, layered, to_layers, to_net, with_weights
from edge.shell.engines import EngineOptions, open_model
from edge.shell.files import read_bounded, write_atomically

SUFFIXES = (".net", ".tflite")
POINTS = 200
"""Of the course, at most; the test set is asked at each."""
SHOWN_S = 0.1
CALIBRATION_ROWS_MAX = 1000
FILE_ROWS_MAX = 5000
"""Rows that the written file is asked about."""


class Point(NamedTuple):
    """The course at one moment. Errors are shares of rows; None where nothing is tested, or nothing can be wrong."""

    epoch: int
    loss: float
    test_loss: float | None
    test_error: float | None


class Best(NamedTuple):
    epoch: int
    loss: float
    weights: "array[float]"


def train(args: Namespace, out: Output) -> int:
    """Exit code 130 after an interruption, 65 where numbers ceased to be finite; the best network so far is written."""
    _check(args)
    if args.plot:
        plot.check(args.plot)
    kernels.select(EngineOptions.from_environment(os.environ).kernel)
    course = Course(args)
    ended, fault = course.run(as_json=out.as_json)
    if course.best is None:
        assert fault is not None
        raise fault
    found = {**course.figures(), "ended": ended, **course.write()}
    if args.plot:
        plot.draw_training(course.points, found["loss_kind"], Path(args.plot))
    _tell(args, out, found, course)
    if fault is not None:
        raise DivergedError(f"{fault}; {args.out} has the network of epoch {course.best.epoch}")
    return EXIT_INTERRUPTED if ended == "interrupted" else 0


def _check(args: Namespace) -> None:
    if args.out.suffix not in SUFFIXES:
        raise UsageError(f"--out {args.out}: is not allowed; allowed: a name that ends in {' or '.join(SUFFIXES)}")
    if not args.out.parent.is_dir():
        raise UsageError(f"--out {args.out}: there is no directory {args.out.parent}")
    if args.int8 and args.out.suffix != ".tflite":
        raise UsageError("--int8 is for .tflite files; FANN's are float32")
    if args.net and args.layers is not None:
        raise UsageError("--layers and --net: only one of them")


class Course:
    """One training: what begins it, what came of it."""

    def __init__(self, args: Namespace):
        self.args = args
        self.data = read_set(args.data)
        self.test_data = read_set(args.test) if args.test else None
        self.task = task_of(self.data)
        self.net: Net | None = None
        if args.net:
            self.net = read_net(read_bounded(args.net, MODEL_FILE_BYTES_MAX), str(args.net))
        self.shape, weights, mask = self._beginning()
        self.rule = self._rule()
        self.perceptron = Perceptron(self.shape, self._loss())
        self.columns = Columns(self.data)
        self.test_columns = Columns(self.test_data) if self.test_data else None
        if weights is None:
            weights = self.perceptron.first_weights(args.seed)
        self.trainer = Trainer(self.perceptron, self.columns, self.rule, weights, seed=args.seed, mask=mask)
        if self.test_columns is not None:
            self.perceptron.test(weights, self.test_columns)  # raises when it does not fit
        self.best: Best | None = None
        self.points: list[Point] = []
        self._epoch_s: list[float] = []

    def _beginning(self) -> "tuple[Shape, array[float] | None, array[float] | None]":
        if self.net is not None:
            return from_net(self.net)
        hidden = (16,) if self.args.layers is None else self.args.layers
        output = self.args.output or self.task.output
        shape = layered([self.data.inputs, *hidden, self.data.outputs], self.args.activation, output)
        if self.args.out.suffix == ".net":
            to_net(shape, array("f", bytes(4 * shape.parameters)))  # raises for what FANN lacks
            shape = shape._replace(activations=tuple("LINEAR" if n == "NONE" else n for n in shape.activations))
        else:
            to_layers(shape, array("f", bytes(4 * shape.parameters)))
        return shape, None, None

    def _rule(self) -> Rule:
        if self.net is not None:
            rule = rule_of(self.net.settings, self.args.algorithm, self.data.rows)
        else:
            rule = RULES[self.args.algorithm or "irprop"]
        given = {name: getattr(self.args, name) for name in ("rate", "momentum", "batch")}
        return rule._replace(**{name: value for name, value in given.items() if value is not None})

    def _loss(self) -> str:
        if self.args.loss:
            return str(self.args.loss)
        if self.net is not None:
            return loss_of(self.net.settings)
        is_share = (self.task.low, self.task.high) == (0.0, 1.0)
        outputs = set(self.shape.activations[-self.shape.outputs :])
        return "cross-entropy" if is_share and outputs <= {"SIGMOID", "SOFTMAX"} else "squared"

    def run(self, *, as_json: bool) -> tuple[str, DivergedError | None]:
        """Why it ended: `epochs`, `until`, `interrupted` or `diverged`."""
        bar = Bar(self.args.epochs, as_json=as_json)
        try:
            return self._epochs(bar), None
        except KeyboardInterrupt:
            return "interrupted", None
        except DivergedError as error:
            return "diverged", error
        finally:
            bar.clear()

    def _epochs(self, bar: Bar) -> str:
        is_whole = self.rule.batch == 0 or self.rule.batch >= self.data.rows
        stride = -(-self.args.epochs // POINTS)
        shown_s = 0.0
        for epoch in range(1, self.args.epochs + 1):
            begun_s = time.perf_counter()
            loss = self.trainer.epoch()
            now_s = time.perf_counter()
            self._epoch_s.append(now_s - begun_s)
            if self.best is None or loss < self.best.loss:
                # A step over all rows has its loss from before it; many steps have one on the way.
                self.best = Best(epoch - is_whole, loss, self.trainer.kept if is_whole else self.trainer.weights)
            is_last = epoch == self.args.epochs or (self.args.until is not None and loss <= self.args.until)
            if epoch % stride == 0 or epoch == 1 or is_last:
                self._look(epoch, loss)
            if now_s - shown_s > SHOWN_S:
                shown_s = now_s
                bar.show(epoch, self._said(loss))
            if self.args.until is not None and loss <= self.args.until:
                return "until"
        if is_whole:
            self._last()
        return "epochs"

    def _last(self) -> None:
        """The weights after the last step, of which no epoch has told the loss."""
        weights = self.trainer.weights
        loss, _ = self.perceptron.test(weights, self.columns)
        if self.best is not None and loss < self.best.loss:
            self.best = Best(self.trainer.epochs, loss, weights)

    def _look(self, epoch: int, loss: float) -> None:
        self.points.append(Point(epoch, loss, *self._judged(self.trainer.weights, self.test_columns)))

    def _judged(self, weights: "array[float]", columns: Columns | None) -> tuple[float | None, float | None]:
        if columns is None:
            return None, None
        loss, error = self.perceptron.test(weights, columns, self.task.middle)
        return loss, None if self.task.kind == NUMBERS else error

    def _said(self, loss: float) -> str:
        error = self.points[-1].test_error if self.points else None
        return f"loss {loss:.4g}" + (f", test error {error:.2%}" if error is not None else "")

    def figures(self) -> dict[str, Any]:
        assert self.best is not None
        loss, error = self._judged(self.best.weights, self.columns)
        test_loss, test_error = self._judged(self.best.weights, self.test_columns)
        return {
            "algorithm": self.rule.algorithm,
            "loss_kind": self.perceptron.loss,
            "layers": [self.shape.inputs, *(layer.units for layer in self.shape.layers)],
            "parameters": self.shape.parameters,
            "seed": self.args.seed,
            "kernel": kernels.selected("f32_gemm_nn"),
            "epochs": self.trainer.epochs,
            "epoch_best": self.best.epoch,
            "epoch_ms": round(1000 * median(self._epoch_s), 3),
            "rows": self.data.rows,
            "loss": loss,
            "error": error,
            "test_rows": self.test_data.rows if self.test_data else None,
            "test_loss": test_loss,
            "test_error": test_error,
        }

    def write(self) -> dict[str, Any]:
        """The file, and what can be said of it."""
        assert self.best is not None
        weights, path = self.best.weights, self.args.out
        if path.suffix == ".net":
            settings = settings_of(self.rule, self.perceptron.loss, self.data.rows)
            if self.net is not None:
                net = with_weights(self.net, weights)
                net = net._replace(settings={**net.settings, **settings})
            else:
                net = to_net(self.shape, weights, {**DEFAULTS, **settings})
            content = write_net(net)
        else:
            content = self._tflite(weights)
        write_atomically(path, content)
        found = {"file": str(path), "bytes": len(content)}
        return found if path.suffix == ".net" else {**found, **self._asked(path, weights)}

    def _tflite(self, weights: "array[float]") -> bytes:
        layers, note = to_layers(self.shape, weights), f"trained on {self.args.data.name}"
        if not self.args.int8:
            return export_float32(layers, note)
        stride = -(-self.data.rows // CALIBRATION_ROWS_MAX)
        rows = [self.data.row(number)[0] for number in range(0, self.data.rows, stride)]
        return export_int8(layers, rows, note)

    def _asked(self, path: Path, weights: "array[float]") -> dict[str, Any]:
        """What the engine that takes the file answers, beside what the network answered while it was trained."""
        data, columns = (self.test_data, self.test_columns) if self.test_data else (self.data, self.columns)
        assert columns is not None
        wanted = self.perceptron.answers(weights, columns)
        model, far, wrong = open_model(path), 0.0, 0
        rows = min(data.rows, FILE_ROWS_MAX)
        try:
            for number in range(rows):
                given, right = data.row(number)
                got = model.run(struct.pack(f"<{len(given)}f", *given))
                mine = wanted[number * data.outputs : (number + 1) * data.outputs]
                far = max(far, *(abs(a - b) for a, b in zip(got, mine, strict=True)))
                wrong += is_wrong(self.task, got, right)
            return {
                "sha256": model.digest.hex(),
                "engine": model.engine,
                "dtype": model.input.dtype,
                "file_rows": rows,
                "file_error": None if self.task.kind == NUMBERS else wrong / rows,
                "difference_max": far,
            }
        finally:
            model.close()


def read_set(path: Path) -> Data:
    return read_data(read_bounded(path, MODEL_FILE_BYTES_MAX), str(path))


def is_wrong(task: Task, got: "tuple[float, ...]", right: list[float]) -> bool:
    """As `syn_train_test` counts."""
    if len(right) > 1:
        return got.index(max(got)) != right.index(max(right))
    return (got[0] > task.middle) != (right[0] > task.middle)


def _tell(args: Namespace, out: Output, found: dict[str, Any], course: Course) -> None:
    if out.as_json:
        out.document({**found, "course": [point._asdict() for point in course.points]})
        return
    if (args.curve or sys.stdout.isatty()) and len(course.points) > 1:
        encoding = (sys.stdout.encoding or "utf-8").lower()
        for line in curve.lines([point.loss for point in course.points], ascii_only=encoding != "utf-8"):
            out.line(line)
        out.line(f"{'':>8}  loss over epochs 1 to {course.points[-1].epoch}")
        out.line()
    shown = {**found, "bytes": bytes_text(found["bytes"])}
    for name in ("error", "test_error", "file_error"):
        if shown.get(name) is not None:
            shown[name] = f"{shown[name]:.2%}"
    out.pairs([(name.replace("_", " "), value) for name, value in shown.items() if value is not None])
