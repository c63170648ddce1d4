"""Networks that rest, are spilled and go, under a budget: who, when, and what it costs their answers."""

import math
import mmap
import random
import struct
import tracemalloc
from array import array
from pathlib import Path

import pytest

from edge.nn import kernels
from edge.nn.errors import ModelError, StaleHandleError
from edge.nn.plan import Lowered, lower
from edge.nn.population import Population, memory_bytes
from edge.nn.tflite import read
from edge.nn.tiers import ENTRY_BYTES, Tiers
from tests.nn.cases import draw
from tests.reference.resting import rested
from tests.unit.nn.test_population import INPUT, SMALL, perceptron

RESTING_BYTES = kernels.Resting(SMALL.plan, Population(SMALL, memoryview(bytearray(1 << 20))).slot_bytes).bytes


def memory(capacity: int, lowered: Lowered = SMALL) -> memoryview:
    return memoryview(bytearray(memory_bytes(lowered, capacity)))


def made(warm: int, idle: int, spilled: int = 0, *, exact: bool = False) -> Tiers:
    """Room for so many in each tier."""
    budget = memory_bytes(SMALL, warm) + idle * RESTING_BYTES + (warm + idle + spilled) * ENTRY_BYTES
    return Tiers(SMALL, budget, memory(warm), memory(spilled) if spilled else None, exact=exact)


def tiers_of(tiers: Tiers) -> tuple[int, int, int]:
    counts = tiers.counts()
    return counts["warm"], counts["idle"], counts["spilled"]


def test_resting_is_as_the_slow_twin_says_and_within_half_a_scale():
    rng = random.Random(4)
    for widths in ((16, 32, 8), (3, 5, 2), (1, 1), (9, 17, 31, 4)):
        lowered = perceptron(*widths)
        population = Population(lowered, memory(1, lowered))
        handle = population.spawn(seed=rng.randrange(99), spread=rng.choice((0.01, 1.0, 1e-20)))
        slot, weights = population.slot(handle), population.weights(handle)
        before = list(weights)
        resting = kernels.Resting(lowered.plan, len(slot))
        once = resting.rest(slot)
        resting.warm(once, slot)
        assert list(weights) == rested(before, lowered.plan.products)
        for offset, panels, depth in lowered.plan.products:
            for lane in range(8 * panels):
                at = offset // 4 + lane // 8 * depth * 8 + lane % 8
                row, back = before[at : at + 8 * depth : 8], list(weights[at : at + 8 * depth : 8])
                half = max(map(abs, row)) / 127 / 2
                assert all(abs(a - b) <= 1.0001 * half for a, b in zip(row, back, strict=True))
        assert resting.rest(slot) == once, "a second rest costs nothing more"


def test_a_network_that_rests_takes_a_byte_a_weight_and_two_floats_an_output():
    parameters = 16 * 32 + 32 + 32 * 8 + 8
    assert parameters + 4 * 40 * 2 + 128 >= RESTING_BYTES


def test_an_output_that_is_no_number_stays_none_and_others_stay_right():
    population = Population(SMALL, memory(1))
    handle = population.spawn()
    truth = struct.unpack("<8f", population.run([handle], INPUT))
    weights = population.weights(handle)
    offset = SMALL.plan.products[1][0] // 4
    weights[offset + 3] = math.inf
    slot = population.slot(handle)
    resting = kernels.Resting(SMALL.plan, len(slot))
    resting.warm(resting.rest(slot), slot)
    answer = struct.unpack("<8f", population.run([handle], INPUT))
    assert math.isnan(answer[3])
    assert all(abs(a - b) < 0.02 for i, (a, b) in enumerate(zip(answer, truth, strict=True)) if i != 3)


def test_what_a_network_remembers_rests_as_it_is():
    case = draw("ASSIGN_VARIABLE", "float32", 2)
    lowered = lower(read(case.data))
    budget = memory_bytes(lowered, 2) + 100_000
    tiers, alone = Tiers(lowered, budget, memory(2, lowered)), Tiers(lowered, budget, memory(2, lowered))
    names, single = [tiers.spawn() for _ in range(4)], alone.spawn()
    for tensor in [*case.inputs()] * 2:
        answer = alone.run([single], tensor)
        assert [tiers.run([name], tensor) for name in names] == [answer] * 4, "four take turns in two places"
    assert tiers.counts()["rested"] > 4 and not lowered.plan.products


def test_the_longest_unused_rest_first_then_are_spilled_then_go():
    tiers = made(3, 2, 2)
    names = [tiers.spawn() for _ in range(7)]
    assert tiers_of(tiers) == (3, 2, 2) and tiers.counts()["evicted"] == 0
    assert tiers.run(names[4:], INPUT * 3) and tiers_of(tiers) == (3, 2, 2)
    tiers.judge(names[0], 5.0)
    tiers.judge(names[1], 7.0)
    child = tiers.spawn()
    assert tiers.names() == (*names[1:], child), "of two that are spilled the longest unused quarter is the first"
    assert tiers.counts()["evicted"] == 1


def test_of_the_quarter_that_has_not_run_for_longest_the_least_fit_goes():
    tiers = made(2, 0, 12)
    names = [tiers.spawn() for _ in range(14)]
    for number, name in enumerate(names):
        tiers.judge(name, (5.0, 3.0, 4.0)[number] if number < 3 else 0.0)
    tiers.spawn()
    assert names[1] not in tiers.names() and len(tiers) == 14


