"""`synedge init`: a configuration, a data directory and a key, ready for a fleet to take in."""

import os
import pwd
import re
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from edge.cli.options import add_example, add_json
from edge.cli.output import Output
from edge.cli.place import NodeSettings, Place, lay_out
from edge.cli.site import check_label, check_name, init_site, locked, open_site
from edge.config import load
from edge.errors import PermissionsError, UsageError
from edge.shell.files import write_atomically
from edge.wire.roster import node_id

SYSTEM = {"directory": "/etc/synedge", "data_dir": "/var/lib/synedge", "runtime_dir": "/run/synedge"}
SYSTEM_USER = "synedge"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", metavar="DIR", help="where synedge.toml goes (.)")
    parser.add_argument("--name", help="the node's name: a-z, 0-9 and '-' (made from the host name)")
    parser.add_argument("--label", default="", help="free text for people")
    parser.add_argument("--role", choices=("device", "gateway"), help="device, unless said")
    parser.add_argument("--suite", choices=("ml-dsa-44", "ml-dsa-65", "ml-dsa-87"), help="ml-dsa-65, unless said")
    parser.add_argument(
        "--new-site",
        action="store_true",
        help="also make a site of its own in DIR/fleet, with this node as first member",
    )
    parser.add_argument(
        "--system", action="store_true", help="for the systemd service: /etc/synedge, /var/lib/synedge, /run/synedge"
    )
    parser.add_argument("--force", action="store_true", help="write synedge.toml anew; a key is never overwritten")
    add_json(parser)
    add_example(parser, "init pump-7 --name pump-7 --new-site", "init --system --name pump-7")


def run(args: Namespace, out: Output) -> int:
    if args.system:
        _check_system(args)
    directory = Path(SYSTEM["directory"] if args.system else args.directory or ".").absolute()
    place = lay_out(directory, _settings(args, directory / "synedge.toml"), rewrite=args.force)
    made = [str(path) for path in place.made]
    if args.new_site:
        made += _new_site(place, args.role)
    seed = directory / "fleet" / "keys" / "authority.seed"
    if args.system:
        _give_away(place)
    facts = {
        "changed": bool(made),
        "made": made,
        "name": place.config.node.name,
        "node_id": node_id(place.public_key).hex(),
        "config": str(place.config.origin),
        "key": str(place.config.node.key_file),
        "public_key": str(place.public_file),
        "suite": place.config.site.suite,
        "authority_seed": str(seed) if args.new_site else None,
        "next": _next(place),
    }
    if out.as_json:
        out.document(facts)
        return 0
    out.line("unchanged" if not made else f"made: {', '.join(made)}")
    out.pairs((key, facts[key]) for key in ("name", "node_id", "config", "key", "public_key"))
    if args.new_site:
        out.line(f"{seed} makes members of this site: back it up, and show it to nobody")
    out.line(f"next: {facts['next']}")
    return 0


def _settings(args: Namespace, file: Path) -> NodeSettings:
    """What the command line asks for; where it is silent, what the file has that is there already."""
    known = None
    if file.exists() and not args.force:
        known = load(file, check_files=False)
    name = args.name or (known.node.name if known else _host_name())
    check_name(name)
    check_label("--label", args.label)
    return NodeSettings(
        name=name,
        label=args.label,
        role=args.role or (known.node.role if known else "device"),
        suite=args.suite or (known.site.suite if known else "ml-dsa-65"),
        data_dir=SYSTEM["data_dir"] if args.system else None,
        runtime_dir=SYSTEM["runtime_dir"] if args.system else None,
    )


def _new_site(place: Place, role: str | None) -> list[str]:
    """A site of its own for a node that is the first of it."""
    directory = place.config.origin.parent / "fleet"
    now_ms = time.time_ns() // 1_000_000
    node = place.config.node
    _, is_new = init_site(directory, name=f"the site of {node.name}", suites=(place.suite,), now_ms=now_ms)
    with locked(directory):
        site = open_site(directory)
        roles = (role or node.role,)
        _, is_added = site.add(node.name, place.suite, place.public_key, roles=roles, label=node.label, now_ms=now_ms)
        made = [str(directory)] if is_new or is_added else []
        for source, target in (
            (site.authority_file, place.config.site.authority),
            (site.roster_file, place.config.site.roster),
        ):
            data = source.read_bytes()
            if not target.exists() or target.read_bytes() != data:
                write_atomically(target, data)
                made.append(str(target))
    return made


def _check_system(args: Namespace) -> None:
    if args.directory:
        raise UsageError("--system chooses the directory itself; leave DIR out")
    if os.geteuid() != 0:
        raise PermissionsError("--system is for root: sudo synedge init --system")
    _system_user()


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise UsageError(f"--system: there is no user {SYSTEM_USER} yet; `make install` makes it") from None


def _give_away(place: Place) -> None:
    """The service runs as its own user: keys and log are its own, the configuration it may read."""
    user = _system_user()
    node = place.config.node
    for path in (node.data_dir, node.key_file.parent, node.key_file):
        os.chown(path, user.pw_uid, user.pw_gid)


def _next(place: Place) -> str:
    config = place.config
    if config.site.authority.exists() and config.site.roster.exists():
        return f"synedge run --config {config.origin}"
    return (
        f"on the site's machine: synedge fleet add {config.node.name} --public-key node.pub; then copy its "
        f"authority.pub and roster.cose to {config.site.authority.parent} (no site yet: synedge init --new-site)"
    )


def _host_name() -> str:
    """`RaspberryPi.local` → `raspberrypi`; `synedge` when nothing is left."""
    host = os.uname().nodename.partition(".")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", host).strip("-")[:32].strip("-") or "synedge"
