"""`keys/votes.cbor` on the disk: beside the key and not in the log's directory, which it outlives."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from edge.errors import DataError, DiskFullError, StorageError
from edge.node.votenote import BYTES_MAX
from edge.shell.files import read_bounded, write_atomically

NAME = "votes.cbor"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def save(path: Path, data: bytes) -> None:
    """Durable when it returns; on a full disk over the old one, which may tear: then its check fails, and we abstain.

    DiskFullError if there is no old one to write over.
    """
    try:
        try:
            write_atomically(path, data, mode=0o600)
        except OSError as error:
            if error.errno not in _FULL or not path.exists():
                raise
            _write_over(path, data)
    except OSError as error:
        kind = DiskFullError if error.errno in _FULL else StorageError
        raise kind(f"{path}: {error.strerror or error}") from error


def _write_over(path: Path, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def load(path: Path) -> bytes | None:
    """None if there is none; what cannot be read comes as no bytes, which are no note."""
    try:
        return read_bounded(path, BYTES_MAX)
    except FileNotFoundError:
        return None
    except (OSError, DataError):
        return b""
