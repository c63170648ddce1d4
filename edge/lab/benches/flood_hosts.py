"""A process of `synedge bench flood`: an agent that behaves, and what it has to say about the others."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from edge import answers
from edge.ids import VertexKey
from edge.lab.benches.mesh_worker import Host, answer
from edge.lab.process import wait_until
from edge.shell import telemetry


class Witness(Host):
    """An agent, and the times of its own vertices and of those by `authors` that it accepted."""

    def __init__(self, directory: Path, authors: frozenset[int]) -> None:
        super().__init__(directory, 0.0)
        self._authors = authors
        self.agent.node.on_accepted = self._accepted

    def _accepted(self, key: VertexKey) -> None:
        """What a flood brings is not remembered: that would be memory of the benchmark, not of the node."""
        if key.author in self._authors:
            self.agent.loop.accepted_at.append((key, time.monotonic_ns()))

    def take(self) -> dict[str, list[list[int]]]:
        """The times since the last call."""
        loop = self.agent.loop
        return {
            name: [[*key, at_ns] for key, at_ns in (times.popleft() for _ in range(len(times)))]
            for name, times in (("recorded", loop.recorded_at), ("accepted", loop.accepted_at))
        }


def load(host: Witness, events: int, rate: float, phase: float) -> dict[str, Any]:
    """What the agent recorded, once it is durable: `events` events, `rate` a second, `phase` of a period late."""
    begun_s = time.monotonic()
    for number in range(events):
        time.sleep(max(0.0, begun_s + (number + phase) / rate - time.monotonic()))
        host.offer(number, 1)
    wait_until(lambda: not host.agent.node.unrecorded_events and not host._waiting, 60, 0.005)
    return {"recorded": host.take()["recorded"]}


def usage(host: Witness) -> dict[str, float]:
    """Memory and processor time of this process, and memory of the broker that it hosts, if any."""
    site = host.agent.site
    pid = site.status()["hosted_pid"] if site is not None else None
    return {
        "rss_mb": telemetry.figures().rss_bytes / 1e6,
        "cpu_s": time.process_time(),
        "broker_mb": telemetry.figures(pid).rss_bytes / 1e6 if pid else 0.0,
    }


def main(arguments: list[str]) -> None:
    telemetry.setup("error")
    root, behaving, name = arguments
    host = Witness(Path(root) / name, frozenset(map(int, behaving.split(","))))
    is_linked = wait_until(lambda: host.is_linked, 20)
    site = host.agent.site
    answer({"linked": is_linked, "broker": site.status()["broker"] if site is not None else None})
    for line in sys.stdin:
        order = json.loads(line)
        if order["op"] == "load":
            answer(load(host, order["events"], order["rate"], order["phase"]))
        elif order["op"] == "take":
            answer(host.take()["accepted"])
        elif order["op"] == "counts":
            answer(answers.counts(host.agent))
        else:
            answer(usage(host))
    host.end()


if __name__ == "__main__":
    main(sys.argv[1:])
