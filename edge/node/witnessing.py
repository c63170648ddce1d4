"""What a member of a committee owes: to say of others' lines that its log holds them.

It says so in its own vertices. The record of such a vertex is synced after those of the vertices that it names, so
what it says is durable before anybody hears it. Word rides with what is recorded anyway, and after a while alone.

A word says that *all* of a line is here, or that a gateway has what is not. When another committee is to sit, its
members say anew what they hold: others may drop what is sealed by their words (docs/decisions/0042).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from edge.consensus.committee import Seats, vouching
from edge.consensus.witness import Witnesses
from edge.dag.admission import Admission
from edge.dag.author import Author
from edge.ids import Instant
from edge.limits import ITEMS_MAX
from edge.node.custody import is_gateway
from edge.node.ownline import OwnLine
from edge.wire.items import Op, Witness
from edge.wire.roster import Roster
from edge.wire.vertex import Header

WAIT_MS_PER_MEMBER = 20.0
"""What is said is heard by everyone: the more they are, the more waits to be said at once."""
RIDERS_MAX = ITEMS_MAX - 8
"""Of the items of a vertex with events: its tally and what was shed have room as well."""


class Witnessing:
    """Says and hears who holds what."""

    def __init__(self, index: int, admission: Admission, author: Author, own: OwnLine, wait_ms: float) -> None:
        self._index = index
        self._graph = admission.graph
        self._author = author
        self._own = own
        self._least_ms = self._wait_ms = wait_ms
        self.witnesses = Witnesses(admission.graph)
        self.hears = (self.witnesses.has_seat, self.witnesses.heard)
        """Whose words count, and who is told of them where there is no room for what they are in."""
        self._is_member = False
        self._roster: Roster | None = None
        self._owed: dict[tuple[int, int], None] = {}
        """Lines on which something came that is worth a word, in the order it came."""
        self._said: dict[tuple[int, int], int] = {}
        """What we said since the roster that gave us a seat."""
        self._epoch = 0
        """Of the newest committee in which we have a seat."""
        self.lacks: Callable[[int], bool] = lambda author: False
        """Whether our log has dropped something of an author that no gateway has: others may have said then that they
        hold it, and we do not."""
        self._since_ms: float | None = None
        """When the first of them came to be owed."""
        self.said = self._turns = 0

    def seat(self, seats: Iterable[Seats], roster: Roster) -> None:
        """Go by the committees of this roster whose words count. A gateway acknowledges; that says as much."""
        self._roster = roster
        heeded = vouching(one for one in seats if one.stands)
        self.witnesses.seat(heeded, roster.by_index)
        self._wait_ms = max(self._least_ms, WAIT_MS_PER_MEMBER * len(roster.members))
        was_member = self._is_member
        epoch = max((one.epoch for one in heeded if self._index in one.members), default=0)
        self._is_member = epoch > 0 and not is_gateway(roster, self._index)
        if not self._is_member:
            self._owed.clear()
        elif not was_member or epoch != self._epoch:
            self._said = {} if epoch != self._epoch else self._said
            lines = ((author, branch.incarnation) for author in self._graph.authors() if author != self._index
                     for branch in self._graph.branches(author))  # fmt: skip
            self._owed = dict.fromkeys(lines)
        self._epoch = epoch

    def _riders(self) -> list[tuple[int, int]]:
        """The newest line of ours, and of another member."""
        others = [member for member in self.witnesses.members if member != self._index]
        self._turns += 1
        chosen = (self._index, *others[self._turns % max(1, len(others)) :][:1])
        newest = (self._graph.branches(author)[-1:] for author in chosen)
        return [(branch.author, branch.incarnation) for branches in newest for branch in branches]

    @property
    def _has_vouched(self) -> bool:
        """Whether we have said of our own line that all of it is here."""
        return any(author == self._index for author, _ in self._said)

    def heard(self, header: Header) -> None:
        """A vertex is in the graph, or ours is drafted."""
        self.witnesses.heard(header)
        if header.author == self._index:
            for item in header.items if header.epoch >= self._epoch else ():
                if isinstance(item, Witness):
                    self._said[item.author, item.incarnation] = item.seq
                    if item.author == self._index:
                        self._owed.pop((item.author, item.incarnation), None)
            if self._is_member and not self._has_vouched and self._is_worth(header):
                self._owed[header.key[:2]] = None
        elif self._is_member and self._is_worth(header):
            self._owed[header.key[:2]] = None

    def _is_worth(self, header: Header) -> bool:
        """Whether a vertex would be missed. Of whoever has a seat only what it records: a word about words would never
        end, votes are bound together by their certificates, and others name it as a parent. What a gateway says, it
        has."""
        if header.body is not None or any(isinstance(item, Op) for item in header.items):
            return True
        assert self._roster is not None, "a member is one by a roster"
        return not (self.witnesses.has_seat(header.author) or is_gateway(self._roster, header.author))

    def turn(self, epoch: int, now: Instant) -> None:
        """Put what is owed into the vertex that is about to be made, or into one of its own."""
        if not self._owed:
            self._since_ms = None
            return
        self._since_ms = self._since_ms if self._since_ms is not None else now.mono_ms
        if not self._own.has_room:
            return
        batch_ms = self._author.deadline()
        if batch_ms is not None and batch_ms <= now.mono_ms:
            for claim in self._take(RIDERS_MAX - self._author.queued_items):
                self._author.add_item(claim, now)
        elif now.mono_ms >= self._since_ms + self._wait_ms:
            claims = self._take(ITEMS_MAX)
            self._since_ms = now.mono_ms
            if claims:
                self._own.draft(epoch, now, items=claims)

    def deadline(self) -> float:
        """When `turn` has something to say, if our line has room, monotonic ms."""
        if not self._owed or self._since_ms is None:
            return float("inf")
        return self._since_ms + self._wait_ms

    def _take(self, most: int) -> tuple[Witness, ...]:
        """Words that are owed; with them goes one on our own line and one on another member's, each in turn: nothing
        else is said of those who only vote, and who has dropped the last word still hears one."""
        riders = self._riders()
        claims = tuple(islice(self._claims(), max(0, most - len(riders))))
        if claims:
            self._owed |= dict.fromkeys(riders)
            claims += tuple(islice(self._claims(), most - len(claims)))
        self.said += len(claims)
        return claims

    def _claims(self) -> Iterator[Witness]:
        """What our log holds of the lines that are owed; they are owed no longer."""
        damaged = {key[:2] for key in self._graph.lost}
        for line in list(self._owed):
            branch = self._graph.branch(*line)
            is_coming = branch is None and line[0] == self._index
            if is_coming or line in damaged or self.lacks(line[0]):
                continue  # until it is durable, or another copy of what is not here lies in the log
            del self._owed[line]
            id = branch.id_at(branch.head_seq) if branch is not None else None
            if branch is not None and id is not None and self._said.get(line, 0) < branch.head_seq:
                self._said[line] = branch.head_seq
                yield Witness(*branch.head, id)

    @property
    def own_seq(self) -> int:
        """Up to which seq of our own line others are witnesses."""
        return max(self.witnesses.witnessed(self._index).values(), default=0)

    def counts(self) -> dict[str, int]:
        return {"witnesses_said": self.said, "witnesses_owed": len(self._owed)}
