"""Bulk for `synedge bench finality`: authors of the same site record and gossip while its committee decides.

They are those of `synedge bench mesh`, with the same events, several agents to a process; members keep all they say.
They stand for other machines: what they write lies in memory, so that the committee has its disk, and they run when its
members leave a processor to them.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from edge.errors import SynedgeError
from edge.lab.benches.mesh import CONFIG
from edge.lab.benches.workers import Workers
from edge.lab.layout import Seat
from edge.lab.process import Device, wait_until

MEMORY = Path("/dev/shm")
PROCESSES = 2
WINDOW_MS = 1000
"""As devices have it: full load makes batches of 64 events."""
FLOW_S_MAX = 20.0
SETTLE_S_MAX = 60.0


class Bulk:
    """Authors at a rate in events per second, of all together; 0 is as many as go. Use as a context manager."""

    def __init__(self, authors: int, rate: float) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="synedge-bench-", dir=MEMORY if MEMORY.is_dir() else None))
        self._names = [f"bulk-{number + 1}" for number in range(authors)]
        self._rate = rate
        self.seats = [Seat(name, "device", self._root / name, None) for name in self._names]
        """To be made members of the site before they speak."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def beside(
        self, members: list[Device], seconds: float, decide: Callable[[float], dict[str, Any]]
    ) -> dict[str, Any]:
        """What `decide` measures until the time it is given (monotonic seconds), while the authors speak, and how much
        they said meanwhile."""
        for seat in self.seats:
            seat.config.write_text(CONFIG.format(name=seat.name, keep="own", host="never", window=WINDOW_MS))
        with Workers() as workers:
            for at in range(min(PROCESSES, len(self._names))):
                some = self._names[at::PROCESSES]
                workers.start(some, "mesh_worker", str(self._root), "0", *some).give_way()
            for worker in workers.all:
                if not worker.receive()["linked"]:
                    raise SynedgeError(f"{', '.join(worker.names)}: no broker was found")
            before = _held(members)
            each = round((self._rate or 1e5) * seconds / len(self._names))
            until_s = time.monotonic() + seconds
            for number, worker in enumerate(workers.all):
                phase = number / len(workers.all)
                worker.send(op="load", events=each, rate=self._rate / len(self._names), phase=phase)
            if not wait_until(lambda: min(_held(members)) > max(before), FLOW_S_MAX):
                raise SynedgeError("no member hears the authors")
            begun, begun_s = _held(members), time.monotonic()
            figures = decide(until_s)
            taken, elapsed_s = _held(members), time.monotonic() - begun_s
            loads = [worker.receive() for worker in workers.all]
            figures["bulk"] = {
                "asked_events_per_s": self._rate,
                "events_per_vertex": round(each * len(self._names) / sum(load["vertices"] for load in loads), 1),
                "vertices_per_s_at_members": [round((a - b) / elapsed_s) for a, b in zip(taken, begun, strict=True)],
            }
        wait_until(lambda: len(set(_held(members))) == 1, SETTLE_S_MAX, 0.5)
        return figures


def _held(members: Iterable[Device]) -> list[int]:
    """How many vertices each member has in its graph."""
    return [int((device.ask("counts") or {"vertices": 0})["vertices"]) for device in members]
