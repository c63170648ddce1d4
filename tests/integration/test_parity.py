"""The native engine against TensorFlow Lite's reference kernels (ai-edge-litert, BUILTIN_REF, no delegate): int8 to the
bit, float32 to 1e-5, over random models of every operator and every stage of the wake-word models.

SYNEDGE_PARITY_CASES asks for more than 25 models an operator and type; SYNEDGE_SLOW=1 means 500.
"""

import os
import random
import struct
from pathlib import Path

import pytest

from edge.nn import kernels
from edge.nn.errors import ModelError
from edge.nn.graph import Graph
from edge.nn.network import Network
from edge.nn.plan import LOWERINGS, lower
from edge.nn.tflite import read
from edge.nn.tflite_writer import write_tflite
from tests.nn.cases import BOTH, OPERATORS, Case, draw, draw_chain
from tests.reference.litert import Oracle
from tests.unit.shell.test_engine_native import WORDS, spoken

CASES = int(os.environ.get("SYNEDGE_PARITY_CASES") or (500 if os.environ.get("SYNEDGE_SLOW") else 25))
FLOAT_BOUND = 1e-5
REFUSED = {
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", "int8"): "with other gates than the plain four",
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", "float32"): "with other gates than the plain four",
}
"""What the native engine leaves to others, and the words in which it says so."""


def native(case: Case) -> Network | None:
    """None where it says that it does not take the model, in the words that are expected."""
    try:
        return Network(lower(read(case.data, case.note), case.note))
    except ModelError as error:
        wanted = REFUSED.get((case.operator, case.dtype))
        if wanted is None or wanted not in str(error):
            raise
        return None


def far_apart(network: Network, ours: bytes, truth: bytes) -> str:
    """What differs more than it may, empty when nothing does."""
    if network.output.dtype != "float32":
        return "" if ours == truth else f"{ours.hex()} instead of {truth.hex()}"
    pairs = zip(*(struct.unpack(f"<{len(data) // 4}f", data) for data in (ours, truth)), strict=True)
    worst = max((abs(one - other) / max(1.0, abs(other)) for one, other in pairs), default=0.0)
    return "" if worst <= FLOAT_BOUND else f"{worst:.2e} apart"


@pytest.mark.parametrize(("operator", "dtype"), [(name, dtype) for name, both in OPERATORS.items() for dtype in both])
def test_random_models_give_the_reference_kernels_answers(oracle: Oracle, operator: str, dtype: str):
    kernels.select()
    compared = 0
    for seed in range(CASES):
        case = draw(operator, dtype, seed)
        network = native(case)
        if network is None:
            continue
        inputs = list(case.inputs())
        truths = oracle.run(case.data, inputs)
        for tensor, truth in zip(inputs, truths, strict=True):
            wrong = far_apart(network, network.invoke(tensor), truth)
            assert not wrong, f"{operator} {dtype} seed {seed}: {case.note}: {wrong}"
        compared += 1
    assert compared >= CASES // 4 or (operator, dtype) in REFUSED


@pytest.mark.parametrize("dtype", BOTH)
def test_whole_random_networks_give_the_reference_kernels_answers(oracle: Oracle, dtype: str):
    """Branches and joins: tensors that live side by side in one arena."""
    kernels.select()
    for seed in range(CASES):
        case = draw_chain(dtype, seed)
        network = native(case)
        assert network is not None
        inputs = list(case.inputs())
        for tensor, truth in zip(inputs, oracle.run(case.data, inputs), strict=True):
            wrong = far_apart(network, network.invoke(tensor), truth)
            assert not wrong, f"{dtype} seed {seed}: {case.note}: {wrong}"


def test_every_operator_of_the_engine_is_compared():
    assert set(LOWERINGS) == {*OPERATORS, "VAR_HANDLE", "READ_VARIABLE", "CALL_ONCE"}


def stages(graph: Graph) -> list[int]:
    """Tensors inside a model whose values an output can show: results of layers with weights."""
    layers = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "LOGISTIC")
    return [op.outputs[0] for op in graph.subgraphs[0].operators if op.name in layers]


@pytest.mark.parametrize("path", WORDS, ids=lambda path: path.stem)
def test_wake_words_are_equal_at_every_layer(oracle: Oracle, path: Path):
    """The model as it is, and with each layer's result as its output, fed with what rises and falls as speech does."""
    whole = path.read_bytes()
    graph = read(whole, str(path))
    models = {"output": whole}
    for index in stages(graph):
        main = graph.subgraphs[0]._replace(outputs=(index,))
        models[f"tensor {index}"] = write_tflite(graph._replace(subgraphs=(main, *graph.subgraphs[1:])))
    frames, moved = spoken(random.Random(path.stem), 60), 0
    for where, data in models.items():
        network = Network(lower(read(data, str(path)), str(path)))
        truths = oracle.run(data, frames)
        assert [network.invoke(frame) for frame in frames] == truths, where
        moved += len(set(truths)) > 30
    assert moved >= len(models) - 4, "most layers see something new at every step"
