"""The form of an elided segment: records that lie closer together than they were written (docs/WIRE.md §16).

The file is a table, the records, the table once more, and its length. Each record has the place and the checksum that
it had; the table says where in the file it lies. An entry of it is (old offset, offset in the file), both u32
little-endian, for each stretch of records without a gap; the last one is where the records end.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from edge.dag._crc32c import seal, walk
from edge.dag.records import HEADER_BYTES, TABLE, Disk, place_of, read_patiently
from edge.errors import StorageError
from edge.limits import ELIDED_PER_SEGMENT_MAX, RECORD_BYTES_MAX

ENTRY = struct.Struct("<II")
LENGTH_BYTES = 4
TABLE_BYTES_MAX = HEADER_BYTES + ENTRY.size * (ELIDED_PER_SEGMENT_MAX + 2)
assert TABLE_BYTES_MAX - HEADER_BYTES <= RECORD_BYTES_MAX


class Stretch(NamedTuple):
    """Records that lie in the file as they were written, one behind the other."""

    offset: int
    """Where the first was written."""
    start: int
    """Where it lies in the file."""
    end: int


class Table:
    """Where records of an elided segment lie."""

    __slots__ = ("_offsets", "_starts")

    def __init__(self, entries: Iterable[tuple[int, int]]) -> None:
        self._offsets: array[int] = array("I")
        self._starts: array[int] = array("I")
        for offset, start in entries:
            self._offsets.append(offset)
            self._starts.append(start)

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def end(self) -> int:
        """Where in the file the records end."""
        return self._starts[-1]

    @property
    def entries(self) -> list[tuple[int, int]]:
        return list(zip(self._offsets, self._starts, strict=True))

    def stretches(self) -> Iterator[Stretch]:
        for at in range(len(self._offsets) - 1):
            yield Stretch(self._offsets[at], self._starts[at], self._starts[at + 1])

    def find(self, offset: int) -> int | None:
        """Where in the file that lies which was written at `offset`; None if it is not in the file any more."""
        at = bisect_right(self._offsets, offset) - 1
        if not 0 <= at < len(self._offsets) - 1:
            return None
        start = self._starts[at] + offset - self._offsets[at]
        return start if start < self._starts[at + 1] else None

    @property
    def is_sound(self) -> bool:
        """Whether it is one that `edge.dag.eliding` writes: stretches in order, none longer than it was."""
        pairs = self.entries
        if len(pairs) < 2 or pairs[0] != (0, HEADER_BYTES + ENTRY.size * len(pairs)):
            return False
        return all(0 < above[1] - below[1] <= above[0] - below[0] for below, above in pairwise(pairs))

    def record(self, segment: int) -> bytes:
        """As it stands in the file, at either end."""
        payload = b"".join(ENTRY.pack(*entry) for entry in self.entries)
        return seal(_place(segment), TABLE, payload)

    def tail(self, segment: int) -> bytes:
        """What follows the records in the file."""
        record = self.record(segment)
        return record + len(record).to_bytes(LENGTH_BYTES, "little")


def table_bytes(entries: int) -> int:
    """Of one copy with so many entries."""
    return HEADER_BYTES + ENTRY.size * entries


def read_table(disk: Disk, segment: int, name: str) -> Table | None:
    """The table of a segment, from whichever end of its file it can be read; None where there is none."""
    head, _ = read_patiently(disk, name, 0, HEADER_BYTES)
    length = _length(head)
    found = _decode(disk, segment, name, 0, length) if length else None
    if found is not None:
        return found
    try:
        size = disk.size(name)
    except StorageError:
        return None
    said, _ = read_patiently(disk, name, max(0, size - LENGTH_BYTES), LENGTH_BYTES)
    length = int.from_bytes(said, "little")
    start = size - LENGTH_BYTES - length
    return _decode(disk, segment, name, start, length) if start > 0 and length <= TABLE_BYTES_MAX else None


def _length(head: bytes) -> int:
    """Of the table that seems to begin with these bytes; 0 if none does."""
    length = HEADER_BYTES + int.from_bytes(head[:4], "little")
    is_table = len(head) == HEADER_BYTES and head[4] == TABLE and length <= TABLE_BYTES_MAX
    return length if is_table else 0


def _decode(disk: Disk, segment: int, name: str, start: int, length: int) -> Table | None:
    data, _ = read_patiently(disk, name, start, length)
    records, used, _ = walk(data, _place(segment), RECORD_BYTES_MAX)
    if len(records) != 1 or used != length or records[0][1] != TABLE or len(records[0][2]) % ENTRY.size:
        return None
    table = Table(ENTRY.iter_unpack(records[0][2]))
    return table if table.is_sound else None


def _place(segment: int) -> int:
    """No record can be written there."""
    return place_of(segment, 0xFFFF_FFFF)
