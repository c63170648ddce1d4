"""What samples of a process over time say: does it grow?"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import NamedTuple

FLAT = 2
"""Descriptors or threads more at the end than at the beginning that are no growth yet: a link may just be renewed."""


class Sample(NamedTuple):
    """One look at a process from outside (proc(5))."""

    at_s: float
    rss_mb: float
    descriptors: int
    threads: int


class Trend(NamedTuple):
    """Of the samples after the warm-up."""

    slope_mb_per_h: float | None
    """Of the straight line with the least squares; None of fewer than two samples."""
    rss_mb: tuple[float, float]
    """Medians of the first and the last quarter."""
    rss_mb_max: float
    descriptors: tuple[int, int]
    """The same medians."""
    threads: tuple[int, int]

    @property
    def is_flat(self) -> bool:
        """Whether neither descriptors nor threads became more."""
        return all(last - first <= FLAT for first, last in (self.descriptors, self.threads))


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Least squares: by how much y rises with one x; None where x does not change."""
    if not points:
        return None
    mean_x, mean_y = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else None


def trend(samples: Sequence[Sample], warm_up_s: float) -> Trend:
    """Of at least one sample; the last one counts even if all lie in the warm-up."""
    kept = [sample for sample in samples if sample.at_s >= warm_up_s] or list(samples[-1:])
    quarter = max(1, len(kept) // 4)
    first, last = kept[:quarter], kept[-quarter:]
    rise = slope([(sample.at_s / 3600, sample.rss_mb) for sample in kept])
    return Trend(
        None if rise is None else round(rise, 3),
        (round(median(s.rss_mb for s in first), 2), round(median(s.rss_mb for s in last), 2)),
        max(sample.rss_mb for sample in samples),
        (round(median(s.descriptors for s in first)), round(median(s.descriptors for s in last))),
        (round(median(s.threads for s in first)), round(median(s.threads for s in last))),
    )
