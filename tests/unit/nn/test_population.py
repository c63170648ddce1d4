"""Populations: many networks in one stretch of memory, by handles that never answer for another network."""

import itertools
import mmap
import random
import struct
from pathlib import Path

import pytest

from edge.nn import population as populations
from edge.nn.draft import Draft, per_tensor
from edge.nn.errors import ModelError, StaleHandleError
from edge.nn.network import Network
from edge.nn.plan import Lowered, lower
from edge.nn.population import Population, memory_bytes
from edge.nn.tflite import read
from tests.nn.cases import draw


def perceptron(*layers: int, seed: int = 1) -> Lowered:
    rng, draft = random.Random(seed), Draft()
    x = draft.tensor("x", (1, layers[0]))
    for depth, cols in itertools.pairwise(layers):
        weights = draft.constant("w", (cols, depth), [rng.gauss(0, 0.3) for _ in range(cols * depth)])
        bias = draft.constant("b", (cols,), [rng.gauss(0, 0.1) for _ in range(cols)])
        y = draft.tensor("y", (1, cols))
        draft.operator("FULLY_CONNECTED", (x, weights, bias), (y,), _PLAIN)
        x = y
    return lower(draft.graph([0], [x]))


_PLAIN = {"fused_activation_function": 1, "weights_format": 0}
SMALL = perceptron(16, 32, 8)
INPUT = struct.pack("<16f", *(i / 16 for i in range(16)))


def made(capacity: int, lowered: Lowered = SMALL) -> Population:
    return Population(lowered, memoryview(bytearray(memory_bytes(lowered, capacity))))


def test_a_network_costs_its_weights_and_little_more():
    parameters = 4 * (16 * 32 + 32 + 32 * 8 + 8)
    each = (memory_bytes(SMALL, 1000) - memory_bytes(SMALL, 0)) / 1000
    assert each <= 1.1 * parameters + 128


def test_as_many_fit_as_were_asked_for():
    for capacity in (1, 2, 127, 128, 129, 1000):
        assert made(capacity).capacity == capacity


def test_a_copy_answers_as_the_model_and_a_changed_one_otherwise():
    population = made(3)
    truth = Network(SMALL).invoke(INPUT)
    same, changed, again = (
        population.spawn(),
        population.spawn(seed=7, spread=0.1),
        population.spawn(seed=7, spread=0.1),
    )
    out = population.run([same, changed, again], INPUT * 3)
    assert out[:32] == truth != out[32:64] == out[64:]


def test_one_call_runs_each_network_on_its_own_part():
    population = made(50)
    handles = [population.spawn(seed=i, spread=0.2) for i in range(50)]
    inputs = [struct.pack("<16f", *(random.Random(i).gauss(0, 1) for _ in range(16))) for i in range(50)]
    alone = [population.run([handle], tensor) for handle, tensor in zip(handles, inputs, strict=True)]
    assert population.run(handles, b"".join(inputs)) == b"".join(alone)
    assert len(set(alone)) > 40


def test_children_are_their_parents_with_noise_of_the_size_asked_for():
    population = made(2)
    parent = population.spawn()
    child = population.spawn(parent, seed=3, spread=0.05)
    moved = [a - b for a, b in zip(population.weights(child), population.weights(parent), strict=True)]
    mean = sum(moved) / len(moved)
    deviation = (sum(one * one for one in moved) / len(moved)) ** 0.5
    assert abs(mean) < 0.01 and 0.045 < deviation < 0.055


def test_a_handle_that_outlived_its_network_is_refused_everywhere():
    population = made(1)
    gone = population.spawn()
    population.evict(gone)
    tenant = population.spawn()
    assert gone != tenant
    for use in (
        lambda: population.run([gone], INPUT),
        lambda: population.weights(gone),
        lambda: population.evict(gone),
        lambda: population.judge(gone, 1.0),
        lambda: population.reset(gone),
        lambda: population.spawn(gone),
        lambda: population.run([2**32 - 1], INPUT),
    ):
        with pytest.raises(StaleHandleError, match="gone"):
            use()
    assert population.handles() == (tenant,)


def test_a_handle_is_not_given_again_for_thousands_of_tenants():
    population = made(1)
    seen = set()
    for _ in range(4095):
        handle = population.spawn()
        population.evict(handle)
        seen.add(handle)
    assert len(seen) == 4095 and 0 not in seen


