"""`floor.cbor` on the disk: written whole and durable before anything is dropped, read before the log is."""

from __future__ import annotations

import errno
from pathlib import Path

from edge.dag.floor import Floor, decode_floor
from edge.errors import DataError, DiskFullError, StorageError
from edge.limits import FLOOR_BYTES_MAX
from edge.shell.files import read_bounded, write_atomically

NAME = "floor.cbor"
"""Beside the log's directory."""


def save(path: Path, data: bytes) -> None:
    """Durable when it returns; DiskFullError leaves the old one."""
    try:
        write_atomically(path, data, mode=0o600)
    except OSError as error:
        kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else StorageError
        raise kind(f"{path}: {error.strerror or error}") from error


def load(path: Path) -> Floor | None:
    """The floor, one without lines if nothing was ever dropped; None if the file cannot be read or understood."""
    try:
        return decode_floor(read_bounded(path, FLOOR_BYTES_MAX))
    except FileNotFoundError:
        return Floor()
    except (OSError, DataError):
        return None
