"""Reading a log without touching it, also while the agent writes it.

What is read has been appended but may not be durable yet. A record that is half written is not there yet.
"""

from collections.abc import Iterator

from edge.dag._crc32c import walk
from edge.dag.records import (
    HEADER_BYTES,
    Damage,
    Disk,
    Place,
    Record,
    offset_of,
    payload_max,
    segment_name,
    segment_numbers,
    segment_of,
)
from edge.dag.scanning import scan
from edge.dag.table import Table, read_table
from edge.errors import StorageError
from edge.limits import RECORD_BYTES_MAX, ROSTER_BYTES_MAX

_FIRST_READ_BYTES = 4096


def read_record(disk: Disk, place: Place) -> Record | None:
    """The record at `place`; None if nothing valid stands there."""
    segment = segment_of(place)
    return read_at(disk, place, read_table(disk, segment, segment_name(segment)))


def read_at(disk: Disk, place: Place, table: Table | None) -> Record | None:
    """The same with the table of its segment, None if that has none."""
    name = segment_name(segment_of(place))
    offset = offset_of(place) if table is None else table.find(offset_of(place))
    if offset is None:
        return None
    try:
        data = disk.read(name, offset, _FIRST_READ_BYTES)
        length = HEADER_BYTES + int.from_bytes(data[:4], "little")
        if len(data) >= HEADER_BYTES and len(data) < length <= HEADER_BYTES + payload_max(data[4]):
            data += disk.read(name, offset + len(data), length - len(data))
    except StorageError:
        return None
    records, _, _ = walk(data[:length], place, RECORD_BYTES_MAX, ROSTER_BYTES_MAX)
    return Record(*records[0][1:]) if records else None


def read_log(disk: Disk) -> Iterator[tuple[Place, Record]]:
    """Every intact record in the order of its append, up to the first that is incomplete in the last segment."""
    return _records(disk, 0, 0)


def follow(disk: Disk, place: Place) -> Iterator[tuple[Place, Record]]:
    """The records after the one at `place` (0: all) that there are by now; poll again with the last place it gave."""
    if not place:
        return read_log(disk)
    last = read_record(disk, place)
    if last is None:
        return _records(disk, segment_of(place), offset_of(place))
    return _records(disk, segment_of(place), offset_of(place) + HEADER_BYTES + len(last.payload))


def _records(disk: Disk, segment: int, offset: int) -> Iterator[tuple[Place, Record]]:
    # The names are listed first: a segment with a successor then is complete before it is read.
    numbers = [number for number in segment_numbers(disk.names()) if number >= segment]
    for number in numbers:
        start = offset if number == segment else 0
        yield from _segment(disk, number, start, growing=number == numbers[-1])


def _segment(disk: Disk, number: int, start: int, *, growing: bool) -> Iterator[tuple[Place, Record]]:
    name = segment_name(number)
    growing = growing and read_table(disk, number, name) is None
    try:
        if growing and start and not any(disk.read(name, start, HEADER_BYTES)):
            return  # nothing new: spares a poll the reading of all reserved zeros
        size = disk.size(name)
    except StorageError:
        return
    doubted = -1
    while True:
        for item in scan(disk, number, start, size):
            if not isinstance(item, Damage):
                yield item
            elif growing and item.start != doubted and not item.final:
                # Perhaps this record was being written when its bytes were read, and the next one just after.
                doubted = start = item.start
                break
        else:
            return
