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
        self._said: dict[tuple[int, int], dict[int, list[Claim]]] = {}
        """By author and member, of each incarnation that was claimed, ascending: claims in the order they were made."""

    def seat(self, seats: Iterable[Seats], authors: Container[int]) -> None:
        """Who decides now, and who may be named."""
        self._seats, self._authors = tuple(seats), authors
        self._members = frozenset(index for one in self._seats for index in one.members)
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
        if len(claims) > CLAIMS_MAX:
            del claims[0]
        if len(lives) > BRANCHES_PER_AUTHOR_MAX:
            del lives[min(lives)]

    def witnessed(self, author: int) -> dict[int, int]:
        """By incarnation, the seq up to which enough of some committee have said that they hold the author's line."""
        return coverage(self._graph.branches(author), self._witnessed)

    def _witnessed(self, branch: Branch) -> int:
        return max((self.claimed(branch, seats, seats.committee.witnesses) for seats in self._seats), default=0)

    def claimed(self, branch: Branch, seats: Seats, count: int, heads: Mapping[int, VertexKey] | None = None) -> int:
        """The seq up to which so many members have said that they hold this branch; 0 if too few have.

        `heads`: only of these members, and what stands at or below these vertices of theirs.
        """
        members = seats.members if heads is None else heads
        said = sorted((self._claim(branch, member, heads) for member in members), reverse=True)
        return said[count - 1] if count <= len(said) else 0

    def _claim(self, branch: Branch, member: int, heads: Mapping[int, VertexKey] | None) -> int:
        if member == branch.author:
            own = heads[member] if heads is not None else branch.head
            return _below(branch, own)
        claims = self._said.get((branch.author, member), {}).get(branch.incarnation, ())
        for claim in reversed(claims):
            if (heads is None or claim.at <= heads[member]) and self._is_ours(branch, claim):
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
