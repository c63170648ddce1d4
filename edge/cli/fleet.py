"""`synedge fleet`: make a site and its members. Nothing here needs a network or a running agent."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from edge.cli.options import add_command, add_json
from edge.cli.output import Output
from edge.cli.place import NodeSettings, Place, lay_out
from edge.cli.site import Site, check_label, check_name, init_site, locked, open_site, read_public_key
from edge.errors import ConfigError, UsageError
from edge.identity import committee_row, committee_rows
from edge.limits import ROSTER_BYTES_MAX
from edge.shell.files import read_bounded, write_atomically
from edge.wire.roster import ROLES, Member, Roster, open_roster
from edge.wire.suite import SUITE_BY_NAME, SUITES

SECRET = "holds the secret key of {name}: keep it off shared disks, and delete this copy once it is on the device"


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)

    init = add_command(
        commands, "init", "make the authority and an empty roster", 'fleet init --dir fleet --site-name "Mill 3"'
    )
    init.add_argument("--site-name", default="", help="a name for people")
    init.add_argument("--suite", action="append", choices=list(SUITE_BY_NAME), help="what members may sign with")

    add = add_command(
        commands,
        "add",
        "take a device in",
        "fleet add valve-2 --public-key valve-2.pub",
        "fleet add gate --role gateway --out cards/gate",
    )
    add.add_argument("name", metavar="NAME", help="the device's name: a-z, 0-9 and '-'")
    way = add.add_mutually_exclusive_group(required=True)
    way.add_argument("--public-key", metavar="FILE", help="node.pub of a device that made its own key")
    way.add_argument("--out", metavar="DIR", help="make the key here: a ready bundle, which holds a secret")
    add.add_argument("--role", action="append", choices=list(ROLES), help="device, unless said; may be repeated")
    add.add_argument("--label", default="", help="free text for people")

    committee = add_command(
        commands,
        "committee",
        "say who votes in a scope; a new roster",
        "fleet committee site --members gate,pump-7,valve-2,valve-3",
        "fleet committee site --members a,b,c,d,e,f,g,h --liars 1",
        "fleet committee cell-a --none",
        "fleet committee site --members a,b,c,d --settled",
    )
    committee.add_argument("scope", metavar="SCOPE", help="`site` for all, or a name for a part of it, such as cell-a")
    who = committee.add_mutually_exclusive_group(required=True)
    who.add_argument("--members", metavar="A,B,…", help="names of validators, each with one vote")
    who.add_argument("--none", action="store_true", help="nobody votes there any more")
    committee.add_argument("--liars", type=int, metavar="R", help="at most so many lie (a third, rounded down)")
    committee.add_argument(
        "--settled",
        action="store_true",
        help="begin anew and ask nobody: only where more of the committee are gone for good than may be away, so that"
        " it cannot hand over. What is undecided might be decided twice: `synedge status` should say sets_open 0",
    )

    add_command(commands, "list", "who is a member", "fleet list --dir fleet --json")

    refresh = add_command(
        commands,
        "refresh",
        "copy the newest roster into devices' directories",
        "fleet refresh cards/valve-2 cards/gate",
    )
    refresh.add_argument("directories", nargs="+", metavar="DEVICE_DIR", help="where a device's synedge.toml is")

    for child in commands.choices.values():
        child.add_argument("--dir", default="fleet", metavar="DIR", help="the site's directory (./fleet)")
        add_json(child)


def run(args: Namespace, out: Output) -> int:
    commands = {"init": _init, "add": _add, "committee": _committee, "list": _list, "refresh": _refresh}
    return commands[args.what](args, Path(args.dir).absolute(), out)


def _init(args: Namespace, directory: Path, out: Output) -> int:
    suites = tuple(sorted(SUITE_BY_NAME[name].number for name in args.suite or ["ml-dsa-65"]))
    site, made = init_site(directory, name=args.site_name, suites=tuple(dict.fromkeys(suites)), now_ms=_now_ms())
    if args.suite and site.roster.suites_allowed != suites:
        raise ConfigError(f"{directory}: a site is there already, which allows {_facts(site)['suites_allowed']}")
    if out.as_json:
        out.document({"changed": made, "authority_seed": str(directory / "keys" / "authority.seed"), **_facts(site)})
        return 0
    out.line(f"{'made' if made else 'unchanged'}: site {site.id.hex()} in {directory}")
    out.line(f"{directory / 'keys' / 'authority.seed'} makes members of this site: back it up, and show it to nobody")
    out.line("next: synedge fleet add NAME --public-key node.pub")
    return 0


def _add(args: Namespace, directory: Path, out: Output) -> int:
    roles = tuple(args.role or ["device"])
    check_name(args.name)
    check_label("--label", args.label)
    with locked(directory):
        site = open_site(directory)
        place = _bundle(site, args, roles) if args.out else None
        suite, key = (place.suite, place.public_key) if place else read_public_key(Path(args.public_key))
        member, changed = site.add(args.name, suite, key, roles=roles, label=args.label, now_ms=_now_ms())
        if place:
            changed |= _hand_out(site, place.config.origin.parent) or bool(place.made)
    facts = {"changed": changed, "member": _row(member), **_facts(site)}
    if place:
        facts["bundle"] = str(place.config.origin.parent)
        facts["secret"] = str(place.config.node.key_file)
    if out.as_json:
        out.document(facts)
        return 0
    out.line(f"{'added' if changed else 'unchanged'}: {member.name} is member {member.index} of site {site.id.hex()}")
    if place:
        out.line(f"SECRET: {place.config.origin.parent} {SECRET.format(name=member.name)}")
        out.line(f"next: synedge run --config {place.config.origin}")
    else:
        out.line(f"next: copy {site.authority_file} and {site.roster_file} beside the device's synedge.toml")
    return 0


def _committee(args: Namespace, directory: Path, out: Output) -> int:
    names = [] if args.none else [name.strip() for name in args.members.split(",") if name.strip()]
    if not (args.none or names):
        raise UsageError("--members names nobody; --none takes the committee away")
    if args.none and args.liars is not None:
        raise UsageError("--liars needs --members")
    liars = max(0, len(names) - 1) // 3 if args.liars is None else args.liars
    with locked(directory):
        site = open_site(directory)
        voters, changed = site.appoint(args.scope, names, liars, now_ms=_now_ms(), anew=args.settled)
    row = None if voters is None else committee_row(voters, site.roster)
    if out.as_json:
        out.document({"changed": changed, "scope": args.scope, "committee": row, **_facts(site)})
        return 0
    said = "changed" if changed else "unchanged"
    if row is None:
        out.line(f"{said}: nobody votes in {args.scope}; roster version {site.roster.version}")
    else:
        out.line(f"{said}: in {args.scope} {', '.join(row['voters'])} vote since roster version {row['since']}")
        allowed = f"{row['absent']} may be away, {row['liars']} may lie"
        out.line(f"{row['quorum']} of {row['members']} votes decide; {allowed}")
    before = [one for one in site.roster.ended if one.scope == args.scope] if voters and not voters.anew else []
    if before:
        out.line("those of before hand over to them by themselves; on a device `synedge committee show` says how far")
    if changed:
        out.line(f"next: copy {site.roster_file} to one running device of the site, or synedge fleet refresh")
    return 0


def _list(args: Namespace, directory: Path, out: Output) -> int:
    site = open_site(directory)
    members = site.roster.members
    if out.as_json:
        facts = {**_facts(site), "members": [_row(member) for member in members]}
        out.document({**facts, "committees": committee_rows(site.roster)})
        return 0
    named = f" ({site.name})" if site.name else ""
    out.line(f"site {site.id.hex()}{named}, roster version {site.roster.version}, {len(members)} members")
    if members:
        rows = [(m.index, m.name, m.roles, SUITES[m.suite].name, m.node_id.hex()[:16], m.label) for m in members]
        out.table(("index", "name", "roles", "suite", "node id", "label"), rows)
    for row in committee_rows(site.roster):
        out.line(f"in {row['scope']} {', '.join(row['voters'])} vote; {row['quorum']} of them decide")
    return 0


def _refresh(args: Namespace, directory: Path, out: Output) -> int:
    site = open_site(directory)
    done = [(str(Path(name)), _hand_out(site, Path(name).absolute())) for name in args.directories]
    if out.as_json:
        rows = [{"directory": name, "changed": changed} for name, changed in done]
        out.document({"changed": any(changed for _, changed in done), "directories": rows, **_facts(site)})
        return 0
    for name, changed in done:
        out.line(f"{'refreshed' if changed else 'unchanged'}: {name} (roster version {site.roster.version})")
    return 0


def _bundle(site: Site, args: Namespace, roles: tuple[str, ...]) -> Place:
    """A node's directory with a key of its own; the key is durable before the roster names it."""
    directory = Path(args.out).absolute()
    if args.name in site.roster.by_name and not (directory / "synedge.toml").exists():
        raise ConfigError(f"{args.name}: is a member already, and its key is not in {directory}; nothing was made")
    return lay_out(
        directory,
        NodeSettings(
            name=args.name,
            label=args.label,
            role="gateway" if "gateway" in roles else "device",
            suite=SUITES[site.roster.suites_allowed[0]].name,
        ),
    )


