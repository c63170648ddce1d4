"""A draft of a recovery: who votes from now on, above which heads, and what that is worth."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from edge.cli.heads import Find, Left, find
from edge.cli.site import Site
from edge.consensus.committee import Committee
from edge.errors import ConfigError, DataError, UsageError
from edge.wire.recovery import Replacement, in_force
from edge.wire.voters import Voters, impossible


class Plan(NamedTuple):
    statement: Replacement
    facts: dict[str, Any]
    table: list[tuple[str, str, str]]
    promise: list[str]


def draft(site: Site, scope: str, names: Sequence[str], liars: int | None, logs: Sequence[str]) -> Plan:
    """ConfigError where nothing can be recovered; UsageError for who cannot agree."""
    roster = site.roster
    keys = in_force(roster.recovery, roster.version + 1)
    if keys is None:
        raise ConfigError("no keys may recover; `synedge recovery keys` lists some, before a committee is lost")
    listed = [voters for voters in roster.listed if voters.scope == scope]
    if not listed:
        raise ConfigError(f"nobody has ever voted in {scope}; `synedge fleet committee` says who does")
    indices = tuple(sorted(site.validator(name).index for name in names))
    liars = max(0, len(indices) - 1) // 3 if liars is None else liars
    if len(set(indices)) < len(indices):
        raise UsageError(f"{scope}: a member has one vote; --members names one twice")
    if why := impossible(len(indices), liars):
        raise UsageError(f"{scope}: {why}")
    everyone = {index for voters in listed for index in voters.indices}
    found = find(logs, everyone)
    for path, other in zip(logs, found.rosters, strict=True):
        if other.site != site.id:
            raise DataError(f"{path}: a log of site {other.site.hex()}, and this is {site.id.hex()}")
    newest = max((other.version for other in found.rosters), default=0)
    if newest > roster.version:
        raise ConfigError(
            f"a log has roster version {newest}, and {site.roster_file} {roster.version}: it is an old copy"
        )
    lost = _lost(listed, found.epochs.get(scope, 0))
    left = {author: one for author, one in sorted(found.lines.items()) if author in lost.indices}
    heads = tuple(one.head for one in left.values())
    statement = Replacement(site.id, scope, liars, roster.version + 1, indices, lost.since, heads)
    rule = Committee(len(lost.indices), lost.liars)
    facts, promise = _worth(rule, list(left.values()))
    table = [(_name(site, one), _text(left.get(one)), _place(left.get(one), found, one)) for one in lost.indices]
    facts |= {"needed": keys.needed, "listed": len(keys.digests), "lines": [_row(site, one) for one in left.values()]}
    return Plan(statement, facts, table, promise)


def _lost(listed: Sequence[Voters], epoch: int) -> Voters:
    """Who decides by what is known: the newest that a roster's word began, or that a certified change names."""
    begun = [voters for at, voters in enumerate(listed) if at == 0 or voters.anew or voters.cut is not None]
    named = [voters for voters in listed if voters.since == epoch]
    return max((*begun, *named), key=lambda voters: voters.since)


def _worth(rule: Committee, left: Sequence[Left]) -> tuple[dict[str, Any], list[str]]:
    """0030: with x >= n - q + 1 + f whole chains nothing that was certified is changed, f of the x lying."""
    enough = rule.members - rule.quorum + 1 + rule.liars
    whole = sum(one.is_own for one in left)
    facts = {"chains": len(left), "whole": whole, "enough": enough, "keeps_what_is_certified": whole >= enough}
    if whole >= enough:
        has_enough = f"{whole} chains from their members' own logs, {enough} are enough"
        return facts, [f"{has_enough}: nothing that was certified is changed"]
    own = f"{whole} chains from their members' own logs, {len(left) - whole} copies"
    said = [f"{own}; {enough} whole ones would be enough"]
    if len(left) >= enough:
        said.append("nothing that was certified is changed if the copies have all that those members ever said;")
        said.append("if a copy lacks the last votes, a value that was certified with them may be decided otherwise")
    else:
        said.append("a value that was certified with votes of the members who are missing may be decided otherwise")
    return facts, said


def _row(site: Site, one: Left) -> dict[str, Any]:
    return {"node": _name(site, one.head.author), "seq": one.head.seq, "log": one.log, "is_own": one.is_own}


def _name(site: Site, author: int) -> str:
    member = site.roster.member(author)
    return member.name if member is not None else f"#{author}"


def _text(one: Left | None) -> str:
    return "/".join(map(str, one.head.key[1:])) if one is not None else "-"


def _place(one: Left | None, found: Find, author: int) -> str:
    if one is None:
        return "has forked: no line of it is taken" if author in found.forked else "nothing is left"
    return f"{one.log}, its own" if one.is_own else f"{one.log}, a copy"
