"""The directory from which a site is governed: the authority's seed, its public key, the signed roster. All offline.

    DIR/keys/authority.seed   the secret that makes members; 0600, and better on a machine that is not always on
    DIR/authority.pub         what each device pins; its hash is the site id
    DIR/roster.cose           who is a member, signed; one higher version with each change
    DIR/site.toml             a name for people

An index is given once: the next member always gets one above the highest there ever was.
"""

import fcntl
import json
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from edge.errors import ConfigError, DataError, TryLaterError, UsageError
from edge.limits import (
    COMMITTEES_ENDED_MAX,
    COMMITTEES_MAX,
    MEMBERS_MAX,
    RECOVERY_LISTS_MAX,
    ROSTER_BYTES_MAX,
    TEXT_BYTES_MAX,
)
from edge.shell.files import read_bounded, write_atomically
from edge.shell.keys import create_seed, load_seed
from edge.wire.recovery import Keys
from edge.wire.refusal import Refusal
from edge.wire.roster import ROLES, Member, Roster, is_node_name, open_roster, sign_roster, site_id
from edge.wire.suite import AUTHORITY_SUITE, SUITES, Signer
from edge.wire.voters import VOTING_ROLE, Voters, impossible

YEAR_2024_MS = 1_704_067_200_000
FIRST_INDEX = 1
NAMES_ALLOWED = "1 to 32 of a-z, 0-9 and '-', not starting with '-'"


