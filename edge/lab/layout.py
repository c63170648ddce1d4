"""A whole site on disk for the demo: members, keys, recordings, one ordinary synedge.toml each. No address anywhere."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge.cli.place import NodeSettings, lay_out
from edge.cli.site import Site, init_site
from edge.lab import watch
from edge.wire.suite import SUITE_BY_NAME
from edge.wire.voters import SITE_SCOPE, VOTING_ROLE

SUITE = "ml-dsa-65"
GATEWAY = "gateway"
LATE = "late"
COMMIT_WINDOW_MS = 400
LOG_MB = 512
DELAY_MS = 37

CONFIG = """\
[node]
keep = "all"
name = {name}
label = {label}
role = {role}

[mqtt]
interfaces = ["127.0.0.1"]

[log]
commit_window_ms = {window}
max_mb = {max_mb}
"""
SENSING = """
[[source]]
name = "watch"
kind = "file"
path = "recording.csv.gz"
speed = {speed}
start_at_ms = {start_at_ms}

[[agent]]
name = "activity"
source = "watch"
fields = {fields}
window = {{ size = {size}, step = {step} }}
model = "activity.tflite"
decide = {{ kind = "argmax", labels = {labels} }}
"""


class Seat(NamedTuple):
    """One member of the demo's site: its directory, and what it will see."""

    name: str
    role: str
    directory: Path
    stream: watch.Stream | None
    delay_ms: int = 0
    """How much later than the first its recording begins: people do not move in step."""
    hears: str = ""
    """Whose voice it hears, of a device that listens."""

    @property
    def config(self) -> Path:
        return self.directory / "synedge.toml"


def lay_out_site(root: Path, devices: int, *, late: bool, voters: int = 0) -> tuple[Site, list[Seat]]:
    """A site with one gateway, `devices` devices and perhaps one that comes late; keys and roster, no sensing yet.

    The first `voters` of them, the gateway among these, vote on the site.
    """
    streams = watch.streams()
    names = [f"device-{number + 1}" for number in range(devices)] + ([LATE] if late else [])
    seats = [Seat(GATEWAY, "gateway", root / GATEWAY, None)]
    seats += [
        Seat(name, "device", root / name, streams[number % len(streams)], DELAY_MS * number)
        for number, name in enumerate(names)
    ]
    return found_site(root, seats, voting=[seat.name for seat in seats[:voters]]), seats


def found_site(root: Path, seats: list[Seat], *, voting: Sequence[str] = ()) -> Site:
    """Keys and a roster for the members, each with its own directory; no sensing yet.

    `voting`: names of those who vote on the site; as many may lie as such a committee bears.
    """
    site, _ = init_site(root / "site", name="demo", suites=(SUITE_BY_NAME[SUITE].number,), now_ms=_wall_ms())
    for seat in seats:
        place = lay_out(seat.directory, NodeSettings(seat.name, role=seat.role, suite=SUITE))
        roles = (seat.role, VOTING_ROLE) if seat.name in voting else (seat.role,)
        site.add(seat.name, place.suite, place.public_key, roles=roles, label=label(seat), now_ms=_wall_ms())
    if voting:
        site.appoint(SITE_SCOPE, voting, (len(voting) - 1) // 3, now_ms=_wall_ms())
    for seat in seats:
        shutil.copy(site.authority_file, seat.directory)
        shutil.copy(site.roster_file, seat.directory)
    return site


def give_senses(
    seat: Seat, *, speed: float, start_at_ms: int, window_ms: int = COMMIT_WINDOW_MS, log_mb: int = LOG_MB
) -> None:
    """Write the node's configuration; a device gets its recording and the network, never the labels."""
    text = node_settings(seat, window_ms=window_ms, log_mb=log_mb)
    if seat.stream is not None:
        told = watch.about()
        shutil.copy(seat.stream.recording, seat.directory / "recording.csv.gz")
        shutil.copy(watch.FOLDER / told["model"], seat.directory / "activity.tflite")
        text += SENSING.format(
            speed=speed,
            start_at_ms=start_at_ms + seat.delay_ms,
            fields=json.dumps(told["fields"]),
            labels=json.dumps(told["labels"]),
            size=told["window"]["size"],
            step=told["window"]["step"],
        )
    seat.config.write_text(text)


def node_settings(seat: Seat, *, window_ms: int = COMMIT_WINDOW_MS, log_mb: int = LOG_MB) -> str:
    """The beginning of every configuration: who it is, and no address."""
    return CONFIG.format(
        name=json.dumps(seat.name),
        label=json.dumps(label(seat)),
        role=json.dumps(seat.role),
        window=window_ms,
        max_mb=log_mb,
    )


def label(seat: Seat) -> str:
    """What people call the node."""
    if seat.hears:
        return f"hears {seat.hears}"
    return f"person {seat.stream.person}, {seat.stream.arm} arm" if seat.stream else "keeps everything"


def recording_s(stream: watch.Stream) -> float:
    """How long a recording is, from its labels."""
    *_, last = stream.labels.read_text().split()
    return int(last.split(",")[1]) / 1000


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
