"""A thousand different networks in one call, what each takes in memory, and what one costs to make and take away."""

from __future__ import annotations

import mmap
from array import array
from pathlib import Path
from random import Random
from time import perf_counter_ns

from edge.lab._loop import born_and_gone, read
from edge.nn import kernels
from edge.nn.plan import Lowered, lower
from edge.nn.population import Population, memory_bytes
from edge.nn.tflite import read as read_tflite


class Swarm:
    """As many networks of one shape, each with weights of its own."""

    def __init__(self, path: Path, count: int):
        self.lowered = lower(read_tflite(path.read_bytes(), str(path)), str(path))
        self.count = count
        self.bytes = memory_bytes(self.lowered, count)
        self._memory = mmap.mmap(-1, self.bytes)
        self.population = Population(self.lowered, memoryview(self._memory))
        self.handles = [self.population.spawn(seed=number, spread=0.1) for number in range(count)]
        self._batch = self.population.batch(self.handles)
        rng = Random(0)
        given = array("f", [2 * rng.random() - 1 for _ in range(count * self.lowered.input.values)])
        self._batch.inputs[:] = given.tobytes()

    def python(self, calls: int) -> int:
        """The call as Python makes it, inputs and outputs in buffers that are there."""
        run, numbers = self._batch.run, range(calls)
        begun_ns = perf_counter_ns()
        for _ in numbers:
            run()
        return perf_counter_ns() - begun_ns

    @property
    def weights_bytes(self) -> int:
        """What one run of all must read."""
        return self.count * self.lowered.plan.constants.size


class Roof:
    """Memory of that size, read by plain loads and nothing else: what no run of it can beat."""

    def __init__(self, size: int):
        self._memory = array("Q", range(size // 8))
        self.bytes = len(self._memory) * 8 // 256 * 256

    def read(self, calls: int) -> int:
        return read(self._memory, calls)[0]


class Nursery:
    """Room for a few networks, which one comes into and goes from."""

    def __init__(self, lowered: Lowered):
        plan, room = lowered.plan, 4
        self._memory = mmap.mmap(-1, memory_bytes(lowered, room))
        self._population = Population(lowered, memoryview(self._memory))
        slot_bytes = plan.constants.size + -plan.constants.size % 64 + len(lowered.state)
        table, slots = bytearray(room * kernels.SLOT_ENTRY_BYTES), bytearray(room * slot_bytes)
        self._slab = kernels.Slab(plan, memoryview(table), memoryview(slots), len(lowered.state))
        self._pattern = kernels.Memory(slot_bytes)
        self.resting = kernels.Resting(plan, slot_bytes)

    def c(self, calls: int) -> int:
        slab, pattern = kernels.address(self._slab.handle), kernels.address(self._pattern.at)
        return born_and_gone(kernels.function("syn_spawn"), kernels.function("syn_evict"), slab, pattern, calls)

    def rest(self, calls: int) -> int:
        """From float32 to int8 and back, from Python."""
        slot, resting, numbers = self._population.slot(self._population.spawn()), self.resting, range(calls)
        begun_ns = perf_counter_ns()
        for _ in numbers:
            resting.warm(resting.rest(slot), slot)
        return perf_counter_ns() - begun_ns

    def python(self, calls: int) -> int:
        spawn, evict, numbers = self._population.spawn, self._population.evict, range(calls)
        begun_ns = perf_counter_ns()
        for _ in numbers:
            evict(spawn())
        return perf_counter_ns() - begun_ns
