"""A detector as an agent's engine: the protocol of models, a digest without a file, fresh after the probe."""

import struct

import pytest

from edge.errors import UnavailableError
from edge.nn.detectors import AdwinOptions, ForestOptions
from edge.nn.errors import InferenceError
from edge.nn.streams import digest
from edge.shell.engines.detector import DetectorModel
from edge.shell.engines.opening import open_for
from tests.unit.sense.making import options


def row(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def test_it_answers_as_a_model_does():
    model = DetectorModel(ForestOptions(window=10), 2)
    assert (model.engine, model.path, model.input_shape, model.output_shape) == (
        "stream", "half-space-trees", (2,), (1,),
    )  # fmt: skip
    assert model.digest == digest(ForestOptions(window=10), 2)
    scores = [model.run(row(index % 3, 1.0)) for index in range(20)]
    assert scores[9] == (0.0,) and 0 < scores[10][0] < 1
    (score,) = struct.unpack("<f", model.invoke(row(9, 9)))
    assert score > max(scores)[0]
    model.reset()
    assert [model.run(row(index % 3, 1.0)) for index in range(20)] == scores


def test_a_wrong_tensor_is_an_error_of_that_run_alone():
    model = DetectorModel(AdwinOptions(), 1)
    for wrong in (b"", row(1, 2), row(float("nan"))):
        with pytest.raises(InferenceError):
            model.run(wrong)
    assert model.run(row(4.0)) == (0.0, 4.0, 4.0)


def test_after_the_end_it_does_not_run():
    model = DetectorModel(AdwinOptions(), 1)
    model.close()
    model.close()
    model.reset()
    with pytest.raises(UnavailableError, match="closed"):
        model.run(row(1.0))


def test_what_an_agent_gets_never_ran():
    opened = open_for(options(detector="page-hinkley"), None)
    assert opened.outputs == 3 and not opened.passed_over
    assert opened.model.run(row(7.0)) == (0.0, 7.0, 7.0)
