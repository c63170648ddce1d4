"""Small files written whole or not at all, and read with a bound."""

import errno
import os
from pathlib import Path

from edge.errors import DataError, StorageError


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


def read_number(path: Path) -> int:
    """What `write_number` wrote; 0 when there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def write_number(path: Path, number: int) -> None:
    """Atomically; on a full disk over the old number, which needs no room and no more than one sector."""
    try:
        write_atomically(path, str(number).encode(), mode=0o600)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not path.exists():
            raise StorageError(f"{path}: {error.strerror}") from None
        with open(path, "r+b") as file:
            file.write(str(number).encode())
            file.flush()
            os.fsync(file.fileno())
