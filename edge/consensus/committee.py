"""How many vote, how many of them may lie or be away, and what that is worth.

Of n members at most r lie. A value is final with q = ceil((n + r + 1) / 2) votes: two of them share 2q - n members,
at least r + 1, and so an honest one, who votes once in a ballot (dissemination quorums of Malkhi and Reiter, Byzantine
Quorum Systems, 1998). u = n - q may be away. Who lies may also be silent, hence u >= r, which is n >= 3r + 1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import comb
from typing import NamedTuple

from edge.wire.recovery import Cut
from edge.wire.roster import Roster
from edge.wire.voters import SITE_SCOPE, impossible


@dataclass(frozen=True, slots=True)
class Committee:
    """ValueError for numbers that cannot agree, with what is allowed."""

    members: int
    """n."""
    liars: int
    """r: those who may do anything, with their own keys."""

    def __post_init__(self) -> None:
        if why := impossible(self.members, self.liars):
            raise ValueError(why)

    @property
    def quorum(self) -> int:
        """q: votes that make a value final."""
        return (self.members + self.liars + 2) // 2

    @property
    def absent(self) -> int:
        """u: members who may be away, liars among them, while the rest decides."""
        return self.members - self.quorum

    @property
    def witnesses(self) -> int:
        """r + 2, or all: so many must say that they hold a vertex before it counts as witnessed."""
        return min(self.liars + 2, self.members)

    def availability(self, member: float) -> float:
        """How likely a quorum is there, when each member is with this probability, by itself."""
        return sum(_exactly(count, self.members, member) for count in range(self.quorum, self.members + 1))

    def premise_broken(self, member: float) -> float:
        """How likely more than r lie, when each member does with this probability, by itself."""
        return sum(_exactly(count, self.members, member) for count in range(self.liars + 1, self.members + 1))


def _exactly(count: int, of: int, probability: float) -> float:
    return comb(of, count) * probability**count * (1 - probability) ** (of - count)


def usual(devices: int, *, are_sleepy: bool = False) -> Committee:
    """What suits a site of so many devices; sleepy ones are away more often, so more must be spare."""
    if are_sleepy and devices >= 8:
        return Committee(8, 1) if devices < 50 else Committee(13, 2)
    for least, committee in ((10, Committee(7, 2)), (4, Committee(4, 1)), (3, Committee(3, 0))):
        if devices >= least:
            return committee
    return Committee(max(1, devices), 0)


class Seats(NamedTuple):
    """Who decides in a scope, since the roster version that is its epoch."""

    scope: str
    epoch: int
    members: tuple[int, ...]
    """Indices in the roster, ascending; a member's place among them numbers it."""
    committee: Committee
    begins: bool = True
    """It is the first of its scope, or begins anew: it takes over from nobody."""
    stands: bool = True
    """The roster wants it to decide now; else it is one of before."""
    anew: bool = False
    """It begins by the authority's word alone, after others."""
    cut: Cut | None = None
    """It takes the place of a lost one, by the word of k of m keys, and goes on from here."""

    @property
    def name(self) -> tuple[str, int]:
        return self.scope, self.epoch


def vouching(standing: Iterable[Seats]) -> tuple[Seats, ...]:
    """Whose word on what their logs hold counts: the site's committee's, or that of all scopes where it has none
    (docs/decisions/0050)."""
    every = tuple(standing)
    return tuple(one for one in every if one.scope == SITE_SCOPE) or every


Committees = Mapping[tuple[str, int], Seats]
"""Those of all times, by scope and epoch."""


def seats_of(roster: Roster) -> tuple[Seats, ...]:
    """The committees that a roster lists, of all times, ascending by scope and epoch."""
    seats: list[Seats] = []
    for _, listed in groupby(roster.listed, key=lambda voters: voters.scope):
        for at, voters in enumerate(listed):
            rule = Committee(len(voters.indices), voters.liars)
            begins, stands, anew = at == 0 or bool(voters.anew), voters in roster.committees, bool(voters.anew)
            seats.append(Seats(voters.scope, voters.since, voters.indices, rule, begins, stands, anew, voters.cut))
    return tuple(seats)


def by_epoch(seats: Iterable[Seats]) -> Committees:
    return {one.name: one for one in seats}
