"""Puts a model together step by step: tensors and operators in the order in which they run, out comes a Graph."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from math import prod

from edge.nn.graph import Graph, Operator, Option, Quantisation, Subgraph, Tensor
from edge.nn.schema import VERSION

LETTERS = {
    "float32": "f", "float16": "e", "int8": "b", "uint8": "B", "int16": "h", "int32": "i", "int64": "q", "bool": "?",
}  # fmt: skip
"""How struct packs an element of a constant."""


class Draft:
    """One subgraph that grows. Every tensor is known by the number that adding it answered."""

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        quantisation: Quantisation | None = None,
        *,
        is_variable: bool = False,
    ) -> int:
        """A tensor that is given, computed, or kept between runs."""
        self.tensors.append(Tensor(name, tuple(shape), dtype, None, quantisation, is_variable))
        return len(self.tensors) - 1

    def constant(
        self,
        name: str,
        shape: Sequence[int],
        values: Iterable[float],
        dtype: str = "float32",
        quantisation: Quantisation | None = None,
    ) -> int:
        """A tensor with content, in the order of rows. struct.error when a value does not fit the type."""
        count = prod(shape)
        numbers = values if dtype.startswith("float") else map(int, values)
        data = memoryview(struct.pack(f"<{count}{LETTERS[dtype]}", *numbers))
        self.tensors.append(Tensor(name, tuple(shape), dtype, data, quantisation, False))
        return len(self.tensors) - 1

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Mapping[str, Option] | None = None,
        version: int = 1,
    ) -> None:
        """One step more."""
        self.operators.append(Operator(name, version, tuple(inputs), tuple(outputs), dict(options or {})))

    def subgraph(self, inputs: Sequence[int], outputs: Sequence[int]) -> Subgraph:
        return Subgraph(self.name, tuple(self.tensors), tuple(inputs), tuple(outputs), tuple(self.operators))

    def graph(self, inputs: Sequence[int], outputs: Sequence[int], description: str = "", *more: Subgraph) -> Graph:
        """The whole model; `more` are subgraphs that operators of this one call."""
        return Graph(VERSION, description, (self.subgraph(inputs, outputs), *more))


def per_tensor(scale: float, zero_point: int = 0) -> Quantisation:
    """One scale for all."""
    return Quantisation((scale,), (zero_point,), 0)
