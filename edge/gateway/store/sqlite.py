"""The store in one SQLite file: the default, good for about 10,000 devices."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.gateway.store import ROWS_MAX, Count, Cursor, Order, Stored, StoredEvent, Vertex
from edge.gateway.store.batch import HELD, Batch
from edge.gateway.store.database import Database
from edge.ids import VertexId
from edge.wire.event import Event
from edge.wire.refusal import Refusal
from edge.wire.vertex import body_events, decode_header

IDS_AT_ONCE = 4096
BODIES_AT_ONCE = 64


class SqliteStore:
    """`Store` in a file. Opening sets a damaged file aside (`quarantined` says where) and begins a fresh one."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = Database(path, read_only=read_only)
        self.quarantined = self._database.quarantined

    def put_many(self, vertices: Iterable[Vertex]) -> Stored:
        with self._database.writing() as connection:
            batch = Batch(connection)
            for raw, signature, body in vertices:
                header = decode_header(raw)
                if isinstance(header, Refusal):
                    raise ValueError(f"a header that is none: {header}")
                if body is not None and (header.body is None or header.body.length != len(body)):
                    raise ValueError(f"{len(body)} bytes are not the body of {header.key}")
                batch.add(header, signature, body)
            return batch.finish()

    def count(self) -> Count:
        with self._database.reading() as connection:
            return Count(*connection.execute("SELECT vertices, events FROM totals").fetchone())

    def ids(self) -> Iterator[VertexId]:
        last = b""
        while True:  # in pages, so that no open read keeps the write-ahead log from shrinking
            with self._database.reading() as connection:
                page = connection.execute(
                    "SELECT id FROM vertices WHERE id > ? ORDER BY id LIMIT ?", (last, IDS_AT_ONCE)
                ).fetchall()
            yield from (id_ for (id_,) in page)
            if len(page) < IDS_AT_ONCE:
                return
            last = page[-1][0]

    def vertices(self) -> Iterator[tuple[VertexId, Vertex]]:
        place = -1
        query = "SELECT place, id, header, signature, body FROM vertices WHERE place > ? ORDER BY place LIMIT ?"
        while True:
            with self._database.reading() as connection:
                page = connection.execute(query, (place, BODIES_AT_ONCE)).fetchall()
            yield from ((id_, (header, signature, body)) for _, id_, header, signature, body in page)
            if not page:
                return
            place = page[-1][0]

    def has(self, ids: Sequence[VertexId]) -> list[bool]:
        query = f"SELECT 1 FROM vertices WHERE id = ? AND {HELD}"
        with self._database.reading() as connection:
            return [connection.execute(query, (id_,)).fetchone() is not None for id_ in ids]

    def vertex(self, id_: VertexId) -> Vertex | None:
        with self._database.reading() as connection:
            row = connection.execute("SELECT header, signature, body FROM vertices WHERE id = ?", (id_,)).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def named(self, author: int, incarnation: int, seq: int) -> Vertex | None:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT header, signature, body FROM vertices WHERE author = ? AND incarnation = ? AND seq = ?"
                " ORDER BY place LIMIT 1",
                (author, incarnation, seq),
            ).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def event(self, author: int, incarnation: int, seq: int, index: int) -> Event | None:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT body FROM vertices WHERE author = ? AND incarnation = ? AND seq = ? AND count > ?"
                " AND body IS NOT NULL ORDER BY place LIMIT 1",
                (author, incarnation, seq, index),
            ).fetchone()
        return None if row is None or index < 0 else body_events(row[0])[index]

    def events(
        self,
        *,
        node: int | None = None,
        agent: str | None = None,
        kind: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = 1000,
        after: Cursor | None = None,
        order: Order = "arrival",
    ) -> list[StoredEvent]:
        conditions: list[tuple[str, tuple[object, ...]]] = [
            (text, (value,))
            for text, value in (
                ("author = ?", node),
                ("agent = ?", agent),
                ("kind = ?", kind),
                ("time_ms >= ?", since_ms),
                ("time_ms < ?", until_ms),
            )
            if value is not None
        ]
        if after is not None:
            conditions.append(
                {
                    "arrival": ("place > ?", (after.place,)),
                    "oldest": ("(time_ms, place) > (?, ?)", tuple(after)),
                    "newest": ("(time_ms, place) < (?, ?)", tuple(after)),
                }[order]
            )
        # In order of arrival an index would only gather what then had to be sorted; the table stands in that order.
        source, sorting = {
            "arrival": ("events NOT INDEXED", "place"),
            "oldest": ("events", "time_ms, place"),
            "newest": ("events", "time_ms DESC, place DESC"),
        }[order]
        where = " AND ".join(text for text, _ in conditions)
        query = (
            f"SELECT time_ms, place, vertex, idx FROM {source}{where and ' WHERE ' + where} ORDER BY {sorting} LIMIT ?"
        )
        values = [value for _, group in conditions for value in group]
        with self._database.reading() as connection:
            rows = connection.execute(query, (*values, max(0, min(limit, ROWS_MAX)))).fetchall()
            return list(_with_bodies(connection, rows))

    def frontier(self) -> dict[tuple[int, int], int]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT author, incarnation, seq FROM heads ORDER BY author, incarnation")
            return {(author, incarnation): seq for author, incarnation, seq in rows}

    def stats(self) -> dict[str, int]:
        count = self.count()
        with self._database.reading() as connection:
            (oldest,) = connection.execute("SELECT min(time_ms) FROM events").fetchone()
            (newest,) = connection.execute("SELECT max(time_ms) FROM events").fetchone()
        stats = {"vertices": count.vertices, "events": count.events, "bytes": self._database.size_bytes()}
        return stats if oldest is None else {**stats, "oldest_ms": oldest, "newest_ms": newest}

    def close(self) -> None:
        self._database.close()


def _with_bodies(connection: sqlite3.Connection, rows: list[Any]) -> Iterator[StoredEvent]:
    """Each row with its event, read from its body: the row holds only what queries select by."""
    vertices: dict[int, tuple[int, int, int, tuple[Event, ...]]] = {}
    query = "SELECT author, incarnation, seq, body FROM vertices WHERE place = ?"
    for time_ms, event_place, place, index in rows:
        if place not in vertices:
            author, incarnation, seq, body = connection.execute(query, (place,)).fetchone()
            if len(vertices) >= BODIES_AT_ONCE:  # in order of time, those of many authors take turns
                del vertices[next(iter(vertices))]
            vertices[place] = (author, incarnation, seq, body_events(body))
        author, incarnation, seq, events = vertices[place]
        yield StoredEvent(author, incarnation, seq, index, events[index], Cursor(time_ms, event_place))
