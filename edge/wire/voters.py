"""Who votes in a scope: a committee as the signed roster names it (docs/WIRE.md §7)."""

from typing import NamedTuple

from edge.limits import COMMITTEE_MAX
from edge.wire.recovery import Cut

SITE_SCOPE = "site"
"""The scope that everyone uses; others are parts of a site, such as `cell-a`."""
VOTING_ROLE = "validator"


class Voters(NamedTuple):
    """One committee. (scope, since) names it: as long as `since` stays, nothing else of it changes."""

    scope: str
    liars: int
    """r: at most so many of them may do anything, with their own keys."""
    since: int
    """Version of the roster in which this committee last changed."""
    indices: tuple[int, ...]
    """The members who vote, ascending."""
    anew: int = 0
    """1: it takes over nothing from those before, by the authority's word. Else the last one has to hand over to it."""
    cut: Cut | None = None
    """The last one is lost: what is below this is taken over, by the word of k of m keys."""


def impossible(members: int, liars: int) -> str:
    """Why a committee of these numbers cannot agree, and what is allowed; empty if it can.

    Who lies may also be silent, so that the quorum q = ceil((n + r + 1) / 2) must be there without them: n >= 3r + 1.
    """
    if not 1 <= members <= COMMITTEE_MAX:
        return f"a committee of {members} members; allowed: 1 to {COMMITTEE_MAX}"
    most = (members - 1) // 3
    if not 0 <= liars <= most:
        return f"{liars} of {members} members who lie; allowed: 0 to {most}"
    return ""


def unsaid_change(held: tuple[Voters, ...], newer: tuple[Voters, ...], version: int) -> str:
    """The scope where a newer roster lists another committee than the held one, of this version, and does not say so;
    or no longer lists one that what stands has to take over from. Empty if there is none."""
    before = {(voters.scope, voters.since): voters for voters in held}
    changed = (one.scope for one in newer if one.since <= version and before.get((one.scope, one.since)) != one)
    return next(changed, "") or _dropped(held, newer)


def _dropped(held: tuple[Voters, ...], newer: tuple[Voters, ...]) -> str:
    begun: dict[str, int] = {}
    for one in newer:
        begun[one.scope] = max(begun.get(one.scope, 0), one.since * one.anew)
    for one in held:
        if one not in newer and one.since >= begun.get(one.scope, 0):
            return one.scope
    return ""
