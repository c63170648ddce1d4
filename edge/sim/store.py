"""A gateway's store in memory: what was put is durable, as after the commit of a database."""

from __future__ import annotations

from collections.abc import Iterable

from edge.dag.records import SIGNATURE, VERTEX, Record
from edge.ids import VertexId, VertexKey
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.vertex import Header, decode_header

ID_BYTES = 32
Vertex = tuple[bytes, bytes | None, bytes | None]


class SimStore:
    """Vertices by id and by key; survives every crash of its gateway."""

    def __init__(self) -> None:
        self.vertices: dict[VertexId, Vertex] = {}
        self._named: dict[VertexKey, VertexId] = {}

    def put(self, vertices: Iterable[Vertex]) -> None:
        """Add; a vertex that is known may gain its signature or body."""
        for raw, signature, body in vertices:
            header = decode_header(raw)
            assert isinstance(header, Header), "only vertices that passed admission are archived"
            self._put(header, signature, body)

    def refill(self, record: Record, header: Header | None) -> None:
        """One record of the log, as a start reads it."""
        if record.type == VERTEX and header is not None and header.id not in self.vertices:
            frame = decode_vertex(record.payload)
            assert isinstance(frame, VertexFrame)
            self._put(header, frame.signature, frame.body)
        elif record.type == SIGNATURE:
            held = self.vertices.get(record.payload[:ID_BYTES])
            if held is not None and held[1] is None:
                self.vertices[record.payload[:ID_BYTES]] = (held[0], record.payload[ID_BYTES:], held[2])

    def named(self, key: VertexKey) -> Vertex | None:
        id = self._named.get(key)
        return None if id is None else self.vertices[id]

    def _put(self, header: Header, signature: bytes | None, body: bytes | None) -> None:
        _, old_signature, old_body = self.vertices.get(header.id, (None, None, None))
        self.vertices[header.id] = (header.raw, signature or old_signature, body or old_body)
        self._named.setdefault(header.key, header.id)
