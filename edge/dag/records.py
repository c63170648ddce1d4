"""The form of the log: records in segments on a Disk. Read here, written by `edge.dag.journal`.

A segment is a file `00000001.seg`; a record is length u32 | type u8 | CRC32C u32 | payload, little-endian, and never
spans segments. The CRC covers place | length | type | payload (cython/crc32c.pyx). Segments are reserved ahead, so
that a disk fills up in `append` and not in a sync: zeros behind the last record are the end of the log, not damage.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from edge.dag._crc32c import find, walk
from edge.errors import StorageError
from edge.limits import RECORD_BYTES_MAX, RESYNC_BYTES_MAX, ROSTER_BYTES_MAX

Place = int
"""Where a record stands: segment << 32 | offset. Valid for the life of the log; above 0."""

VERTEX = 1
"""A frame of channel v/."""
SIGNATURE = 2
"""Vertex id (32 bytes) | signature."""
BOOT = 3
"""CBOR [incarnation, wall_ms]."""
CLEAN = 4
"""Empty; the last record of a clean stop."""
ROSTER = 5
"""COSE_Sign1 bytes."""
GAP = 6
"""CBOR [segment, start, end]: what recovery quarantined, so that it is reported once."""
EVIDENCE = 7
"""Two signed vertices under one name (edge/dag/evidence.py)."""
CERTIFICATE = 8
"""The certificate of a register's newest value (edge/consensus/certificate.py)."""
SEAL = 9
"""What the newest checkpoint of a scope comes to (edge/consensus/checkpoint.py)."""
FINAL = 10
"""A register's newest value, where a checkpoint vouches for it and no certificate of its own is here."""

TYPE_MAX = 31
"""Room for later types: an older agent carries their records along instead of calling them damage."""
HEADER_BYTES = 9
SEGMENT_NUMBER_MAX = 99_999_999

_WINDOW_BYTES = 512 * 1024
_PAGE_BYTES = 4096
_WIDE_BYTES = _WINDOW_BYTES + ROSTER_BYTES_MAX
"""A window for where a large record begins, or seems to."""
assert _WINDOW_BYTES > HEADER_BYTES + RECORD_BYTES_MAX


class Record(NamedTuple):
    """One journal record; `type` is one of the constants above."""

    type: int
    payload: bytes


class Damage(NamedTuple):
    """Bytes [start, end) of a segment that are not records. `final`: no record follows in this segment, for certain."""

    start: int
    end: int
    final: bool


