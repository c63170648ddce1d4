"""Eight authors in two processes, one keeper in a third, one hosted broker: what the mesh carries, and how fast.

Every author is a whole agent with its own key, log, fdatasync and connection; the keeper verifies, admits and stores
what they say. Events are distinct and about a hundred bytes; afterwards the log of the keeper is read back, and every
one of them must be there under its (author, seq, index).
"""

from __future__ import annotations

import shutil
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from edge.cli.options import add_example, at_least
from edge.cli.place import NodeSettings, lay_out
from edge.cli.site import Site, init_site
from edge.dag.reader import read_log
from edge.dag.records import VERTEX
from edge.errors import SynedgeError
from edge.lab.benches.workers import Workers
from edge.lab.report import percentile
from edge.shell.disk import DirectoryDisk
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.suite import SUITE_BY_NAME
from edge.wire.vertex import Header, body_events, decode_header

SUITE = "ml-dsa-65"
KEEPER = "keeper"
CONFIG = """\
[node]
name = "{name}"
keep = "{keep}"
[mqtt]
interfaces = ["127.0.0.1"]
home_assistant = false
[broker]
host = "{host}"
[log]
commit_window_ms = {window}
max_mb = 4096
"""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--authors", type=at_least(1), default=8, metavar="N", help="agents that record (8)")
    parser.add_argument("--processes", type=at_least(1), default=2, metavar="N", help="processes they live in (2)")
    parser.add_argument(
        "--events", type=at_least(1), default=600_000, metavar="N", help="in all, without --rate (600000)"
    )
    parser.add_argument(
        "--rate",
        type=at_least(0.1, whole=False),
        metavar="X",
        help="events per second in all; without it as many as go",
    )
    parser.add_argument(
        "--seconds", type=at_least(0.1, whole=False), default=10.0, metavar="S", help="with --rate (10)"
    )
    parser.add_argument(
        "--sync-delay-ms",
        type=at_least(0, whole=False),
        default=0.0,
        metavar="MS",
        help="added to each fdatasync, as a slow card has (0)",
    )
    parser.add_argument("--commit-window-ms", type=at_least(1), default=20, metavar="MS", help="of every author (20)")
    add_example(parser, "bench mesh --json", "bench mesh --rate 240 --seconds 30")


def measure(args: Namespace) -> dict[str, Any]:
    """One run; figures for people and for docs/BENCHMARKS.md."""
    with Workers() as workers:
        names = [f"author-{number + 1}" for number in range(args.authors)]
        lay_out_mesh(workers.root, names, args.commit_window_ms)
        processes = min(args.processes, args.authors)
        for some in ([KEEPER], *(names[number::processes] for number in range(processes))):
            workers.start(some, "mesh_worker", str(workers.root), str(args.sync_delay_ms), *some)
        return _run(args, workers, names)


def lay_out_mesh(root: Path, names: list[str], window_ms: int) -> Site:
    """A keeper, which hosts the broker, and authors that keep their own; a directory each."""
    site, _ = init_site(
        root / "site", name="bench", suites=(SUITE_BY_NAME[SUITE].number,), now_ms=time.time_ns() // 1_000_000
    )
    for name in [KEEPER, *names]:
        place = lay_out(root / name, NodeSettings(name, suite=SUITE))
        now_ms = time.time_ns() // 1_000_000
        site.add(name, place.suite, place.public_key, roles=("device",), label="", now_ms=now_ms)
        is_keeper = name == KEEPER
        (root / name / "synedge.toml").write_text(
            CONFIG.format(
                name=name,
                keep="all" if is_keeper else "own",
                host="always" if is_keeper else "never",
                window=window_ms,
            )
        )
    for name in [KEEPER, *names]:
        shutil.copy(site.authority_file, root / name)
        shutil.copy(site.roster_file, root / name)
    return site


def _run(args: Namespace, workers: Workers, names: list[str]) -> dict[str, Any]:
    keeper, *authors = workers.all
    for worker in workers.all:
        if not worker.receive()["linked"]:
            raise SynedgeError(f"{', '.join(worker.names)}: no broker was found")
    if args.rate:
        each = round(args.rate * args.seconds / len(names))
        rate = args.rate / len(names)
    else:
        each, rate = args.events // len(names), 0.0
    begun_s = time.monotonic()
    for number, worker in enumerate(authors):
        worker.send(op="load", events=each, rate=rate, phase=number / len(authors))
    loads = [worker.receive() for worker in authors]
    vertices = sum(load["vertices"] for load in loads)
    keeper.ask(op="await", vertices=vertices, timeout_s=120)
    elapsed_s = time.monotonic() - begun_s
    recorded = [item for load in loads for item in load["recorded_at"]]
    kept = keeper.ask(op="report")
    usage = [worker.ask(op="usage") for worker in workers.all]
    for worker in workers.all:
        worker.end()
    latencies = latencies_of(recorded, kept["accepted_at"])
    found = _count_found(workers.root / KEEPER, names, each)
    total = each * len(names)
    return {
        "events": total,
        "events_found_in_keeper": found,
        "vertices": vertices,
        "seconds": round(elapsed_s, 2),
        "events_per_s": round(total / elapsed_s),
        "offered_per_s": args.rate,
        "latency_ms": {"p50": percentile(latencies, 0.5), "p99": percentile(latencies, 0.99), "n": len(latencies)},
        "signatures_bad": kept["signatures_bad"],
        "repair_requests": kept["requests_sent"],
        "shed_events": sum(load["shed_events"] for load in loads),
        "cpu_s": {
            "keeper": round(usage[0]["cpu_s"], 2),
            "authors": round(sum(use["cpu_s"] for use in usage[1:]), 2),
            "broker": round(usage[0]["children_cpu_s"], 2),
        },
        "rss_mb": {"keeper": usage[0]["rss_mb"], "authors": [use["rss_mb"] for use in usage[1:]]},
    }


def latencies_of(recorded: list[list[int]], accepted: list[list[int]]) -> list[float]:
    """Ascending, ms from durable at the author to accepted at the keeper, on the machine's one monotonic clock."""
    durable_ns = {tuple(key): at_ns for *key, at_ns in recorded}
    return sorted((at_ns - durable_ns[tuple(key)]) / 1e6 for *key, at_ns in accepted if tuple(key) in durable_ns)


def _count_found(keeper: Path, names: list[str], each: int) -> int:
    """Events of the authors in the keeper's log, each once under (author, seq, index) with the value it was given."""
    found: dict[tuple[int, int, int], tuple[int, float]] = {}
    disk = DirectoryDisk(keeper / "data" / "log", read_only=True)
    for _, record in read_log(disk):
        frame = decode_vertex(record.payload) if record.type == VERTEX else None
        header = decode_header(frame.header) if isinstance(frame, VertexFrame) else None
        if isinstance(header, Header) and isinstance(frame, VertexFrame) and frame.body is not None:
            for index, event in enumerate(body_events(frame.body)):
                found[header.author, header.seq, index] = (header.author, float(event.values[0]))
    disk.close()
    distinct = {value for value in found.values() if 0 <= value[1] < each}
    assert len(distinct) <= each * len(names)
    return len(distinct)
