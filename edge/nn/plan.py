"""Lowers a `.tflite` graph to a plan: every operator to steps of the kernels, every tensor to a place in one arena."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from edge.limits import MODEL_MEMORY_BYTES_MAX
from edge.nn import kernels
from edge.nn.errors import ModelError
from edge.nn.graph import Graph, Operator, Tensor
from edge.nn.lowering import elements, layers, moves, recurrent, states
from edge.nn.lowering.arena import settle
from edge.nn.lowering.build import Buffer, Build, Place, UnsupportedError, tensor_bytes
from edge.nn.tensor import TensorSpec

LOWERINGS: Mapping[str, Callable[[Build, Operator], None]] = MappingProxyType(
    {
        "FULLY_CONNECTED": layers.fully_connected,
        "CONV_2D": layers.conv,
        "DEPTHWISE_CONV_2D": layers.depthwise_conv,
        "AVERAGE_POOL_2D": layers.pool,
        "MAX_POOL_2D": layers.pool,
        **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM"), elements.binary),
        **dict.fromkeys(("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU"), elements.unary),
        **dict.fromkeys(("LOGISTIC", "TANH", "RSQRT", "SQRT", "EXP"), elements.unary),
        "QUANTIZE": elements.quantise,
        "DEQUANTIZE": elements.dequantise,
        "SOFTMAX": elements.softmax,
        "BATCH_MATMUL": elements.matmul,
        **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), moves.reshape),
        "TRANSPOSE": moves.transpose,
        "CONCATENATION": moves.concatenation,
        "SPLIT": moves.split,
        "SPLIT_V": moves.split,
        "STRIDED_SLICE": moves.strided_slice,
        "SLICE": moves.slice_,
        "PAD": moves.pad,
        "PADV2": moves.pad,
        "PACK": moves.pack,
        "UNPACK": moves.unpack,
        "GATHER": moves.gather,
        "MEAN": moves.mean,
        "VAR_HANDLE": states.handle,
        "CALL_ONCE": states.call_once,
        "READ_VARIABLE": states.read,
        "ASSIGN_VARIABLE": states.assign,
        "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent.lstm,
    }
)
"""Every operator that the native engine runs."""


class Lowered(NamedTuple):
    """A network ready to run: its plan, what its state is after a reset, and what goes in and comes out."""

    plan: kernels.Plan
    state: bytes
    """The first bytes of the arena: all that is kept from run to run."""
    input: TensorSpec
    output: TensorSpec


def unsupported(graph: Graph) -> tuple[str, ...]:
    """Names of the operators that no lowering takes, each once, in the order in which they come."""
    names = dict.fromkeys(op.name for op in graph.subgraphs[0].operators)
    return tuple(name for name in names if name not in LOWERINGS)


def lower(graph: Graph, path: str = "") -> Lowered:
    """Raises ModelError naming the operator that the kernels do not take, and why."""
    main, build = graph.subgraphs[0], Build(graph)
    missing = unsupported(graph)
    if missing:
        raise ModelError(f"model {path}: operators that the native engine lacks: {', '.join(missing)}")
    x, y = _only(path, "input", graph, main.inputs), _only(path, "output", graph, main.outputs)
    try:
        build.places[main.inputs[0]] = Place(Buffer(tensor_bytes(x)))
        for build.at, op in enumerate(main.operators):
            try:
                LOWERINGS[op.name](build, op)
            except UnsupportedError as error:
                raise UnsupportedError(f"operator {build.at}, {op.name} {error}") from None
            except OverflowError:
                raise UnsupportedError(f"operator {build.at}, {op.name} whose scales are too far apart") from None
        return _assemble(build, _spec(path, "input", x), _spec(path, "output", y))
    except UnsupportedError as error:
        raise ModelError(f"model {path}: {error}") from None
    except ModelError as error:
        raise error if str(error).startswith("model ") else ModelError(f"model {path}: {error}") from None


def _only(path: str, what: str, graph: Graph, indices: tuple[int, ...]) -> Tensor:
    if len(indices) != 1:
        raise ModelError(f"model {path}: {len(indices)} {what}s (allowed: 1)")
    return graph.subgraphs[0].tensors[indices[0]]


def _spec(path: str, what: str, tensor: Tensor) -> TensorSpec:
    how = tensor.quantisation
    scale, zero = (how.scales[0], how.zero_points[0]) if how is not None else (0.0, 0)
    spec = TensorSpec(tensor.shape, tensor.dtype, scale, zero)
    fault = spec.fault()
    if fault is not None:
        raise ModelError(f"model {path}: {what} has {fault}")
    return spec


def _assemble(build: Build, x: TensorSpec, y: TensorSpec) -> Lowered:
    main = build.graph.subgraphs[0]
    source, result = build.places[main.inputs[0]], _result(build, main.outputs[0])
    assert source.buffer is not None and result.buffer is not None
    source.buffer.touch(0)
    result.buffer.touch(len(build.steps))
    for variable in build.kept:
        variable.buffer.touch(0)
    places = [place for step in build.steps for place in (*step.inputs, step.output)]
    buffers = [variable.buffer for variable in build.kept]
    for place in (source, *places, result):
        if place is not None and place.buffer is not None and place.buffer not in buffers:
            buffers.append(place.buffer)
    kept, total = settle(buffers)
    if total + len(build.constants) > MODEL_MEMORY_BYTES_MAX:
        raise UnsupportedError(f"{total + len(build.constants)} bytes (allowed: up to {MODEL_MEMORY_BYTES_MAX})")
    state = bytearray(kept)
    for variable in build.kept:
        state[variable.buffer.offset : variable.buffer.offset + len(variable.initial)] = variable.initial
    steps = [
        kernels.Step(one.kind, tuple(_address(place) for place in one.inputs), _address(one.output), one.fields)
        for one in build.steps
    ]
    ends = [slice(_address(place), _address(place) + spec.stored_bytes) for place, spec in ((source, x), (result, y))]
    return Lowered(kernels.Plan(steps, bytes(build.constants), total, *ends), bytes(state), x, y)


def _result(build: Build, index: int) -> Place:
    """The output in a buffer of its own: what is constant or kept is copied there."""
    place = build.place(index)
    if place.buffer is not None and not place.buffer.keeps:
        return place
    size = tensor_bytes(build.tensors[index])
    copy = Place(Buffer(size))
    build.emit("COPY", (place,), copy, depth=1, walk={"rank": 1, "dims": [size], "a": [1], "out": [1]})
    return copy


def _address(place: Place | None) -> int:
    """An operand as the kernels take it."""
    if place is None:
        return kernels.NONE
    if place.buffer is None:
        return kernels.CONSTANT | place.offset
    return place.buffer.offset + place.offset
