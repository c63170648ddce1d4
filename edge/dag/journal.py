"""The journal: the one durable truth. Appends records to segments on a Disk and says which of them a power cut leaves.

Rules:
- `recover` is consumed to its end before anything is appended, and starts on whatever lies in the directory.
- A record is durable once a `commit` after its `append` returned; one fdatasync pays for all of them.
- At most one segment holds bytes that are not durable: rotation syncs the old one before the next exists.
- A failed sync or write is final: every later append and commit raises, and a restart reads what is really there.
- A full disk is not final: the record that did not fit leaves no trace.
One thread at a time.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from edge.dag._crc32c import seal
from edge.dag.reader import read_at
from edge.dag.records import (
    BOOT,
    CLEAN,
    EVIDENCE,
    GAP,
    HEADER_BYTES,
    ROSTER,
    SEGMENT_NUMBER_MAX,
    SIGNATURE,
    TYPE_MAX,
    VERTEX,
    Disk,
    Place,
    Record,
    payload_max,
    place_of,
    segment_name,
    segment_of,
)
from edge.dag.recovery import Gap, Recovery
from edge.dag.table import Table, read_table
from edge.errors import DiskFullError, StorageError
from edge.limits import LOG_BYTES_MAX, LOG_TABLES_MAX, SEGMENT_BYTES
from edge.wire.cbor import encode

__all__ = [
    "BOOT",
    "CLEAN",
    "EVIDENCE",
    "GAP",
    "ROSTER",
    "SIGNATURE",
    "VERTEX",
    "Disk",
    "Gap",
    "Journal",
    "JournalOptions",
    "Place",
    "Record",
]


_COUNTS = (
    *("records", "bytes_appended", "commits", "rotations", "refused_full"),
    *("gaps", "gap_bytes", "strays", "read_damaged", "segments_dropped", "bytes_dropped"),
    *("segments_elided", "bytes_elided", "leftovers", "tables_read"),
)


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """`max_bytes` bounds the log: vertices and rosters beyond it are refused like on a full disk, small ones pass."""

    max_bytes: int = LOG_BYTES_MAX
    segment_bytes: int = SEGMENT_BYTES

    def __post_init__(self) -> None:
        assert HEADER_BYTES < self.segment_bytes < 1 << 32


class Journal:
    """The log of one node. After `recover`: `clean`, `torn_bytes` and `quarantined` say what it found."""

    def __init__(self, disk: Disk, options: JournalOptions | None = None) -> None:
        self.disk = disk
        self.options = options or JournalOptions()
        self.clean = False
        """The log ends with CLEAN and lost nothing since."""
        self.torn_bytes = 0
        """Bytes cut off the end: the remains of records that were never acknowledged."""
        self.quarantined: tuple[Gap, ...] = ()
        """Damage in the middle, at most GAPS_MAX ranges; `counts()["gaps"]` has them all."""
        self.size_bytes = 0
        """Bytes of the log in use; reserved zeros do not count."""
        self._state = "new"
        self._failure = ""
        self._segment = 0  # the one appended to; 0: none, the next append begins one
        self._end = 0  # where its next record goes
        self._newest = 0  # the highest number in use
        self._dirty = False
        self._sizes: dict[int, int] = {}
        self._tables: OrderedDict[int, Table | None] = OrderedDict()
        """Of the segments last read from; None for those that have none."""
        self._counts = dict.fromkeys(_COUNTS, 0)

    # What the log holds

    @property
    def share(self) -> float:
        """Used share of `options.max_bytes`."""
        return self.size_bytes / self.options.max_bytes

    def segments(self) -> tuple[tuple[int, int], ...]:
        """(number, bytes in use) of every segment, oldest first. Another thread may ask."""
        return tuple(sorted(self._sizes.copy().items()))

    @property
    def failure(self) -> str:
        """Why nothing can be appended any more; empty while it can."""
        return self._failure

    def counts(self) -> dict[str, int]:
        return {**self._counts, "size_bytes": self.size_bytes, "torn_bytes": self.torn_bytes, "segment": self._segment}

    def read(self, place: Place) -> Record | None:
        """The record at a place that `append` or `recover` gave out, committed or not; None if it is damaged."""
        segment = segment_of(place)
        record = read_at(self.disk, place, self._table(segment) if segment < self._newest else None)
        self._counts["read_damaged"] += record is None
        return record

    def is_closed(self, segment: int) -> bool:
        """Whether this segment is there, and nothing more is written to it: all of it is durable."""
        return segment in self._sizes and segment < self._newest

    def _table(self, segment: int) -> Table | None:
        if segment in self._tables:
            self._tables.move_to_end(segment)
            return self._tables[segment]
        while len(self._tables) >= LOG_TABLES_MAX:
            self._tables.popitem(last=False)
        self._counts["tables_read"] += 1
        self._tables[segment] = read_table(self.disk, segment, segment_name(segment))
        return self._tables[segment]

    # Writing

    def append(self, type: int, payload: bytes, *, beyond: bool = False) -> Place:
        """Write one record, durable with the next `commit`. DiskFullError leaves the journal as it was before.

        Blocks for one fdatasync when a segment is full. `beyond`: past `max_bytes`, by what is about to make room.
        """
        length = HEADER_BYTES + len(payload)
        if not 1 <= type <= TYPE_MAX or len(payload) > payload_max(type) or length > self.options.segment_bytes:
            raise ValueError(f"no journal record has type {type} and {len(payload)} bytes")
        self._check_usable()
        if not beyond and type in (VERTEX, ROSTER) and self.size_bytes + length > self.options.max_bytes:
            self._counts["refused_full"] += 1
            raise DiskFullError(f"the log has reached its limit of {self.options.max_bytes} bytes")
        if not self._segment or self._end + length > self.options.segment_bytes:
            self._rotate()
        place = place_of(self._segment, self._end)
        self._write(seal(place, type, payload))
        self._counts["records"] += 1
        self._counts["bytes_appended"] += length
        return place

    def commit(self) -> None:
        """Everything appended so far is durable when this returns. StorageError is final."""
        self._check_usable()
        if self._dirty:
            self._sync_segment()

    def drop_before(self, segment: int) -> None:
        """Remove every segment with a lower number, oldest first, but never the newest.

        Each removal is durable before the next: what a power cut leaves is the whole end of the log from some segment.
        """
        self._check_usable()
        for number, size in self.segments():
            if number >= min(segment, self._newest):
                return
            try:
                self.disk.remove(segment_name(number))
                self.disk.sync_dir()
            except DiskFullError:
                raise  # a file system that copies on write may need room to remove; the segment stays
            except StorageError as error:
                self._fail(error)
            del self._sizes[number]
            self._tables.pop(number, None)
            self.size_bytes -= size
            self._counts["segments_dropped"] += 1
            self._counts["bytes_dropped"] += size

    def exchange(self, segment: int, name: str, size: int) -> None:
        """Put a file of `size` bytes, which is durable and keeps records at their places, where a closed segment is.

        DiskFullError leaves the segment; a power cut the one or the other.
        """
        self._check_usable()
        assert self.is_closed(segment)
        try:
            self.disk.rename(name, segment_name(segment))
            self.disk.sync_dir()
        except DiskFullError:
            raise  # a file system that copies on write may need room for it
        except StorageError as error:
            self._fail(error)
        saved = self._sizes[segment] - size
        self._sizes[segment] = size
        self._tables.pop(segment, None)
        self.size_bytes -= saved
        self._counts["segments_elided"] += 1
        self._counts["bytes_elided"] += saved

    def fail(self, error: StorageError) -> NoReturn:
        """Something else of the log could not be written or synced, and that is as final."""
        self._fail(error)

    def _write(self, data: bytes) -> None:
        name = segment_name(self._segment)
        try:
            self.disk.write(name, self._end, data)
        except DiskFullError:
            self._counts["refused_full"] += 1
            self._undo(name)
            raise
        except StorageError as error:
            self._fail(error)
        self._end += len(data)
        self._sizes[self._segment] = self._end
        self.size_bytes += len(data)
        self._dirty = True

    def _undo(self, name: str) -> None:
        """Cut off the part of a record that found room, or recovery would take it for damage once others follow."""
        try:
            self.disk.truncate(name, self._end, 0)
        except StorageError as error:
            self._fail(error)

    def _rotate(self) -> None:
        if self._dirty:
            self._sync_segment()
        if self._newest >= SEGMENT_NUMBER_MAX:
            self._fail(StorageError("the log has used up its segment numbers"))
        try:
            self.disk.create(segment_name(self._newest + 1), self.options.segment_bytes)
            self._newest += 1
            self.disk.sync_dir()
        except DiskFullError:
            self._counts["refused_full"] += 1
            raise
        except StorageError as error:
            self._fail(error)
        self._segment = self._newest
        self._end = 0
        self._counts["rotations"] += 1

    def _sync_segment(self) -> None:
        try:
            self.disk.sync(segment_name(self._segment))
        except StorageError as error:
            self._fail(error)
        self._dirty = False
        self._counts["commits"] += 1

    def _check_usable(self) -> None:
        if self._failure:
            raise StorageError(self._failure)
        if self._state != "ready":
            raise RuntimeError("the journal has not been recovered")

    def _fail(self, error: StorageError) -> NoReturn:
        self._failure = f"the log takes no more records: {error}"
        raise StorageError(self._failure) from error

    # Recovery

    def recover(self) -> Iterator[tuple[Place, Record]]:
        """Every intact record in the order of its append; all of them are durable once the iterator is exhausted.

        Raises nothing for what lies in the directory. If the device refuses repair, what is readable still comes, and
        `failure` says why appending will raise.
        """
        assert self._state == "new"
        self._state = "recovering"
        recovery = Recovery(self.disk, self.options.segment_bytes)
        yield from recovery.records()
        self._segment, self._end, self._newest = recovery.segment, recovery.end, recovery.newest
        self._sizes = recovery.sizes
        self.size_bytes = sum(self._sizes.values())
        self.torn_bytes = recovery.torn_bytes
        self.quarantined = recovery.gaps
        unreported = [gap for gap in self.quarantined if not gap.known]
        self.clean = recovery.last_type == CLEAN and not self.torn_bytes and not unreported
        self._counts.update(
            records=recovery.found, gaps=recovery.gap_count, gap_bytes=recovery.gap_bytes, strays=recovery.strays,
            leftovers=recovery.leftovers, segments_elided=recovery.elided,
        )  # fmt: skip
        self._state = "ready"
        try:
            recovery.repair()
            for gap in unreported:
                self.append(GAP, encode([gap.segment, gap.start, gap.end]))
            self.commit()
        except DiskFullError:
            pass  # reported again by the next start
        except StorageError as error:
            self._failure = self._failure or f"the log cannot be repaired: {error}"
