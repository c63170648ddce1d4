"""What a training set asks for, told from the outputs it wants: one class of several, one of two, or numbers."""

from typing import NamedTuple

from edge.nn.fann_data import Data

CLASSES, SIDES, NUMBERS = "classes", "sides", "numbers"


class Task(NamedTuple):
    """`classes`: one output of several is high in every row and all others are low; `sides`: the one output is low or
    high; `numbers`: anything else, and no answer is right or wrong."""

    kind: str
    low: float = 0.0
    high: float = 0.0

    @property
    def middle(self) -> float:
        """Where a single output changes sides."""
        return (self.low + self.high) / 2

    @property
    def output(self) -> str:
        """The activation that fits, by TensorFlow Lite's name."""
        if self.kind == NUMBERS:
            return "NONE"
        return {(0.0, 1.0): "LOGISTIC", (-1.0, 1.0): "TANH"}.get((self.low, self.high), "NONE")

    @property
    def loss(self) -> str:
        """The loss that fits that activation."""
        return "cross-entropy" if self.output == "LOGISTIC" else "squared"


def task_of(data: Data) -> Task:
    found = sorted(set(data.wanted))
    if len(found) != 2:
        return Task(NUMBERS)
    low, high = found
    if data.outputs == 1:
        return Task(SIDES, low, high)
    rows = (data.wanted[at : at + data.outputs] for at in range(0, len(data.wanted), data.outputs))
    is_one_of_many = all(row.count(high) == 1 for row in rows)
    return Task(CLASSES, low, high) if is_one_of_many else Task(NUMBERS)
