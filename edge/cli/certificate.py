"""`synedge certificate`: the proof that a value is final; checked without any node."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from edge.cli.options import add_command, add_config, add_json, load_config
from edge.cli.output import Output, bytes_text
from edge.cli.rosters import read_given, roster_at
from edge.consensus.certificate import Certificate, decode_certificate, judge
from edge.consensus.committee import by_epoch, seats_of
from edge.consensus.shown import certificate_row
from edge.errors import DataError, UsageError
from edge.limits import CERTIFICATE_BYTES_MAX
from edge.shell.control import ask
from edge.shell.files import write_atomically
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.voters import SITE_SCOPE


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    show = add_command(
        commands,
        "show",
        "what the certificate of a register's value says; or take it along in a file",
        "certificate show model/bearing --config pump-7/synedge.toml",
        "certificate show model/bearing --out bearing.cert",
        "certificate show model/bearing --overruled --out before.cert",
    )
    show.add_argument("key", metavar="KEY", help="of the register")
    show.add_argument("--scope", default=SITE_SCOPE, help=f"of the register ({SITE_SCOPE})")
    show.add_argument(
        "--overruled", action="store_true", help="of what the lost committee had certified, where `registers` says so"
    )
    show.add_argument("--out", type=Path, metavar="FILE", help="write it there")
    add_config(show)
    verify = add_command(
        commands,
        "verify",
        "whether a quorum has signed it, by a roster alone; needs no running agent",
        "certificate verify bearing.cert --roster fleet/roster.cose",
        "certificate verify bearing.cert --roster roster.cose --authority authority.pub --json",
    )
    verify.add_argument("file", metavar="FILE", type=Path)
    verify.add_argument("--roster", type=Path, metavar="FILE", required=True, help="as the authority signed it")
    verify.add_argument(
        "--authority", type=Path, metavar="FILE", help="the public key that signs rosters (authority.pub beside it)"
    )
    for child in (show, verify):
        add_json(child)


def run(args: Namespace, out: Output) -> int:
    return _show(args, out) if args.what == "show" else _verify(args, out)


def _show(args: Namespace, out: Output) -> int:
    asked = {"scope": args.scope, "key": args.key, "overruled": args.overruled}
    answer = ask(load_config(args).node.control_socket, "certificate", **asked)
    raw = bytes.fromhex(answer["certificate"])
    certificate = decode_certificate(raw)
    assert isinstance(certificate, Certificate)
    if args.out is not None:
        try:
            write_atomically(args.out, raw)
        except OSError as error:
            raise UsageError(f"{args.out}: {error.strerror}") from None
    _say({**certificate_row(certificate, None), "recovered": answer["recovered"]}, out)
    return 0


def _verify(args: Namespace, out: Output) -> int:
    roster = roster_at(args.roster, args.authority)
    certificate = decode_certificate(read_given(args.file, CERTIFICATE_BYTES_MAX + 1))
    if isinstance(certificate, Refusal):
        raise DataError(f"{args.file}: no certificate: {certificate}")
    fault = fault_of(certificate, roster)
    if fault is not None:
        raise DataError(f"{args.file}: not true by {args.roster}, version {roster.version}: {fault}")
    _say({**certificate_row(certificate, roster), "is_true": True, "roster_version": roster.version}, out)
    return 0


def fault_of(certificate: Certificate, roster: Roster) -> Refusal | None:
    """What `certificate verify` has to say against it; None if it is true."""
    return judge(certificate, roster, by_epoch(seats_of(roster)))


def _say(row: dict[str, Any], out: Output) -> None:
    if out.as_json:
        out.document(row)
        return
    out.line(f"{row['scope']}/{row['key']} version {row['version']}: {row['value'] or row['value_hex']}")
    out.line(f"signed by {', '.join(row['voters'])} in ballot {row['ballot']}; {bytes_text(row['bytes'])}")
    if row["recovered"]:
        out.line("recovered: decided since a lost committee was replaced, which may have certified another value")
    if row.get("is_true"):
        out.line(f"true: a quorum of the committee since roster version {row['epoch']}, site {row['site']}")
