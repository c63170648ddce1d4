"""Who else keeps our data: a gateway archives and acknowledges; a device reads the acknowledgements.

An acknowledgement is an item in a gateway's own signed vertex, made after its store has synced; it covers the author's
chain up to the vertex it names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edge.dag.author import Author
from edge.effects import Archive
from edge.ids import Instant, VertexId, VertexKey
from edge.limits import ARCHIVE_FLIGHT_MAX
from edge.node.desk import Desk
from edge.wire.roster import Roster
from edge.wire.vertex import Ack, Header


class Custody:
    """Acknowledgements both ways."""

    def __init__(
        self, desk: Desk, index: int, author: Author, is_gateway: bool, holds: Callable[[VertexKey, VertexId], bool]
    ) -> None:
        """`holds(key, id)`: whether exactly this vertex is held here; what names another acknowledges nothing."""
        self._desk = desk
        self._index = index
        self._holds = holds
        self._author = author
        self._is_gateway = is_gateway
        self._archiving = 0
        self._said: dict[tuple[int, int], int] = {}
        """(author, incarnation) → highest seq this gateway has acknowledged."""
        self._acked: dict[tuple[int, int], int] = {}
        """The same by any gateway, as a device reads it."""
        self._due: dict[tuple[int, int], Ack] = {}
        self.archived = 0

    @property
    def is_full(self) -> bool:
        """The store is behind; what peers say now would only wait in memory."""
        return self._archiving >= ARCHIVE_FLIGHT_MAX

    @property
    def acked_seq(self) -> int:
        """Highest seq of our own that a gateway holds."""
        return max((seq for (author, _), seq in self._acked.items() if author == self._index), default=0)

    def covers(self, key: VertexKey) -> bool:
        """Whether a gateway has said that it holds this vertex."""
        return self._acked.get((key.author, key.incarnation), 0) >= key.seq

    def heard(self, header: Header, roster: Roster) -> None:
        """Read the acknowledgements of an accepted vertex, if a gateway wrote it."""
        member = roster.member(header.author)
        if member is None or "gateway" not in member.roles:
            return
        for item in header.items:
            if isinstance(item, Ack) and self._holds(VertexKey(item.author, item.incarnation, item.seq), item.id):
                line = (item.author, item.incarnation)
                self._acked[line] = max(self._acked.get(line, 0), item.seq)
                if header.author == self._index:
                    self._said[line] = max(self._said.get(line, 0), item.seq)

    def archive(self, header: Header, signature: bytes | None, body: bytes | None) -> None:
        """Gateway: put a vertex into the store."""
        if self._is_gateway:
            self._archiving += 1
            ticket = self._desk.ticket(partial(self._archived, header))
            self._desk.do(Archive(ticket, ((header.raw, signature, body),)))

    def recovered(self, header: Header) -> None:
        """Gateway: a vertex that the log held before this start, with its chain; the store has it before we speak."""
        if self._is_gateway and header.body is not None:
            self._owe(header)

    def settle(self, now: Instant) -> None:
        """Queue what is owed, one acknowledgement a line of history; the newest ones wait while a set is on its way."""
        if self._author.queued_items:
            return
        for line, ack in self._due.items():
            self._author.add_item(ack, now)
            self._said[line] = self._acked[line] = ack.seq
        self._due.clear()

    def _archived(self, header: Header, done: bool, now: Instant) -> None:
        self._archiving -= 1
        self.archived += 1
        # Acknowledging what only acknowledges would make two gateways answer each other for ever.
        if header.body is not None:
            self._owe(header)

    def _owe(self, header: Header) -> None:
        line = (header.author, header.incarnation)
        if header.author != self._index and self._said.get(line, 0) < header.seq:
            self._due[line] = Ack(*header.key, header.id)

    def counts(self) -> dict[str, int]:
        return {
            "archived": self.archived,
            "archiving": self._archiving,
            "acks_owed": len(self._due) + self._author.queued_items,
        }
