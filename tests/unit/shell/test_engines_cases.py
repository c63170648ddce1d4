"""Every random model that engines are compared on is one that TensorFlow Lite runs."""

import pytest

from edge.nn.backends import ModelFile
from edge.shell.engines.tflite_c import TfliteC, find_library
from tests.nn.cases import BOTH, OPERATORS, Case, draw, draw_chain

SEEDS = range(6)


@pytest.fixture(scope="module")
def engine() -> TfliteC:
    return TfliteC(find_library())


def runs(engine: TfliteC, case: Case) -> bool:
    """Whether the model takes every input and gives as much as it says."""
    model = engine.load(ModelFile(case.note, case.data, b""))
    try:
        assert model.input_shape == case.input_shape and model.dtype == case.input_dtype
        return all(len(model.invoke(tensor)) == model.output.stored_bytes for tensor in case.inputs())
    finally:
        model.close()


@pytest.mark.parametrize("operator", OPERATORS)
def test_tensorflow_lite_runs_every_operator(engine: TfliteC, operator: str):
    assert all(runs(engine, draw(operator, dtype, seed)) for dtype in OPERATORS[operator] for seed in SEEDS)


@pytest.mark.parametrize("dtype", BOTH)
def test_tensorflow_lite_runs_whole_networks(engine: TfliteC, dtype: str):
    assert all(runs(engine, draw_chain(dtype, seed)) for seed in range(30))
