"""Reads `.tflite`: what the model is, as values, and nothing that has not been checked.

Content of constants stays a view of the caller's bytes. What a returned Graph promises: every index names something,
every tensor has a value before it is read and gets it once, constants are exactly as large as shape and type say and
hold no NaN, quantisation is usable, enumerations are ones that exist. Whether an operator can be run, and whether its
tensors fit together, is for the engine to say.
"""

from math import isfinite, prod
from types import MappingProxyType
from typing import Any

from edge.limits import (
    MODEL_CODES_MAX,
    MODEL_FILE_BYTES_MAX,
    MODEL_OPERATOR_TENSORS_MAX,
    MODEL_OPERATORS_MAX,
    MODEL_RANK_MAX,
    MODEL_SUBGRAPHS_MAX,
    MODEL_TENSOR_VALUES_MAX,
    MODEL_TENSORS_MAX,
    MODEL_TEXT_BYTES_MAX,
)
from edge.nn.constants import Buffers
from edge.nn.errors import LackingError
from edge.nn.flatbuffer import Source, Table
from edge.nn.graph import (
    OMITTED,
    Graph,
    Operator,
    Option,
    Quantisation,
    Subgraph,
    Tensor,
    call_fault,
    order_fault,
)
from edge.nn.schema import (
    ACTIVATIONS,
    CUSTOM,
    DTYPES,
    IDENTIFIER,
    INTERMEDIATES,
    LSTM,
    OPERATORS,
    OPTIONS,
    PADDINGS,
    VERSION,
    Dtype,
    Field,
)

__all__ = ["OMITTED", "Graph", "Operator", "Option", "Quantisation", "Subgraph", "Tensor", "read"]

_ENUMS = {"padding": PADDINGS, "activation": ACTIVATIONS}
_NO_OPTIONS: MappingProxyType[str, Option] = MappingProxyType({})


def read(data: bytes | bytearray | memoryview, path: str = "") -> Graph:
    """The model in these bytes. Raises ModelError that names file (`path`), place, fault and what is allowed;
    a LackingError when the file may be right and has what we do not read.

    The graph refers to `data`, which must not change while the graph is in use.
    """
    source = Source(data, path)
    if source.size > MODEL_FILE_BYTES_MAX:
        raise source.fault("file", 0, f"{source.size} bytes (allowed: up to {MODEL_FILE_BYTES_MAX})")
    root = source.root(IDENTIFIER)
    version = root.scalar(0, "version", "I", 0)
    if version != VERSION:
        raise root.fault("version", f"is {version} (allowed: {VERSION})")
    codes = tuple(_code(table) for table in root.tables(1, "operator_codes", MODEL_CODES_MAX))
    reader = _Reader(codes, Buffers(root.tables(4, "buffers", MODEL_TENSORS_MAX + 1)))
    tables = root.tables(2, "subgraphs", MODEL_SUBGRAPHS_MAX)
    if not tables:
        raise root.fault("subgraphs", f"none (allowed: 1 to {MODEL_SUBGRAPHS_MAX})")
    subgraphs = tuple(reader.subgraph(table) for table in tables)
    fault = call_fault(subgraphs)
    if fault is not None:
        raise source.fault(fault.where, root.at, fault.what)
    return Graph(version, root.text(3, "description", MODEL_TEXT_BYTES_MAX), subgraphs)


def _code(table: Table) -> tuple[str, int]:
    """Name and version of an operator. Numbers above 126 are only in the second field, small ones may be in either."""
    number = max(table.scalar(0, "deprecated_builtin_code", "b", 0), table.scalar(3, "builtin_code", "i", 0))
    version = table.scalar(2, "version", "i", 1)
    if number < 0 or version < 1:
        raise table.fault("", f"operator {number} of version {version} (allowed: from 0, from 1)")
    if number == CUSTOM:
        return f"CUSTOM:{table.text(1, 'custom_code', MODEL_TEXT_BYTES_MAX)}", version
    return OPERATORS[number] if number < len(OPERATORS) else f"UNKNOWN:{number}", version


