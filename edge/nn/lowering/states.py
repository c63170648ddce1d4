"""What a network remembers from run to run: resource variables of streaming models, and recurrent layers.

A variable is a buffer of the arena that is kept. CALL_ONCE names the subgraph that fills variables before the first
run: only constants can be assigned there, so it is carried out now and becomes what a reset restores.
"""

import struct
from math import inf

from edge.nn import kernels
from edge.nn.graph import CALLEE, OMITTED, Operator, Subgraph, Tensor
from edge.nn.lowering.build import (
    Buffer,
    Build,
    Place,
    UnsupportedError,
    Variable,
    only,
    require_shape,
    same_type,
    tensor_bytes,
)
from edge.nn.schema import ACTIVATIONS

_ALIASES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_TANH = ACTIVATIONS.index("TANH")


def handle(build: Build, op: Operator) -> None:
    build.result(op)
    build.handles[op.outputs[0]] = _name(op)


def _name(op: Operator) -> tuple[str, str]:
    return str(op.options["container"]), str(op.options["shared_name"])


def call_once(build: Build, op: Operator) -> None:
    """Carries out the subgraph that fills variables."""
    callee = build.graph.subgraphs[int(op.options[CALLEE])]  # type: ignore[arg-type]
    names: dict[int, tuple[str, str]] = {}
    for inner in callee.operators:
        if inner.name == "VAR_HANDLE" and inner.outputs:
            names[inner.outputs[0]] = _name(inner)
        elif inner.name == "ASSIGN_VARIABLE" and len(inner.inputs) == 2 and inner.inputs[0] in names:
            _fill(build, names[inner.inputs[0]], callee, inner.inputs[1])
        else:
            raise UnsupportedError(f"whose subgraph has a {inner.name} (allowed: VAR_HANDLE, ASSIGN_VARIABLE of both)")


def _fill(build: Build, name: tuple[str, str], callee: Subgraph, index: int) -> None:
    value = callee.tensors[index]
    if index == OMITTED or value.data is None:
        raise UnsupportedError("whose subgraph computes what it assigns (allowed: constants)")
    _variable(build, name, value).initial = bytes(value.data)


def _variable(build: Build, name: tuple[str, str], value: Tensor) -> Variable:
    """By name; its size is that of the first tensor that is read from it or assigned to it."""
    size = tensor_bytes(value)
    if name not in build.variables:
        build.variables[name] = keep(build, size)
    if build.variables[name].buffer.size != size:
        raise UnsupportedError(f"whose variable {name[1]} has {build.variables[name].buffer.size} bytes, not {size}")
    return build.variables[name]


def keep(build: Build, size: int) -> Variable:
    """Part of the arena that stays from run to run, zeros at first."""
    build.kept.append(Variable(Buffer(size, keeps=True), bytes(size)))
    return build.kept[-1]


def read(build: Build, op: Operator) -> None:
    """The variable itself where nothing is assigned before its last reader, else a copy."""
    name = _handle(build, op)
    y = build.result(op)
    place = Place(_variable(build, name, y).buffer)
    if _is_settled(build, op, name):
        build.places[op.outputs[0]] = place
    else:
        build.emit("COPY", (place,), build.target(op), depth=1, walk=_bytes(tensor_bytes(y)))


def assign(build: Build, op: Operator) -> None:
    value = build.tensor(op, 1)
    target = Place(_variable(build, _handle(build, op), value).buffer)
    build.emit("COPY", (build.source(op, 1),), target, depth=1, walk=_bytes(tensor_bytes(value)))


def _bytes(count: int) -> dict[str, object]:
    return {"rank": 1, "dims": [count], "a": [1], "out": [1]}


def _handle(build: Build, op: Operator) -> tuple[str, str]:
    if not op.inputs or op.inputs[0] not in build.handles:
        raise UnsupportedError("of a variable without VAR_HANDLE")
    return build.handles[op.inputs[0]]


