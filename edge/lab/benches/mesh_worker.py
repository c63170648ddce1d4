"""A process of `synedge bench mesh`: some whole agents, a thread each, and a generator of events."""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from edge.agent import Agent
from edge.config import load
from edge.lab.process import wait_until
from edge.limits import QUEUE_EVENTS_MAX
from edge.shell import telemetry
from edge.shell.loop import now
from edge.wire.event import Event

BATCH = 64
PAD = "x" * 48
"""Makes an event about a hundred bytes on the wire."""


class Host:
    """One agent in a thread of its own."""

    def __init__(self, directory: Path, sync_delay_ms: float) -> None:
        self.agent = Agent(load(directory / "synedge.toml"))
        if sync_delay_ms:
            self._slow_down(sync_delay_ms)
        self.agent.loop.recorded_at = deque()
        self.agent.loop.accepted_at = deque()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=directory.name)
        self._thread.start()
        self._ready.wait()

    def _run(self) -> None:
        self.agent.start()
        self._ready.set()
        self.agent.loop.run()
        self.agent.stop()

    def _slow_down(self, sync_delay_ms: float) -> None:
        """Let every sync take that much longer."""
        sync = self.agent.disk.sync

        def slow_sync(name: str) -> None:
            sync(name)
            time.sleep(sync_delay_ms / 1000)

        self.agent.disk.sync = slow_sync  # type: ignore[method-assign]

    @property
    def is_linked(self) -> bool:
        site = self.agent.site
        return site is not None and bool(site.status()["connected"])

    def offer(self, first: int, count: int) -> None:
        """Hand `count` distinct events to the node, waiting while it has no room."""
        node, loop = self.agent.node, self.agent.loop
        while node.queued_events > QUEUE_EVENTS_MAX // 2 or self._waiting > QUEUE_EVENTS_MAX // 4:
            time.sleep(0.001)
        wall_ms = time.time_ns() // 1_000_000
        events = [
            Event("bench", "value", wall_ms, (float(number), PAD), "count", 0.5)
            for number in range(first, first + count)
        ]
        self._waiting += count

        def submit() -> None:
            self._waiting -= count
            loop.execute(node.submit_all(events, now()))

        loop.inbox.task(submit)

    _waiting = 0

    def end(self) -> None:
        self.agent.loop.inbox.task(self.agent.loop.stop)
        self._thread.join(10)


def load_all(hosts: list[Host], events: int, rate: float, phase: float) -> dict[str, Any]:
    """Every agent records `events` distinct events, `rate` a second each or as fast as it goes.

    At a rate the agents take turns, and `phase` (0 to 1) shifts this process against the others: devices do not sense
    in step.
    """
    begun_s = time.monotonic()
    given = 0
    step = BATCH if not rate else max(1, min(BATCH, round(rate / 100)))
    while given < events:
        count = min(step, events - given)
        for number, host in enumerate(hosts):
            if rate:
                due_s = begun_s + (given + step * (number + phase) / len(hosts)) / rate
                time.sleep(max(0.0, due_s - time.monotonic()))
            host.offer(given, count)
        given += count
    wait_until(lambda: all(_is_done(host, events) for host in hosts), 120, 0.005)
    nodes = [host.agent.node for host in hosts]
    return {
        "vertices": sum(node.counts()["recorded_vertices"] for node in nodes),
        "shed_events": sum(node.counts()["shed_events"] for node in nodes),
        "recorded_at": [[*key, at_ns] for host in hosts for key, at_ns in host.agent.loop.recorded_at],
    }


def _is_done(host: Host, events: int) -> bool:
    counts = host.agent.node.counts()
    return counts["recorded_events"] + counts["shed_events"] >= events and host.agent.node.is_idle


def _await(host: Host, vertices: int, timeout_s: float) -> dict[str, Any]:
    """Until the keeper holds that many vertices by others, and they are durable."""
    node, loop = host.agent.node, host.agent.loop
    wait_until(lambda: node.graph.vertices >= vertices, timeout_s, 0.005)
    before = node.counts()["recorded_vertices"]
    mark = Event("bench", "value", time.time_ns() // 1_000_000, (-1.0,))
    loop.inbox.task(lambda: loop.execute(node.submit(mark, now(), urgent=True)))
    wait_until(lambda: node.counts()["recorded_vertices"] > before, 10, 0.002)
    return {"vertices": node.graph.vertices}


def main(arguments: list[str]) -> None:
    telemetry.setup("warning")
    root, sync_delay_ms, *names = arguments
    hosts = [Host(Path(root) / name, float(sync_delay_ms)) for name in names]
    answer({"linked": wait_until(lambda: all(host.is_linked for host in hosts), 20)})
    for line in sys.stdin:
        order = json.loads(line)
        if order["op"] == "load":
            answer(load_all(hosts, order["events"], order["rate"], order["phase"]))
        elif order["op"] == "await":
            answer(_await(hosts[0], order["vertices"], order["timeout_s"]))
        elif order["op"] == "report":
            counts = hosts[0].agent.node.counts()
            accepted = [[*key, at_ns] for key, at_ns in hosts[0].agent.loop.accepted_at]
            answer({"accepted_at": accepted, **{key: counts[key] for key in ("signatures_bad", "requests_sent")}})
        else:
            answer(_usage())
    for host in hosts:
        host.end()


def _usage() -> dict[str, float]:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = telemetry.figures()
    return {
        "cpu_s": own.ru_utime + own.ru_stime,
        "children_cpu_s": children.ru_utime + children.ru_stime,
        "rss_mb": round(figures.rss_max_bytes / 1e6, 1),
    }


def answer(value: Any) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
