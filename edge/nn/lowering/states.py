"""What a network remembers from run to run: the resource variables of streaming models.

A variable is a buffer of the arena that is kept. CALL_ONCE names the subgraph that fills variables before the first
run: only constants can be assigned there, so it is carried out now and becomes what a reset restores.
"""

from edge.nn.graph import CALLEE, OMITTED, Operator, Subgraph, Tensor
from edge.nn.lowering.build import (
    Buffer,
    Build,
    Place,
    UnsupportedError,
    Variable,
    tensor_bytes,
)

_ALIASES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")


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
