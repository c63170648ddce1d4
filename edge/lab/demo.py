"""`synedge demo`: a whole site of real processes on this machine, real recordings, and an audit of what they wrote.

Each device is exactly `synedge run --config DIR/<name>/synedge.toml`. They find each other by mDNS on loopback; one of
them starts a broker. Nothing the devices say about themselves is believed where their logs can be read instead.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.cli.output import Output
from edge.cli.site import Site
from edge.errors import UnavailableError, UsageError
from edge.lab import report, verdict, watch
from edge.lab.chaos import Chaos
from edge.lab.layout import LATE, Seat, give_senses, lay_out_site, recording_s
from edge.lab.process import Device, wait_until

START_S = 5.0
"""From the first process to the first reading: boot, mDNS, the election of a broker host."""
START_S_MAX = 40.0
"""Where the processors are taken: recordings play by the clock, and whoever is not there yet misses their beginning."""
CALM_LOAD = 2.0
"""Of the machine, for each processor, up to which START_S is enough."""
DRAIN_S_MAX = 30.0
STOP_S = 6.0
NODES_MAX = 40
POLL_S = 0.5


class Demo:
    """One run, from empty directories to a verdict."""

    def __init__(self, args: Namespace, root: Path, out: Output) -> None:
        self.args = args
        self.root = root
        self.out = out
        self.site: Site
        self.seats: list[Seat]
        self.site, self.seats = lay_out_site(root, args.nodes, late=args.chaos)
        self.devices = {seat.name: Device(seat.name, seat.directory) for seat in self.seats}
        longest_s = max(recording_s(seat.stream) for seat in self.seats if seat.stream)
        self.speed: float = args.replay_speed or longest_s / args.seconds
        self.load_s = longest_s / self.speed
        self.start_s = START_S
        self.start_at_ms = 0
        self.recorded_at: dict[tuple[int, ...], int] = {}
        self.accepted_at: dict[tuple[tuple[int, ...], str], int] = {}
        self.last_counts: dict[str, dict[str, int]] = {}
        self.drain_s = 0.0
        self.is_drained = False
        self.exit_codes: dict[str, int | None] = {}
        self.screen = report.Screen(out)
        self.chaos = Chaos(self.devices, self.screen.say)

    def run(self) -> dict[str, Any]:
        try:
            self._start()
            self._load()
            self._drain()
        finally:
            self._stop()
        return self._judge()

    # ---- the run

    def _start(self) -> None:
        self.start_s = start_s(os.getloadavg()[0], len(os.sched_getaffinity(0)))
        self.start_at_ms = time.time_ns() // 1_000_000 + round(self.start_s * 1000)
        for seat in self.seats:
            self._give_senses(seat)
        self.begun_s = time.monotonic()
        for device in self.devices.values():
            if device.name != LATE:
                device.start()
        if not wait_until(lambda: self._poll() and all(d.status for d in self._expected()), START_S_MAX):
            silent = next(device for device in self._expected() if not device.status)
            raise UnavailableError(f"{silent.name} does not start:\n{silent.last_words()}")

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

    def _drain(self) -> None:
        """Until every log says the same and the gateway has stored it, at most DRAIN_S_MAX."""
        begun_s = time.monotonic()
        calm = 0
        while time.monotonic() - begun_s < DRAIN_S_MAX and calm < 2:
            time.sleep(POLL_S)
            self._poll()
            calm = calm + 1 if self._is_settled() else 0
        self.is_drained = calm >= 2
        self.drain_s = time.monotonic() - begun_s

    def _is_settled(self) -> bool:
        states = [source["state"] for d in self._expected() for source in d.status.get("sources", {}).values()]
        if any(state != "ended" for state in states):
            return False
        frontiers = [device.ask("frontier") for device in self._expected()]
        counts = [device.ask("counts") for device in self._expected()]
        if not all(frontiers) or not all(counts):
            return False
        self.last_counts = {device.name: count for device, count in zip(self._expected(), counts, strict=True)}
        busy = sum(
            count["archiving"] + count["acks_owed"] + count["queued_events"] + count["pending"] for count in counts
        )
        return busy == 0 and all(frontier == frontiers[0] for frontier in frontiers)

    def _poll(self) -> bool:
        """Look at every process once: status, and the times of its newest vertices."""
        for device in self._expected():
            if device.poll() is None:
                continue
            trace = device.ask("trace") or {"recorded": [], "accepted": []}
            for *key, at_ns in trace["recorded"]:
                self.recorded_at[tuple(key)] = at_ns
            for *key, at_ns in trace["accepted"]:
                self.accepted_at.setdefault((tuple(key), device.name), at_ns)
        self.screen.show(self.devices.values(), time.monotonic() - self.begun_s)
        return True

    def _expected(self) -> list[Device]:
        """Processes that were started; the late one only once it was."""
        return [device for device in self.devices.values() if device.process is not None]

    def _stop(self) -> None:
        """End everyone by their own process id, hosts of the broker last."""
        self.screen.close()
        hosting = [device for device in self._expected() if device.status and device.status["mqtt"]["hosting"]]
        for group in ([device for device in self._expected() if device not in hosting], hosting):
            for device in group:
                device.terminate()
            for device in group:
                self.exit_codes[device.name] = device.wait(STOP_S)

    # ---- the verdict

    def _judge(self) -> dict[str, Any]:
        roster, authority = self.site.roster, self.site.authority.public_key
        held = {seat.name: verdict.read(seat, roster, authority) for seat in self.seats}
        stored = verdict.read_store(self.seats[0].directory)
        for kill in self.chaos.kills:
            self._complete(kill, held[kill["name"]].own)
        answer: dict[str, Any] = {
            "nodes": [self._row(seat, held[seat.name]) for seat in self.seats],
            "gateway": {"vertices": stored.vertices, "events": len(stored.events)},
            "recorded_events": sum(item.own.recorded_events for item in held.values()),
            "lost_events": verdict.lost_events(held.values(), stored.ids),
            "signatures_verified": sum(item.verdict.signatures for item in held.values()),
            "signatures_bad": sum(len(item.verdict.faults) for item in held.values())
            + sum(count["signatures_bad"] for count in self.last_counts.values()),
            "frontier_equal": len({item.verdict.frontier for item in held.values()}) == 1,
            "latency_ms": report.latencies(self.recorded_at, self.accepted_at, self._late_keys()),
            "kills": self.chaos.kills,
            "discovery": self._discovery(),
            "broker": report.tally(d.status["mqtt"]["engine"] for d in self._expected() if d.status["mqtt"]["hosting"]),
            "backend": sorted({name for d in self._expected() for name in d.status.get("engines", [])}),
            "model": watch.about()["model"],
            "dataset": "seglearn smartwatch recordings, people the network never saw",
            "replay_speed": round(self.speed, 3),
            "accuracy": verdict.accuracy(stored, self.seats, roster, self.speed, self.start_at_ms),
            "drain_s": round(self.drain_s, 2),
        }
        answer["failures"] = self._failures(answer, held, stored)
        return answer

    def _discovery(self) -> dict[str, int]:
        """How many connections were found in which way."""
        return report.tally(
            link["discovery"] for d in self._expected() if d.status for link in d.status["mqtt"]["links"]
        )

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
        said: list[str] = []
        step = watch.about()["window"]["step"]
        if not answer["frontier_equal"]:
            said.append("the logs do not end with the same frontier")
        if answer["lost_events"]:
            said.append(f"{answer['lost_events']} recorded events are not in the gateway's store")
        if not answer["recorded_events"]:
            said.append("nothing was recorded")
        if not self.is_drained:
            said.append(f"not everything had arrived everywhere {DRAIN_S_MAX:.0f} s after the load")
        missing = held["gateway"].ids - stored.ids
        if missing:
            said.append(f"{len(missing)} vertices of the gateway's log are not in its store")
        for name, item in held.items():
            said += [f"{name}: {fault.reason} {fault.detail}" for fault in item.verdict.faults[:3]]
            if name != "gateway":
                said += self._device_failures(name, item, step)
        said += self.chaos.failures
        said += [f"{name} ended with {code}" for name, code in self.exit_codes.items() if code != 0]
        if not answer["discovery"].get("mdns"):
            said.append("nobody was found by mDNS")
        return said

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
    root = Path(args.keep).absolute() if args.keep else Path(tempfile.mkdtemp(prefix="synedge-demo-"))
    if args.keep and root.exists() and any(root.iterdir()):
        raise UsageError(f"--keep {root}: is not empty")
    root.mkdir(parents=True, exist_ok=True)
    try:
        answer = Demo(args, root, out).run()
    finally:
        if not args.keep:
            shutil.rmtree(root, ignore_errors=True)
    if out.as_json:
        out.document(answer)
    else:
        report.summary(out, answer)
    for failure in answer["failures"]:
        print(f"demo: {failure}", file=sys.stderr)
    return 1 if answer["failures"] else 0
