"""Going through the bytes of a segment: its records in the order of their places, and damage between them."""

from __future__ import annotations

from collections.abc import Iterator

from edge.dag._crc32c import find, walk
from edge.dag.records import (
    HEADER_BYTES,
    Damage,
    Disk,
    Place,
    Readable,
    Record,
    offset_of,
    place_of,
    read_patiently,
    segment_name,
)
from edge.dag.table import Table, read_table
from edge.errors import StorageError
from edge.limits import RECORD_BYTES_MAX, RESYNC_BYTES_MAX, ROSTER_BYTES_MAX

_WINDOW_BYTES = 512 * 1024
_WIDE_BYTES = _WINDOW_BYTES + ROSTER_BYTES_MAX
"""A window for where a large record begins, or seems to."""
_AHEAD_BYTES = 256 * 1024
assert _WINDOW_BYTES > HEADER_BYTES + RECORD_BYTES_MAX

Found = tuple[Place, Record] | Damage


def scan(disk: Disk, segment: int, start: int, size: int, name: str = "") -> Iterator[Found]:
    """What stands in a segment from the offset `start` on, in order; there a record begins or the log ends.

    Holds one window at a time. Zeros up to `size`, the bytes of the file, yield nothing. `name`: of another file that
    has what is in the segment. Damage is told by where it lies in the file.
    """
    name = name or segment_name(segment)
    table = read_table(disk, segment, name)
    if table is None:
        return _Stretch(disk, name, segment, 0).scan(start, size)
    return _scan_elided(_Stretch(_Ahead(disk), name, segment, 0), table, start, size)


def _scan_elided(stretch: _Stretch, table: Table, start: int, size: int) -> Iterator[Found]:
    """One stretch after the other: where one begins, a record does, whatever became of those before."""
    damage: Damage | None = None
    for offset, first, end in table.stretches():
        if offset + end - first <= start:
            continue
        stretch.shift = offset - first
        reached = first
        for item in stretch.scan(first, min(end, size)):
            if isinstance(item, Damage):
                reached = end if item.final else item.end
                damage = Damage(damage.start if damage is not None else item.start, reached, final=False)
                continue
            if damage is not None:
                yield damage
                damage = None
            reached = offset_of(item[0]) - stretch.shift + HEADER_BYTES + len(item[1].payload)
            if offset_of(item[0]) >= start:
                yield item
        if reached < end:  # zeros, or the file ends early
            damage = Damage(damage.start if damage is not None else reached, end, final=False)
    if damage is not None:
        yield damage


class _Stretch:
    """Bytes of a file whose records were written `shift` bytes further on, in one search for records behind damage.

    A search that costs more than `_budget` gives up the rest.
    """

    def __init__(self, disk: Readable, name: str, segment: int, shift: int) -> None:
        self.shift = shift
        self._disk = disk
        self._name = name
        self._segment = segment
        self._budget = RESYNC_BYTES_MAX
        """Bytes that may yet be checksummed to find the ends of damage."""

    def _place(self, position: int) -> Place:
        return place_of(self._segment, position + self.shift)

    def scan(self, start: int, size: int) -> Iterator[Found]:
        """What stands in bytes [start, size) of the file."""
        position = start
        width = _WINDOW_BYTES
        while position < size:
            window, _ = read_patiently(self._disk, self._name, position, min(width, size - position))
            if not window:
                return
            base = self._place(position)
            records, used, cut_off = walk(window, base, RECORD_BYTES_MAX, ROSTER_BYTES_MAX)
            for offset, kind, payload in records:
                yield base + offset, Record(kind, payload)
            position += used
            is_narrow, width = width == _WINDOW_BYTES, _WINDOW_BYTES
            if cut_off and position < size and (used or (is_narrow and position + len(window) < size)):
                width = _WINDOW_BYTES if used else _WIDE_BYTES
                continue
            damage = self._damage(position, size)
            if damage is None:
                return
            yield damage
            position = damage.end if not damage.final else size

    def _damage(self, start: int, size: int) -> Damage | None:
        """The damage that begins at `start`; None if only zeros follow."""
        position = start
        last = start  # behind the last byte that is not zero
        all_readable = True
        width = _WINDOW_BYTES
        while position < size:
            window, readable = read_patiently(self._disk, self._name, position, min(width, size - position))
            if not window:
                break
            all_readable = all_readable and readable
            is_empty = window == bytes(len(window))  # mostly; comparing is ten times as fast as stripping
            filled = 0 if is_empty else len(window.rstrip(b"\0"))
            clear = len(window) - HEADER_BYTES
            if filled:
                last = position + filled
                skip = int(position == start)  # where the damage begins, no record does
                base = self._place(position)
                budget = self._budget
                found, clear, checked = find(window, skip, base, RECORD_BYTES_MAX, max(0, budget), ROSTER_BYTES_MAX)
                self._budget -= checked
                if found >= 0:
                    return Damage(start, position + found, final=False)
                if self._budget < 0:
                    return Damage(start, size, final=False)
            if position + len(window) >= size:
                break
            # What begins here may be too large for the window: the next look at it is a wide one.
            width = _WIDE_BYTES if clear == 0 and width == _WINDOW_BYTES else _WINDOW_BYTES
            position += clear if width == _WIDE_BYTES else max(clear, 1)
        return Damage(start, last, final=all_readable) if last > start else None


class _Ahead:
    """One file read from its beginning to its end in many small pieces."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._start = 0
        self._data = b""

    def read(self, name: str, offset: int, length: int) -> bytes:
        if not self._start <= offset <= offset + length <= self._start + len(self._data):
            if length >= _AHEAD_BYTES:
                return self._disk.read(name, offset, length)
            try:
                self._start, self._data = offset, self._disk.read(name, offset, _AHEAD_BYTES)
            except StorageError:
                return self._disk.read(name, offset, length)
        return self._data[offset - self._start : offset - self._start + length]
