"""Reads FlatBuffers tables from bytes that nobody has checked: every look goes through a bound.

A table opens with a signed distance back to its vtable; the vtable has its own size, the table's, and for each field
the place in the table or 0 (FlatBuffers internals, "Tables"). What a field points to lies behind it, always, so that
nothing can lead in a circle. Content is not copied: it stays a view of the caller's bytes.

Honest files share little. All reading of one file together may look at `_WORK_PER_BYTE` times its size, so that a small
file whose tables all name one large vector costs no more than a large file. Vectors of numbers become Python's, thirty
bytes for each, and have a bound of their own.
"""

import struct
from typing import Any, Final

from edge.limits import MODEL_NUMBERS_MAX
from edge.nn.errors import ModelError

_WORK_PER_BYTE: Final = 4
_WORK_FREE: Final = 64 * 1024
_HEAD_BYTES: Final = 8
"""Offset of the root table, then the identifier."""

_U16 = struct.Struct("<H")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")
_SCALARS = {letter: struct.Struct("<" + letter) for letter in "?bBhHiIqQfd"}


class Source:
    """The bytes of one file, and how much reading of them is still allowed."""

    __slots__ = ("_numbers_left", "_work_left", "data", "path", "size")

    def __init__(self, data: bytes | bytearray | memoryview, path: str):
        self.data = memoryview(data).toreadonly().cast("B")
        self.path = path
        self.size = len(self.data)
        self._work_left = _WORK_FREE + _WORK_PER_BYTE * self.size
        self._numbers_left = MODEL_NUMBERS_MAX

    def root(self, identifier: bytes) -> "Table":
        """The table that the file begins with. Raises ModelError."""
        if self.size < _HEAD_BYTES:
            raise self.fault("file", 0, f"{self.size} bytes (allowed: {_HEAD_BYTES} or more)")
        found = bytes(self.data[4:8])
        if found != identifier:
            raise self.fault("file", 4, f"identifier {found!r} (allowed: {identifier!r})")
        return Table(self, self.target("root", 0), "root")

    def fault(self, where: str, at: int, what: str) -> ModelError:
        """The error to raise: file, place by name and by byte, what is there and what is allowed.

        Names out of the file may be part of it, so that what cannot be printed is escaped.
        """
        message = f"model {self.path}: {where} at byte {at}: {what}"
        return ModelError("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))

    def spend(self, where: str, at: int, count: int) -> None:
        """Account for looking at `count` bytes."""
        self._work_left -= count
        if self._work_left < 0:
            raise self.fault(where, at, f"the file refers to itself too often (allowed: {_WORK_PER_BYTE} × its size)")

    def take_numbers(self, where: str, at: int, count: int) -> None:
        """Account for numbers that become Python's."""
        self._numbers_left -= count
        if self._numbers_left < 0:
            raise self.fault(where, at, f"too many numbers beside the content (allowed: {MODEL_NUMBERS_MAX} in all)")

    def target(self, where: str, at: int) -> int:
        """Where the offset stored at `at` leads: behind it, aligned, with room for four bytes more."""
        (offset,) = _U32.unpack_from(self.data, at)
        target: int = at + offset
        if offset < 4 or target % 4 or target > self.size - 4:
            raise self.fault(
                where, at, f"offset leads to byte {target} (allowed: multiples of 4 up to {self.size - 4})"
            )
        return target


class Table:
    """One table, its vtable checked. A field that is absent answers with the default that is asked for."""

    __slots__ = ("_bytes", "_slots", "_vtable", "at", "source", "where")

    def __init__(self, source: Source, at: int, where: str):
        data, size = source.data, source.size
        vtable = at - _I32.unpack_from(data, at)[0]
        if vtable % 2 or not 0 <= vtable <= size - 4:
            raise source.fault(where, at, f"vtable at byte {vtable} (allowed: even, 0 to {size - 4})")
        vtable_bytes, table_bytes = _U16.unpack_from(data, vtable)[0], _U16.unpack_from(data, vtable + 2)[0]
        if vtable_bytes % 2 or not 4 <= vtable_bytes <= size - vtable:
            raise source.fault(where, vtable, f"vtable of {vtable_bytes} bytes (allowed: even, 4 to {size - vtable})")
        if not 4 <= table_bytes <= size - at:
            raise source.fault(where, vtable, f"table of {table_bytes} bytes (allowed: 4 to {size - at})")
        if vtable < at + table_bytes and at < vtable + vtable_bytes:
            raise source.fault(where, at, f"vtable at byte {vtable} lies in its own table (allowed: outside)")
        source.spend(where, at, vtable_bytes + table_bytes)
        self.source, self.at, self.where = source, at, where
        self._vtable, self._slots, self._bytes = vtable, vtable_bytes // 2 - 2, table_bytes

    def fault(self, field: str, what: str, at: int | None = None) -> ModelError:
        """An error about one field of this table."""
        return self.source.fault(self._name(field), self.at if at is None else at, what)

    def scalar(self, number: int, field: str, letter: str, default: Any) -> Any:
        """A number stored in the table; `letter` is that of struct."""
        form = _SCALARS[letter]
        at = self._place(number, field, form.size)
        return default if at is None else form.unpack_from(self.source.data, at)[0]

    def table(self, number: int, field: str) -> "Table | None":
        at = self._follow(number, field)
        return None if at is None else Table(self.source, at, self._name(field))

    def tables(self, number: int, field: str, most: int) -> "tuple[Table, ...]":
        """A vector of tables, at most so many; empty when absent."""
        found = self._vector(number, field, 4, most)
        if found is None:
            return ()
        start, count = found
        source, name = self.source, self._name(field)
        return tuple(
            Table(source, source.target(where, start + 4 * index), where)
            for index, where in ((index, f"{name}[{index}]") for index in range(count))
        )

    def numbers(self, number: int, field: str, letter: str, most: int) -> tuple[Any, ...]:
        """A vector of numbers, at most so many; empty when absent."""
        found = self._vector(number, field, _SCALARS[letter].size, most)
        if found is None:
            return ()
        at, count = found
        self.source.take_numbers(self._name(field), at, count)
        return struct.unpack_from(f"<{count}{letter}", self.source.data, at)

    def content(self, number: int, field: str) -> tuple[int, memoryview] | None:
        """A vector of bytes and where it begins, not looked at."""
        found = self._vector(number, field, 1, self.source.size, work=0)
        return None if found is None else (found[0], self.source.data[found[0] : found[0] + found[1]])

    def text(self, number: int, field: str, most: int) -> str:
        """A string; what is not UTF-8 in it shows as escapes."""
        found = self._vector(number, field, 1, most)
        if found is None:
            return ""
        return bytes(self.source.data[found[0] : found[0] + found[1]]).decode("utf-8", "backslashreplace")

    def has(self, number: int) -> bool:
        """Whether the field is stored at all."""
        return self._offset(number) != 0

    def _name(self, field: str) -> str:
        return field if self.where == "root" else f"{self.where}.{field}" if field else self.where

    def _offset(self, number: int) -> int:
        if number >= self._slots:
            return 0
        offset: int = _U16.unpack_from(self.source.data, self._vtable + 4 + 2 * number)[0]
        return offset

    def _place(self, number: int, field: str, width: int) -> int | None:
        """Where the field's `width` bytes are, or None when it is absent."""
        offset = self._offset(number)
        if not offset:
            return None
        if not 4 <= offset <= self._bytes - width:
            raise self.fault(field, f"is {offset} bytes into its table (allowed: 4 to {self._bytes - width})")
        return self.at + offset

    def _follow(self, number: int, field: str) -> int | None:
        at = self._place(number, field, 4)
        return None if at is None else self.source.target(self._name(field), at)

    def _vector(
        self, number: int, field: str, width: int, most: int, work: int | None = None
    ) -> tuple[int, int] | None:
        """Where a vector's first element is, and how many it has; None when absent."""
        at = self._follow(number, field)
        if at is None:
            return None
        (count,) = _U32.unpack_from(self.source.data, at)
        room = (self.source.size - at - 4) // width
        if count > room:
            raise self.fault(field, f"{count} elements (allowed: up to {room}, where the file ends)", at)
        if count > most:
            raise self.fault(field, f"{count} elements (allowed: up to {most})", at)
        self.source.spend(self._name(field), at, 4 + (count * width if work is None else work))
        return at + 4, count
