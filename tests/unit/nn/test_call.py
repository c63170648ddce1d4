"""A run as one call from bytes to bytes, beside the same run step by step in place."""

from random import Random

import pytest

from edge.nn.errors import InferenceError
from edge.nn.export import export_float32
from edge.nn.network import Network
from edge.nn.plan import lower
from edge.nn.tflite import read
from tests.nn.cases import draw
from tests.nn.networks import layers


def in_place(network: Network, stored: bytes) -> bytes:
    network.bound.input[:] = stored
    network.bound.run()
    return bytes(network.bound.output)


@pytest.mark.parametrize("widths", [(3, 5, 1), (16, 32, 8), (200, 100, 9)], ids=str)
def test_it_answers_as_the_run_in_place(widths: tuple[int, ...]):
    """The last one is long: it leaves the GIL."""
    network = Network(lower(read(export_float32(layers(Random(1), widths)))))
    for seed in range(5):
        stored = b"".join(Random(seed).randbytes(3) + b"\x3d" for _ in range(widths[0]))
        wanted = in_place(network, stored)
        for given in (stored, bytearray(stored), memoryview(stored)):
            assert network.invoke(given) == wanted


@pytest.mark.parametrize("skipped", [1, 2, 3])
def test_an_input_at_an_odd_address_is_taken_too(skipped: int):
    """A perceptron reads its input where it lies, but for floats between two words."""
    network = Network(lower(read(export_float32(layers(Random(1), (16, 32, 8))))))
    stored = b"".join(Random(7).randbytes(3) + b"\x3d" for _ in range(16))
    assert network.invoke(memoryview(bytes(skipped) + stored)[skipped:]) == network.invoke(stored)


def test_what_it_gave_is_not_changed_by_the_next_run_and_state_is_kept():
    case = draw("ASSIGN_VARIABLE", "int8", 1)
    one, other = (Network(lower(read(case.data))) for _ in range(2))
    frames = list(case.inputs())
    answers = [one.invoke(frame) for frame in frames]
    assert answers == [in_place(other, frame) for frame in frames] and len(set(answers)) > 1


def test_an_input_of_another_size_is_refused():
    network = Network(lower(read(export_float32(layers(Random(1), (3, 2))))))
    for size in (0, 11, 13):
        with pytest.raises(InferenceError, match=rf"input of {size} bytes \(allowed: 12\)"):
            network.invoke(bytes(size))
    with pytest.raises(TypeError):
        network.invoke("abc")  # type: ignore[arg-type]
