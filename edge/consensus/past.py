"""Which votes on one conflict set lie below each vertex of the committee.

The past that counts goes through vertices of committee members alone: whoever votes names the newest of them as
parents, so nothing is lost, and a node needs no more than the members' lines to follow it. Statements are numbered as
they come; a past is an int with one bit for each. Along a line only the vertices where it changes are kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from edge.ids import VertexKey
from edge.wire.items import PRECOMMIT, PREVOTE

PROPOSED = -1
CAST = 2
"""Stands for a precommit for a value, whatever its past is, where a phase stands."""
NEVER = (-1, PRECOMMIT)
"""Before the first vote."""


class Lock(NamedTuple):
    """A member's last precommit for a value, or what it has taken over; q prevotes for the value are below."""

    epoch: int
    ballot: int
    value: bytes


class Mark(NamedTuple):
    """What a member's vertex stands for, itself included."""

    votes: int = 0
    """Statements in its past, a bit each."""
    last: tuple[int, int] = NEVER
    """(ballot, phase) of its author's last vote on this line; they ascend."""
    lock: Lock | None = None
    has_cast: bool = False
    """Its author has precommitted a value on this line, whatever the past of that is."""


NOTHING = Mark()


class Past:
    """Marks by vertex of the graph. A line is (author, incarnation)."""

    def __init__(self) -> None:
        self._lines: dict[tuple[int, int], tuple[list[int], list[Mark]]] = {}
        self.through: dict[tuple[int, int], int] = {}
        """By line, the seq up to which its marks came from a file: what they stand on may be gone, and to hear these
        vertices again would say less."""

    def knows(self, key: VertexKey) -> bool:
        """Whether this vertex need not be heard."""
        return key.seq <= self.through.get(key[:2], 0)

    def mark(self, key: VertexKey) -> Mark:
        seqs, marks = self._lines.get(key[:2], ((), ()))
        at = bisect_right(seqs, key.seq)
        return marks[at - 1] if at else NOTHING

    def ends(self) -> Iterator[tuple[int, Mark]]:
        """Of each line that anything is known of, its author and its last mark."""
        return ((line[0], marks[-1]) for line, (_, marks) in self._lines.items())

    def lines(self) -> Iterator[tuple[tuple[int, int], Iterator[tuple[int, Mark]]]]:
        """Each line with all its marks, by the seq from which on they hold, ascending."""
        return ((line, zip(seqs, marks, strict=True)) for line, (seqs, marks) in self._lines.items())

    def put(self, key: VertexKey, mark: Mark) -> None:
        """Told in the order of a line; from a vertex that is told again, the line is told anew."""
        if mark is NOTHING and key[:2] not in self._lines:
            return
        seqs, marks = self._lines.setdefault(key[:2], ([], []))
        while seqs and seqs[-1] >= key.seq:
            seqs.pop(), marks.pop()
        if not marks or marks[-1] != mark:
            seqs.append(key.seq)
            marks.append(mark)


class Statement(NamedTuple):
    """One vote, whichever line it is on; `member` is the place in the committee. A proposal has -1 there."""

    member: int
    ballot: int
    phase: int
    value: bytes | None


