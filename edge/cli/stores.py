"""A gateway's store, judged as its log is: from the rows alone, by someone who trusts only the site's roster."""

from pathlib import Path
from typing import NamedTuple

from edge.dag.records import VERTEX, Record
from edge.dag.verify import Fault, Verifier
from edge.errors import StorageError
from edge.gateway.store import Count, Store, Vertex
from edge.ids import VertexId
from edge.wire.frame import decode_vertex, encode_vertex
from edge.wire.items import Ack
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.vertex import decode_header


class StoreVerdict(NamedTuple):
    vertices: int
    """Rows that could be read."""
    events: int
    """In bodies that were checked."""
    signatures: int
    unsigned: int
    """Own vertices at the end of the own chain whose signature has not been stored yet."""
    faults: tuple[Fault, ...]


def verify_store(path: Path, roster: Roster, authority: bytes, own: int | None) -> StoreVerdict:
    """Every row: canonical, under its own id, chained, with its body, and signed at or above it.

    What this gateway acknowledged must be there. A file that cannot be read on is a fault, as far as it was read.
    TryLaterError when another process holds it.
    """
    from edge.gateway.store.sqlite import SqliteStore

    audit = _Audit(Verifier(roster, authority, own), own)
    try:
        store = SqliteStore(path, read_only=True)
        try:
            audit.take(store)
        finally:
            store.close()
    except StorageError as error:
        audit.fault("damage", f"{error}, after {audit.rows} rows", None)
    return audit.verdict()


class _Audit:
    """The rows go through the log's verifier; what only a store can have wrong is looked at here."""

    def __init__(self, verifier: Verifier, own: int | None) -> None:
        self._verifier = verifier
        self._own = own
        self._ids: dict[VertexId, None] = {}
        self._acks: dict[VertexId, Ack] = {}
        self._counted: Count | None = None
        self._faults: list[Fault] = []
        self.rows = 0

    def take(self, store: Store) -> None:
        before = store.count()
        for id_, vertex in store.vertices():
            self._row(id_, vertex)
        if store.count() == before:  # else the agent runs, and has stored more meanwhile
            self._counted = before

    def fault(self, reason: str, detail: str, id_: VertexId | None) -> None:
        self._faults.append(Fault(reason, detail, None, id_))

    def verdict(self) -> StoreVerdict:
        found = self._verifier.verdict()
        for id_, ack in self._acks.items():
            if id_ not in self._ids:
                key = f"{ack.author}/{ack.incarnation}/{ack.seq}"
                self.fault("acknowledged-missing", f"{key} was acknowledged and is not here", id_)
        if self._counted is not None and not (self._faults or found.faults):
            here, counted = Count(found.vertices, found.events), self._counted
            if counted != here:
                self.fault("count", f"it counts {_said(counted)}, its rows hold {_said(here)}", None)
        return StoreVerdict(
            found.vertices, found.events, found.signatures, found.unsigned, (*self._faults, *found.faults)
        )

    def _row(self, id_: VertexId, vertex: Vertex) -> None:
        self.rows += 1
        if not all(isinstance(part, bytes) for part in (id_, *vertex) if part is not None):
            return self.fault("damage", f"row {self.rows} has no bytes where it should", None)
        header = decode_header(vertex[0])
        if isinstance(header, Refusal):
            return self.fault(header.reason, header.detail, id_)
        if header.id != id_:
            self._faults.append(Fault("id-mismatch", f"its header is {header.id.hex()[:16]}", header.key, id_))
            return None
        payload = encode_vertex(*vertex)
        frame = decode_vertex(payload)
        if isinstance(frame, Refusal):
            self._faults.append(Fault(frame.reason, frame.detail, header.key, id_))
            return None
        self._ids[id_] = None
        if header.author == self._own:
            self._acks.update((item.id, item) for item in header.items if isinstance(item, Ack))
        self._verifier.take(Record(VERTEX, payload))
        return None


def _said(count: Count) -> str:
    return f"{count.vertices} vertices and {count.events} events"