class _Reader:
    """Reads subgraphs, which name operators and buffers of the whole file."""

    def __init__(self, codes: tuple[tuple[str, int], ...], buffers: Buffers):
        self._codes, self._buffers = codes, buffers
        self._tensors_left, self._operators_left = MODEL_TENSORS_MAX, MODEL_OPERATORS_MAX

    def subgraph(self, table: Table) -> Subgraph:
        tensors = tuple(self._tensor(one) for one in table.tables(0, "tensors", self._tensors_left))
        self._tensors_left -= len(tensors)
        tables = table.tables(3, "operators", self._operators_left)
        self._operators_left -= len(tables)
        result = Subgraph(
            table.text(4, "name", MODEL_TEXT_BYTES_MAX),
            tensors,
            _indices(table, 1, "inputs", len(tensors)),
            _indices(table, 2, "outputs", len(tensors)),
            tuple(self._operator(one, len(tensors)) for one in tables),
        )
        fault = order_fault(result)
        if fault is not None:
            raise table.fault(fault.where, fault.what)
        return result

    def _tensor(self, table: Table) -> Tensor:
        number = table.scalar(1, "type", "b", 0)
        if not 0 <= number < len(DTYPES):
            raise table.fault("type", f"is {number} (allowed: 0 to {len(DTYPES) - 1})")
        if table.has(6):
            raise LackingError(str(table.fault("sparsity", "the tensor is sparse (allowed: dense)")))
        dtype, shape = DTYPES[number], _shape(table)
        data = self._data(table, dtype, shape)
        values = prod(shape)
        if data is None and values > MODEL_TENSOR_VALUES_MAX:
            raise table.fault("shape", f"{list(shape)} is {values} values (allowed: up to {MODEL_TENSOR_VALUES_MAX})")
        is_variable = bool(table.scalar(5, "is_variable", "?", False))
        if is_variable and data is not None:
            raise table.fault("is_variable", "the variable has constant content (allowed: one of both)")
        name = table.text(3, "name", MODEL_TEXT_BYTES_MAX)
        return Tensor(name, shape, dtype.name, data, _quantisation(table, dtype, shape), is_variable)

    def _data(self, table: Table, dtype: Dtype, shape: tuple[int, ...]) -> memoryview | None:
        """A constant's content. A tensor of no values is a constant too, for nothing can be computed into it."""
        number = table.scalar(2, "buffer", "I", 0)
        if number >= max(len(self._buffers), 1):
            raise table.fault("buffer", f"is {number} (allowed: 0 to {len(self._buffers) - 1})")
        if table.scalar(10, "external_buffer", "I", 0):
            raise LackingError(str(table.fault("external_buffer", "content outside of the file (allowed: inside)")))
        found = self._buffers.content(number) if len(self._buffers) else None
        if found is None:
            return memoryview(b"") if dtype.bits and 0 in shape else None
        at, data = found
        if dtype.bits and (wanted := -(-prod(shape) * dtype.bits // 8)) != len(data):
            what = f"{len(data)} bytes for shape {list(shape)} of {dtype.name} (allowed: {wanted})"
            raise table.fault("buffer", what, at)
        if self._buffers.has_nan(number, dtype.name):
            raise table.fault("buffer", f"a {dtype.name} is NaN (allowed: numbers)", at)
        return data

    def _operator(self, table: Table, tensors: int) -> Operator:
        number = table.scalar(0, "opcode_index", "I", 0)
        if number >= len(self._codes):
            raise table.fault("opcode_index", f"is {number} (allowed: 0 to {len(self._codes) - 1})")
        name, version = self._codes[number]
        inputs = _indices(table, 1, "inputs", tensors, lowest=OMITTED)
        outputs = _indices(table, 2, "outputs", tensors)
        options = _options(table, name)
        if name == LSTM:
            options = MappingProxyType({**options, INTERMEDIATES: _indices(table, 8, INTERMEDIATES, tensors)})
        return Operator(name, version, inputs, outputs, options)


def _shape(table: Table) -> tuple[int, ...]:
    shape = table.numbers(0, "shape", "i", MODEL_RANK_MAX)
    if any(dim < 0 for dim in shape):
        raise table.fault("shape", f"{list(shape)} (allowed: 0 and above)")
    return shape


def _quantisation(table: Table, dtype: Dtype, shape: tuple[int, ...]) -> Quantisation | None:
    """None without scales: minima and maxima alone are notes of the training."""
    given = table.table(4, "quantization")
    if given is None:
        return None
    if given.scalar(4, "details_type", "B", 0):
        what = "quantised in blocks, by several axes or by own rules (allowed: by one axis)"
        raise LackingError(str(given.fault("details_type", what)))
    most = max(shape, default=1)
    scales, zero_points = given.numbers(2, "scale", "f", most), given.numbers(3, "zero_point", "q", most)
    axis = given.scalar(6, "quantized_dimension", "i", 0)
    if not scales:
        return None
    for scale in scales:
        if not (isfinite(scale) and scale > 0):
            raise given.fault("scale", f"{scale} (allowed: finite and above 0)")
    if len(zero_points) not in (1, len(scales)):
        raise given.fault("zero_point", f"{len(zero_points)} for {len(scales)} scales (allowed: as many, or one)")
    for zero_point in zero_points:
        if not dtype.low <= zero_point <= dtype.high:
            raise given.fault("zero_point", f"{zero_point} (allowed for {dtype.name}: {dtype.low} to {dtype.high})")
    if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
        raise given.fault("scale", f"{len(scales)} along axis {axis} of shape {list(shape)} (allowed: one a slice)")
    return Quantisation(scales, zero_points, axis)


def _indices(table: Table, number: int, field: str, tensors: int, lowest: int = 0) -> tuple[int, ...]:
    """A vector of tensor indices."""
    found = table.numbers(number, field, "i", MODEL_OPERATOR_TENSORS_MAX)
    for place, index in enumerate(found):
        if not lowest <= index < tensors:
            raise table.fault(f"{field}[{place}]", f"tensor {index} (allowed: {lowest} to {tensors - 1})")
    return found


def _options(table: Table, name: str) -> MappingProxyType[str, Option]:
    union = table.scalar(3, "builtin_options_type", "B", 0)
    known = OPTIONS.get(name)
    if known is None:
        return _NO_OPTIONS
    if union not in (0, known.union):
        raise table.fault("builtin_options_type", f"is {union} (allowed for {name}: {known.union})")
    given = table.table(4, "builtin_options") if union else None
    return MappingProxyType({field.name: _option(given, field) for field in known.fields})


def _option(given: Table | None, field: Field) -> Any:
    if field.kind == "ints":
        return () if given is None else given.numbers(field.number, field.name, "i", MODEL_RANK_MAX)
    if field.kind == "text":
        return "" if given is None else given.text(field.number, field.name, MODEL_TEXT_BYTES_MAX)
    if given is None:
        return field.default
    names = _ENUMS.get(field.kind)
    value = given.scalar(field.number, field.name, "b" if names else field.kind, field.default)
    if names and not 0 <= value < len(names):
        raise given.fault(
            field.name, f"is {value} (allowed: {', '.join(f'{i} {name}' for i, name in enumerate(names))})"
        )
    if field.kind == "f" and not isfinite(value):
        raise given.fault(field.name, f"is {value} (allowed: finite)")
    return value
