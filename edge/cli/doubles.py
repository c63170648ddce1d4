"""`synedge committee audit`: members who voted twice, with the proof."""

from argparse import Namespace
from typing import Any

from edge.cli.logs import open_log, records, signed_vertices
from edge.cli.output import Output
from edge.cli.rosters import read_given, roster_at
from edge.consensus.doubles import Audit, DoubleVote, decode_double, judge
from edge.errors import DataError, UsageError
from edge.limits import EVIDENCE_BYTES_MAX
from edge.shell.files import write_atomically
from edge.wire.items import PREVOTE
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster

EXIT_FOUND = 1


def audit(args: Namespace, out: Output) -> int:
    if args.proof is not None:
        return _check(args, out)
    if args.roster is not None:
        raise UsageError("--roster is for --proof; a log has its own")
    log = open_log(args)
    disk = log.disk()
    try:
        auditor = Audit()
        for header, _, _ in signed_vertices(records(disk)):
            auditor.look(header)
        proofs = auditor.doubles((header, signature) for header, signature, _ in signed_vertices(records(disk)))
    finally:
        disk.close()
    rows = [_row(author, proof, log.roster) for author, proof in sorted(proofs.items())]
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        for row, (_, proof) in zip(rows, sorted(proofs.items()), strict=True):
            if isinstance(proof, DoubleVote) and row["is_true"]:
                path = args.out / f"{row['node']}.double"
                write_atomically(path, proof.raw)
                row["file"] = str(path)
    if out.as_json:
        out.document({"votes": auditor.votes, "doubles": rows, "log": str(log.directory)})
    else:
        _say(rows, f"{log.directory}: {auditor.votes} votes", out)
    return EXIT_FOUND if rows else 0


def _check(args: Namespace, out: Output) -> int:
    if args.roster is None:
        raise UsageError("--proof needs --roster")
    roster = roster_at(args.roster)
    double = decode_double(read_given(args.proof, EVIDENCE_BYTES_MAX + 1))
    if isinstance(double, Refusal):
        raise DataError(f"{args.proof}: no proof of a double vote: {double}")
    fault = judge(double, roster)
    if fault is not None:
        raise DataError(f"{args.proof}: not true by {args.roster}, version {roster.version}: {fault}")
    row = _row(double.author, double, roster)
    out.document(row) if out.as_json else _say([row], str(args.proof), out)
    return 0


def _row(author: int, proof: DoubleVote | Refusal, roster: Roster) -> dict[str, Any]:
    member = roster.by_index.get(author)
    row: dict[str, Any] = {"node": member.name if member is not None else str(author), "is_true": False}
    fault = judge(proof, roster) if isinstance(proof, DoubleVote) else proof
    if fault is not None or isinstance(proof, Refusal):
        return row | {"reason": str(fault)}
    vote = proof.votes[0]
    return row | {
        "is_true": True,
        "conflict": vote.conflict.hex(),
        "ballot": vote.ballot,
        "phase": "prevote" if vote.phase == PREVOTE else "precommit",
        "values": [one.value.hex() if one.value is not None else None for one in proof.votes],
        "vertices": [list(name) for name in proof.names],
        "bytes": len(proof.raw),
    }


def _say(rows: list[dict[str, Any]], what: str, out: Output) -> None:
    out.line(f"{what}: {len(rows)} voted twice" if rows else f"{what}: nobody voted twice")
    for row in rows:
        if row["is_true"]:
            out.line(f"{row['node']}: two {row['phase']}s in ballot {row['ballot']} of {row['conflict'][:16]}, signed")
        else:
            out.line(f"{row['node']}: not proven by this log: {row['reason']}")