class Site:
    """One site's directory, open for reading and, under `locked`, for change."""

    def __init__(self, directory: Path, authority: Signer, roster: Roster) -> None:
        self.directory = directory
        self.authority = authority
        self.roster = roster

    @property
    def id(self) -> bytes:
        return site_id(self.authority.public_key)

    @property
    def authority_file(self) -> Path:
        return self.directory / "authority.pub"

    @property
    def roster_file(self) -> Path:
        return self.directory / "roster.cose"

    @property
    def name(self) -> str:
        import tomllib

        try:
            body = read_bounded(self.directory / "site.toml", 64 * 1024)
            return str(tomllib.loads(body.decode()).get("name", ""))
        except (OSError, ValueError, DataError):
            return ""

    def add(
        self, name: str, suite: int, public_key: bytes, *, roles: tuple[str, ...], label: str, now_ms: int
    ) -> tuple[Member, bool]:
        """The member and whether the roster changed. The same name with the same key is nothing new."""
        check_name(name)
        check_label("--label", label)
        ordered = tuple(role for role in ROLES if role in roles)
        known = self.roster.by_name.get(name)
        if known is not None:
            if (known.suite, known.public_key) != (suite, public_key):
                raise ConfigError(
                    f"{name}: is a member with another key ({known.node_id.hex()[:16]}); a new key is a new member: "
                    "give it another name"
                )
            return self._known(known, ordered, label, now_ms)
        for member in self.roster.members:
            if member.public_key == public_key:
                raise ConfigError(f"this key belongs to the member {member.name}; each device needs a key of its own")
        if suite not in self.roster.suites_allowed:
            allowed = ", ".join(SUITES[number].name for number in self.roster.suites_allowed)
            raise ConfigError(f"{name}: its key is of {SUITES[suite].name}; allowed by the roster: {allowed}")
        if len(self.roster.members) >= MEMBERS_MAX:
            raise ConfigError(f"the roster is full; allowed: at most {MEMBERS_MAX} members")
        index = max((member.index for member in self.roster.members), default=FIRST_INDEX - 1) + 1
        member = Member(index, name, label, suite, public_key, ordered)
        self._publish(now_ms, members=(*self.roster.members, member))
        return member, True

    def _known(self, known: Member, roles: tuple[str, ...], label: str, now_ms: int) -> tuple[Member, bool]:
        """A member may become a validator; whatever else a member is stays."""
        if (known.roles, known.label) == (roles, label):
            return known, False
        if label != known.label or tuple(role for role in roles if role != VOTING_ROLE) != known.roles:
            said = f"roles {', '.join(known.roles)} and label {known.label!r}"
            more = "" if VOTING_ROLE in known.roles else f"; the role {VOTING_ROLE} can be added to these"
            raise ConfigError(f"{known.name}: is a member already, with {said}; they cannot be changed yet{more}")
        member = replace(known, roles=roles)
        self._publish(now_ms, members=tuple(member if one is known else one for one in self.roster.members))
        return member, True

    def appoint(
        self, scope: str, names: Sequence[str], liars: int, *, now_ms: int, anew: bool = False
    ) -> tuple[Voters | None, bool]:
        """Let these vote in a scope, of whom at most `liars` lie; nobody if there are no names. The committee, and
        whether the roster changed: the same one again is nothing new. `anew`: it takes over nothing from those before.
        """
        if not is_node_name(scope):
            raise UsageError(f"scope {scope!r}; allowed: {NAMES_ALLOWED}")
        indices = tuple(sorted(self.validator(name).index for name in names))
        if len(set(indices)) < len(indices):
            raise UsageError(f"{scope}: a member has one vote; --members names one twice")
        if names and (why := impossible(len(indices), liars)):
            raise UsageError(f"{scope}: {why}")
        if anew and self.roster.recovery:
            raise ConfigError(
                f"{scope}: this site has recovery keys, so nobody begins anew by the authority's word alone;"
                " `synedge recovery draft` makes what they sign"
            )
        before = self.roster.committee(scope)
        if (before and (before.liars, before.indices)) == ((liars, indices) if names else None):
            return before, False
        others = [voters for voters in self.roster.committees if voters.scope != scope]
        is_first = all(voters.scope != scope for voters in self.roster.listed)
        voters = Voters(scope, liars, self.roster.version + 1, indices, int(anew and not is_first)) if names else None
        if voters and len(others) >= COMMITTEES_MAX:
            raise ConfigError(f"the roster is full; allowed: at most {COMMITTEES_MAX} committees")
        ended = self._ended(before, scope, anew=anew)
        self._publish(now_ms, committees=tuple(sorted([*others, voters] if voters else others)), ended=ended)
        return voters, True

    def recover(self, voters: Voters, *, now_ms: int) -> bool:
        """Let these, as recovery keys have signed, take the place of their scope's committee; whether that is new."""
        if voters in self.roster.listed:
            return False
        before = self.roster.committee(voters.scope)
        others = [one for one in self.roster.committees if one is not before]
        ended = self._ended(before, voters.scope, anew=False)
        self._publish(now_ms, committees=tuple(sorted([*others, voters], key=lambda one: one.scope)), ended=ended)
        return True

    def entrust(self, keys: Keys, *, now_ms: int) -> bool:
        """Let these keys recover from now on; whether that is new."""
        if self.roster.recovery and self.roster.recovery[-1][1:3] == keys[1:3]:
            return False
        if len(self.roster.recovery) >= RECOVERY_LISTS_MAX:
            raise ConfigError(f"the roster is full; allowed: at most {RECOVERY_LISTS_MAX} lists of recovery keys")
        self._publish(now_ms, recovery=(*self.roster.recovery, keys))
        return True

    def _ended(self, before: Voters | None, scope: str, *, anew: bool) -> tuple[Voters, ...]:
        """Those of earlier versions, once this one ends as well."""
        ended = (*self.roster.ended, before) if before else self.roster.ended
        if anew and len(ended) > COMMITTEES_ENDED_MAX:
            ended = tuple(voters for voters in ended if voters.scope != scope or voters is before)
        if len(ended) > COMMITTEES_ENDED_MAX:
            raise ConfigError(f"the roster is full; allowed: at most {COMMITTEES_ENDED_MAX} committees of before")
        return tuple(sorted(ended, key=lambda voters: (voters.scope, voters.since)))

    def validator(self, name: str) -> Member:
        """A member who may have a vote; ConfigError says why another may not."""
        member = self.roster.by_name.get(name)
        if member is None:
            raise ConfigError(f"{name}: is no member of this site; `synedge fleet add` takes it in")
        if VOTING_ROLE not in member.roles:
            roles = " ".join(f"--role {role}" for role in (*member.roles, VOTING_ROLE))
            label = f" --label {shlex.quote(member.label)}" if member.label else ""
            raise ConfigError(
                f"{name}: has no role {VOTING_ROLE}, so it has no vote; first: "
                f"synedge fleet add {name} --public-key node.pub {roles}{label}"
            )
        return member

    def _publish(
        self,
        now_ms: int,
        *,
        members: tuple[Member, ...] | None = None,
        committees: tuple[Voters, ...] | None = None,
        ended: tuple[Voters, ...] | None = None,
        recovery: tuple[Keys, ...] | None = None,
    ) -> None:
        """Sign and write the next version, with other members, committees or recovery keys."""
        roster = replace(
            self.roster,
            version=self.roster.version + 1,
            issued_ms=max(plausible(now_ms), self.roster.issued_ms),
            members=self.roster.members if members is None else members,
            committees=self.roster.committees if committees is None else committees,
            ended=self.roster.ended if ended is None else ended,
            recovery=self.roster.recovery if recovery is None else recovery,
        )
        try:
            data = sign_roster(roster, self.authority)
        except ValueError:  # names, keys and their number were checked before
            limit = ROSTER_BYTES_MAX / 1024**2
            raise ConfigError(f"the roster is full; allowed: {limit:.1f} MB, as much as a broker passes on") from None
        write_atomically(self.roster_file, data)
        self.roster = roster


