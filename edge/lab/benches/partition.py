"""A site falls into two halves that each go on recording, and becomes whole again: how soon everyone holds everything.

Every keeper is a real process on a machine of its own, a network namespace with one cable. The cables of one half are
moved to another switch, where its members elect brokers of their own. *Equal* is the time from the moment at which the
cables are back to that at which the last keeper had accepted the last vertex it lacked. Bytes are those of all client
sockets in that time as the kernel counts them; *lacking* is what had to arrive: headers and bodies that each keeper
lacked, and one signature for each author. Needs root and iproute2.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.cli.options import add_example, at_least
from edge.cli.site import Site
from edge.errors import SynedgeError, UsageError
from edge.lab.benches.partition_site import SIGNATURE_BYTES, Audit, Frontier, Keeper, audit, lay_out_keepers
from edge.lab.namespaces import MACHINES_MAX, Network, check
from edge.lab.process import cpu_s, wait_until
from edge.lab.progress import Bar

START_S_MAX = 120.0
SETTLE_S_MAX = 60.0
EQUAL_S_MAX = 120.0
STOP_S = 10.0
LOOK_S = 0.05
COUNTED = ("socket_bytes_in", "socket_bytes_out", "requests_sent", "requests_timed_out", "serve_refused")


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--nodes", type=at_least(4), default=20, metavar="N", help="keepers, of both halves (20)")
    parser.add_argument(
        "--seconds", type=at_least(1, whole=False), default=60.0, metavar="S", help="that the halves are apart (60)"
    )
    parser.add_argument(
        "--events", type=at_least(1), default=10_000, metavar="N", help="recorded meanwhile, in all (10000)"
    )
    parser.add_argument(
        "--commit-window-ms", type=at_least(1), default=1_000, metavar="MS", help="of every keeper (1000)"
    )
    add_example(parser, "bench partition --json", "bench partition --nodes 6 --seconds 10 --events 600")


def measure(args: Namespace) -> dict[str, Any]:
    """One run on a new site; figures for people and for docs/BENCHMARKS.md."""
    if args.nodes > MACHINES_MAX:
        raise UsageError(f"--nodes {args.nodes}; allowed: 4 to {MACHINES_MAX}")
    check()
    root = Path(tempfile.mkdtemp(prefix="synedge-bench-"))
    network = Network(args.nodes)
    run: _Partition | None = None
    try:
        run = _Partition(args, root, network)
        return run.run()
    finally:
        if run is not None:
            run.close()
        network.close()
        shutil.rmtree(root, ignore_errors=True)


class _Partition:
    """One run, from empty directories to figures."""

    def __init__(self, args: Namespace, root: Path, network: Network) -> None:
        self._args = args
        self._network = network
        self._site: Site
        self._site, self._keepers = lay_out_keepers(root, network, args.commit_window_ms)
        half = args.nodes // 2
        self._halves = (self._keepers[:half], self._keepers[half:])
        self._moved = range(half, args.nodes)
        self._bar = Bar(round(args.seconds), as_json=getattr(args, "json", False))

    def run(self) -> dict[str, Any]:
        self._start()
        at_cut = self._agree(self._keepers)
        before = [_hosts(half) for half in self._halves]
        self._network.move(*self._moved)
        self._load()
        apart = self._settle()
        told = {"brokers_before_the_cut": before, "brokers_while_apart": [_hosts(half) for half in self._halves]}
        measured, at_end = self._heal(apart)
        self._stop()
        span = {line[0]: (_seq_of(at_cut, line[0]), line[2]) for line in at_end}
        return self._figures(told, measured, audit(self._site, self._keepers, span))

    def close(self) -> None:
        for keeper in self._keepers:
            keeper.close()

    # ---- the run

    def _start(self) -> None:
        for keeper in self._keepers:
            keeper.start()
        if not wait_until(lambda: _is_one(self._keepers), START_S_MAX, 0.5):
            raise SynedgeError(f"the site does not come together:\n{self._keepers[0].last_words()}")
        for keeper in self._keepers:
            keeper.sense(0)

    def _agree(self, keepers: Sequence[Keeper]) -> Frontier:
        """Wait until these hold each other's lines, and all the same; what they hold."""

        def is_equal() -> bool:
            first, *rest = (keeper.frontier() for keeper in keepers)
            return len(first) >= len(keepers) and rest.count(first) == len(rest)

        if not wait_until(is_equal, SETTLE_S_MAX, 0.5):
            raise SynedgeError(f"{keepers[0].name} and those at its switch do not come to hold the same")
        return keepers[0].frontier()

    def _load(self) -> None:
        """Every keeper in turn, at an even pace."""
        begun_s = time.monotonic()
        for number in range(self._args.events):
            due_s = begun_s + self._args.seconds * number / self._args.events
            time.sleep(max(0.0, due_s - time.monotonic()))
            self._keepers[number % len(self._keepers)].sense(number + 1)
            self._bar.show(round(due_s - begun_s), f"s apart, {number + 1} events")
        time.sleep(max(0.0, begun_s + self._args.seconds - time.monotonic()))
        self._bar.clear()

    def _settle(self) -> list[Frontier]:
        """Wait until all is recorded, and each half holds what it recorded."""
        wanted: int = self._args.events + len(self._keepers)

        def is_recorded() -> bool:
            return sum(keeper.counts().get("recorded_events", 0) for keeper in self._keepers) >= wanted

        if not wait_until(is_recorded, SETTLE_S_MAX, 0.5):
            raise SynedgeError("not all that was sensed was recorded")
        apart = [self._agree(half) for half in self._halves]
        own = [{line[0]: line for line in frontier} for frontier in apart]
        if any(own[0][author] == own[1][author] for author in own[0]):
            raise SynedgeError("the halves were not apart")
        return apart

    def _heal(self, apart: list[Frontier]) -> tuple[dict[str, Any], Frontier]:
        whole = _union(apart)
        counts = [keeper.counts() for keeper in self._keepers]
        spent = _cpu_s(self._keepers)
        load = round(os.getloadavg()[0], 2)
        self._network.move_back(*self._moved)
        healed_ns = time.monotonic_ns()
        for keeper in self._keepers:
            if not wait_until(lambda one=keeper: one.frontier() == whole, EQUAL_S_MAX, LOOK_S):
                raise SynedgeError(f"{keeper.name} does not hold everything {EQUAL_S_MAX:.0f} s after the healing")
        seen_s = (time.monotonic_ns() - healed_ns) / 1e9
        rows = [
            _row(keeper, before, healed_ns, self._lacking(keeper))
            for keeper, before in zip(self._keepers, counts, strict=True)
        ]
        used = _cpu_s(self._keepers)
        measured = {
            "load": load,
            "equal_s": max(row["equal_s"] for row in rows),
            "seen_equal_s": round(seen_s, 2),
            "first_s": min(row["first_s"] for row in rows),
            "agents_cpu_s": round(used - spent, 2),
            "rows": rows,
        }
        return measured, whole

    def _lacking(self, keeper: Keeper) -> frozenset[int]:
        """The authors at the other switch, all of whose vertices it lacked."""
        other = self._halves[0] if keeper in self._halves[1] else self._halves[1]
        known = self._site.roster.by_name
        return frozenset(known[one.name].index for one in other)

    def _stop(self) -> None:
        for keeper in self._keepers:
            keeper.terminate()
        for keeper in self._keepers:
            keeper.wait(STOP_S)

    # ---- what it comes to

    def _figures(self, told: dict[str, Any], measured: dict[str, Any], found: Audit) -> dict[str, Any]:
        rows: list[dict[str, Any]] = measured.pop("rows")
        unique = sum(found.bytes_by_author.values()) + SIGNATURE_BYTES * len(found.bytes_by_author)
        lacking = 0
        for keeper in self._keepers:
            for author in self._lacking(keeper):
                lacking += found.bytes_by_author[author] + SIGNATURE_BYTES
        received = sum(row["bytes_in"] for row in rows)
        return {
            "nodes": len(self._keepers),
            "seconds_apart": self._args.seconds,
            "events": self._args.events,
            "vertices": found.vertices,
            **told,
            **measured,
            "recorded_events": found.recorded_events,
            "lost_events": found.lost_events,
            "forks": found.forks,
            "faults": found.faults,
            "unique_bytes": unique,
            "lacking_bytes": lacking,
            "bytes_in": received,
            "bytes_out": sum(row["bytes_out"] for row in rows),
            "ratio_in": round(received / lacking, 3),
            "rows": rows,
        }


