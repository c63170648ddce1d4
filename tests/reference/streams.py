"""The stream detectors, slow and obvious: plain lists, one line for each sentence of the papers."""

from collections.abc import Callable, Sequence
from math import log, sqrt
from random import Random
from typing import NamedTuple


class Node:
    """Of a half-space tree; a leaf has no children. `mass` is of the window before and of this one."""

    def __init__(self, dim: int = 0, at: float = 0.0, children: "tuple[Node, ...]" = ()) -> None:
        self.dim, self.at, self.children = dim, at, children
        self.mass = [0, 0]

    def everyone(self) -> "list[Node]":
        return [self, *(node for child in self.children for node in child.everyone())]


class Forest:
    """Tan, Ting, Liu 2011, algorithms 1 to 3, with the padding and the limits that river gives them."""

    def __init__(self, trees: Sequence[Node], height: int, window: int, limits: Sequence[tuple[float, float]] = ()):
        """Without limits the range of each input is that of what was seen."""
        self.trees, self.height, self.window = trees, height, window
        self.limits = list(limits)
        self.learns_limits = not limits
        self.has_profile = False
        self.seen = 0

    def take(self, row: Sequence[float]) -> float:
        """The score of a row, from 0 for what is usual; then the row is learnt."""
        row = self._scaled(row)
        total = sum(self._walk(tree, row) for tree in self.trees)
        usual = len(self.trees) * self.window * (2 ** (self.height + 1) - 1)
        score = 1 - total / usual if self.has_profile else 0.0
        self.seen += 1
        if self.seen == self.window:
            self.seen, self.has_profile = 0, True
            for tree in self.trees:
                for node in tree.everyone():
                    node.mass = [node.mass[1], 0]
        return score

    def _walk(self, node: Node, row: Sequence[float]) -> int:
        score, depth, is_scoring = 0, 0, True
        while True:
            node.mass[1] += 1
            if is_scoring:
                score += node.mass[0] * 2**depth
                is_scoring = not node.mass[0] < 0.1 * self.window
            if not node.children:
                return score
            node = node.children[0] if row[node.dim] < node.at else node.children[1]
            depth += 1

    def _scaled(self, row: Sequence[float]) -> Sequence[float]:
        if not self.learns_limits:
            return row
        ranges = self.limits or [(value, value) for value in row]
        self.limits = [(min(low, value), max(high, value)) for (low, high), value in zip(ranges, row, strict=True)]
        return [
            (value - low) / (high - low) if high > low else 0.0
            for (low, high), value in zip(self.limits, row, strict=True)
        ]


def grow(random: Callable[[], float], limits: Sequence[tuple[float, float]], height: int) -> Node:
    """A tree: inputs are chosen by the width of what is left of them, split off the middle 70% of that."""
    if height == 0:
        return Node()
    widths = [high - low for low, high in limits]
    place = random() * sum(widths)
    dim = next((dim for dim in range(len(limits)) if (place := place - widths[dim]) < 0), len(limits) - 1)
    low, high = limits[dim]
    first, last = low + 0.15 * (high - low), high - 0.15 * (high - low)
    at = first + random() * (last - first)
    parts = [[*limits[:dim], part, *limits[dim + 1 :]] for part in ((low, at), (at, high))]
    return Node(dim, at, tuple(grow(random, part, height - 1) for part in parts))


class Said(NamedTuple):
    """What a detector of drift says of one value."""

    drift: bool
    before: float
    after: float


class Bucket(NamedTuple):
    size: int
    total: float
    spread: float
    """Sum of squared distances from its mean."""


