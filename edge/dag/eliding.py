"""Writing a closed segment anew without signatures that are not needed, in an order that a power cut may end anywhere.

A signature covers all below it on its author's chain. Of signatures that may go, those stay which keep every stretch of
a line between two of them short; the last of a line in the segment always does. The new file (edge/dag/table.py) is
written beside the old one, made durable, read back, and takes its place.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from edge.dag._crc32c import seal
from edge.dag.journal import Journal
from edge.dag.records import (
    HEADER_BYTES,
    SIGNATURE,
    VERTEX,
    Damage,
    Disk,
    Place,
    Record,
    beside_name,
    offset_of,
    place_of,
    segment_name,
)
from edge.dag.scanning import scan
from edge.dag.table import LENGTH_BYTES, Table, read_table, table_bytes
from edge.errors import DiskFullError, StorageError
from edge.ids import VertexId
from edge.limits import (
    CHUNK_BYTES,
    ELIDED_GAP_BYTES,
    ELIDED_GAP_VERTICES,
    ELIDED_PER_SEGMENT_MAX,
    OWN_FLIGHT_MAX,
    SIGNATURE_BYTES_MAX,
)
from edge.wire.frame import VertexFrame, decode_vertex, encode_vertex
from edge.wire.items import Proposal, Vote
from edge.wire.vertex import Header, decode_header

ID_BYTES = 32
STEP_RECORDS = 32
"""Read between two steps: whoever waits for the disk waits as long as these take."""
WRITE_BYTES = 128 * 1024
"""Written and synced between two steps."""
SAVED_SHARE_MIN = 0.1
"""Of a segment's bytes: for less it is not written anew."""
assert ELIDED_GAP_BYTES + SIGNATURE_BYTES_MAX < CHUNK_BYTES


class Span(NamedTuple):
    """Vertices of a line whose signatures may go, as far as another one of the same segment covers them."""

    author: int
    incarnation: int
    first_seq: int
    through_seq: int


class Elided(NamedTuple):
    """What went of a segment."""

    places: tuple[Place, ...] = ()
    """Where signatures are no more: of vertices that came with theirs, and of records with one."""
    bytes: int = 0


NONE = 1 << 40


class _Line:
    """Vertices of one line in the order of the log, as far as a choice needs them."""

    __slots__ = ("seqs", "signed", "sizes", "spans")

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.seqs: array[int] = array("Q")
        self.sizes: array[int] = array("I")
        self.signed: array[int] = array("q")
        """Offset of the record with the signature; negative, less one, if that must stay; or `NONE`."""


