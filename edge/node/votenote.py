"""The note beside the key: in which epochs this device votes, and by a log that has seen which life.

The log is what binds a member to its votes. If it is lost while the key stays (a new disk, a wiped directory, an older
copy), nothing in it says so; the note does. Before the first vote of an epoch in a life the note is durable; a start
whose log does not know that life abstains in this epoch, and in those before, for good: docs/decisions/0037.

`votes.cbor` = CBOR [1, rows, check]; row = [scope, epoch, life, lost], ascending by scope; check = CRC-32 over the
encoded rows. What cannot be read is as bad as a lost log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from edge.effects import NoteVotes
from edge.ids import Instant
from edge.limits import COMMITTEES_ENDED_MAX, COMMITTEES_MAX, INDEX_MAX
from edge.node.desk import Desk
from edge.wire.cbor import Malformed, decode, encode

FORMAT = 1
ROWS_MAX = COMMITTEES_MAX + COMMITTEES_ENDED_MAX
"""As many scopes as a roster can list."""
BYTES_MAX = 32 * 1024
"""So many rows with the longest scopes are three quarters of that."""
RETRY_MS = 1_000.0
"""A full disk is asked again this often."""

Epoch = tuple[str, int]
"""Scope, and the roster version since which its committee votes."""


class Row(NamedTuple):
    """What is noted of a scope."""

    scope: str
    epoch: int
    """The newest in which this device votes, or did."""
    life: int
    """The incarnation at whose start its log began to hold these votes, or went on to."""
    lost: int = 0
    """The last epoch in which it abstains; 0: none."""


Rows = dict[str, Row]
"""By scope."""


def encode_note(rows: Iterable[Row]) -> bytes:
    listed = [list(row) for row in sorted(rows)]
    return encode([FORMAT, listed, crc32(encode(listed))])


def decode_note(data: bytes) -> Rows | None:
    """None for bytes that `encode_note` did not write."""
    try:
        fields = decode(data)
    except Malformed:
        return None
    if not isinstance(fields, list) or len(fields) != 3 or fields[0] != FORMAT or not isinstance(fields[1], list):
        return None
    if crc32(encode(fields[1])) != fields[2] or len(fields[1]) > ROWS_MAX:
        return None
    rows = [_row(row) for row in fields[1]]
    return None if None in rows else {row.scope: row for row in rows if row is not None}


def _row(row: Any) -> Row | None:
    if not isinstance(row, list) or len(row) != len(Row._fields) or not isinstance(row[0], str):
        return None
    is_sound = all(isinstance(number, int) and 0 <= number <= INDEX_MAX for number in row[1:])
    return Row(*row) if is_sound else None


class VoteNote:
    """`recall` what the file says, then `begin`; from there on `promise` before votes, `lose` when some are missing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rows: Rows = {}
        self._durable: Rows = {}
        """As the file has them."""
        self._life = 0
        self._is_unreadable = self._is_writing = False
        self._retry_ms = 0.0
        self._scopes: frozenset[str] = frozenset()
        """Of the roster that we go by: there are no more rows than these."""

    def recall(self, data: bytes | None) -> None:
        """Before `begin`: the file as a start finds it; None if there is none."""
        rows = decode_note(data) if data is not None else {}
        self._is_unreadable = rows is None
        self._rows = self._durable = rows or {}

    def begin(self, known: int, life: int, seats: Sequence[Epoch]) -> None:
        """The log has been read: the highest incarnation it knows, the one that begins, and where we have a seat.

        What is lost is noted before anything of this life is in the log, which then would no longer look like another.
        """
        self._life = life
        why = "noted-before"
        if self._is_unreadable:
            why = "note-unreadable"
            self._mark(seats)
        lost = [(row.scope, row.epoch) for row in self._rows.values() if row.lost < row.epoch and known < row.life]
        if lost:
            why = "log-replaced"
            self._mark(lost)
        for scope, epoch in seats:
            if self.is_lost(scope, epoch):
                self._desk.report("error", "votes-lost", scope=scope, epoch=epoch, why=why)
        self._write()

    def is_lost(self, scope: str, epoch: int) -> bool:
        """Whether we may have cast votes in this epoch that our log does not have, and so abstain."""
        row = self._rows.get(scope)
        return row is not None and epoch <= row.lost

    def lose(self, epochs: Sequence[Epoch]) -> bool:
        """A vote of ours is shown that our log lacks. False if we knew that votes of these are lost."""
        is_new = not all(self.is_lost(scope, epoch) for scope, epoch in epochs)
        self._mark(epochs)
        self._write()
        return is_new

    def _mark(self, epochs: Iterable[Epoch]) -> None:
        rows = dict(self._rows)
        for scope, epoch in epochs:
            row = rows.get(scope, Row(scope, 0, 0))
            rows[scope] = row._replace(epoch=max(row.epoch, epoch), lost=max(row.lost, epoch))
        self._rows = rows

    def promise(self, epochs: Iterable[Epoch], scopes: Iterable[str]) -> bool:
        """Whether the durable note says that we vote in all of these; if not, it soon will. `scopes`: the roster's."""
        self._scopes = frozenset(scopes)
        wanted = [(scope, epoch) for scope, epoch in epochs if not self.is_lost(scope, epoch)]
        rows = dict(self._rows)
        for scope, epoch in wanted:
            row = rows.get(scope, Row(scope, 0, 0))
            if row.epoch < epoch or row.life < self._life:
                rows[scope] = row._replace(epoch=max(row.epoch, epoch), life=self._life)
        self._rows = rows
        self._write()
        return all(self._is_promised(scope, epoch) for scope, epoch in wanted)

    def _is_promised(self, scope: str, epoch: int) -> bool:
        row = self._durable.get(scope)
        return row is not None and epoch <= row.epoch and row.life == self._life

    @property
    def is_behind(self) -> bool:
        """The file does not say yet what it should."""
        return self._rows != self._durable

    def _write(self) -> None:
        if not self.is_behind or self._is_writing or self._retry_ms:
            return
        if len(self._rows) > ROWS_MAX:  # scopes of before, which the roster does not list any more
            self._rows = {scope: row for scope, row in self._rows.items() if scope in self._scopes}
        rows, self._is_writing = self._rows, True

        def written(is_durable: bool, now: Instant) -> None:
            self._is_writing = False
            if is_durable:
                self._durable = rows
                self._write()
            else:
                self._desk.report("error", "votes-note-unwritten", retry_ms=int(RETRY_MS))
                self._retry_ms = now.mono_ms + RETRY_MS

        self._desk.do(NoteVotes(self._desk.ticket(written), encode_note(rows.values())))

    def turn(self, now_ms: float) -> None:
        """Ask a disk again that had no room."""
        if self._retry_ms and self._retry_ms <= now_ms:
            self._retry_ms = 0.0
            self._write()

    def deadline(self) -> float:
        return self._retry_ms or float("inf")
