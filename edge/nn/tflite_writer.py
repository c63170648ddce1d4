"""Writes a Graph as `.tflite`: the other direction of `edge.nn.tflite`, for what is trained here and for tests.

Same graph, same bytes. Options are written as they are given, those that are left out take the schema's defaults.
"""

from collections.abc import Sequence
from typing import NamedTuple

from edge.nn.flatbuffer_writer import Blob, Scalar, Table, Value, Vector, write
from edge.nn.graph import Graph, Operator, Option, Subgraph, Tensor
from edge.nn.schema import CUSTOM, DTYPES, IDENTIFIER, INTERMEDIATES, OPERATORS, OPTIONS

_DTYPES = {dtype.name: number for number, dtype in enumerate(DTYPES)}
_OPERATORS = {name: number for number, name in enumerate(OPERATORS)}
_LETTERS = {"padding": "b", "activation": "b"}
_OLD_CODE_MAX = 127
"""What the field of the older schema says for operators that came later: look at the newer field."""


class _Code(NamedTuple):
    name: str
    version: int


def write_tflite(graph: Graph) -> bytes:
    """The file. KeyError for a name that the schema does not have."""
    codes = list(dict.fromkeys(_Code(op.name, op.version) for part in graph.subgraphs for op in part.operators))
    buffers = [Table({})]  # buffer 0 is the empty one by convention
    root = Table(
        {
            0: Scalar("I", graph.version),
            1: [_code(code) for code in codes],
            2: [_subgraph(part, codes, buffers) for part in graph.subgraphs],
            3: graph.description,
            4: buffers,
        }
    )
    return write(root, IDENTIFIER)


def _code(code: _Code) -> Table:
    name, _, custom = code.name.partition(":")
    number = _OPERATORS[name]
    fields: dict[int, Value] = {0: Scalar("b", min(number, _OLD_CODE_MAX))}
    if number == CUSTOM:
        fields[1] = custom
    return Table(fields | {2: Scalar("i", code.version), 3: Scalar("i", number)})


def _subgraph(part: Subgraph, codes: Sequence[_Code], buffers: list[Table]) -> Table:
    return Table(
        {
            0: [_tensor(tensor, buffers) for tensor in part.tensors],
            1: Vector("i", part.inputs),
            2: Vector("i", part.outputs),
            3: [_operator(op, codes.index(_Code(op.name, op.version))) for op in part.operators],
            4: part.name,
        }
    )


def _tensor(tensor: Tensor, buffers: list[Table]) -> Table:
    number = 0
    if tensor.data is not None:
        number = len(buffers)
        buffers.append(Table({0: Blob(tensor.data)}))
    fields: dict[int, Value] = {
        0: Vector("i", tensor.shape),
        1: Scalar("b", _DTYPES[tensor.dtype]),
        2: Scalar("I", number),
        3: tensor.name,
    }
    how = tensor.quantisation
    if how is not None:
        axis: dict[int, Value] = {6: Scalar("i", how.axis)} if how.axis else {}
        fields[4] = Table({2: Vector("f", how.scales), 3: Vector("q", how.zero_points), **axis})
    if tensor.is_variable:
        fields[5] = Scalar("?", True)
    return Table(fields)


def _operator(op: Operator, index: int) -> Table:
    fields: dict[int, Value] = {0: Scalar("I", index), 1: Vector("i", op.inputs), 2: Vector("i", op.outputs)}
    known, options = OPTIONS.get(op.name), dict(op.options)
    intermediates = options.pop(INTERMEDIATES, None)
    if known is not None and (options or not known.fields):
        kinds = {field.name: (field.number, field.kind) for field in known.fields}
        fields[3] = Scalar("B", known.union)
        fields[4] = Table({kinds[name][0]: _option(kinds[name][1], value) for name, value in options.items()})
    if isinstance(intermediates, tuple):
        fields[8] = Vector("i", intermediates)
    return Table(fields)


def _option(kind: str, value: Option) -> Value:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return Vector("i", value)
    return Scalar(_LETTERS.get(kind, kind), value)
