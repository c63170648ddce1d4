"""What bytes cost: events into a body, a body checked, a header read."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from edge.cli.options import add_example, at_least
from edge.wire.event import Event
from edge.wire.suite import Signer, verify
from edge.wire.vertex import check_body, decode_header, encode_body, encode_header

EVENTS = 64
PAD = "x" * 48
SUITE = 2


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--repeat", type=at_least(1), default=300, metavar="N", help="runs of each, of which the median counts (300)"
    )
    add_example(parser, "bench codec --repeat 1000")


def measure(args: Namespace) -> dict[str, Any]:
    """Rows of (what, µs per unit), medians of CPU time."""
    events = [Event("bench", "value", 1_760_000_000_000 + n, (float(n), PAD), "count", 0.5) for n in range(EVENTS)]
    salts = bytes(16 * EVENTS)
    body, ref = encode_body(events, salts)
    header = encode_header(
        suite=SUITE, site=bytes(8), epoch=1, author=1, incarnation=1, seq=1, prev=None, parents=(), hlc=0, body=ref
    )
    signer = Signer(SUITE, bytes(32))
    message = header.raw
    signature = signer.sign(message)
    public_key = signer.public_key
    rows = [
        _row("event encoded, salted and hashed", EVENTS, args.repeat, lambda: encode_body(events, salts)),
        _row("event checked against header", EVENTS, args.repeat, lambda: check_body(ref, body)),
        _row("header decoded", 1, args.repeat, lambda: decode_header(header.raw)),
        _row("ML-DSA-65 signature made", 1, args.repeat, lambda: signer.sign(message)),
        _row("ML-DSA-65 signature checked", 1, args.repeat, lambda: verify(SUITE, public_key, message, signature)),
    ]
    return {"rows": rows, "event_bytes": len(body) // EVENTS}


def _row(what: str, units: int, repeat: int, act: Callable[[], object]) -> dict[str, Any]:
    times = []
    for _ in range(repeat):
        begun_ns = time.perf_counter_ns()
        act()
        times.append(time.perf_counter_ns() - begun_ns)
    times.sort()
    return {"what": what, "us": round(times[len(times) // 2] / 1000 / units, 2)}
