"""`synedge events`: what stands in the log, read without the agent; from the store on a gateway.

State words: `recorded` is an own event whose fdatasync has returned, `held` one that came from a peer. Where the agent
runs, it is asked which of them are `witnessed` and which are `sealed` (docs/GLOSSARY.md).
"""

import os
import re
import time
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from edge.cli.logs import Log, open_log
from edge.cli.options import add_example, add_json, add_log, at_least, load_config
from edge.cli.output import Output, cell
from edge.consensus.shown import SEALED, WITNESSED, vertex_word
from edge.dag.reader import follow
from edge.dag.records import SIGNATURE, VERTEX, Place, Record, segment_name, segment_of
from edge.errors import StorageError, SynedgeError, UsageError
from edge.gateway.store import ROWS_MAX, Cursor, Order
from edge.shell.control import ask
from edge.shell.disk import DirectoryDisk
from edge.shell.telemetry import iso_time
from edge.wire.event import Event, event_json
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.vertex import Header, body_events, check_body, decode_header

POLL_S = 0.25
LIMIT = 50
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
COLUMNS = ("time", "node", "agent", "kind", "value", "confidence", "vertex", "state")


class Row(NamedTuple):
    """One event and where it stands."""

    author: int
    incarnation: int
    seq: int
    event_index: int
    state: str
    event: Event


Levels = dict[tuple[int, int], dict[str, int]]
"""By author and incarnation, for each level the seq up to which it is reached."""


class Wanted(NamedTuple):
    author: int | None
    agent: str | None
    kind: str | None
    since_ms: int | None

    def takes(self, author: int, event: Event) -> bool:
        return (
            (self.author is None or author == self.author)
            and (self.agent is None or event.agent == self.agent)
            and (self.kind is None or event.kind == self.kind)
            and (self.since_ms is None or event.time_ms >= self.since_ms)
        )