def _is_settled(build: Build, op: Operator, name: tuple[str, str]) -> bool:
    """Whether every reader of what was read comes before the variable's next assignment."""
    main = build.graph.subgraphs[0]
    index = op.outputs[0]
    if index in main.outputs:
        return False
    is_assigned = False
    for later in main.operators[build.at + 1 :]:
        if index in later.inputs and (is_assigned or later.name in _ALIASES):
            return False
        if later.name == "ASSIGN_VARIABLE" and name in (build.handles.get(i, name) for i in later.inputs[:1]):
            is_assigned = True
    return True


def lstm(build: Build, op: Operator) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM in its plain form: four gates, no peepholes, no projection, no normalisation."""
    x, y = build.tensor(op, 0), build.result(op)
    only(same_type(x, y), ("float32",))
    unwanted = [i for i in (*range(9, 12), 16, 17, *range(20, 24)) if build.has(op, i)]
    if unwanted or not build.has(op, 1):
        raise UnsupportedError(f"with other gates than the plain four (inputs {unwanted})")
    if op.options["fused_activation_function"] != _TANH or len(x.shape) != 3 or len(build.tensor(op, 1).shape) != 2:
        raise UnsupportedError("with another activation than TANH or other than three dimensions, and two of weights")
    units, depth = build.tensor(op, 1).shape
    is_time_major = bool(op.options["time_major"])
    steps, streams = (x.shape[0], x.shape[1]) if is_time_major else (x.shape[1], x.shape[0])
    require_shape(x.shape[2:], (depth,), "input's vectors")
    require_shape(y.shape, (*x.shape[:2], units), "output")
    weights, bias = _gates(build, op, units, depth)
    states = [_state(build, op, number, streams * units) for number in (18, 19)]
    clip = float(op.options["cell_clip"]) or inf  # type: ignore[arg-type]
    step = (streams, 1) if is_time_major else (1, steps)
    build.emit(
        "F32_LSTM",
        (build.source(op, 0), weights, bias, *states, build.scratch(4 * (depth + 5 * units))),
        build.target(op),
        rows=steps, cols=units, depth=depth, window={"batches": streams}, f32_low=-clip, f32_high=clip,
        a_step=[n * depth for n in step], b_step=[n * units for n in step],
    )  # fmt: skip


def _gates(build: Build, op: Operator, units: int, depth: int) -> tuple[Place, Place]:
    """Input and recurrent weights of the gates i, f, g, o side by side, as one matrix of inputs and state."""
    rows = bytearray()
    for gate in range(4):
        require_shape(build.tensor(op, 1 + gate).shape, (units, depth), f"input {1 + gate}")
        require_shape(build.tensor(op, 5 + gate).shape, (units, units), f"input {5 + gate}")
        same_type(build.tensor(op, 0), build.tensor(op, 1 + gate), build.tensor(op, 5 + gate))
        of_x, of_h = build.content(op, 1 + gate), build.content(op, 5 + gate)
        for unit in range(units):
            rows += of_x[4 * unit * depth : 4 * (unit + 1) * depth]
            rows += of_h[4 * unit * units : 4 * (unit + 1) * units]
    bias = bytearray()
    for number in range(12, 16):
        require_shape(build.tensor(op, number).shape, (units,), f"input {number}")
        bias += build.content(op, number)
    bias += bytes(-len(bias) % (4 * kernels.PANEL))
    return build.store(kernels.pack_f32(4 * units, depth + units, bytes(rows))), build.store(bias)


def _state(build: Build, op: Operator, number: int, count: int) -> Place:
    tensor = build.tensor(op, number)
    if not tensor.is_variable or tensor_bytes(tensor) != struct.calcsize(f"{count}f") or op.inputs[number] == OMITTED:
        raise UnsupportedError(f"whose input {number} is not a state of {count} floats")
    return Place(keep(build, tensor_bytes(tensor)).buffer)
