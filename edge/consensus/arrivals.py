"""The order in which members' vertices are judged: each after its past, whatever a damaged log lacks of that."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from edge.dag.graph import Graph
from edge.dag.pending import Missing
from edge.ids import VertexId, VertexKey
from edge.wire.vertex import Header


class Heard(NamedTuple):
    """What is told of a vertex."""

    header: Header
    prev: VertexKey | None
    signature: bytes | None


class Arrivals:
    """Live vertices come in order, since admission waits for their past. A start takes what the log has, and what lies
    below comes later, from peers: until then the vertex waits here, however many are above it."""

    def __init__(self, graph: Graph, quarantined: Mapping[int, None]) -> None:
        self._graph = graph
        self._quarantined = quarantined
        self._waiting: dict[Missing, list[Heard]] = {}
        self._told: dict[tuple[int, int], int] = {}
        """By line, the highest seq that was passed on."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def waits(self, author: int) -> bool:
        """Whether something of this author does."""
        return any(one.header.author == author for waiting in self._waiting.values() for one in waiting)

    def passed(self, header: Header) -> None:
        """A vertex that nobody has to wait for in any order."""
        self._told[header.author, header.incarnation] = header.seq

    def take(self, heard: Heard, members: Container[int]) -> Iterator[Heard]:
        """What is to be judged now: this, if its past was, and what waited for it. Each is judged before the next."""
        arrived = deque([heard])
        while arrived:
            one = arrived.popleft()
            missing = self._missing(one, members)
            if missing is not None:
                self._waiting.setdefault(missing, []).append(one)
                continue
            self.passed(one.header)
            yield one
            arrived.extend(self._waiting.pop(Missing(one.header.author, one.header.seq, one.header.id), ()))

    def signed(self, id: VertexId, signature: bytes) -> None:
        """What waits here without a signature has it now."""
        for waiting in self._waiting.values():
            waiting[:] = [one._replace(signature=signature) if one.header.id == id else one for one in waiting]

    def released(self, members: Container[int]) -> Iterator[Heard]:
        """What waited for those whose fork is proven: nothing more comes of them, and it is judged without."""
        for missing in [missing for missing in self._waiting if missing.author in self._quarantined]:
            for one in self._waiting.pop(missing, ()):  # what was released before it may have brought it
                yield from self.take(one, members)

    def _missing(self, heard: Heard, members: Container[int]) -> Missing | None:
        """What must be judged before this member's vertex; None if nothing is missing that can still come."""
        header = heard.header
        if header.author not in members:
            return None
        if heard.prev is not None and header.prev is not None and not self._was_told(heard.prev):
            return Missing(header.author, header.seq - 1, header.prev)
        for parent in header.parents:
            if parent.author not in members or parent.author in self._quarantined:
                continue
            is_held = self._graph.holds(parent.key, parent.id) or self._graph.is_below(parent.key)
            if not is_held or not self._was_told(parent.key):
                return Missing(parent.author, parent.seq, parent.id)
        return None

    def _was_told(self, key: VertexKey) -> bool:
        """Also of what was dropped from the log before we began."""
        return self._told.get(key[:2], 0) >= key.seq or self._graph.is_dropped(key) or self._graph.is_below(key)
