"""What our disk has lost of what we hold comes back: from a gateway's own store, else from whoever holds it, too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edge.dag.admission import Admission, Mended
from edge.dag.pending import Candidate
from edge.dag.records import VERTEX, Record
from edge.effects import Fetch
from edge.ids import Instant, VertexKey
from edge.node.desk import Desk
from edge.wire.frame import VertexFrame, decode_vertex, encode_vertex
from edge.wire.vertex import Header, decode_header

FETCH_VERTICES = 64
"""Read from the store at a time."""

Persist = Callable[[tuple[Record, ...], Callable[[tuple[int, ...], Instant], None]], None]


class Mending:
    """Puts vertices by others into the log, for the first time or once more. `persist(records, then)` does it."""

    def __init__(self, desk: Desk, admission: Admission, persist: Persist, is_gateway: bool) -> None:
        self._desk = desk
        self._admission = admission
        self._graph = admission.graph
        self._persist = persist
        self._is_gateway = is_gateway
        self._looked_for: dict[VertexKey, None] = {}
        """In the store, since they were lost."""
        self._is_fetching = False
        self.mended = 0

    def keep(self, candidate: Candidate) -> None:
        """Into the log; from then on it has a place there."""
        frame = encode_vertex(candidate.header.raw, candidate.signature, candidate.body)
        self._persist((Record(VERTEX, frame),), partial(self._kept, candidate))

    def _kept(self, candidate: Candidate, places: tuple[int, ...], now: Instant) -> None:
        header, place = candidate.header, places[0]
        if self._graph.holds(header.key, header.id):
            self._graph.set_place(header.key, place, place if candidate.signature is not None else 0)

    def came(self, candidate: Candidate, now: Instant) -> None:
        """Another copy of what was lost."""
        self.mended += 1
        self._desk.report("info", "record-mended", vertex="/".join(map(str, candidate.header.key)))
        self.keep(candidate)

    def look(self) -> None:
        """A gateway may have it in its store, where it lies once more."""
        lost = self._graph.lost
        if not self._is_gateway or self._is_fetching or not (lost or self._looked_for):
            return
        self._looked_for = {key: None for key in self._looked_for if key in lost}
        keys = [key for key in lost if key not in self._looked_for][:FETCH_VERTICES]
        if keys:
            self._is_fetching = True
            self._looked_for |= dict.fromkeys(keys)
            self._desk.do(Fetch(self._desk.ticket(self._fetched), tuple(keys)))

    def _fetched(self, records: tuple[Record | None, ...], now: Instant) -> None:
        self._is_fetching = False
        for record in records:
            frame = decode_vertex(record.payload) if record is not None else None
            header = decode_header(frame.header) if isinstance(frame, VertexFrame) else None
            if isinstance(frame, VertexFrame) and isinstance(header, Header) and header.key in self._graph.lost:
                answer = self._admission.settle(Candidate(header, frame.signature, frame.body))
                if isinstance(answer, Mended):
                    self.came(answer.candidate, now)

    def counts(self) -> dict[str, int]:
        return {"records_mended": self.mended, "records_lacking": len(self._graph.lost)}
