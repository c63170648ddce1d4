"""Detectors of anomalies and drift beside river's, in one run: half-space trees on NASA's Shuttle, which river
brings, and ADWIN and Page-Hinkley on a stream whose mean jumps.

Ours is timed twice: all rows in one call, and one by one as an agent runs it, bytes in and numbers out. The two take
turns, seed by seed; figures are medians. What river measures of itself is without its start.
"""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import time
from argparse import ArgumentParser, Namespace
from array import array
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

from edge.cli.options import add_example, at_least
from edge.errors import UnavailableError
from edge.lab.benches.nn_process import HINT, interpreters
from edge.lab.roc import auc
from edge.nn.detectors import AdwinOptions, DetectorOptions, ForestOptions, PageHinkleyOptions
from edge.nn.streams import Detector
from edge.shell.engines.detector import DetectorModel

_CHILD = Path(__file__).with_name("streams_peer_child.py")
TREES = (25, 10)
"""The paper's and river's."""
PIECE = 1000
"""Values between two jumps of the mean."""
JUMPS = (0.5, 1.0, 2.0, -0.5, -1.0, -2.0)
"""In deviations of the noise."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--seeds", type=at_least(1), default=5, metavar="N", help="forests and drifting streams (5)")
    parser.add_argument(
        "--rows", type=at_least(1000), default=49_097, metavar="N", help="of Shuttle, the first ones (49097, all)"
    )
    parser.add_argument("--values", type=at_least(2 * PIECE), default=50_000, metavar="N", help="of a stream (50000)")
    add_example(parser, "bench streams", "bench streams --seeds 1 --rows 20000 --json")


def measure(args: Namespace) -> dict[str, Any]:
    """Rows of (detector, us a row, the same one by one, river's, how good ours is, how good river's is)."""
    river = River()
    shuttle = _read(Path(river.shuttle), args.rows)
    rows = [_forest(river, shuttle, trees, args) for trees in TREES]
    rows += [_drift(river, options, args) for options in (AdwinOptions(), PageHinkleyOptions())]
    return {
        "peer": f"river {river.version}",
        "method": f"medians of {args.seeds} seeds; {len(shuttle.is_strange)} rows of Shuttle; {args.values} values of "
        f"noise of deviation 1 whose mean jumps by {min(map(abs, JUMPS))} to {max(JUMPS)} every {PIECE}",
        "rows": rows,
    }


class River:
    """The first interpreter that has it. Raises UnavailableError."""

    def __init__(self) -> None:
        for python in interpreters():
            self._python = python
            try:
                told = self.ask(do="where")
            except UnavailableError:
                continue
            self.version, self.shuttle = told["version"], told["shuttle"]
            return
        raise UnavailableError(f"river is not installed: {HINT.format('pip install river')}")

    def ask(self, **asked: Any) -> dict[str, Any]:
        done = subprocess.run(
            [self._python, "-I", str(_CHILD)], input=json.dumps(asked), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise UnavailableError(f"river: {done.stderr.strip()[-300:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


class Shuttle(NamedTuple):
    """Rows of nine numbers, one after the other, and which of them are anomalies."""

    path: Path
    numbers: array[float]
    is_strange: list[bool]


def _read(path: Path, count: int) -> Shuttle:
    numbers, is_strange = array("d"), []
    with gzip.open(path, "rt", newline="") as file:
        lines = csv.reader(file)
        next(lines)
        for line, _ in zip(lines, range(count), strict=False):
            numbers.extend(map(float, line[:-1]))
            is_strange.append(line[-1] == "1")
    return Shuttle(path, numbers, is_strange)


def _forest(river: River, shuttle: Shuttle, trees: int, args: Namespace) -> dict[str, Any]:
    count = len(shuttle.is_strange)
    ours_us, single_us, theirs_us, ours, theirs = (list[float]() for _ in range(5))
    for seed in range(1, args.seeds + 1):
        options = ForestOptions(trees, seed=seed)
        took_us, scores = _at_once(options, shuttle.numbers, len(shuttle.numbers) // count)
        ours_us.append(took_us)
        ours.append(auc(scores, shuttle.is_strange))
        single_us.append(_one_by_one(options, shuttle.numbers, len(shuttle.numbers) // count))
        same = {"n_trees": trees, "height": options.height, "window_size": options.window, "seed": seed}
        told = river.ask(do="forest", path=str(shuttle.path), rows=count, options=same)
        theirs_us.append(told["ns"] / count / 1000)
        theirs.append(auc(told["scores"], shuttle.is_strange))
    what = f"AUC {median(ours):.4f} ({min(ours):.4f} to {max(ours):.4f})"
    peer = f"AUC {median(theirs):.4f} ({min(theirs):.4f} to {max(theirs):.4f})"
    return _row(f"half-space trees, {trees}", (ours_us, single_us, theirs_us), what, peer)


def _drift(river: River, options: DetectorOptions, args: Namespace) -> dict[str, Any]:
    ours_us, single_us, theirs_us = (list[float]() for _ in range(3))
    ours, theirs = Found(), Found()
    for seed in range(1, args.seeds + 1):
        values = drifting(seed, args.values)
        took_us, answers = _at_once(options, values, 1)
        ours_us.append(took_us)
        ours.add([place for place in range(len(values)) if answers[3 * place]], len(values))
        single_us.append(_one_by_one(options, values, 1))
        told = river.ask(do="drifts", kind=options.kind, values=values.tolist())
        theirs_us.append(told["ns"] / len(values) / 1000)
        theirs.add(told["drifts"], len(values))
    return _row(options.kind, (ours_us, single_us, theirs_us), str(ours), str(theirs))


def _row(detector: str, times: tuple[list[float], list[float], list[float]], what: str, peer: str) -> dict[str, Any]:
    ours_us, single_us, theirs_us = map(median, times)
    return {
        "detector": detector,
        "us": round(ours_us, 3),
        "us_one_by_one": round(single_us, 3),
        "peer_us": round(theirs_us, 3),
        "ratio": round(theirs_us / ours_us, 1),
        "ratio_one_by_one": round(theirs_us / single_us, 2),
        "found": what,
        "peer_found": peer,
    }


def _at_once(options: DetectorOptions, numbers: array[float], inputs: int) -> tuple[float, array[float]]:
    detector = Detector(options, inputs)
    begun_ns = time.perf_counter_ns()
    answers = detector.run(numbers)
    return (time.perf_counter_ns() - begun_ns) / (len(numbers) // inputs) / 1000, answers


def _one_by_one(options: DetectorOptions, numbers: array[float], inputs: int) -> float:
    """Microseconds a row, as the loop runs an agent's model."""
    model = DetectorModel(options, inputs)
    packed = array("f", numbers).tobytes()
    tensors = [packed[at : at + 4 * inputs] for at in range(0, len(packed), 4 * inputs)]
    run = model.run
    begun_ns = time.perf_counter_ns()
    for tensor in tensors:
        run(tensor)
    return (time.perf_counter_ns() - begun_ns) / len(tensors) / 1000


def drifting(seed: int, count: int) -> array[float]:
    """Noise of deviation 1 around a mean that jumps every PIECE values."""
    rng, mean, values = Random(seed), 0.0, array("d")
    while len(values) < count:
        values.extend(rng.gauss(mean, 1.0) for _ in range(min(PIECE, count - len(values))))
        mean += rng.choice(JUMPS)
    return values


class Found:
    """How soon jumps are told: the first drift after one tells it, all others are false."""

    def __init__(self) -> None:
        self.delays: list[int] = []
        self.jumps = self.false = 0

    def add(self, drifts: Sequence[int], count: int) -> None:
        pieces = range(1, -(-count // PIECE))
        told = {place // PIECE: place % PIECE for place in reversed(drifts) if place // PIECE in pieces}
        self.jumps += len(pieces)
        self.delays += told.values()
        self.false += len(drifts) - len(told)

    def __str__(self) -> str:
        soon = f", the median after {median(self.delays):g} values" if self.delays else ""
        return f"{len(self.delays)} of {self.jumps} jumps{soon}; {self.false} false"