def init_site(directory: Path, *, name: str, suites: tuple[int, ...], now_ms: int) -> tuple[Site, bool]:
    """Make a site, or open the one that is there; whether anything was made. An interrupted first try is completed."""
    check_label("--site-name", name)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError(f"{directory}: is not a directory") from None
    with locked(directory):
        return _init_site(directory, name, suites, now_ms)


def _init_site(directory: Path, name: str, suites: tuple[int, ...], now_ms: int) -> tuple[Site, bool]:
    seed_file = _seed_file(directory)
    if (directory / "roster.cose").exists():
        return open_site(directory), False
    if (directory / "authority.pub").exists() and not seed_file.exists():
        raise ConfigError(f"{directory}: has an authority.pub but not its seed {seed_file}; nothing was changed")
    issued_ms = plausible(now_ms)
    seed = load_seed(seed_file) if seed_file.exists() else create_seed(seed_file)
    authority = Signer(AUTHORITY_SUITE, seed)
    roster = Roster(site_id(authority.public_key), 1, issued_ms, suites, ())
    quoted = json.dumps(name, ensure_ascii=False)  # a JSON string is a TOML string
    write_atomically(directory / "site.toml", f"name = {quoted}\n".encode())
    write_atomically(directory / "authority.pub", authority.public_key)
    write_atomically(directory / "roster.cose", sign_roster(roster, authority))
    return open_site(directory), True


def open_site(directory: Path) -> Site:
    """ConfigError when there is none, DataError when its roster is not what its authority signed."""
    if not _seed_file(directory).exists() and not (directory / "roster.cose").exists():
        raise ConfigError(f"{directory}: no site here; `synedge fleet init --dir {directory}` makes one")
    authority = Signer(AUTHORITY_SUITE, load_seed(_seed_file(directory)))
    roster_file = directory / "roster.cose"
    if read_bounded(directory / "authority.pub", 64 * 1024) != authority.public_key:
        raise DataError(f"{directory / 'authority.pub'}: is not the public key of {_seed_file(directory)}")
    roster = open_roster(read_bounded(roster_file, ROSTER_BYTES_MAX), authority.public_key)
    if isinstance(roster, Refusal):
        raise DataError(f"{roster_file}: {roster}; put back the newest roster.cose from any device of the site")
    return Site(directory, authority, roster)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """One change at a time; a second command waits for the first."""
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no site here; `synedge fleet init --dir {directory}` makes one")
    lock = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def read_public_key(path: Path) -> tuple[int, bytes]:
    """(suite, public key) of a raw public key file, as `synedge init` writes node.pub; its length tells the suite."""
    try:
        key = read_bounded(path, 64 * 1024)
    except FileNotFoundError:
        raise UsageError(f"--public-key {path}: no such file; `synedge init` on the device makes node.pub") from None
    for suite in SUITES.values():
        if len(key) == suite.public_bytes:
            return suite.number, key
    if len(key) == 32:
        raise DataError(f"{path}: 32 bytes, which looks like a secret seed; needed is the device's node.pub")
    lengths = ", ".join(f"{suite.public_bytes} ({suite.name})" for suite in SUITES.values())
    raise DataError(f"{path}: {len(key)} bytes; a public key has {lengths}")


def plausible(now_ms: int) -> int:
    """A roster carries the time of its making to devices without a clock; 1970 would do harm."""
    if now_ms < YEAR_2024_MS:
        raise TryLaterError("the clock of this machine is before 2024; set it, then run this again")
    return now_ms


def check_name(name: str) -> None:
    if not is_node_name(name):
        raise UsageError(f"name {name!r}; allowed: {NAMES_ALLOWED}")


def check_label(option: str, label: str) -> None:
    if len(label.encode()) > TEXT_BYTES_MAX or not label.isprintable():
        raise UsageError(f"{option} {label!r}; allowed: at most {TEXT_BYTES_MAX} bytes without control characters")


def _seed_file(directory: Path) -> Path:
    return directory / "keys" / "authority.seed"
