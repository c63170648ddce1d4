"""A committee of real processes and a device that listens, each with commands as somebody types them there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge.lab.layout import Seat, found_site, node_settings
from edge.lab.process import Device, wait_until

START_S_MAX = 60.0
DECIDE_S_MAX = 60.0
VOTERS = ("one", "two", "three", "four")


class Council:
    """Four who vote, and a device that listens."""

    def __init__(self, root: Path) -> None:
        self.seats = {name: Seat(name, "device", root / name, None) for name in (*VOTERS, "other")}
        self.site = found_site(root, list(self.seats.values()), voting=VOTERS)
        self.devices = {name: Device(name, seat.directory) for name, seat in self.seats.items()}
        for seat in self.seats.values():
            seat.config.write_text(node_settings(seat))

    def start(self, *names: str) -> None:
        for name in names:
            self.devices[name].start()
        others = len([device for device in self.devices.values() if device.is_running]) - 1

        def are_together() -> bool:
            statuses = [self.devices[name].poll() for name in names]
            return all(status is not None and status["peers_online"] >= others for status in statuses)

        assert wait_until(are_together, START_S_MAX), self.devices[names[0]].last_words()

    def run(self, name: str, *words: str, code: int = 0) -> dict[str, Any]:
        """A command as somebody types it on this device."""
        command = [sys.executable, "-m", "edge", *words, "--config", str(self.seats[name].config), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout or done.stderr)
        return answer

    def final(self, name: str, key: str) -> str | None:
        rows = self.run(name, "registers", key)["registers"]
        return rows[0]["value"] if rows else None

    def all_hold(self, key: str, value: str) -> bool:
        running = [name for name, device in self.devices.items() if device.is_running]
        return wait_until(lambda: all(self.final(name, key) == value for name in running), DECIDE_S_MAX)
