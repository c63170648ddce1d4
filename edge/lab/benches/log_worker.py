"""A process of `synedge bench log`: a whole agent on a full log, with a watch on recovery and on trimming."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.agent import Agent
from edge.config import load
from edge.dag import trimming
from edge.lab.benches.mesh_worker import answer
from edge.shell import scribe, telemetry
from edge.shell.loop import now

TRIM_MS = 60_000.0


class Watched(Agent):
    """Says how long its recovery took, and what it added to the memory of the process."""

    def _recover(self) -> None:
        gc.collect()
        self.rss_before_bytes = telemetry.figures().rss_bytes
        begun_s = time.monotonic()
        super()._recover()
        self.recover_s = time.monotonic() - begun_s
        gc.collect()
        self.rss_after_bytes = telemetry.figures().rss_bytes
        self.size_bytes = self.journal.size_bytes
        self.vertices = self.node.graph.vertices


class Stopwatch:
    """The longest of some calls, in ms."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self.ms = 0.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        begun_s = time.monotonic()
        try:
            return self._call(*args, **kwargs)
        finally:
            self.ms = max(self.ms, (time.monotonic() - begun_s) * 1000)


def main(arguments: list[str]) -> None:
    telemetry.setup("error")
    begun_s = time.monotonic()
    agent = Watched(load(Path(arguments[0]) / "synedge.toml"))
    node: Any = agent.node
    look, forget, drop = Stopwatch(node.log_share), Stopwatch(node.trimmed), Stopwatch(trimming.trim)
    node.log_share, node.trimmed = look, forget
    scribe.trim = drop  # type: ignore[attr-defined]  # where it is called
    agent.start()
    ready_s = time.monotonic() - begun_s
    agent.loop.run_until(lambda: node.counts()["trims"] > 0, now().mono_ms + TRIM_MS)
    counts = {**agent.journal.counts(), **node.counts()}
    answer(
        {
            "size_bytes": agent.size_bytes,
            "vertices": agent.vertices,
            "recover_s": agent.recover_s,
            "ready_s": ready_s,
            "rss_before_bytes": agent.rss_before_bytes,
            "rss_after_bytes": agent.rss_after_bytes,
            "trim": {
                "trims": counts["trims"],
                "segments": counts["segments_dropped"],
                "mb": round(counts["bytes_dropped"] / 1e6, 1),
                "vertices": agent.vertices - node.graph.vertices,
                "loop_ms": round(look.ms + forget.ms, 1),
                "journal_ms": round(drop.ms, 1),
            },
        }
    )
    agent.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
