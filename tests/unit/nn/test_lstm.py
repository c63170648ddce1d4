"""The LSTM of bytes: near the real one, one state from run to run, and what it does not do is named with its reason."""

import math
import random
import struct
from collections.abc import Callable

import pytest

from edge.nn import kernels
from edge.nn.draft import Draft, per_tensor
from edge.nn.errors import ModelError
from edge.nn.graph import OMITTED, Graph, Operator, Tensor
from edge.nn.network import Network
from edge.nn.plan import lower
from edge.nn.schema import ACTIVATIONS, INTERMEDIATES, LSTM

DEPTH, UNITS, STEPS = 3, 5, 4
X_SCALE, W_SCALE, H_SCALE = 2.0**-5, 2.0**-7, 2.0**-7
X_ZERO, H_ZERO = 10, -7
_H, _C = 18, 19

Part = dict[str, list[list[float]]]


def weights(rng: random.Random) -> dict[str, list[int]]:
    """Of input, of state, and biases, as stored."""
    made = {f"W{gate}": [rng.randint(-127, 127) for _ in range(UNITS * DEPTH)] for gate in range(4)}
    made |= {f"R{gate}": [rng.randint(-127, 127) for _ in range(UNITS * UNITS)] for gate in range(4)}
    return made | {f"b{gate}": [rng.randint(-4000, 4000) for _ in range(UNITS)] for gate in range(4)}


def plain(stored: dict[str, list[int]], cell_clip: float = 0.0) -> Graph:
    """What the Keras converter makes of tf.keras.layers.LSTM, one stream."""
    draft = Draft()
    x = draft.tensor("x", (1, STEPS, DEPTH), "int8", per_tensor(X_SCALE, X_ZERO))

    def four(letter: str, shape: tuple[int, ...], dtype: str, scale: float) -> list[int]:
        names = (f"{letter}{gate}" for gate in range(4))
        return [draft.constant(name, shape, stored[name], dtype, per_tensor(scale)) for name in names]

    inputs = [x, *four("W", (UNITS, DEPTH), "int8", W_SCALE), *four("R", (UNITS, UNITS), "int8", W_SCALE)]
    inputs += [OMITTED] * 3 + four("b", (UNITS,), "int32", X_SCALE * W_SCALE) + [OMITTED] * 2
    inputs.append(draft.tensor("h", (1, UNITS), "int8", per_tensor(H_SCALE, H_ZERO), is_variable=True))
    inputs.append(draft.tensor("c", (1, UNITS), "int16", per_tensor(2.0**-11), is_variable=True))
    between = [draft.tensor(f"gate {gate}", (), "int16", per_tensor(2.0**-12)) for gate in range(4)]
    between.append(draft.tensor("hidden", (), "int8", per_tensor(H_SCALE, H_ZERO)))
    y = draft.tensor("y", (1, STEPS, UNITS), "int8", per_tensor(H_SCALE, H_ZERO))
    options = {
        "fused_activation_function": ACTIVATIONS.index("TANH"), "cell_clip": cell_clip, "time_major": False,
        INTERMEDIATES: tuple(between),
    }  # fmt: skip
    draft.operator(LSTM, (*inputs, *[OMITTED] * 4), (y,), options)
    return draft.graph((x,), (y,))


def real(stored: dict[str, list[int]], given: list[list[float]], cell_clip: float = math.inf) -> list[float]:
    """The same LSTM in real numbers, all steps one after the other."""

    def sums(gate: int, x: list[float], h: list[float]) -> list[float]:
        of_x, of_h, bias = (stored[f"{letter}{gate}"] for letter in "WRb")
        return [
            bias[u] * X_SCALE * W_SCALE
            + sum(of_x[u * DEPTH + d] * W_SCALE * x[d] for d in range(DEPTH))
            + sum(of_h[u * UNITS + v] * W_SCALE * h[v] for v in range(UNITS))
            for u in range(UNITS)
        ]

    h, c, answers = [0.0] * UNITS, [0.0] * UNITS, []
    for x in given:
        i, f, g, o = (sums(gate, x, h) for gate in range(4))
        c = [_sigmoid(f[u]) * c[u] + _sigmoid(i[u]) * math.tanh(g[u]) for u in range(UNITS)]
        c = [min(max(cell, -cell_clip), cell_clip) for cell in c]
        h = [_sigmoid(o[u]) * math.tanh(c[u]) for u in range(UNITS)]
        answers += h
    return answers


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def answers(network: Network, runs: list[bytes]) -> list[float]:
    said = b"".join(network.invoke(run) for run in runs)
    return [H_SCALE * (byte - H_ZERO) for byte in struct.unpack(f"{len(said)}b", said)]


