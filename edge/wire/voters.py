"""Who votes in a scope: a committee as the signed roster names it (docs/WIRE.md §7)."""

from typing import NamedTuple

from edge.limits import COMMITTEE_MAX

SITE_SCOPE = "site"
"""The scope that everyone uses; others are parts of a site, such as `cell-a`."""
VOTING_ROLE = "validator"


class Voters(NamedTuple):
    """One committee. (scope, since) names it: as long as `since` stays, neither its members nor `liars` change."""

    scope: str
    liars: int
    """r: at most so many of them may do anything, with their own keys."""
    since: int
    """Version of the roster in which this committee last changed."""
    indices: tuple[int, ...]
    """The members who vote, ascending."""


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
    """The scope of a committee of a newer roster which is another than in the held one, of this version, and whose
    `since` does not say so; empty if there is none."""
    before = {voters.scope: voters for voters in held}
    return next((one.scope for one in newer if one.since <= version and before.get(one.scope) != one), "")
