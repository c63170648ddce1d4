"""Any life of a population under a budget: never over it, no stale name, and the reference's answers."""

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.nn import kernels
from edge.nn.errors import StaleHandleError
from edge.nn.population import Population, memory_bytes
from edge.nn.tiers import ENTRY_BYTES, Tiers
from tests.reference.resting import rested
from tests.unit.nn.test_population import perceptron

NET = perceptron(3, 5, 2)
WARM = 3
INPUT = struct.pack("<3f", 0.5, -1.25, 2.0)
RESTING = kernels.Resting(NET.plan, Population(NET, memoryview(bytearray(1 << 16))).slot_bytes)

ACTS = st.one_of(
    st.tuples(st.just("spawn"), st.none() | st.integers(0, 99), st.integers(0, 2**32)),
    st.tuples(st.just("run"), st.lists(st.integers(0, 99), max_size=8)),
    st.tuples(st.just("judge"), st.integers(0, 99), st.floats(-9, 9)),
    st.tuples(st.just("evict"), st.integers(0, 99)),
    st.tuples(st.just("spill")),
)


class Truth:
    """What each network's weights are: as it was born, and after a rest."""

    def __init__(self) -> None:
        self._alone = Population(NET, memoryview(bytearray(memory_bytes(NET, 1))))
        self._handle = self._alone.spawn()
        self.answers: dict[int, list[bytes]] = {}
        """As born and as rested; the first goes once the second was given."""

    def born(self, name: int, weights: list[float]) -> None:
        self.answers[name] = [self._answer(weights), self._answer(rested(weights, NET.plan.products))]

    def _answer(self, weights: list[float]) -> bytes:
        self._alone.weights(self._handle)[:] = memoryview(struct.pack(f"<{len(weights)}f", *weights)).cast("f")
        return self._alone.run([self._handle], INPUT)

    def hears(self, name: int, answer: bytes, *, exact: bool) -> None:
        allowed = self.answers[name]
        assert answer in (allowed[:1] if exact else allowed)
        if answer != allowed[0]:
            self.answers[name] = [answer]


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTS, max_size=60), st.integers(0, 3), st.integers(0, 4), st.integers(WARM, 12), st.booleans())
def test_a_life_under_a_budget(acts: list[tuple[Any, ...]], idle: int, spilled: int, entries: int, exact: bool) -> None:
    budget = memory_bytes(NET, WARM) + idle * RESTING.bytes + entries * ENTRY_BYTES
    file = memoryview(bytearray(memory_bytes(NET, spilled))) if spilled else None
    tiers = Tiers(NET, budget, memoryview(bytearray(memory_bytes(NET, WARM))), file, exact=exact)
    truth, gone, evicted = Truth(), dict[int, None](), 0
    for what, *more in acts:
        before = tiers.names()
        match what:
            case "spawn":
                parent = before[more[0] % len(before)] if more[0] is not None and before else None
                name = tiers.spawn(parent, seed=more[1], spread=0.3)
                assert name not in before and name not in gone and (parent is None or parent in tiers.names())
                truth.born(name, list(tiers.weights(name)))
            case "run" if before:
                names = [before[number % len(before)] for number in more[0]]
                out = tiers.run(names, INPUT * len(names))
                assert tiers.names() == before, "a run evicts nobody"
                for number, name in enumerate(names):
                    truth.hears(name, out[8 * number : 8 * number + 8], exact=exact)
            case "judge" if before:
                tiers.judge(before[more[0] % len(before)], more[1])
            case "evict" if before:
                tiers.evict(before[more[0] % len(before)])
                evicted += 1
            case "spill":
                tiers.spill()
        gone |= dict.fromkeys(name for name in before if name not in tiers.names())
        counts = tiers.counts()
        assert tiers.used_bytes <= tiers.budget_bytes == budget
        assert counts["warm"] + counts["idle"] + counts["spilled"] == len(tiers)
        assert counts["warm"] <= WARM and counts["spilled"] <= spilled and not (exact and counts["idle"])
        if file is not None:
            assert len(Population(NET, memoryview(bytearray(file)))) == counts["spilled"]
        assert len(gone) == counts["evicted"] + evicted
        for name in list(gone)[-2:]:
            with pytest.raises(StaleHandleError):
                tiers.run([name], INPUT)
    for name in tiers.names():
        truth.hears(name, tiers.run([name], INPUT), exact=exact)
