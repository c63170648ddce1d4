"""The constant content of a `.tflite` file: where each buffer is, that none overlap, and that no number is NaN.

Tensors may share a buffer, and writers that save space give several buffers the same content. Content that overlaps
without being the same is no honest file's, and would let a small file ask for any amount of looking.
"""

import struct
from math import isfinite, isnan

from edge.nn.flatbuffer import Table

_CHUNK_BYTES = 16 * 1024
_FLOATS = {"float32": "f", "float64": "d", "float16": "e"}


class Buffers:
    """All buffers of one file. Content is cut out, never copied."""

    def __init__(self, tables: tuple[Table, ...]):
        self._spans: dict[tuple[int, int], memoryview] = {}
        self._places = [self._span(table) for table in tables]
        self._checked: dict[tuple[int, int, str], bool] = {}
        self._apart(tables)

    def __len__(self) -> int:
        return len(self._places)

    def content(self, number: int) -> tuple[int, memoryview] | None:
        """Where a buffer's content begins, and the content; None when it has none, or an empty one."""
        place = self._places[number]
        return None if place is None else (place[0], self._spans[place])

    def has_nan(self, number: int, dtype: str) -> bool:
        """Whether a buffer read as this type holds a NaN. Each content is looked through once for each type."""
        place, letter = self._places[number], _FLOATS.get(dtype)
        if place is None or letter is None:
            return False
        key = (*place, letter)
        if key not in self._checked:
            self._checked[key] = _has_nan(self._spans[place], letter)
        return self._checked[key]

    def _span(self, table: Table) -> tuple[int, int] | None:
        if table.scalar(1, "offset", "Q", 0) > 1:
            raise table.fault("offset", "content outside of the FlatBuffer (allowed: inside)")
        found = table.content(0, "data")
        if found is None or not found[1]:
            return None
        place = (found[0], len(found[1]))
        self._spans.setdefault(place, found[1])
        return place

    def _apart(self, tables: tuple[Table, ...]) -> None:
        end = 0
        for start, size in sorted(self._spans):
            if start < end:
                at = self._places.index((start, size))
                raise tables[at].fault("data", f"begins inside other content, which ends at {end}", start)
            end = start + size


def _has_nan(data: memoryview, letter: str) -> bool:
    """Sums are quick and finite unless something is not; only then is every number looked at."""
    width = struct.calcsize("<" + letter)
    for start in range(0, len(data) - len(data) % width, _CHUNK_BYTES):
        chunk = data[start : start + _CHUNK_BYTES]
        numbers = struct.unpack(f"<{len(chunk) // width}{letter}", chunk[: len(chunk) - len(chunk) % width])
        if not isfinite(sum(numbers)) and any(map(isnan, numbers)):
            return True
    return False
