"""The course of a simulated site as a picture. matplotlib is an extra of those who want one, and loaded only then."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from edge.errors import UnavailableError, UsageError
from edge.sim.question import Answer


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
    upper.set_title(f"{question.nodes} devices, {question.asleep:.0%} asleep, {question.loss:.0%} loss: {home}")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.legend()
        away_min = question.gateway_away_min
        if away_min:
            axes.axvspan(1, 1 + away_min, alpha=0.12, color="grey")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
