"""Who else keeps our data: a gateway archives and acknowledges; a device reads the acknowledgements.

An acknowledgement is an item in a gateway's own signed vertex, made after its store has synced; it covers the author's
chain up to the vertex it names.
"""

from __future__ import annotations

from functools import partial

from edge.dag.admission import Admission
from edge.dag.author import Author
from edge.dag.floor import FloorAck
from edge.dag.graph import Branch
from edge.effects import Archive
from edge.ids import Instant, VertexKey
from edge.limits import ARCHIVE_FLIGHT_MAX, ITEMS_MAX
from edge.node.desk import Desk
from edge.node.readback import Read, Readback
from edge.wire.roster import Roster
from edge.wire.vertex import Ack, Header, decode_header

ACK_MS_PER_MEMBER = 5.0
"""Each vertex that acknowledges goes to every member: the more they are, the more it waits to say at once."""
CATCH_UP_VERTICES = 64
"""Read from the log at a time for a store that was behind."""


def is_gateway(roster: Roster, author: int) -> bool:
    """Whether a member's word counts as an acknowledgement."""
    member = roster.member(author)
    return member is not None and "gateway" in member.roles


class Custody:
    """Acknowledgements both ways."""

    def __init__(
        self, desk: Desk, index: int, admission: Admission, readback: Readback, author: Author, is_gateway: bool
    ) -> None:
        self._desk = desk
        self._index = index
        self._admission = admission
        self._graph = admission.graph
        self._readback = readback
        self._author = author
        self._is_gateway = is_gateway
        self._archiving = 0
        self._said: dict[tuple[int, int], int] = {}
        """(author, incarnation) → highest seq this gateway has acknowledged."""
        self._acked: dict[tuple[int, int], FloorAck] = {}
        """The same by any gateway, as a device reads it, of vertices that we held when we looked."""
        self._ahead: dict[tuple[int, int], FloorAck] = {}
        """The newest of those that name a vertex which we did not hold yet."""
        self._kept: dict[tuple[int, int], int] = {}
        """Gateway: highest seq in our own store."""
        self._due: dict[tuple[int, int], Ack] = {}
        self._due_ms = float("inf")
        """When what is owed has waited long enough, although it does not fill a vertex."""
        self._behind: dict[tuple[int, int], int] = {}
        """Gateway: the first seq of each line that the store had no room for; it is read from the log later."""
        self._is_reading = False
        self.archived = 0
        self.minds_all = True
        """Read acknowledgements of lines that we hold nothing of yet, too."""

    @property
    def is_full(self) -> bool:
        """The store is behind; what peers say now would only wait in memory."""
        return self._archiving >= ARCHIVE_FLIGHT_MAX

    @property
    def acked_seq(self) -> int:
        """Highest seq of our own that a gateway holds."""
        return max((ack.seq for (author, _), ack in self._acked.items() if author == self._index), default=0)

    def covers(self, key: VertexKey) -> bool:
        """Whether a gateway has said that it holds this vertex."""
        ack = self._acked.get((key.author, key.incarnation))
        return ack is not None and ack.seq >= key.seq

    def has_said(self, key: VertexKey) -> bool:
        """Whether a gateway has said so of it, or of one above it in its incarnation, be they held or not."""
        line = (key.author, key.incarnation)
        said = (self._acked.get(line), self._ahead.get(line))
        return any(ack is not None and ack.seq >= key.seq for ack in said)

    def covered_seq(self, branch: Branch, roster: Roster) -> int:
        """The seq up to which a gateway keeps this branch, going by what was said of this incarnation alone.

        On a gateway: what its own store has. Elsewhere: what a gateway acknowledged; its own vertices it keeps anyway.
        An acknowledgement above our head covers all that we hold: an author has one chain in one incarnation, and a log
        that waited for the vertex it names could not make the room to take it in.
        """
        line = (branch.author, branch.incarnation)
        ahead = self._ahead.get(line)
        if ahead is not None and ahead.seq > branch.head_seq:
            return branch.head_seq
        if ahead is not None:
            del self._ahead[line]
            self.acknowledged(ahead)
        ack = self._acked.get(line)
        seq = ack.seq if ack is not None else 0
        if self._is_gateway:
            return max(seq, self._kept.get(line, 0))
        return branch.head_seq if is_gateway(roster, branch.author) else seq

    def acknowledged(self, ack: FloorAck) -> None:
        """Take a gateway's word for a line, if the vertex it names is the one that we know."""
        line = (ack.author, ack.incarnation)
        key = VertexKey(*ack[:3])
        id = self._graph.id_at(key)
        if id is None and not self._graph.is_below(key):
            if line not in self._ahead or self._ahead[line].seq < ack.seq:
                self._ahead[line] = ack
        elif (id is None or id == ack.id) and (line not in self._acked or self._acked[line].seq < ack.seq):
            self._acked[line] = ack

    def acks(self) -> tuple[FloorAck, ...]:
        """What a restart must know again although the vertices that said it may be gone."""
        return tuple(ack for _, ack in sorted({**self._acked, **self._ahead}.items()))

    def heard(self, header: Header, roster: Roster) -> None:
        """Read the acknowledgements of an accepted vertex, if a gateway wrote it."""
        if not is_gateway(roster, header.author):
            return
        for item in header.items:
            if isinstance(item, Ack) and (self.minds_all or self._graph.branch(item.author, item.incarnation)):
                line = (item.author, item.incarnation)
                self.acknowledged(FloorAck(*item))
                key = VertexKey(item.author, item.incarnation, item.seq)
                if header.author == self._index and self._graph.holds(key, item.id):
                    self._said[line] = max(self._said.get(line, 0), item.seq)

    def remind(self, author: int) -> None:
        """Gateway: say again what we hold of an author."""
        for branch in self._graph.branches(author):
            seq = self._said.get((author, branch.incarnation), 0)
            id = branch.id_at(seq)
            if id is not None:
                self._due.setdefault((author, branch.incarnation), Ack(author, branch.incarnation, seq, id))

    def archive(self, header: Header, signature: bytes | None, body: bytes | None) -> None:
        """Gateway: put a vertex into the store; later, if that is behind. A line goes in by its order."""
        line = (header.author, header.incarnation)
        if not self._is_gateway:
            return
        if self.is_full or line in self._behind:
            self._behind.setdefault(line, header.seq)
        else:
            self._put(header, signature, body)

    def _put(self, header: Header, signature: bytes | None, body: bytes | None) -> None:
        self._archiving += 1
        ticket = self._desk.ticket(partial(self._archived, header))
        self._desk.do(Archive(ticket, ((header.raw, signature, body),)))

    def recovered(self, header: Header) -> None:
        """Gateway: a vertex that the log held before this start, with its chain; the store has it before we speak."""
        if self._is_gateway:
            self._keep(header)
            self._owe(header)

    def settle(self, members: int, now: Instant) -> None:
        """Queue what is owed, one acknowledgement a line of history; the newest ones wait while a set is on its way."""
        if self._behind and not self._is_reading and 2 * self._archiving < ARCHIVE_FLIGHT_MAX:
            self._catch_up()
        if self._author.queued_items or not self._due:
            return
        wait_ms = members * ACK_MS_PER_MEMBER - self._author.options.commit_window_ms
        self._due_ms = min(self._due_ms, now.mono_ms + wait_ms)
        if now.mono_ms < self._due_ms and len(self._due) < ITEMS_MAX:
            return
        for line, ack in self._due.items():
            self._author.add_item(ack, now)
            self._said[line] = ack.seq
            self.acknowledged(FloorAck(*ack))
        self._due.clear()
        self._due_ms = float("inf")

    def deadline(self) -> float:
        """When `settle` has something to say, monotonic ms."""
        return float("inf") if self._author.queued_items else self._due_ms

    def _catch_up(self) -> None:
        """Read from the log the next vertices of a line that the store had no room for."""
        line, seq = next(iter(self._behind.items()))
        branch = self._graph.branch(*line)
        if branch is None or branch.head_seq < seq:
            del self._behind[line]  # ours, and cut off above a hole since
            return
        seqs = range(seq, min(branch.head_seq, seq + CATCH_UP_VERTICES - 1) + 1)
        spots = self._readback.spots(VertexKey(*line, number) for number in seqs)
        if not spots:  # the others first: the disk has not answered yet, or has lost what comes next
            self._behind[line] = self._behind.pop(line)
            return
        self._is_reading = True
        self._readback.load(spots, partial(self._read, line))

    def _read(self, line: tuple[int, int], found: list[Read | None], now: Instant) -> None:
        """Up to what is damaged: a line goes in by its order, and goes on when another copy has come."""
        self._is_reading = False
        seq = self._behind.pop(line)
        for read in found:
            header = decode_header(read.frame.header) if read is not None else None
            if read is None or not isinstance(header, Header):
                break
            self._put(header, read.signature, read.frame.body)
            seq += 1
        branch = self._graph.branch(*line)
        if branch is not None and seq <= branch.head_seq:
            self._behind[line] = seq

    def _archived(self, header: Header, done: bool, now: Instant) -> None:
        self._archiving -= 1
        self.archived += 1
        self._keep(header)
        self._owe(header)

    def _keep(self, header: Header) -> None:
        """A line is archived in its order: what lies below is in the store, too."""
        line = (header.author, header.incarnation)
        self._kept[line] = max(self._kept.get(line, 0), header.seq)

    def _owe(self, header: Header) -> None:
        # Acknowledging what only acknowledges would make two gateways answer each other for ever. Of anybody else
        # everything is: what no gateway has said to keep, no log may drop.
        is_said = header.body is None and all(isinstance(item, Ack) for item in header.items)
        if is_said and self._admission.is_gateway(header.author):
            return
        line = (header.author, header.incarnation)
        if header.author != self._index and self._said.get(line, 0) < header.seq:
            self._due[line] = Ack(*header.key, header.id)

    def counts(self) -> dict[str, int]:
        return {
            "archived": self.archived,
            "archiving": self._archiving + len(self._behind),
            "acks_owed": len(self._due) + self._author.queued_items,
        }
