"""`synedge certificate`: the proof that a value is final; checked without any node."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from edge.cli.options import add_command, add_config, add_json, load_config
from edge.cli.output import Output, bytes_text
from edge.cli.rosters import read_given, roster_at
from edge.consensus.certificate import Certificate, decode_certificate, judge, signatures
from edge.consensus.committee import by_epoch, seats_of
from edge.consensus.question import conflict_of
from edge.consensus.shown import certificate_row, final_word
from edge.errors import DataError, UsageError
from edge.limits import CERTIFICATE_BYTES_MAX
from edge.shell.control import ask
from edge.shell.files import write_atomically
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.suite import PURPOSE_VERTEX, SUITES, key_set, tagged_sign1
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
    cose = add_command(
        commands,
        "cose",
        "the signatures that it rests on as COSE_Sign1 messages, and the keys, for tools that know nothing of Synedge",
        "certificate cose bearing.cert --roster fleet/roster.cose --out bearing.cose",
        "certificate cose bearing.cert --roster fleet/roster.cose --out bearing.cose --keys bearing.keys --json",
    )
    cose.add_argument("--out", type=Path, metavar="FILE", required=True, help="for the messages, a CBOR sequence")
    cose.add_argument("--keys", type=Path, metavar="FILE", help="for the public keys, a COSE_KeySet")
    for child in (verify, cose):
        child.add_argument("file", metavar="FILE", type=Path)
        child.add_argument("--roster", type=Path, metavar="FILE", required=True, help="as the authority signed it")
        child.add_argument(
            "--authority", type=Path, metavar="FILE", help="the public key that signs rosters (authority.pub beside it)"
        )
    for child in (show, verify, cose):
        add_json(child)


def run(args: Namespace, out: Output) -> int:
    return {"show": _show, "verify": _verify, "cose": _cose}[args.what](args, out)


def _show(args: Namespace, out: Output) -> int:
    asked = {"scope": args.scope, "key": args.key, "overruled": args.overruled}
    answer = ask(load_config(args).node.control_socket, "certificate", **asked)
    raw = bytes.fromhex(answer["certificate"])
    certificate = decode_certificate(raw)
    assert isinstance(certificate, Certificate)
    if args.out is not None:
        _write(args.out, raw)
    _say({**certificate_row(certificate, None), "state": answer["state"], "recovered": answer["recovered"]}, out)
    return 0


def _verify(args: Namespace, out: Output) -> int:
    certificate, roster = _judged(args)
    _say(_row(certificate, roster), out)
    return 0


def _row(certificate: Certificate, roster: Roster) -> dict[str, Any]:
    """Of one that is true. A file cannot tell what a checkpoint has sealed since."""
    said = {"state": final_word(is_sealed=False), "is_true": True, "roster_version": roster.version}
    return {**certificate_row(certificate, roster), **said}


def _cose(args: Namespace, out: Output) -> int:
    """Only of a certificate that is true: what a tool would refuse is refused here, with the reason."""
    certificate, roster = _judged(args)
    signed = signatures(certificate, roster, by_epoch(seats_of(roster)))
    assert not isinstance(signed, Refusal)
    rows, messages, keys = [], [], []
    for side, one in zip(certificate.votes, signed, strict=True):
        member, payload = roster.by_index[one.author], side.headers[-1]
        messages.append(tagged_sign1(one.suite, member.node_id, payload, one.signature))
        keys.append((one.suite, member.node_id, one.public_key))
        rows.append(
            {
                "voter": member.name,
                "index": one.author,
                "kid": member.node_id.hex(),
                "alg": SUITES[one.suite].alg,
                "public_key": one.public_key.hex(),
                "headers": [header.hex() for header in side.headers],
            }
        )
    for path, data in ((args.out, b"".join(messages)), (args.keys, key_set(keys))):
        if path is not None:
            _write(path, data)
    row = _row(certificate, roster)
    conflict = conflict_of(certificate.site, certificate.question).hex()
    aad = PURPOSE_VERTEX.decode()
    if out.as_json:
        out.document({**row, "conflict": conflict, "external_aad": aad, "messages": rows})
        return 0
    _say(row, out)
    out.line(f"{args.out}: {len(messages)} COSE_Sign1 messages, external_aad {aad}")
    if args.keys is not None:
        out.line(f"{args.keys}: their public keys, a COSE_KeySet")
    return 0


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _judged(args: Namespace) -> tuple[Certificate, Roster]:
    """The certificate in a file, if it is true by the roster."""
    roster = roster_at(args.roster, args.authority)
    certificate = decode_certificate(read_given(args.file, CERTIFICATE_BYTES_MAX + 1))
    if isinstance(certificate, Refusal):
        raise DataError(f"{args.file}: no certificate: {certificate}")
    fault = fault_of(certificate, roster)
    if fault is not None:
        raise DataError(f"{args.file}: not true by {args.roster}, version {roster.version}: {fault}")
    return certificate, roster


def fault_of(certificate: Certificate, roster: Roster) -> Refusal | None:
    """What `certificate verify` has to say against it; None if it is true."""
    return judge(certificate, roster, by_epoch(seats_of(roster)))


def _say(row: dict[str, Any], out: Output) -> None:
    if out.as_json:
        out.document(row)
        return
    name, value = f"{row['scope']}/{row['key']} version {row['version']}", row["value"] or row["value_hex"]
    out.line(f"{name}, {row['state']}: {value}")
    out.line(f"signed by {', '.join(row['voters'])} in ballot {row['ballot']}; {bytes_text(row['bytes'])}")
    if seals := row["seals"]:
        more = f", beside those of version {seals['base']}" if seals["base"] else ""
        heads = ", ".join(f"{head['node']} {head['incarnation']}/{head['seq']}" for head in seals["heads"])
        out.line(f"a checkpoint: it seals {seals['registers']} registers{more}, and lines up to {heads}")
    if row["recovered"]:
        out.line("recovered: decided since a lost committee was replaced, which may have certified another value")
    if row.get("is_true"):
        out.line(f"true: a quorum of the committee since roster version {row['epoch']}, site {row['site']}")
        out.line("a device of the site knows whether a checkpoint has sealed it since: synedge registers")
