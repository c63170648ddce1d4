"""`synedge cuts`: one run of a site that is cut while it agrees, from empty directories to a verdict.

Every node is a real process on a machine of its own, a network namespace with one cable; two of them host Mosquitto,
and all find each other by mDNS. Clients propose through the control sockets, which no cut touches. Nothing that a node
says is believed: the verdict is that of `edge.lab.cuts.history`, over answers of all nodes and their logs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from edge.cli.output import Output
from edge.consensus.committee import Committee
from edge.errors import UsageError
from edge.lab.cuts.clients import ANYONES, KEYS, VOTERS, Client, Crowd, Witness
from edge.lab.cuts.faults import Hands, plan
from edge.lab.cuts.history import Fault, History, chains, faults
from edge.lab.cuts.site import CutSite
from edge.lab.namespaces import MACHINES_MAX, Network, check
from edge.lab.process import wait_until
from edge.lab.report import tally

BEFORE_S = 2.0
"""Of load before the first fault."""
AFTER_S = 2.0
CONVERGE_S_MAX = 60.0
LAST_S_MAX = 30.0
"""In which a proposal is decided once everything has healed."""
CLIENTS = 6
WRONG_CLOCKS = 3
"""Nodes that have one of their own, of which the hosts of brokers are none."""
TOLD_MAX = 10


class Run:
    """One site and its history."""

    def __init__(self, args: Namespace, root: Path, network: Network) -> None:
        self._args = args
        rng = Random(args.seed)
        committee = Committee(args.committee, (args.committee - 1) // 3)
        self.site = CutSite(root, network, args.committee, args.devices)
        nodes = self.nodes = self.site.nodes
        hosts = self.site.hosts
        steps = plan(rng, args.seconds, args.committee, len(nodes), hosts, committee.absent)
        self._steps = [step for step in steps if not args.only or step.kind in args.only]
        if not self._steps:
            raise UsageError(
                f"--only {' '.join(args.only)}: seed {args.seed} plans none of these in {args.seconds:g} s"
            )
        others = rng.sample([at for at in range(len(nodes)) if at not in hosts], min(WRONG_CLOCKS, len(nodes) - 2))
        if any(step.kind == "clock" for step in self._steps):
            self.site.give_clocks(others)
        self.history = History()
        self._lock = threading.Lock()
        self._hands = Hands(self.site)
        self._clients = [self._client(number + 1, rng) for number in range(CLIENTS)]
        self._crowd = Crowd(self._clients, nodes, self._witness())
        self._healed_ns = 0
        self._equal_s: float | None = None
        self._waited_for: Counter[str] = Counter()
        """Why the end took its time, by looks."""

    def _witness(self) -> Witness:
        return Witness(self.history, self._lock)

    def _client(self, number: int, rng: Random) -> Client:
        """Of a device or a member, by turns: who does not vote may only propose terms of leases."""
        is_voters = number % 2 == 0
        choice = self.site.voters if is_voters else range(self.site.voters.stop, len(self.site.nodes))
        keys = VOTERS if is_voters else ANYONES
        return self._client_at(number, rng.choice(choice), keys, Random(rng.random()))

    def _client_at(self, number: int, machine: int, keys: Sequence[str], rng: Random) -> Client:
        node = self.site.nodes[machine]
        index = self.site.site.roster.by_name[node.name].index
        return Client(number, node, index, keys, rng, self._witness())

    def run(self) -> dict[str, Any]:
        self.site.start()
        try:
            self._crowd.start()
            time.sleep(BEFORE_S)
            try:
                self._hands.run(self._steps)
            finally:
                self._hands.heal()
                self._healed_ns = time.monotonic_ns()
            time.sleep(AFTER_S)
            self._crowd.stop()
            undecided = self._last()
            self._converge()
        finally:
            self._crowd.close()
        self._hands.look()
        exit_codes = self.site.stop()
        self.site.read(self.history)
        ended = [f"{name} ended with {code}" for name, code in exit_codes.items() if code != 0]
        return self._answer([*undecided, *self._hands.crashed, *ended])

    def close(self) -> None:
        self.site.close()

    def _last(self) -> list[str]:
        """A decision for each key now that everything has healed; what there is none for."""
        undecided: list[str] = []
        for number, key in enumerate(KEYS):
            at = number % len(self.site.voters) if key in VOTERS else len(self.site.nodes) - 1 - number
            client = self._client_at(CLIENTS + 1 + number, at, [key], Random(0))
            deadline_s = time.monotonic() + LAST_S_MAX
            while time.monotonic() < deadline_s:
                if client.propose(key, deadline_s - time.monotonic()).outcome == "final":
                    break
                time.sleep(0.2)
            else:
                undecided.append(f"{key}: nothing is decided {LAST_S_MAX:g} s after everything had healed")
        return undecided

    def _converge(self) -> None:
        """Wait until all show the same and nothing is open; what they show then, or in the end."""
        witness = self._witness()
        begun_ns = time.monotonic_ns()

        def is_one() -> bool:
            for node in self.site.nodes:
                found, status = witness.look(node), node.poll()
                if found is None or status is None or status["sets_open"]:
                    open_ = "does not answer" if status is None else f"has {status['sets_open']} open"
                    self._waited_for[f"{node.name} {open_}"] += 1
                    return False
                self.history.ends[node.name] = found
            first, *rest = self.history.ends.values()
            is_equal = all(one == first for one in rest)
            self._waited_for["nodes differ"] += not is_equal
            return is_equal

        if wait_until(is_one, CONVERGE_S_MAX, 0.1):
            self._equal_s = round((time.monotonic_ns() - begun_ns) / 1e9, 2)
        else:
            self.history.ends = {node.name: witness.look(node) or {} for node in self.site.nodes}

    # ---- what it comes to

    def _answer(self, failures: list[str]) -> dict[str, Any]:
        found = faults(self.history)
        decided_at = self._decided_at()
        rows = [self._row(row, decided_at) for row in self._hands.rows]
        first_ns, last_ns = self._hands.rows[0]["begin_ns"], self._healed_ns
        during = [at_ns for at_ns in decided_at if first_ns <= at_ns < last_ns]
        after = [at_ns for at_ns in decided_at if at_ns >= last_ns]
        return {
            "seed": self._args.seed,
            "committee": self._args.committee,
            "devices": self._args.devices,
            "seconds": self._args.seconds,
            "only": self._args.only,
            "proposals": tally(asked.outcome for asked in self.history.asked),
            "refusals": dict(sum((client.refusals for client in self._clients), Counter())),
            "decisions": len(decided_at),
            "decided_before": len(decided_at) - len(during) - len(after),
            "decided_during": len(during),
            "decided_after": len(after),
            "longest_without_s": _longest([first_ns, *during, *after]),
            "again_s": round((min(after) - last_ns) / 1e9, 2) if after else None,
            "equal_s": self._equal_s,
            "waited_for": dict(self._waited_for),
            "answers": len(self.history.shown),
            "certificates": len(self.history.kept),
            "votes": len(self.history.cast),
            "leases": len(self.history.held),
            "clocks": len(self.site.clocks),
            "failures": [*failures, *self._failures(found)],
            "rows": rows,
        }

    def _decided_at(self) -> list[int]:
        """For each final of each key, when anybody was first seen to know it, ascending."""
        first: dict[tuple[str, int], int] = {}
        for shown in self.history.shown:
            if shown.version:
                place = (shown.key, shown.version)
                first[place] = min(first.get(place, shown.ended_ns), shown.ended_ns)
        return sorted(first.values())

    def _row(self, row: dict[str, Any], decided_at: list[int]) -> dict[str, Any]:
        begin_ns, end_ns = row["begin_ns"], row["end_ns"] or self._healed_ns
        return {
            "begin_s": round((begin_ns - self._hands.rows[0]["begin_ns"]) / 1e9, 1),
            "seconds": round((end_ns - begin_ns) / 1e9, 1),
            "kind": row["kind"],
            "decided": sum(begin_ns <= at_ns < end_ns for at_ns in decided_at),
            "nodes": " ".join(row["nodes"]) + (f" by {row['skew_s']} s" if "skew_s" in row else ""),
        }

    def _failures(self, found: list[Fault]) -> list[str]:
        said = [f"{fault.kind} {fault.key}: {fault.text}" for fault in found[:TOLD_MAX]]
        if len(found) > TOLD_MAX:
            said.append(f"and {len(found) - TOLD_MAX} more of the history")
        if self._equal_s is None:
            said.append(f"nodes differ, or wait for a decision, {CONVERGE_S_MAX:g} s after the last proposal")
        if not chains(self.history):
            said.append("nothing was decided")
        return said


def _longest(times_ns: list[int]) -> float:
    """The longest time between two of these, in seconds."""
    return round(max((late - early for early, late in pairwise(times_ns)), default=0) / 1e9, 2)


@contextmanager
def stage(args: Namespace) -> Iterator[Run]:
    """One run on a new site, of which nothing is left afterwards but what `--keep` says."""
    nodes = args.committee + args.devices
    if nodes > MACHINES_MAX:
        raise UsageError(f"--committee {args.committee} --devices {args.devices}; allowed: {MACHINES_MAX} in all")
    check()
    root = Path(args.keep).absolute() if args.keep else Path(tempfile.mkdtemp(prefix="synedge-cuts-"))
    if args.keep and root.exists() and any(root.iterdir()):
        raise UsageError(f"--keep {root}: is not empty")
    root.mkdir(parents=True, exist_ok=True)
    network = Network(nodes)
    run: Run | None = None
    try:
        run = Run(args, root, network)
        yield run
    finally:
        if run is not None:
            run.close()
        network.close()
        if not args.keep:
            shutil.rmtree(root, ignore_errors=True)


def main(args: Namespace, out: Output) -> int:
    """The verdict, as JSON or for people; the exit code."""
    with stage(args) as run:
        answer = run.run()
    if out.as_json:
        out.document(answer)
    else:
        rows = answer["rows"]
        out.table(list(rows[0]), [list(row.values()) for row in rows])
        out.pairs((key, value) for key, value in answer.items() if key not in ("rows", "failures"))
    for failure in answer["failures"]:
        print(f"cuts: {failure}", file=sys.stderr)
    return 1 if answer["failures"] else 0
