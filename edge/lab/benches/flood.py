"""Somebody misbehaves while others work: how much later do the others' vertices arrive, and who pays?

Authors and a keeper, which hosts the broker, each a whole agent in a process of its own with its keys and log; another
process misbehaves in one way after another, with a phase of quiet before and after each. *Delay* is durable at the
author → accepted at the keeper, of everything that was recorded in a phase, also of what had to be repaired. The ratio
is to the quiet phases on both sides: the machine is shared with whatever else runs on it.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from typing import Any, NamedTuple

from edge.cli.options import add_example, at_least
from edge.cli.site import Site
from edge.errors import SynedgeError
from edge.lab.benches.mesh import KEEPER, lay_out_mesh
from edge.lab.benches.workers import Worker, Workers
from edge.lab.process import wait_until
from edge.lab.report import percentile

GREEDY = "greedy"
SETTLE_S = 30.0
"""For what was dropped in a phase to come home by repair."""
CALM_S = 0.5
WINDOW_MS = 20


class Kind(NamedTuple):
    """A way to misbehave, and how often a second at most."""

    name: str
    per_s: float
    said: str


KINDS = (
    Kind("greedy", 3000.0, "a member signs tiny vertices, as many as a core of its own can"),
    Kind("junk", 40_000.0, "an outsider says what is not a vertex or of nobody"),
    Kind("forged", 3000.0, "an outsider says vertices in the names of members"),
    Kind("frontiers", 1000.0, "an outsider says in the names of members that they hold what is not there"),
    Kind("requests", 1000.0, "an outsider asks for everything in the names of members"),
    Kind("slow", 200.0, "eight clients subscribe to everything and stop reading, while 12 MB a second are said"),
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--authors", type=at_least(2), default=4, metavar="N", help="agents that behave (4)")
    parser.add_argument(
        "--rate", type=at_least(1, whole=False), default=240.0, metavar="X", help="their events per second in all (240)"
    )
    parser.add_argument("--seconds", type=at_least(1, whole=False), default=6.0, metavar="S", help="of each phase (6)")
    parser.add_argument(
        "--loud-rate",
        type=at_least(1, whole=False),
        metavar="X",
        help="frames per second of whoever misbehaves; without it what is usual for its kind, up to all that go",
    )
    parser.add_argument(
        "--kind", choices=[kind.name for kind in KINDS], action="append", help="this kind only; may be repeated"
    )
    add_example(parser, "bench flood --json", "bench flood --kind greedy --kind junk --seconds 10")


def measure(args: Namespace) -> dict[str, Any]:
    """One run on a new site; figures for people and for docs/BENCHMARKS.md."""
    with Workers() as workers:
        names = [f"author-{number + 1}" for number in range(args.authors)]
        site = lay_out_mesh(workers.root, [*names, GREEDY], WINDOW_MS)
        return _Flood(args, workers, site, names).figures()


class Phase(NamedTuple):
    """What was seen while the authors recorded their events once."""

    delays_ms: list[float]
    lost: int
    said: int
    seconds: float
    counts: dict[str, int]
    grown: dict[str, float]
    """Of the keeper since before: memory, processor time, its broker's memory; and memory of the authors."""


