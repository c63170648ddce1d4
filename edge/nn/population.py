"""Many networks of one shape and different weights: born, copied, changed, run all at once, and gone again.

All of it lies in one stretch of memory that the caller supplies, plain or a mapped file: a header, a table of slots,
and a slot of equal size for each network. Its size is the budget: when every slot is taken, the least fit of those that
have not run for longest makes room. A handle that outlived its network is refused (StaleHandleError), never answered by
another.

Only float32: an int8 network's constants are also shifts and multipliers, which a mapped file could hold wrong.
"""

import hashlib
import struct
from collections.abc import Sequence
from math import isnan

from edge.nn import kernels
from edge.nn.errors import ModelError, StaleHandleError
from edge.nn.plan import Lowered

MAGIC = b"SYNPOP01"
_HEADER = struct.Struct("<8sIII4x32s")
_ENTRY = struct.Struct("<IIQd")
_PAGE = 4096
"""Where table and slots begin: no file system and no processor has a reason to dislike it."""
_USED = kernels.SLOTS_MAX + 1
_GENERATIONS = 4096
_FLOAT_KINDS = ("F32_", "COPY", "FILL")


class Population:
    """Not for two threads at once."""

    def __init__(self, lowered: Lowered, memory: memoryview, path: str = ""):
        """Over `memory`: a new one if it begins with zeros, else what was there. Raises ModelError when that is of
        other networks or damaged."""
        why = fault(lowered)
        if why is not None:
            raise ModelError(f"population {path}: {why}")
        self._state = lowered.state
        self._pattern = _pattern(lowered)
        self._constants_bytes = self._pattern.size - len(lowered.state)
        self.evicted = 0
        """Networks that had to make room."""
        capacity = _capacity(lowered, len(memory), path)
        _open(memory, capacity, self._pattern.size, shape(lowered), path)
        table = memory[_PAGE : _PAGE + capacity * kernels.SLOT_ENTRY_BYTES]
        slots = memory[_slots_at(capacity) : _slots_at(capacity) + capacity * self._pattern.size]
        self._slab = kernels.Slab(lowered.plan, table, slots, len(lowered.state))

    def __len__(self) -> int:
        return len(self._slab)

    @property
    def capacity(self) -> int:
        return self._slab.capacity

    @property
    def slot_bytes(self) -> int:
        """Of one network."""
        return self._pattern.size

    def handles(self) -> tuple[int, ...]:
        """Of all networks that are there."""
        return self._slab.handles()

    def spawn(self, parent: int | None = None, *, seed: int = 0, spread: float = 0.0) -> int:
        """A copy of the model, or of a parent, with noise on its weights; its handle."""
        if parent is not None:
            self.slot(parent)
        if len(self) == self.capacity:
            self._make_room(parent)
        handle = self._slab.spawn(self._pattern) if parent is None else self._slab.spawn_from(parent)
        assert handle is not None
        if spread:
            self._slab.mutate(handle, seed, spread)
        if parent is not None:
            self.reset(handle)
        return handle

    def evict(self, handle: int) -> None:
        """It is gone, and its handle names nothing from now on."""
        if not self._slab.evict(handle):
            raise StaleHandleError(f"network {handle}: gone")

    def weights(self, handle: int) -> "memoryview[float]":
        """Its constants, packed as the kernels take them; writable."""
        return self.slot(handle)[: self._constants_bytes].cast("f")

    def judge(self, handle: int, fitness: float) -> None:
        """What it is worth, for the day when somebody must go."""
        require_number(fitness)
        if not self._slab.judge(handle, fitness):
            raise StaleHandleError(f"network {handle}: gone")

    def fitness(self, handle: int) -> float:
        """What it was judged to be worth; 0 before that."""
        self.slot(handle)
        return self._slab.fitness(handle)

    def reset(self, handle: int) -> None:
        """Forget every earlier run."""
        self.slot(handle)[self._constants_bytes :] = self._state

    def batch(self, handles: Sequence[int]) -> kernels.Batch:
        """Inputs, outputs and one call for all of these. Raises StaleHandleError for the first that is gone."""
        for handle in handles:
            if not self._slab.has(handle):
                raise StaleHandleError(f"network {handle}: gone")
        return self._slab.batch(handles)

    def run(self, handles: Sequence[int], inputs: bytes) -> bytes:
        """Each network once on its part of `inputs`; all outputs, one after the other."""
        batch = self.batch(handles)
        batch.inputs[:] = inputs
        ran = batch.run()
        assert ran == len(handles)
        return bytes(batch.outputs)

    def slot(self, handle: int) -> memoryview:
        """All bytes of a network: its constants, then what it remembers; writable."""
        found = self._slab.slot(handle)
        if found is None:
            raise StaleHandleError(f"network {handle}: gone")
        return found

    def _make_room(self, parent: int | None) -> None:
        weakest = self._slab.weakest()
        assert weakest is not None
        if weakest == parent:
            raise ModelError(f"no room for a child of network {parent}: it would be the next to go itself")
        self.evict(weakest)
        self.evicted += 1


