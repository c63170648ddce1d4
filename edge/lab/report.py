"""How the demo looks while it runs and when it is over."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from edge.cli.output import Output
from edge.lab.process import Device

COLUMNS = ("node", "sees", "broker", "peers", "readings", "recorded", "vertices held", "acked", "RSS MB")


class Screen:
    """A live table on a terminal; on anything else one line every few seconds; silent with --json."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._is_live = not out.as_json and sys.stdout.isatty()
        self._lines = 0
        self._said_s = float("-inf")
        self._news: list[str] = []

    def say(self, text: str) -> None:
        """Something happened."""
        self._news.append(text)
        if not self._is_live and not self._out.as_json:
            print(f"       {text}", flush=True)

    def show(self, devices: Iterable[Device], elapsed_s: float) -> None:
        if self._out.as_json:
            return
        if self._is_live:
            self._redraw(list(devices), elapsed_s)
        elif elapsed_s - self._said_s >= 5:
            self._said_s = elapsed_s
            known = [device.status for device in devices if device.status]
            recorded = sum(status["recorded_events"] for status in known)
            held = max((status["vertices"] for status in known), default=0)
            linked = sum(status["linked"] for status in known)
            print(
                f"{elapsed_s:5.1f} s {linked} nodes linked, {recorded} events recorded, {held} vertices held",
                flush=True,
            )

    def close(self) -> None:
        self._lines = 0

    def _redraw(self, devices: list[Device], elapsed_s: float) -> None:
        if self._lines:
            sys.stdout.write(f"\x1b[{self._lines}F\x1b[J")
        rows = [_row(device) for device in devices]
        self._out.line(f"{elapsed_s:5.1f} s  {'; '.join(self._news[-3:])}")
        self._out.table(COLUMNS, rows, colours={"down": "red", "hosts": "green"})
        self._lines = len(rows) + 2
        sys.stdout.flush()


def _row(device: Device) -> tuple[object, ...]:
    status = device.status
    if not device.is_running:
        return (device.name, "", "down" if device.process else "not yet", *[None] * 6)
    if not status:
        return (device.name, "", "starts", *[None] * 6)
    mqtt = status["mqtt"]
    broker = "hosts" if mqtt["hosting"] else mqtt["discovery"] if mqtt["connected"] else "looks for one"
    return (
        device.name,
        status["label"],
        broker,
        status["peers_online"],
        status["readings"]["readings"],
        status["recorded_events"],
        status["vertices"],
        status["acked_seq"],
        status["rss_mb"],
    )


def summary(out: Output, answer: Mapping[str, Any]) -> None:
    """The verdict for people."""
    accuracy, latency = answer["accuracy"], answer["latency_ms"]
    columns = ("node", "ready ms", "RSS MB", "readings", "recorded", "shed", "own vertices", "held")
    out.line()
    out.table(
        columns,
        [
            (
                row["name"],
                row["ready_ms"],
                row["rss_mb_max"],
                row["readings"],
                row["recorded_events"],
                row["shed_events"],
                row["vertices"],
                row["held"],
            )
            for row in answer["nodes"]
        ],
    )
    out.line()
    low, high = accuracy["ci95"]
    right = "-" if accuracy["value"] is None else f"{accuracy['value']:.1%} ({low:.1%} to {high:.1%})"
    out.pairs(
        [
            ("recorded events", answer["recorded_events"]),
            ("lost events", answer["lost_events"]),
            ("gateway holds", f"{answer['gateway']['vertices']} vertices, {answer['gateway']['events']} events"),
            ("signatures", f"{answer['signatures_verified']} good, {answer['signatures_bad']} bad"),
            ("frontiers equal", answer["frontier_equal"]),
            ("state roots equal", equal_roots(answer)),
            ("durable to verified", f"p50 {latency['p50']} ms, p99 {latency['p99']} ms"),
            ("killed", ", ".join(map(_killed, answer["kills"]))),
            ("accuracy", f"{right} on {accuracy['n']} windows of {accuracy['people']} people never seen in training"),
            ("broker", ", ".join(answer["broker"]) + "; found by " + _counted(answer["discovery"])),
            ("drained in", f"{answer['drain_s']} s"),
        ]
    )
    out.line(out.paint("green: everything recorded is everywhere", "green") if not answer["failures"] else "")


def equal_roots(answer: Mapping[str, Any]) -> str:
    """Whether all devices came to the same shared state, and the beginning of its root, as `status` shows it."""
    return f"yes, {answer['state_root'][:16]}…" if answer["roots_equal"] else "no"


def _killed(kill: Mapping[str, Any]) -> str:
    broker = f" (its broker was gone in {kill['broker']['gone_ms']} ms)" if "broker" in kill else ""
    return f"{kill['name']} after seq {kill['last_seq_before']}{broker}"


def latencies(
    recorded_at: Mapping[tuple[int, ...], int],
    accepted_at: Mapping[tuple[tuple[int, ...], str], int],
    away: frozenset[str],
) -> dict[str, float | int | None]:
    """From durable at the author to accepted at each peer that was there all the time, in ms."""
    found = sorted(
        (at_ns - recorded_at[key]) / 1e6
        for (key, name), at_ns in accepted_at.items()
        if key in recorded_at and name not in away
    )
    return {"p50": percentile(found, 0.5), "p99": percentile(found, 0.99), "n": len(found)}


def percentile(ordered: list[float], share: float) -> float | None:
    """The value below which `share` of an ascending list lies (nearest rank)."""
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None


def tally(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words))


def _counted(words: Mapping[str, int]) -> str:
    return ", ".join(f"{word} ({count})" for word, count in words.items())
