"""A site under steady load for long: does anything grow that should not, and is everything there in the end?

The site of the demo, real processes that found each other by mDNS, each with a network that runs over recordings,
played again and again at the pace that gives the wanted events. Their memory, descriptors and threads are looked at
from outside. Logs are small by default, so that they are trimmed all the while: what a log that still grows takes in
memory (48 bytes a vertex) is no leak, and ends where the log does.
"""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from edge.cli.options import add_example, at_least
from edge.cli.output import Output
from edge.errors import UsageError
from edge.lab import plot, report, verdict, watch
from edge.lab.benches.soak_trend import Sample, Trend, trend
from edge.lab.demo import NODES_MAX, Demo
from edge.lab.layout import GATEWAY, Seat, give_senses
from edge.lab.process import descriptors
from edge.lab.progress import Bar
from edge.shell import telemetry

SAMPLE_S = 5.0
LINE_S = 60.0
"""Where no terminal shows a bar, a line this often."""
WARM_UP_S_MAX = 1200.0
"""Logs have been trimmed by then, and what keeps the newest so many (TRACE_MAX own vertices, one a second) is full."""
WARM_UP_SHARE = 0.4
COURSE_POINTS = 12


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--hours", type=at_least(0.001, whole=False), default=0.05, metavar="H", help="of load (0.05; 1 is a real run)"
    )
    parser.add_argument("--devices", type=at_least(2), default=10, metavar="N", help="beside the gateway (10)")
    parser.add_argument(
        "--events-per-minute",
        type=at_least(1, whole=False),
        default=1_000.0,
        metavar="X",
        help="of all devices together (1000)",
    )
    parser.add_argument("--log-mb", type=at_least(16), default=16, metavar="N", help="the largest log of a node (16)")
    parser.add_argument(
        "--commit-window-ms", type=at_least(1), default=1_000, metavar="MS", help="of every node (1000)"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the course into a PNG; needs the extra synedge[plot]")
    add_example(parser, "bench soak", "bench soak --hours 1 --plot soak.png", "bench soak --hours 0.2 --json")


def measure(args: Namespace) -> dict[str, Any]:
    """One run on a new site; figures for people and for docs/BENCHMARKS.md."""
    if args.devices >= NODES_MAX:
        raise UsageError(f"--devices {args.devices}; allowed: 2 to {NODES_MAX - 1}")
    if args.plot:
        plot.check(args.plot)
    root = Path(tempfile.mkdtemp(prefix="synedge-bench-"))
    try:
        site = _Soak(args, root)
        site.run()
        answer = site.figures()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    if args.plot:
        plot.draw_soak(site.samples, site.warm_up_s, Path(args.plot))
    return answer


class _Soak(Demo):
    """The demo with endless recordings, and somebody who watches the processes."""

    def __init__(self, args: Namespace, root: Path) -> None:
        settings = Namespace(nodes=args.devices, seconds=1.0, replay_speed=None, chaos=False)
        super().__init__(settings, root, Output(as_json=True))
        told = watch.about()
        reading_s = told["interval_ms"] / 1000
        self.load_s = args.hours * 3600
        self.speed = args.events_per_minute / 60 / args.devices * told["window"]["step"] * reading_s
        self.warm_up_s = min(WARM_UP_S_MAX, WARM_UP_SHARE * self.load_s)
        self.samples: dict[str, list[Sample]] = {name: [] for name in self.devices}
        self._asked = args
        self._said_s = 0.0
        self._bar = Bar(round(self.load_s), as_json=getattr(args, "json", False))
        self._lengthen()

    def _lengthen(self) -> None:
        """Recordings as long as the load, each made once."""
        streams = {seat.stream: seat for seat in self.seats if seat.stream is not None}
        longer = {}
        for stream in streams:
            path = self.root / stream.recording.name
            repeat(stream.recording, path, self.load_s * self.speed * 1000)
            longer[stream] = stream._replace(recording=path)
        self.seats = [seat._replace(stream=longer[seat.stream]) if seat.stream else seat for seat in self.seats]

    def _give_senses(self, seat: Seat) -> None:
        give_senses(
            seat,
            speed=self.speed,
            start_at_ms=self.start_at_ms,
            window_ms=self._asked.commit_window_ms,
            log_mb=self._asked.log_mb,
        )

    def _load(self) -> None:
        until_s = self.begun_s + self.start_s + self.load_s
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, SAMPLE_S, self.load_s / 20))
            self._poll()
            self._sample(time.monotonic() - self.begun_s - self.start_s)
        self._bar.clear()

    def _sample(self, at_s: float) -> None:
        for device in self._expected():
            if device.is_running:
                figures = telemetry.figures(device.pid)
                opened = descriptors(device.pid)
                self.samples[device.name].append(Sample(at_s, figures.rss_bytes / 1e6, opened, figures.threads))
        recorded = sum(device.status.get("recorded_events", 0) for device in self._expected())
        newest = [course[-1].rss_mb for course in self.samples.values() if course]
        text = f"s, {recorded} events, largest {max(newest, default=0.0):.1f} MB"
        self._bar.show(round(at_s), text)
        if not sys.stderr.isatty() and at_s - self._said_s >= LINE_S:
            self._said_s = at_s
            print(f"{at_s:.0f} of {self.load_s:.0f} {text}", file=sys.stderr, flush=True)

    def _judge(self) -> dict[str, Any]:
        """What the logs and the gateway's store say; nobody asks for the network's accuracy here."""
        roster, authority = self.site.roster, self.site.authority.public_key
        held = {seat.name: verdict.read(seat, roster, authority) for seat in self.seats}
        stored = verdict.read_store(self.seats[0].directory)
        # A trimmed log no longer says how much there was; what the process counted does, and it had stopped counting.
        kept = Counter(author for author, _ in stored.events)
        missing = sum(
            max(0, self.devices[name].status.get("recorded_events", 0) - kept[roster.by_name[name].index])
            for name in held
        )
        answer: dict[str, Any] = {
            "recorded_events": sum(device.status.get("recorded_events", 0) for device in self.devices.values()),
            "stored_events": len(stored.events),
            "stored_vertices": stored.vertices,
            "lost_events": max(missing, verdict.lost_events(held.values(), stored.ids)),
            "frontier_equal": len({item.verdict.frontier for item in held.values()}) == 1,
            **self.sharing.answer(item.root for item in held.values()),
            "latency_ms": report.latencies(self.recorded_at, self.accepted_at, frozenset()),
            "drain_s": round(self.drain_s, 2),
            "discovery": self._discovery(),
        }
        # A run of seconds may have too few vertices for what the demo asks of each device.
        faults = [one for one in self._failures(answer, held, stored) if "vertices with parents" not in one]
        self.answer = {**answer, "faults": faults}
        return self.answer

    def figures(self) -> dict[str, Any]:
        """The verdict, and the trend of every process."""
        trends = {name: trend(course, self.warm_up_s) for name, course in self.samples.items() if course}
        slopes = {name: one.slope_mb_per_h for name, one in trends.items() if one.slope_mb_per_h is not None}
        return {
            "devices": self._asked.devices,
            "seconds": round(self.load_s),
            "warm_up_s": round(self.warm_up_s),
            "events_per_minute": round(60 * self.answer["recorded_events"] / self.load_s),
            "rss_slope_mb_per_h": {
                "gateway": slopes.pop(GATEWAY, None),
                "devices_max": max(slopes.values(), default=None),
                "devices_mean": round(fmean(slopes.values()), 3) if slopes else None,
            },
            "rss_mb_max": round(max(one.rss_mb_max for one in trends.values()), 1),
            "course_mb": course(self.samples, self.load_s),
            "flat": all(one.is_flat for one in trends.values()),
            **self.answer,
            "rows": [self._row_of(name, one) for name, one in trends.items()],
        }

    def _row_of(self, name: str, one: Trend) -> dict[str, Any]:
        status = self.devices[name].status
        return {
            "node": name,
            "slope_mb_per_h": one.slope_mb_per_h,
            "rss_mb_first": one.rss_mb[0],
            "rss_mb_last": one.rss_mb[1],
            "rss_mb_max": round(one.rss_mb_max, 2),
            "descriptors": f"{one.descriptors[0]} to {one.descriptors[1]}",
            "threads": f"{one.threads[0]} to {one.threads[1]}",
            "recorded": status.get("recorded_events"),
            "segments_dropped": status.get("log", {}).get("segments_dropped"),
        }