def some_runs(rng: random.Random, count: int = 5) -> tuple[list[bytes], list[list[float]]]:
    """As stored, and as real vectors."""
    stored = [[rng.randint(-128, 127) for _ in range(STEPS * DEPTH)] for _ in range(count)]
    flat = [X_SCALE * (byte - X_ZERO) for run in stored for byte in run]
    steps = [flat[at : at + DEPTH] for at in range(0, len(flat), DEPTH)]
    return [struct.pack(f"{STEPS * DEPTH}b", *run) for run in stored], steps


@pytest.mark.parametrize("cell_clip", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(10))
def test_it_is_near_the_real_one_over_runs_that_follow_one_another(seed: int, cell_clip: float):
    rng = random.Random(seed)
    stored = weights(rng)
    runs, steps = some_runs(rng)
    ours = answers(Network(lower(plain(stored, cell_clip))), runs)
    truth = real(stored, steps, cell_clip or math.inf)
    assert max(abs(one - other) for one, other in zip(ours, truth, strict=True)) < 0.06
    assert max(truth) - min(truth) > 0.5


@pytest.mark.parametrize("variant", [name for name in kernels.variants() if kernels.can(name) is None])
def test_its_state_stays_until_it_is_reset(variant: str):
    kernels.select(variant)
    try:
        rng = random.Random(3)
        network, runs = Network(lower(plain(weights(rng)))), some_runs(rng, 1)[0]
        first = [network.invoke(runs[0]) for _ in range(3)]
        assert network.steps == ("S8_LSTM",) and len(set(first)) == 3
        network.reset()
        assert [network.invoke(runs[0]) for _ in range(3)] == first
    finally:
        kernels.select()


def test_scales_of_its_gates_do_not_matter_and_that_of_what_goes_out_does():
    rng = random.Random(4)
    graph, runs = plain(weights(rng)), some_runs(rng)[0]

    def said(which: int) -> list[float]:
        index = step(graph).options[INTERMEDIATES][which]  # type: ignore[index]
        return answers(Network(lower(tensor(graph, int(index), quantisation=per_tensor(0.013)))), runs)

    as_it_is = answers(Network(lower(graph)), runs)
    assert all(said(gate) == as_it_is for gate in range(4))
    assert said(4) != as_it_is


def step(graph: Graph) -> Operator:
    return graph.subgraphs[0].operators[0]


def tensor(graph: Graph, index: int, **fields: object) -> Graph:
    """With another tensor in this place."""
    main = graph.subgraphs[0]
    tensors = list(main.tensors)
    tensors[index] = tensors[index]._replace(**fields)  # type: ignore[arg-type]
    return graph._replace(subgraphs=(main._replace(tensors=tuple(tensors)),))


def given(number: int, **fields: object) -> Callable[[Graph], Graph]:
    """Another tensor as this input."""
    return lambda graph: tensor(graph, step(graph).inputs[number], **fields)


def wired(number: int, other: int) -> Callable[[Graph], Graph]:
    """This input is another one's tensor, or omitted."""

    def change(graph: Graph) -> Graph:
        inputs = list(step(graph).inputs)
        inputs[number] = inputs[other] if other != OMITTED else OMITTED
        return operator(graph, inputs=tuple(inputs))

    return change


def operator(graph: Graph, **fields: object) -> Graph:
    main = graph.subgraphs[0]
    return graph._replace(subgraphs=(main._replace(operators=(step(graph)._replace(**fields),)),))  # type: ignore[arg-type]


def optional(**options: object) -> Callable[[Graph], Graph]:
    return lambda graph: operator(graph, options={**step(graph).options, **options})