class Disk(Protocol):
    """A directory of files, as little of it as the log needs. Every method raises StorageError when the device refuses.

    A power cut leaves what was written before `sync` of the file (names: before `sync_dir`), and any part of the rest.
    A failed `sync` is never retried: the pages it could not write count as clean afterwards (Rebello et al., ATC '20).
    """

    def names(self) -> list[str]:
        """Every entry, those of the one sub-directory `quarantine` as `quarantine/name`; no order promised."""
        ...

    def size(self, name: str) -> int:
        """Bytes of the file, reserved ones included."""
        ...

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes, fewer only at the end of the file."""
        ...

    def create(self, name: str, allocate: int) -> None:
        """A new file of `allocate` reserved zeros; if there is no room, DiskFullError and no file."""
        ...

    def write(self, name: str, offset: int, data: bytes) -> None:
        """All of `data`, or DiskFullError after any part of it."""
        ...

    def sync(self, name: str) -> None:
        """What was written to the file is durable (fdatasync)."""
        ...

    def settle(self, name: str) -> None:
        """Sync, then forget what is cached, also when the sync fails: from here on reads show what the device holds."""
        ...

    def truncate(self, name: str, length: int, allocate: int) -> None:
        """Cut the file to `length` bytes, then reserve zeros up to `allocate` as far as there is room."""
        ...

    def rename(self, old: str, new: str) -> None: ...

    def remove(self, name: str) -> None: ...

    def sync_dir(self) -> None:
        """Creations, renames and removals are durable."""
        ...

    def free_bytes(self) -> int: ...


def payload_max(type: int) -> int:
    """Bytes that a record of this type holds at most: a roster is as large as its site, a certificate as a quorum."""
    return ROSTER_BYTES_MAX if type in (ROSTER, CERTIFICATE) else RECORD_BYTES_MAX


def place_of(segment: int, offset: int) -> Place:
    return segment << 32 | offset


def segment_of(place: Place) -> int:
    return place >> 32


def offset_of(place: Place) -> int:
    return place & 0xFFFF_FFFF


def segment_name(segment: int) -> str:
    return f"{segment:08d}.seg"


def segment_numbers(names: list[str]) -> list[int]:
    """The segments among the names of a directory, ascending; whatever else lies there is not ours."""
    stems = [name[:8] for name in names if len(name) == 12 and name.endswith(".seg")]
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit() and stem != "00000000")


def read_patiently(disk: Disk, name: str, offset: int, length: int) -> tuple[bytes, bool]:
    """Like `disk.read`, with 0xff for pages that the device cannot read; and whether it could read all of them."""
    try:
        return disk.read(name, offset, length), True
    except StorageError:
        pass
    pieces = []
    end = offset + length
    while offset < end:
        step = min(_PAGE_BYTES - offset % _PAGE_BYTES, end - offset)
        try:
            pieces.append(disk.read(name, offset, step))
        except StorageError:
            pieces.append(b"\xff" * step)
        offset += step
    return b"".join(pieces), False


def scan(disk: Disk, segment: int, start: int, size: int) -> Iterator[tuple[Place, Record] | Damage]:
    """What stands in bytes [start, size) of a segment, in order; `start` must be where a record begins or the log ends.

    Holds one window at a time. Zeros up to `size` yield nothing.
    """
    name = segment_name(segment)
    position = start
    budget = RESYNC_BYTES_MAX
    width = _WINDOW_BYTES
    while position < size:
        window, _ = read_patiently(disk, name, position, min(width, size - position))
        if not window:
            return
        base = place_of(segment, position)
        records, used, cut_off = walk(window, base, RECORD_BYTES_MAX, ROSTER_BYTES_MAX)
        for offset, kind, payload in records:
            yield base + offset, Record(kind, payload)
        position += used
        is_narrow, width = width == _WINDOW_BYTES, _WINDOW_BYTES
        if cut_off and position < size and (used or (is_narrow and position + len(window) < size)):
            width = _WINDOW_BYTES if used else _WIDE_BYTES
            continue
        damage, spent = _damage(disk, segment, position, size, budget=budget)
        budget -= spent
        if damage is None:
            return
        yield damage
        position = damage.end if not damage.final else size


def _damage(disk: Disk, segment: int, start: int, size: int, *, budget: int) -> tuple[Damage | None, int]:
    """The damage that begins at `start`, None if only zeros follow; and the bytes checksummed to find its end.

    A search that costs more than `budget` gives up the rest of the segment.
    """
    name = segment_name(segment)
    position = start
    last = start  # behind the last byte that is not zero
    spent = 0
    all_readable = True
    width = _WINDOW_BYTES
    while position < size:
        window, readable = read_patiently(disk, name, position, min(width, size - position))
        if not window:
            break
        all_readable = all_readable and readable
        is_empty = window == bytes(len(window))  # mostly; comparing is ten times as fast as stripping
        filled = 0 if is_empty else len(window.rstrip(b"\0"))
        clear = len(window) - HEADER_BYTES
        if filled:
            last = position + filled
            skip = int(position == start)  # where the damage begins, no record does
            base = place_of(segment, position)
            found, clear, checked = find(window, skip, base, RECORD_BYTES_MAX, budget - spent, ROSTER_BYTES_MAX)
            spent += checked
            if found >= 0:
                return Damage(start, position + found, final=False), spent
            if spent > budget:
                return Damage(start, size, final=False), spent
        if position + len(window) >= size:
            break
        # What begins here may be too large for the window: the next look at it is a wide one.
        width = _WIDE_BYTES if clear == 0 and width == _WINDOW_BYTES else _WINDOW_BYTES
        position += clear if width == _WIDE_BYTES else max(clear, 1)
    return (Damage(start, last, final=all_readable) if last > start else None), spent
