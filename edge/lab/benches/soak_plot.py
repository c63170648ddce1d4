"""The course of a soak as a picture; imported only for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.lab.benches.soak_trend import Sample


def draw(samples: Mapping[str, Sequence[Sample]], warm_up_s: float, path: Path) -> None:
    """Memory of every process over time, and how many descriptors and threads the largest has."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (upper, lower) = pyplot.subplots(2, 1, sharex=True, figsize=(9, 6), layout="constrained")
    for name, course in samples.items():
        upper.plot([sample.at_s / 60 for sample in course], [sample.rss_mb for sample in course], label=name)
        lower.plot([sample.at_s / 60 for sample in course], [sample.descriptors for sample in course])
        lower.plot([sample.at_s / 60 for sample in course], [sample.threads for sample in course], linestyle=":")
    upper.set_ylabel("RSS, MB")
    lower.set_ylabel("descriptors, threads (dotted)")
    lower.set_xlabel("minutes")
    upper.legend(fontsize="small", ncols=4)
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.axvspan(0, warm_up_s / 60, alpha=0.12, color="grey")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
