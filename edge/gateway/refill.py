"""After a start: what the log holds and the store lacks goes into the store, and only that."""

from __future__ import annotations

from edge.dag.records import SIGNATURE, VERTEX, Record
from edge.gateway.store import Store, Vertex
from edge.ids import VertexId
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.vertex import Header

BATCH_VERTICES = 256
ID_BYTES = 32


class Refill:
    """`take` every record of the log in order, then `finish`. Raises what the store raises."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: dict[VertexId, Record] = {}
        self._signatures: dict[VertexId, bytes] = {}
        self._unsigned: dict[VertexId, bytes] = {}
        """Headers put without a signature: that of an own vertex is a record of its own, a little further on."""
        self._completed: list[Vertex] = []
        self.vertices = 0
        """Put into the store."""

    def take(self, record: Record, header: Header | None) -> None:
        """`header` is what the record holds if it is a good vertex."""
        if record.type == VERTEX and header is not None:
            self._asked[header.id] = record
            if len(self._asked) >= BATCH_VERTICES:
                self._flush()
        elif record.type == SIGNATURE:
            self._sign(record.payload[:ID_BYTES], record.payload[ID_BYTES:])

    def finish(self) -> None:
        """The rest."""
        self._flush()

    def _sign(self, id_: VertexId, signature: bytes) -> None:
        if id_ in self._asked:
            self._signatures[id_] = signature
        elif id_ in self._unsigned:
            self._completed.append((self._unsigned.pop(id_), signature, None))

    def _flush(self) -> None:
        ids = list(self._asked)
        lacking: list[Vertex] = []
        for id_, is_held in zip(ids, self._store.has(ids), strict=True):
            if is_held:
                continue
            frame = decode_vertex(self._asked[id_].payload)
            assert isinstance(frame, VertexFrame), "its header was read from it"
            signature = frame.signature or self._signatures.get(id_)
            if signature is None:
                self._unsigned[id_] = frame.header
            lacking.append((frame.header, signature, frame.body))
        if lacking or self._completed:
            self._store.put_many([*lacking, *self._completed])
        self.vertices += len(lacking)
        self._asked.clear()
        self._signatures.clear()
        self._completed.clear()
