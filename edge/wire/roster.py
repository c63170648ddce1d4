"""The roster: who the members of a site are, signed by the authority whose key every device pins (docs/WIRE.md §7)."""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from typing import Any

from edge import limits
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.event import is_text
from edge.wire.items import is_index, is_number
from edge.wire.recovery import (
    Cut,
    Keys,
    Replacement,
    decode_cut,
    decode_lists,
    encode_statement,
    in_force,
    is_endorsed,
    keys_statement,
    unfit,
)
from edge.wire.refusal import Refusal
from edge.wire.suite import AUTHORITY_SUITE, PURPOSE_ROSTER, SUITES, Signer, open_sign1, sign1
from edge.wire.voters import VOTING_ROLE, Voters, impossible

NODE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
ROLES = ("device", "gateway", "validator")
FORMAT = 2
UPGRADE = "sign it with the same version, or make the site anew (synedge fleet init)"


def is_node_name(name: str) -> bool:
    """The rule for names of nodes and agents."""
    return NODE_NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Member:
    """A member; its index is never given to another. `label` is free text for people, `roles` ascending."""

    index: int
    name: str
    label: str
    suite: int
    public_key: bytes
    roles: tuple[str, ...]

    @property
    def node_id(self) -> bytes:
        return node_id(self.public_key)


@dataclass(frozen=True)
class Roster:
    """Who belongs to a site since `version`, the epoch of the vertices made under it."""

    site: bytes
    version: int
    issued_ms: int
    suites_allowed: tuple[int, ...]
    members: tuple[Member, ...]
    committees: tuple[Voters, ...] = ()
    """Ascending by scope."""
    ended: tuple[Voters, ...] = ()
    """Those of earlier versions, ascending by scope and `since`: what they certified stays, and they hand over."""
    recovery: tuple[Keys, ...] = ()
    """Who may put a committee in the place of a lost one, by lists that follow one another; the last is in force."""

    @cached_property
    def by_index(self) -> dict[int, Member]:
        return {member.index: member for member in self.members}

    @cached_property
    def by_name(self) -> dict[str, Member]:
        return {member.name: member for member in self.members}

    def member(self, index: int) -> Member | None:
        return self.by_index.get(index)

    def name_of(self, index: int) -> str:
        """Of a member, for people; the index of who is none."""
        member = self.by_index.get(index)
        return member.name if member is not None else str(index)

    @cached_property
    def listed(self) -> tuple[Voters, ...]:
        """The committees of all times, ascending by scope and `since`."""
        return tuple(sorted((*self.ended, *self.committees), key=lambda voters: (voters.scope, voters.since)))

    @cached_property
    def voting(self) -> frozenset[int]:
        """All who vote somewhere, or may still have to hand over."""
        return frozenset(index for voters in self.listed for index in voters.indices)

    def votes(self, index: int) -> bool:
        """Whether this member sits on a committee."""
        return index in self.voting

    def committee(self, scope: str) -> Voters | None:
        """Who votes in this scope, if anybody does."""
        return next((voters for voters in self.committees if voters.scope == scope), None)


def site_id(authority_public_key: bytes) -> bytes:
    return sha256(authority_public_key).digest()[:8]


def node_id(public_key: bytes) -> bytes:
    return sha256(public_key).digest()


def encode_roster(roster: Roster) -> bytes:
    """The payload that the authority signs; ValueError for a roster that no node would take."""
    members = [(m.index, m.name, m.label, m.suite, m.public_key, m.roles) for m in roster.members]
    head = (FORMAT, roster.site, roster.version, roster.issued_ms, roster.suites_allowed)
    standing, ended = ([_fields(voters) for voters in part] for part in (roster.committees, roster.ended))
    more = [ended, roster.recovery] if roster.recovery else [ended] if ended else []
    raw = encode([*head, members, standing, *more])
    check = decode_roster(raw)
    if isinstance(check, Refusal):
        raise ValueError(f"this roster would be refused: {check}")
    return raw


def _fields(voters: Voters) -> tuple[Any, ...]:
    how = voters.cut if voters.cut is not None else voters.anew
    return (*voters[:4], how) if how else voters[:4]