class Ballots:
    """All statements that were counted, and what a set of them amounts to. q is the quorum of n members."""

    def __init__(self, members: int, quorum: int) -> None:
        self.members = members
        self.quorum = quorum
        self.statements: list[Statement] = []
        self._number: dict[Statement, int] = {}
        self._of: dict[tuple[int, int], dict[bytes | None, int]] = {}
        self._by: dict[int, int] = {}
        self._aside = 0
        """Those that are no votes which count: proposals, and precommits as a certificate counts them."""

    def bit(self, statement: Statement) -> int:
        """The bit that stands for a statement; a new one if it is said for the first time."""
        number = self._number.get(statement)
        if number is None:
            number = self._number[statement] = len(self.statements)
            self.statements.append(statement)
            if statement.phase in (PROPOSED, CAST):
                self._aside |= 1 << number
            if statement.phase != CAST:
                self._by[statement.member] = self._by.get(statement.member, 0) | 1 << number
            values = self._of.setdefault(statement[1:3], {})
            values[statement.value] = values.get(statement.value, 0) | 1 << number
        return 1 << number

    def contradicts(self, statement: Statement) -> bool:
        """Whether its member was heard to say something else in the same phase of the ballot, on whichever line."""
        theirs, values = self._by.get(statement.member, 0), self._of.get(statement[1:3], {})
        return any(bits & theirs for value, bits in values.items() if value != statement.value)

    def propose(self, value: bytes) -> int:
        """The bit that stands for the proposal of a value."""
        return self.bit(Statement(PROPOSED, PROPOSED, PROPOSED, value))

    def is_proposed(self, votes: int, value: bytes | None) -> bool:
        """Whether the value, or of None any at all, was proposed."""
        if value is None:
            return bool(self.by(votes, PROPOSED))
        return self.count(votes, PROPOSED, PROPOSED, value) > 0

    def count(self, votes: int, ballot: int, phase: int, value: bytes | None) -> int:
        """How many members said just this."""
        return (votes & self._of.get((ballot, phase), {}).get(value, 0)).bit_count()

    def values(self, votes: int, ballot: int, phase: int) -> dict[bytes, int]:
        """By value, in the order first heard, how many members are seen for it."""
        found = self._of.get((ballot, phase), {})
        counts = {value: (votes & bits).bit_count() for value, bits in found.items() if value is not None}
        return {value: count for value, count in counts.items() if count}

    def quorum_for(self, votes: int, ballot: int, phase: int) -> bytes | None:
        """The value that q members are seen for; of precommits and justified prevotes there is no second one."""
        for value, count in self.values(votes, ballot, phase).items():
            if count >= self.quorum:
                return value
        return None

    def quorums(self, votes: int, phase: int) -> list[tuple[int, bytes]]:
        """Each (ballot, value) that q members are seen for, ascending."""
        return sorted(
            (ballot, value)
            for (ballot, at), values in self._of.items()
            if at == phase
            for value, bits in values.items()
            if value is not None and (votes & bits).bit_count() >= self.quorum
        )

    def by(self, votes: int, member: int) -> int:
        """Of these, what one member said."""
        return votes & self._by.get(member, 0)

    def reached(self, votes: int) -> list[tuple[int, int]]:
        """By place in the committee, the last (ballot, phase) that each member is seen in."""
        last = [NEVER] * self.members
        votes &= ~self._aside
        while votes:
            lowest = votes & -votes
            statement = self.statements[lowest.bit_length() - 1]
            last[statement.member] = max(last[statement.member], statement[1:3])
            votes ^= lowest
        return last

    def can_reach(self, votes: int, ballot: int, phase: int, reached: list[tuple[int, int]]) -> bool:
        """Whether q members can still be seen for one value, whatever those say who are not seen in this phase yet."""
        open_ = sum(last < (ballot, phase) for last in reached)
        return max(self.values(votes, ballot, phase).values(), default=0) + open_ >= self.quorum

    def single(self, votes: int, ballot: int) -> dict[bytes, int]:
        """Prevotes by value, of members who are seen with one value in this ballot; a liar's two count for none."""
        by_member: dict[int, dict[bytes | None, None]] = {}
        for value, bits in self._of.get((ballot, PREVOTE), {}).items():
            seen = votes & bits
            while seen:
                lowest = seen & -seen
                by_member.setdefault(self.statements[lowest.bit_length() - 1].member, {})[value] = None
                seen ^= lowest
        counts: dict[bytes, int] = {}
        for said in by_member.values():
            value = next(iter(said))
            if len(said) == 1 and value is not None:
                counts[value] = counts.get(value, 0) + 1
        return counts
