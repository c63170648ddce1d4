"""The real Disk: files in one directory, held by one writer at a time."""

import errno
import fcntl
import os
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from edge.errors import DiskFullError, StorageError
from edge.limits import LOG_OPEN_FILES_MAX

_LOCK = ".lock"
_QUARANTINE = "quarantine"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DirectoryDisk:
    """Implements `edge.dag.records.Disk`. Files are 0600, a directory that is made is 0700.

    A writer holds a lock on the directory until `close`; StorageError names the process that has it. With `read_only`
    nothing is written or locked, so a log can be read while its agent runs. Not for several threads at once.
    """

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self._directory = directory
        self._read_only = read_only
        self._files: OrderedDict[str, int] = OrderedDict()
        self._lock = -1
        if not read_only:
            self._lock = self._acquire()

    def close(self) -> None:
        """Give back the files and the lock. Nothing is synced."""
        while self._files:
            os.close(self._files.popitem()[1])
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def names(self) -> list[str]:
        found: list[str] = []
        try:
            for name in os.listdir(self._directory):
                found += self._quarantined() if name == _QUARANTINE else [name]
        except OSError as error:
            raise self._error(error, "") from error
        return found

    def size(self, name: str) -> int:
        try:
            return os.fstat(self._file(name)).st_size
        except OSError as error:
            raise self._error(error, name) from error

    def read(self, name: str, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._file(name), length, offset)
        except OSError as error:
            raise self._error(error, name) from error

    def create(self, name: str, allocate: int) -> None:
        try:
            self._make_room_for(name)
            path = self._directory / name
            file = self._remember(name, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        except OSError as error:
            raise self._error(error, name) from error
        try:
            if allocate:
                _reserve(file, allocate)
        except OSError as error:
            self._forget(name)
            with suppress(OSError):
                os.unlink(path)
            raise self._error(error, name) from error

    def write(self, name: str, offset: int, data: bytes) -> None:
        try:
            file = self._file(name)
            done = os.pwrite(file, data, offset)
            while done < len(data):
                done += os.pwrite(file, data[done:], offset + done)
        except OSError as error:
            raise self._error(error, name) from error

    def sync(self, name: str) -> None:
        try:
            os.fdatasync(self._file(name))
        except OSError as error:
            raise self._final(error, name) from error

    def settle(self, name: str) -> None:
        try:
            file = self._file(name)
            try:
                os.fdatasync(file)
            finally:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            raise self._final(error, name) from error

    def truncate(self, name: str, length: int, allocate: int) -> None:
        try:
            file = self._file(name)
            os.ftruncate(file, length)
            if allocate > length:
                _reserve_if_room(file, allocate)
        except OSError as error:
            raise self._error(error, name) from error

    def rename(self, old: str, new: str) -> None:
        self._forget(old)
        self._forget(new)
        try:
            self._make_room_for(new)
            os.rename(self._directory / old, self._directory / new)
        except OSError as error:
            raise self._error(error, old) from error

    def remove(self, name: str) -> None:
        self._forget(name)
        try:
            os.unlink(self._directory / name)
        except OSError as error:
            raise self._error(error, name) from error

    def sync_dir(self) -> None:
        try:
            directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise self._final(error, "") from error

    def free_bytes(self) -> int:
        try:
            room = os.statvfs(self._directory)
        except OSError as error:
            raise self._error(error, "") from error
        return room.f_bavail * room.f_frsize

    def _acquire(self) -> int:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._error(error, _LOCK) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise StorageError(f"{self._directory}: the log is in use by process {holder}") from error
        name = f"{os.getpid()}\n".encode()
        with suppress(OSError):  # for people; a full disk must not keep the agent from starting
            os.pwrite(lock, name, 0)
            os.ftruncate(lock, len(name))
        return lock

    def _file(self, name: str) -> int:
        """The open file of a name; the least recently used one is closed for it when there are too many."""
        file = self._files.get(name)
        if file is not None:
            self._files.move_to_end(name)
            return file
        mode = os.O_RDONLY if self._read_only else os.O_RDWR
        # O_NONBLOCK: opening a FIFO must not wait for a writer that never comes.
        file = os.open(self._directory / name, mode | os.O_NOFOLLOW | os.O_NONBLOCK)
        return self._remember(name, file)

    def _remember(self, name: str, file: int) -> int:
        while len(self._files) >= LOG_OPEN_FILES_MAX:
            os.close(self._files.popitem(last=False)[1])
        self._files[name] = file
        return file

    def _forget(self, name: str) -> None:
        file = self._files.pop(name, None)
        if file is not None:
            os.close(file)

    def _make_room_for(self, name: str) -> None:
        if name.startswith(f"{_QUARANTINE}/"):
            (self._directory / _QUARANTINE).mkdir(mode=0o700, exist_ok=True)

    def _quarantined(self) -> list[str]:
        try:
            return [f"{_QUARANTINE}/{name}" for name in os.listdir(self._directory / _QUARANTINE)]
        except OSError:
            return []

    def _error(self, error: OSError, name: str) -> StorageError:
        kind = DiskFullError if error.errno in _FULL else StorageError
        return kind(f"{self._directory / name}: {error.strerror or error}")

    def _final(self, error: OSError, name: str) -> StorageError:
        """A sync that fails for want of room is final too: the pages may be gone."""
        return StorageError(f"{self._directory / name}: sync failed: {error.strerror or error}")


def _reserve(file: int, length: int) -> None:
    try:
        os.posix_fallocate(file, 0, length)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        if (
            os.fstat(file).st_size < length
        ):  # a file system without reservation: the size alone spares the syncs metadata
            os.ftruncate(file, length)


def _reserve_if_room(file: int, length: int) -> None:
    try:
        _reserve(file, length)
    except OSError as error:
        if error.errno not in _FULL:
            raise
