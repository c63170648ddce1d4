"""A keeper that was away comes back: what it costs to bring it what it lacks, and how long.

Two processes, each a whole agent with its log, and the Mosquitto that one of them hosts. Both hold the log of a large
site, made beforehand with valid signatures; one lacks the end of some authors' chains. Time runs from the moment at
which its link is up to the last missing vertex accepted. Bytes are those of its client socket as the kernel counts
them, and of the MQTT packets in them by channel.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from edge.cli.options import add_example, at_least
from edge.errors import SynedgeError, UsageError
from edge.lab.benches.catchup_site import HOLDER, LATE, Missing, lay_out_site
from edge.lab.benches.workers import Worker, Workers

TIMEOUT_S = 120.0
NEGOTIATION = ("f in", "rq out")
"""What the late one has to hear and to say before anybody knows what it lacks."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--held", type=at_least(2), default=100_000, metavar="N", help="vertices that are there (100000)"
    )
    parser.add_argument("--missing", type=at_least(1), default=10_000, metavar="N", help="of these, not here (10000)")
    parser.add_argument("--authors", type=at_least(1), default=1_000, metavar="N", help="of all vertices (1000)")
    parser.add_argument("--behind", type=at_least(1), default=200, metavar="N", help="authors of the missing (200)")
    parser.add_argument("--events", type=at_least(1), default=4, metavar="N", help="of 100 bytes in a vertex (4)")
    parser.add_argument(
        "--parents", type=at_least(0), default=0, metavar="N", help="each vertex names; leaves name none (0)"
    )
    add_example(parser, "bench catchup --json", "bench catchup --parents 2", "bench catchup --held 1000 --missing 100")


def measure(args: Namespace) -> dict[str, Any]:
    """One run on a new site; figures for people and for docs/BENCHMARKS.md."""
    _check(args)
    with Workers() as workers:
        return _run(workers, lay_out_site(workers.root, args))


def _check(args: Namespace) -> None:
    each, more = args.held // args.authors, args.missing // args.behind
    if args.held % args.authors or args.missing % args.behind or args.behind > args.authors or more > each:
        raise UsageError("allowed: --held a multiple of --authors, --missing of --behind, and no author lacks more")


def _run(workers: Workers, missing: Missing) -> dict[str, Any]:
    holder = _start(HOLDER, workers)
    before = holder.ask(op="usage")
    late = _start(LATE, workers)
    told = late.ask(op="await", vertices=before["vertices"], timeout_s=TIMEOUT_S)
    after = holder.ask(op="usage")
    frames: dict[str, int] = told["bytes"]
    # The roster is told to whoever comes, whether or not it lacks a vertex.
    total = sum(told["socket_bytes"]) - sum(size for key, size in frames.items() if key.startswith("r "))
    return {
        "held": told["held"],
        "missing": missing.vertices,
        "authors": missing.authors,
        "fetched": told["accepted"],
        "rounds": told["rounds"],
        "requests": told["requests"],
        "negotiation_bytes": sum(frames.get(key, 0) for key in NEGOTIATION),
        "bytes_total": total,
        "bytes_ideal": missing.bytes_ideal,
        "ratio": round(total / missing.bytes_ideal, 3),
        "seconds": round(told["seconds"], 2),
        "cpu_s": {
            "late": told["cpu_s"],
            "holder": round(after["cpu_s"] - before["cpu_s"], 2),
            "broker": round(after["broker_cpu_s"] - before["broker_cpu_s"], 2),
        },
        "bytes_by_channel": told["bytes"],
        "packets_by_channel": told["packets"],
        "socket_bytes": told["socket_bytes"],
        "dropped": {key: count for key, count in told["counts"].items() if key.startswith(("dropped", "inbox_drop"))},
        "refused": {key: count for key, count in told["counts"].items() if key.startswith("refused")},
        "signatures": {key: told["counts"].get(key, 0) for key in ("signatures_verified", "signatures_bad")},
    }


def _start(name: str, workers: Workers) -> Worker:
    worker = workers.start([name], "catchup_worker", str(workers.root / name))
    if not worker.receive()["linked"]:
        raise SynedgeError(f"{name}: no broker was found")
    return worker
