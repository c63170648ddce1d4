"""`synedge demo`: a whole site of real processes on this machine, real recordings, and an audit of what they wrote."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.cli.output import Output
from edge.errors import UsageError
from edge.lab import report, verdict, watch
from edge.lab.chaos import Chaos
from edge.lab.layout import GATEWAY, LATE, Seat, give_senses, lay_out_site, recording_s
from edge.lab.stage import POLL_S, START_S_MAX, Stage, conclude, perform

START_S = 5.0
"""From the first process to the first reading: boot, mDNS, the election of a broker host."""
CALM_LOAD = 2.0
"""Of the machine, for each processor, up to which START_S is enough."""
NODES_MAX = 40


class Demo(Stage):
    """People with sensors on their arms: recordings that play by the clock, and what --chaos does to it."""

    def __init__(self, args: Namespace, root: Path, out: Output) -> None:
        self.args = args
        self.root = root
        super().__init__(*lay_out_site(root, args.nodes, late=args.chaos), out)
        longest_s = max(recording_s(seat.stream) for seat in self.seats if seat.stream)
        self.speed: float = args.replay_speed or longest_s / args.seconds
        self.load_s = longest_s / self.speed
        self.start_s = START_S
        self.start_at_ms = 0
        self.chaos = Chaos(self.devices, self.screen.say)

    def _start(self) -> None:
        self.start_s = start_s(os.getloadavg()[0], len(os.sched_getaffinity(0)))
        self.start_at_ms = time.time_ns() // 1_000_000 + round(self.start_s * 1000)
        super()._start()

    def _give_senses(self, seat: Seat) -> None:
        give_senses(seat, speed=self.speed, start_at_ms=self.start_at_ms)

    def _load(self) -> None:
        """Let the recordings play; with --chaos kill two devices and the host of a broker on the way, and let one come
        late."""
        plan = self._plan()
        until_s = self.begun_s + self.start_s + self.load_s
        while time.monotonic() < until_s:
            elapsed_s = time.monotonic() - self.begun_s - self.start_s
            while plan and plan[0][0] <= elapsed_s:
                plan.pop(0)[1]()
            self._poll()
            time.sleep(POLL_S)
        for _, act in plan:
            act()

    def _plan(self) -> list[tuple[float, Callable[[], None]]]:
        return self.chaos.plan(self.load_s) if self.args.chaos else []

    # ---- the verdict

    def _judge(self) -> dict[str, Any]:
        roster, authority = self.site.roster, self.site.authority.public_key
        held = {seat.name: verdict.read(seat, roster, authority) for seat in self.seats}
        stored = verdict.read_store(self.seats[0].directory)
        for kill in self.chaos.kills:
            self._complete(kill, held[kill["name"]].own)
        answer: dict[str, Any] = {
            "nodes": [self._row(seat, held[seat.name]) for seat in self.seats],
            **self._site_answer(held, stored),
            "latency_ms": report.latencies(self.recorded_at, self.accepted_at, self._late_keys()),
            "kills": self.chaos.kills,
            "model": watch.about()["model"],
            "dataset": "seglearn smartwatch recordings, people the network never saw",
            "replay_speed": round(self.speed, 3),
            "accuracy": verdict.accuracy(stored, self.seats, roster, self.speed, self.start_at_ms),
        }
        answer["failures"] = self._failures(answer, held, stored)
        return answer

    def _row(self, seat: Seat, held: verdict.Held) -> dict[str, Any]:
        device = self.devices[seat.name]
        tallies = held.own.tallies()
        return {
            "name": seat.name,
            "role": seat.role,
            "ready_ms": device.ready_ms[0] if device.ready_ms else None,
            "rss_mb_max": device.rss_mb_max,
            "readings": sum(tally.readings for tally in tallies),
            "recorded_events": held.own.recorded_events,
            "shed_events": held.own.shed_events,
            "open_readings": sum(tally.open for tally in tallies),
            "vertices": len(held.own.headers),
            "held": held.verdict.vertices,
            "frontier": [[*tip[:3], tip.id.hex()] for tip in held.verdict.frontier],
        }

    def _failures(self, answer: dict[str, Any], held: dict[str, verdict.Held], stored: verdict.Stored) -> list[str]:
        """Every reason why this run is not green."""
        step = watch.about()["window"]["step"]
        devices = [(name, item) for name, item in held.items() if name != GATEWAY]
        return [
            *self._site_failures(answer, held, stored),
            *(failure for name, item in devices for failure in self._device_failures(name, item, step)),
            *self.chaos.failures,
        ]

    def _device_failures(self, name: str, item: verdict.Held, step: int) -> list[str]:
        said = []
        fault = verdict.account_fault(item.own, step)
        if fault:
            said.append(f"{name}: {fault}")
        if item.own.with_parents < verdict.VERTICES_WITH_PARENTS:
            said.append(f"{name}: {item.own.with_parents} vertices with parents by two others; needed are 10")
        return said

    def _late_keys(self) -> frozenset[str]:
        """Devices that were away for part of the run: what they fetched afterwards is no latency."""
        return frozenset({LATE, *(kill["name"] for kill in self.chaos.kills)})

    def _complete(self, kill: dict[str, Any], own: verdict.Own) -> None:
        """When it was, what the killed device had said last, and what it said first when it was back."""
        kill["time_s"] = round(kill.pop("at_ns") / 1e9 - self.begun_s, 2)
        before = [header for header in own.headers if header.incarnation <= kill["incarnation"]]
        after = [header for header in own.headers if header.incarnation > kill["incarnation"]]
        kill["last_seq_before"] = before[-1].seq if before else None
        kill["first_after"] = [after[0].incarnation, after[0].seq] if after else None


def start_s(load: float, processors: int) -> float:
    """From the first process to the first reading, beside as much other work."""
    return START_S * min(START_S_MAX / START_S, max(1.0, load / processors / CALM_LOAD))


def main(args: Namespace) -> int:
    """Run the demo; 0 only if every check holds."""
    out = Output(as_json=args.json)
    if not 3 <= args.nodes <= NODES_MAX:
        raise UsageError(f"--nodes {args.nodes}; allowed: 3 to {NODES_MAX}")
    least = 10 if args.chaos else 5  # each device, also the one that comes late, has to write ten vertices
    if not least <= args.seconds <= 3600:
        raise UsageError(f"--seconds {args.seconds}; allowed: {least} to 3600")
    return conclude(out, perform(lambda root: Demo(args, root, out), args.keep), report.summary)
