"""The course of a site or of a training as a picture. matplotlib is an extra, and loaded only for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from edge.errors import UnavailableError, UsageError
from edge.lab.benches.soak_trend import Sample
from edge.sim.question import Answer


class Point(Protocol):
    """Of a training, at the end of an epoch."""

    @property
    def epoch(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def test_loss(self) -> float | None: ...
    @property
    def test_error(self) -> float | None: ...


def check(path: str) -> None:
    """Before a long run: whether a picture can be made, and where."""
    if not path.endswith(".png"):
        raise UsageError(f"--plot {path}: is not allowed; allowed: a name that ends in .png")
    if not Path(path).parent.is_dir():
        raise UsageError(f"--plot {path}: there is no directory {Path(path).parent}")
    if find_spec("matplotlib") is None:
        raise UnavailableError("--plot needs matplotlib, which is not installed: pip install 'synedge[plot]'")


def draw(answer: Answer, path: Path) -> None:
    """Vertices recorded and home, bytes sent, and the largest log, over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    minutes = [sample.at_s / 60 for sample in answer.samples]
    figure, (upper, lower) = pyplot.subplots(2, 1, sharex=True, figsize=(9, 6), layout="constrained")
    upper.plot(minutes, [sample.recorded for sample in answer.samples], label="recorded on devices")
    upper.plot(minutes, [sample.home for sample in answer.samples], label="in the gateway's store")
    upper.set_ylabel("vertices")
    lower.plot(minutes, [sample.sent_bytes / 1e6 for sample in answer.samples], label="sent by all nodes")
    lower.plot(minutes, [sample.log_bytes_max / 1e6 for sample in answer.samples], label="largest log of a device")
    lower.set_ylabel("MB")
    lower.set_xlabel("minutes")
    question = answer.question
    home = "not everything came home" if answer.home_s is None else f"all home after {answer.home_s:g} s"
    upper.set_title(f"{question.devices} devices, {question.asleep:.0%} asleep, {question.loss:.0%} loss: {home}")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.legend()
        away_min = question.gateway_away_min
        if away_min:
            axes.axvspan(1, 1 + away_min, alpha=0.12, color="grey")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def draw_soak(samples: Mapping[str, Sequence[Sample]], warm_up_s: float, path: Path) -> None:
    """Memory, descriptors and threads of every process over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (upper, lower) = pyplot.subplots(2, 1, sharex=True, figsize=(9, 6), layout="constrained")
    for name, course in samples.items():
        minutes = [sample.at_s / 60 for sample in course]
        (line,) = upper.plot(minutes, [sample.rss_mb for sample in course], label=name)
        lower.plot(minutes, [sample.descriptors for sample in course], color=line.get_color())
        lower.plot(minutes, [sample.threads for sample in course], color=line.get_color(), linestyle=":")
    upper.set_ylabel("RSS, MB")
    lower.set_ylabel("descriptors, threads (dotted)")
    lower.set_xlabel("minutes")
    upper.legend(fontsize="small", ncols=4)
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.axvspan(0, warm_up_s / 60, alpha=0.12, color="grey")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def draw_training(points: Sequence[Point], loss: str, path: Path) -> None:
    """Loss and, where something is tested, the share of wrong answers, over epochs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    epochs = [point.epoch for point in points]
    figure, left = pyplot.subplots(figsize=(9, 5), layout="constrained")
    left.semilogy(epochs, [point.loss for point in points], label="training set")
    left.set_xlabel("epochs")
    left.set_ylabel(f"loss ({loss})")
    left.grid(alpha=0.3)
    if points[-1].test_loss is not None:
        left.semilogy(epochs, [point.test_loss for point in points], label="test set")
    if points[-1].test_error is not None:
        right = left.twinx()
        right.plot(epochs, [100 * (point.test_error or 0.0) for point in points], color="grey", linestyle=":")
        right.set_ylabel("wrong answers on the test set, % (dotted)")
        right.set_ylim(bottom=0)
    left.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
