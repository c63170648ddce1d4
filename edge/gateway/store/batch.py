"""The vertices of one transaction, written in few and large statements.

Every step of a statement lets go of the interpreter and has to win it back, against a loop that may be busy; that costs
up to a switch interval (5 ms) each time. So rows go in by the hundred, and the heads of all branches move in one go.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain

from edge.gateway.store import Stored
from edge.ids import VertexId
from edge.wire.vertex import Header, body_events, decode_header

VERTICES_AT_ONCE = 64
EVENTS_AT_ONCE = 512
BRANCHES_AT_ONCE = 256
EVENT_COLUMNS = "vertex, idx, author, agent, kind, time_ms, value, confidence"
HELD = "(count = 0 OR body IS NOT NULL)"

Entry = tuple[Header, bytes | None, bytes | None]


class Batch:
    """Add vertices, then `finish`; the caller holds the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._entries: dict[VertexId, Entry] = {}
        self._rows: list[tuple[object, ...]] = []
        self._branches: dict[tuple[int, int], None] = {}
        (self._last_place,) = connection.execute("SELECT ifnull(max(place), 0) FROM vertices").fetchone()
        self._vertices = 0
        self._events = 0

    def add(self, header: Header, signature: bytes | None, body: bytes | None) -> None:
        _, earlier_signature, earlier_body = self._entries.get(header.id, (header, None, None))
        if earlier_body is None:
            self._entries.pop(header.id, None)  # events arrive with the body, so that is its place in the order
        self._entries[header.id] = (header, earlier_signature or signature, earlier_body or body)
        if len(self._entries) >= VERTICES_AT_ONCE:
            self._write_vertices()

    def finish(self) -> Stored:
        self._write_vertices()
        self._write_events(1)
        self._move_heads()
        self._connection.execute(
            "UPDATE totals SET vertices = vertices + ?, events = events + ?", (self._vertices, self._events)
        )
        return Stored(self._vertices, self._events)

    def _write_vertices(self) -> None:
        """Insert those that are new and complete those that are known."""
        known = {row[0]: row[1:] for row in self._known()}
        rows = []
        for id_, (header, signature, body) in self._entries.items():
            if id_ in known:
                self._complete(known[id_], header, signature, body)
                continue
            self._last_place += 1
            count = 0 if header.body is None else header.body.count
            hlc_ms = header.hlc >> 16  # the clock itself does not fit into a signed 64-bit integer
            key = (header.author, header.incarnation, header.seq, header.epoch, hlc_ms, count)
            rows.append((self._last_place, id_, *key, header.raw, signature, body))
            self._has_come(self._last_place, header, body)
        self._vertices += len(rows)
        for group in _by_powers_of_two(rows, VERTICES_AT_ONCE):
            self._insert("vertices", group)
        self._entries.clear()

    def _known(self) -> Iterator[tuple[VertexId, int, bool, bool]]:
        """(id, place, signed, with body) of the entries that are in the store."""
        ids = list(self._entries)
        ids += ids[-1:] * (VERTICES_AT_ONCE - len(ids))  # always as many, so that one prepared statement serves
        marks = ", ".join("?" * len(ids))
        query = f"SELECT id, place, signature IS NOT NULL, body IS NOT NULL FROM vertices WHERE id IN ({marks})"
        yield from self._connection.execute(query, ids).fetchall()

    def _complete(
        self, known: tuple[int, bool, bool], header: Header, signature: bytes | None, body: bytes | None
    ) -> None:
        place, is_signed, has_body = known
        if signature is not None and not is_signed:
            self._connection.execute("UPDATE vertices SET signature = ? WHERE place = ?", (signature, place))
        if body is not None and not has_body:
            self._connection.execute("UPDATE vertices SET body = ? WHERE place = ?", (body, place))
            self._has_come(place, header, body)

    def _has_come(self, place: int, header: Header, body: bytes | None) -> None:
        self._branches[(header.author, header.incarnation)] = None
        if body is None:
            return
        events = body_events(body)
        self._events += len(events)
        self._rows += [
            (place, index, header.author, event.agent, event.kind, event.time_ms, event.values[0], event.confidence)
            for index, event in enumerate(events)
        ]
        if len(self._rows) >= EVENTS_AT_ONCE:
            self._write_events(EVENTS_AT_ONCE)

    def _write_events(self, at_least: int) -> None:
        """Write rows in order of arrival while there are as many."""
        written = 0
        for group in _by_powers_of_two(self._rows, EVENTS_AT_ONCE):
            if len(group) < at_least:
                break
            self._insert(f"events ({EVENT_COLUMNS})", group)
            written += len(group)
        del self._rows[:written]

    def _insert(self, into: str, rows: Sequence[tuple[object, ...]]) -> None:
        marks = ", ".join(["(" + ", ".join("?" * len(rows[0])) + ")"] * len(rows))
        self._connection.execute(f"INSERT INTO {into} VALUES {marks}", list(chain.from_iterable(rows)))

    def _move_heads(self) -> None:
        """Advance the branches that grew; what has come may also be what a later branch of its author starts from."""
        branches = list(self._branches)
        for at in range(0, len(branches), BRANCHES_AT_ONCE):
            for author, incarnation in self._without_head(branches[at : at + BRANCHES_AT_ONCE]):
                start = self._start(author, incarnation)
                self._connection.execute("INSERT OR REPLACE INTO heads VALUES (?, ?, ?)", (author, incarnation, start))
                self._branches[(author, incarnation)] = None
        branches = list(self._branches)
        for at in range(0, len(branches), BRANCHES_AT_ONCE):
            self._advance(branches[at : at + BRANCHES_AT_ONCE])

    def _without_head(self, branches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Of these branches those that are new, and of their authors all whose start was missing."""
        marks = ", ".join(["(?, ?)"] * len(branches))
        query = f"""
            WITH grown (author, incarnation) AS (VALUES {marks})
            SELECT * FROM grown WHERE (author, incarnation) NOT IN (SELECT author, incarnation FROM heads)
            UNION SELECT author, incarnation FROM heads WHERE seq = 0 AND author IN (SELECT author FROM grown)
            ORDER BY author, incarnation"""
        return self._connection.execute(query, list(chain.from_iterable(branches))).fetchall()

    def _advance(self, branches: Sequence[tuple[int, int]]) -> None:
        marks = ", ".join(["(?, ?)"] * len(branches))
        self._connection.execute(
            f"""
            WITH RECURSIVE grown (author, incarnation) AS (VALUES {marks}),
            run (author, incarnation, seq) AS (
                SELECT author, incarnation, seq FROM heads WHERE seq > 0 AND (author, incarnation) IN grown
                UNION ALL
                SELECT author, incarnation, seq + 1 FROM run WHERE EXISTS (
                    SELECT 1 FROM vertices AS v
                    WHERE v.author = run.author AND v.incarnation = run.incarnation AND v.seq = run.seq + 1 AND {HELD}
                )
            )
            INSERT OR REPLACE INTO heads SELECT author, incarnation, max(seq) FROM run GROUP BY author, incarnation""",
            list(chain.from_iterable(branches)),
        )

    def _start(self, author: int, incarnation: int) -> int:
        """The seq at which a branch starts, 0 while that is not held."""
        rows = self._connection.execute(
            f"SELECT header, {HELD} FROM vertices WHERE author = :author AND incarnation = :incarnation AND seq ="
            " (SELECT min(seq) FROM vertices WHERE author = :author AND incarnation = :incarnation)",
            {"author": author, "incarnation": incarnation},
        ).fetchall()
        for raw, is_held in rows:  # more than one only where the author forked
            header = decode_header(raw)
            assert isinstance(header, Header)
            if is_held and (header.prev is None or self._has(header.prev)):
                return header.seq
        return 0

    def _has(self, id_: VertexId) -> bool:
        return self._connection.execute("SELECT 1 FROM vertices WHERE id = ?", (id_,)).fetchone() is not None


def _by_powers_of_two(rows: Sequence[tuple[object, ...]], largest: int) -> Iterator[Sequence[tuple[object, ...]]]:
    """All rows in order, in groups of few different sizes: each size is one prepared statement."""
    at = 0
    while at < len(rows):
        size = largest
        while size > len(rows) - at:
            size //= 2
        yield rows[at : at + size]
        at += size
