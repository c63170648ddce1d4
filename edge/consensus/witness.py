"""Who has said that it holds what (docs/decisions/0038, 0042).

A vertex is *witnessed* once r + 2 of a committee say that their logs hold it: with at most r liars two honest ones
do, wherever its author's disk has gone. A gateway's acknowledgement says as much, if the gateway has a seat.

A word binds its member as long as the committee lasts under whose roster it was said, and no longer: who lost its seat
may have dropped what it spoke of. Once a member has said of another member's line that all of it is here, it says so
again with whatever vertex of that it names as a parent; and of its own line with whatever it records.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from edge.consensus.committee import Seats
from edge.dag.coverage import coverage
from edge.dag.graph import Branch, Graph
from edge.ids import VertexId, VertexKey
from edge.limits import BRANCHES_PER_AUTHOR_MAX, CLAIMS_MAX, CLAIMS_ON_MEMBERS_MAX
from edge.wire.items import Ack, Witness
from edge.wire.vertex import Header

ALWAYS = 1 << 64
"""Above every epoch: what a gateway acknowledged is in its store, whoever has a seat."""


class Claim(NamedTuple):
    """A member's word on one line, up to a vertex."""

    at: VertexKey
    """The member's vertex that says so."""
    seq: int
    id: VertexId
    epoch: int
    """The roster under which it said of this author's line that all of it is in its log."""


class Witnesses:
    """The newest claims of each member on each line. Bounded by the members of the roster, whoever claims what."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._seats: tuple[Seats, ...] = ()
        self._members: frozenset[int] = frozenset()
        self._authors: Container[int] = ()
        self.taken = 0
        """Words that were taken."""
        self._newest: dict[int, VertexKey] = {}
        """By member, its newest vertex with a word."""
        self._said: dict[tuple[int, int], dict[int, list[Claim]]] = {}
        """By author and member, of each incarnation that was claimed, ascending: claims in the order they were made."""

    def seat(self, seats: Iterable[Seats], authors: Container[int]) -> None:
        """Whose words count now, and who may be named."""
        self._seats, self._authors = tuple(seats), authors
        self._members = frozenset(index for one in self._seats for index in one.members)
        self._newest = {member: at for member, at in self._newest.items() if member in self._members}
        self._said = {
            pair: said for pair, said in self._said.items() if pair[0] in authors and pair[1] in self._members
        }

    @property
    def members(self) -> list[int]:
        """Whose words count, ascending."""
        return sorted(self._members)

    def has_seat(self, member: int) -> bool:
        return member in self._members

    def vouches(self, scope: str) -> bool:
        """Whether what members of this scope's committee hold is witnessed and sealed by their words; where none
        stands, what was sealed stays so."""
        return not self._seats or any(one.scope == scope for one in self._seats)

    def heard(self, header: Header) -> None:
        """A vertex of whoever. Its words count whether or not there is room for it here: they are signed."""
        if header.author not in self._members:
            return
        at = header.key
        for item in header.items:
            if isinstance(item, Witness | Ack) and item.author in self._authors:
                epoch = header.epoch if isinstance(item, Witness) else ALWAYS
                self._take(item.author, item.incarnation, Claim(at, item.seq, item.id, epoch))
                if item.author != at.author:
                    self.taken += 1
                    self._newest[at.author] = max(at, self._newest.get(at.author, at))
        for parent in header.parents:
            # Members' own vertices mostly have nothing worth a word; and to name one is no news.
            epoch = self._bound(parent.author, at.author) if parent.author in self._members else 0
            if epoch:
                self._take(parent.author, parent.incarnation, Claim(at, parent.seq, parent.id, epoch))

    def _bound(self, author: int, member: int) -> int:
        """The newest roster under which the member said that it holds all of this author's line; 0 for none."""
        lives = self._said.get((author, member), {})
        return max((claim.epoch for claims in lives.values() for claim in claims), default=0)

    def _take(self, author: int, incarnation: int, claim: Claim) -> None:
        member = claim.at.author
        if author == member and self._bound(author, member) >= claim.epoch:
            return  # the first word of a roster on one's own line stands for all that follows
        lives = self._said.setdefault((author, member), {})
        claims = lives.setdefault(incarnation, [])
        if claims and claim.at <= claims[-1].at:
            return  # heard before there was room for it
        claims.append(claim)
        if len(claims) > (CLAIMS_ON_MEMBERS_MAX if author in self._members else CLAIMS_MAX):
            del claims[0]
        if len(lives) > BRANCHES_PER_AUTHOR_MAX:
            del lives[min(lives)]

    def witnessed(self, author: int) -> dict[int, int]:
        """By incarnation, the seq up to which enough of some committee have said that they hold the author's line."""
        return coverage(self._graph.branches(author), self._witnessed)

    def _witnessed(self, branch: Branch) -> int:
        return max((self._by(branch, seats) for seats in self._seats), default=0)

    def _by(self, branch: Branch, seats: Seats) -> int:
        """The seq up to which r + 2 of these have said that they hold this branch; 0 if too few have. That who has a
        seat holds its own line is taken for granted."""
        said = (self._claim(branch, member, None, seats.epoch, is_lenient=True) for member in seats.members)
        return sorted(said, reverse=True)[seats.committee.witnesses - 1]

    def below(self, author: int, heads: Mapping[int, VertexKey], epoch: int) -> dict[int, int]:
        """By incarnation, the seq up to which each of these members of an epoch's committee had said that it holds the
        author's line, at or below the head that is given of it. At least: of what was said long before, not all is
        known any more."""
        return coverage(
            self._graph.branches(author),
            lambda branch: min(self._claim(branch, member, head, epoch) for member, head in heads.items()),
            with_floors=False,
        )

    def are_beyond(self, heads: Mapping[int, VertexKey]) -> bool:
        """Whether one of these members has said something above its head; without heads, whether anybody has at all."""
        if not heads:
            return bool(self._newest)
        return any(member in self._newest and self._newest[member] > head for member, head in heads.items())

    def reach(self, member: int) -> int:
        """How much a member says that it holds, in vertices: what can be sealed by its word."""
        said = (lives for (_, one), lives in self._said.items() if one == member)
        return sum(claims[-1].seq for lives in said for claims in lives.values())

    def _claim(
        self, branch: Branch, member: int, head: VertexKey | None, epoch: int, *, is_lenient: bool = False
    ) -> int:
        lives = self._said.get((branch.author, member), {})
        if member == branch.author:
            words = (claim for claims in lives.values() for claim in claims)
            is_bound = is_lenient or any(word.epoch >= epoch and (head is None or word.at <= head) for word in words)
            return _below(branch, head if head is not None else branch.head) if is_bound else 0
        for claim in reversed(lives.get(branch.incarnation, ())):
            if claim.epoch >= epoch and (head is None or claim.at <= head) and _may_be_on(branch, claim):
                return min(claim.seq, branch.head_seq)
        return 0


def _may_be_on(branch: Branch, claim: Claim) -> bool:
    """Whether the claim is on the line that we hold. Above our head that cannot be known, and is taken on trust: an
    author has one chain in one incarnation, and a log that waited for what is named could not make room to take it."""
    id = branch.id_at(claim.seq)
    return id is None or id == claim.id


def _below(branch: Branch, head: VertexKey) -> int:
    """Of an author's own branch, what lies at or below a vertex of its line."""
    if head.incarnation == branch.incarnation:
        return min(head.seq, branch.head_seq)
    return branch.head_seq if head.incarnation > branch.incarnation else 0
