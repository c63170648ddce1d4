"""Networks of libfann: byte by byte as it writes them, number by number as it runs them."""

from array import array
from pathlib import Path
from random import Random

import pytest

from edge.nn.fann import ACTIVATIONS, Net, read_net, write_net
from edge.nn.fann_answer import answer, as_layers, from_layers
from edge.nn.fann_data import Data, read_data, write_data
from edge.nn.mlp import answer as layers_answer
from tests.conformance.libfann import FANN, Ann
from tests.nn.networks import layers, rows

SIZES = ((1, 1), (3, 4, 2), (16, 32, 8), (2, 5, 3, 4, 1), (5, 1, 1, 6))


def made(kind: str, sizes: tuple[int, ...], path: Path, seed: int = 0) -> tuple[Ann, Net]:
    """A network of libfann, and the same as we read it."""
    ann = Ann.make(kind, sizes, Random(f"{kind} {sizes} {seed}"))
    return ann, read_net(ann.save(path), str(path))


@pytest.mark.parametrize("kind", ["standard", "shortcut", "sparse"])
@pytest.mark.parametrize("sizes", SIZES)
def test_what_libfann_wrote_is_written_again_byte_by_byte(kind: str, sizes: tuple[int, ...], tmp_path: Path):
    ann, net = made(kind, sizes, tmp_path / "a.net")
    assert write_net(net) == (tmp_path / "a.net").read_bytes()
    assert (net.inputs, net.outputs) == (sizes[0], sizes[-1])
    assert sum(len(neuron.sources) for neuron in net.neurons) == FANN.fann_get_total_connections(ann.handle)
    assert net.is_shortcut == (kind == "shortcut")


