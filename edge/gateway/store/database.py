"""One SQLite file: set aside when it is damaged, its errors in our words, each commit durable before it returns."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge.errors import DiskFullError, StorageError, TryLaterError, UnavailableError
from edge.gateway.store.schema import APPLICATION_ID, SCHEMA, VERSION

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 5.0
CHECKED_BYTES_MAX = 64 * 1024 * 1024
"""Files up to this size are checked as a whole at each start; of larger ones damage shows when it is read."""
WAL_PAGES = 2000
FREE_BYTES_MIN = 1 << 20
"""With less than this left, an I/O error of SQLite is taken for a full disk."""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class StoreDamagedError(StorageError):
    """The database file is damaged. The next start sets it aside and begins a fresh one, which the mesh refills."""


class Database:
    """A connection for one thread at a time. A final error is raised again by every call: only a restart helps."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.quarantined: Path | None = None
        """Where a damaged file was set aside by this start."""
        self._final: StorageError | None = None
        self._read_only = read_only
        if read_only:
            self._connection = self._open_read_only()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._marker.exists():
            self._quarantine()
        try:
            self._connection = self._open()
        except StoreDamagedError:
            self._quarantine()
            self._final = None
            self._connection = self._open()

    @property
    def _marker(self) -> Path:
        return self.path.with_name(self.path.name + ".broken")

    @property
    def _is_frozen(self) -> bool:
        """Where nothing may be written SQLite cannot make the files beside a WAL database; nor can anyone else."""
        has_log = self.path.with_name(self.path.name + "-wal").exists()
        return not has_log and not os.access(self.path.parent, os.W_OK)

    def _open(self) -> sqlite3.Connection:
        with self._in_our_words(None):
            connection = sqlite3.connect(
                self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=64
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _open_read_only(self) -> sqlite3.Connection:
        if not self.path.exists():
            raise UnavailableError(f"there is no gateway store at {self.path}")
        with self._in_our_words(None):
            uri = f"{self.path.absolute().as_uri()}?mode=ro{'&immutable=1' if self._is_frozen else ''}"
            connection = sqlite3.connect(
                uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            self._check_owner(connection)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        is_new = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if not is_new:
            self._check_owner(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -8192")
        if is_new:
            connection.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
                f" PRAGMA user_version = {VERSION}; COMMIT;"
            )
            _sync_directory(self.path.parent)
        elif self.path.stat().st_size <= CHECKED_BYTES_MAX:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise StoreDamagedError(f"{self.path}: {verdict}")

    def _check_owner(self, connection: sqlite3.Connection) -> None:
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if owner != APPLICATION_ID:
            raise StorageError(f"{self.path} is a database, but not one of Synedge; it was left as it is")
        if version != VERSION:
            raise StorageError(f"{self.path} has format {version}; this version of Synedge reads and writes {VERSION}")

    def _quarantine(self) -> None:
        """Move the file and its log aside, over an earlier one: at most one damaged store takes up room."""
        aside = self.path.with_name(self.path.name + ".damaged")
        for suffix in ("-wal", ""):
            part = self.path.with_name(self.path.name + suffix)
            target = aside.with_name(aside.name + suffix)
            if part.exists():
                part.replace(target)
            else:
                target.unlink(missing_ok=True)
        self.path.with_name(self.path.name + "-shm").unlink(missing_ok=True)
        self._marker.unlink(missing_ok=True)
        _sync_directory(self.path.parent)
        self.quarantined = aside
        log.warning("store-damaged path=%s set_aside=%s", self.path, aside)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with self._in_our_words(self._final):
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed and synced at the end, or rolled back and nothing of it left."""
        with self._in_our_words(self._final):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._final = StorageError(f"{self.path}: {error}")

    @contextmanager
    def _in_our_words(self, final: StorageError | None) -> Iterator[None]:
        if final is not None:
            raise final
        try:
            yield
        except sqlite3.Error as error:
            translated = self._translate(error)
            if translated is error:
                raise
            raise translated from error
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}") from error

    def _translate(self, error: sqlite3.Error) -> Exception:
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return TryLaterError(f"{self.path} is in use by another process")
        if primary in DAMAGED:
            return self._damaged(error)
        if primary in (None, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_ERROR):
            return error  # our own bug
        if primary == sqlite3.SQLITE_FULL or _free_bytes(self.path.parent) < FREE_BYTES_MIN:
            return DiskFullError(f"{self.path}: no room left on the disk")
        self._final = StorageError(f"{self.path}: {error} ({error.sqlite_errorname})")
        return self._final

    def _damaged(self, error: sqlite3.Error) -> StoreDamagedError:
        """Remember it beside the file, so that the next start does not trust what it can still read."""
        self._final = damaged = StoreDamagedError(f"{self.path}: {error}")
        if self._read_only:
            return damaged
        with suppress(OSError):  # without the mark, the next start finds the damage when it reads there
            self._marker.touch()
        return damaged

    def size_bytes(self) -> int:
        parts = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def close(self) -> None:
        self._connection.close()


def _free_bytes(directory: Path) -> int:
    stat = os.statvfs(directory)
    return stat.f_bavail * stat.f_frsize


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
