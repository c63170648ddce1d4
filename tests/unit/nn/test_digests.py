"""int8 networks give the same bits on every machine and in every variant: digests of answers, written once.

After a deliberate change: python -m tests.unit.nn.test_digests > tests/conformance/networks.json
"""

import hashlib
import json
from pathlib import Path

import pytest

from edge.nn import kernels
from edge.nn.errors import ModelError
from edge.nn.network import Network
from edge.nn.plan import lower
from edge.nn.tflite import read
from tests.nn.cases import OPERATORS, draw

VECTORS = Path(__file__).parents[2] / "conformance" / "networks.json"
SEEDS = range(8)
QUANTISED = [name for name, dtypes in OPERATORS.items() if "int8" in dtypes]
FLOAT_INSIDE = {"LOGISTIC", "TANH", "DEQUANTIZE"}
"""Floats come out, or a C library's exponential went in."""


def digest(operator: str) -> str:
    """Of all answers of a few random models."""
    whole = hashlib.sha256()
    for seed in SEEDS:
        case = draw(operator, "int8", seed)
        try:
            network = Network(lower(read(case.data)))
        except ModelError as error:
            whole.update(str(error).encode())
            continue
        for tensor in case.inputs():
            whole.update(network.invoke(tensor))
    return whole.hexdigest()[:16]


@pytest.fixture(autouse=True)
def _as_before():
    yield
    kernels.select()


@pytest.mark.parametrize("variant", [name for name in kernels.variants() if kernels.can(name) is None])
def test_answers_are_those_of_every_machine(variant: str):
    kernels.select(variant)
    wanted = json.loads(VECTORS.read_text())
    assert set(wanted) == set(QUANTISED) - FLOAT_INSIDE
    assert {operator: digest(operator) for operator in wanted} == wanted


def answers(operator: str) -> list[bytes]:
    """Of a few random models of floats."""
    cases = [draw(operator, "float32", seed) for seed in range(40)]
    networks = [Network(lower(read(case.data))) for case in cases]
    return [network.invoke(x) for case, network in zip(cases, networks, strict=True) for x in case.inputs()]


@pytest.mark.parametrize("operator", ["FULLY_CONNECTED", "CONV_2D"])
def test_floats_have_the_same_bits_wherever_additions_are_fused(operator: str):
    """The contract's one order of additions; the scalar variant rounds between product and sum."""
    said = {}
    for variant in kernels.variants():
        if variant != "scalar" and kernels.can(variant) is None:
            kernels.select(variant)
            if kernels.selected("f32_gemm") == variant:
                said[variant] = answers(operator)
    assert all(one == other for one in said.values() for other in said.values()), list(said)


if __name__ == "__main__":
    kernels.select("scalar")
    print(json.dumps({name: digest(name) for name in QUANTISED if name not in FLOAT_INSIDE}, indent=2))
