"""`synedge recovery`: k of m keys put another committee in the place of a lost one. No network, no running agent."""

import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.cli.options import add_command, add_json, at_least
from edge.cli.output import Output
from edge.cli.recovery_shown import facts_of, said_of
from edge.cli.rosters import read_given, roster_at
from edge.cli.site import Site, locked, open_site
from edge.errors import ConfigError, DataError, UsageError
from edge.limits import RECOVERY_FILE_BYTES_MAX, RECOVERY_KEYS_MAX
from edge.shell.files import write_atomically
from edge.shell.keys import load_or_create_seed, load_seed
from edge.wire.recovery import (
    Cut,
    Endorsement,
    Entrusting,
    Keys,
    Proof,
    Replacement,
    Statement,
    decode_endorsement,
    decode_statement,
    digest_of,
    encode_endorsement,
    encode_statement,
    endorse,
    in_force,
    is_endorsed,
)
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.suite import AUTHORITY_SUITE, SUITES, Signer
from edge.wire.voters import Voters

SEED, PUBLIC = "recovery.seed", "recovery.pub"


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    key = add_command(
        commands, "key", "make a recovery key, for one holder", "recovery key /media/stick/holder-1", "recovery key h2"
    )
    key.add_argument("directory", metavar="DIR", type=Path, help=f"gets {SEED}, a secret, and {PUBLIC}")
    keys = add_command(
        commands,
        "keys",
        "list in the roster which keys may recover, and how many of them together",
        "recovery keys h1/recovery.pub h2/recovery.pub h3/recovery.pub --needed 2 --dir fleet",
        "recovery keys h1/recovery.pub h4/recovery.pub --needed 2 --draft keys.draft --dir fleet",
    )
    keys.add_argument("files", metavar="FILE", nargs="+", type=Path, help=f"a {PUBLIC} of each holder")
    keys.add_argument("--needed", type=at_least(1), required=True, metavar="K", help="so many of them sign")
    keys.add_argument("--draft", type=Path, metavar="FILE", help="where others are listed: what those have to sign")
    show = add_command(
        commands,
        "list",
        "which keys may recover, by the roster, and what they have",
        "recovery list --dir fleet",
        "recovery list --roster roster.cose --json",
    )
    show.add_argument("--roster", type=Path, metavar="FILE", help="this one, authority.pub beside it")
    _signing(commands)
    for name, child in commands.choices.items():
        if name not in ("key", "sign"):
            child.add_argument("--dir", default="fleet", metavar="DIR", help="the site's directory (./fleet)")
        add_json(child)


def _signing(commands: Any) -> None:
    """What is signed, how, and what becomes of it."""
    draft = add_command(
        commands,
        "draft",
        "write down what the keys are to sign: who votes from now on, above what is left of the old committee",
        "recovery draft site --members c,d,e,f --data cards/c --data cards/d --out site.draft --dir fleet",
    )
    draft.add_argument("scope", metavar="SCOPE", help="whose committee is lost")
    draft.add_argument("--members", required=True, metavar="A,B,…", help="names of validators, each with one vote")
    draft.add_argument("--liars", type=int, metavar="R", help="at most so many lie (a third, rounded down)")
    draft.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="DIR",
        help="a stopped member's directory, or its log; repeated",
    )
    draft.add_argument("--out", type=Path, required=True, metavar="FILE", help="the draft")
    sign = add_command(
        commands,
        "sign",
        "sign a draft with one key; each holder by itself",
        "recovery sign site.draft --key /media/stick/holder-1",
        "recovery sign site.draft --key h2 --out h2.sig --json",
    )
    sign.add_argument("draft", metavar="DRAFT", type=Path)
    sign.add_argument("--key", type=Path, required=True, metavar="DIR", help=f"where {SEED} is")
    sign.add_argument("--out", type=Path, metavar="FILE", help="the signature (beside the draft)")
    apply = add_command(
        commands,
        "apply",
        "put the signatures together: a new roster",
        "recovery apply site.draft site.draft.*.sig --dir fleet",
    )
    apply.add_argument("draft", metavar="DRAFT", type=Path)
    apply.add_argument("signatures", metavar="SIGNATURE", nargs="+", type=Path)


def run(args: Namespace, out: Output) -> int:
    commands = {"key": _key, "keys": _keys, "list": _list, "draft": _draft, "sign": _sign, "apply": _apply}
    return commands[args.what](args, out)


# ---- keys


