"""The slow twin of `edge.sense.features`: exact rational arithmetic, rounded once at the end."""

import struct
from fractions import Fraction
from math import sqrt

Channel = list[Fraction]


def mean(channel: Channel) -> Fraction:
    return sum(channel, Fraction(0)) / len(channel)


def moment(channel: Channel, power: int) -> Fraction:
    centre = mean(channel)
    return sum(((value - centre) ** power for value in channel), Fraction(0)) / len(channel)


def root(value: Fraction) -> float:
    return sqrt(value)


def quantile(channel: Channel, share: Fraction) -> Fraction:
    ordered = sorted(channel)
    place = share * (len(ordered) - 1)
    below = int(place)
    part = place - below
    return ordered[below] if not part else ordered[below] * (1 - part) + ordered[below + 1] * part


def zero_crossings(channel: Channel) -> Fraction:
    signs = [value >= mean(channel) for value in channel]
    changes = sum(1 for index in range(1, len(signs)) if signs[index] != signs[index - 1])
    return Fraction(changes, len(channel) - 1) if len(channel) > 1 else Fraction(0)


def slope(channel: Channel) -> Fraction:
    """The least squares line through (0, v0), (1, v1) …"""
    count = len(channel)
    if count < 2:
        return Fraction(0)
    xs = [Fraction(index) for index in range(count)]
    top = sum(((x - mean(xs)) * (y - mean(channel)) for x, y in zip(xs, channel, strict=True)), Fraction(0))
    return top / sum(((x - mean(xs)) ** 2 for x in xs), Fraction(0))


def feature(name: str, channel: Channel) -> float:
    variance = moment(channel, 2)
    match name:
        case "mean":
            return float(mean(channel))
        case "std":
            return root(variance)
        case "min":
            return float(min(channel))
        case "max":
            return float(max(channel))
        case "range":
            return float(max(channel) - min(channel))
        case "rms":
            return root(mean([value * value for value in channel]))
        case "energy":
            return float(mean([value * value for value in channel]))
        case "mad":
            return float(mean([abs(value - mean(channel)) for value in channel]))
        case "zcr":
            return float(zero_crossings(channel))
        case "slope":
            return float(slope(channel))
        case "median":
            return float(quantile(channel, Fraction(1, 2)))
        case "iqr":
            return float(quantile(channel, Fraction(3, 4)) - quantile(channel, Fraction(1, 4)))
        case "skew":
            return float(moment(channel, 3)) / root(variance) ** 3 if variance else 0.0
        case "kurtosis":
            return float(moment(channel, 4) / variance**2 - 3) if variance else 0.0
    raise AssertionError(name)


def correlation(one: Channel, other: Channel) -> float:
    if not moment(one, 2) or not moment(other, 2):
        return 0.0
    products = [(a - mean(one)) * (b - mean(other)) for a, b in zip(one, other, strict=True)]
    return float(mean(products)) / (root(moment(one, 2)) * root(moment(other, 2)))


def extract(rows: list[tuple[float, ...]], names: list[str]) -> list[float]:
    """The tensor's values of a window: channel-major features, then correlations; without names row by row."""
    if not names:
        return [value for row in rows for value in row]
    channels = [[Fraction(row[index]) for row in rows] for index in range(len(rows[0]))]
    values = []
    for channel in channels:
        for name in names:
            if name != "corr":
                values.append(feature(name, channel))
    if "corr" in names:
        for first in range(len(channels)):
            for second in range(first + 1, len(channels)):
                values.append(correlation(channels[first], channels[second]))
    return values


def pack(values: list[float]) -> bytes:
    return b"".join(struct.pack("<f", value) for value in values)
