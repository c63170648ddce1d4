"""Every random model that engines are compared on is one that TensorFlow Lite runs."""

import pytest

from edge.nn.backends import ModelFile
from edge.shell.engines.tflite_c import TfliteC, find_library
from tests.nn.cases import OPERATORS, draw

SEEDS = range(6)


@pytest.mark.parametrize("operator", OPERATORS)
def test_tensorflow_lite_runs_them(operator: str):
    engine = TfliteC(find_library())
    for dtype in OPERATORS[operator]:
        for case in (draw(operator, dtype, seed) for seed in SEEDS):
            model = engine.load(ModelFile(case.note, case.data, b""))
            try:
                assert model.input_shape == case.input_shape and model.dtype == case.input_dtype
                assert all(len(model.invoke(tensor)) == model.output.stored_bytes for tensor in case.inputs())
            finally:
                model.close()
