"""The run of a site of real processes on this machine, from empty directories to a verdict: what every demo does.

Each device is exactly `synedge run --config DIR/<name>/synedge.toml`. They find each other by mDNS on loopback; one of
them starts a broker. Nothing the devices say about themselves is believed where their logs can be read instead.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.cli.output import Output
from edge.cli.site import Site
from edge.errors import UnavailableError, UsageError
from edge.lab import report, verdict
from edge.lab.layout import GATEWAY, LATE, Seat
from edge.lab.process import Device, wait_until
from edge.lab.roots import Sharing

START_S_MAX = 40.0
"""Where the processors are taken: recordings play by the clock, and whoever is not there yet misses their beginning."""
DRAIN_S_MAX = 30.0
STOP_S = 6.0
POLL_S = 0.5


class Stage:
    """One run. A demo writes its devices' configuration, waits while they are busy, and judges what they wrote."""

    def __init__(self, site: Site, seats: list[Seat], out: Output) -> None:
        self.site = site
        self.seats = seats
        self.out = out
        self.devices = {seat.name: Device(seat.name, seat.directory) for seat in seats}
        self.begun_s = 0.0
        self.recorded_at: dict[tuple[int, ...], int] = {}
        self.accepted_at: dict[tuple[tuple[int, ...], str], int] = {}
        self.last_counts: dict[str, dict[str, int]] = {}
        self.drain_s = 0.0
        self.is_drained = False
        self.exit_codes: dict[str, int | None] = {}
        self.screen = report.Screen(out)
        self.sharing = Sharing()

    def run(self) -> dict[str, Any]:
        try:
            self._start()
            self.sharing.begin(self._expected())
            self._load()
            self.sharing.end(self._expected())
            self._drain()
        finally:
            self._stop()
        return self._judge()

    def _give_senses(self, seat: Seat) -> None:
        """Write the configuration of a node."""
        raise NotImplementedError

    def _load(self) -> None:
        """Until the devices have sensed what they shall."""
        raise NotImplementedError

    def _judge(self) -> dict[str, Any]:
        """What came of it; `failures` has every reason why the run is not green."""
        raise NotImplementedError

    def _start(self) -> None:
        for seat in self.seats:
            self._give_senses(seat)
        self.begun_s = time.monotonic()
        for device in self.devices.values():
            if device.name != LATE:
                device.start()
        if not wait_until(lambda: self._poll() and all(d.status for d in self._expected()), START_S_MAX):
            silent = next(device for device in self._expected() if not device.status)
            raise UnavailableError(f"{silent.name} does not start:\n{silent.last_words()}")

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
        if not self._is_sensed():
            return False
        frontiers = self.sharing.look(self._expected())
        counts = [device.ask("counts") for device in self._expected()]
        if not frontiers or not all(frontiers) or not all(counts):
            return False
        self.last_counts = {device.name: count for device, count in zip(self._expected(), counts, strict=True)}
        busy = sum(
            count["archiving"] + count["acks_owed"] + count["queued_events"] + count["pending"] for count in counts
        )
        return busy == 0 and all(frontier == frontiers[0] for frontier in frontiers)

    def _is_sensed(self) -> bool:
        """Whether every source has given all it has."""
        states = [source["state"] for d in self._expected() for source in d.status.get("sources", {}).values()]
        return all(state == "ended" for state in states)

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

    def _discovery(self) -> dict[str, int]:
        """How many connections were found in which way."""
        return report.tally(
            link["discovery"] for d in self._expected() if d.status for link in d.status["mqtt"]["links"]
        )

    def _site_answer(self, held: dict[str, verdict.Held], stored: verdict.Stored) -> dict[str, Any]:
        """What holds of every site: is it all there, signed, and the same everywhere."""
        return {
            "gateway": {"vertices": stored.vertices, "events": len(stored.events)},
            "recorded_events": sum(item.own.recorded_events for item in held.values()),
            "lost_events": verdict.lost_events(held.values(), stored.ids),
            "signatures_verified": sum(item.verdict.signatures for item in held.values()),
            "signatures_bad": sum(len(item.verdict.faults) for item in held.values())
            + sum(count["signatures_bad"] for count in self.last_counts.values()),
            "frontier_equal": self._is_equal(held),
            **self.sharing.answer(item.root for item in held.values()),
            "discovery": self._discovery(),
            "broker": report.tally(d.status["mqtt"]["engine"] for d in self._expected() if d.status["mqtt"]["hosting"]),
            "backend": sorted({name for d in self._expected() for name in d.status.get("engines", [])}),
            "drain_s": round(self.drain_s, 2),
        }

    def _is_equal(self, held: dict[str, verdict.Held]) -> bool:
        """Whether all logs end alike."""
        return len({item.verdict.frontier for item in held.values()}) == 1

    def _site_failures(
        self, answer: dict[str, Any], held: dict[str, verdict.Held], stored: verdict.Stored
    ) -> list[str]:
        """What of that does not hold."""
        said: list[str] = []
        if not answer["frontier_equal"]:
            said.append("the logs do not end with the same frontier")
        said += self.sharing.faults(answer)
        if answer["lost_events"]:
            said.append(f"{answer['lost_events']} recorded events are not in the gateway's store")
        if not answer["recorded_events"]:
            said.append("nothing was recorded")
        if not self.is_drained:
            said.append(f"not everything had arrived everywhere {DRAIN_S_MAX:.0f} s after the load")
        missing = held[GATEWAY].ids - stored.ids
        if missing:
            said.append(f"{len(missing)} vertices of the gateway's log are not in its store")
        for name, item in held.items():
            said += [f"{name}: {fault.reason} {fault.detail}" for fault in item.verdict.faults[:3]]
        said += [f"{name} ended with {code}" for name, code in self.exit_codes.items() if code != 0]
        if not answer["discovery"].get("mdns"):
            said.append("nobody was found by mDNS")
        return said


def perform(make: Callable[[Path], Stage], keep: str | None) -> dict[str, Any]:
    """A run in an empty directory, `keep` or one that is removed afterwards."""
    root = Path(keep).absolute() if keep else Path(tempfile.mkdtemp(prefix="synedge-demo-"))
    if keep and root.exists() and any(root.iterdir()):
        raise UsageError(f"--keep {root}: is not empty")
    root.mkdir(parents=True, exist_ok=True)
    try:
        return make(root).run()
    finally:
        if not keep:
            shutil.rmtree(root, ignore_errors=True)


def conclude(out: Output, answer: dict[str, Any], summary: Callable[[Output, dict[str, Any]], None]) -> int:
    """Tell the verdict, as JSON or by `summary`; the exit code."""
    if out.as_json:
        out.document(answer)
    else:
        summary(out, answer)
    for failure in answer["failures"]:
        print(f"demo: {failure}", file=sys.stderr)
    return 1 if answer["failures"] else 0
