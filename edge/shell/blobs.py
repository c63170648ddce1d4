"""Large bodies on the disk, in `data_dir/blobs`: whole ones, those on their way, and the manifest of each.

`<sha256>` is whole, `<sha256>.part` on its way, `<sha256>.manifest` says what the chunks are. A part needs no list of
what is in it: a chunk is there if it is what the manifest says, so whatever a power cut leaves can be gone on from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from edge.effects import BlobEffect, DropBlob, OpenBlob, Opened, ReadBlob, SealBlob, Sealed, StoreBlob
from edge.errors import DataError
from edge.limits import BLOB_CHUNK_BYTES, BLOBS_MAX, MANIFEST_BYTES_MAX
from edge.shell.files import read_bounded, sync_directory, write_atomically
from edge.wire.blob import Manifest, manifest_of, open_manifest
from edge.wire.refusal import Refusal

DRAFT = re.compile(r"\.add-[0-9]{1,20}")
"""A file that a command has left in the directory for the agent to take over."""
_NAME = re.compile(r"[0-9a-f]{64}")
_PART, _MANIFEST = ".part", ".manifest"

Report = Callable[[str, str, tuple[tuple[str, object], ...]], None]


@dataclass(slots=True)
class _Kept:
    """A blob whose manifest is on the disk."""

    manifest: Manifest
    is_whole: bool
    since_s: float = 0.0
    """When it became whole, Unix time."""


class NoRoomError(Exception):
    """The budget is used up by what may not be dropped."""


class BlobStore:
    """Carries out blob effects. Of what was fetched the oldest goes when room is needed; what was added here stays.

    For one thread; nothing it does raises OSError: a fault of the disk is an answer.
    """

    def __init__(self, directory: Path, own: int, max_mb: int, report: Report) -> None:
        """`own` is our index: manifests that we signed are of blobs added here."""
        self.directory = directory
        self._own = own
        self.bytes_max = max_mb * 1024 * 1024
        self.report = report
        self._kept: dict[bytes, _Kept] = {}

    def recover(self) -> list[bytes]:
        """Look what is there; the digests of those that were on their way."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = os.listdir(self.directory)
        wanted: dict[bytes, None] = {}
        for name in names:
            stem, suffix = name[:64], name[64:]
            if DRAFT.fullmatch(name):
                self._unlink(name)
            elif _NAME.fullmatch(stem) and suffix in ("", _PART, _MANIFEST):
                wanted[bytes.fromhex(stem)] = None
        return sorted(digest for digest in wanted if not self._recover_one(digest))

    def _recover_one(self, digest: bytes) -> bool:
        """Whether there is nothing more to do for it."""
        whole, part = self._path(digest), self._path(digest, _PART)
        manifest = self._manifest_of(self._read_manifest(digest))
        if whole.exists():
            found = whole.stat()
            if manifest is not None and found.st_size == manifest.length:
                self._unlink(part.name)
                self._kept[digest] = _Kept(manifest, True, found.st_mtime)
                return True
            os.replace(whole, part)  # without a manifest, or cut: others may help
        if manifest is not None and part.exists():
            self._kept[digest] = _Kept(manifest, False)
        elif not part.exists():
            self._drop(digest)
            return True
        return False

    def do(self, effect: BlobEffect) -> Any:
        """What the effect's docstring says it answers."""
        match effect:
            case OpenBlob(_, digest, manifest):
                try:
                    return self._open(digest, manifest)
                except OSError as error:
                    return Opened(fault=_words(error))
                except NoRoomError as error:
                    return Opened(fault=str(error))
            case ReadBlob(_, digest, number):
                return self._read_manifest(digest, whole=True) if number is None else self._read(digest, number)
            case StoreBlob(_, digest, number, data):
                return self._write(digest, number, data)
            case SealBlob(_, digest):
                try:
                    return self._seal(digest)
                except OSError as error:
                    return Sealed(False, _words(error))
            case DropBlob(digest):
                self._drop(digest)

    def rows(self) -> list[dict[str, Any]]:
        """What is here, oldest first, for people; a part is `interrupted` unless the node says otherwise."""
        kept = sorted((one.since_s, digest, one.is_whole, one.manifest) for digest, one in list(self._kept.items()))
        return [
            {
                "sha256": digest.hex(),
                "state": "kept" if is_whole else "interrupted",
                "bytes": manifest.length,
                "added_here": manifest.author == self._own,
                "since_ms": int(since_s * 1000) if is_whole else None,
                "fault": None if is_whole else "`blobs get` goes on with it, `blobs rm` ends it",
            }
            for since_s, digest, is_whole, manifest in kept
        ]

    def adopt(self, draft: str, digest: bytes) -> Manifest | str:
        """Take over a file that a command has left here: it becomes a part that lacks nothing but a signed manifest.

        A str says why not.
        """
        if not DRAFT.fullmatch(draft):
            return f"{draft!r} is no file that was left for the agent"
        path = self.directory / draft
        try:
            manifest = manifest_of(bytes(8), self._own, _chunks(path))
            if manifest.digest != digest:
                return f"its SHA-256 is {manifest.digest.hex()}"
            kept = self._kept.get(digest)
            if kept is None or not kept.is_whole:
                os.replace(path, self._path(digest, _PART))
            return manifest
        except OSError as error:
            return _words(error)
        except ValueError as error:
            return str(error)
        finally:
            self._unlink(draft)

    # ---- inside

    def _open(self, digest: bytes, raw: bytes | None) -> Opened:
        kept = self._kept.get(digest)
        manifest = self._manifest_of(raw)
        if kept is not None and kept.is_whole:
            if manifest is not None and manifest.author == self._own != kept.manifest.author:
                write_atomically(self._path(digest, _MANIFEST), raw or b"", mode=0o600)  # added here by now
                kept.manifest = manifest
            return Opened(is_complete=True)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._path(digest, _PART)
        if raw is not None and manifest is not None:
            self._make_room(digest, manifest.length)
            write_atomically(self._path(digest, _MANIFEST), raw, mode=0o600)
            self._kept[digest] = _Kept(manifest, False)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        kept = self._kept.get(digest)
        if kept is None:
            return Opened()
        held = tuple(number for number, chunk in enumerate(_chunks(part)) if kept.manifest.has(number, chunk))
        return Opened(self._read_manifest(digest), held)

    def _make_room(self, digest: bytes, length: int) -> None:
        """Drop what was fetched, oldest first, until this fits."""
        others = {key: one for key, one in self._kept.items() if key != digest}
        used = sum(one.manifest.length for one in others.values())
        loose = [(one.since_s, key) for key, one in others.items() if one.is_whole and one.manifest.author != self._own]
        spare = sum(others[key].manifest.length for _, key in loose)
        if used - spare + length > self.bytes_max or len(others) - len(loose) >= BLOBS_MAX:
            raise NoRoomError(f"no room: {used - spare} of {self.bytes_max} bytes are taken by blobs that stay")
        for _, key in sorted(loose):
            if used + length <= self.bytes_max and len(others) < BLOBS_MAX:
                return
            self.report("info", "blob-dropped", (("sha256", key.hex()), ("bytes", others[key].manifest.length)))
            self._drop(key)
            used -= others.pop(key).manifest.length

    def _read(self, digest: bytes, number: int) -> bytes | None:
        kept = self._kept.get(digest)
        if kept is None or not kept.is_whole or number >= kept.manifest.chunks:
            return None
        try:
            with open(self._path(digest), "rb") as file:
                file.seek(number * BLOB_CHUNK_BYTES)
                data = file.read(BLOB_CHUNK_BYTES)
        except OSError:
            data = b""
        if kept.manifest.has(number, data):
            return data
        self.report("warning", "blob-damaged", (("sha256", digest.hex()), ("chunk", number)))
        self._drop(digest)
        return None

    def _read_manifest(self, digest: bytes, *, whole: bool = False) -> bytes | None:
        kept = self._kept.get(digest)
        if whole and (kept is None or not kept.is_whole):
            return None
        with suppress(OSError, DataError):
            raw = read_bounded(self._path(digest, _MANIFEST), MANIFEST_BYTES_MAX)
            if kept is None or self._manifest_of(raw) == kept.manifest:
                return raw
        return None

    @staticmethod
    def _manifest_of(raw: bytes | None) -> Manifest | None:
        known = None if raw is None else open_manifest(raw)
        return None if known is None or isinstance(known, Refusal) else known[0]

    def _write(self, digest: bytes, number: int, data: bytes) -> str:
        try:
            file = os.open(self._path(digest, _PART), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                done = 0
                while done < len(data):
                    done += os.pwrite(file, data[done:], number * BLOB_CHUNK_BYTES + done)
            finally:
                os.close(file)
        except OSError as error:
            return _words(error)
        return ""

    def _seal(self, digest: bytes) -> Sealed:
        part, kept = self._path(digest, _PART), self._kept[digest]
        file = os.open(part, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.ftruncate(file, kept.manifest.length)
            os.fchmod(file, 0o600)
            os.fdatasync(file)
        finally:
            os.close(file)
        if manifest_of(bytes(8), self._own, _chunks(part)).digest != digest:
            return Sealed(False)
        os.utime(part)
        os.replace(part, self._path(digest))
        sync_directory(self.directory)
        kept.is_whole, kept.since_s = True, os.stat(self._path(digest)).st_mtime
        return Sealed(True)

    def _drop(self, digest: bytes) -> None:
        """What it is goes last: data without it would be nothing anybody knows of."""
        self._kept.pop(digest, None)
        for suffix in ("", _PART, _MANIFEST):
            self._unlink(digest.hex() + suffix)

    def _path(self, digest: bytes, suffix: str = "") -> Path:
        return self.directory / (digest.hex() + suffix)

    def _unlink(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(self.directory / name)


class BlobKeeper:
    """The store in a thread of its own, which begins with the first thing to do. Answers come from that thread."""

    def __init__(self, store: BlobStore, answered: Callable[[int, Any], None]) -> None:
        self.store = store
        self._answered = answered
        self._tasks: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="blobs", daemon=True)

    def recover(self, then: Callable[[list[bytes]], None]) -> None:
        """`then` is told what was on its way; where nothing was ever kept, nothing happens."""
        if self.store.directory.exists():
            self.task(lambda: then(self.store.recover()))

    def put(self, effect: BlobEffect) -> None:
        """Bounded by what the node has open."""

        def act() -> None:
            result = self.store.do(effect)
            if not isinstance(effect, DropBlob):
                self._answered(effect.ticket, result)

        self.task(act)

    def task(self, task: Callable[[], Any]) -> None:
        if self._thread.ident is None:
            self._thread.start()
        self._tasks.put(task)

    def stop(self, timeout_s: float) -> None:
        """Do what is queued, and end."""
        if self._thread.ident is not None:
            self._tasks.put(None)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception as error:  # a bug, or a directory that cannot be read: the agent goes on without blobs
                self.store.report("error", "blobs", (("reason", repr(error)),))


def _chunks(path: Path) -> Iterator[bytes]:
    # O_NONBLOCK: opening a FIFO must not wait for a writer that never comes.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        while chunk := file.read(BLOB_CHUNK_BYTES):
            yield chunk


def _words(error: OSError) -> str:
    return error.strerror or str(error)
