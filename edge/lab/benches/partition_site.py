"""The site of `synedge bench partition`: keepers on machines of their own, sensors that the benchmark speaks for, and
what their logs say afterwards."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from edge.cli.place import NodeSettings, lay_out
from edge.cli.site import Site, init_site
from edge.lab import verdict
from edge.lab.layout import Seat
from edge.lab.namespaces import Network
from edge.lab.process import Device
from edge.wire.suite import SUITE_BY_NAME, SUITES

SUITE = "ml-dsa-65"
CONFIG = """\
[node]
name = "{name}"
keep = "all"
[mqtt]
interfaces = ["{address}"]
home_assistant = false
[broker]
listen = "{address}"
[log]
commit_window_ms = {window}
[[source]]
name = "sensor"
kind = "command"
argv = ["cat", {fifo}]
format = "csv"
[[agent]]
name = "level"
source = "sensor"
decide = {{ kind = "value" }}
"""

Frontier = list[tuple[int, int, int, str]]


class Keeper(Device):
    """An agent on a machine of its own, and the pipe that is its sensor: each number becomes an event."""

    def __init__(self, name: str, directory: Path, inside: tuple[str, ...]) -> None:
        super().__init__(name, directory, inside)
        self.fifo = directory / "sensor"
        os.mkfifo(self.fifo)
        self._sensor = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)

    def sense(self, number: int) -> None:
        os.write(self._sensor, b"%d\n" % number)

    def counts(self) -> dict[str, int]:
        return self.ask("counts") or {}

    def frontier(self) -> Frontier:
        return [tuple(line) for line in self.ask("frontier") or []]

    def brokers(self) -> list[str]:
        """Addresses of those it is connected to."""
        mqtt = (self.poll() or {}).get("mqtt") or {}
        return [link["broker"] for link in mqtt.get("links", [])]

    def close(self) -> None:
        if self.is_running:
            self.kill()
        os.close(self._sensor)


def lay_out_keepers(root: Path, network: Network, window_ms: int) -> tuple[Site, list[Keeper]]:
    """A site with a member on each machine; nobody is told of anybody's address."""
    now_ms = time.time_ns() // 1_000_000
    site, _ = init_site(root / "site", name="bench", suites=(SUITE_BY_NAME[SUITE].number,), now_ms=now_ms)
    keepers = []
    for number in range(len(network.names)):
        name = f"keeper-{number + 1}"
        place = lay_out(root / name, NodeSettings(name, suite=SUITE))
        site.add(name, place.suite, place.public_key, roles=("device",), label="", now_ms=now_ms)
        keeper = Keeper(name, root / name, network.inside(number))
        text = CONFIG.format(
            name=name, address=network.address(number), window=window_ms, fifo=json.dumps(str(keeper.fifo))
        )
        (keeper.directory / "synedge.toml").write_text(text)
        keepers.append(keeper)
    for keeper in keepers:
        shutil.copy(site.authority_file, keeper.directory)
        shutil.copy(site.roster_file, keeper.directory)
    return site, keepers


class Audit(NamedTuple):
    """What the logs say when every process has ended."""

    recorded_events: int
    lost_events: int
    """Recorded by somebody and not in somebody's log; bodies that did not come count as one each."""
    forks: int
    faults: int
    vertices: int
    bytes_by_author: dict[int, int]
    """Headers and bodies written between the cut and the healing."""


def audit(site: Site, keepers: Sequence[Keeper], span: Mapping[int, tuple[int, int]]) -> Audit:
    """`span`: for each author the seq of its last vertex before the cut, and of the last before the healing."""
    seats = [Seat(keeper.name, "device", keeper.directory, None) for keeper in keepers]
    held = [verdict.read(seat, site.roster, site.authority.public_key) for seat in seats]
    bytes_by_author = dict.fromkeys(span, 0)
    vertices = 0
    for item in held:
        for header in item.own.headers:
            first, last = span[header.author]
            if first < header.seq <= last:
                vertices += 1
                bytes_by_author[header.author] += len(header.raw) + (header.body.length if header.body else 0)
    return Audit(
        recorded_events=sum(item.own.recorded_events for item in held),
        lost_events=sum(verdict.lost_events(held, item.ids) + item.verdict.bodies_missing for item in held),
        forks=len({fork for item in held for fork in item.verdict.forks}),
        faults=sum(len(item.verdict.faults) for item in held),
        vertices=vertices,
        bytes_by_author=bytes_by_author,
    )


SIGNATURE_BYTES = SUITES[SUITE_BY_NAME[SUITE].number].signature_bytes
