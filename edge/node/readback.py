"""Reading vertices back from the log, each with its signature; what turns out damaged is marked as lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from edge.dag.graph import ID_BYTES, Graph
from edge.dag.records import Record
from edge.effects import Load
from edge.ids import Instant, VertexKey
from edge.node.desk import Desk
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.vertex import Header, decode_header


class Read(NamedTuple):
    """A vertex as it lies in the log, and its signature if there is one."""

    frame: VertexFrame
    signature: bytes | None


class Spot(NamedTuple):
    """Where a vertex lies."""

    key: VertexKey
    place: int
    apart: int
    """Where its signature lies if that is a record of its own; else 0."""


Then = Callable[[list[Read | None], Instant], None]


class Readback:
    """A vertex has a place in our memory and a record on our disk; where the second is damaged, the first goes.

    What was written by others can be had again (`Mending`). Our own vertex with a damaged signature needs only another
    one: `sign_again(header)`.
    """

    def __init__(self, desk: Desk, graph: Graph, index: int, sign_again: Callable[[Header], None]) -> None:
        self._desk = desk
        self._graph = graph
        self._index = index
        self._sign_again = sign_again
        self.damaged = 0
        """Records found damaged since we started."""

    def spots(self, keys: Iterable[VertexKey]) -> list[Spot]:
        """Where these lie, up to the first that the disk has not got, or not yet."""
        spots: list[Spot] = []
        for key in keys:
            place, signed = self._graph.place(key)
            if not place:
                break
            spots.append(Spot(key, place, signed if signed != place else 0))
        return spots

    def load(self, spots: list[Spot], then: Then) -> None:
        """Read them; `then(vertices, now)` with None for what is damaged."""
        places = [place for spot in spots for place in (spot.place, spot.apart) if place]
        self._desk.do(Load(self._desk.ticket(partial(self._loaded, spots, then)), tuple(places)))

    def _loaded(self, spots: list[Spot], then: Then, records: tuple[Record | None, ...], now: Instant) -> None:
        rest = iter(records)
        found: list[Read | None] = []
        for spot in spots:
            record = next(rest)
            found.append(self._read(spot, record, next(rest) if spot.apart else None))
        then(found, now)

    def _read(self, spot: Spot, record: Record | None, apart: Record | None) -> Read | None:
        frame = decode_vertex(record.payload) if record is not None else None
        if not isinstance(frame, VertexFrame):
            self._lose(spot)
            return None
        if not spot.apart:
            return Read(frame, frame.signature)
        if apart is not None:
            return Read(frame, apart.payload[ID_BYTES:])
        if self._graph.place(spot.key) == (spot.place, 0):
            return Read(frame, None)  # it went from the log while this was under way
        if spot.key.author != self._index:
            self._lose(spot)
            return None
        header = decode_header(frame.header)
        if isinstance(header, Header) and self._graph.place(spot.key) == (spot.place, spot.apart):
            self.damaged += 1
            self._graph.set_signed(spot.key, 0)
            self._sign_again(header)
        return Read(frame, None)

    def _lose(self, spot: Spot) -> None:
        if self._graph.lose(spot.key, spot.place):
            self.damaged += 1
            self._desk.report("warning", "record-damaged", vertex="/".join(map(str, spot.key)))
