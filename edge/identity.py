"""Who this node is, from its configuration: key, authority, roster, and how it may reach its site."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from edge.config import Config
from edge.consensus.committee import Committee
from edge.errors import ConfigError
from edge.limits import ROSTER_BYTES_MAX
from edge.shell.files import read_bounded
from edge.shell.keys import load_seed
from edge.wire import suite
from edge.wire.refusal import Refusal
from edge.wire.roster import Member, Roster, open_roster
from edge.wire.voters import Voters

if TYPE_CHECKING:
    from edge.shell.site import SiteOptions

AUTHORITY_BYTES_MAX = 8192


@dataclass(slots=True)
class Identity:
    """Who we are: our key, and our place in the newest roster that we know."""

    signer: suite.Signer
    authority: bytes
    roster: Roster
    roster_bytes: bytes
    member: Member


def identify(config: Config) -> Identity:
    """Key, authority and roster as the configuration names them; our member is the one with our key."""
    seed = load_seed(config.node.data_dir / "keys" / "node.seed")
    authority, roster, data = site_files(config)
    number = suite.SUITE_BY_NAME[config.site.suite].number
    signer = suite.Signer(number, seed)
    member = next((item for item in roster.members if item.public_key == signer.public_key), None)
    if member is None:
        raise ConfigError(
            f"{config.origin}: this node's key is not in {config.site.roster} (site {roster.site.hex()}, version "
            f"{roster.version}); add it with `synedge fleet add {config.node.name} --public-key node.pub`"
        )
    if member.name != config.node.name:
        raise ConfigError(
            f"{config.origin}: [node] name = {config.node.name!r}, but the roster calls this key {member.name!r}"
        )
    return Identity(signer, authority, roster, data, member)


def site_files(config: Config) -> tuple[bytes, Roster, bytes]:
    """The authority's key, and the roster that it signed, as a value and as bytes: those of the configuration."""
    authority = _read(config, "authority", config.site.authority, AUTHORITY_BYTES_MAX)
    if len(authority) != suite.SUITES[suite.AUTHORITY_SUITE].public_bytes:
        raise ConfigError(
            f"{config.origin}: [site] authority = {config.site.authority}: {len(authority)} bytes are no key"
        )
    data = _read(config, "roster", config.site.roster, ROSTER_BYTES_MAX)
    roster = open_roster(data, authority)
    if isinstance(roster, Refusal):
        raise ConfigError(f"{config.origin}: [site] roster = {config.site.roster}: refused, {roster}")
    return authority, roster, data


def site_options(config: Config, identity: Identity, *, keep_all: bool) -> SiteOptions:
    """The mesh's options from ours."""
    from edge.shell.site import SiteOptions

    mqtt, broker = config.mqtt, config.broker
    password = None
    if mqtt.password_file is not None:
        password = _read(config, "password_file", mqtt.password_file, 4096).decode().rstrip("\n")
    return SiteOptions(
        site=identity.roster.site.hex(),
        index=identity.member.index,
        node=config.node.name,
        node_id=identity.member.node_id.hex(),
        keep_all=keep_all,
        rank=host_rank(identity.roster, identity.member.node_id),
        urls=mqtt.urls,
        username=mqtt.username,
        password=password,
        ca_file=_text(mqtt.ca_file),
        certificate_file=_text(mqtt.certificate_file),
        key_file=_text(mqtt.key_file),
        discover=mqtt.discover,
        interfaces=mqtt.interfaces,
        host=cast(Literal["auto", "always", "never"], broker.host),
        listen=broker.listen,
        port=broker.port,
        engine=cast(Literal["auto", "mosquitto", "iotcore"], broker.engine),
    )


def gateways_of(roster: Roster) -> tuple[int, ...]:
    """The members who keep everything, by index."""
    return tuple(member.index for member in roster.members if "gateway" in member.roles)


def committee_rows(roster: Roster) -> list[dict[str, Any]]:
    """Who votes where, for people."""
    return [committee_row(voters, roster) for voters in roster.committees]


def committee_row(voters: Voters, roster: Roster) -> dict[str, Any]:
    rule = Committee(len(voters.indices), voters.liars)
    return {
        "scope": voters.scope,
        "voters": [roster.by_index[index].name for index in voters.indices],
        "indices": list(voters.indices),
        "members": rule.members,
        "liars": rule.liars,
        "quorum": rule.quorum,
        "absent": rule.absent,
        "witnesses": rule.witnesses,
        "since": voters.since,
    }


def host_rank(roster: Roster, node_id: bytes) -> int:
    """A member's place in the order of hosts: gateways first, since they are always on, then by node id."""
    order = sorted(("gateway" not in member.roles, member.node_id) for member in roster.members)
    return [other for _, other in order].index(node_id)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _read(config: Config, key: str, path: Path, bytes_max: int) -> bytes:
    try:
        return read_bounded(path, bytes_max)
    except OSError as error:
        hint = ""
        if isinstance(error, FileNotFoundError):
            hint = f"; `synedge fleet add {config.node.name} …` at the site, or `synedge init --new-site` here"
        raise ConfigError(f"{config.origin}: [site] {key} = {path}: {error.strerror}{hint}") from None