class Choice:
    """Takes the records of a segment in order, then says which signatures go."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._lines: dict[tuple[int, int], _Line] = {}
        for span in spans:
            self._lines.setdefault(span[:2], _Line()).spans.append(span)
        self._waiting: OrderedDict[VertexId, tuple[_Line, int, bool]] = OrderedDict()
        """Vertices that came without a signature: it may be a record of its own, a little further on."""
        self._saved: dict[int, int] = {}
        """Bytes that a record is shorter without the signature in it, by its offset."""

    def take(self, place: Place, record: Record) -> None:
        offset = offset_of(place)
        if record.type == SIGNATURE:
            found = self._waiting.pop(record.payload[:ID_BYTES], None)
            if found is not None:
                line, at, is_kept = found
                line.signed[at] = -offset - 1 if is_kept else offset
                self._saved[offset] = HEADER_BYTES + len(record.payload)
        elif record.type == VERTEX:
            self._vertex(offset, record)

    def _vertex(self, offset: int, record: Record) -> None:
        frame = decode_vertex(record.payload)
        header = decode_header(frame.header) if isinstance(frame, VertexFrame) else None
        if not isinstance(frame, VertexFrame) or not isinstance(header, Header):
            return
        line = self._lines.get(header.key[:2])
        if line is None:
            return
        is_kept = not any(span.first_seq <= header.seq <= span.through_seq for span in line.spans)
        is_kept |= any(isinstance(item, Vote | Proposal) for item in header.items)
        line.seqs.append(header.seq)
        line.sizes.append(len(frame.header) + len(frame.body or b"") + 8)
        if frame.signature is None:
            line.signed.append(NONE)
            self._waiting[header.id] = (line, len(line.seqs) - 1, is_kept)
            if len(self._waiting) > 2 * OWN_FLIGHT_MAX:
                self._waiting.popitem(last=False)
        else:
            line.signed.append(-offset - 1 if is_kept else offset)
            self._saved[offset] = len(record.payload) - len(bare(frame).payload)

    def made(self, room: int) -> dict[int, int]:
        """Offsets of records that lose a signature, and how many bytes with it; at most `room` of them."""
        chosen = sorted(offset for line in self._lines.values() for offset in _needless(line))
        return {offset: self._saved[offset] for offset in chosen[:room]}


def _needless(line: _Line) -> Iterator[int]:
    """Of a line the signatures between which others would be near enough. A gap in the line, or a vertex out of its
    order, ends what one signature covers here."""
    size = count = 0  # since the last signature that stays
    below = NONE  # the one that goes if the next is near enough
    before = (0, 0)  # up to that one
    last_seq = -1
    for seq, grown, signed in zip(line.seqs, line.sizes, line.signed, strict=True):
        if seq != last_seq + 1:
            size, count, below = 0, 0, NONE
        last_seq = seq
        size, count = size + grown, count + 1
        if signed == NONE:
            continue
        if below != NONE and size <= ELIDED_GAP_BYTES and count <= ELIDED_GAP_VERTICES:
            yield below
        elif below != NONE:
            size, count = size - before[0], count - before[1]
        if signed >= 0:
            below, before = signed, (size, count)
        else:
            size, count, below = 0, 0, NONE


def bare(frame: VertexFrame) -> Record:
    """A vertex without its signature, as a record."""
    return Record(VERTEX, encode_vertex(frame.header, None, frame.body))


def without(record: Record) -> Record | None:
    """What is left of a record that loses a signature; None if that was all of it."""
    frame = decode_vertex(record.payload) if record.type == VERTEX else None
    return bare(frame) if isinstance(frame, VertexFrame) else None


def elide(journal: Journal, segment: int, choice: Choice) -> Generator[None, None, Elided | None]:
    """Write a closed segment anew, in steps. None when there was no room for that; nothing elided if it is damaged, is
    gone by the end, or would hardly become smaller. StorageError is final, as ever."""
    disk, name = journal.disk, beside_name(segment)
    offsets, lengths = array("I"), array("I")
    for item in _records(journal, segment):
        if isinstance(item, Damage):
            return Elided()
        choice.take(*item)
        offsets.append(offset_of(item[0]))
        lengths.append(HEADER_BYTES + len(item[1].payload))
        if len(offsets) % STEP_RECORDS == 0:
            yield
    old = read_table(disk, segment, segment_name(segment)) if offsets else None
    chosen = choice.made(max(0, ELIDED_PER_SEGMENT_MAX - (len(old) if old is not None else 0)))
    table = _laid_out(offsets, lengths, chosen)
    size = table.end + table_bytes(len(table)) + LENGTH_BYTES
    used = dict(journal.segments()).get(segment, 0)
    if not chosen or used - size < SAVED_SHARE_MIN * used:
        return Elided()
    try:
        if name in disk.names():  # a start could not remove it
            disk.remove(name)
        disk.create(name, size)
        yield from _write(journal, segment, table, chosen)
        left = [offset for offset, length in zip(offsets, lengths, strict=True) if length > chosen.get(offset, 0)]
        is_whole = yield from _reads_back(disk, segment, size, left)
        if not is_whole or not journal.is_closed(segment):  # dropped meanwhile
            disk.remove(name)
            return Elided()
        journal.exchange(segment, name, size)
    except DiskFullError:
        with suppress(StorageError):
            disk.remove(name)
        return None
    except StorageError as error:
        journal.fail(error)
    return Elided(tuple(place_of(segment, offset) for offset in chosen), used - size)


def abandon(journal: Journal, segment: int) -> None:
    """Steps that are not gone on with leave nothing behind; a start would remove it as well."""
    with suppress(StorageError):
        journal.disk.remove(beside_name(segment))


def _records(journal: Journal, segment: int) -> Iterator[tuple[Place, Record] | Damage]:
    """What is in a closed segment; nothing if that is gone."""
    if not journal.is_closed(segment):
        return iter(())
    try:
        size = journal.disk.size(segment_name(segment))
    except StorageError:
        return iter(())
    return scan(journal.disk, segment, 0, size)


def _laid_out(offsets: Iterable[int], lengths: Iterable[int], chosen: Mapping[int, int]) -> Table:
    """Where records lie when these are shorter: one behind the other."""
    entries: list[tuple[int, int]] = []
    shift, start, end = -1, 0, 0
    for offset, length in zip(offsets, lengths, strict=True):
        left = length - chosen.get(offset, 0)
        if left and offset - start != shift:
            shift = offset - start
            entries.append((offset, start))
        start += left
        end = offset + length
    first = table_bytes(len(entries) + 1)
    return Table((offset, first + start) for offset, start in (*entries, (end, start)))


def _write(journal: Journal, segment: int, table: Table, chosen: Mapping[int, int]) -> Generator[None]:
    """The new file, a part at a time. What cannot be read any more is left out: the file does not read back then."""
    disk, name = journal.disk, beside_name(segment)
    data, at = bytearray(table.record(segment)), 0
    for item in _records(journal, segment):
        if isinstance(item, Damage):
            continue
        place, record = item
        left = without(record) if offset_of(place) in chosen else record
        if left is not None:
            data += seal(place, left.type, left.payload)
        if len(data) >= WRITE_BYTES:
            disk.write(name, at, bytes(data))
            disk.sync(name)
            at += len(data)
            data.clear()
            yield
    data += table.tail(segment)
    disk.write(name, at, bytes(data))
    disk.settle(name)
    yield


def _reads_back(disk: Disk, segment: int, size: int, offsets: Sequence[int]) -> Generator[None, None, bool]:
    """Whether the new file has just these records: what the old one has is all that there is of them."""
    count = 0
    for item in scan(disk, segment, 0, size, beside_name(segment)):
        if isinstance(item, Damage) or count >= len(offsets) or offset_of(item[0]) != offsets[count]:
            return False
        count += 1
        if count % STEP_RECORDS == 0:
            yield
    return count == len(offsets)
