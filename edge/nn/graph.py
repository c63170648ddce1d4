"""What a model is, as values: tensors, operators in the order in which they run, and what goes in and comes out."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Final, NamedTuple

Option = int | float | bool | str | tuple[int, ...]

OMITTED: Final = -1
"""In place of a tensor's index: an optional input that is not there."""
ONCE: Final = "CALL_ONCE"
CALLEE: Final = "init_subgraph_index"


class Quantisation(NamedTuple):
    """A stored number q stands for `scale × (q - zero_point)`."""

    scales: tuple[float, ...]
    """One, or one for each slice along `axis`; finite and above 0."""
    zero_points: tuple[int, ...]
    """As many as scales, or one for all."""
    axis: int


class Tensor(NamedTuple):
    """A place for numbers: constant, computed, given from outside, or kept between runs (`is_variable`)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: memoryview | None
    """A constant's content, of exactly the size that shape and dtype ask for. None: it is not constant."""
    quantisation: Quantisation | None
    is_variable: bool

    @property
    def values(self) -> int:
        """How many numbers it holds; a scalar holds one."""
        return prod(self.shape)


class Operator(NamedTuple):
    """One step. `name` is that of the schema, or `CUSTOM:name`, or `UNKNOWN:number` for what a later schema added."""

    name: str
    version: int
    inputs: tuple[int, ...]
    """Indices of tensors; OMITTED where an optional one is not there."""
    outputs: tuple[int, ...]
    options: Mapping[str, Option]
    """By the schema's field names, defaults filled in; empty for operators whose options we do not read."""


class Subgraph(NamedTuple):
    """Operators in an order in which every tensor has its value before it is read."""

    name: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


class Graph(NamedTuple):
    """A whole model. The first subgraph is what a run runs; others are called by operators."""

    version: int
    description: str
    subgraphs: tuple[Subgraph, ...]


class Fault(NamedTuple):
    """What is wrong, and where, in words of the model."""

    where: str
    what: str


def order_fault(subgraph: Subgraph) -> Fault | None:
    """Where a tensor is read before it has a value, or would get one twice; None when the order holds."""
    tensors = subgraph.tensors
    known = [tensor.data is not None or tensor.is_variable for tensor in tensors]
    for place, index in enumerate(subgraph.inputs):
        if known[index]:
            return Fault(f"inputs[{place}]", f"tensor {index} is constant, a variable or named twice")
        known[index] = True
    for number, operator in enumerate(subgraph.operators):
        where = f"operators[{number}] {operator.name}"
        for place, index in enumerate(operator.inputs):
            if index != OMITTED and not known[index]:
                return Fault(f"{where}.inputs[{place}]", f"tensor {index} is read before anything has written it")
        for place, index in enumerate(operator.outputs):
            if known[index] and tensors[index].values:
                return Fault(f"{where}.outputs[{place}]", f"tensor {index} has a value already")
            known[index] = True
    for place, index in enumerate(subgraph.outputs):
        if not known[index]:
            return Fault(f"outputs[{place}]", f"tensor {index} is written by nothing")
    return None


def call_fault(subgraphs: Sequence[Subgraph]) -> Fault | None:
    """Where CALL_ONCE names no subgraph or one that calls on, so that calls could run in a circle."""
    calls = [[op for op in subgraph.operators if op.name == ONCE] for subgraph in subgraphs]
    for number, operators in enumerate(calls):
        for operator in operators:
            callee = operator.options[CALLEE]
            if not isinstance(callee, int) or not 0 < callee < len(subgraphs):
                what = f"names subgraph {callee} (allowed: 1 to {len(subgraphs) - 1})"
            elif calls[callee]:
                what = f"names subgraph {callee}, which itself has a {ONCE} (allowed: one that has none)"
            else:
                continue
            return Fault(f"subgraphs[{number}] {ONCE}", what)
    return None
