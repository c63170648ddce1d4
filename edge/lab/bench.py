"""`synedge bench`: measures this machine through the code that ships. Figures are printed, never judged here."""

from __future__ import annotations

import os
import platform
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from importlib import import_module
from typing import Any

from edge import __version__
from edge.cli.output import Output
from edge.errors import UsageError

BENCHES = {
    "mesh": "events signed, gossiped, admitted and stored per second; latency at a fixed rate",
    "admit": "cost of an admitted vertex while the graph grows",
    "codec": "events and headers encoded and checked",
    "journal": "group commits and recovery",
}


def main(args: Namespace) -> int:
    """Run one benchmark, or all of them."""
    out = Output(as_json=args.json)
    if args.what is None and args.rest:
        raise UsageError(f"options {' '.join(args.rest)} belong to one benchmark; allowed: {', '.join(BENCHES)}")
    if args.what is not None and args.what not in BENCHES:
        raise UsageError(f"no benchmark {args.what!r}; allowed: {', '.join(BENCHES)}")
    answer: dict[str, Any] = {"machine": machine()}
    for name in [args.what] if args.what else BENCHES:
        module = import_module(f"edge.lab.benches.{name}")
        parser = ArgumentParser(f"synedge bench {name}", description=BENCHES[name], allow_abbrev=False)
        module.arguments(parser)
        measure: Callable[[Namespace], dict[str, Any]] = module.measure
        answer[name] = measure(parser.parse_args(args.rest))
    if out.as_json:
        out.document(answer)
    else:
        _show(out, answer)
    return 0


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