def arguments(parser: ArgumentParser) -> None:
    add_log(parser)
    parser.add_argument("--node", help="only of this node, by name or index")
    parser.add_argument("--agent", help="only of this agent")
    parser.add_argument("--kind", help="only of this kind: class, alarm, clear, value …")
    parser.add_argument("--since", metavar="WHEN", help="10m, 2h, 3d; 2025-06-01, 2025-06-01T12:00; or Unix ms")
    parser.add_argument(
        "--limit", type=at_least(0), default=LIMIT, metavar="N", help=f"the newest N ({LIMIT}); 0 for all"
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what comes; with --json one line each")
    parser.add_argument("--log", action="store_true", help="on a gateway: read its log instead of its store")
    add_json(parser)
    add_example(
        parser, "events --follow", "events --agent bearing --since 2h --json", "events --data /mnt/card/data --limit 0"
    )


def run(args: Namespace, out: Output) -> int:
    since_ms = since(args.since, time.time_ns() // 1_000_000) if args.since else None
    log = open_log(args)
    wanted = Wanted(log.author(args.node) if args.node else None, args.agent, args.kind, since_ms)
    reader = _Store if log.store and not args.log else _LogReader
    source = reader(log, wanted, _levels(args))
    try:
        return _follow(log, source, args, out) if args.follow else _show(log, source, args, out)
    finally:
        source.close()


def _levels(args: Namespace) -> Levels:
    """How far each line has come, by the running agent; empty without one, and for a log taken elsewhere."""
    if args.data:
        return {}
    try:
        answer = ask(load_config(args).node.control_socket, "levels")
    except SynedgeError:
        return {}
    found: Levels = {}
    for word in (WITNESSED, SEALED):
        for author, incarnation, seq in answer[word]:
            found.setdefault((author, incarnation), {})[word] = seq
    return found


def since(text: str, now_ms: int) -> int:
    """Unix ms of `10m`, an ISO date or time (local without an offset), or Unix ms; UsageError for anything else."""
    if match := re.fullmatch(r"(\d{1,9})([smhdw])", text):
        return now_ms - int(match[1]) * UNITS_S[match[2]] * 1000
    if re.fullmatch(r"\d{12,14}", text):
        return int(text)
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {text}; allowed: 10m, 2h, 3d, a date or time such as 2025-06-01T12:00, or Unix ms"
        ) from None


def row_json(log: Log, row: Row) -> dict[str, object]:
    return {
        "node": log.node_name(row.author),
        "author": row.author,
        "incarnation": row.incarnation,
        "seq": row.seq,
        "index": row.event_index,
        "state": row.state,
        "time": iso_time(row.event.time_ms),
        **event_json(row.event),
    }


def _show(log: Log, source: "_Reader", args: Namespace, out: Output) -> int:
    rows = source.newest(args.limit, more_will_follow=False)
    if out.as_json:
        out.document({"events": [row_json(log, row) for row in rows]})
    elif rows:
        out.table(COLUMNS, [_cells(log, row) for row in rows])
    else:
        out.line("no events")
    return 0


def _follow(log: Log, source: "_Reader", args: Namespace, out: Output) -> int:
    """Until interrupted. What was there is shown first, then each batch as it comes."""
    rows = source.newest(args.limit, more_will_follow=True)
    while True:
        for row in rows:
            if out.as_json:
                out.json_line(row_json(log, row))
            else:
                print("  ".join(cell(value) for value in _cells(log, row)), flush=True)
        time.sleep(POLL_S)
        rows = source.more()


def _cells(log: Log, row: Row) -> tuple[object, ...]:
    event = row.event
    values = cell(event.values) + (f" {event.unit}" if event.unit else "")
    confidence = None if event.confidence is None else f"{event.confidence:.2f}"
    place = f"{row.incarnation}/{row.seq}#{row.event_index}"
    return (
        iso_time(event.time_ms),
        log.node_name(row.author),
        event.agent,
        event.kind,
        values,
        confidence,
        place,
        row.state,
    )


class _Reader:
    """Where events come from."""

    def __init__(self, log: Log, wanted: Wanted, levels: Levels) -> None:
        self._log = log
        self._wanted = wanted
        self._levels = levels

    def state(self, author: int, incarnation: int, seq: int, *, is_own: bool) -> str:
        """The highest level that is known of a vertex."""
        return vertex_word(self._levels.get((author, incarnation), {}), seq, is_own=is_own)

    def newest(self, limit: int, *, more_will_follow: bool) -> list[Row]:
        """The newest events that are wanted, oldest first; 0 for all."""
        raise NotImplementedError

    def more(self) -> list[Row]:
        """What came since the last call."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class _LogReader(_Reader):
    """Events of a log. An own vertex counts as recorded when its signature stands behind it, or that of a later one: a
    signature is written only after the fdatasync of its vertex returned, and of all before that; those at the very end
    are synced here before they are called so."""

    def __init__(self, log: Log, wanted: Wanted, levels: Levels) -> None:
        super().__init__(log, wanted, levels)
        self._disk: DirectoryDisk = log.disk()
        self._place: Place = 0
        self._unsigned: dict[bytes, list[Row]] = {}

    def newest(self, limit: int, *, more_will_follow: bool) -> list[Row]:
        rows: deque[Row] = deque(maxlen=limit or None)
        rows.extend(self._rows())
        if not more_will_follow:
            rows.extend(self._sync())
        return list(rows)

    def more(self) -> list[Row]:
        return list(self._rows())

    def close(self) -> None:
        self._disk.close()

    def _rows(self) -> Iterator[Row]:
        for place, record in follow(self._disk, self._place):
            self._place = place
            if record.type == VERTEX:
                yield from self._vertex(record)
            elif record.type == SIGNATURE:
                yield from self._durable(record.payload[:32])

    def _durable(self, id_: bytes) -> Iterator[Row]:
        """Of own vertices up to the one with this signature: what stands before it is as durable."""
        while id_ in self._unsigned:
            yield from self._unsigned.pop(next(iter(self._unsigned)))

    def _vertex(self, record: Record) -> Iterator[Row]:
        frame = decode_vertex(record.payload)
        header = decode_header(frame.header) if isinstance(frame, VertexFrame) else None
        if not isinstance(frame, VertexFrame) or not isinstance(header, Header):
            return
        if header.body is None or frame.body is None or check_body(header.body, frame.body) is not None:
            return
        is_own = header.author == self._log.own
        state = self.state(*header.key, is_own=is_own)
        rows = [
            Row(*header.key, index, state, event)
            for index, event in enumerate(body_events(frame.body))
            if self._wanted.takes(header.author, event)
        ]
        if is_own and frame.signature is None:
            self._unsigned[header.id] = rows
        else:
            yield from rows

    def _sync(self) -> list[Row]:
        """Own events at the end of the log, made durable before they are shown as recorded."""
        rows = [row for waiting in self._unsigned.values() for row in waiting]
        if rows:
            path = self._log.directory / segment_name(segment_of(self._place))
            try:
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fdatasync(file)
                finally:
                    os.close(file)
            except OSError as error:
                raise StorageError(f"{path}: {error.strerror}") from None
        self._unsigned.clear()
        return rows


class _Store(_Reader):
    """Events of a gateway's store; what it holds is durable."""

    def __init__(self, log: Log, wanted: Wanted, levels: Levels) -> None:
        from edge.gateway.store.sqlite import SqliteStore

        super().__init__(log, wanted, levels)
        assert log.store is not None
        self._store = SqliteStore(log.store, read_only=True)
        self._cursor: Cursor | None = None

    def newest(self, limit: int, *, more_will_follow: bool) -> list[Row]:
        if 0 < limit <= ROWS_MAX and not more_will_follow:
            return self._ask("newest", limit)[::-1]
        rows: deque[Row] = deque(maxlen=limit or None)
        while batch := self.more():
            rows.extend(batch)
        return list(rows)

    def more(self) -> list[Row]:
        return self._ask("arrival", ROWS_MAX)

    def _ask(self, order: Order, limit: int) -> list[Row]:
        wanted = self._wanted
        found = self._store.events(
            node=wanted.author,
            agent=wanted.agent,
            kind=wanted.kind,
            since_ms=wanted.since_ms,
            limit=limit,
            after=self._cursor,
            order=order,
        )
        if found and order == "arrival":
            self._cursor = found[-1].cursor
        return [
            Row(
                item.author,
                item.incarnation,
                item.seq,
                item.index,
                self.state(item.author, item.incarnation, item.seq, is_own=item.author == self._log.own),
                item.event,
            )
            for item in found
        ]

    def close(self) -> None:
        self._store.close()
