"""`synedge dag`: the heads of a log, whether all of it holds, and a form that other tools can verify."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from edge.cli.logs import Log, damage, open_log, records, signed_vertices
from edge.cli.options import add_command, add_json, add_log
from edge.cli.output import Output
from edge.cli.stores import StoreVerdict, verify_store
from edge.dag.records import GAP, Damage, Record
from edge.dag.verify import Fault, Verdict, verify_log
from edge.wire.cbor import Malformed, decode
from edge.wire.event import event_json
from edge.wire.suite import join_sign1
from edge.wire.vertex import Header, body_events, check_body

EXIT_BAD = 1
REASONS_MAX = 1000


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    add_command(commands, "heads", "the newest vertex of each author", "dag heads")
    add_command(
        commands,
        "verify",
        "check every signature, chain and Merkle root, of a gateway's store too; exit 1 if one does not hold",
        "dag verify",
        "dag verify --data /mnt/card/data --json",
    )
    export = add_command(
        commands, "export", "every vertex, for other tools", "dag export --format cose --output log.cose"
    )
    export.add_argument(
        "--format",
        choices=("json", "cose"),
        default="json",
        help="json: one object a line; cose: a CBOR sequence of COSE_Sign1, each over a header (docs/WIRE.md)",
    )
    export.add_argument("--output", metavar="FILE", help="instead of stdout")
    for child in commands.choices.values():
        add_log(child)
        add_json(child)


def run(args: Namespace, out: Output) -> int:
    log = open_log(args, newest_roster=args.what == "export")
    if args.what == "export":
        return _export(log, args, out)
    disk = log.disk()
    try:
        if args.what == "heads":
            return _heads(
                log, verify_log(records(disk), log.roster, log.authority, own=log.own, floor=log.floor)[0], out
            )
        broken, torn_bytes = damage(disk)
        gaps = _gaps(records(disk))
        fresh = [(number, item) for number, item in broken if (number, item.start, item.end) not in gaps]
        verdict, roster = verify_log(records(disk), log.roster, log.authority, own=log.own, floor=log.floor)
    finally:
        disk.close()
    store = verify_store(log.store, roster, log.authority, log.own) if log.store else None
    facts = {"quarantined": len(broken) - len(fresh), "torn_bytes": torn_bytes, "site": roster.site.hex()}
    return _verdict(log, verdict, fresh, store, facts, out)


def _heads(log: Log, verdict: Verdict, out: Output) -> int:
    rows = _tips(log, verdict)
    if out.as_json:
        out.document({"vertices": verdict.vertices, "events": verdict.events, "heads": rows})
    elif not rows:
        out.line("no vertices yet")
    else:
        out.table(
            ("node", "author", "incarnation", "seq", "id", ""),
            [
                (
                    *(row[name] for name in ("node", "author", "incarnation", "seq")),
                    str(row["id"])[:16],
                    "forked" if row["forked"] else "",
                )
                for row in rows
            ],
        )
    return 0


def _verdict(
    log: Log,
    verdict: Verdict,
    fresh: list[tuple[int, Damage]],
    store: StoreVerdict | None,
    facts: dict[str, object],
    out: Output,
) -> int:
    reasons = [_reason(log, fault, "log") for fault in verdict.faults]
    reasons += [_damage_reason(number, item) for number, item in fresh]
    reasons += [_reason(log, fault, "store") for fault in (store.faults if store else ())]
    bad = len(reasons)
    if out.as_json:
        document = {
            "ok": not bad,
            **{key: getattr(verdict, key) for key in Verdict._fields if key not in ("faults", "frontier", "forks")},
            "forks": [{"node": log.node_name(key.author), **key._asdict()} for key in verdict.forks],
            "bad": bad,
            "reasons": reasons[:REASONS_MAX],
            "reasons_left_off": max(0, bad - REASONS_MAX),
            **facts,
            "log": str(log.directory),
            "store": _store_facts(log, store),
            "frontier": _tips(log, verdict),
        }
        out.document(document)
        return EXIT_BAD if bad else 0
    said = out.paint(f"{bad} bad", "red") if bad else out.paint("all of it holds", "green")
    out.line(f"{log.directory}: {verdict.vertices} vertices, {verdict.events} events: {said}")
    out.pairs(_notes(verdict, store, facts))
    if reasons:
        columns = ("in", "reason", "node", "vertex", "detail")
        out.table(columns, [[_row_cell(row, column) for column in columns] for row in reasons[:REASONS_MAX]])
    return EXIT_BAD if bad else 0


def _row_cell(row: dict[str, object], column: str) -> object:
    """A vertex by its key, or by its id when that is all that can be read."""
    if column == "vertex" and row["vertex"] is None and row["id"]:
        return f"id {str(row['id'])[:16]}"
    return row[column]


def _store_facts(log: Log, store: StoreVerdict | None) -> dict[str, object] | None:
    """None on a node without a store."""
    if store is None:
        return None
    facts: dict[str, object] = {key: value for key, value in store._asdict().items() if key != "faults"}
    return {**facts, "bad": len(store.faults), "file": str(log.store)}


def _notes(verdict: Verdict, store: StoreVerdict | None, facts: dict[str, object]) -> Iterator[tuple[str, object]]:
    proven = f", {verdict.covered} vertices proven by one above them" if verdict.covered else ""
    yield "signatures", f"{verdict.signatures} valid{proven}"
    if store is not None:
        yield "store", f"{store.vertices} vertices, {store.events} events, {len(store.faults)} bad"
    for count, said in (
        (verdict.unsigned, "own vertices not signed; a start signs them, or records anew what lacks its past"),
        (verdict.bodies_missing, "vertices of peers without their body"),
        (verdict.parents_missing, "parents that are not in this log"),
        (len(verdict.forks), "authors who signed two vertices under one name, with proof"),
        (verdict.dropped, "lines whose oldest part was dropped once a gateway had it"),
        (facts["quarantined"], "damaged ranges, reported and set aside before"),
        (facts["torn_bytes"], "bytes of a torn end, which the agent cuts off when it starts"),
    ):
        if count:
            yield "note", f"{count} {said}"


def _reason(log: Log, fault: Fault, place: str) -> dict[str, object]:
    key = fault.key
    return {
        "in": place,
        "reason": fault.reason,
        "detail": fault.detail,
        "node": log.node_name(key.author) if key else None,
        "vertex": "/".join(map(str, key)) if key else None,
        "id": fault.id.hex() if fault.id else None,
    }


def _damage_reason(number: int, item: Damage) -> dict[str, object]:
    where = f"segment {number}, bytes {item.start} to {item.end}: not records"
    return {"in": "log", "reason": "damage", "detail": where, "node": None, "vertex": None, "id": None}


def _tips(log: Log, verdict: Verdict) -> list[dict[str, object]]:
    forked = {key.author: None for key in verdict.forks}
    return [
        {"node": log.node_name(tip.author), **tip._asdict(), "id": tip.id.hex(), "forked": tip.author in forked}
        for tip in verdict.frontier
    ]


def _gaps(found: Iterator[Record]) -> dict[tuple[int, int, int], None]:
    """The ranges that recovery has already reported."""
    gaps: dict[tuple[int, int, int], None] = {}
    for record in found:
        if record.type != GAP:
            continue
        try:
            fields = decode(record.payload, depth_max=1)
        except Malformed:
            continue
        if isinstance(fields, list) and len(fields) == 3:
            gaps[(fields[0], fields[1], fields[2])] = None
    return gaps


def _export(log: Log, args: Namespace, out: Output) -> int:
    """Every vertex once. COSE needs a signature on each: vertices covered by a later one are left out, and counted."""
    disk = log.disk()
    stream = open(args.output, "wb") if args.output else sys.stdout.buffer  # noqa: SIM115  (closed below)
    count = skipped = 0
    try:
        for header, signature, body in signed_vertices(records(disk)):
            if args.format == "json":
                document = vertex_json(log, header, signature, body)
                stream.write(json.dumps(document, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            elif signature is None:
                skipped += 1
                continue
            else:
                stream.write(join_sign1(header.suite, header.raw, signature))
            count += 1
        stream.flush()
    finally:
        disk.close()
        if args.output:
            stream.close()
    said = f"; {skipped} left out, whose signature stands on a later vertex of their chain" if skipped else ""
    if args.output and out.as_json:
        out.document({"vertices": count, "left_out": skipped, "file": args.output, "format": args.format})
    elif args.output:
        out.line(f"{count} vertices to {args.output}{said}")
    elif skipped:
        print(f"synedge: {count} vertices{said}", file=sys.stderr)
    return 0


def vertex_json(log: Log, header: Header, signature: bytes | None, body: bytes | None) -> dict[str, object]:
    """A view of a vertex for people and scripts; what is signed is `header` alone."""
    return {
        "id": header.id.hex(),
        "node": log.node_name(header.author),
        "author": header.author,
        "incarnation": header.incarnation,
        "seq": header.seq,
        "epoch": header.epoch,
        "prev": header.prev.hex() if header.prev else None,
        "parents": [{**parent._asdict(), "id": parent.id.hex()} for parent in header.parents],
        "time_ms": header.hlc >> 16,
        "items": [{"item": type(item).__name__.lower(), **_plain(item._asdict())} for item in header.items],
        "events": _events(header, body),
        "header": header.raw.hex(),
        "signature": signature.hex() if signature else None,
    }


def _events(header: Header, body: bytes | None) -> list[dict[str, object]] | None:
    """None when the body is not held, or is not the one that the header names."""
    if header.body is None:
        return []
    if body is None or check_body(header.body, body) is not None:
        return None
    return [event_json(event) for event in body_events(body)]


def _plain(fields: dict[str, object]) -> dict[str, object]:
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in fields.items()}