def decode_roster(raw: bytes) -> Roster | Refusal:
    if len(raw) > limits.ROSTER_BYTES_MAX:
        return Refusal("roster-too-large", str(len(raw)))
    try:
        fields = decode(raw, depth_max=6)
    except Malformed as fault:
        return Refusal(fault.reason, "roster")
    match fields:
        case [form, *_] if type(form) is int and form != FORMAT:
            return Refusal("roster-format", f"{form}; this synedge reads {FORMAT}: {UPGRADE}")
        case [form, site, version, issued_ms, list() as suites, list() as values, list() as committees, *more] if (
            form is not True
            and len(more) <= 2
            and (not more or (isinstance(more[0], list) and (more[0] or len(more) == 2)))
            and form == FORMAT
            and type(site) is bytes
            and len(site) == 8
            and is_index(version)
            and version >= 1
            and is_number(issued_ms)
            and suites
            and all(type(suite) is int and suite in SUITES for suite in suites)
        ):
            members = _members(values)
        case _:
            return Refusal("roster-shape")
    if any(low >= high for low, high in pairwise(suites)):
        return Refusal("roster-order", "suites")
    if isinstance(members, Refusal):
        return members
    roster = Roster(site, version, issued_ms, tuple(suites), members)
    read = _committees(committees, roster)
    if isinstance(read, Refusal):
        return read
    ended = _ended(more[0], roster, {voters.scope: voters for voters in read}) if more else ()
    if isinstance(ended, Refusal):
        return ended
    lists = decode_lists(more[1], version) if len(more) == 2 else ()
    if isinstance(lists, Refusal):
        return lists
    whole = replace(roster, committees=read, ended=ended, recovery=lists)
    return _overruled(whole) or whole


def _members(values: list[Any]) -> tuple[Member, ...] | Refusal:
    if len(values) > limits.MEMBERS_MAX:
        return Refusal("too-many-members", str(len(values)))
    members: list[Member] = []
    seen: set[str | bytes] = set()
    for value in values:
        member = _member(value)
        if isinstance(member, Refusal):
            return member
        if members and member.index <= members[-1].index:
            return Refusal("roster-order", member.name)
        if member.name in seen or member.public_key in seen:
            return Refusal("roster-duplicate", member.name)
        seen.add(member.name)
        seen.add(member.public_key)
        members.append(member)
    return tuple(members)


def _member(value: Any) -> Member | Refusal:
    match value:
        case [index, str() as name, str() as label, suite, bytes() as public_key, list() as roles] if (
            is_index(index) and type(suite) is int and suite in SUITES and all(type(role) is str for role in roles)
        ):
            pass
        case _:
            return Refusal("roster-shape", "member")
    if not is_node_name(name) or not is_text(label, limits.TEXT_BYTES_MAX):
        return Refusal("roster-name", repr(name))
    if len(public_key) != SUITES[suite].public_bytes:
        return Refusal("roster-key", name)
    if not roles or roles != [role for role in ROLES if role in roles]:
        return Refusal("roster-role", name)
    return Member(index, name, label, suite, public_key, tuple(roles))


def _committees(values: list[Any], roster: Roster) -> tuple[Voters, ...] | Refusal:
    if len(values) > limits.COMMITTEES_MAX:
        return Refusal("too-many-committees", str(len(values)))
    committees: list[Voters] = []
    for value in values:
        voters = _voters(value, roster)
        if isinstance(voters, Refusal):
            return voters
        if committees and voters.scope <= committees[-1].scope:
            return Refusal("roster-order", voters.scope)
        committees.append(voters)
    return tuple(committees)


def _ended(values: list[Any], roster: Roster, standing: dict[str, Voters]) -> tuple[Voters, ...] | Refusal:
    if len(values) > limits.COMMITTEES_ENDED_MAX:
        return Refusal("too-many-committees", f"{len(values)} ended")
    ended: list[Voters] = []
    for value in values:
        voters = _voters(value, roster, has_ended=True)
        if isinstance(voters, Refusal):
            return voters
        if ended and voters[:3:2] <= ended[-1][:3:2]:
            return Refusal("roster-order", f"{voters.scope} since {voters.since}")
        stands = standing.get(voters.scope)
        if stands is not None and voters.since >= stands.since:
            return Refusal("roster-committee", f"{voters.scope}: ended after {stands.since}, since when another stands")
        ended.append(voters)
    return tuple(ended)


