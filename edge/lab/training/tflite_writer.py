"""Writes small sequential `.tflite` files from plain Python values: no TensorFlow, no schema package, stable bytes.

FlatBuffers are written forwards: a table first, then what it points to, so that every offset is positive (FlatBuffers
internals, "Tables"). Field numbers are those of tensorflow/lite/schema/schema.fbs, version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

FLOAT32, INT32, UINT8, INT8 = 0, 2, 3, 9
AVERAGE_POOL_2D, CONV_2D, FULLY_CONNECTED, MAX_POOL_2D, RESHAPE, SOFTMAX = 1, 3, 9, 17, 22, 25
PAD_SAME, PAD_VALID = 0, 1
ACT_NONE, ACT_RELU = 0, 1
_PACK = {FLOAT32: "f", INT32: "i", UINT8: "B", INT8: "b"}


@dataclass(frozen=True)
class Scalar:
    """One field stored in its table; `fmt` is a struct letter."""

    fmt: str
    value: float


@dataclass(frozen=True)
class Vector:
    """A vector of scalars."""

    fmt: str
    values: Sequence[float]


@dataclass(frozen=True)
class Blob:
    """A byte vector aligned to 16, as `Buffer.data` asks for."""

    data: bytes


@dataclass(frozen=True)
class Table:
    """A table: field number -> value; absent fields take the schema's default."""

    fields: dict[int, Scalar | Vector | Blob | str | Table | list[Table]]


@dataclass(frozen=True)
class Tensor:
    """A tensor; `data` given makes it a constant. Quantised types carry (scale, zero point)."""

    name: str
    shape: tuple[int, ...]
    type: int = FLOAT32
    data: Sequence[float] | None = None
    scale: float | None = None
    zero_point: int = 0


@dataclass(frozen=True)
class Operator:
    """One operator: builtin code, its version, tensor numbers, and the options union."""

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: tuple[int, Table] | None = None
    version: int = 1


def conv_options(*, stride_h: int = 1, activation: int = ACT_NONE, padding: int = PAD_VALID) -> tuple[int, Table]:
    """`Conv2DOptions`, stride 1 across the width."""
    fields = {0: Scalar("b", padding), 1: Scalar("i", 1), 2: Scalar("i", stride_h), 3: Scalar("b", activation)}
    return 1, Table(fields)  # type: ignore[arg-type]


def pool_options(*, height: int, stride_h: int) -> tuple[int, Table]:
    """`Pool2DOptions` for a window of `height` x 1."""
    values = [Scalar("b", PAD_VALID), Scalar("i", 1), Scalar("i", stride_h), Scalar("i", 1), Scalar("i", height)]
    return 5, Table(dict(enumerate(values)))


def dense_options(activation: int = ACT_NONE) -> tuple[int, Table]:
    """`FullyConnectedOptions`."""
    return 8, Table({0: Scalar("b", activation)})


def softmax_options() -> tuple[int, Table]:
    """`SoftmaxOptions` with beta 1."""
    return 9, Table({0: Scalar("f", 1.0)})


def model(
    tensors: Sequence[Tensor], operators: Sequence[Operator], inputs: Sequence[int], outputs: Sequence[int], note: str
) -> bytes:
    """The file: one subgraph that runs `operators` in order."""
    codes = list(dict.fromkeys((op.code, op.version) for op in operators))
    buffers = [Table({})]  # buffer 0 is the empty one by convention
    tables = []
    for tensor in tensors:
        number = 0
        if tensor.data is not None:
            number = len(buffers)
            buffers.append(Table({0: Blob(struct.pack(f"<{len(tensor.data)}{_PACK[tensor.type]}", *tensor.data))}))
        tables.append(_tensor(tensor, number))
    graph = Table(
        {
            0: tables,
            1: Vector("i", inputs),
            2: Vector("i", outputs),
            3: [_operator(op, codes.index((op.code, op.version))) for op in operators],
            4: "main",
        }
    )
    root = Table(
        {
            0: Scalar("I", 3),
            1: [Table({0: Scalar("b", c), 2: Scalar("i", v), 3: Scalar("i", c)}) for c, v in codes],
            2: [graph],
            3: note,
            4: buffers,
        }
    )
    return _Writer().finish(root)


