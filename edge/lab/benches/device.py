"""What one board does: everything that the table of boards in docs/BENCHMARKS.md wants, from a board that is real.

Networks have random weights, their inputs are written and their outputs read each time, and one thread does it all. Of
many repeats the least and the median are told: a throttled or shared board shows in their distance.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from edge.cli.options import add_example, at_least
from edge.errors import UnavailableError
from edge.lab.benches import board, codec, device_agents
from edge.lab.benches.log import append
from edge.lab.benches.nn_c import stored_input
from edge.lab.benches.nn_nets import WIDTHS, perceptron, wake_words, write_net
from edge.lab.layout import give_senses, lay_out_site
from edge.lab.process import Device, wait_until
from edge.nn import kernels
from edge.nn.export import export_float32
from edge.nn.network import Network
from edge.nn.plan import lower
from edge.nn.population import Population, memory_bytes
from edge.nn.tflite import read

MANY = 1000
LOG_MB = 16
LOG_GROUP = 16
START_S = 60.0
SAMPLE_S = 0.0005
"""Runs are timed in bundles of about this length, so that the clock itself does not count."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--repeat", type=at_least(3), default=200, metavar="N", help="timed bundles of each, of which the median counts"
    )
    parser.add_argument("--dir", metavar="DIR", help="a directory on the disk to measure (the system's temporary)")
    parser.add_argument(
        "--agents", type=at_least(0), default=MANY, metavar="N", help=f"of a device in a mesh ({MANY}); 0 leaves it out"
    )
    add_example(parser, "bench device --json", "bench device --agents 1000 --repeat 3")


def measure(args: Namespace) -> dict[str, Any]:
    """What the board is before and after, and rows of (what, least and median µs)."""
    kernels.select()
    before = board.look()
    root = Path(tempfile.mkdtemp(prefix="synedge-bench-", dir=args.dir))
    try:
        rows = [*networks(root, args.repeat), many(args.repeat), *signatures(args.repeat)]
        log = append(root / "log", LOG_MB, LOG_GROUP)
        process = device(root / "site")
        crowds = [device_agents.measure(root / f"site-{agents}", agents) for agents in _sizes(args.agents)]
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return {
        "board": before,
        "afterwards": board.state(),
        "kernels": variants(),
        **log,
        "device": process,
        "in_mesh": crowds,
        "rows": rows,
    }


def _sizes(agents: int) -> list[int]:
    """One agent beside the many, for what each of them costs."""
    return [1, agents] if agents > 1 else [1] * agents


def timed(what: str, repeat: int, act: Callable[[], object], units: int = 1) -> dict[str, Any]:
    """The least and the median of `repeat` bundles of runs, for each of the units that a run has."""
    act()
    begun_s = time.perf_counter()
    act()
    bundle = max(1, int(SAMPLE_S / max(time.perf_counter() - begun_s, 1e-7)))
    times = []
    for _ in range(repeat):
        begun_ns = time.perf_counter_ns()
        for _ in range(bundle):
            act()
        times.append((time.perf_counter_ns() - begun_ns) / bundle / units / 1000)
    times.sort()
    return {"what": what, "us_min": round(times[0], 3), "us": round(times[len(times) // 2], 3)}


def networks(folder: Path, repeat: int) -> list[dict[str, Any]]:
    """Each net in both types, and a step of each wake word there is; from Python, inputs and outputs included."""
    nets = [write_net(folder, name, dtype) for name in WIDTHS for dtype in ("float32", "int8")]
    rows = []
    for net in (*nets, *wake_words()):
        network = Network(lower(read(net.path.read_bytes(), net.name), net.name))
        given = stored_input(network.input)
        rows.append(timed(f"{net.name} ({net.shape}), {net.dtype}", repeat, partial(network.invoke, given)))
    return rows


def many(repeat: int) -> dict[str, Any]:
    """1,000 networks of different weights, one call."""
    lowered = lower(read(export_float32(perceptron(Random(1), WIDTHS["s"])), "s"), "s")
    population = Population(lowered, memoryview(bytearray(memory_bytes(lowered, MANY))))
    batch = population.batch([population.spawn(seed=seed, spread=0.1) for seed in range(MANY)])
    inputs = stored_input(lowered.input) * MANY

    def tick() -> None:
        batch.inputs[:] = inputs
        batch.run()

    return timed(f"{MANY} different networks s in one call, float32, each", repeat, tick, MANY)


def signatures(repeat: int) -> list[dict[str, Any]]:
    rows = codec.measure(Namespace(repeat=repeat))["rows"]
    return [{"what": row["what"], "us_min": None, "us": row["us"]} for row in rows]


def variants() -> dict[str, str]:
    """Every variant of the kernels: in use, possible here, or why not."""
    used = {kernels.selected(kernel) for kernel in ("s8_gemm", "f32_gemm")}
    return {name: "in use" if name in used else kernels.can(name) or "possible" for name in kernels.variants()}


def device(root: Path) -> dict[str, Any]:
    """A whole device process with one model, alone: how soon it is ready, and its memory then."""
    _, seats = lay_out_site(root, 1, late=False)
    seat = seats[1]
    give_senses(seat, speed=1.0, start_at_ms=time.time_ns() // 1_000_000)
    process = Device(seat.name, seat.directory)
    try:
        process.start()
        if not wait_until(lambda: process.poll() is not None and bool(process.ready_ms), START_S):
            raise UnavailableError(f"the device does not start:\n{process.last_words()}")
        return {"ready_ms": process.ready_ms[0], "rss_mb": process.status["rss_mb"], "python": sys.version.split()[0]}
    finally:
        process.terminate()
        process.wait(10.0)
