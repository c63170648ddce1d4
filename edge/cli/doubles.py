"""`synedge committee audit`: members who voted twice, or above their own stop, with the proof."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.cli.logs import open_log, records, signed_vertices
from edge.cli.output import Output
from edge.cli.rosters import read_given, roster_at
from edge.consensus.audit import Audit
from edge.consensus.doubles import DoubleVote, decode_double, judge
from edge.consensus.shown import question_row
from edge.consensus.stops import StoppedVote, decode_stopped, judge_stopped
from edge.errors import DataError, UsageError
from edge.limits import EVIDENCE_BYTES_MAX
from edge.shell.files import write_atomically
from edge.wire.items import PREVOTE
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster

EXIT_FOUND = 1
Proof = DoubleVote | StoppedVote


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
        doubles, stopped = auditor.proofs(
            (header, signature) for header, signature, _ in signed_vertices(records(disk))
        )
    finally:
        disk.close()
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Mapping[int, Proof | Refusal]] = {"double": doubles, "stopped": stopped}
    rows = {
        kind: [_listed(args.out, kind, proofs[one], one, log.roster) for one in sorted(proofs)]
        for kind, proofs in found.items()
    }
    if out.as_json:
        told = {"doubles": rows["double"], "stopped": rows["stopped"]}
        out.document({"votes": auditor.votes, **told, "log": str(log.directory)})
    else:
        _say([*rows["double"], *rows["stopped"]], f"{log.directory}: {auditor.votes} votes", out)
    return EXIT_FOUND if any(rows.values()) else 0


def _listed(into: Path | None, kind: str, proof: Proof | Refusal, author: int, roster: Roster) -> dict[str, Any]:
    """The row of somebody, whose proof is written where people want it."""
    row = _row(author, proof, roster)
    if into is not None and row["is_true"] and not isinstance(proof, Refusal):
        path = into / f"{row['node']}.{kind}"
        write_atomically(path, proof.raw)
        row["file"] = str(path)
    return row


def _check(args: Namespace, out: Output) -> int:
    if args.roster is None:
        raise UsageError("--proof needs --roster")
    roster = roster_at(args.roster)
    raw = read_given(args.proof, EVIDENCE_BYTES_MAX + 1)
    double = decode_double(raw)
    proof = double if isinstance(double, DoubleVote) else decode_stopped(raw)
    if isinstance(proof, Refusal):
        why = proof if proof.reason != "evidence-shape" else double
        raise DataError(f"{args.proof}: no proof of two votes, or of one above a stop: {why}")
    fault = _fault(proof, roster)
    if fault is not None:
        raise DataError(f"{args.proof}: not true by {args.roster}, version {roster.version}: {fault}")
    row = _row(proof.author, proof, roster)
    out.document(row) if out.as_json else _say([row], str(args.proof), out)
    return 0


def _fault(proof: Proof, roster: Roster) -> Refusal | None:
    return judge(proof, roster) if isinstance(proof, DoubleVote) else judge_stopped(proof, roster)


def _row(author: int, proof: Proof | Refusal, roster: Roster) -> dict[str, Any]:
    row: dict[str, Any] = {"node": roster.name_of(author), "is_true": False}
    fault = proof if isinstance(proof, Refusal) else _fault(proof, roster)
    if fault is not None or isinstance(proof, Refusal):
        return row | {"reason": str(fault)}
    vote = proof.votes[0] if isinstance(proof, DoubleVote) else proof.vote
    row |= {
        "is_true": True,
        "conflict": vote.conflict.hex(),
        "ballot": vote.ballot,
        "phase": "prevote" if vote.phase == PREVOTE else "precommit",
        "vertices": [list(name) for name in proof.names],
        "bytes": len(proof.raw),
    }
    if isinstance(proof, DoubleVote):
        return row | {"values": [one.value.hex() if one.value is not None else None for one in proof.votes]}
    return row | {"stopped": question_row(proof.change), "voted": question_row(proof.other)}


def _say(rows: list[dict[str, Any]], what: str, out: Output) -> None:
    out.line(f"{what}: {len(rows)} broke their word" if rows else f"{what}: nobody voted twice, nor above a stop")
    for row in rows:
        if not row["is_true"]:
            out.line(f"{row['node']}: not proven by this log: {row['reason']}")
        elif "values" in row:
            out.line(f"{row['node']}: two {row['phase']}s in ballot {row['ballot']} of {row['conflict'][:16]}, signed")
        else:
            asked, epoch = row["voted"], f"{row['stopped']['scope']} of epoch {row['stopped']['epoch']}"
            out.line(f"{row['node']}: stopped in {epoch}, then a {row['phase']} on {asked['key']} there, signed")