def _tensor(tensor: Tensor, buffer: int) -> Table:
    fields: dict[int, Scalar | Vector | Blob | str | Table | list[Table]] = {
        0: Vector("i", tensor.shape),
        1: Scalar("b", tensor.type),
        2: Scalar("I", buffer),
        3: tensor.name,
    }
    if tensor.scale is not None:
        fields[4] = Table({2: Vector("f", [tensor.scale]), 3: Vector("q", [tensor.zero_point])})
    return Table(fields)


def _operator(op: Operator, index: int) -> Table:
    fields: dict[int, Scalar | Vector | Blob | str | Table | list[Table]] = {
        0: Scalar("I", index),
        1: Vector("i", op.inputs),
        2: Vector("i", op.outputs),
    }
    if op.options is not None:
        fields[3], fields[4] = Scalar("B", op.options[0]), op.options[1]
    return Table(fields)


class _Writer:
    """Appends objects to one buffer and patches the offset that points at each."""

    def __init__(self) -> None:
        self._out = bytearray(b"\0\0\0\0TFL3")

    def finish(self, root: Table) -> bytes:
        self._patch(0, self._table(root))
        self._align(16)
        return bytes(self._out)

    def _align(self, to: int, ahead: int = 0) -> None:
        """Pad so that what comes `ahead` bytes from here is aligned."""
        self._out += bytes(-(len(self._out) + ahead) % to)

    def _patch(self, at: int, target: int) -> None:
        struct.pack_into("<I", self._out, at, target - at)

    def _table(self, table: Table) -> int:
        slots = max(table.fields, default=-1) + 1
        vtable_bytes = 4 + 2 * slots
        offsets, size = [0] * slots, 4  # the table opens with its own offset to the vtable
        inline = {n: struct.calcsize("<" + v.fmt) if isinstance(v, Scalar) else 4 for n, v in table.fields.items()}
        for n in sorted(inline, key=lambda n: (-inline[n], n)):
            offsets[n] = size
            size += inline[n]
        self._align(4, vtable_bytes)
        start = len(self._out) + vtable_bytes
        self._out += struct.pack(f"<{2 + slots}H", vtable_bytes, size, *offsets)
        self._out += struct.pack("<i", vtable_bytes) + bytes(size - 4)
        for n, value in table.fields.items():
            if isinstance(value, Scalar):
                number = value.value if value.fmt == "f" else int(value.value)
                struct.pack_into("<" + value.fmt, self._out, start + offsets[n], number)
        for n, value in table.fields.items():
            if not isinstance(value, Scalar):
                self._patch(start + offsets[n], self._object(value))
        return start

    def _object(self, value: Vector | Blob | str | Table | list[Table]) -> int:
        if isinstance(value, Table):
            return self._table(value)
        if isinstance(value, str):
            data = value.encode()
            return self._vector(len(data), data + b"\0", 4)
        if isinstance(value, Blob):
            return self._vector(len(value.data), value.data, 16)
        if isinstance(value, Vector):
            numbers = value.values if value.fmt == "f" else [int(v) for v in value.values]
            data = struct.pack(f"<{len(numbers)}{value.fmt}", *numbers)
            return self._vector(len(numbers), data, max(4, struct.calcsize("<" + value.fmt)))
        at = self._vector(len(value), bytes(4 * len(value)), 4)
        for i, table in enumerate(value):
            self._patch(at + 4 + 4 * i, self._table(table))
        return at

    def _vector(self, count: int, data: bytes, align: int) -> int:
        self._align(align, 4)
        at = len(self._out)
        self._out += struct.pack("<I", count) + data
        return at