def _key(args: Namespace, out: Output) -> int:
    seed, made = load_or_create_seed(args.directory / SEED)
    public = Signer(AUTHORITY_SUITE, seed).public_key
    path = args.directory / PUBLIC
    if not path.exists() or path.read_bytes() != public:
        write_atomically(path, public)
        made = True
    facts: dict[str, Any] = {"changed": made, "digest": digest_of(public).hex(), "secret": str(args.directory / SEED)}
    if out.as_json:
        out.document({**facts, "public_key": str(path)})
        return 0
    out.line(f"{'made' if made else 'unchanged'}: recovery key {facts['digest'][:16]} in {args.directory}")
    out.line(f"{facts['secret']} is a secret of its holder: keep it offline, away from the others and the authority's")
    out.line(f"next: give {path} to who keeps the site, for synedge recovery keys")
    return 0


def _keys(args: Namespace, out: Output) -> int:
    digests = tuple(sorted({digest_of(_public_key(path)) for path in args.files}))
    if len(digests) < len(args.files):
        raise UsageError("one key is named twice; each holder has a key of its own")
    if len(digests) > RECOVERY_KEYS_MAX or args.needed > len(digests):
        raise UsageError(f"--needed {args.needed} of {len(digests)} keys; allowed: at most {RECOVERY_KEYS_MAX} keys")
    directory = Path(args.dir).absolute()
    with locked(directory):
        site = open_site(directory)
        wanted = Keys(site.roster.version + 1, int(args.needed), digests)
        held = site.roster.recovery[-1] if site.roster.recovery else None
        if held is not None and held[1:3] != wanted[1:3]:
            return _ask(Entrusting(site.id, *wanted[:3]), args.draft, held, out)
        changed = site.entrust(wanted, now_ms=_now_ms())
    if out.as_json:
        out.document({"changed": changed, **facts_of(site.roster)})
        return 0
    out.line(f"{'listed' if changed else 'unchanged'}: {args.needed} of {len(digests)} keys may recover together")
    if changed:
        out.line(f"roster version {site.roster.version}; from now on only they can change who may")
        out.line(f"next: copy {site.roster_file} to one running device of the site, or synedge fleet refresh")
    return 0


def _ask(statement: Entrusting, path: Path | None, held: Keys, out: Output) -> int:
    if path is None:
        raise UsageError(f"others are listed, and {held.needed} of them have to sign; --draft FILE writes down what")
    changed = _write(path, encode_statement(statement))
    if out.as_json:
        out.document({"changed": changed, "draft": str(path), **said_of(statement, None)})
        return 0
    said = "written" if changed else "unchanged"
    out.line(f"{said}: {path}, for {held.needed} of the {len(held.digests)} keys of now")
    out.line(f"next: each holder: synedge recovery sign {path} --key DIR; then synedge recovery apply")
    return 0


def _public_key(path: Path) -> bytes:
    data = read_given(path, 64 * 1024)
    wanted = SUITES[AUTHORITY_SUITE].public_bytes
    if len(data) != wanted:
        raise DataError(f"{path}: {len(data)} bytes; a recovery key has {wanted}, `synedge recovery key` makes one")
    return data


def _list(args: Namespace, out: Output) -> int:
    roster = roster_at(args.roster) if args.roster is not None else open_site(Path(args.dir).absolute()).roster
    facts = facts_of(roster)
    if out.as_json:
        out.document(facts)
        return 0
    if not roster.recovery:
        out.line("no keys may recover; a lost committee can only begin anew (synedge fleet committee --settled)")
    for row in facts["recovery"]:
        state = "may recover" if row["in_force"] else "were followed by others"
        out.line(f"since roster version {row['since']} {row['needed']} of {len(row['digests'])} keys {state}:")
        for digest in row["digests"]:
            out.line(f"  {digest}")
    for row in facts["recovered"]:
        out.line(f"in {row['scope']} {', '.join(row['voters'])} were put in the place of epoch {row['ends']}")
    return 0


# ---- what is signed


def _draft(args: Namespace, out: Output) -> int:
    from edge.cli.cutting import draft

    directory = Path(args.dir).absolute()
    site = open_site(directory)
    plan = draft(site, args.scope, [name.strip() for name in args.members.split(",")], args.liars, args.data)
    changed = _write(args.out, encode_statement(plan.statement))
    if out.as_json:
        out.document({"changed": changed, "draft": str(args.out), **plan.facts, **said_of(plan.statement, site.roster)})
        return 0
    out.line(f"{'written' if changed else 'unchanged'}: {args.out}, for roster version {plan.statement.since}")
    out.table(("node", "line up to", "from"), plan.table)
    for line in plan.promise:
        out.line(line)
    out.line("the members of the old committee who live must be stopped, and stay so until each has the new roster")
    holders = f"{plan.facts['needed']} holders"
    out.line(f"next: {holders}: synedge recovery sign {args.out} --key DIR; then synedge recovery apply")
    return 0


