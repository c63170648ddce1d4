"""What is no network of FANN is refused with line and bound; what is one becomes layers, and layers become one.

That libfann agrees is in tests/conformance.
"""

import re
from collections.abc import Callable
from random import Random

import pytest

from edge import limits
from edge.nn.errors import ModelError
from edge.nn.fann import DEFAULTS, Net, read_net, write_net
from edge.nn.fann_answer import answer, as_layers, from_layers
from edge.nn.mlp import answer as layers_answer
from tests.nn.networks import layers, rows


def small() -> bytes:
    return write_net(from_layers(layers(Random(1), (2, 3, 1), ("LOGISTIC", "NONE"))))


def test_a_network_comes_back():
    assert write_net(read_net(small())) == small()


CHANGES: list[tuple[Callable[[str], str], str]] = [
    (lambda text: text.replace("FLO_2.1", "FIX_2.1"), "begins with b'FANN_FIX_2.1' (allowed: FANN_FLO_2.1)"),
    (lambda text: text.replace("FANN_FLO_2.1", "FANN_FLO:2.1"), "begins with b'FANN_FLO:2.1'"),
    (lambda text: "", "begins with b''"),
    (lambda text: text[: len(text) // 3], "(allowed: "),
    (lambda text: text.replace("num_layers=3", "num_layers=4000000000"), "of 3 numbers (allowed: 4000000000)"),
    (lambda text: text.replace("num_layers=3", "num_layers=99999999999"), "(allowed: a whole number)"),
    (lambda text: text.replace("num_layers=3", "num_layers=9999999999"), "(allowed: up to 4294967295)"),
    (lambda text: text.replace("learning_rate=0.700000\n", ""), "is 'connection_rate' (allowed: learning_rate=…)"),
    (lambda text: text.replace("learning_rate=0.7", "learning_rate=nan"), "is 'nan00000' (allowed: a number)"),
    (lambda text: text.replace("learning_rate=0.7", "learning_rate=1_0."), "(allowed: a number)"),
    (lambda text: text.replace("learning_rate=0.7", "learning_rate=9e99"), "(allowed: "),
    (lambda text: text.replace("network_type=0", "network_type=2"), "network_type 2 (allowed: 0 layered, 1 shortcut)"),
    (lambda text: text.replace("functions_count=10", "functions_count=11"), "of 10 numbers (allowed: 11)"),
    (lambda text: text.replace("layer_sizes=3 4 2", "layer_sizes=3 4 4000000000"), "neurons (allowed: 4000000007"),
    (lambda text: text.replace("layer_sizes=3 4 2", "layer_sizes=3 0 6"), "(allowed: two or more layers"),
    (lambda text: text.replace("layer_sizes=3 4 2", "layer_sizes=4 3 2"), "neuron 3 of layer 0: connected to 0, 1, 2"),
    (lambda text: text.replace("scale_included=0", "scale_included=1"), "(allowed: scale_mean_in=…)"),
    (lambda text: re.sub(r"\(3, \d+,", "(3, 18,", text, count=1), "layer 1: activation 18 (allowed: 0 to 17)"),
    (lambda text: re.sub(r"\(3, \d+,", "(2, 0,", text, count=1), "connections (allowed: 12, as the neurons say)"),
    (lambda text: text.replace("weight)=(0, ", "weight)=(1, "), "connected to 1, 1, 2 (allowed: 0 to 2)"),
    (lambda text: text.replace("weight)=(0, ", "weight)=(9, "), "connected to 9, 1, 2 (allowed: 0 to 2)"),
    (lambda text: re.sub(r"weight\)=\(0, [^)]+", "weight)=(0, inf", text), "has '(0, inf)"),
    (lambda text: re.sub(r"weight\)=\(0, [^)]+", "weight)=(0, 1e39", text), "weight 1e39 (allowed: finite float32)"),
    (lambda text: text + "more\n", "something behind the connections"),
    (lambda text: text.replace("\n", "é\n"), "begins with"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "what"), CHANGES)
def test_what_is_no_network_is_refused_with_line_and_bound(change: Callable[[str], str], what: str):
    text = change(small().decode())
    with pytest.raises(ModelError) as caught:
        read_net(text.encode(), "a.net")
    assert str(caught.value).startswith("network a.net: line ") and what in str(caught.value)


def test_a_network_cut_anywhere_is_refused():
    data = small()
    for size in range(0, len(data.rstrip()) - 1, 7):
        with pytest.raises(ModelError):
            read_net(data[:size])


def test_a_network_of_ruv_fann_is_refused():
    with pytest.raises(ModelError, match=r"allowed: FANN_FLO_2\.1"):
        read_net(b"FANN_FLO:2.1\nnum_layers=2\n")


def test_a_file_that_is_too_large_is_not_read():
    with pytest.raises(ModelError, match=str(limits.MODEL_FILE_BYTES_MAX)):
        read_net(bytes(limits.MODEL_FILE_BYTES_MAX + 1))


def test_layers_come_back_from_a_network_with_the_same_answers():
    network = layers(Random(9), (5, 7, 4, 2), ("TANH", "LOGISTIC", "RELU_N1_TO_1"))
    again = as_layers(from_layers(network))
    assert [layer.activation for layer in again] == ["TANH", "LOGISTIC", "RELU_N1_TO_1"]
    for row in rows(Random(10), 5, 20):
        assert layers_answer(again, row) == pytest.approx(layers_answer(network, row))
        assert answer(from_layers(network), row) == pytest.approx(layers_answer(network, row))


def test_what_fann_lacks_is_refused():
    with pytest.raises(ModelError, match=r"activation RELU \(allowed: NONE, LOGISTIC, TANH, RELU_N1_TO_1\)"):
        from_layers(layers(Random(1), (2, 2), ("RELU",)))


def with_activations(*numbers: int) -> Net:
    """Those of the hidden neurons, one after the other."""
    net = read_net(small())
    hidden = [one._replace(activation=number) for one, number in zip(net.neurons[3:6], numbers, strict=True)]
    return net._replace(neurons=(*net.neurons[:3], *hidden, *net.neurons[6:]))


def test_what_has_no_counterpart_is_no_layers():
    with pytest.raises(ModelError, match=r"a layer with LINEAR and SIGMOID \(allowed: one activation"):
        as_layers(with_activations(3, 0, 3))
    with pytest.raises(ModelError, match=r"activation SIN \(allowed: LINEAR, SIGMOID"):
        as_layers(with_activations(16, 16, 16))
    shortcut = read_net(small())._replace(settings={**DEFAULTS, "network_type": 1})
    with pytest.raises(ModelError, match=r"shortcut connections \(allowed: layered networks\)"):
        as_layers(shortcut)


def test_stepwise_sigmoids_become_curves_only_when_asked():
    stepwise = with_activations(4, 4, 4)
    with pytest.raises(ModelError, match="as a curve it is SIGMOID"):
        as_layers(stepwise)
    row = [0.3, -0.4]
    assert layers_answer(as_layers(stepwise, smooth=True), row) == pytest.approx(answer(stepwise, row), abs=0.1)
