"""A process of `synedge bench catchup`: one whole agent, and what went through its client socket while it caught up."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from edge.agent import Agent
from edge.lab.benches.mesh_worker import Host, answer
from edge.lab.process import cpu_s, wait_until
from edge.shell import telemetry
from edge.shell.topics import frame_topic, prefix_of
from edge.wire.frame import Channel, RequestFrame, decode_request

LINK_S = 20.0


class Watched(Host):
    """An agent whose frames are counted, and whose clocks are read when its link comes up."""

    def __init__(self, directory: Path) -> None:
        self.up_ns = 0
        self.cpu_at_up: dict[str, float] = {}
        self.packets: Counter[tuple[str, str]] = Counter()
        self.bytes: Counter[tuple[str, str]] = Counter()
        """By (channel, "in" or "out")."""
        self.requests: list[RequestFrame] = []
        super().__init__(directory, 0.0)

    def _run(self) -> None:
        agent = self.agent
        deliver, linked, join = agent.door.take, agent._linked, agent._join

        def delivered(inbound: Any) -> None:
            index = inbound.sender if inbound.sender >= 0 else agent.identity.member.index
            self._count(inbound.channel, index, inbound.payload, "in")
            deliver(inbound)

        def came_up(up: bool, reason: str) -> None:
            if up and not self.up_ns:
                self.cpu_at_up = cpu_by_thread()
                self.up_ns = time.monotonic_ns()
            linked(up, reason)

        def joined(world: Any) -> None:
            join(world)
            world.net = _Tap(self, world.net)

        agent.door.take, agent._linked, agent._join = delivered, came_up, joined  # type: ignore[method-assign]
        super()._run()

    def _count(self, channel: Channel, index: int, payload: bytes, way: str) -> None:
        """The MQTT packet that carries a frame at QoS 0: fixed header, topic, payload (MQTT 3.1.1 §3.3)."""
        prefix = prefix_of(self.agent.identity.roster.site.hex())
        rest = 2 + len(frame_topic(prefix, channel, index)) + len(payload)
        self.packets[str(channel), way] += 1
        self.bytes[str(channel), way] += 1 + max(1, -(-rest.bit_length() // 7)) + rest

    def sent(self, channel: Channel, index: int, payload: bytes) -> None:
        self._count(channel, index, payload, "out")
        request = decode_request(payload) if channel is Channel.REQUEST else None
        if isinstance(request, RequestFrame):
            self.requests.append(request)

    def caught_up(self, vertices: int, timeout_s: float) -> dict[str, Any]:
        """Wait until that many are held; what it took since the link came up."""
        node, agent = self.agent.node, self.agent
        wait_until(lambda: node.graph.vertices >= vertices, timeout_s, 0.002)
        done_ns = agent.loop.accepted_at[-1][1] if agent.loop.accepted_at else time.monotonic_ns()
        cpu = {name: spent - self.cpu_at_up.get(name, 0.0) for name, spent in cpu_by_thread().items()}
        site = agent.site
        assert site is not None
        counts = {**node.counts(), **agent.loop.inbox.counts(), **site.counts()}
        asked = Counter(want[:2] for request in self.requests for want in request.wants)
        return {
            "held": node.graph.vertices,
            "accepted": len(agent.loop.accepted_at),
            "seconds": (done_ns - self.up_ns) / 1e9,
            "cpu_s": {name: round(spent, 2) for name, spent in cpu.items() if spent >= 0.005},
            "rounds": max(asked.values(), default=0),
            "requests": len(self.requests),
            "bytes": {f"{channel} {way}": size for (channel, way), size in sorted(self.bytes.items())},
            "packets": {f"{channel} {way}": count for (channel, way), count in sorted(self.packets.items())},
            "socket_bytes": [counts["socket_bytes_in"], counts["socket_bytes_out"]],
            "counts": {key: value for key, value in counts.items() if value},
        }


class _Tap:
    """The way out of the loop, past a counter."""

    def __init__(self, host: Watched, net: Any) -> None:
        self._host = host
        self._net = net

    def publish(self, channel: Channel, index: int, payload: bytes) -> bool:
        self._host.sent(channel, index, payload)
        return bool(self._net.publish(channel, index, payload))


def cpu_by_thread() -> dict[str, float]:
    """Processor seconds of every thread so far, those of one name together."""
    spent: dict[str, float] = {}
    for thread in threading.enumerate():
        if thread.ident is not None:
            name = "loop" if thread.name in ("holder", "late") else thread.name
            clock = time.pthread_getcpuclockid(thread.ident)
            spent[name] = spent.get(name, 0.0) + time.clock_gettime(clock)
    return spent


def main(arguments: list[str]) -> None:
    telemetry.setup("warning")
    host = Watched(Path(arguments[0]))
    answer({"linked": wait_until(lambda: host.is_linked, LINK_S), "ready_ms": host.agent.ready_ms})
    for line in sys.stdin:
        order = json.loads(line)
        if order["op"] == "await":
            answer(host.caught_up(order["vertices"], order["timeout_s"]))
        else:
            answer(usage(host.agent))
    host.end()


def usage(agent: Agent) -> dict[str, Any]:
    """Processor time so far of this process and of the broker it hosts, and what it holds."""
    figures = telemetry.figures()
    assert agent.site is not None
    broker = agent.site.status()["hosted_pid"]
    return {
        "cpu_s": time.process_time(),
        "broker_cpu_s": cpu_s(broker) if broker else 0.0,
        "rss_mb": round(figures.rss_max_bytes / 1e6, 1),
        "vertices": agent.node.graph.vertices,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
