"""Recovery: what a start finds in the directory of the log, and how it makes that a log again.

The bytes there may be anything. A torn end of the last segment is cut; damage with intact records behind it stays where
it is, since their places are for life, and is copied to `quarantine/`; files that only look like segments move there.
What was to take the place of a segment and has not (edge/dag/eliding.py) is removed.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from edge.dag.records import (
    GAP,
    HEADER_BYTES,
    Damage,
    Disk,
    Place,
    Record,
    beside_name,
    beside_numbers,
    offset_of,
    read_patiently,
    segment_name,
    segment_numbers,
)
from edge.dag.scanning import scan
from edge.dag.table import read_table
from edge.errors import StorageError
from edge.limits import GAPS_MAX, QUARANTINE_BYTES_MAX, SEGMENT_BYTES
from edge.wire.cbor import Malformed, decode

QUARANTINE = "quarantine/"
_COPY_BYTES = 256 * 1024


class Gap(NamedTuple):
    """A damaged range of a segment. `known`: an earlier start has already reported it."""

    segment: int
    start: int
    end: int
    known: bool


class Recovery:
    """One pass over the log. Its fields are complete once `records` is exhausted."""

    def __init__(self, disk: Disk, segment_bytes: int) -> None:
        self.segment = 0
        """The segment to append to; 0 if none is fit for it."""
        self.end = 0
        """Where its last record ends."""
        self.newest = 0
        """The highest segment number in use."""
        self.sizes: dict[int, int] = {}
        """Bytes in use, by segment."""
        self.found = 0
        """Intact records."""
        self.last_type = 0
        self.torn_bytes = 0
        self.gap_count = 0
        self.gap_bytes = 0
        self.strays = 0
        """Files set aside that only looked like segments."""
        self.leftovers = 0
        """Files that were to take the place of a segment."""
        self.elided = 0
        """Segments without signatures that need not be there."""
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._damage: list[tuple[int, int, int]] = []
        self._known: dict[tuple[int, ...], None] = {}
        self._names = disk.names()
        self._copy_budget = QUARANTINE_BYTES_MAX

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The first GAPS_MAX of `gap_count`."""
        return tuple(Gap(*damage, known=damage in self._known) for damage in self._damage)

    def records(self) -> Iterator[tuple[Place, Record]]:
        """Every intact record in the order of its append. Raises nothing for what lies in the directory."""
        self._remove_leftovers()
        self._copy_budget -= sum(self._size(name) for name in self._names if name.startswith(QUARANTINE))
        numbers = segment_numbers(self._names)
        last = next((number for number in reversed(numbers) if self._holds_records(number)), 0)
        while last + 1 in numbers:  # begun, but nothing in it survived
            last += 1
        for number in numbers:
            if number <= last:
                yield from self._segment(number, is_last=number == last)
            else:
                self._set_aside(segment_name(number))

    def repair(self) -> None:
        """Cut the torn end, and make durable what was found. StorageError if the device refuses."""
        if self.torn_bytes:
            name = segment_name(self.segment)
            self._disk.truncate(name, self.end, self._segment_bytes)
            self._disk.sync(name)
        self._disk.sync_dir()

    def _segment(self, number: int, *, is_last: bool) -> Iterator[tuple[Place, Record]]:
        name = segment_name(number)
        is_elided = read_table(self._disk, number, name) is not None
        appendable = is_last and not is_elided and self._settle(name)
        end = torn = 0
        for item in scan(self._disk, number, 0, self._scan_size(name)):
            if not isinstance(item, Damage):
                end = offset_of(item[0]) + HEADER_BYTES + len(item[1].payload)
                self._note(item[1])
                yield item
            elif item.final and appendable:
                torn = item.end - item.start
            else:
                end = item.end
                self._quarantine(number, item)
        self.newest = number
        self.sizes[number] = self._size(name) if is_elided else end
        self.elided += is_elided
        if appendable:
            self.segment, self.end, self.torn_bytes = number, end, torn

    def _holds_records(self, number: int) -> bool:
        items = scan(self._disk, number, 0, self._scan_size(segment_name(number)))
        return any(not isinstance(item, Damage) for item in items)

    def _scan_size(self, name: str) -> int:
        return min(self._size(name), max(SEGMENT_BYTES, self._segment_bytes))

    def _size(self, name: str) -> int:
        try:
            return self._disk.size(name)
        except StorageError:
            return 0  # no file, or one that the device has lost

    def _settle(self, name: str) -> bool:
        """What a killed process left in the page cache is not durable yet, and after a failed sync it may never be."""
        try:
            self._disk.settle(name)
        except StorageError:
            return False
        return True

    def _note(self, record: Record) -> None:
        self.found += 1
        self.last_type = record.type
        if record.type == GAP and len(self._known) < GAPS_MAX:
            with suppress(Malformed, TypeError):
                self._known[tuple(decode(record.payload))] = None

    def _quarantine(self, number: int, damage: Damage) -> None:
        self.gap_count += 1
        self.gap_bytes += damage.end - damage.start
        if len(self._damage) < GAPS_MAX:
            self._damage.append((number, damage.start, damage.end))
        copy = f"{QUARANTINE}{number:08d}-{damage.start}-{damage.end}"
        if copy in self._names or damage.end - damage.start > self._copy_budget:
            return
        self._copy_budget -= damage.end - damage.start
        with suppress(StorageError):  # the copy is for people; the damage itself stays where it is
            self._copy(segment_name(number), damage, copy)

    def _copy(self, name: str, damage: Damage, copy: str) -> None:
        self._disk.create(copy, 0)
        for offset in range(damage.start, damage.end, _COPY_BYTES):
            data, _ = read_patiently(self._disk, name, offset, min(_COPY_BYTES, damage.end - offset))
            self._disk.write(copy, offset - damage.start, data)

    def _remove_leftovers(self) -> None:
        """The segments themselves are still there."""
        for number in beside_numbers(self._names):
            with suppress(StorageError):
                self._disk.remove(beside_name(number))
                self.leftovers += 1

    def _set_aside(self, name: str) -> None:
        """A file without one record that continues nothing was never a segment: do not count on from its number."""
        self.strays += 1
        with suppress(StorageError):
            self._disk.rename(name, QUARANTINE + name)
