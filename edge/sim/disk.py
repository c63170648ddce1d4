"""A Disk in memory that keeps exactly what a real one promises: bytes that were synced, and any part of the others.

Chance comes from the generator it is given, so a seed repeats a run. A power cut is planned by the number of the
operation that it hits (`cut_at`): PowerCut ends that and every later call, until `crash` shows what is left.
"""

from collections.abc import Callable
from copy import copy
from enum import StrEnum
from random import Random
from typing import NamedTuple

from edge.errors import DiskFullError, StorageError

SECTOR_BYTES = 512
GARBLED_SHARE = 0.3


class PowerCut(BaseException):
    """The power is gone. Not an Exception, so that no error handling survives it."""


class Tail(StrEnum):
    """What a power cut leaves of the bytes and names that were not synced."""

    ALL = "all"
    NONE = "none"
    PREFIX = "prefix"
    """The first writes in their order, the last of them cut off anywhere."""
    TORN = "torn"
    """Of each sector any of its unsynced states, of names any changes."""
    GARBLED = "garbled"
    """As torn, with noise in some unsynced bytes."""


class _Write(NamedTuple):
    offset: int
    data: bytes

    def apply(self, content: bytearray) -> None:
        content.extend(bytes(max(0, self.offset - len(content))))
        content[self.offset : self.offset + len(self.data)] = self.data

    def sectors(self) -> list["_Write"]:
        """The same write as one piece per sector."""
        pieces = []
        at = self.offset
        end = self.offset + len(self.data)
        while at < end:
            next_at = min(end, (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
            pieces.append(_Write(at, self.data[at - self.offset : next_at - self.offset]))
            at = next_at
        return pieces


class _Cut(NamedTuple):
    length: int
    allocate: int

    def apply(self, content: bytearray) -> None:
        del content[self.length :]
        content.extend(bytes(max(0, self.allocate - len(content))))


class _File:
    def __init__(self) -> None:
        self.durable = bytearray()
        self.cached = bytearray()
        self.pending: list[_Write | _Cut] = []

    def change(self, change: _Write | _Cut) -> None:
        change.apply(self.cached)
        self.pending.append(change)

    def survivors(self, tail: Tail, rng: Random) -> bytearray:
        """The content after a power cut."""
        content = bytearray(self.durable)
        for change in _PICK[tail](self.pending, rng):
            change.apply(content)
        return content


Changes = list[_Write | _Cut]


def _prefix(pending: Changes, rng: Random) -> Changes:
    kept = pending[: rng.randint(0, len(pending))]
    if kept and isinstance(kept[-1], _Write):
        last = kept[-1]
        kept[-1] = _Write(last.offset, last.data[: rng.randint(0, len(last.data))])
    return kept


def _torn(pending: Changes, rng: Random) -> Changes:
    """Cuts survive in their order (metadata is journaled); every sector stops at any one of its writes."""
    cuts_left = rng.randint(0, sum(isinstance(change, _Cut) for change in pending))
    writes: dict[int, int] = {}
    for change in pending:
        if isinstance(change, _Write):
            for piece in change.sectors():
                sector = piece.offset // SECTOR_BYTES
                writes[sector] = writes.get(sector, 0) + 1
    left = {sector: rng.randint(0, count) for sector, count in writes.items()}
    kept: Changes = []
    for change in pending:
        if isinstance(change, _Cut):
            if cuts_left:
                kept.append(change)
                cuts_left -= 1
            continue
        for piece in change.sectors():
            sector = piece.offset // SECTOR_BYTES
            if left[sector]:
                kept.append(piece)
                left[sector] -= 1
    return kept


def _garbled(pending: Changes, rng: Random) -> Changes:
    pieces: Changes = []
    for change in _torn(pending, rng):
        if isinstance(change, _Write) and rng.random() < GARBLED_SHARE:
            pieces.append(_Write(change.offset, rng.randbytes(len(change.data))))
        else:
            pieces.append(change)
    return pieces


_PICK: dict[Tail, Callable[[Changes, Random], Changes]] = {
    Tail.ALL: lambda pending, _: pending,
    Tail.NONE: lambda _, __: [],
    Tail.PREFIX: _prefix,
    Tail.TORN: _torn,
    Tail.GARBLED: _garbled,
}

_Names = dict[str, _File]


class _Rename(NamedTuple):
    """A change of the directory: `file` under `new` (none: removed), no longer under `old`."""

    old: str
    new: str
    file: _File

    def apply(self, names: _Names) -> None:
        names.pop(self.old, None)
        if self.new:
            names[self.new] = self.file


class SimDisk:
    """Implements `edge.dag.records.Disk`.

    `lying`: syncs return without making anything durable. `room`: bytes that can yet be reserved, or written outside of
    a reservation, None for no end; with `thin`, reservations cost nothing and every write does (copy-on-write).
    `failing_syncs`: so many of the next syncs fail, and lose what they did not write.
    """

    def __init__(self, rng: Random, *, lying: bool = False, room: int | None = None, thin: bool = False) -> None:
        self.lying = lying
        self.room = room
        self.thin = thin
        self.failing_syncs = 0
        self.operations = 0
        """Changes and syncs so far; the next has this number."""
        self.cut_at = -1
        self._rng = rng
        self._off = False
        self._durable_names: _Names = {}
        self._names: _Names = {}
        self._pending_names: list[_Rename] = []
        self._unreadable: list[tuple[str, int, int]] = []

    # What the world does

    def crash(self, tail: Tail, rng: Random | None = None) -> None:
        """Power cut and power back: from here on the disk shows what was left."""
        rng = rng or self._rng
        names = dict(self._durable_names)
        for change in self._surviving_renames(tail, rng):
            change.apply(names)
        for file in names.values():
            file.durable = file.survivors(tail, rng)
            file.cached = bytearray(file.durable)
            file.pending = []
        self._durable_names = names
        self._names = dict(names)
        self._pending_names = []
        self._off = False
        self.cut_at = -1

    def rot(self, name: str, offset: int, length: int) -> None:
        """Change bytes behind everyone's back."""
        file = self._file(name)
        noise = [self._rng.randint(1, 255) for _ in range(length)]
        for content in (file.durable, file.cached):
            for at, flip in zip(range(offset, len(content)), noise, strict=False):
                content[at] ^= flip

    def spoil(self, name: str, offset: int, length: int) -> None:
        """From now on reads that touch these bytes fail."""
        self._unreadable.append((name, offset, offset + length))

    def put(self, name: str, content: bytes) -> None:
        """A file that somebody else laid there, durable."""
        file = _File()
        file.durable = bytearray(content)
        file.cached = bytearray(content)
        self._names[name] = self._durable_names[name] = file

    def misdirect(self, name: str, offset: int, data: bytes) -> None:
        """A write of somebody else lands here, durable, and nobody is told."""
        file = self._file(name)
        for content in (file.durable, file.cached):
            end = min(len(content), offset + len(data))
            content[offset:end] = data[: max(0, end - offset)]

    def clone(self) -> "SimDisk":
        """An independent disk in the same state, with the same generator."""
        twin = copy(self)
        copies: dict[int, _File] = {}
        twin._durable_names = {name: _copy(file, copies) for name, file in self._durable_names.items()}
        twin._names = {name: _copy(file, copies) for name, file in self._names.items()}
        twin._pending_names = [change._replace(file=_copy(change.file, copies)) for change in self._pending_names]
        twin._unreadable = self._unreadable[:]
        return twin

    # The Disk protocol

    def names(self) -> list[str]:
        self._check_power()
        return list(self._names)

    def size(self, name: str) -> int:
        self._check_power()
        return len(self._file(name).cached)

    def read(self, name: str, offset: int, length: int) -> bytes:
        self._check_power()
        data = bytes(self._file(name).cached[offset : offset + length])
        for spoiled, start, end in self._unreadable:
            if spoiled == name and offset < end and start < offset + len(data):
                raise StorageError(f"{name}: Input/output error")
        return data

    def create(self, name: str, allocate: int) -> None:
        last = self._begin()
        if name in self._names:
            raise StorageError(f"{name}: File exists")
        if not self.thin:
            self._take_room(name, allocate)
        file = _File()
        self._rename(_Rename("", name, file))
        if allocate:
            file.change(_Cut(0, allocate))
        self._end(last)

    def write(self, name: str, offset: int, data: bytes) -> None:
        last = self._begin()
        file = self._file(name)
        reserved = 0 if self.thin else min(len(data), max(0, len(file.cached) - offset))
        fits = len(data) if self.room is None else min(len(data), reserved + self.room)
        file.change(_Write(offset, data[:fits]))
        if self.room is not None:
            self.room -= fits - min(fits, reserved)
        self._end(last)
        if fits < len(data):
            raise DiskFullError(f"{name}: No space left on device")

    def sync(self, name: str) -> None:
        self._end(self._begin())
        file = self._file(name)
        if self.failing_syncs:
            self.failing_syncs -= 1
            file.durable = file.survivors(Tail.TORN, self._rng)
            file.pending = []
            raise StorageError(f"{name}: sync failed: Input/output error")
        if not self.lying:
            for change in file.pending:
                change.apply(file.durable)
            file.pending = []

    def settle(self, name: str) -> None:
        try:
            self.sync(name)
        finally:
            file = self._file(name)
            if not self._off and not self.lying:
                file.cached = bytearray(file.durable)

    def truncate(self, name: str, length: int, allocate: int) -> None:
        last = self._begin()
        file = self._file(name)
        if self.room is not None:
            self.room += max(0, len(file.cached) - length)
            allocate = min(allocate, length + self.room)
            self.room -= max(0, allocate - length)
        file.change(_Cut(length, allocate))
        self._end(last)

    def rename(self, old: str, new: str) -> None:
        last = self._begin()
        if self.room is not None and new in self._names:
            self.room += len(self._names[new].cached)
        self._rename(_Rename(old, new, self._file(old)))
        self._end(last)

    def remove(self, name: str) -> None:
        last = self._begin()
        file = self._file(name)
        self._rename(_Rename(name, "", file))
        if self.room is not None:
            self.room += len(file.cached)
        self._end(last)

    def sync_dir(self) -> None:
        self._end(self._begin())
        if self.failing_syncs:
            self.failing_syncs -= 1
            raise StorageError("directory: sync failed: Input/output error")
        if not self.lying:
            for change in self._pending_names:
                change.apply(self._durable_names)
            self._pending_names = []

    def free_bytes(self) -> int:
        self._check_power()
        return 1 << 40 if self.room is None else self.room

    def replace(self, name: str, data: bytes) -> None:
        """Beside the protocol: what `edge.shell.files.write_atomically` does: after a cut the old file or the new."""
        beside = name + ".tmp"
        if beside in self._names:
            self.remove(beside)
        self.create(beside, 0)
        try:
            self.write(beside, 0, data)
        except DiskFullError:
            self.remove(beside)
            raise
        self.sync(beside)
        self.rename(beside, name)
        self.sync_dir()

    # Below the protocol

    def _begin(self) -> bool:
        """Whether the power goes during this operation."""
        self._check_power()
        self.operations += 1
        return self.operations - 1 == self.cut_at

    def _end(self, last: bool) -> None:
        if last:
            self._off = True
            raise PowerCut

    def _check_power(self) -> None:
        if self._off:
            raise PowerCut

    def _file(self, name: str) -> _File:
        file = self._names.get(name)
        if file is None:
            raise StorageError(f"{name}: No such file")
        return file

    def _take_room(self, name: str, length: int) -> None:
        if self.room is None:
            return
        if length > self.room:
            raise DiskFullError(f"{name}: No space left on device")
        self.room -= length

    def _rename(self, change: _Rename) -> None:
        change.apply(self._names)
        self._pending_names.append(change)

    def _surviving_renames(self, tail: Tail, rng: Random) -> list[_Rename]:
        match tail:
            case Tail.ALL:
                return self._pending_names
            case Tail.NONE:
                return []
            case Tail.PREFIX:
                return self._pending_names[: rng.randint(0, len(self._pending_names))]
            case Tail.TORN | Tail.GARBLED:
                return [change for change in self._pending_names if rng.random() < 0.5]


def _copy(file: _File, copies: dict[int, _File]) -> _File:
    """One copy per file, under however many names it stands."""
    if id(file) not in copies:
        twin = copies[id(file)] = _File()
        twin.durable, twin.cached, twin.pending = file.durable[:], file.cached[:], file.pending[:]
    return copies[id(file)]
