"""What recording one reading a second writes to a disk in a day."""

from __future__ import annotations

import os
import shutil
import time
from argparse import Namespace
from pathlib import Path
from typing import Any, NamedTuple

from edge.cli.place import NodeSettings, lay_out
from edge.cli.site import init_site
from edge.errors import SynedgeError
from edge.lab.process import Device, wait_until
from edge.lab.progress import Bar
from edge.shell import telemetry
from edge.wire.suite import SUITE_BY_NAME

SUITE = "ml-dsa-65"
DAY_S = 86_400
SECTOR_BYTES = 512
START_S = 20.0
CONFIG = """\
[node]
name = "{name}"
keep = "own"
[mqtt]
interfaces = ["127.0.0.1"]
discover = false
home_assistant = false
[broker]
host = "never"
[log]
commit_window_ms = {window_ms}
[[source]]
name = "level"
kind = "file"
path = "level.csv"
loop = true
[[agent]]
name = "level"
source = "level"
window = {{ size = 1, step = 1 }}
decide = {{ kind = "value" }}
"""


class Look(NamedTuple):
    """A moment between two commits."""

    at_s: float
    commits: int
    written_bytes: int
    events: int
    disk_bytes: int | None
    """Of the whole disk, whoever wrote it; None where the kernel does not tell."""


class Wear:
    """A device for each commit window, all at the same time."""

    def __init__(self, root: Path, args: Namespace) -> None:
        self._commits = args.commits
        self._windows_s: tuple[float, ...] = args.windows_s
        self._devices: list[Device] = []
        self._looks: list[list[Look]] = [[] for _ in self._windows_s]
        number = SUITE_BY_NAME[SUITE].number
        now_ms = time.time_ns() // 1_000_000
        site, _ = init_site(root / "wear-site", name="bench", suites=(number,), now_ms=now_ms)
        for index, window_s in enumerate(self._windows_s):
            name = f"device-{index + 1}"
            place = lay_out(root / name, NodeSettings(name, suite=SUITE))
            site.add(name, number, place.public_key, roles=("device",), label="", now_ms=now_ms)
            (root / name / "synedge.toml").write_text(CONFIG.format(name=name, window_ms=round(window_s * 1000)))
            rows = "".join(f"{second * 1000},{20 + second % 60 / 8}\n" for second in range(600))
            (root / name / "level.csv").write_text(f"t_ms,celsius\n{rows}")
            self._devices.append(Device(name, root / name))
        for device in self._devices:
            shutil.copy(site.authority_file, device.directory)
            shutil.copy(site.roster_file, device.directory)
        whole_s = (self._commits + 2) * (max(self._windows_s) + 1)
        self._bar = Bar(round(whole_s), as_json=getattr(args, "json", False))
        self._deadline_s = time.monotonic() + whole_s + START_S

    def measure(self) -> list[dict[str, Any]]:
        try:
            for device in self._devices:
                device.start()
            if not wait_until(self._is_complete, self._deadline_s - time.monotonic(), 0.05):
                silent = next(device for device, done in zip(self._devices, self._done(), strict=True) if not done)
                raise SynedgeError(f"{silent.name} did not commit in time:\n{silent.last_words()}")
        finally:
            for device in self._devices:
                device.terminate()
            for device in self._devices:
                device.wait(6.0)
            self._bar.clear()
        return [_row(window_s, looks) for window_s, looks in zip(self._windows_s, self._looks, strict=True)]

    def _done(self) -> list[bool]:
        """Of which device enough was seen."""
        return [bool(looks) and looks[-1].commits - looks[0].commits >= self._commits for looks in self._looks]

    def _is_complete(self) -> bool:
        for device, looks, window_s in zip(self._devices, self._looks, self._windows_s, strict=True):
            look = _look(device)
            # The commit that begins this life is none of a day's, nor is the first window: that begins anywhere.
            if look is None or not look.events or (looks and look.commits == looks[-1].commits):
                continue
            time.sleep(min(0.2, window_s / 4))  # the signature of what was just made durable follows it
            looks.append(_look(device) or look)
        begun_s = min((looks[0].at_s for looks in self._looks if looks), default=time.monotonic())
        self._bar.show(round(time.monotonic() - begun_s), "s of writing watched")
        return all(self._done())


def _look(device: Device) -> Look | None:
    counts = device.ask("counts")
    if not counts or not device.is_running:
        return None
    written = telemetry.figures(device.pid).written_bytes
    if written is None:
        raise SynedgeError("the kernel does not say what a process writes (/proc/PID/io)")
    disk_bytes = written_to_disk(device.directory)
    return Look(time.monotonic(), counts["commits"], written, counts["recorded_events"], disk_bytes)


def written_to_disk(path: Path) -> int | None:
    """Bytes written so far to the block device on which a directory lies, or None (Documentation/block/stat)."""
    number = os.stat(path).st_dev
    try:
        stat = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/stat").read_text()
    except OSError:
        return None
    return int(stat.split()[6]) * SECTOR_BYTES


def _row(window_s: float, looks: list[Look]) -> dict[str, Any]:
    """Between the first and the last look, both just behind a commit: whole rounds of waiting and writing."""
    first, last = looks[0], looks[-1]
    seconds, commits = last.at_s - first.at_s, last.commits - first.commits
    written = last.written_bytes - first.written_bytes
    whole_disk = None
    if first.disk_bytes is not None and last.disk_bytes is not None:
        whole_disk = round((last.disk_bytes - first.disk_bytes) / 1e6, 3)
    return {
        "window_s": window_s,
        "watched_s": round(seconds, 1),
        "commits": commits,
        "events": last.events - first.events,
        "bytes_per_commit": round(written / commits),
        "mb_per_day": round(written / seconds * DAY_S / 1e6, 1),
        "whole_disk_mb": whole_disk,
    }
