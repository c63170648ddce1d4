"""Small files written whole or not at all, and read with a bound."""

import os
from pathlib import Path

from edge.errors import DataError


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace a file: another name, fsync, rename, fsync of the directory. A reader sees the old bytes or the new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(file, mode)
            done = 0
            while done < len(data):
                done += os.write(file, data[done:])
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def read_bounded(path: Path, bytes_max: int) -> bytes:
    """The whole file; DataError when it is larger than it may be. OSError as it comes."""
    with open(path, "rb") as stream:
        data = stream.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise DataError(f"{path}: larger than {bytes_max} bytes")
    return data
