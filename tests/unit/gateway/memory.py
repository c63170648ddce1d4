"""The slow and obvious store: the oracle that every engine must agree with."""

from collections.abc import Iterable, Iterator, Sequence

from edge.gateway.store import ROWS_MAX, Count, Cursor, Order, Stored, StoredEvent, Vertex
from edge.ids import VertexId
from edge.wire.event import Event
from edge.wire.vertex import Header, body_events, decode_header


class MemoryStore:
    def __init__(self) -> None:
        self._vertices: dict[VertexId, tuple[Header, bytes | None, bytes | None]] = {}
        self._events: list[StoredEvent] = []

    def put_many(self, vertices: Iterable[Vertex]) -> Stored:
        before = self.count()
        checked = []
        for raw, signature, body in vertices:
            header = decode_header(raw)
            if not isinstance(header, Header):
                raise ValueError("a header that is none")
            if body is not None and (header.body is None or header.body.length != len(body)):
                raise ValueError("not its body")
            checked.append((header, signature, body))
        for header, signature, body in checked:
            _, old_signature, old_body = self._vertices.get(header.id, (header, None, None))
            self._vertices[header.id] = (header, old_signature or signature, old_body or body)
            if body is not None and old_body is None:
                for index, event in enumerate(body_events(body)):
                    cursor = Cursor(event.time_ms, len(self._events) + 1)
                    self._events.append(StoredEvent(*header.key, index, event, cursor))
        after = self.count()
        return Stored(after.vertices - before.vertices, after.events - before.events)

    def count(self) -> Count:
        return Count(len(self._vertices), len(self._events))

    def ids(self) -> Iterator[VertexId]:
        return iter(sorted(self._vertices))

    def vertices(self) -> Iterator[tuple[VertexId, Vertex]]:
        return ((id_, (header.raw, signature, body)) for id_, (header, signature, body) in self._vertices.items())

    def has(self, ids: Sequence[VertexId]) -> list[bool]:
        return [id_ in self._vertices and self._is_held(self._vertices[id_]) for id_ in ids]

    def vertex(self, id_: VertexId) -> Vertex | None:
        held = self._vertices.get(id_)
        return None if held is None else (held[0].raw, held[1], held[2])

    def named(self, author: int, incarnation: int, seq: int) -> Vertex | None:
        found = (held for held in self._vertices.values() if held[0].key == (author, incarnation, seq))
        return next(((held[0].raw, held[1], held[2]) for held in found), None)

    def event(self, author: int, incarnation: int, seq: int, index: int) -> Event | None:
        name = (author, incarnation, seq, index)
        return next((e.event for e in self._events if (e.author, e.incarnation, e.seq, e.index) == name), None)

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
        rank = (lambda c: (0, c.place)) if order == "arrival" else tuple
        rows = sorted(self._events, key=lambda e: rank(e.cursor), reverse=order == "newest")
        if after is not None:
            is_past = (
                (lambda e: rank(e.cursor) < rank(after))
                if order == "newest"
                else (lambda e: rank(e.cursor) > rank(after))
            )
            rows = [e for e in rows if is_past(e)]
        rows = [
            e
            for e in rows
            if (node is None or e.author == node)
            and (agent is None or e.event.agent == agent)
            and (kind is None or e.event.kind == kind)
            and (since_ms is None or e.event.time_ms >= since_ms)
            and (until_ms is None or e.event.time_ms < until_ms)
        ]
        return rows[: max(0, min(limit, ROWS_MAX))]

    def frontier(self) -> dict[tuple[int, int], int]:
        branches: dict[tuple[int, int], list[tuple[Header, bytes | None, bytes | None]]] = {}
        for held in self._vertices.values():
            branches.setdefault((held[0].author, held[0].incarnation), []).append(held)
        return {branch: self._head(held) for branch, held in sorted(branches.items())}

    def _head(self, branch: list[tuple[Header, bytes | None, bytes | None]]) -> int:
        first = min(branch, key=lambda held: held[0].seq)
        if not any(
            self._is_held(held) and (held[0].prev is None or held[0].prev in self._vertices)
            for held in branch
            if held[0].seq == first[0].seq
        ):
            return 0
        seqs = {held[0].seq for held in branch if self._is_held(held)}
        head = first[0].seq
        while head + 1 in seqs:
            head += 1
        return head

    @staticmethod
    def _is_held(held: tuple[Header, bytes | None, bytes | None]) -> bool:
        return held[0].body is None or held[2] is not None

    def stats(self) -> dict[str, int]:
        times = [e.event.time_ms for e in self._events]
        stats = {"vertices": len(self._vertices), "events": len(times), "bytes": 0}
        return stats | ({"oldest_ms": min(times), "newest_ms": max(times)} if times else {})

    def close(self) -> None:
        pass
