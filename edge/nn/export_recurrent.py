"""Exports a trained gated recurrent layer as a streaming `.tflite` in float32: one step a run, the state in a variable.

TensorFlow Lite has no operator for it, so a step is spelled out: the gates z and r from input and state side by side,
n = tanh(of x + r * of h), and h' = n + z * (h - n).
"""

from array import array
from collections.abc import Sequence

from edge.nn.draft import Draft
from edge.nn.export import dense
from edge.nn.graph import Option, Subgraph
from edge.nn.mlp import Layer
from edge.nn.recurrent import Recurrent
from edge.nn.tflite_writer import write_tflite
from edge.nn.trainable import to_layers

_STATE: dict[str, Option] = {"container": "", "shared_name": "state"}


def export_recurrent(shape: Recurrent, weights: "array[float]", description: str = "") -> bytes:
    """The file. Raises ModelError when TensorFlow Lite lacks an activation of the head."""
    head = to_layers(shape.head, weights[shape.layer_parameters :])
    of_gates, of_x, of_h = _layers(shape, weights)
    step = _Step(shape.units)
    x = step.draft.tensor("input", (1, shape.inputs))
    h = step.state()
    both = step.values("input_and_state", shape.inputs + shape.units)
    step.draft.operator("CONCATENATION", (x, h), (both,), {"axis": 1})
    z, r = step.halves(dense(step.draft, "gates", both, of_gates))
    fresh = step.binary(
        "ADD", dense(step.draft, "of_x", x, of_x), step.binary("MUL", r, dense(step.draft, "of_h", h, of_h))
    )
    n = step.values("candidate", shape.units)
    step.draft.operator("TANH", (fresh,), (n,))
    after = step.binary("ADD", n, step.binary("MUL", z, step.binary("SUB", h, n)))
    last = after
    for number, layer in enumerate(head):
        last = dense(step.draft, f"layer{number}", last, layer)
    step.keep(after)
    return write_tflite(step.draft.graph([x], [last], description, _start(shape.units)))


def _layers(shape: Recurrent, weights: Sequence[float]) -> tuple[Layer, Layer, Layer]:
    """Gates z and r over input and state; n's part of the input, and of the state."""
    units, inputs = shape.units, shape.inputs
    x_bias, h_start = 3 * units * inputs, 3 * units * (inputs + 1)
    h_bias = h_start + 3 * units * units

    def row(start: int, width: int, gate: int) -> list[float]:
        return list(weights[start + gate * width : start + (gate + 1) * width])

    gates, biases = list[float](), list[float]()
    for gate in range(2 * units):
        gates += row(0, inputs, gate) + row(h_start, units, gate)
        biases.append(weights[x_bias + gate] + weights[h_bias + gate])
    of_x = [value for gate in range(2 * units, 3 * units) for value in row(0, inputs, gate)]
    of_h = [value for gate in range(2 * units, 3 * units) for value in row(h_start, units, gate)]
    return (
        Layer(gates, biases, "LOGISTIC"),
        Layer(of_x, list(weights[x_bias + 2 * units : x_bias + 3 * units])),
        Layer(of_h, list(weights[h_bias + 2 * units : h_bias + 3 * units])),
    )


class _Step:
    """One step in the making."""

    def __init__(self, units: int):
        self.draft, self._units = Draft(), units
        self._handle = self.draft.tensor("handle", (), "resource")

    def values(self, name: str, width: int) -> int:
        return self.draft.tensor(name, (1, width))

    def state(self) -> int:
        self.draft.operator("CALL_ONCE", (), (), {"init_subgraph_index": 1})
        self.draft.operator("VAR_HANDLE", (), (self._handle,), _STATE)
        before = self.values("state", self._units)
        self.draft.operator("READ_VARIABLE", (self._handle,), (before,))
        return before

    def keep(self, after: int) -> None:
        self.draft.operator("ASSIGN_VARIABLE", (self._handle, after), ())

    def halves(self, both: int) -> tuple[int, int]:
        axis = self.draft.constant("axis", (), (1,), "int32")
        first, second = self.values("z", self._units), self.values("r", self._units)
        self.draft.operator("SPLIT", (axis, both), (first, second), {"num_splits": 2})
        return first, second

    def binary(self, name: str, one: int, other: int) -> int:
        out = self.values(name.lower(), self._units)
        self.draft.operator(name, (one, other), (out,), {"fused_activation_function": 0})
        return out


def _start(units: int) -> Subgraph:
    """The state of a stream that begins."""
    once = Draft("once")
    handle = once.tensor("handle", (), "resource")
    zeros = once.constant("zeros", (1, units), [0.0] * units)
    once.operator("VAR_HANDLE", (), (handle,), _STATE)
    once.operator("ASSIGN_VARIABLE", (handle, zeros), ())
    return once.subgraph((), ())