def course(samples: Mapping[str, Sequence[Sample]], load_s: float) -> dict[str, float]:
    """The mean memory of the devices, by the minute at the end of each of COURSE_POINTS parts."""
    parts: dict[int, list[float]] = {}
    for name, looks in samples.items():
        for look in looks if name != GATEWAY else ():
            part = min(COURSE_POINTS - 1, int(look.at_s * COURSE_POINTS / load_s))
            parts.setdefault(part, []).append(look.rss_mb)
    ends_min = load_s / 60 / COURSE_POINTS
    return {f"{(part + 1) * ends_min:.1f} min": round(fmean(values), 2) for part, values in sorted(parts.items())}


def repeat(recording: Path, path: Path, length_ms: float) -> None:
    """Write a recording that goes on for `length_ms`: round follows round at the distance of two rows."""
    with gzip.open(recording, "rt", encoding="ascii") as file:
        head, *lines = file.read().splitlines()
    rows = [line.split(",", 1) for line in lines]
    times = [int(time_ms) for time_ms, _ in rows]
    round_ms = times[-1] - times[0] + (times[1] - times[0])
    with gzip.open(path, "wt", encoding="ascii", compresslevel=1) as file:
        file.write(head + "\n")
        begun_ms = 0
        while begun_ms < length_ms:
            file.writelines(
                f"{begun_ms + at - times[0]},{rest}\n"
                for at, (_, rest) in zip(times, rows, strict=True)
                if begun_ms + at - times[0] < length_ms
            )
            begun_ms += round_ms
