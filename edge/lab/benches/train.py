"""What an epoch of training costs beside libfann, and what training reaches.

Both begin with the same file, so with the same network and weights, and read the same training set; epochs of the one
and of the other take turns in one thread.
"""

from __future__ import annotations

import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from edge.cli.options import add_example, at_least
from edge.lab.libfann import Libfann, training_set
from edge.nn import kernels
from edge.nn.cascade import Cascade
from edge.nn.fann import DEFAULTS, write_net
from edge.nn.fann_data import read_data
from edge.nn.fann_rules import settings_of
from edge.nn.train import RULES, Columns, Perceptron, Trainer
from edge.nn.trainable import layered, to_net


class Case(NamedTuple):
    """A set of libfann-doc, and how wide the hidden layer is."""

    name: str
    hidden: int
    epochs: int
    """That training takes, for what it reaches."""
    activation: str = "SIGMOID_SYMMETRIC"


CASES = (
    Case("thyroid", 16, 300),
    Case("thyroid", 16, 0, "SIGMOID_SYMMETRIC_STEPWISE"),
    Case("diabetes", 16, 100),
    Case("gene", 8, 50),
    Case("soybean", 24, 150),
    Case("mushroom", 16, 50),
)
SEEDS = range(5)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--epochs", type=at_least(1), default=100, metavar="N", help="timed of each, of which the shortest counts (100)"
    )
    parser.add_argument(
        "--set", metavar="NAME", choices=sorted({case.name for case in CASES}), help="only this one (all)"
    )
    parser.add_argument("--algorithm", choices=("irprop", "quickprop"), default="irprop", help="of both (irprop)")
    add_example(parser, "bench train", "bench train --set thyroid --epochs 300 --json")


def measure(args: Namespace) -> dict[str, Any]:
    """Rows of (set, network, ms an epoch, the same of libfann, ratio, error of the test set as a median of five seeds).

    `mse` and `peer_mse` are the squared errors that both found in the first epoch: it is the same network and set."""
    peer = Libfann()
    kernels.select()
    cases = [case for case in CASES if args.set in (None, case.name)]
    sets = {
        name: (_read(f"{name}.train"), _read(f"{name}.test")) for name in dict.fromkeys(case.name for case in cases)
    }
    rows = [_row(case, *sets[case.name], args, peer) for case in cases]
    return {
        "peer": peer.name,
        "kernel": kernels.selected("f32_gemm_nn"),
        "method": f"{args.algorithm}, one thread, the least of {args.epochs} epochs that take turns",
        "cascade": _grown() if args.set is None else None,
        "rows": rows,
    }


def _grown() -> dict[str, Any]:
    """What a cascade takes until it is right about parity-8, from five seeds."""
    path = training_set("parity8.train")
    data = read_data(path.read_bytes(), str(path))
    columns, errors, neurons, times = Columns(data), list[float](), list[int](), list[float]()
    for seed in SEEDS:
        begun_s, error = time.perf_counter(), 1.0
        cascade = Cascade(data, "LOGISTIC", "cross-entropy", seed=seed)
        for growth in cascade.grow():
            _, error = Perceptron(cascade.shape, "cross-entropy").test(cascade.weights, columns, 0.5)
            if error == 0:
                neurons.append(growth.neurons)
                break
        errors.append(100 * error)
        times.append(1000 * (time.perf_counter() - begun_s))
    return {"set": "parity8", "error_percent": median(errors), "neurons": neurons, "ms": round(median(times), 1)}


def _read(name: str) -> tuple[Path, Columns]:
    path = training_set(name)
    return path, Columns(read_data(path.read_bytes(), str(path)))


def _row(
    case: Case, train: tuple[Path, Columns], test: tuple[Path, Columns], args: Namespace, peer: Libfann
) -> dict[str, Any]:
    path, columns = train
    widths = [columns.inputs, case.hidden, columns.outputs]
    output = case.activation.replace("_SYMMETRIC", "")
    shape = layered(widths, case.activation, output)
    perceptron, rule = Perceptron(shape), RULES[args.algorithm]
    weights = perceptron.first_weights(1)
    trainer = Trainer(perceptron, columns, rule, weights)
    with tempfile.TemporaryDirectory(prefix="synedge-bench-") as folder:
        file = Path(folder, "same.net")
        file.write_bytes(write_net(to_net(shape, weights, {**DEFAULTS, **settings_of(rule, "squared", columns.rows)})))
        pupil = peer.pupil(file, path)
        try:
            warm = [(2 * trainer.epoch(), pupil.epoch()) for _ in range(3)]
            ours_ms, theirs_ms = _in_turn(trainer.epoch, pupil.epoch, args.epochs)
        finally:
            pupil.close()
    return {
        "set": case.name,
        "rows": columns.rows,
        "net": "-".join(map(str, widths)),
        "activation": case.activation.lower(),
        "ms": round(ours_ms, 3),
        "peer_ms": round(theirs_ms, 3),
        "mse": round(warm[0][0], 6),
        "peer_mse": round(warm[0][1], 6),
        "ratio": round(ours_ms / theirs_ms, 3),
        "error_percent": _reached(case, columns, test[1], args.algorithm) if case.epochs else None,
        "after_epochs": case.epochs or None,
    }


def _in_turn(ours: Callable[[], float], theirs: Callable[[], float], epochs: int) -> tuple[float, float]:
    times: tuple[list[int], list[int]] = ([], [])
    for _ in range(epochs):
        for act, taken in zip((ours, theirs), times, strict=True):
            begun_ns = time.perf_counter_ns()
            act()
            taken.append(time.perf_counter_ns() - begun_ns)
    return min(times[0]) / 1e6, min(times[1]) / 1e6


def _reached(case: Case, train: Columns, test: Columns, algorithm: str) -> float:
    """Wrong answers on the test set, as `synedge nn train` makes a network by itself."""
    perceptron = Perceptron(layered([train.inputs, case.hidden, train.outputs], "TANH", "LOGISTIC"), "cross-entropy")
    errors = []
    for seed in SEEDS:
        trainer = Trainer(perceptron, train, RULES[algorithm], perceptron.first_weights(seed), seed=seed)
        for _ in range(case.epochs):
            trainer.epoch()
        errors.append(100 * perceptron.test(trainer.weights, test)[1])
    return round(median(errors), 2)
