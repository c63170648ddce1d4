"""`synedge bench`: measures this machine through the code that ships. Figures are printed, never judged here."""

from __future__ import annotations

import os
import platform
from argparse import ArgumentParser, Namespace
from importlib import import_module
from typing import Any, Protocol, cast

from edge import __version__
from edge.cli.output import Output
from edge.errors import UnavailableError

BENCHES = {
    "nn": "micro-networks by our kernels and by their peers, the same ones side by side",
    "mesh": "events signed, gossiped, admitted and stored per second; latency at a fixed rate",
    "admit": "cost of an admitted vertex while the graph grows",
    "codec": "events and headers encoded and checked",
    "train": "an epoch of training beside libfann, and what training reaches",
    "streams": "detectors of anomalies and drift beside river's, on the same streams",
    "device": "this board: networks, signatures, log and memory of one device; for the table of boards",
    "log": "group commits, recovery of a full log, making room in it, bytes written in a day",
    "finality": "how long it takes until a proposal is final, in a committee of real processes",
    "failover": "the host of a broker is killed: how soon everyone hears everyone again",
    "catchup": "a keeper that was away gets what it lacks: bytes, rounds, seconds",
    "partition": "a site in two halves becomes whole again: how soon all keepers hold the same, and its bytes",
    "flood": "somebody floods, forges or does not read: how much later the vertices of others arrive",
    "soak": "a site under steady load for long: memory, descriptors and threads over time",
}


class Benchmark(Protocol):
    """A module of `edge.lab.benches`."""

    def arguments(self, parser: ArgumentParser) -> None: ...

    def measure(self, args: Namespace) -> dict[str, Any]: ...


def benchmark(name: str) -> Benchmark:
    """Import one; a name of BENCHES."""
    return cast(Benchmark, import_module(f"edge.lab.benches.{name}"))


def main(args: Namespace, out: Output) -> int:
    """Run the benchmark `args.what` with its options, or all of them with their defaults."""
    answer: dict[str, Any] = {"machine": machine()}
    for name in [args.what] if args.what else BENCHES:
        try:
            answer[name] = benchmark(name).measure(args if args.what else _defaults(name))
        except UnavailableError as error:
            if args.what:
                raise
            answer[name] = {"unavailable": str(error)}  # the others can still be measured
    if out.as_json:
        out.document(answer)
    else:
        _show(out, answer)
    return 0


def _defaults(name: str) -> Namespace:
    parser = ArgumentParser()
    benchmark(name).arguments(parser)
    return parser.parse_args([])


def machine() -> dict[str, Any]:
    """What the figures are of."""
    return {
        "synedge": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    except OSError:
        return "unknown"


def _show(out: Output, answer: dict[str, Any]) -> None:
    for name, figures in answer.items():
        out.line(out.paint(name, "bold"))
        rows = [row for row in figures.get("rows", []) if isinstance(row, dict)]
        out.pairs((key, value) for key, value in figures.items() if key != "rows")
        if rows:
            out.table(list(rows[0]), [list(row.values()) for row in rows])
        out.line()
