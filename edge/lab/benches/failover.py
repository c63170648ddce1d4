"""The host of a broker gets a SIGKILL under load: when everyone hears everyone again, and what is lost.

The site of the demo, real processes that found each other by mDNS. *Again* is the time from the kill to the moment at
which every survivor had accepted, from each other survivor, a vertex recorded after the kill; the wait for the next
vertex is in it. *Delay* is durable → accepted at a survivor, of all that survivors recorded from a second before the
kill to ten seconds after it. The killed are started again, and nothing recorded may be lost in the end.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.cli.options import add_example, at_least
from edge.cli.output import Output
from edge.errors import SynedgeError
from edge.lab.chaos import preferred_host
from edge.lab.demo import Demo
from edge.lab.layout import GATEWAY
from edge.lab.process import Device
from edge.lab.report import percentile

BEFORE_NS = 1_000_000_000
AFTER_NS = 10_000_000_000
KILL_SHARE = 0.3
"""Of the load, before the kill."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--nodes", type=at_least(3), default=6, metavar="N", help="devices beside the gateway (6)")
    parser.add_argument("--seconds", type=at_least(10), default=12, metavar="S", help="of load in each run (12)")
    parser.add_argument("--runs", type=at_least(1), default=3, metavar="N", help="how often (3)")
    parser.add_argument("--both", action="store_true", help="kill the hosts of both brokers at once")
    add_example(parser, "bench failover", "bench failover --both --runs 1 --json")


def measure(args: Namespace) -> dict[str, Any]:
    """Each run on a new site; figures for people and for docs/BENCHMARKS.md."""
    rows = [_run(args) for _ in range(args.runs)]
    again = sorted(row["again_ms"] for row in rows)
    return {
        "killed": "both hosts" if args.both else "the preferred host",
        "nodes": args.nodes + 1,
        "again_ms": {"p50": percentile(again, 0.5), "max": again[-1]},
        "lost_events": sum(row["lost_events"] for row in rows),
        "rows": rows,
    }


def _run(args: Namespace) -> dict[str, Any]:
    root = Path(tempfile.mkdtemp(prefix="synedge-bench-"))
    settings = Namespace(nodes=args.nodes, seconds=args.seconds, replay_speed=None, chaos=False)
    try:
        site = _Failover(settings, root, Output(as_json=True), both=args.both)
        answer = site.run()
        figures = site.figures()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    # Who was away for half of a short run may write fewer vertices than the demo asks of it.
    faults = [failure for failure in answer["failures"] if "vertices with parents" not in failure]
    told = {"events": answer["recorded_events"], "lost_events": answer["lost_events"], "faults": "; ".join(faults)}
    return {**figures, **told}


class _Failover(Demo):
    """The demo with another plan."""

    def __init__(self, args: Namespace, root: Path, out: Output, *, both: bool) -> None:
        super().__init__(args, root, out)
        self._both = both
        self._killed_ns = 0

    def _plan(self) -> list[tuple[float, Callable[[], None]]]:
        at_s = KILL_SHARE * self.load_s
        return [(at_s, self._kill), (at_s + AFTER_NS / 2e9, self._restart)]

    def _kill(self) -> None:
        victims: list[Device] = []
        for _ in range(2 if self._both else 1):
            left = [device for device in self._expected() if device not in victims and device.poll() is not None]
            victim = preferred_host(left)
            if victim is None:
                raise SynedgeError("fewer hosts than were to be killed")
            victims.append(victim)
        self._killed_ns = time.monotonic_ns()
        for victim in victims:
            self.chaos.kill_with_broker(victim)

    def _restart(self) -> None:
        for kill in self.chaos.kills:
            self.devices[kill["name"]].start()

    def figures(self) -> dict[str, Any]:
        """What the traces of the survivors say."""
        victims = [kill["name"] for kill in self.chaos.kills]
        authors = {self.site.roster.by_name[name].index: name for name in self.devices if name not in victims}
        names = list(authors.values())
        first = {(name, other): float("inf") for name in names for other in names if name != other}
        delays: list[float] = []
        for (key, receiver), accepted_ns in self.accepted_at.items():
            author = authors.get(key[0])
            recorded_ns = self.recorded_at.get(key, 0)
            if author is None or (author, receiver) not in first:
                continue
            if self._killed_ns - BEFORE_NS <= recorded_ns < self._killed_ns + AFTER_NS:
                delays.append((accepted_ns - recorded_ns) / 1e6)
            if recorded_ns >= self._killed_ns:
                first[author, receiver] = min(first[author, receiver], (accepted_ns - self._killed_ns) / 1e6)
        delays.sort()
        again_ms = max(ms for (author, _), ms in first.items() if author != GATEWAY)  # it speaks when it acknowledges
        if again_ms == float("inf"):
            raise SynedgeError("somebody was never heard again, or no trace of it was seen")
        return {
            "again_ms": round(again_ms, 1),
            "delay_ms_p50": percentile(delays, 0.5),
            "delay_ms_max": percentile(delays, 1.0),
            "vertices": len(delays),
            "broker_gone_ms": max(kill["broker"]["gone_ms"] for kill in self.chaos.kills),
        }
