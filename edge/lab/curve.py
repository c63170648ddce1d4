"""A course of numbers over time, drawn with letters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log10

WIDTH, HEIGHT = 64, 10
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_ASCII = " ..::||##"


def lines(values: Sequence[float], *, ascii_only: bool = False) -> list[str]:
    """HEIGHT lines, the axis at the left: the logarithm of positive numbers, which is what a loss falls in."""
    columns = _columns([log10(max(value, 1e-12)) for value in values])
    low, high = min(columns), max(columns)
    letters = _ASCII if ascii_only else _EIGHTHS
    span = (high - low) or 1.0
    heights = [1 + round((HEIGHT * 8 - 1) * (value - low) / span) for value in columns]
    rows = []
    for row in range(HEIGHT - 1, -1, -1):
        body = "".join(letters[min(8, max(0, height - 8 * row))] for height in heights)
        label = {HEIGHT - 1: f"{10**high:.2g}", 0: f"{10**low:.2g}"}.get(row, "")
        rows.append(f"{label:>8} |{body}".rstrip())
    return rows


def _columns(values: Sequence[float]) -> list[float]:
    """At most WIDTH of them, each the mean of its part."""
    count = min(WIDTH, len(values))
    edges = [len(values) * place // count for place in range(count + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
