"""Lines of a forked member beside the one that is held: others stand on them, so what they say is part of the past.

The graph has one vertex under each name. A vertex of another line has a name of its own here, which nobody else hears
of: its author, an incarnation that no roster can know, and its seq.
"""

from __future__ import annotations

from edge.ids import VertexId, VertexKey
from edge.limits import INDEX_MAX, SIDE_VERTICES_MAX
from edge.wire.vertex import Header


class Sides:
    """Vertices by id. SIDE_VERTICES_MAX of an author at most."""

    def __init__(self) -> None:
        self._names: dict[VertexId, VertexKey] = {}
        self._heads: dict[tuple[int, int], int] = {}
        """By line, the seq of its last vertex."""
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._names)

    def name(self, id: VertexId) -> VertexKey | None:
        return self._names.get(id)

    def take(self, header: Header, prev: VertexKey | None) -> VertexKey | None:
        """A name for one more, above `prev`; None if there is no room for it."""
        author = header.author
        if self._counts.get(author, 0) >= SIDE_VERTICES_MAX:
            return None
        self._counts[author] = self._counts.get(author, 0) + 1
        line = prev[:2] if prev is not None else (author, 0)
        if prev is None or self._heads.get(line) != prev.seq:
            line = (author, INDEX_MAX + 1 + len(self._heads))
        self._heads[line] = header.seq
        self._names[header.id] = VertexKey(*line, header.seq)
        return self._names[header.id]
