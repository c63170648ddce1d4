"""Named features of a window, and the tensor made of them.

Order: channel-major (for each channel each named feature, as listed), then the pairwise correlations if `corr` is
named: (0,1), (0,2) … (1,2) …, the upper triangle row by row. All moments are of the population. A channel that does not
move has std, mad, zcr, slope, skew, kurtosis and corr exactly 0.

mean, std, min, max, range (max - min), rms, energy (mean square), mad (mean absolute deviation from the mean),
zcr (sign changes of the mean-removed signal, 0 counting as positive, over n - 1), slope (least squares, per sample),
median, iqr (quartiles by linear interpolation), skew (m3 / m2^1.5), kurtosis (excess: m4 / m2^2 - 3, so that a normal
signal gives 0).
"""

import sys
from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import fsum, isfinite, sqrt

CORRELATION = "corr"
FLOAT32_MAX = 3.4028234663852886e38


class Channel:
    """One channel of a full window with what most features need; the rest is computed on demand."""

    __slots__ = ("_ordered", "deviations", "high", "low", "mean", "values", "variance")

    def __init__(self, values: "array[float]") -> None:
        self.values = values
        self.low = min(values)
        self.high = max(values)
        # Rounding would give a constant channel a variance of 1e-34 and with it a correlation of ±1.
        moves = self.low != self.high
        self.mean = fsum(values) / len(values) if moves else self.low
        self.deviations = [value - self.mean for value in values] if moves else [0.0] * len(values)
        self.variance = self.moment(2) if moves else 0.0
        self._ordered: list[float] | None = None

    def moment(self, power: int) -> float:
        """The central moment of order 2, 3 or 4."""
        terms = self.deviations
        squares = [term * term for term in terms]
        if power == 3:
            squares = [square * term for square, term in zip(squares, terms, strict=True)]
        elif power == 4:
            squares = [square * square for square in squares]
        return fsum(squares) / len(terms)

    def mean_square(self) -> float:
        return fsum([value * value for value in self.values]) / len(self.values)

    def quantile(self, share: float) -> float:
        """Linear interpolation between the two nearest of the ordered values."""
        if self._ordered is None:
            self._ordered = sorted(self.values)
        place = share * (len(self._ordered) - 1)
        below = int(place)
        above = min(below + 1, len(self._ordered) - 1)
        return self._ordered[below] + (self._ordered[above] - self._ordered[below]) * (place - below)


def _crossings(channel: Channel) -> float:
    count = len(channel.deviations)
    if count < 2:
        return 0.0
    positive = [term >= 0 for term in channel.deviations]
    return sum(one != other for one, other in pairwise(positive)) / (count - 1)


def _slope(channel: Channel) -> float:
    count = len(channel.deviations)
    if count < 2:
        return 0.0
    middle = (count - 1) / 2
    spread = count * (count * count - 1) / 12  # the sum of (i - middle)² over i = 0 … count - 1
    return fsum([(index - middle) * term for index, term in enumerate(channel.deviations)]) / spread


def _skew(channel: Channel) -> float:
    scale = channel.variance * sqrt(channel.variance)
    return channel.moment(3) / scale if scale else 0.0


def _kurtosis(channel: Channel) -> float:
    scale = channel.variance * channel.variance
    return channel.moment(4) / scale - 3.0 if scale else 0.0


FEATURES: dict[str, Callable[[Channel], float]] = {
    "mean": lambda channel: channel.mean,
    "std": lambda channel: sqrt(channel.variance),
    "min": lambda channel: channel.low,
    "max": lambda channel: channel.high,
    "range": lambda channel: channel.high - channel.low,
    "rms": lambda channel: sqrt(channel.mean_square()),
    "energy": Channel.mean_square,
    "mad": lambda channel: fsum([abs(term) for term in channel.deviations]) / len(channel.deviations),
    "zcr": _crossings,
    "slope": _slope,
    "median": lambda channel: channel.quantile(0.5),
    "iqr": lambda channel: channel.quantile(0.75) - channel.quantile(0.25),
    "skew": _skew,
    "kurtosis": _kurtosis,
}
NAMES = (*FEATURES, CORRELATION)


def correlation(one: Channel, other: Channel) -> float:
    """Pearson's coefficient, kept within [-1, 1]; 0 when either channel does not move."""
    scale = sqrt(one.variance) * sqrt(other.variance)
    if not scale:
        return 0.0
    products = [a * b for a, b in zip(one.deviations, other.deviations, strict=True)]
    return max(-1.0, min(1.0, fsum(products) / len(products) / scale))


def extract(rows: "array[float]", channels: int, names: Sequence[str]) -> list[float]:
    """The features of a window given row-major; without names the rows themselves."""
    if not names:
        return rows.tolist()
    each = [Channel(rows[index::channels]) for index in range(channels)]
    values = [FEATURES[name](channel) for channel in each for name in names if name != CORRELATION]
    if CORRELATION in names:
        values += [correlation(one, other) for index, one in enumerate(each) for other in each[index + 1 :]]
    return values


def feature_names(fields: Sequence[str], names: Sequence[str], size: int) -> list[str]:
    """A name for each element of the tensor: `x.rms`, `x.y.corr`; `x` or `x[3]` without features."""
    if not names:
        return [field if size == 1 else f"{field}[{row}]" for row in range(size) for field in fields]
    named = [f"{field}.{name}" for field in fields for name in names if name != CORRELATION]
    if CORRELATION in names:
        named += [f"{one}.{other}.{CORRELATION}" for index, one in enumerate(fields) for other in fields[index + 1 :]]
    return named


def tensor_length(size: int, channels: int, names: Sequence[str]) -> int:
    if not names:
        return size * channels
    pairs = channels * (channels - 1) // 2 if CORRELATION in names else 0
    return channels * sum(name != CORRELATION for name in names) + pairs


def scale(values: list[float], mean: Sequence[float], std: Sequence[float]) -> list[float]:
    """(value - mean) / std; the two lists repeat over the values (per channel for a raw window, else per element)."""
    period = len(mean)
    if not period:
        return values
    assert len(values) % period == 0 and len(std) == period
    return [(value - mean[at % period]) / std[at % period] for at, value in enumerate(values)]


def pack(values: Sequence[float]) -> bytes | None:
    """Packed little-endian float32; None when a value does not fit one."""
    if not all(isfinite(value) and abs(value) <= FLOAT32_MAX for value in values):
        return None
    packed = array("f", values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