def _voters(value: Any, roster: Roster, *, has_ended: bool = False) -> Voters | Refusal:
    match value:
        case [str() as scope, liars, since, list() as indices, *anew] if all(map(is_index, (liars, since, *indices))):
            cut = decode_cut(anew[0]) if anew and isinstance(anew[0], list) else None
            if len(anew) > 1 or (anew and cut is None and (type(anew[0]) is not int or anew[0] != 1)):
                return Refusal("roster-shape", "committee")
        case _:
            return Refusal("roster-shape", "committee")
    if not is_node_name(scope):
        return Refusal("roster-name", repr(scope))
    if not 1 <= since <= roster.version:
        return Refusal("roster-committee", f"{scope}: changed in version {since} of {roster.version}")
    if why := impossible(len(indices), liars):
        return Refusal("roster-committee", f"{scope}: {why}")
    if any(low >= high for low, high in pairwise(indices)):
        return Refusal("roster-order", scope)
    for index in indices:
        member = roster.member(index)
        if member is None or not (has_ended or VOTING_ROLE in member.roles):
            return Refusal("roster-committee", f"{scope}: {index} is no {VOTING_ROLE}")
    if isinstance(cut, Refusal):
        return cut
    return Voters(scope, liars, since, tuple(indices), len(anew) * (cut is None), cut)


def _overruled(roster: Roster) -> Refusal | None:
    """What is wrong with the committees that begin by a word that is not the one before's; but for signatures."""
    ended = {(voters.scope, voters.since): voters for voters in roster.ended}
    for voters in roster.listed:
        name, keys = f"{voters.scope} since {voters.since}", in_force(roster.recovery, voters.since)
        if voters.anew and keys is not None:
            return Refusal("roster-recovery", f"{name}: begins anew, though there are recovery keys")
        if voters.cut is None:
            continue
        lost = ended.get((voters.scope, voters.cut.ends))
        if lost is None or lost.since >= voters.since:
            return Refusal("roster-committee", f"{name}: ends {voters.cut.ends}, which is not listed before")
        if any(head.author not in lost.indices for head in voters.cut.heads):
            return Refusal("roster-committee", f"{name}: a cut with who did not vote")
        if why := unfit(voters.cut.proof, keys):
            return Refusal("roster-recovery", f"{name}: {why}")
    return None


def _unsigned(roster: Roster) -> Refusal | None:
    """Which of the signatures of recovery keys is bad, if any is."""
    for keys in roster.recovery:
        if not all(is_endorsed(pair, keys_statement(roster.site, keys)) for pair in keys.proof):
            return Refusal("roster-recovery", f"keys since {keys.since}: a bad signature")
    for voters in roster.listed:
        if voters.cut is not None:
            said = statement_of(roster.site, voters, voters.cut)
            if not all(is_endorsed(pair, said) for pair in voters.cut.proof):
                return Refusal("roster-recovery", f"{voters.scope} since {voters.since}: a bad signature")
    return None


def statement_of(site: bytes, voters: Voters, cut: Cut) -> bytes:
    """What recovery keys sign of a committee."""
    return encode_statement(Replacement(site, *voters[:4], cut.ends, cut.heads))


def sign_roster(roster: Roster, authority: Signer) -> bytes:
    """The COSE_Sign1 that travels on `r` and lies in a file; ValueError for one that no node would take."""
    assert authority.suite == AUTHORITY_SUITE and roster.site == site_id(authority.public_key)
    data = sign1(authority, PURPOSE_ROSTER, encode_roster(roster))
    if len(data) > limits.ROSTER_BYTES_MAX:
        raise ValueError(f"this roster would be refused: {Refusal('roster-too-large', str(len(data)))}")
    return data


def open_roster(data: bytes, authority_public_key: bytes) -> Roster | Refusal:
    """The roster of signed bytes, if the pinned authority signed it for its own site."""
    if len(data) > limits.ROSTER_BYTES_MAX:
        return Refusal("roster-too-large", str(len(data)))
    payload = open_sign1(data, PURPOSE_ROSTER, authority_public_key, (AUTHORITY_SUITE,))
    if isinstance(payload, Refusal):
        return payload
    roster = decode_roster(payload)
    if isinstance(roster, Roster) and roster.site != site_id(authority_public_key):
        return Refusal("site-other", roster.site.hex())
    return (_unsigned(roster) or roster) if isinstance(roster, Roster) else roster
