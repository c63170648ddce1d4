"""Models that remember between runs."""

from collections.abc import Callable
from math import prod

from edge.nn.draft import Draft, per_tensor
from edge.nn.graph import OMITTED, Option, Quantisation, Subgraph
from edge.nn.schema import ACTIVATIONS, INTERMEDIATES, LSTM
from tests.nn.making import Making

CELL_SCALE = 2.0**-11
"""Of an int8 LSTM's int16 cells: a power of two, so that ±16 fits."""


def lstm(making: Making) -> None:
    """A whole sequence at a time; what is left of it is where the next run begins."""
    rng = making.rng
    making.runs = 3
    inputs, cells, steps, batch = rng.randint(1, 9), rng.randint(1, 12), rng.randint(1, 5), rng.choice((1, 1, 2))
    time_major = rng.random() < 0.5
    order = [steps, batch] if time_major else [batch, steps]
    x = making.give([*order, inputs])
    hidden = per_tensor(1 / 128, rng.randint(-20, 20)) if making.is_quantised else None
    coupled = rng.random() < 0.2  # the input gate is what the forget gate leaves
    gates = [OMITTED] * coupled + list(range(coupled, 4))

    def each(make: Callable[[int], int], *some: int) -> list[int]:
        return [OMITTED if gate == OMITTED else make(gate) for gate in some or gates]

    into = each(lambda gate: making.weights(f"W{gate}", [cells, inputs], 0, by_channel=False))
    back = each(lambda gate: making.weights(f"R{gate}", [cells, cells], 0, by_channel=False))
    bias = each(lambda gate: making.bias(f"b{gate}", cells, x, into[gate]))
    peeps = [OMITTED] * 3
    if rng.random() < 0.3 and not making.is_quantised:
        peeps = each(lambda gate: making.constant(f"P{gate}", [cells]), gates[0], 1, 3)
    kinds = (("int8", hidden), ("int16", per_tensor(CELL_SCALE))) if making.is_quantised else (("float32", None),) * 2
    state = [making.draft.tensor("state", [batch, cells], kind, how, is_variable=True) for kind, how in kinds]
    y = making.tensor("y", [*order, cells], hidden)
    options: dict[str, Option] = {
        "fused_activation_function": ACTIVATIONS.index("TANH"),
        "cell_clip": rng.choice((0.0, 0.0, 1.0, 10.0)),
        "time_major": time_major,
    }
    if making.is_quantised:
        between = [making.draft.tensor(f"gate {gate}", [], "int16", per_tensor(2.0**-12)) for gate in range(4)]
        options[INTERMEDIATES] = (*between, making.draft.tensor("hidden", [], "int8", hidden))
    making.step(LSTM, [x, *into, *back, *peeps, *bias, OMITTED, OMITTED, *state], [y], options)
    making.answer(y)


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
