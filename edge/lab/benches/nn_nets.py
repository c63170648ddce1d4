"""The networks that `bench nn` runs, in files that every peer can read."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from random import Random
from typing import NamedTuple

from edge.nn.export import export_float32, export_int8
from edge.nn.fann import write_net as write_net_file
from edge.nn.fann_answer import from_layers
from edge.nn.mlp import Layer

WIDTHS = {"s": (16, 32, 8), "m": (64, 128, 64, 10), "l": (256, 512, 256, 32)}
CALIBRATION_ROWS = 20


class Net(NamedTuple):
    """One network as a peer gets it."""

    name: str
    dtype: str
    shape: str
    path: Path
    """The .tflite file; beside it, for float32, a .weights file: each layer's weights, then its biases."""
    widths: tuple[int, ...] = ()


def perceptron(rng: Random, widths: Sequence[int]) -> list[Layer]:
    """ReLU between its layers, weights that keep numbers about as large as they are."""
    names = ["RELU"] * (len(widths) - 2) + ["NONE"]
    return [
        Layer(
            [rng.gauss(0, sqrt(2 / before)) for _ in range(before * after)],
            [rng.gauss(0, 0.2) for _ in range(after)],
            name,
        )
        for before, after, name in zip(widths, widths[1:], names, strict=False)
    ]


def write_net(folder: Path, name: str, dtype: str) -> Net:
    widths = WIDTHS[name]
    rng = Random(name)
    layers = perceptron(rng, widths)
    path = folder / f"{name}-{dtype}.tflite"
    if dtype == "int8":
        rows = [[rng.gauss(0, 1) for _ in range(widths[0])] for _ in range(CALIBRATION_ROWS)]
        path.write_bytes(export_int8(layers, rows))
    else:
        path.write_bytes(export_float32(layers))
        numbers = [x for layer in layers for x in (*layer.weights, *layer.biases)]
        path.with_suffix(".weights").write_bytes(struct.pack(f"<{len(numbers)}f", *numbers))
    return Net(name, dtype, "-".join(map(str, widths)), path, widths)


def write_many(folder: Path, name: str, count: int) -> list[Path]:
    """So many of one shape, each with weights of its own."""
    paths = []
    for number in range(count):
        path = folder / f"{name}-{number:04}.tflite"
        path.write_bytes(export_float32(perceptron(Random(f"{name} {number}"), WIDTHS[name])))
        paths.append(path)
    return paths


def wake_words() -> list[Net]:
    """The four streaming models inside pymicro-wakeword; none when it is not installed."""
    from edge.nn.errors import EngineError
    from edge.shell.engines.tflite_c import find_library

    try:
        folder = find_library().parents[1] / "models"
    except EngineError:
        return []
    return [Net(path.stem, "int8", "3x40-1", path) for path in sorted(folder.glob("*.tflite"))]


def write_fann(folder: Path, name: str) -> tuple[Net, Path]:
    """One that libfann can run too, and its .net file."""
    rng = Random(name)
    widths = WIDTHS[name]
    layers = perceptron(rng, widths)
    layers = [*(layer._replace(activation="RELU_N1_TO_1") for layer in layers[:-1]), layers[-1]]
    path = folder / f"{name}-clamped.tflite"
    path.write_bytes(export_float32(layers))
    path.with_suffix(".net").write_bytes(write_net_file(from_layers(layers)))
    return Net(name, "float32", "-".join(map(str, widths)), path, widths), path.with_suffix(".net")
