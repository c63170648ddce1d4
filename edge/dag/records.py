"""The form of the log: records in segments on a Disk. Read here, written by `edge.dag.journal`.

A segment is a file `00000001.seg`; a record is length u32 | type u8 | CRC32C u32 | payload, little-endian, and never
spans segments. The CRC covers place | length | type | payload (cython/crc32c.pyx). Segments are reserved ahead, so
that a disk fills up in `append` and not in a sync: zeros behind the last record are the end of the log, not damage.

An elided segment (edge/dag/table.py) has its records elsewhere in the file than they were written. Their places are the
old ones, and so are the checksums.
"""

from typing import NamedTuple, Protocol

from edge.errors import StorageError
from edge.limits import RECORD_BYTES_MAX, ROSTER_BYTES_MAX

Place = int
"""Where a record was written: segment << 32 | offset. Valid for the life of the log; above 0."""

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
TABLE = 11
"""Where the records of an elided segment lie (edge/dag/table.py); never handed out as a record."""

TYPE_MAX = 31
"""Room for later types: an older agent carries their records along instead of calling them damage."""
HEADER_BYTES = 9
SEGMENT_NUMBER_MAX = 99_999_999

_PAGE_BYTES = 4096


class Record(NamedTuple):
    """One journal record; `type` is one of the constants above."""

    type: int
    payload: bytes


class Damage(NamedTuple):
    """Bytes [start, end) of a segment that are not records. `final`: no record follows in this segment, for certain."""

    start: int
    end: int
    final: bool


class Readable(Protocol):
    """What is read from."""

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes, fewer only at the end of the file."""
        ...


class Disk(Readable, Protocol):
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


def beside_name(segment: int) -> str:
    """What is to take the place of a segment's file, until all of it is durable."""
    return f"{segment:08d}.tmp"


def segment_numbers(names: list[str]) -> list[int]:
    """The segments among the names of a directory, ascending; whatever else lies there is not ours."""
    return _numbers(names, ".seg")


def beside_numbers(names: list[str]) -> list[int]:
    """The same of what a stop or a power cut left of files that were to take the place of a segment."""
    return _numbers(names, ".tmp")


def _numbers(names: list[str], ending: str) -> list[int]:
    stems = [name[:8] for name in names if len(name) == 12 and name.endswith(ending)]
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit() and stem != "00000000")


def read_patiently(disk: Readable, name: str, offset: int, length: int) -> tuple[bytes, bool]:
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
