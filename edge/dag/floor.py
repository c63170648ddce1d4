"""The floor: below what every line of history was dropped from the log, once gateways had acknowledged it.

`floor.cbor` beside the log = CBOR [1, clock, lines, acks], then [… state, check] with shared state, [… sealed, check]
with that of the newest checkpoint as well, and [… imprints, check] with how committees came to be; null for each that
is not there, and nothing after the last that is;
line = [author, incarnation, seq, id, first_seq, base_incarnation], ack = [author, incarnation, seq, id], ascending;
state = bytes (edge/state/snapshot.py), sealed = bytes (edge/node/sealedstate.py), imprints = bytes
(edge/consensus/imprint.py), check = their CRC-32: ids prove themselves, values do not. It is durable before the first
byte is dropped, so that a chain may begin at a vertex whose `prev` is the floor's id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from zlib import crc32

from edge.ids import VertexId, VertexKey
from edge.limits import COUNTER_MAX, INDEX_MAX
from edge.wire.cbor import Malformed, decode, encode

FORMAT = 1
ID_BYTES = 32


class FloorLine(NamedTuple):
    """One branch up to the highest vertex of it that was dropped."""

    author: int
    incarnation: int
    seq: int
    id: VertexId
    first_seq: int
    """Where the branch begins."""
    base_incarnation: int
    """The incarnation in which its base lies, at first_seq - 1; 0 for a genesis."""

    @property
    def key(self) -> VertexKey:
        return VertexKey(self.author, self.incarnation, self.seq)


class FloorAck(NamedTuple):
    """The newest acknowledgement of a line; the vertex that carried it may have been dropped."""

    author: int
    incarnation: int
    seq: int
    id: VertexId


class Floor(NamedTuple):
    """What was dropped, and what must not be forgotten with it."""

    clock: int = 0
    """A hybrid time above every vertex that was dropped."""
    lines: tuple[FloorLine, ...] = ()
    acks: tuple[FloorAck, ...] = ()
    state: bytes | None = None
    """Shared state as of then: it covers all that was dropped, and more. None as well if it rotted."""
    sealed: bytes | None = None
    """Shared state as the newest checkpoint has it, and what lies above; likewise."""
    imprints: bytes | None = None
    """What became of open questions, and how the committees came to be whose votes are counted; empty if it rotted."""

    def line(self, author: int, incarnation: int) -> FloorLine | None:
        for line in self.lines:
            if (line.author, line.incarnation) == (author, incarnation):
                return line
        return None


class Floors:
    """Lines of a floor by name, for an auditor."""

    def __init__(self, floor: Floor) -> None:
        self.lines = {(line.author, line.incarnation): line for line in floor.lines}
        self.ids = {line.id: line for line in floor.lines}

    def covers(self, key: VertexKey) -> bool:
        """Whether the vertex of this key was dropped, or may have been."""
        line = self.lines.get((key.author, key.incarnation))
        return line is not None and line.first_seq <= key.seq <= line.seq

    def covers_prev(self, key: VertexKey, prev: VertexId) -> bool:
        """Whether the vertex before `key` was dropped: by its id, or by its seq if the branch leaves below a floor."""
        line = self.ids.get(prev)
        if line is not None:
            return (line.author, line.seq) == (key.author, key.seq - 1) and line.incarnation <= key.incarnation
        return any(
            line.author == key.author and line.incarnation <= key.incarnation and line.first_seq < key.seq <= line.seq
            for line in self.lines.values()
        )

    def tips(self, ids: Iterable[VertexId], followed: Iterable[VertexId]) -> list[FloorLine]:
        """Lines that end at their floor: no vertex held is it, or goes on from it."""
        known = dict.fromkeys((*ids, *followed))
        bases = {(line.author, line.base_incarnation, line.first_seq - 1): None for line in self.lines.values()}
        return [line for line in self.lines.values() if line.id not in known and tuple(line.key) not in bases]


def encode_floor(floor: Floor) -> bytes:
    rows = [[list(line) for line in floor.lines], [list(ack) for ack in floor.acks]]
    more = [floor.state, floor.sealed, floor.imprints]
    while more and more[-1] is None:
        more.pop()
    checked = [field for data in more for field in (data, crc32(data) if data is not None else None)]
    return encode([FORMAT, floor.clock, *rows, *checked])


def _sound(data: object, check: object) -> bytes | None:
    return data if isinstance(data, bytes) and crc32(data) == check else None


def decode_floor(data: bytes) -> Floor | None:
    """None for bytes that `encode_floor` did not write."""
    try:
        fields = decode(data)
    except Malformed:
        return None
    if not isinstance(fields, list) or len(fields) not in (4, 6, 8, 10) or fields[0] != FORMAT:
        return None
    more, checks = [*fields[4::2], None, None, None][:3], [*fields[5::2], None, None, None]
    if not _is_number(fields[1], 2**64 - 1) or not all(isinstance(one, bytes | None) for one in more):
        return None
    lines, acks = _rows(fields[2], 6), _rows(fields[3], 4)
    if lines is None or acks is None:
        return None
    known = tuple(FloorLine(*row) for row in lines), tuple(FloorAck(*row) for row in acks)
    state, sealed, imprints = map(_sound, more, checks)
    has_rotted = imprints is None and more[2] is not None
    floor = Floor(fields[1], *known, state, sealed, b"" if has_rotted else imprints)
    is_sound = all(
        1 <= line.first_seq <= line.seq and 0 <= line.base_incarnation < line.incarnation for line in floor.lines
    )
    return floor if is_sound else None


def _rows(value: object, length: int) -> list[list[Any]] | None:
    if not isinstance(value, list):
        return None
    for row in value:
        if not isinstance(row, list) or len(row) != length:
            return None
        author, incarnation, seq, id, *rest = row
        if not (_is_number(author, INDEX_MAX) and _is_number(incarnation, INDEX_MAX) and _is_number(seq, COUNTER_MAX)):
            return None
        if not isinstance(id, bytes) or len(id) != ID_BYTES or not all(_is_number(item, COUNTER_MAX) for item in rest):
            return None
    return value


def _is_number(value: object, most: int) -> bool:
    return isinstance(value, int) and 0 <= value <= most
