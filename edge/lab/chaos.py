"""What `synedge demo --chaos` does to its devices: SIGKILL, two of them and then the host of a broker, which takes the
broker with it. That it does is looked at from outside, process and port."""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge.lab.layout import LATE
from edge.lab.process import Device, wait_until

DEVICES = 2
DOWN_S = 1.5
LATE_SHARE = 0.15
"""Of the load, before the late one starts; it has its own vertices to write."""
BROKER_GONE_S = 2.0
GONE_STATES = "ZX"


class Chaos:
    """`kills` has a row for each kill, `failures` what did not go as it must. `say` tells people."""

    def __init__(self, devices: Mapping[str, Device], say: Callable[[str], None]) -> None:
        self.kills: list[dict[str, Any]] = []
        self.failures: list[str] = []
        self._devices = devices
        self._say = say

    def plan(self, load_s: float) -> list[tuple[float, Callable[[], None]]]:
        """(seconds into the load, act), in order."""
        steps: list[tuple[float, Callable[[], None]]] = [(LATE_SHARE * load_s, self._devices[LATE].start)]
        steps += [((0.25 + 0.2 * number) * load_s, self.kill_device) for number in range(DEVICES)]
        steps.append((0.65 * load_s, self.kill_host))
        return sorted(steps, key=lambda step: step[0])

    def kill_device(self) -> None:
        """A device with a history, that neither hosts a broker nor was killed before."""
        killed = [kill["name"] for kill in self.kills]
        choice = [
            device
            for device in self._running()
            if device.name not in killed
            and device.name != LATE
            and device.status.get("role") == "device"
            and device.status.get("seq", 0) >= 3
            and not device.status["mqtt"]["hosting"]
        ]
        if not choice:
            self.failures.append("no device with a history was there to be killed")
            return
        victim = random.choice(choice)
        self._kill(victim)
        self._restart(victim)

    def kill_host(self) -> None:
        """The host of the broker that most prefer."""
        victim = preferred_host(self._running())
        if victim is None:
            self.failures.append("nobody hosted a broker that could be killed")
            return
        self.kill_with_broker(victim)
        self._restart(victim)

    def kill_with_broker(self, victim: Device) -> dict[str, Any]:
        """Kill a host and prove that its broker is gone: its row."""
        pid, address = victim.status["mqtt"]["hosted_pid"], victim.status["mqtt"]["hosted"]
        before = (started_at(pid), accepts(address))
        row = self._kill(victim)
        is_gone = wait_until(lambda: started_at(pid) != before[0] and not accepts(address), BROKER_GONE_S, 0.005)
        gone_ms = (time.monotonic_ns() - row["at_ns"]) / 1e6
        row["broker"] = {"pid": pid, "address": address, "gone_ms": round(gone_ms, 1) if is_gone else None}
        if before[0] is None or not before[1]:
            self.failures.append(f"the broker of {victim.name} (pid {pid}, {address}) was not there before the kill")
        if not is_gone:
            self.failures.append(f"the broker of {victim.name} (pid {pid}, {address}) outlived it")
        return row

    def _kill(self, victim: Device) -> dict[str, Any]:
        row = {"name": victim.name, "pid": victim.pid, "incarnation": victim.status["incarnation"]}
        row["at_ns"] = time.monotonic_ns()
        victim.kill()
        self.kills.append(row)
        self._say(f"kill -9 {row['pid']} ({victim.name})")
        return row

    def _restart(self, victim: Device) -> None:
        time.sleep(DOWN_S)
        victim.start()
        self._say(f"{victim.name} is started again")

    def _running(self) -> list[Device]:
        return [device for device in self._devices.values() if device.is_running and device.poll() is not None]


def preferred_host(devices: list[Device]) -> Device | None:
    """Who hosts the broker that comes first for most of them."""
    hosts = {port_of(device.status["mqtt"]["hosted"]): device for device in devices if device.status["mqtt"]["hosting"]}
    votes = Counter(port_of(links[0]["broker"]) for device in devices if (links := device.status["mqtt"]["links"]))
    return max(hosts.values(), key=lambda host: votes[port_of(host.status["mqtt"]["hosted"])], default=None)


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def started_at(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot (proc(5), field 22): tells it from a later one with its
    number. None if it is gone; a zombie is."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    return None if state in GONE_STATES else int(fields[18])


def accepts(address: str) -> bool:
    """Whether anybody listens there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True