def require_number(fitness: float) -> None:
    """Raises ModelError: what is no number is neither more nor less than another."""
    if isnan(fitness):
        raise ModelError(f"fitness {fitness} (allowed: numbers)")


def memory_bytes(lowered: Lowered, capacity: int) -> int:
    """What a population of so many needs."""
    return _slots_at(capacity) + capacity * _pattern(lowered).size


def _slots_at(capacity: int) -> int:
    return _PAGE + -(-capacity * kernels.SLOT_ENTRY_BYTES // _PAGE) * _PAGE


def _capacity(lowered: Lowered, size: int, path: str) -> int:
    """How many fit: each takes a slot and an entry, and the table whole pages."""
    most = min((size - _PAGE) // (_pattern(lowered).size + kernels.SLOT_ENTRY_BYTES), kernels.SLOTS_MAX)
    while most > 0 and memory_bytes(lowered, most) > size:
        most -= 1
    if most < 1:
        raise ModelError(f"population {path}: {size} bytes (allowed: from {memory_bytes(lowered, 1)} for one network)")
    return most


def _pattern(lowered: Lowered) -> kernels.Memory:
    """A slot as a new network has it."""
    constants = lowered.plan.constants
    padded = constants.size + -constants.size % 64
    pattern = kernels.Memory(padded + len(lowered.state))
    pattern.write(0, constants.read(0, constants.size))
    pattern.write(padded, lowered.state)
    return pattern


def fault(lowered: Lowered) -> str | None:
    """Why networks of this kind cannot be a population, None when they can."""
    others = [step for step in lowered.plan.steps if not step.startswith(_FLOAT_KINDS)]
    return f"the model computes {others[0]} (allowed: float32 alone)" if others else None


def shape(lowered: Lowered) -> bytes:
    """A digest of all that networks of one population share."""
    said = repr((lowered.plan.digest, len(lowered.state), lowered.input, lowered.output))
    return hashlib.sha256(said.encode()).digest()


def _open(memory: memoryview, capacity: int, slot_bytes: int, shaped: bytes, path: str) -> None:
    """New memory gets its header; of any other, header and table are checked."""
    wanted = (MAGIC, capacity, slot_bytes, kernels.SLOT_ENTRY_BYTES, shaped)
    if not any(memory[: _HEADER.size]):
        _HEADER.pack_into(memory, 0, *wanted)
        return
    names = ("magic", "capacity", "slot size", "size of a table's entry", "shape of networks")
    for name, found, one in zip(names, _HEADER.unpack_from(memory), wanted, strict=True):
        if found != one:
            raise ModelError(f"population {path}: its {name} is {found!r} (allowed: {one!r})")
    for slot in range(capacity):
        generation, next_free, _, fitness = _ENTRY.unpack_from(memory, _PAGE + slot * kernels.SLOT_ENTRY_BYTES)
        if generation >= _GENERATIONS or next_free > _USED or isnan(fitness):
            raise ModelError(f"population {path}: entry {slot} of its table is damaged")
