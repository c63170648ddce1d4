"""Models that remember between runs."""

from collections.abc import Callable
from math import prod

from edge.nn.draft import Draft, per_tensor
from edge.nn.graph import OMITTED, Option, Quantisation, Subgraph
from edge.nn.schema import ACTIVATIONS, INTERMEDIATES, LSTM
from tests.nn.making import Making


def lstm(making: Making) -> None:
    """A whole sequence at a time; what is left of it is where the next run begins."""
    rng = making.rng
    making.runs = 3
    inputs, cells, steps, batch = rng.randint(1, 9), rng.randint(1, 12), rng.randint(1, 5), rng.choice((1, 1, 2, 3))
    time_major = rng.random() < 0.5
    order = [steps, batch] if time_major else [batch, steps]
    x = making.give([*order, inputs])
    coupled = rng.random() < 0.2  # the input gate is what the forget gate leaves
    gates = [OMITTED] * coupled + list(range(coupled, 4))

    def each(make: Callable[[int], int], *some: int) -> list[int]:
        return [OMITTED if gate == OMITTED else make(gate) for gate in some or gates]

    into = each(lambda gate: _weights(making, f"W{gate}", [cells, inputs]))
    back = each(lambda gate: _weights(making, f"R{gate}", [cells, cells]))
    bias = each(lambda gate: making.bias(f"b{gate}", cells, x, into[gate]))
    peeps = [OMITTED] * 3
    if rng.random() < 0.3 and not making.is_quantised:
        peeps = each(lambda gate: making.constant(f"P{gate}", [cells]), gates[0], 1, 3)
    options: dict[str, Option] = {
        "fused_activation_function": ACTIVATIONS.index("TANH"),
        "cell_clip": rng.choice((0.0, 0.0, 1.0, 10.0)),
        "time_major": time_major,
    }
    state = _of_bytes(making, options) if making.is_quantised else [("float32", None)] * 2
    states = [making.draft.tensor("state", [batch, cells], kind, how, is_variable=True) for kind, how in state]
    y = making.tensor("y", [*order, cells])
    making.step(LSTM, [x, *into, *back, *peeps, *bias, OMITTED, OMITTED, *states], [y], options)
    making.answer(y)


def _weights(making: Making, name: str, shape: list[int]) -> int:
    """One in ten has a -128, which the specification forbids and the kernels take."""
    index = making.weights(name, shape, 0, by_channel=False)
    if not making.is_quantised or making.rng.random() > 0.1:
        return index
    tensor = making.draft.tensors[index]
    assert tensor.data is not None
    making.draft.tensors[index] = tensor._replace(data=memoryview(b"\x80" + bytes(tensor.data)[1:]))
    return index


def _of_bytes(making: Making, options: dict[str, Option]) -> list[tuple[str, Quantisation | None]]:
    """How both states are quantised: bytes, and words whose scale is a power of two. Between the gates everything has a
    scale of its own, though not all of them matter; a clip may be less than a cell can tell from none."""
    rng, draft = making.rng, making.draft
    cell = 2.0 ** rng.randint(-15, -9)
    options["cell_clip"] = rng.choice((0.0, 0.0, 1.0, 10.0, 0.9 * cell, 1.1 * cell, 1e9, 2.0 ** rng.uniform(-8, 3)))
    gates = [draft.tensor(f"gate {gate}", [], "int16", per_tensor(2.0 ** rng.uniform(-14, -8))) for gate in range(4)]
    hidden = per_tensor(2.0 ** rng.uniform(-8, -6), making.zero_point())
    options[INTERMEDIATES] = (*gates, draft.tensor("hidden", [], "int8", hidden))
    kept = hidden if rng.random() < 0.5 else per_tensor(2.0 ** rng.uniform(-8, -6), making.zero_point())
    return [("int8", kept), ("int16", per_tensor(cell))]


def ring(making: Making) -> None:
    """The streaming pattern: what was kept and what is new side by side, the newest of it kept for the next run."""
    rng = making.rng
    making.runs = 5
    kept, new, width = rng.randint(1, 6), rng.randint(1, 3), rng.randint(1, 9)
    x = making.give([1, new, 1, width])
    how = making.draft.tensors[x].quantisation
    making.calls(_start(making, how, [1, kept, 1, width]))
    making.step("CALL_ONCE", [], [], {"init_subgraph_index": 1})
    handle = making.draft.tensor("handle", [], "resource")
    making.step("VAR_HANDLE", [], [handle], {"container": "", "shared_name": "state"})
    before = making.like(x, "before", [1, kept, 1, width])
    making.step("READ_VARIABLE", [handle], [before])
    whole = making.like(x, "whole", [1, kept + new, 1, width])
    making.step("CONCATENATION", [before, x], [whole], {"axis": 1}, 2 if making.is_quantised else 1)
    after = making.like(x, "after", [1, kept, 1, width])
    cut = [making.integers(*one) for one in (("begin", [0, new, 0, 0]), ("end", [0] * 4), ("steps", [1] * 4))]
    masks: dict[str, Option] = {"begin_mask": 0b1101, "end_mask": 0b1111}
    making.step("STRIDED_SLICE", [whole, *cut], [after], masks, 2 if making.is_quantised else 1)
    making.step("ASSIGN_VARIABLE", [handle, after], [])
    making.answer(whole)


def _start(making: Making, how: Quantisation | None, shape: list[int]) -> Subgraph:
    """What the variable holds before the first run."""
    once = Draft("once")
    handle = once.tensor("handle", [], "resource")
    values = [making.rng.randint(-100, 100) for _ in range(prod(shape))]
    start = once.constant("start", shape, values, making.dtype, how)
    once.operator("VAR_HANDLE", [], [handle], {"container": "", "shared_name": "state"})
    once.operator("ASSIGN_VARIABLE", [handle, start], [])
    return once.subgraph([], [])
