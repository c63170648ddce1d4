"""The demo's data: recordings of people whom the network never saw, the network, and labels that only a harness reads.

Also the two ways to say how sure an accuracy is. Windows of one person resemble each other, so that a thousand windows
of four people are far from a thousand independent trials: `wilson` treats them as independent, `interval` does not.
"""

import csv
import json
from collections.abc import Mapping
from functools import lru_cache
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "data" / "watch"
Z95 = 1.959964
# Student's t, two-sided 95%, by degrees of freedom 1 to 30; beyond, the normal's value.
T95 = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)


class Stream(NamedTuple):
    """One arm of one person: what one device of the demo sees."""

    name: str
    person: int
    arm: str
    recording: Path
    """CSV.gz with t_ms, ax, ay, az (g), gx, gy, gz (rad/s) at 50 Hz."""
    labels: Path
    """CSV with from_ms, to_ms, label. For the harness alone."""


class Truth(NamedTuple):
    """What was done in a stretch of a recording: the exercise of most of it, and its share of the time."""

    label: str
    share: float

    @property
    def is_pure(self) -> bool:
        """Whether it was the only one."""
        return self.share == 1.0


def streams() -> list[Stream]:
    """All streams of the package, arms of different people first, so that few devices show many people."""
    found = []
    for path in sorted((FOLDER / "labels").glob("*.csv")):
        person, arm = path.stem.split("-")
        found.append(Stream(path.stem, int(person[1:]), arm, FOLDER / f"{path.stem}.csv.gz", path))
    return sorted(found, key=lambda stream: (stream.arm, stream.person))


@lru_cache(maxsize=1)
def about() -> dict[str, Any]:
    """`activity.json`: how the network was made, what it takes and gives, and how good it is."""
    told: dict[str, Any] = json.loads((FOLDER / "activity.json").read_text())
    return told


def agent_settings() -> dict[str, Any]:
    """The `[[agent]]` table that runs the network, without `source`; every window is reported, none is hidden."""
    told = about()
    return {
        "name": "activity",
        "fields": told["fields"],
        "window": dict(told["window"]),
        "model": str(FOLDER / told["model"]),
        "decide": {"kind": "argmax", "labels": told["labels"]},
    }


def true_label(labels_file: Path, from_ms: float, to_ms: float) -> Truth:
    """What was done from `from_ms` to `to_ms` of a recording; a tie goes to the earlier exercise.

    A recording replayed in a loop goes on: times beyond its end start again at 0.
    """
    spans = _spans(labels_file)
    length = spans[-1][1]
    assert from_ms < to_ms <= from_ms + length
    shift = from_ms // length * length
    from_ms, to_ms = from_ms - shift, to_ms - shift
    shares: dict[str, float] = {}
    for offset in (0, length):
        for begin, end, label in spans:
            common = min(to_ms, end + offset) - max(from_ms, begin + offset)
            if common > 0:
                shares[label] = shares.get(label, 0.0) + common
    label = max(shares, key=shares.__getitem__)
    return Truth(label, shares[label] / (to_ms - from_ms))


@lru_cache(maxsize=64)
def _spans(labels_file: Path) -> tuple[tuple[int, int, str], ...]:
    """The label file's rows; they must follow one another from 0."""
    with open(labels_file, newline="") as file:
        spans = tuple((int(row["from_ms"]), int(row["to_ms"]), row["label"]) for row in csv.DictReader(file))
    edges = [0, *(to_ms for _, to_ms, _ in spans)]
    assert spans and all(begin == edge for (begin, _, _), edge in zip(spans, edges[:-1], strict=True))
    return spans


def wilson(right: int, total: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share (Wilson 1927), as if all trials were independent; (0, 1) without any."""
    assert 0 <= right <= total
    if total == 0:
        return 0.0, 1.0
    share, square = right / total, Z95 * Z95
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = Z95 * sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def interval(by_person: Mapping[int, tuple[int, int]]) -> tuple[float, float]:
    """95% interval of the share of right windows when people, not windows, are the sample.

    `by_person` maps a person to (right, total). Student's t over the people around the pooled share, its variance that
    of a ratio over clusters of unequal size (Cochran 1977, Sampling Techniques, section 9A.1). Never narrower than
    Wilson's: people who happen to agree are no proof. With a single person only Wilson's is left, which is too narrow.
    """
    groups = [(right, total) for right, total in by_person.values() if total]
    right, total = sum(k for k, _ in groups), sum(n for _, n in groups)
    low, high = wilson(right, total)
    if len(groups) < 2:
        return low, high
    people, share = len(groups), right / total
    variance = people / (people - 1) * sum((k - share * n) ** 2 for k, n in groups) / total**2
    half = (T95[people - 2] if people - 1 <= len(T95) else Z95) * sqrt(variance)
    return max(0.0, min(low, share - half)), min(1.0, max(high, share + half))