@pytest.mark.parametrize("kind", ["standard", "shortcut", "sparse"])
@pytest.mark.parametrize("sizes", SIZES)
def test_outputs_are_libfanns_to_a_hundred_thousandth(kind: str, sizes: tuple[int, ...], tmp_path: Path):
    """Every activation comes up; a threshold may fall the other way only where the sum is 0, which chance avoids."""
    ann, net = made(kind, sizes, tmp_path / "a.net")
    rng = Random(3)
    for _ in range(20):
        row = [rng.randint(-512, 512) / 256 for _ in range(sizes[0])]
        assert answer(net, row) == pytest.approx(ann.run(row), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_activation_is_libfanns_over_its_whole_range(name: str, tmp_path: Path):
    ann = Ann.make("standard", (1, 1), Random(0))
    for steepness in (0.1, 1.0):
        FANN.fann_set_activation_function(ann.handle, ACTIVATIONS.index(name), 1, 0)
        FANN.fann_set_activation_steepness(ann.handle, steepness, 1, 0)
        net = read_net(ann.save(tmp_path / "one.net"))
        for step in range(-120, 121):
            x = step / 16
            assert answer(net, [x]) == pytest.approx(ann.run([x]), rel=1e-5, abs=1e-5), x


def test_libfann_loads_what_we_write_and_answers_the_same(tmp_path: Path):
    ann, net = made("standard", (4, 6, 3), tmp_path / "a.net")
    changed = net._replace(
        neurons=tuple(one._replace(weights=tuple(-weight / 2 for weight in one.weights)) for one in net.neurons)
    )
    (tmp_path / "b.net").write_bytes(write_net(changed))
    other = Ann.load(tmp_path / "b.net")
    row = [0.5, -1.0, 2.0, 0.25]
    assert other.run(row) == pytest.approx(answer(changed, row), rel=1e-5, abs=1e-5)
    assert other.run(row) != pytest.approx(ann.run(row), abs=1e-3)
    assert other.save(tmp_path / "c.net") == (tmp_path / "b.net").read_bytes()


def test_scaling_is_kept(tmp_path: Path):
    (tmp_path / "t.data").write_text("3 2 1\n0 1\n2\n3 5\n-1\n7 -2\n4\n")
    ann = Ann.make("standard", (2, 3, 1), Random(1))
    train = FANN.fann_read_train_from_file(bytes(tmp_path / "t.data"))
    assert FANN.fann_set_scaling_params(ann.handle, train, -1.0, 1.0, -1.0, 1.0) == 0
    FANN.fann_destroy_train(train)
    data = ann.save(tmp_path / "a.net")
    net = read_net(data)
    assert len(net.settings["scale_mean_in"]) == 2  # type: ignore[arg-type]
    assert write_net(net) == data


def test_what_cascade_training_grew_is_read(tmp_path: Path):
    (tmp_path / "xor.data").write_text("4 2 1\n-1 -1\n-1\n-1 1\n1\n1 -1\n1\n1 1\n-1\n")
    train = FANN.fann_read_train_from_file(bytes(tmp_path / "xor.data"))
    ann = Ann.make("shortcut", (2, 1), Random(1))
    FANN.fann_cascadetrain_on_data(ann.handle, train, 3, 0, 0.0)
    FANN.fann_destroy_train(train)
    data = ann.save(tmp_path / "grown.net")
    net = read_net(data)
    assert len(net.layer_sizes) > 2 and write_net(net) == data
    # Of each run another one, by libfann's own chance, with weights up to 1,500: their sums have float32's last digits.
    largest = max(abs(weight) for neuron in net.neurons for weight in neuron.weights)
    for row in ([-1.0, 1.0], [1.0, 1.0]):
        assert answer(net, row) == pytest.approx(ann.run(row), rel=1e-5, abs=1e-5 + largest * 2**-22)


@pytest.mark.parametrize("name", ["LINEAR", "SIGMOID", "SIGMOID_SYMMETRIC", "LINEAR_PIECE_SYMMETRIC"])
@pytest.mark.parametrize("kind", ["standard", "sparse"])
def test_layers_have_the_same_answers(name: str, kind: str, tmp_path: Path):
    ann = Ann.make(kind, (4, 5, 3), Random(name))
    for layer, size in ((1, 5), (2, 3)):
        for neuron in range(size):
            FANN.fann_set_activation_function(ann.handle, ACTIVATIONS.index(name), layer, neuron)
    network = as_layers(read_net(ann.save(tmp_path / "a.net")))
    rng = Random(5)
    for _ in range(10):
        row = [rng.uniform(-1, 1) for _ in range(4)]
        assert layers_answer(network, row) == pytest.approx(ann.run(row), rel=1e-5, abs=1e-5)


def test_libfann_runs_what_was_trained_here_and_writes_the_same_file(tmp_path: Path):
    network = layers(Random(9), (5, 7, 4, 2), ("TANH", "LOGISTIC", "NONE"))
    data = write_net(from_layers(network))
    (tmp_path / "ours.net").write_bytes(data)
    ann = Ann.load(tmp_path / "ours.net")
    for row in rows(Random(10), 5, 20):
        assert ann.run(row) == pytest.approx(layers_answer(network, row), rel=1e-5, abs=1e-5)
    assert ann.save(tmp_path / "theirs.net") == data


def test_training_sets_go_both_ways(tmp_path: Path):
    rng = Random(2)
    given, wanted = [rng.gauss(0, 9) for _ in range(21)], [rng.random() for _ in range(14)]
    data = Data(7, 3, 2, array("f", given), array("f", wanted))
    (tmp_path / "ours.data").write_bytes(write_data(data))
    train = FANN.fann_read_train_from_file(bytes(tmp_path / "ours.data"))
    assert FANN.fann_length_train_data(train) == 7
    FANN.fann_save_train(train, bytes(tmp_path / "theirs.data"))
    FANN.fann_destroy_train(train)
    theirs = read_data((tmp_path / "theirs.data").read_bytes())
    assert theirs.given.tolist() == pytest.approx(data.given.tolist(), abs=1e-6)  # libfann writes six digits
    assert theirs.wanted.tolist() == pytest.approx(data.wanted.tolist(), abs=1e-6)