def test_a_batch_stops_at_the_network_that_went_meanwhile():
    population = made(3)
    handles = [population.spawn() for _ in range(3)]
    batch = population.batch(handles)
    population.evict(handles[1])
    assert batch.run() == 1


def test_the_least_fit_of_those_long_unused_makes_room():
    population = made(8)
    handles = [population.spawn() for _ in range(8)]
    for worth, handle in enumerate(handles):
        population.judge(handle, float(worth))
    population.run(handles[:4], INPUT * 4)
    population.run(handles[6:], INPUT * 2)
    population.spawn()
    assert population.evicted == 1
    assert handles[4] not in population.handles(), "4 and 5 have not run for longest, and 4 is worth less"


def test_a_network_with_state_remembers_alone(monkeypatch: pytest.MonkeyPatch):
    case = draw("ASSIGN_VARIABLE", "float32", 2)
    lowered = lower(read(case.data))
    population = Population(lowered, memoryview(bytearray(memory_bytes(lowered, 2))))
    one, other, single = population.spawn(), population.spawn(), Network(lowered)
    inputs = [*case.inputs()] * 3
    for tensor in inputs:
        assert population.run([one], tensor) == single.invoke(tensor)
    single.reset()
    assert population.run([other], inputs[0]) == single.invoke(inputs[0])
    population.reset(one)
    single.reset()
    assert population.run([one], inputs[0]) == single.invoke(inputs[0])


def mapped(path: Path, lowered: Lowered) -> Population:
    with open(path, "r+b") as file:
        return Population(lowered, memoryview(mmap.mmap(file.fileno(), 0)), str(path))


def test_a_mapped_file_keeps_everything_from_process_to_process(tmp_path: Path):
    path = tmp_path / "swarm.pop"
    path.write_bytes(bytes(memory_bytes(SMALL, 5)))
    population = mapped(path, SMALL)
    handles = [population.spawn(seed=i, spread=0.3) for i in range(4)]
    population.evict(handles[2])
    living = [handles[0], handles[1], handles[3]]
    answers = population.run(living, INPUT * 3)
    again = mapped(path, SMALL)
    assert again.handles() == tuple(living)
    assert again.run(living, INPUT * 3) == answers
    with pytest.raises(StaleHandleError):
        again.run([handles[2]], INPUT)
    assert again.spawn() not in handles


@pytest.mark.parametrize(
    ("offset", "data", "reason"),
    [
        (0, b"SYNPOP99", "its magic is"),
        (8, b"\xff", "its capacity is"),
        (12, b"\xff", "its slot size is"),
        (40, b"\xff", "its shape of networks is"),
        (4096 + 2, b"\xff", "entry 0 of its table is damaged"),
        (4096 + 24 + 4, b"\xff\xff\xff\xff", "entry 1 of its table is damaged"),
        (4096 + 22, b"\xff\xff", "entry 0 of its table is damaged"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(tmp_path: Path, offset: int, data: bytes, reason: str):
    path = tmp_path / "swarm.pop"
    path.write_bytes(bytes(memory_bytes(SMALL, 2)))
    mapped(path, SMALL).spawn()
    whole = bytearray(path.read_bytes())
    whole[offset : offset + len(data)] = data
    path.write_bytes(whole)
    with pytest.raises(ModelError) as caught:
        mapped(path, SMALL)
    assert reason in str(caught.value) and str(path) in str(caught.value)


def test_networks_of_another_shape_do_not_open_it(tmp_path: Path):
    path = tmp_path / "swarm.pop"
    path.write_bytes(bytes(memory_bytes(SMALL, 3)))
    mapped(path, SMALL)
    with pytest.raises(ModelError, match="population"):
        mapped(path, perceptron(16, 31, 8))
    assert mapped(path, perceptron(16, 32, 8, seed=9)).capacity == 3, "other weights are no other shape"


def test_memory_for_less_than_one_network_is_refused():
    with pytest.raises(ModelError, match=r"5000 bytes \(allowed: from"):
        Population(SMALL, memoryview(bytearray(5000)))


def test_int8_networks_are_refused():
    draft = Draft()
    x = draft.tensor("x", (1, 2), "int8", per_tensor(0.1))
    y = draft.tensor("y", (1, 2), "int8", per_tensor(0.1))
    draft.operator("RELU", (x,), (y,))
    lowered = lower(draft.graph([x], [y]))
    with pytest.raises(ModelError, match=r"computes TABLE8 \(allowed: float32 alone\)"):
        Population(lowered, memoryview(bytearray(1 << 20)))
    assert populations.MAGIC == b"SYNPOP01"
