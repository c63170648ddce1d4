"""The journal's segments, read the slow way: record = length u32 | type u8 | CRC32C u32 | payload, little-endian.

The CRC covers place u64 (segment << 32 | offset) | length | type | payload. Zeros behind the last record are reserved.
An elided segment (docs/WIRE.md section 16) has its records closer together than their places say.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

HEADER_BYTES = 9
PAYLOAD_MAX = 64 * 1024 + 1024
ROSTER_MAX = 4 * 1024 * 1024 - 4096


def _byte_crc(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


TABLE = [_byte_crc(byte) for byte in range(256)]


def crc32c(data: bytes) -> int:
    """Castagnoli, reflected (RFC 3720 appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Record(NamedTuple):
    place: int
    type: int
    payload: bytes


class Damage(NamedTuple):
    """Bytes of a segment that are no records although records follow."""

    segment: int
    start: int
    end: int


def record_at(data: bytes, segment: int, offset: int, written: int | None = None) -> Record | None:
    """The record at an offset of the file, which was `written` there or elsewhere."""
    head = data[offset : offset + HEADER_BYTES]
    if len(head) < HEADER_BYTES:
        return None
    length, kind, crc = int.from_bytes(head[:4], "little"), head[4], int.from_bytes(head[5:], "little")
    payload = data[offset + HEADER_BYTES : offset + HEADER_BYTES + length]
    if not 1 <= kind <= 31 or length > (ROSTER_MAX if kind in (5, 8) else PAYLOAD_MAX) or len(payload) != length:
        return None
    place = segment << 32 | (offset if written is None else written)
    if crc32c(place.to_bytes(8, "little") + head[:5] + payload) != crc:
        return None
    return Record(place, kind, payload)


def table_of(data: bytes, segment: int) -> list[tuple[int, int]] | None:
    """(old offset, offset in the file) of each stretch and of the end, from either copy; None for other segments."""
    tail = len(data) - 4 - int.from_bytes(data[-4:], "little")
    for start in (0, tail):
        record = record_at(data, segment, start, 0xFFFF_FFFF) if start >= 0 else None
        if record is not None and record.type == 11:
            numbers = [int.from_bytes(record.payload[at : at + 4], "little") for at in range(0, len(record.payload), 4)]
            return list(zip(numbers[::2], numbers[1::2], strict=True))
    return None


def read_elided(data: bytes, segment: int, table: list[tuple[int, int]]) -> Iterator[Record | Damage]:
    damaged_from: int | None = None
    for (written, start), (_, end) in pairwise(table):
        offset = start
        while offset < end:
            record = record_at(data[:end], segment, offset, written + offset - start)
            if record is None:
                damaged_from = offset if damaged_from is None else damaged_from
                offset += 1
                continue
            if damaged_from is not None:
                yield Damage(segment, damaged_from, offset)
                damaged_from = None
            yield record
            offset += HEADER_BYTES + len(record.payload)
    if damaged_from is not None:
        yield Damage(segment, damaged_from, table[-1][1])


def read_segment(data: bytes, segment: int) -> Iterator[Record | Damage]:
    table = table_of(data, segment)
    if table is not None:
        yield from read_elided(data, segment, table)
        return
    used = len(data.rstrip(b"\0"))
    offset = 0
    damaged_from: int | None = None
    while offset < used:
        record = record_at(data, segment, offset)
        if record is None:
            damaged_from = offset if damaged_from is None else damaged_from
            offset += 1
            continue
        if damaged_from is not None:
            yield Damage(segment, damaged_from, offset)
            damaged_from = None
        yield record
        offset += HEADER_BYTES + len(record.payload)


def read_log(directory: Path) -> Iterator[Record | Damage]:
    for path in sorted(directory.glob("[0-9]" * 8 + ".seg")):
        yield from read_segment(path.read_bytes(), int(path.stem))
