"""Trains a network: from a training set and options to a file, watched on the way and judged at the end."""

import os
import struct
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from edge.cli.course import Course, Fixed, Growing
from edge.cli.course_sequences import Sequential
from edge.cli.main import EXIT_INTERRUPTED
from edge.cli.output import Output, bytes_text
from edge.errors import UsageError
from edge.lab import curve, plot
from edge.nn import kernels
from edge.nn.errors import DivergedError, InferenceError
from edge.nn.task import NUMBERS, Task
from edge.shell.engines import EngineOptions, open_model
from edge.shell.files import write_atomically

SUFFIXES = (".net", ".tflite")
FILE_ROWS_MAX = 5000
"""Rows that the written file is asked about."""


def train(args: Namespace, out: Output) -> int:
    """Exit code 130 after an interruption, 65 where numbers ceased to be finite; the best network so far is written."""
    _check(args)
    if args.plot:
        plot.check(args.plot)
    kernels.select(EngineOptions.from_environment(os.environ).kernel)
    course = _course(args)
    ended, fault = course.run(as_json=out.as_json)
    assert course.best is not None
    figures = course.figures()
    found = {**figures, "kernel": kernels.selected("f32_gemm_nn"), "ended": ended, **_write(course)}
    if args.plot:
        plot.draw_training(course.points, found["loss_kind"], Path(args.plot))
    _tell(args, out, found, course)
    if fault is not None:
        raise DivergedError(f"{fault}; {args.out} has the network of epoch {course.best.epoch}")
    return EXIT_INTERRUPTED if ended == "interrupted" else 0


def _course(args: Namespace) -> Course:
    if args.sequence is not None:
        return Sequential(args)
    for name in ("units", "truncate", "skip"):
        if getattr(args, name) is not None:
            raise UsageError(f"--{name} is for sequences; say how long they are with --sequence")
    return Growing(args) if args.algorithm == Growing.algorithm else Fixed(args)


def _check(args: Namespace) -> None:
    if args.out.suffix not in SUFFIXES:
        raise UsageError(f"--out {args.out}: is not allowed; allowed: a name that ends in {' or '.join(SUFFIXES)}")
    if not args.out.parent.is_dir():
        raise UsageError(f"--out {args.out}: there is no directory {args.out.parent}")
    if args.int8 and args.out.suffix != ".tflite":
        raise UsageError("--int8 is for .tflite files; FANN's are float32")
    if args.net and args.layers is not None:
        raise UsageError("--layers and --net: only one of them")


def _write(course: Course) -> dict[str, Any]:
    """The file, and what can be said of it."""
    path = course.args.out
    content = course.content()
    write_atomically(path, content)
    found = {"file": str(path), "bytes": len(content)}
    return found if course.is_fann else {**found, **_asked(course, path)}


def _asked(course: Course, path: Path) -> dict[str, Any]:
    """What the engine that takes the file answers, beside what the network answered while it was trained."""
    assert course.best is not None
    data = course.test_data or course.data
    wanted = course.best.network.answers(course.best.weights, course.as_set(data))
    model, far, wrong = open_model(path), 0.0, 0
    rows = min(data.rows, FILE_ROWS_MAX)
    judged = [number for number in range(rows) if number % course.steps >= course.skip]
    try:
        for number in range(rows):
            if number % course.steps == 0:
                model.reset()
            given, right = data.row(number)
            try:
                got = model.run(struct.pack(f"<{len(given)}f", *given))
            except InferenceError:  # an answer that is no number is a wrong one
                wrong += number % course.steps >= course.skip
                continue
            mine = wanted[number * data.outputs : (number + 1) * data.outputs]
            far = max(far, *(abs(a - b) for a, b in zip(got, mine, strict=True)))
            wrong += number % course.steps >= course.skip and is_wrong(course.task, got, right)
        return {
            "sha256": model.digest.hex(),
            "engine": model.engine,
            "dtype": model.input.dtype,
            "file_rows": len(judged),
            "file_error": None if course.task.kind == NUMBERS else wrong / len(judged),
            "difference_max": far,
        }
    finally:
        model.close()


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