class _Flood:
    """The processes of one run."""

    def __init__(self, args: Namespace, workers: Workers, site: Site, names: list[str]) -> None:
        self._args = args
        self._workers = workers
        root = workers.root
        self._accepted: dict[tuple[int, ...], int] = {}
        members = site.roster.by_name
        indices = [members[name].index for name in names]
        behaving = ",".join(map(str, indices))
        self._keeper = self._start([KEEPER], "flood_hosts", str(root), behaving, KEEPER)
        self._authors = [self._start([name], "flood_hosts", str(root), behaving, name) for name in names]
        told = {
            "site": site.roster.site.hex(),
            "epoch": site.roster.version,
            "suite": members[GREEDY].suite,
            "greedy": members[GREEDY].index,
            "keeper": members[KEEPER].index,
            "authors": indices,
            "key": str(root / GREEDY / "data" / "keys" / "node.seed"),
            "port": int(self._broker.rpartition(":")[2]),
        }
        self._rogue = self._start(["rogue"], "flood_rogue", json.dumps(told))

    def _start(self, names: list[str], module: str, *arguments: str) -> Worker:
        worker = self._workers.start(names, module, *arguments)
        told = worker.receive()
        if not told["linked"]:
            raise SynedgeError(f"{', '.join(names)}: no broker was found")
        if names == [KEEPER]:
            self._broker: str = told["broker"]
        return worker

    def figures(self) -> dict[str, Any]:
        """A row for each kind, from quiet to quiet."""
        wanted = [kind for kind in KINDS if not self._args.kind or kind.name in self._args.kind]
        rows = []
        self._phase(None)
        before = self._phase(None)
        for kind in wanted:
            loud = self._phase(kind)
            after = self._phase(None)
            rows.append(_row(kind, loud, before, after))
            before = after
        return {
            "authors": self._args.authors,
            "events_per_s": self._args.rate,
            "worst_p99_ratio": max(row["p99_ratio"] for row in rows),
            "lost_vertices": sum(row["lost"] for row in rows),
            "rows": rows,
        }

    def _phase(self, kind: Kind | None) -> Phase:
        """The load once, with or without somebody who misbehaves; then until all of it is home."""
        seconds = self._args.seconds
        per_s = 0.0 if kind is None else self._args.loud_rate or kind.per_s
        if kind is not None and kind.name == "slow":
            self._rogue.ask(op="listen", count=8)
        if kind is not None:
            self._rogue.ask(op="make", kind=kind.name, count=round(seconds * (per_s or 100_000)))
        counts = self._keeper.ask(op="counts")
        used = self._used()
        begun_s = time.monotonic()
        rate = self._args.rate / self._args.authors
        for number, author in enumerate(self._authors):
            phase = number / len(self._authors)
            author.send(op="load", events=round(rate * seconds), rate=rate, phase=phase)
        said = 0
        if kind is not None:
            said = self._rogue.ask(op="say", seconds=seconds, per_s=per_s)
        elapsed_s = time.monotonic() - begun_s
        rows = [row for author in self._authors for row in author.receive()["recorded"]]
        recorded = {tuple(key): at_ns for *key, at_ns in rows}
        if kind is not None and kind.name == "slow":
            self._rogue.ask(op="leave")
        accepted = self._gather(recorded)
        after = self._calm()
        grown = {name: value - used[name] for name, value in self._used().items()}
        return Phase(
            sorted((at_ns - recorded[key]) / 1e6 for key, at_ns in accepted.items()),
            len(recorded) - len(accepted),
            said,
            elapsed_s,
            {name: value - counts.get(name, 0) for name, value in after.items()},
            grown,
        )

    def _used(self) -> dict[str, float]:
        keeper: dict[str, float] = self._keeper.ask(op="usage")
        return {**keeper, "authors_mb": sum(author.ask(op="usage")["rss_mb"] for author in self._authors)}

    def _calm(self) -> dict[str, int]:
        """The keeper's counters, once it has seen to all that was said."""
        counts: dict[str, int] = self._keeper.ask(op="counts")
        deadline_s = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline_s:
            time.sleep(CALM_S)
            before, counts = counts, self._keeper.ask(op="counts")
            if not counts["inbox_frames"] and not counts["checking"] and counts["frames_in"] - before["frames_in"] < 20:
                break
        return counts

    def _gather(self, recorded: dict[tuple[int, ...], int]) -> dict[tuple[int, ...], int]:
        """When the keeper accepted each of these, at most SETTLE_S later."""

        def is_home() -> bool:
            for *key, at_ns in self._keeper.ask(op="take"):
                self._accepted[tuple(key)] = at_ns
            return all(key in self._accepted for key in recorded)

        wait_until(is_home, SETTLE_S)
        return {key: self._accepted[key] for key in recorded if key in self._accepted}


def _row(kind: Kind, loud: Phase, before: Phase, after: Phase) -> dict[str, Any]:
    quiet_ms = sorted(before.delays_ms + after.delays_ms)
    p99, quiet_p99 = percentile(loud.delays_ms, 0.99), percentile(quiet_ms, 0.99)
    assert p99 is not None and quiet_p99 is not None, "the authors have recorded something"
    counts = loud.counts
    refused = sum(value for name, value in counts.items() if name.startswith("refused_"))
    return {
        "kind": kind.name,
        "said_per_s": round(loud.said / loud.seconds),
        "p50_ms": percentile(loud.delays_ms, 0.5),
        "p99_ms": p99,
        "quiet_p50_ms": percentile(quiet_ms, 0.5),
        "quiet_p99_ms": quiet_p99,
        "p99_ratio": round(p99 / quiet_p99, 2),
        "lost": loud.lost,
        "keeper_cpu_s": round(loud.grown["cpu_s"], 2),
        "quiet_cpu_s": round((before.grown["cpu_s"] + after.grown["cpu_s"]) / 2, 2),
        "keeper_rss_growth_mb": round(loud.grown["rss_mb"], 1),
        "authors_rss_growth_mb": round(loud.grown["authors_mb"], 1),
        "broker_rss_growth_mb": round(loud.grown["broker_mb"], 1),
        "frames_in": counts["frames_in"],
        "verified": counts["signatures_verified"],
        "bad": counts["signatures_bad"],
        "dropped": sum(value for name, value in counts.items() if name.startswith(("dropped_", "inbox_dropped"))),
        "refused": refused,
        "gaps_refused": counts["gaps_refused"],
        "serve_refused": counts["serve_refused"],
    }
