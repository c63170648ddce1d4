"""What lowering builds on: where every tensor lies, constants as they are packed, and the steps so far.

A Place is where an operand is found: among the constants, or in a buffer of the arena. Buffers get their offsets when
all steps are known (`arena.py`); tensors that are only another shape of the same numbers share a buffer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

from edge.nn.graph import OMITTED, Graph, Operator, Quantisation, Tensor

ITEM_BYTES = {"float32": 4, "int8": 1, "uint8": 1, "int16": 2, "int32": 4, "int64": 8, "bool": 1}
_ALIGNMENT = 64


class UnsupportedError(Exception):
    """Another engine may take the model; the message says which operator and why."""


@dataclass(slots=True, eq=False)
class Buffer:
    """Part of the arena. `keeps` what it holds from run to run, or only while some step needs it."""

    size: int
    keeps: bool = False
    first: int = -1
    last: int = -1
    offset: int = -1

    def touch(self, step: int) -> None:
        """Needed by this step."""
        self.first = step if self.first < 0 else self.first
        self.last = max(self.last, step)


class Place(NamedTuple):
    """In a buffer of the arena, or, without one, at an offset among the constants."""

    buffer: Buffer | None
    offset: int = 0


class Unplaced(NamedTuple):
    """A step whose places have no addresses yet."""

    kind: str
    inputs: tuple[Place | None, ...]
    output: Place
    fields: Mapping[str, Any]


@dataclass(slots=True)
class Variable:
    """What VAR_HANDLE names: a buffer that is kept, and what it holds after a reset."""

    buffer: Buffer
    initial: bytes


@dataclass(slots=True)
class Build:
    """One main subgraph on its way to a plan."""

    graph: Graph
    places: dict[int, Place] = field(default_factory=dict)
    known: dict[int, bytes] = field(default_factory=dict)
    """Content of tensors that are computed from constants alone."""
    constants: bytearray = field(default_factory=bytearray)
    steps: list[Unplaced] = field(default_factory=list)
    variables: dict[tuple[str, str], Variable] = field(default_factory=dict)
    handles: dict[int, tuple[str, str]] = field(default_factory=dict)
    kept: list[Variable] = field(default_factory=list)
    """Every variable, those of recurrent layers too."""
    at: int = 0
    """Index of the operator being lowered."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.graph.subgraphs[0].tensors

    def tensor(self, op: Operator, number: int) -> Tensor:
        """An operator's input, which must be there."""
        if number >= len(op.inputs) or op.inputs[number] == OMITTED:
            raise UnsupportedError(f"without its input {number}")
        return self.tensors[op.inputs[number]]

    def has(self, op: Operator, number: int) -> bool:
        return number < len(op.inputs) and op.inputs[number] != OMITTED

    def result(self, op: Operator, number: int = 0) -> Tensor:
        if number >= len(op.outputs):
            raise UnsupportedError(f"without its output {number}")
        return self.tensors[op.outputs[number]]

    def content(self, op: Operator, number: int) -> bytes | memoryview:
        """A constant input's bytes."""
        tensor = self.tensor(op, number)
        found = self.known.get(op.inputs[number], tensor.data)
        if found is None:
            raise UnsupportedError(f"whose input {number} is computed (allowed: constant)")
        return found

    def numbers(self, op: Operator, number: int) -> tuple[int, ...]:
        """A constant int32 or int64 input."""
        tensor = self.tensor(op, number)
        if tensor.dtype not in ("int32", "int64"):
            raise UnsupportedError(f"whose input {number} is {tensor.dtype} (allowed: int32, int64)")
        return tuple(memoryview(bytes(self.content(op, number))).cast("i" if tensor.dtype == "int32" else "q"))

    def store(self, data: bytes | bytearray | memoryview) -> Place:
        """Constants of our own."""
        self.constants += bytes(-len(self.constants) % _ALIGNMENT)
        offset = len(self.constants)
        self.constants += data
        return Place(None, offset)

    def place(self, index: int) -> Place:
        """Where a tensor is found."""
        if index not in self.places:
            data = self.known.get(index, self.tensors[index].data)
            if data is None:
                raise UnsupportedError(f"reads tensor {index} before it has a value")
            self.places[index] = self.store(data)
        return self.places[index]

    def source(self, op: Operator, number: int) -> Place:
        self.tensor(op, number)
        return self.place(op.inputs[number])

    def target(self, op: Operator, number: int = 0) -> Place:
        """A new buffer for an operator's output."""
        tensor = self.result(op, number)
        place = Place(Buffer(tensor_bytes(tensor)))
        self.places[op.outputs[number]] = place
        return place

    def scratch(self, size: int) -> Place:
        return Place(Buffer(max(size, 1)))

    def emit(self, kind: str, inputs: Sequence[Place | None], output: Place, **fields: Any) -> None:
        """One more step; buffers live from the first to the last that touches them."""
        step = Unplaced(kind, tuple(inputs), output, fields)
        for place in (*step.inputs, output):
            if place is not None and place.buffer is not None:
                place.buffer.touch(len(self.steps))
        self.steps.append(step)


def tensor_bytes(tensor: Tensor) -> int:
    if tensor.dtype not in ITEM_BYTES:
        raise UnsupportedError(f"with {tensor.dtype} (allowed: {', '.join(ITEM_BYTES)})")
    return ITEM_BYTES[tensor.dtype] * prod(tensor.shape)


def quantised(tensor: Tensor, what: str) -> Quantisation:
    """The one scale and zero point of a whole tensor."""
    if tensor.quantisation is None or len(tensor.quantisation.scales) != 1:
        raise UnsupportedError(f"whose {what} has not one scale")
    return tensor.quantisation


def only(dtype: str, allowed: Sequence[str], what: str = "input") -> str:
    if dtype not in allowed:
        raise UnsupportedError(f"whose {what} is {dtype} (allowed: {', '.join(allowed)})")
    return dtype


def same_type(*tensors: Tensor) -> str:
    """The element type of all of them."""
    if len({tensor.dtype for tensor in tensors}) != 1:
        raise UnsupportedError(f"that mixes {', '.join(sorted({tensor.dtype for tensor in tensors}))}")
    return tensors[0].dtype


def require_shape(got: Sequence[int], wanted: Sequence[int], what: str) -> None:
    if tuple(got) != tuple(wanted):
        raise UnsupportedError(f"whose {what} has shape {list(got)} (allowed: {list(wanted)})")


def axis_of(axis: int, rank: int) -> int:
    """Counted from the front."""
    if not -rank <= axis < rank:
        raise UnsupportedError(f"along axis {axis} of {rank}")
    return axis % rank


def steps_of(shape: Sequence[int]) -> tuple[int, ...]:
    """How many elements further the next one along each axis lies."""
    steps, step = [], 1
    for dim in reversed(shape):
        steps.append(step)
        step *= dim
    return tuple(reversed(steps))
