"""Converts a FANN network to `.tflite` and compares the two on the same rows."""

import struct
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from edge.cli.output import Output, bytes_text
from edge.errors import UsageError
from edge.limits import MODEL_FILE_BYTES_MAX
from edge.nn.export import export_float32, export_int8
from edge.nn.fann import Net, read_net
from edge.nn.fann_answer import answer, as_layers
from edge.nn.fann_data import Data, read_data
from edge.shell.engines import open_model
from edge.shell.files import read_bounded, write_atomically

ROWS_MAX = 1000
"""Compared; of a training set the first ones."""
RANDOM_ROWS = 100


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a layered network of FANN (.net, FANN_FLO_2.1)")
    parser.add_argument("out", metavar="OUT", type=Path, help="the .tflite file to write")
    parser.add_argument(
        "--int8", metavar="DATA", type=Path, help="quantise to int8; DATA (.data) shows what inputs will be like"
    )
    parser.add_argument(
        "--smooth",
        action="store_true",
        help="take stepwise sigmoids for the curves they approximate: 0.034 off at most, symmetric ones 0.067",
    )


def convert(args: Namespace, out: Output) -> int:
    """Writes the file, loads it with the engine that takes it, and says how far its answers are from FANN's."""
    net = read_net(read_bounded(args.file, MODEL_FILE_BYTES_MAX), str(args.file))
    layers = as_layers(net, smooth=args.smooth)
    data = read_data(read_bounded(args.int8, MODEL_FILE_BYTES_MAX), str(args.int8)) if args.int8 else None
    if data is not None and data.inputs != net.inputs:
        raise UsageError(f"{args.int8}: {data.inputs} inputs a row; the network takes {net.inputs}")
    rows = list(_rows(net, data))
    note = f"from {args.file.name}"
    content = export_int8(layers, rows, note) if data is not None else export_float32(layers, note)
    write_atomically(args.out, content)
    found = {
        "file": str(args.out),
        "bytes": len(content),
        "parameters": sum(len(layer.weights) + len(layer.biases) for layer in layers),
        "dtype": "int8" if data is not None else "float32",
        **_compared(net, args.out, rows),
    }
    if out.as_json:
        out.document(found)
    else:
        said = {**found, "bytes": bytes_text(len(content))}
        out.pairs([(name.replace("_", " "), value) for name, value in said.items()])
    return 0


def _rows(net: Net, data: Data | None) -> Iterator[list[float]]:
    """Of the training set, or at random between -1 and 1, always the same ones."""
    if data is not None:
        yield from (data.row(number)[0] for number in range(min(data.rows, ROWS_MAX)))
        return
    rng = Random(0)
    for _ in range(RANDOM_ROWS):
        yield [rng.uniform(-1, 1) for _ in range(net.inputs)]


def _compared(net: Net, path: Path, rows: list[list[float]]) -> dict[str, Any]:
    model = open_model(path)
    try:
        far = 0.0
        for row in rows:
            given = struct.pack(f"<{len(row)}f", *row)
            wanted = answer(net, struct.unpack(f"<{len(row)}f", given))
            far = max(far, *(abs(a - b) for a, b in zip(model.run(given), wanted, strict=True)))
        return {"sha256": model.digest.hex(), "engine": model.engine, "rows": len(rows), "difference_max": far}
    finally:
        model.close()