def _sign(args: Namespace, out: Output) -> int:
    raw, statement = _read_draft(args.draft)
    signer = Signer(AUTHORITY_SUITE, load_seed(args.key / SEED))
    digest = digest_of(signer.public_key)
    path = args.out or args.draft.with_name(f"{args.draft.name}.{digest.hex()[:8]}.sig")
    held = decode_endorsement(read_given(path, RECOVERY_FILE_BYTES_MAX)) if os.path.lexists(path) else None
    is_signed = isinstance(held, Endorsement) and _holds(held, raw) and held.public_key == signer.public_key
    if not is_signed:
        pair = endorse(signer, raw)
        write_atomically(path, encode_endorsement(Endorsement(digest_of(raw), *pair)))
    said = said_of(statement, None)
    if out.as_json:
        out.document({"changed": not is_signed, "signature": str(path), "digest": digest.hex(), **said})
        return 0
    out.line(f"{'unchanged' if is_signed else 'signed'}: {path}, by key {digest.hex()[:16]}")
    out.line(said["text"])
    return 0


def _apply(args: Namespace, out: Output) -> int:
    raw, statement = _read_draft(args.draft)
    directory = Path(args.dir).absolute()
    with locked(directory):
        site = open_site(directory)
        if statement.site != site.id:
            raise DataError(f"{args.draft}: is for site {statement.site.hex()}, and this is {site.id.hex()}")
        changed = not _is_done(statement, site.roster)
        if changed:
            _check_version(args.draft, statement, site)
            _publish(site, statement, _proof(args.signatures, raw, statement, site.roster))
    if out.as_json:
        out.document({"changed": changed, **said_of(statement, site.roster), **facts_of(site.roster)})
        return 0
    out.line(f"{'signed' if changed else 'unchanged'}: roster version {site.roster.version}")
    out.line(said_of(statement, site.roster)["text"])
    if changed:
        out.line(
            f"next: give {site.roster_file} to each member that was stopped (synedge fleet refresh), then start it"
        )
    return 0


def _is_done(statement: Statement, roster: Roster) -> bool:
    if isinstance(statement, Entrusting):
        return any(keys[:3] == statement[1:] for keys in roster.recovery)
    cuts = ((voters, voters.cut) for voters in roster.listed if voters.cut is not None)
    return any(Replacement(roster.site, *voters[:4], cut.ends, cut.heads) == statement for voters, cut in cuts)


def _check_version(path: Path, statement: Statement, site: Site) -> None:
    if statement.since != site.roster.version + 1:
        raise ConfigError(
            f"{path}: is for roster version {statement.since}, and the next one is {site.roster.version + 1};"
            " the roster has changed since, so the draft has to be made and signed again"
        )


def _proof(paths: Sequence[Path], raw: bytes, statement: Statement, roster: Roster) -> Proof:
    """Of these signatures as many as are needed, in order."""
    keys = in_force(roster.recovery, statement.since)
    if keys is None:
        raise ConfigError("no keys may recover; `synedge recovery keys` lists some, before a committee is lost")
    pairs: dict[bytes, tuple[bytes, bytes]] = {}
    for path in paths:
        held = decode_endorsement(read_given(path, RECOVERY_FILE_BYTES_MAX))
        if isinstance(held, Refusal):
            raise DataError(f"{path}: no signature of a recovery key: {held}")
        digest = digest_of(held.public_key)
        if digest not in keys.digests:
            raise DataError(f"{path}: by key {digest.hex()[:16]}, which is not listed; `synedge recovery list`")
        if not _holds(held, raw):
            raise DataError(f"{path}: is for another draft, or was changed")
        pairs[digest] = held[1:]
    if len(pairs) < keys.needed:
        raise ConfigError(f"{len(pairs)} of the {keys.needed} signatures that are needed; nothing was changed")
    return tuple(pair for _, pair in sorted(pairs.items()))[: keys.needed]


def _holds(held: Endorsement, raw: bytes) -> bool:
    return held.statement == digest_of(raw) and is_endorsed(held[1:], raw)


def _publish(site: Site, statement: Statement, proof: Proof) -> None:
    if isinstance(statement, Entrusting):
        site.entrust(Keys(*statement[1:], proof), now_ms=_now_ms())
        return
    cut = Cut(statement.ends, statement.heads, proof)
    site.recover(Voters(*statement[1:5], 0, cut), now_ms=_now_ms())


def _read_draft(path: Path) -> tuple[bytes, Statement]:
    raw = read_given(path, RECOVERY_FILE_BYTES_MAX)
    statement = decode_statement(raw)
    if isinstance(statement, Refusal):
        raise DataError(f"{path}: no draft of `synedge recovery draft` or `keys`: {statement}")
    return raw, statement


def _write(path: Path, data: bytes) -> bool:
    """Whether anything changed."""
    try:
        if path.exists() and path.read_bytes() == data:
            return False
        write_atomically(path, data)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    return True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
