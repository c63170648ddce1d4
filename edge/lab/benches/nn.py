"""Micro-networks by our kernels and by their peers, the same ones on the same inputs, in one run.

Every figure is of a chunk of calls; chunks of all who run a network take turns, so that what disturbs one disturbs the
others. `us` is the median of the chunks, `us_min` the least; of a peer that has several ways (XNNPACK on and off) the
faster one counts. One thread each. What is not installed is a row that says how to install it.
"""

from __future__ import annotations

import shutil
import tempfile
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from edge import __version__
from edge.cli.options import add_example, at_least
from edge.errors import SynedgeError, UnavailableError
from edge.lab.benches.nn_c import Fann, Native, Tflite, Timer
from edge.lab.benches.nn_many import Nursery, Roof, Swarm
from edge.lab.benches.nn_nets import WIDTHS, Net, wake_words, write_fann, write_many, write_net
from edge.lab.benches.nn_process import Peer
from edge.nn import kernels

NETS = (*WIDTHS, "words")
PYTHON = "from Python, bytes in and out"
C_LOOP = "C loop"
ONE_CALL = "one call from Python for all"
CALLS_MIN = 10
"""In a chunk: what another's memory drove out of the caches comes back with the first of them."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--nets", type=_nets, default=NETS, metavar="NET,NET", help="of s, m, l, words (all)")
    parser.add_argument("--rounds", type=at_least(3), default=41, metavar="N", help="chunks of each measurement (41)")
    parser.add_argument("--chunk-us", type=at_least(20), default=1000, metavar="N", help="how long one takes (1000)")
    parser.add_argument(
        "--count", type=at_least(2), default=1000, metavar="N", help="different networks in one call (1000)"
    )
    parser.add_argument("--no-peers", action="store_true", help="our own figures alone")
    add_example(parser, "bench nn", "bench nn --nets s,m --rounds 101 --json")


def _nets(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(NETS):
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed: {', '.join(NETS)}, joined by commas")
    return names


class Times(NamedTuple):
    """Of one call, in microseconds."""

    us: float
    us_min: float


def measure(args: Namespace) -> dict[str, Any]:
    kernels.select()
    folder = Path(tempfile.mkdtemp(prefix="synedge-bench-"))
    bench = Bench(args, folder)
    try:
        return bench.measure()
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)


class Bench:
    """Whoever is here, and the networks that they run."""

    def __init__(self, args: Namespace, folder: Path):
        self._args, self._folder = args, folder
        self._nets: tuple[str, ...] = args.nets
        self.missing: dict[str, str] = {}
        self._peers: dict[str, Peer] = {}
        self._tflite: Tflite | None = None
        self._fann: Fann | None = None
        if not args.no_peers:
            self._find()

    def _find(self) -> None:
        probe = write_net(self._folder, "s", "float32")
        for name in ("litert", "onnxruntime", "numpy"):
            try:
                self._peers[name] = Peer(name, probe)
            except UnavailableError as error:
                self.missing[name] = str(error)
        try:
            self._tflite = Tflite()
        except SynedgeError as error:
            self.missing["tflite_c"] = f"not installed: {error}"
        try:
            self._fann = Fann()
        except UnavailableError as error:
            self.missing["libfann"] = f"not installed: {error}"

    def close(self) -> None:
        for peer in self._peers.values():
            peer.close()

    def measure(self) -> dict[str, Any]:
        rows: list[dict[str, Any]] = []
        for name in (name for name in WIDTHS if name in self._nets):
            for dtype in ("float32", "int8"):
                rows += self._net(write_net(self._folder, name, dtype))
            rows += self._against_fann(name)
        for net in wake_words() if "words" in self._nets else ():
            rows += self._net(net)
        many = self._many() if "s" in self._nets else {"rows": []}
        return {
            "kernels": {name: kernels.selected(name) for name in ("f32_gemm", "s8_gemm")},
            "versions": self._versions(),
            "rounds": self._args.rounds,
            **{key: value for key, value in many.items() if key != "rows"},
            "rows": rows + many["rows"],
        }

    def _versions(self) -> dict[str, str]:
        found = {"synedge": __version__, **{name: peer.version for name, peer in self._peers.items()}}
        if self._tflite:
            found["tflite_c"] = self._tflite.version
        if self._fann:
            found["libfann"] = self._fann.version
        return found

    def _net(self, net: Net) -> Iterator[dict[str, Any]]:
        """Ours in both ways, and everyone who takes this file."""
        native = Native(net.path)
        timers: dict[tuple[str, str], Timer] = {("native", PYTHON): native.python, ("native", C_LOOP): native.c}
        for name, peer in self._peers.items():
            if name == "litert" or (net.widths and net.dtype == "float32"):
                timers |= {(name, way): timer for way, timer in peer.load(net).items()}
        if self._tflite:
            timers |= {("tflite_c", way): timer for way, timer in self._tflite.ways(net.path).items()}
        found = self._in_turn(timers)
        for name in ("litert", "onnxruntime", "numpy") if net.widths and net.dtype == "float32" else ("litert",):
            whole = {way: times for (who, way), times in found.items() if who == name and not way.endswith(" run")}
            yield self._row(net.name, net.dtype, net.shape, found["native", PYTHON], name, whole, PYTHON)
        for name, end in (("tflite_c", ""), ("litert", " run")):
            bare = {way: times for (who, way), times in found.items() if who == name and way.endswith(end)}
            how = C_LOOP if name == "tflite_c" else "C loop; theirs invoke() alone from Python"
            yield self._row(net.name, net.dtype, net.shape, found["native", C_LOOP], name, bare, how)

    def _against_fann(self, name: str) -> Iterator[dict[str, Any]]:
        """It has no ReLU: hidden layers are clamped between -1 and 1 instead, in both."""
        net, path = write_fann(self._folder, name)
        native = Native(net.path)
        timers: dict[tuple[str, str], Timer] = {("native", C_LOOP): native.c}
        if self._fann:
            timers["libfann", ""], theirs = self._fann.load(path, native.given)
            ours = native.network.output.unpack(native.network.invoke(native.given))
            assert all(abs(a - b) < 1e-3 * max(1, abs(b)) for a, b in zip(ours, theirs, strict=True)), (
                "not the same net"
            )
        found = self._in_turn(timers)
        theirs_by_way = {way: times for (who, way), times in found.items() if who == "libfann"}
        how = f"{C_LOOP}; hidden layers clamped to ±1"
        yield self._row(name, "float32", net.shape, found["native", C_LOOP], "libfann", theirs_by_way, how)

    def _many(self) -> dict[str, Any]:
        """A thousand networks at once, and what one costs."""
        count = self._args.count
        paths = write_many(self._folder, "s", count) if self._peers or self._tflite else []
        swarm = Swarm(write_net(self._folder, "s", "float32").path, count)
        roof, nursery = Roof(swarm.weights_bytes), Nursery(swarm.lowered)
        timers: dict[tuple[str, str], Timer] = {("native", "many"): swarm.python, ("roof", ""): roof.read}
        timers |= {("native", "spawn c"): nursery.c, ("native", "spawn python"): nursery.python}
        timers["native", "rest"] = nursery.rest
        memory: dict[str, Any] = {"parameters_bytes": parameters_bytes("s")}
        memory |= {"native": round(swarm.bytes / count, 1), "native_at_rest": nursery.resting.bytes}
        if "litert" in self._peers:
            ways, memory["litert"] = self._peers["litert"].many(paths)
            timers |= {("litert", way): timer for way, timer in ways.items()}
        if self._tflite:
            timers["tflite_c", "plain"] = self._tflite.many(paths)
        found = self._in_turn(timers)
        each = {key: Times(times.us / count, times.us_min / count) for key, times in found.items()}
        rate, best = (swarm.weights_bytes / found["native", "many"].us_min, roof.bytes / found["roof", ""].us_min)
        shape, rows = "16-32-8", []
        for name, how in (("litert", "theirs set, invoke and get of each"), ("tflite_c", "theirs invoke of each in C")):
            ways_of = {way: times for (who, way), times in each.items() if who == name}
            rows.append(
                self._row(f"{count} x s", "float32", shape, each["native", "many"], name, ways_of, f"{ONE_CALL}; {how}")
            )
        return {
            "bytes_per_network": memory,
            "weights_read_gb_per_s": round(rate / 1000, 2),
            "memory_roof_gb_per_s": round(best / 1000, 2),
            "of_roof": round(rate / best, 3),
            "spawn_and_evict_us": {
                "c": _plain(found["native", "spawn c"]),
                "python": _plain(found["native", "spawn python"]),
            },
            "rest_and_warm_us": _plain(found["native", "rest"]),
            "rows": rows,
        }

    def _in_turn(self, timers: Mapping[tuple[str, str], Timer]) -> dict[tuple[str, str], Times]:
        """Chunk by chunk, everyone once a round; the first calls of each chunk warm it up and are not counted."""
        chunk_ns = self._args.chunk_us * 1000
        calls = {who: max(CALLS_MIN, round(chunk_ns / _least_ns(timer))) for who, timer in timers.items()}
        took: dict[tuple[str, str], list[float]] = {who: [] for who in timers}
        for _ in range(self._args.rounds):
            for who, timer in timers.items():
                timer(1 + calls[who] // 10)
                took[who].append(timer(calls[who]) / calls[who] / 1000)
        return {who: Times(median(times), min(times)) for who, times in took.items()}

    def _row(
        self, net: str, dtype: str, shape: str, ours: Times, peer: str, ways: Mapping[str, Times], method: str
    ) -> dict[str, Any]:
        row: dict[str, Any] = {"net": net, "dtype": dtype, "shape": shape, "us": round(ours.us, 4)}
        row["us_min"] = round(ours.us_min, 4)
        if not ways:
            why = self.missing.get(peer, "not asked")
            return row | dict.fromkeys(("peer_us", "peer_us_min", "ratio", "ratio_min")) | {"peer": peer, "method": why}
        way = min(ways, key=lambda name: ways[name].us)
        theirs = ways[way]
        return row | {
            "peer_us": round(theirs.us, 4),
            "peer_us_min": round(theirs.us_min, 4),
            "ratio": round(theirs.us / ours.us, 2),
            "ratio_min": round(theirs.us_min / ours.us_min, 2),
            "peer": f"{peer} {way}".strip(),
            "method": method,
        }


def _least_ns(timer: Timer) -> float:
    """Of one call, roughly."""
    return max(1.0, min(timer(3) / 3 for _ in range(4)))


def _plain(times: Times) -> dict[str, float]:
    return {"median": round(times.us, 4), "min": round(times.us_min, 4)}


def parameters_bytes(name: str) -> int:
    widths = WIDTHS[name]
    return 4 * sum(before * after + after for before, after in pairwise(widths))