def _seq_of(frontier: Frontier, author: int) -> int:
    return max((line[2] for line in frontier if line[0] == author), default=0)


def _union(apart: list[Frontier]) -> Frontier:
    """What everyone holds when everything has come: of each author the longer line."""
    best: dict[tuple[int, int], tuple[int, int, int, str]] = {}
    for line in sorted(line for frontier in apart for line in frontier):
        best[line[:2]] = line
    return sorted(best.values())


def _is_one(keepers: Sequence[Keeper]) -> bool:
    """Whether all of them are at the same two brokers."""
    brokers = [keeper.brokers() for keeper in keepers]
    return len(brokers[0]) == 2 and all(one == brokers[0] for one in brokers)


def _hosts(keepers: Sequence[Keeper]) -> int:
    return sum(bool((keeper.poll() or {"mqtt": {"hosting": False}})["mqtt"]["hosting"]) for keeper in keepers)


def _cpu_s(keepers: Sequence[Keeper]) -> float:
    """Processor seconds so far of all agents, without their brokers."""
    return sum(cpu_s(keeper.pid) for keeper in keepers)


def _row(keeper: Keeper, before: dict[str, int], healed_ns: int, lacked: frozenset[int]) -> dict[str, Any]:
    """What a keeper's trace and counters say of the time since the healing."""
    trace = keeper.ask("trace")["accepted"]
    times = [(at_ns - healed_ns) / 1e9 for author, *_, at_ns in trace if author in lacked and at_ns > healed_ns]
    if not times:
        raise SynedgeError(f"{keeper.name} accepted nothing from the other half after the healing")
    after = keeper.counts()
    grown = {name: after[name] - before[name] for name in COUNTED}
    return {
        "node": keeper.name,
        "first_s": round(min(times), 2),
        "equal_s": round(max(times), 2),
        "bytes_in": grown["socket_bytes_in"],
        "bytes_out": grown["socket_bytes_out"],
        "requests": grown["requests_sent"],
        "unanswered": grown["requests_timed_out"],
        "refused": grown["serve_refused"],
    }
