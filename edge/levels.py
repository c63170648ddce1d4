"""How far what the running agent shows has come, in the words of docs/OPERATING.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from edge.consensus.shown import HELD, RECORDED, SEALED, WITNESSED, vertex_word
from edge.ids import VertexKey
from edge.state.crdt import State
from edge.wire.items import GROW, Count, Put
from edge.wire.vertex import Header

if TYPE_CHECKING:
    from edge.agent import Agent
    from edge.node import Node


def levels(agent: Agent) -> dict[str, list[list[int]]]:
    """Up to which seq each line is witnessed, and sealed, as [author, incarnation, seq]; without what is neither."""
    witnesses, graph = agent.node.voting.witnessing.witnesses, agent.node.graph
    witnessed = (
        [author, incarnation, seq]
        for author in graph.authors()
        for incarnation, seq in witnesses.witnessed(author).items()
        if seq
    )
    return {
        "witnessed": list(witnessed),
        "sealed": [[*line, seq] for line, seq in sorted(agent.node.voting.sealing.lines.items())],
    }


class Levels:
    """Of vertices, and of what they said of shared state; for one answer, in which each line is looked up once."""

    def __init__(self, node: Node) -> None:
        self._own = node.options.index
        self._witnesses = node.voting.witnessing.witnesses
        self._lines = node.voting.sealing.lines
        self._kept = node.shared.sealed
        self._witnessed: dict[int, dict[int, int]] = {}
        self._parts: dict[int, State] = {}
        self._above: dict[int, dict[str | tuple[str, bytes], VertexKey]] = {}

    def vertex(self, author: int, incarnation: int, seq: int) -> str:
        if author not in self._witnessed:
            self._witnessed[author] = self._witnesses.witnessed(author)
        line = (author, incarnation)
        reached = {
            WITNESSED: self._witnessed[author].get(incarnation, 0),
            SEALED: max(self._lines.get(line, 0), self._kept.sealed.ends.get(line, 0)),
        }
        return vertex_word(reached, seq, is_own=author == self._own)

    def counted(self, name: str, author: int, total: int) -> str:
        """What an author has added up: all of it, so its newest word on it."""
        if self._part(author).counters.get(name, {}).get(author) == total:
            return SEALED
        return self._said(author, name)

    def grown(self, name: str, element: bytes, author: int) -> str:
        """That an author has put this into a set that only grows: its first word on it."""
        if author in self._part(author).grown.get(name, {}).get(element, {}):
            return SEALED
        return self._said(author, (name, element))

    def _part(self, author: int) -> State:
        """What the newest checkpoint has of an author."""
        if author not in self._parts:
            self._parts[author] = self._kept.sealed.part(author)
        return self._parts[author]

    def _said(self, author: int, what: str | tuple[str, bytes]) -> str:
        """The state does not keep which vertex said it. It lies above the cut, where all vertices with operations are
        known; where one is not at hand, no more is claimed than that we hold it."""
        if author not in self._above:
            self._above[author] = _places(self._kept.above(author) or ())
        key = self._above[author].get(what)
        if key is None:
            return RECORDED if author == self._own else HELD
        return self.vertex(*key)


def _places(headers: Iterable[Header]) -> dict[str | tuple[str, bytes], VertexKey]:
    """Of headers in their order: by the name of a counter the last vertex that adds to it, by name and element the
    first that puts it into a set that only grows."""
    places: dict[str | tuple[str, bytes], VertexKey] = {}
    for header in headers:
        for item in header.items:
            if isinstance(item, Count):
                places[item.name] = header.key
            elif isinstance(item, Put) and item.kind == GROW:
                places.setdefault((item.name, item.value), header.key)
    return places


class Sealed(Levels):
    """Of what a checkpoint has: all of it is below that."""

    def vertex(self, author: int, incarnation: int, seq: int) -> str:
        return SEALED

    def counted(self, name: str, author: int, total: int) -> str:
        return SEALED

    def grown(self, name: str, element: bytes, author: int) -> str:
        return SEALED