class Adwin:
    """Bifet, Gavaldà 2007, ADWIN2, with the checks and the restart after a drift that river gives it."""

    def __init__(
        self, delta: float = 0.002, clock: int = 32, buckets: int = 5, shortest: int = 5, grace: int = 10
    ) -> None:
        self.delta, self.clock, self.buckets, self.shortest, self.grace = delta, clock, buckets, shortest, grace
        self.forget()

    def forget(self) -> None:
        self.rows: list[list[Bucket]] = [[]]
        """By size, each from the oldest."""
        self.width, self.total, self.spread = 0, 0.0, 0.0
        self.ticks = 0
        self.is_over = False

    def take(self, value: float) -> Said:
        if self.is_over:
            self.forget()
        if self.width:
            apart = value - self.total / self.width
            self.spread += self.width * apart * apart / (self.width + 1)
        self.width += 1
        self.total += value
        self.rows[0].append(Bucket(1, value, 0.0))
        self._merge()
        self.ticks += 1
        width, total = self.width, self.total
        while self.ticks % self.clock == 0 and self.width > self.grace and self._is_cut():
            self._drop_oldest()
            self.is_over = True
        gone = width - self.width
        return Said(self.is_over, (total - self.total) / gone if gone else total / width, self.total / self.width)

    def _merge(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) <= self.buckets:
                return
            one, other = row[:2]
            del row[:2]
            apart = one.total / one.size - other.total / other.size
            spread = one.spread + other.spread + one.size * other.size * apart * apart / (one.size + other.size)
            if number + 1 == len(self.rows):
                self.rows.append([])
            self.rows[number + 1].append(Bucket(2 * one.size, one.total + other.total, spread))

    def _is_cut(self) -> bool:
        """Whether the window's older part differs from the newer one, at one of the edges of its buckets."""
        size, total = 0, 0.0
        for row in reversed(self.rows):
            for bucket in row:
                size, total = size + bucket.size, total + bucket.total
                rest = self.width - size
                if min(size, rest) >= self.shortest:
                    apart = abs(total / size - (self.total - total) / rest)
                    if apart > self._bound(size, rest):
                        return True
        return False

    def _bound(self, size: int, rest: int) -> float:
        chance = log(2 * log(self.width) / self.delta)
        harmonic = 1 / (size - self.shortest + 1) + 1 / (rest - self.shortest + 1)
        return sqrt(2 * harmonic * (self.spread / self.width) * chance) + 2 / 3 * chance * harmonic

    def _drop_oldest(self) -> None:
        bucket = self.rows[-1].pop(0)
        self.width -= bucket.size
        self.total -= bucket.total
        apart = bucket.total / bucket.size - self.total / self.width
        self.spread -= bucket.spread + bucket.size * self.width * apart * apart / (bucket.size + self.width)
        self.spread = max(0.0, self.spread)  # what rounding left of nothing
        if not self.rows[-1]:
            self.rows.pop()


class PageHinkley:
    """Page 1954 on the distance from the running mean, as river sums it up, and starts again after a drift."""

    def __init__(
        self,
        instances: int = 30,
        delta: float = 0.005,
        threshold: float = 50.0,
        alpha: float = 1 - 0.0001,
        mode: str = "both",
    ) -> None:
        self.instances, self.delta, self.threshold, self.alpha, self.mode = instances, delta, threshold, alpha, mode
        self.forget()

    def forget(self) -> None:
        self.seen = 0
        self.mean = self.recent = 0.0
        self.up = self.down = 0.0
        self.lowest, self.highest = float("inf"), -1.0
        self.is_over = False

    def take(self, value: float) -> Said:
        if self.is_over:
            self.forget()
        self.seen += 1
        self.mean += (1 / self.seen) * (value - self.mean)
        self.recent += (value - self.recent) / min(self.seen, self.instances)
        distance = value - self.mean
        self.up = self.alpha * self.up + distance - self.delta
        self.down = self.alpha * self.down + distance + self.delta
        self.lowest, self.highest = min(self.lowest, self.up), max(self.highest, self.down)
        rises = self.mode != "down" and self.up - self.lowest > self.threshold
        falls = self.mode != "up" and self.highest - self.down > self.threshold
        self.is_over = self.seen >= self.instances and (rises or falls)
        return Said(self.is_over, self.mean, self.recent)


def drifting(seed: int, length: int = 2000) -> list[float]:
    """A stream of pieces with means and spreads of their own, in the manner that the seed says."""
    rng = Random(seed)
    values: list[float] = []
    scale, binary = 10 ** rng.uniform(-2, 3), rng.random() < 0.2
    while len(values) < length:
        mean, spread = rng.uniform(-1, 1) * scale, rng.choice((0.0, 0.05, 0.3, 1.0)) * scale
        for _ in range(rng.randrange(20, 900)):
            values.append(float(rng.random() < abs(mean) / scale) if binary else rng.gauss(mean, spread))
    return values[:length]
