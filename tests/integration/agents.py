"""A small site of real agents: a directory each, a FIFO that is their sensor, and what their logs say afterwards."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.cli.place import NodeSettings, lay_out
from edge.cli.site import init_site
from edge.dag.reader import read_log
from edge.dag.records import CLEAN, VERTEX, Record
from edge.lab.process import Device, wait_until
from edge.shell.broker import HostedBroker
from edge.shell.broker_config import BrokerOptions
from edge.shell.disk import DirectoryDisk
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.suite import SUITE_BY_NAME
from edge.wire.vertex import Header, body_events, decode_header

SUITE = "ml-dsa-44"
DEADLINE_S = 20.0
POLL_S = 0.03
CONFIG = """\
[node]
name = {name}
role = {role}

[site]
suite = "{suite}"

[log]
commit_window_ms = {window}
"""
SENSOR = """
[[source]]
name = "feed"
kind = "command"
argv = ["cat", {fifo}]
format = "csv"

[[agent]]
name = "level"
source = "feed"
decide = {{ kind = "value" }}
"""
ALONE = '\n[mqtt]\ndiscover = false\n\n[broker]\nhost = "never"\n'


def at(port: int, more: str = "") -> str:
    """Reach the site by one configured broker and in no other way."""
    return f'\n[mqtt]\nurls = ["mqtt://127.0.0.1:{port}"]\ndiscover = false\n{more}\n[broker]\nhost = "never"\n'


def until(holds: Callable[[], Any], what: str, device: "Node | None" = None, timeout_s: float = DEADLINE_S) -> None:
    """Wait for other processes; a failure shows what the device said last."""
    if not wait_until(holds, timeout_s, POLL_S):
        raise AssertionError(f"{what}: not within {timeout_s} s\n{device.last_words(15) if device else ''}")


class Node(Device):
    """One agent of the site."""

    def __init__(self, name: str, directory: Path, role: str) -> None:
        super().__init__(name, directory)
        self.role = role
        self.data = directory / "data"
        self.fifo = directory / "feed"
        os.mkfifo(self.fifo)
        self._feed = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)

    def configure(self, *more: str, window_ms: int = 20, sensor: bool = True) -> None:
        text = CONFIG.format(name=json.dumps(self.name), role=json.dumps(self.role), suite=SUITE, window=window_ms)
        text += SENSOR.format(fifo=json.dumps(str(self.fifo))) if sensor else ""
        (self.directory / "synedge.toml").write_text(text + "".join(more))

    def up(self) -> "Node":
        """Start, and wait until it is ready and looks for its site."""
        self.start()
        until(lambda: (self.poll() or {}).get("mqtt") or not self.is_running, f"{self.name} is ready", self)
        assert self.is_running, self.last_words()
        return self

    def fails(self) -> tuple[int, str]:
        """Start what cannot start: the exit code, and what it said."""
        self.start()
        assert self.process is not None
        code = self.process.wait(DEADLINE_S)
        return code, self.said()

    def down(self) -> int:
        """SIGTERM: the exit code, which must come within the five seconds that are promised."""
        self.terminate()
        code = self.wait(5.0)
        assert code is not None, f"{self.name} had to be killed\n{self.last_words(15)}"
        return code

    def feed(self, *values: float) -> None:
        """Readings; each becomes an event of agent `level`."""
        os.write(self._feed, b"".join(b"%g\n" % value for value in values))

    def now(self) -> dict[str, Any]:
        status = self.poll()
        assert status is not None, f"{self.name} does not answer\n{self.last_words(15)}"
        return status

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] | None = self.ask("counts")
        assert counts is not None, f"{self.name} does not answer\n{self.last_words(15)}"
        return counts

    def records_or_fills(self, count: int) -> None:
        self.waits_for(lambda status: status["recorded_events"] >= count or status["disk_full"], "recorded, or full")

    def waits_for(self, what: Callable[[dict[str, Any]], Any], words: str, timeout_s: float = DEADLINE_S) -> None:
        """Until its status is as wanted."""
        until(lambda: (status := self.poll()) is not None and what(status), f"{self.name}: {words}", self, timeout_s)

    def records_event(self, count: int) -> None:
        self.waits_for(lambda status: status["recorded_events"] >= count, f"{count} events recorded")

    def said(self) -> str:
        return (self.directory / "agent.log").read_text(errors="replace")

    def says(self, *words: str) -> None:
        """Until one line of its log holds all of these."""
        until(
            lambda: any(all(word in line for word in words) for line in self.said().splitlines()),
            f"{self.name} says {words}",
            self,
        )

    # ---- what its log holds, read without it

    def records(self) -> list[Record]:
        disk = DirectoryDisk(self.data / "log", read_only=True)
        try:
            return [record for _, record in read_log(disk)]
        finally:
            disk.close()

    def is_clean(self) -> bool:
        return self.records()[-1].type == CLEAN

    def headers(self, author: int | None = None) -> list[Header]:
        return [header for header, _ in self.vertices() if author in (None, header.author)]

    def values(self, author: int) -> list[float]:
        """The numbers of every event by this author, in the order of the log."""
        bodies = [body for header, body in self.vertices() if header.author == author and body]
        return [event.values[0] for body in bodies for event in body_events(body)]  # type: ignore[misc]

    def vertices(self) -> Iterator[tuple[Header, bytes | None]]:
        for record in self.records():
            frame = decode_vertex(record.payload) if record.type == VERTEX else None
            if isinstance(frame, VertexFrame):
                header = decode_header(frame.header)
                assert isinstance(header, Header)
                yield header, frame.body

    def audit(self) -> dict[str, Any]:
        """`synedge dag verify --json` on its log."""
        config = str(self.directory / "synedge.toml")
        command = [sys.executable, "-m", "edge", "dag", "verify", "--config", config, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        assert done.stdout, done.stderr
        verdict: dict[str, Any] = json.loads(done.stdout)
        assert verdict["ok"] == (done.returncode == 0)
        return verdict

    def close(self) -> None:
        if self.is_running:
            self.kill()
        os.close(self._feed)


class Field:
    """Members, keys and rosters under one directory; indices as the roster gives them, from 1 in order of `names`."""

    def __init__(self, root: Path, *names: str, gateway: str | None = None, validators: tuple[str, ...] = ()) -> None:
        number = SUITE_BY_NAME[SUITE].number
        now_ms = time.time_ns() // 1_000_000
        self.site, _ = init_site(root / "site", name="field", suites=(number,), now_ms=now_ms)
        self.nodes: dict[str, Node] = {}
        for name in names:
            role = "gateway" if name == gateway else "device"
            directory = root / name
            place = lay_out(directory, NodeSettings(name, role=role, suite=SUITE))
            roles = (role, "validator") if name in validators else (role,)
            self.site.add(name, place.suite, place.public_key, roles=roles, label="", now_ms=now_ms)
            self.nodes[name] = Node(name, directory, role)
        self.hand_out()

    def hand_out(self) -> None:
        """Give everyone the newest roster."""
        for node in self.nodes.values():
            for file in (self.site.authority_file, self.site.roster_file):
                (node.directory / file.name).write_bytes(file.read_bytes())

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def index(self, name: str) -> int:
        return self.site.roster.by_name[name].index

    def agree(self, *names: str) -> None:
        """Until all of them hold the same, and something."""
        nodes = [self[name] for name in names] or list(self)
        until(lambda: is_equal(nodes), f"{[node.name for node in nodes]} hold the same", nodes[0])


def is_equal(nodes: list[Node]) -> bool:
    frontiers = [node.ask("frontier") for node in nodes]
    return bool(frontiers[0]) and all(frontier == frontiers[0] for frontier in frontiers)


@contextmanager
def field(root: Path, *names: str, gateway: str | None = None, validators: tuple[str, ...] = ()) -> Iterator[Field]:
    """A site whose processes all end with the test, by their own ids."""
    made = Field(root, *names, gateway=gateway, validators=validators)
    try:
        yield made
    finally:
        for node in made:
            node.close()


@contextmanager
def broker(**options: Any) -> Iterator[int]:
    """A real Mosquitto on a port of its own."""
    hosted = HostedBroker(BrokerOptions(engine="mosquitto", **options))
    try:
        yield hosted.start().port
    finally:
        hosted.stop()