def intermediate(which: int, **fields: object) -> Callable[[Graph], Graph]:
    return lambda graph: tensor(graph, int(step(graph).options[INTERMEDIATES][which]), **fields)  # type: ignore[index]


FLOATS = {"dtype": "float32", "quantisation": None}
REFUSED: list[tuple[Callable[[Graph], Graph], str]] = [
    (wired(1, OMITTED), r"with other gates than the plain four \(inputs \[\]\)"),
    (wired(10, 12), r"with other gates than the plain four \(inputs \[10\]\)"),
    (wired(16, 5), r"with other gates than the plain four \(inputs \[16\]\)"),
    (wired(21, 12), r"with other gates than the plain four \(inputs \[21\]\)"),
    (optional(fused_activation_function=0), "with another activation than TANH"),
    (optional(cell_clip=-1.0), r"with cell_clip -1.0 \(allowed: 0 and above\)"),
    (optional(**{INTERMEDIATES: ()}), "without its 5 intermediate tensors"),
    (optional(**{INTERMEDIATES: (0, 0, 0, 0)}), "without its 5 intermediate tensors"),
    (intermediate(4, quantisation=None), "whose intermediate tensor 4 has not one scale"),
    (intermediate(4, quantisation=per_tensor(1e-30)), r"with a factor of .* by intermediate tensor 4 \("),
    (given(0, dtype="int16"), "that mixes int16, int8"),
    (given(0, quantisation=None), "whose input has not one scale"),
    (given(2, quantisation=None), "whose input 2 has not one scale"),
    (given(2, quantisation=per_tensor(0.1, 1)), r"whose input 2 has zero point 1 \(allowed: 0\)"),
    (given(6, quantisation=per_tensor(1e30)), r"with a factor of .* by input 6 \(allowed: below 2\^30\)"),
    (given(7, quantisation=per_tensor(3e38)), "whose scales are too far apart"),
    (given(3, **FLOATS), r"whose input 3 is float32 \(allowed: int8\)"),
    (given(3, shape=(DEPTH, UNITS)), "input 3"),
    (given(12, **FLOATS), r"whose input 12 is float32 \(allowed: int32\)"),
    (given(15, shape=(UNITS, 1)), "input 15"),
    (given(_H, is_variable=False), "whose input 18 is not a state of 5 numbers of int8"),
    (given(_H, quantisation=None), "whose input 18 has not one scale"),
    (given(_C, dtype="int8"), "whose input 19 is not a state of 5 numbers of int16"),
    (given(_C, shape=(2, UNITS)), "whose input 19 is not a state of 5 numbers of int16"),
    (given(_C, quantisation=per_tensor(0.001)), r"whose input 19 has scale 0.001 \(allowed: 2\^-15 to 2\^-9\)"),
    (given(_C, quantisation=per_tensor(2.0**-8)), r"whose input 19 has scale 0.00390625"),
    (given(_C, quantisation=per_tensor(2.0**-16)), r"whose input 19 has scale 1.52588e-05"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_it_does_not_do_is_refused_in_words(change: Callable[[Graph], Graph], words: str):
    graph = plain(weights(random.Random(5)))
    lower(graph)
    with pytest.raises(ModelError, match=f"^model m: operator 0, {LSTM} .*{words}"):
        lower(change(graph), "m")


def test_floats_with_weights_of_bytes_are_refused_by_name():
    """The hybrid form."""
    graph = plain(weights(random.Random(6)))
    for index in (step(graph).inputs[0], step(graph).outputs[0]):
        graph = tensor(graph, index, **FLOATS)
    with pytest.raises(ModelError, match=r"^model m: operator 0, .* whose input 1 is int8 \(allowed: float32\)$"):
        lower(graph, "m")


def test_two_that_would_share_a_state_are_refused():
    graph = plain(weights(random.Random(7)))
    main, first = graph.subgraphs[0], step(graph)
    again = Tensor("z", (1, STEPS, UNITS), "int8", None, per_tensor(H_SCALE, H_ZERO), False)
    second = first._replace(outputs=(len(main.tensors),))
    both = main._replace(tensors=(*main.tensors, again), operators=(first, second))
    with pytest.raises(ModelError, match="whose state in input 18 is read elsewhere too"):
        lower(graph._replace(subgraphs=(both,)), "m")
