"""A small valid `.tflite` as a tree of tables, to be changed in one place, and files spoilt byte by byte."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from edge.nn.errors import ModelError
from edge.nn.flatbuffer_writer import Blob, Scalar, Table, Vector, write
from edge.nn.schema import IDENTIFIER
from edge.nn.tflite import read

Tree = dict[int, Any]
FLOAT32, INT8, INT32 = 0, 9, 2
FULLY_CONNECTED, CALL_ONCE, VAR_HANDLE = 9, 129, 142
VERSION, CODES, SUBGRAPHS, DESCRIPTION, BUFFERS = range(5)
TENSORS, INPUTS, OUTPUTS, OPERATORS, NAME = range(5)
SHAPE, TYPE, BUFFER, TENSOR_NAME, QUANTISATION, IS_VARIABLE, SPARSITY = range(7)
SCALE, ZERO_POINT, DETAILS_TYPE, AXIS = 2, 3, 4, 6
X, W, B, Y = range(4)


def model() -> Tree:
    """y = W x + b, int8, every part in plain dicts: what `file` turns into bytes."""
    return {
        VERSION: Scalar("I", 3),
        CODES: [code(FULLY_CONNECTED, 4)],
        SUBGRAPHS: [
            {
                TENSORS: [
                    tensor("x", [1, 4], INT8, 0, quantisation([0.5], [3])),
                    tensor("W", [2, 4], INT8, 1, quantisation([0.25, 0.125], [0, 0], 0)),
                    tensor("b", [2], INT32, 2, quantisation([0.125, 0.0625], [0, 0], 0)),
                    tensor("y", [1, 2], INT8, 0, quantisation([1.0], [-5])),
                ],
                INPUTS: Vector("i", [X]),
                OUTPUTS: Vector("i", [Y]),
                OPERATORS: [operator(0, [X, W, B], [Y], 8, {0: Scalar("b", 1)})],
                NAME: "main",
            }
        ],
        DESCRIPTION: "small",
        BUFFERS: [{}, {0: Blob(bytes(range(8)))}, {0: Blob(struct.pack("<2i", 7, -7))}],
    }


def code(number: int, version: int = 1) -> Tree:
    return {0: Scalar("b", min(number, 127)), 2: Scalar("i", version), 3: Scalar("i", number)}


def tensor(name: str, shape: list[int], kind: int = FLOAT32, buffer: int = 0, how: Tree | None = None) -> Tree:
    tree = {SHAPE: Vector("i", shape), TYPE: Scalar("b", kind), BUFFER: Scalar("I", buffer), TENSOR_NAME: name}
    return tree if how is None else tree | {QUANTISATION: how}


def quantisation(scales: list[float], zero_points: list[int], axis: int = 0) -> Tree:
    return {SCALE: Vector("f", scales), ZERO_POINT: Vector("q", zero_points), AXIS: Scalar("i", axis)}


def operator(index: int, inputs: list[int], outputs: list[int], union: int = 0, options: Tree | None = None) -> Tree:
    tree: Tree = {0: Scalar("I", index), 1: Vector("i", inputs), 2: Vector("i", outputs)}
    return tree if options is None else tree | {3: Scalar("B", union), 4: options}


def main(tree: Tree) -> Tree:
    """The first subgraph, to be changed in place."""
    return tree[SUBGRAPHS][0]


def file(tree: Tree) -> bytes:
    return write(_table(tree), IDENTIFIER)


def refusal(tree: Tree) -> str:
    """What is said against this model."""
    with pytest.raises(ModelError) as caught:
        read(file(tree), "m.tflite")
    message = str(caught.value)
    assert message.startswith("model m.tflite: ")
    return message


def _table(tree: Tree) -> Table:
    return Table({number: _value(value) for number, value in tree.items()})


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return _table(value)
    return [_value(one) for one in value] if isinstance(value, list) else value


def patched(data: bytes, at: int, letter: str, value: int) -> bytes:
    """Other bytes at one place."""
    changed = bytearray(data)
    struct.pack_into("<" + letter, changed, at, value)
    return bytes(changed)


def root_at(data: bytes) -> int:
    return struct.unpack_from("<I", data)[0]


def vtable_at(data: bytes, table: int) -> int:
    return table - struct.unpack_from("<i", data, table)[0]


def field_at(data: bytes, table: int, number: int) -> int:
    """Where a table keeps this field."""
    return table + struct.unpack_from("<H", data, vtable_at(data, table) + 4 + 2 * number)[0]


def led_to(data: bytes, at: int) -> int:
    """Where the offset stored here leads."""
    return at + struct.unpack_from("<I", data, at)[0]
