"""What goes wrong, when and to whom: a plan from a seed, and the hands that carry it out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from edge.lab.cuts.site import CutSite

NETWORK = ("cut", "one-way", "freeze")
PROCESSES = ("kill", "kill-many")
CLOCKS = ("clock",)
LAST_S = (2.5, 6.0)
"""How long one fault is there, least and most."""
PAUSE_S = (1.0, 5.0)
"""Between two of one group: now and then there is time to decide something."""
SKEWS_S = (-86_400 * 365, -3_600, -30, 30, 3_600, 86_400 * 30)


class Step(NamedTuple):
    """One fault: `machines` are cut off, muted, killed or have another clock; of `freeze` they host the broker."""

    begin_s: float
    end_s: float
    kind: str
    machines: tuple[int, ...]
    skew_s: int = 0


def plan(rng: Random, seconds: float, voters: int, nodes: int, hosts: tuple[int, int], absent: int) -> list[Step]:
    """Three groups of faults at the same time, each one after the other, and in each every kind before any again.

    A cut takes the second host and so many members along that sometimes neither half can decide. Of members no more
    are killed at once than may be away, but for `kill-many`; some start again under a clock that is wrong.
    """
    network = _network(rng, seconds, voters, nodes, hosts)
    clocks = (
        Step(begin_s, end_s, kind, (), rng.choice(SKEWS_S)) for begin_s, end_s, kind in _spans(rng, seconds, CLOCKS)
    )
    return sorted([*network, *_processes(rng, seconds, voters, absent), *clocks])


def _spans(rng: Random, seconds: float, kinds: tuple[str, ...]) -> Iterator[tuple[float, float, str]]:
    now_s, order = rng.uniform(0, 1), list[str]()
    while now_s < seconds - LAST_S[0]:
        if not order:
            order = rng.sample(kinds, len(kinds))
        end_s = min(seconds, now_s + rng.uniform(*LAST_S))
        yield round(now_s, 2), round(end_s, 2), order.pop()
        now_s = end_s + rng.uniform(*PAUSE_S)


def _network(rng: Random, seconds: float, voters: int, nodes: int, hosts: tuple[int, int]) -> Iterator[Step]:
    for begin_s, end_s, kind in _spans(rng, seconds, NETWORK):
        if kind == "freeze":
            yield Step(begin_s, end_s, kind, (rng.choice(hosts),))
            continue
        few = rng.sample(range(voters), rng.randint(1, voters // 2))
        others = [at for at in range(voters, nodes) if at not in hosts]
        half = rng.sample(others, len(others) // 2)
        yield Step(begin_s, end_s, kind, tuple(sorted([*few, *half, hosts[1]])))


def _processes(rng: Random, seconds: float, voters: int, absent: int) -> Iterator[Step]:
    for begin_s, end_s, kind in _spans(rng, seconds, PROCESSES):
        least, most = (absent + 1, voters) if kind == "kill-many" else (1, max(1, absent))
        victims = rng.sample(range(voters), rng.randint(least, most))
        yield Step(begin_s, end_s, kind, tuple(sorted(victims)))


class Hands:
    """Carries a plan out. Whatever happens, `heal` undoes all of it."""

    def __init__(self, site: CutSite) -> None:
        self._site = site
        self._frozen: dict[int, int] = {}
        """Process ids of brokers that are stopped, by machine."""
        self._down: list[int] = []
        """Machines whose process was killed and has not been started again."""
        self.rows: list[dict[str, Any]] = []
        self.crashed: list[str] = []
        """Whose process ended by itself."""

    def run(self, steps: list[Step]) -> None:
        """From now on by the clock."""
        begun_s = time.monotonic()
        acts = [(step.begin_s, 1, step) for step in steps] + [(step.end_s, 0, step) for step in steps]
        for at_s, is_begin, step in sorted(acts):
            time.sleep(max(0.0, begun_s + at_s - time.monotonic()))
            if is_begin:
                self._begin(step)
            else:
                self._end(step)

    def heal(self) -> None:
        site = self._site
        for machine in list(self._frozen):
            self._thaw(machine)
        site.network.mend(*range(len(site.nodes)))
        for clock in site.clocks.values():
            clock.skew(0)
        self.look()
        for machine in self._down:
            site.nodes[machine].start()
        self._down.clear()

    def look(self) -> None:
        """Note who is not there although nobody killed it, and start it again."""
        for machine, node in enumerate(self._site.nodes):
            if not node.is_running and machine not in self._down:
                self.crashed.append(f"{node.name} ended by itself: {node.last_words(1)}")
                node.start()

    def _begin(self, step: Step) -> None:
        self.look()
        site, row = self._site, {"kind": step.kind, "begin_ns": time.monotonic_ns(), "end_ns": 0}
        row["nodes"] = [site.nodes[machine].name for machine in step.machines]
        rest = [at for at in range(len(site.nodes)) if at not in step.machines]
        match step.kind:
            case "cut":
                site.network.move(*step.machines)
            case "one-way":
                site.network.mute_towards(step.machines, rest)
            case "freeze":
                row["nodes"] = [site.nodes[machine].name for machine in step.machines if self._freeze(machine)]
            case "clock":
                for number, clock in enumerate(site.clocks.values()):
                    clock.skew(-step.skew_s if number % 2 else step.skew_s)
                row |= {"nodes": [site.nodes[at].name for at in site.clocks], "skew_s": step.skew_s}
            case _:
                self._down += step.machines
                for machine in step.machines:
                    site.nodes[machine].kill()
        self.rows.append(row)

    def _end(self, step: Step) -> None:
        site = self._site
        rest = [at for at in range(len(site.nodes)) if at not in step.machines]
        match step.kind:
            case "cut":
                site.network.move_back(*step.machines)
            case "one-way":
                site.network.unmute(step.machines, rest)
            case "freeze":
                for machine in step.machines:
                    self._thaw(machine)
            case "clock":
                for clock in site.clocks.values():
                    clock.skew(0)
            case _:
                for machine in step.machines:
                    site.nodes[machine].start()
                    self._down.remove(machine)
        row = next(row for row in self.rows if row["kind"] == step.kind and not row["end_ns"])
        row["end_ns"] = time.monotonic_ns()

    def _freeze(self, machine: int) -> bool:
        """SIGSTOP to the broker of a node; False if it hosts none now."""
        node = self._site.nodes[machine]
        pid = ((node.poll() or {}).get("mqtt") or {}).get("hosted_pid")
        if not pid or _parent(pid) != node.pid:
            return False
        os.kill(pid, signal.SIGSTOP)
        self._frozen[machine] = pid
        return True

    def _thaw(self, machine: int) -> None:
        pid = self._frozen.pop(machine, 0)
        if pid and _parent(pid) == self._site.nodes[machine].pid:
            os.kill(pid, signal.SIGCONT)


def _parent(pid: int) -> int:
    """The process that started it; 0 if it is gone (proc(5), stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0
    return int(fields[1])
