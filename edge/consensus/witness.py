"""Who has said that it holds what (docs/decisions/0038).

A vertex is *witnessed* once r + 2 of a committee say that their logs hold it: with at most r liars two honest ones
do, wherever its author's disk has gone. A gateway's acknowledgement says as much, if the gateway has a seat; and an
author with a seat has said so by recording it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from edge.consensus.committee import Seats
from edge.dag.coverage import coverage
from edge.dag.graph import Branch, Graph
from edge.ids import VertexId, VertexKey
from edge.limits import BRANCHES_PER_AUTHOR_MAX, CLAIMS_MAX
from edge.wire.items import Ack, Witness
from edge.wire.vertex import Header


class Claim(NamedTuple):
    """A member's word on one line, up to a vertex."""

    at: VertexKey
    """The member's vertex that says so."""
    seq: int
    id: VertexId


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
        """Who decides now, and who may be named."""
        self._seats, self._authors = tuple(seats), authors
        self._members = frozenset(index for one in self._seats for index in one.members)
        self._newest = {member: at for member, at in self._newest.items() if member in self._members}
        self._said = {
            pair: said for pair, said in self._said.items() if pair[0] in authors and pair[1] in self._members
        }

    def heard(self, header: Header) -> None:
        """A vertex of whoever; told in the order of its line."""
        if header.author not in self._members:
            return
        for item in header.items:
            if isinstance(item, Witness | Ack) and item.author in self._authors:
                self._take(header.key, item)

    def _take(self, at: VertexKey, item: Witness | Ack) -> None:
        lives = self._said.setdefault((item.author, at.author), {})
        claims = lives.setdefault(item.incarnation, [])
        claims.append(Claim(at, item.seq, item.id))
        self.taken += 1
        self._newest[at.author] = max(at, self._newest.get(at.author, at))
        if len(claims) > CLAIMS_MAX:
            del claims[0]
        if len(lives) > BRANCHES_PER_AUTHOR_MAX:
            del lives[min(lives)]

    def witnessed(self, author: int) -> dict[int, int]:
        """By incarnation, the seq up to which enough of some committee have said that they hold the author's line."""
        return coverage(self._graph.branches(author), self._witnessed)

    def _witnessed(self, branch: Branch) -> int:
        return max((self._by(branch, seats.members, seats.committee.witnesses) for seats in self._seats), default=0)

    def _by(self, branch: Branch, members: Iterable[int], count: int) -> int:
        """The seq up to which so many of these have said that they hold this branch; 0 if too few have."""
        said = sorted((self._claim(branch, member, None) for member in members), reverse=True)
        return said[count - 1]

    def below(self, author: int, heads: Mapping[int, VertexKey]) -> dict[int, int]:
        """By incarnation, the seq up to which each of these members had said that it holds the author's line, at or
        below the head that is given of it. At least: of what was said long before, not all is known any more."""
        return coverage(
            self._graph.branches(author),
            lambda branch: min(self._claim(branch, member, head) for member, head in heads.items()),
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

    def _claim(self, branch: Branch, member: int, head: VertexKey | None) -> int:
        if member == branch.author:
            return _below(branch, head if head is not None else branch.head)
        claims = self._said.get((branch.author, member), {}).get(branch.incarnation, ())
        for claim in reversed(claims):
            if (head is None or claim.at <= head) and self._is_ours(branch, claim):
                return min(claim.seq, branch.head_seq)
        return 0

    def _is_ours(self, branch: Branch, claim: Claim) -> bool:
        """Whether the claim is on the line that we hold. Above our head that cannot be known, and is taken on trust:
        an author has one chain in one incarnation."""
        id = branch.id_at(claim.seq)
        return id is None or id == claim.id


def _below(branch: Branch, head: VertexKey) -> int:
    """Of an author's own branch, what lies at or below a vertex of its line."""
    if head.incarnation == branch.incarnation:
        return min(head.seq, branch.head_seq)
    return branch.head_seq if head.incarnation > branch.incarnation else 0
