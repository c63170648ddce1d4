"""Writes FlatBuffers from plain values, without a schema: field numbers are the caller's. Same values, same bytes.

Objects are written forwards: a table first, then what it points to, so that every offset is positive (FlatBuffers
internals, "Tables").
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

END_BYTES = 16
"""A file's size is a multiple of it."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number stored in its table; `letter` is that of struct."""

    letter: str
    value: float


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector of numbers."""

    letter: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Blob:
    """A vector of bytes aligned to 16, as `Buffer.data` asks for."""

    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Table:
    """Field number -> value. What is left out takes the schema's default."""

    fields: Mapping[int, Value]


Value = Scalar | Vector | Blob | str | Table | Sequence[Table]


def write(root: Table, identifier: bytes) -> bytes:
    """The file that begins with this table."""
    return _Writer(identifier).finish(root)


class _Writer:
    """Appends objects to one buffer and patches the offset that points at each."""

    def __init__(self, identifier: bytes) -> None:
        self._out = bytearray(4) + identifier

    def finish(self, root: Table) -> bytes:
        self._patch(0, self._table(root))
        self._align(END_BYTES)
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
        inline = {n: struct.calcsize("<" + v.letter) if isinstance(v, Scalar) else 4 for n, v in table.fields.items()}
        for n in sorted(inline, key=lambda n: (-inline[n], n)):
            offsets[n] = size
            size += inline[n]
        self._align(4, vtable_bytes)
        start = len(self._out) + vtable_bytes
        self._out += struct.pack(f"<{2 + slots}H", vtable_bytes, size, *offsets)
        self._out += struct.pack("<i", vtable_bytes) + bytes(size - 4)
        for n, value in table.fields.items():
            if isinstance(value, Scalar):
                number = value.value if value.letter in "fd" else int(value.value)
                struct.pack_into("<" + value.letter, self._out, start + offsets[n], number)
        for n, value in table.fields.items():
            if not isinstance(value, Scalar):
                self._patch(start + offsets[n], self._object(value))
        return start

    def _object(self, value: Vector | Blob | str | Table | Sequence[Table]) -> int:
        if isinstance(value, Table):
            return self._table(value)
        if isinstance(value, str):
            data = value.encode()
            return self._vector(len(data), data + b"\0", 4)
        if isinstance(value, Blob):
            return self._vector(len(value.data), value.data, 16)
        if isinstance(value, Vector):
            numbers = value.values if value.letter in "fd" else [int(v) for v in value.values]
            data = struct.pack(f"<{len(numbers)}{value.letter}", *numbers)
            return self._vector(len(numbers), data, max(4, struct.calcsize("<" + value.letter)))
        at = self._vector(len(value), bytes(4 * len(value)), 4)
        for i, table in enumerate(value):
            self._patch(at + 4 + 4 * i, self._table(table))
        return at

    def _vector(self, count: int, data: bytes | memoryview, align: int) -> int:
        self._align(align, 4)
        at = len(self._out)
        self._out += struct.pack("<I", count) + data
        return at