def _hand_out(site: Site, directory: Path) -> bool:
    """Put authority.pub and the newest roster beside a synedge.toml; whether anything changed.

    ConfigError when the directory belongs to another site, or holds a newer roster than this one.
    """
    if not (directory / "synedge.toml").exists():
        raise ConfigError(f"{directory}: no synedge.toml here, so this is no device's directory")
    authority, roster = directory / "authority.pub", directory / "roster.cose"
    if authority.exists() and authority.read_bytes() != site.authority.public_key:
        raise ConfigError(f"{authority}: is the authority of another site; nothing was changed")
    newest = site.roster_file.read_bytes()
    if roster.exists():
        held = open_roster(read_bounded(roster, ROSTER_BYTES_MAX), site.authority.public_key)
        if isinstance(held, Roster) and held.version > site.roster.version:
            raise ConfigError(
                f"{roster}: version {held.version} is newer than version {site.roster.version} of {site.roster_file}; "
                "the site's directory is an old copy"
            )
    changed = False
    for path, data in ((authority, site.authority.public_key), (roster, newest)):
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)
            changed = True
    return changed


def _facts(site: Site) -> dict[str, object]:
    return {
        "site": site.id.hex(),
        "site_name": site.name,
        "directory": str(site.directory),
        "authority": str(site.authority_file),
        "roster": str(site.roster_file),
        "roster_version": site.roster.version,
        "suites_allowed": [SUITES[number].name for number in site.roster.suites_allowed],
    }


def _row(member: Member) -> dict[str, object]:
    return {
        "index": member.index,
        "name": member.name,
        "label": member.label,
        "roles": list(member.roles),
        "suite": SUITES[member.suite].name,
        "node_id": member.node_id.hex(),
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