def test_who_is_about_to_run_does_not_rest_first():
    tiers = made(3, 1)
    resting, first, second, third = (tiers.spawn() for _ in range(4))
    before = tiers.counts()["rested"]
    tiers.run([resting, first, second], INPUT * 3)
    assert tiers.counts()["rested"] - before == 1 and third in tiers._idle


@pytest.mark.parametrize("spilled", [0, 3])
def test_running_more_than_are_warm_evicts_nobody_and_answers_for_each(spilled: int):
    tiers = made(3, 4, spilled)
    names = [tiers.spawn(seed=seed, spread=0.3) for seed in range(7 + spilled)]
    truth = made(20, 0)
    copies = [truth.spawn(seed=seed, spread=0.3) for seed in range(7 + spilled)]
    mixed = names[::-1] + names[2:5] * 2
    out = array("f", tiers.run(mixed, INPUT * len(mixed)))
    exact = array("f", truth.run([copies[names.index(name)] for name in mixed], INPUT * len(mixed)))
    assert tiers.counts()["evicted"] == 0 and set(tiers.names()) == set(names)
    assert max(abs(a - b) for a, b in zip(out, exact, strict=True)) < 0.05 and out != exact


def test_what_must_stay_exact_does_not_rest_as_int8():
    tiers = made(2, 50, 6, exact=True)
    names = [tiers.spawn(seed=seed, spread=0.3) for seed in range(8)]
    truth = made(8, 0)
    copies = [truth.spawn(seed=seed, spread=0.3) for seed in range(8)]
    assert tiers_of(tiers) == (2, 0, 6)
    assert tiers.run(names, INPUT * 8) == truth.run(copies, INPUT * 8)
    tiers.spawn()
    assert tiers.counts()["evicted"] == 1
    small = made(2, 50, exact=True)
    first = small.spawn()
    small.spawn()
    small.spawn()
    assert first not in small.names() and tiers_of(small) == (2, 0, 0)


def test_a_file_is_taken_over_with_what_its_networks_are_worth(tmp_path: Path):
    path = tmp_path / "swarm.pop"
    path.write_bytes(bytes(memory_bytes(SMALL, 4)))

    def opened() -> Tiers:
        with open(path, "r+b") as file:
            return Tiers(SMALL, 1 << 20, memory(2), memoryview(mmap.mmap(file.fileno(), 0)))

    before = opened()
    names = [before.spawn(seed=seed, spread=0.3) for seed in range(4)]
    for worth, name in enumerate(names):
        before.judge(name, float(worth))
    answers = [before.run([name], INPUT) for name in names]
    before.spill()
    assert tiers_of(before) == (0, 0, 4)
    before.judge(names[3], -1.0)
    after = opened()
    assert sorted(after.run([name], INPUT) for name in after.names()) == sorted(answers)
    assert sorted(after._fitness.values()) == [-1.0, 0.0, 1.0, 2.0]
    worst = min(after.names(), key=after._fitness.__getitem__)
    assert after._fitness[worst] == -1.0 and after.run([worst], INPUT) == answers[3]


def test_a_budget_without_room_for_what_is_warm_is_refused():
    least = memory_bytes(SMALL, 2) + 2 * ENTRY_BYTES
    with pytest.raises(ModelError, match=rf"2 warm networks in {least - 1} bytes \(allowed: from 2, in {least} bytes"):
        Tiers(SMALL, least - 1, memory(2))
    with pytest.raises(ModelError, match="1 warm networks"):
        Tiers(SMALL, 1 << 20, memory(1))
    tiers = Tiers(SMALL, least, memory(2))
    for _ in range(5):
        tiers.spawn()
    assert tiers_of(tiers) == (2, 0, 0) and tiers.used_bytes == least
    with pytest.raises(ModelError, match="fitness nan"):
        tiers.judge(tiers.names()[0], math.nan)


def test_the_budget_counts_what_python_keeps_too():
    """Weights and whatever is allocated for names, places and worths."""
    population = memory(2)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tiers = Tiers(SMALL, 1 << 30, population)
        for seed in range(2000):
            tiers.judge(tiers.spawn(seed=seed, spread=0.1), float(seed))
            if seed >= 100:  # what there is once for all of them is paid by then
                assert tracemalloc.get_traced_memory()[0] - before <= tiers.used_bytes - len(population)
    finally:
        tracemalloc.stop()
    assert tiers_of(tiers) == (2, 1998, 0)


def test_a_child_keeps_its_parent_and_a_stale_name_is_refused_everywhere():
    tiers = made(2, 1)
    parent = tiers.spawn()
    for seed in range(9):
        tiers.spawn(parent, seed=seed, spread=0.1)
    assert parent in tiers.names()
    gone = tiers.spawn()
    tiers.evict(gone)
    for use in (
        lambda: tiers.run([parent, gone], INPUT * 2),
        lambda: tiers.weights(gone),
        lambda: tiers.judge(gone, 1.0),
        lambda: tiers.evict(gone),
        lambda: tiers.spawn(gone),
    ):
        with pytest.raises(StaleHandleError, match=f"network {gone}: gone"):
            use()
