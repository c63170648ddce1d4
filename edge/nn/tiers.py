"""A population under a budget of bytes: those that ran last are warm, others rest, and when nothing else helps some go.

| tier    | where                | as                                                                 |
|---------|----------------------|--------------------------------------------------------------------|
| warm    | a `Population`       | float32, ready to run                                              |
| idle    | memory               | weights of matrix products as int8 with a scale an output (idle.h) |
| spilled | a population's file  | float32; outside of the budget but for its entry                   |

The longest unused leave a tier first. Whoever has to go is the least fit of the quarter that has not run for longest,
in the lowest tier there is. To rest as int8 costs half a scale a weight, once: what comes back may rest again and comes
back the same to the bit. With `exact` nothing rests as int8, and what is not warm is in the file or gone
(decisions/0027).
"""

from collections.abc import Container, Mapping, Sequence
from itertools import islice

from edge.nn import kernels
from edge.nn.errors import ModelError, StaleHandleError
from edge.nn.plan import Lowered
from edge.nn.population import Population, require_number

ENTRY_BYTES = 320
"""What Python keeps of a network, whatever its tier: its name, where it is, its worth."""
WARM_MIN = 2
"""A parent and its child."""


class Tiers:
    """Not for two threads at once. Names are numbers that are never given twice, so a stale one is always refused."""

    def __init__(
        self,
        lowered: Lowered,
        budget_bytes: int,
        memory: memoryview,
        file: memoryview | None = None,
        *,
        exact: bool = False,
    ):
        """`memory`, all zeros, is where networks are warm and counts towards the budget; `file` is that of a
        population, whose networks are taken over. Raises ModelError when the budget has no room for what is warm."""
        self._population = Population(lowered, memory)
        self._file = None if file is None else Population(lowered, file)
        self._resting = kernels.Resting(lowered.plan, self._population.slot_bytes)
        self._input_bytes = lowered.input.stored_bytes
        self._memory_bytes, self._exact = len(memory), exact
        self.budget_bytes = budget_bytes
        self._warm: dict[int, int] = {}
        """Handles in the population, the longest unused first; so in all tiers."""
        self._idle: dict[int, bytes] = {}
        self._spilled: dict[int, int] = {}
        self._fitness: dict[int, float] = {}
        self._last = self._evicted = self._rested = self._spills = self._warmed = 0
        entries = self._population.capacity + (len(self._file) if self._file else 0)
        least = len(memory) + ENTRY_BYTES * entries
        if self._population.capacity < WARM_MIN or budget_bytes < least:
            held = f"{self._population.capacity} warm networks in {budget_bytes} bytes"
            raise ModelError(f"tiers: {held} (allowed: from {WARM_MIN}, in {least} bytes or more)")
        for handle in self._file.handles() if self._file else ():
            assert self._file is not None
            self._spilled[self._name(self._file.fitness(handle))] = handle

    def __len__(self) -> int:
        return len(self._fitness)

    def names(self) -> tuple[int, ...]:
        """Of all networks that are there, the oldest first."""
        return tuple(self._fitness)

    @property
    def used_bytes(self) -> int:
        """Of the budget; never more than it."""
        return self._memory_bytes + self._resting.bytes * len(self._idle) + ENTRY_BYTES * len(self._fitness)

    def counts(self) -> dict[str, int]:
        """How many are in each tier, and how often one changed it or went."""
        return {
            "warm": len(self._warm),
            "idle": len(self._idle),
            "spilled": len(self._spilled),
            "rested": self._rested,
            "spills": self._spills,
            "warmed": self._warmed,
            "evicted": self._evicted,
        }

    def spawn(self, parent: int | None = None, *, seed: int = 0, spread: float = 0.0) -> int:
        """A copy of the model, or of a parent, with noise on its weights; its name."""
        keep = () if parent is None else (parent,)
        origin = None if parent is None else self._warm_up(parent, keep)
        self._free_slot(keep)
        while self.used_bytes + ENTRY_BYTES > self.budget_bytes:
            self._shrink()
        handle = self._population.spawn(origin, seed=seed, spread=spread)
        name = self._name(0.0)
        self._warm[name] = handle
        return name

    def run(self, names: Sequence[int], inputs: bytes) -> bytes:
        """Each once on its part of `inputs`; all outputs, one after the other. Evicts nobody: who rests takes the place
        of who is warmed."""
        for name in names:
            self._require(name)
        outputs, most, size = [], self._population.capacity, self._input_bytes
        for start in range(0, len(names), most):
            part = dict.fromkeys(names[start : start + most])
            handles = [self._warm_up(name, part) for name in names[start : start + most]]
            outputs.append(self._population.run(handles, inputs[start * size : (start + len(handles)) * size]))
        return b"".join(outputs)

    def weights(self, name: int) -> "memoryview[float]":
        """Its constants, packed as the kernels take them, to read or write before the next call."""
        return self._population.weights(self._warm_up(name, (name,)))

    def judge(self, name: int, fitness: float) -> None:
        """What it is worth, for the day when somebody must go."""
        self._require(name)
        require_number(fitness)
        self._fitness[name] = fitness
        if self._file is not None and name in self._spilled:
            self._file.judge(self._spilled[name], fitness)

    def evict(self, name: int) -> None:
        """It is gone, and its name names nothing from now on."""
        self._require(name)
        self._drop(name)

    def spill(self) -> None:
        """What fits goes to the file, the last used first: for whoever opens it next."""
        for name in (*reversed(self._warm), *reversed(self._idle)):
            if self._file is None or len(self._file) == self._file.capacity:
                return
            self._to_file(name)

    # ---- from tier to tier

    def _name(self, fitness: float) -> int:
        self._last += 1
        self._fitness[self._last] = fitness
        return self._last

    def _require(self, name: int) -> None:
        if name not in self._fitness:
            raise StaleHandleError(f"network {name}: gone")

    def _warm_up(self, name: int, keep: Container[int]) -> int:
        """Its handle; it is the last used from now on. It leaves its tier first: there is room for who rests."""
        self._require(name)
        if name in self._warm:
            handle = self._warm.pop(name)
        else:
            content: bytes | memoryview
            is_idle = name in self._idle
            content = self._idle.pop(name) if is_idle else self._from_file(name)
            self._free_slot(keep)
            handle = self._population.spawn()
            if is_idle:
                self._resting.warm(bytes(content), self._population.slot(handle))
            else:
                self._population.slot(handle)[:] = content
            self._warmed += 1
        self._warm[name] = handle
        return handle

    def _free_slot(self, keep: Container[int]) -> None:
        """Whoever is about to run need not rest first."""
        while len(self._population) == self._population.capacity:
            self._rest(next(name for name in self._warm if name not in keep))

    def _rest(self, name: int) -> None:
        """Out of the slot: as int8 if the budget allows, else into the file, else somebody goes."""
        size = self._resting.bytes
        while not self._exact and self._idle and self.used_bytes + size > self.budget_bytes:
            self._shrink()
        if not self._exact and self.used_bytes + size <= self.budget_bytes:
            handle = self._warm.pop(name)
            self._idle[name] = self._resting.rest(self._population.slot(handle))
            self._population.evict(handle)
            self._rested += 1
        elif self._file is not None:
            if len(self._file) == self._file.capacity:
                self._go(self._spilled)
            self._to_file(name)
        else:
            self._go(self._warm)

    def _shrink(self) -> None:
        """Fewer bytes in memory: the longest unused that is idle goes to the file, else somebody goes."""
        if self._idle and self._file is not None:
            if len(self._file) == self._file.capacity:
                self._go(self._spilled)
            self._to_file(next(iter(self._idle)))
        else:
            self._go(self._idle or self._spilled or self._warm)

    def _to_file(self, name: int) -> None:
        assert self._file is not None
        handle = self._file.spawn()
        slot = self._file.slot(handle)
        if name in self._idle:
            self._resting.warm(self._idle.pop(name), slot)
        else:
            warm = self._warm.pop(name)
            slot[:] = self._population.slot(warm)
            self._population.evict(warm)
        self._file.judge(handle, self._fitness[name])
        self._spilled[name] = handle
        self._spills += 1

    def _from_file(self, name: int) -> bytes:
        assert self._file is not None
        handle = self._spilled.pop(name)
        content = bytes(self._file.slot(handle))
        self._file.evict(handle)
        return content

    def _go(self, tier: Mapping[int, object]) -> None:
        """The least fit of the quarter of a tier that has not run for longest."""
        oldest = islice(tier, max(1, len(tier) // 4))
        self._drop(min(oldest, key=self._fitness.__getitem__))
        self._evicted += 1

    def _drop(self, name: int) -> None:
        if name in self._warm:
            self._population.evict(self._warm.pop(name))
        elif name in self._spilled:
            assert self._file is not None
            self._file.evict(self._spilled.pop(name))
        else:
            del self._idle[name]
        del self._fitness[name]
