"""The order in which members' vertices are judged: each after its past, whatever a damaged log lacks of that."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

from edge.consensus.sides import Sides
from edge.dag.graph import Graph
from edge.dag.pending import Missing
from edge.ids import Parent, VertexId, VertexKey
from edge.wire.items import Proposal
from edge.wire.vertex import Header

SIDE_WAIT_MS = 20_000.0
"""Who stands on another line of a forked member has it, and gives it when asked. While anybody is there, it is waited
for so long: a liar names what does not exist."""
LOOK_AHEAD = 1_024
"""Of what waits, so many are looked through for what they will lack."""


class Heard(NamedTuple):
    """What is told of a vertex."""

    header: Header
    prev: VertexKey | None
    signature: bytes | None
    alias: VertexKey | None = None
    """Its name, if it lies on a line beside the one that is held."""

    @property
    def key(self) -> VertexKey:
        return self.alias or self.header.key


class Wanted(NamedTuple):
    """A vertex of a forked member that is lacking, under its own name; a vertex of `source` stands on it."""

    key: VertexKey
    source: int


class Arrivals:
    """Live vertices come in order, since admission waits for their past. A start takes what the log has, and what lies
    below comes later, from peers: until then the vertex waits here, however many are above it."""

    def __init__(self, graph: Graph, quarantined: Mapping[int, None]) -> None:
        self._graph = graph
        self._quarantined = quarantined
        self.sides = Sides()
        self._waiting: dict[Missing, list[Heard]] = {}
        self._since: dict[tuple[Missing, int], float] = {}
        """Since when something is waited for beside the lines that are held, and on whose word, monotonic ms."""
        self._given_up: dict[tuple[int, int], None] = {}
        """(forked member, source): what the one names of the other is not waited for."""
        self._told: dict[tuple[int, int], int] = {}
        """By line, the highest seq that was passed on."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def waits(self, author: int) -> bool:
        """Whether something of this author does."""
        return any(one.header.author == author for waiting in self._waiting.values() for one in waiting)

    def asked(self, author: int) -> int:
        """How many proposals by this author wait."""
        waiting = (one.header for rest in self._waiting.values() for one in rest if one.header.author == author)
        return sum(isinstance(item, Proposal) for header in waiting for item in header.items)

    def passed(self, key: VertexKey) -> None:
        """A vertex that nobody has to wait for in any order."""
        self._told[key[:2]] = key.seq

    def told(self, line: tuple[int, int]) -> int:
        """The highest seq of a line that was passed on."""
        return self._told.get(line, 0)

    def name(self, parent: Parent) -> VertexKey | None:
        """What it is called here; None while we do not have it. Of what was dropped the id is forgotten, so that of who
        has forked it may have been on either line."""
        if self._graph.holds(parent.key, parent.id):
            return parent.key
        is_dropped = parent.author not in self._quarantined and self._graph.is_below(parent.key)
        return self.sides.name(parent.id) or (parent.key if is_dropped else None)

    def take(self, heard: Heard, members: Container[int]) -> Iterator[Heard]:
        """What is to be judged now: this, if its past was, and what waited for it. Each is judged before the next."""
        arrived = deque([heard])
        while arrived:
            one = arrived.popleft()
            missing = self._missing(one, members)
            if missing is not None:
                self._waiting.setdefault(missing, []).append(one)
                continue
            self.passed(one.key)
            yield one
            arrived.extend(self._waiting.pop(Missing(one.header.author, one.header.seq, one.header.id), ()))

    def signed(self, id: VertexId, signature: bytes) -> None:
        """What waits here without a signature has it now."""
        for waiting in self._waiting.values():
            waiting[:] = [one._replace(signature=signature) if one.header.id == id else one for one in waiting]

    def wanted(self) -> list[Wanted]:
        """What is to be asked for of forked members, beside the lines that are held: of each line the highest vertex on
        which a source stands, since what is below comes along."""
        if not self._waiting or not any(map(self._is_beside, self._waiting)):
            return []
        found: dict[tuple[int, int, int], int] = {}
        for one in islice(chain.from_iterable(self._waiting.values()), LOOK_AHEAD):
            for parent in one.header.parents:
                if self._is_beside(Missing(parent.author, parent.seq, parent.id)):
                    line = (parent.author, parent.incarnation, one.header.author)
                    found[line] = max(parent.seq, found.get(line, 0))
        return [Wanted(VertexKey(author, life, seq), source) for (author, life, source), seq in found.items()]

    def beside(self, headers: Sequence[Header], signature: bytes) -> tuple[list[Heard], int | None]:
        """What is new of a chain of a forked member of whom something is wanted, each with its name here, or without
        where there is no room; and if we lack what it hangs above, the seq of that."""
        new: list[Heard] = []
        through_seq = max((one.key.seq for one in self.wanted() if one.key.author == headers[0].author), default=0)
        for header in headers if headers[0].seq <= through_seq else ():
            if self._graph.holds(header.key, header.id) or self.sides.name(header.id):
                continue
            prev = None
            if header.prev is not None:
                prev = self._graph.find(header.author, header.seq - 1, header.prev) or self.sides.name(header.prev)
            if prev is None and header.prev is not None and not self._is_trimmed(header):
                return new, header.seq - 1
            name = self.sides.take(header, prev)
            new.append(Heard(header, prev, signature if header is headers[-1] else None, name))
            if name is None:
                break
        return new, None

    def _is_trimmed(self, header: Header) -> bool:
        """Whether our log has dropped so much of its author: nothing that is open lies there."""
        return any(branch.dropped_seq >= header.seq - 1 for branch in self._graph.branches(header.author))

    def _is_beside(self, missing: Missing) -> bool:
        """Whether it is by a forked member, and not here, under the name by which it is waited for: what is here waits
        for its own past."""
        if missing.author not in self._quarantined:
            return False
        name = self.sides.name(missing.id) or self._graph.find(*missing)
        return name is None or self._was_told(name)

    def released(self, members: Container[int], now_ms: float, *, can_ask: bool) -> Iterator[Heard]:
        """What has waited long enough for lines of who has forked is judged without. Whoever stands on one and does not
        give it is not asked for another one of that author."""
        beside = [missing for missing in self._waiting if self._is_beside(missing)] if self._quarantined else []
        pairs = [(missing, one.header.author) for missing in beside for one in self._waiting[missing]]
        self._since = {pair: self._since.get(pair, now_ms) for pair in pairs if can_ask}
        late = [pair for pair, since in self._since.items() if now_ms - since >= SIDE_WAIT_MS]
        if not late:
            return
        self._given_up |= {(missing.author, source): None for missing, source in late}
        for missing in beside:
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
            if parent.author not in members or self._graph.was_dropped(parent.key):
                continue
            name, missing = self.name(parent), Missing(parent.author, parent.seq, parent.id)
            if name is not None and self._was_told(name):
                continue
            if (parent.author, header.author) not in self._given_up or not self._is_beside(missing):
                return missing
        return None

    def _was_told(self, key: VertexKey) -> bool:
        """Also of what was dropped from the log before we began, though it may be here again: nothing there is open."""
        return self.told(key[:2]) >= key.seq or self._graph.was_dropped(key)
