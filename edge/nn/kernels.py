"""The one door to our own C: which kernels run, weights into panels, plans checked and run.

A variant that is chosen by name is a demand: where this build or this CPU has none, the answer is its name and the
reason, and never another variant quietly.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from edge.nn import _kernels
from edge.nn._call import Call
from edge.nn.errors import EngineError, ModelError

_lib, _ffi = _kernels.lib, _kernels.ffi
_ALIGNMENT = 64
_REASONS = {
    _lib.SYN_UNKNOWN: "there is no such variant",
    _lib.SYN_NOT_BUILT: "this build has no code for it",
    _lib.SYN_CPU_LACKS: "this CPU lacks the instructions",
}
NONE: int = _lib.SYN_NONE
CONSTANT: int = _lib.SYN_CONSTANT
RANK_MAX: int = _lib.SYN_RANK
PANEL = 8
SLOTS_MAX: int = _lib.SYN_SLOTS_MAX
SLOT_BITS = SLOTS_MAX.bit_length()
SLOT_ENTRY_BYTES: int = _ffi.sizeof("syn_slot")
_LONG_BYTES = 64 * 1024
"""A plan with more memory than this leaves the GIL while it runs; smaller ones are done sooner than it is passed on."""


def address(pointer: Any) -> int:
    """Of what a pointer of cffi points at; whoever keeps it keeps the owner alive."""
    return int(_ffi.cast("uintptr_t", pointer))


def function(name: str) -> int:
    """The address of one of our C functions."""
    return address(_ffi.addressof(_lib, name))


RUN = function("syn_plan_run")


class Step(NamedTuple):
    """One operation as `syn_op` takes it; fields by the names of kernels/include/synedge/plan.h."""

    kind: str
    inputs: tuple[int, ...]
    output: int
    fields: Mapping[str, Any]


def variants() -> tuple[str, ...]:
    """Every variant that the sources know, the scalar one first."""
    names: dict[str, None] = {}
    index = 0
    while (name := _lib.syn_variant(index)) != _ffi.NULL:
        names[_ffi.string(name).decode().partition("__")[2]] = None
        index += 1
    return tuple(names)


def select(variant: str | None = None) -> None:
    """Use a variant wherever a kernel has it, None: the best for this CPU. Raises EngineError naming what is wrong."""
    answer = _lib.syn_select(_ffi.NULL if variant is None else variant.encode())
    if answer != _lib.SYN_OK:
        raise EngineError(f"kernel {variant}: {_REASONS[answer]} (known: {', '.join(variants())})")


def can(variant: str) -> str | None:
    """Why this variant cannot run here, None when it can."""
    answer = _lib.syn_can(variant.encode())
    return None if answer == _lib.SYN_OK else _REASONS[answer]


def selected(kernel: str = "s8_gemm") -> str:
    """The variant of a kernel in use."""
    name = _lib.syn_selected(kernel.encode())
    if name == _ffi.NULL:
        raise EngineError(f"kernel {kernel}: there is no such kernel")
    found: bytes = _ffi.string(name)
    return found.decode()


def pack_f32(cols: int, depth: int, weights: bytes | memoryview) -> bytes:
    """Weights [cols][depth] as panels."""
    out = bytearray(_lib.syn_f32_packed_bytes(cols, depth))
    _lib.syn_f32_pack(cols, depth, _aligned(weights, "float[]"), _ffi.from_buffer("float[]", out))
    return bytes(out)


def pack_s8(cols: int, depth: int, weights: bytes | memoryview) -> tuple[bytes, bool]:
    """Weights [cols][depth] as panels of quads, and whether they are narrow: none is -128."""
    out = bytearray(_lib.syn_s8_packed_bytes(cols, depth))
    stored = _ffi.from_buffer("int8_t[]", weights)
    is_narrow = _lib.syn_s8_pack(cols, depth, stored, _ffi.from_buffer("int8_t[]", out))
    return bytes(out), bool(is_narrow)


def fold_s8(cols: int, depth: int, weights: bytes | memoryview, bias: bytes | memoryview | None, zero: int) -> bytes:
    """The bias less the input's zero point times the weights."""
    out = bytearray(4 * cols)
    given = _ffi.NULL if bias is None else _aligned(bias, "int32_t[]")
    _lib.syn_s8_fold(
        cols, depth, _ffi.from_buffer("int8_t[]", weights), given, zero, _ffi.from_buffer("int32_t[]", out)
    )
    return bytes(out)


def _aligned(data: bytes | memoryview, kind: str) -> Any:
    """A copy at an address fit for its type: what lies in a file need not."""
    return _ffi.from_buffer(kind, bytearray(data))


class Memory:
    """Zeroed bytes at an address fit for every kernel."""

    def __init__(self, size: int):
        self._owner = _ffi.new("uint8_t[]", size + _ALIGNMENT)
        self._start = -int(_ffi.cast("uintptr_t", self._owner)) % _ALIGNMENT
        self.at = self._owner + self._start
        self.size = size

    def view(self, where: slice) -> memoryview:
        """These bytes themselves; the view keeps the memory alive."""
        assert 0 <= where.start <= where.stop <= self.size
        return memoryview(_ffi.buffer(self._owner))[self._start + where.start : self._start + where.stop]

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        assert 0 <= offset <= self.size - len(data)
        _ffi.memmove(self.at + offset, data, len(data))

    def read(self, offset: int, size: int) -> bytes:
        assert 0 <= offset <= self.size - size
        return bytes(_ffi.buffer(self.at + offset, size))


class Plan:
    """Steps over constants and an arena, proven by the C side; any number of networks may share one."""

    def __init__(self, steps: Sequence[Step], constants: bytes, arena_bytes: int, input_: slice, output: slice):
        self._ops = _ffi.new("syn_op[]", max(len(steps), 1))
        for op, step in zip(self._ops, steps, strict=False):
            _fill(op, step)
        self.constants = Memory(len(constants))
        self.constants.write(0, constants)
        self.arena_bytes = arena_bytes
        self._input, self._output = input_, output
        self.input_bytes, self.output_bytes = input_.stop - input_.start, output.stop - output.start
        self.steps = tuple(step.kind for step in steps)
        self.products = _products(steps)
        """Where packed float weights lie among the constants: (offset, panels, depth), in the order of the offsets."""
        self.digest = sha256(_ffi.buffer(self._ops)).digest()
        """Of all that networks of this plan share, which is everything but their constants."""
        self._plan = _ffi.new("syn_plan *")
        self._plan.ops, self._plan.ops_count = self._ops, len(steps)
        self._plan.constants_bytes, self._plan.arena_bytes = len(constants), arena_bytes
        self._plan.input, self._plan.input_bytes = input_.start, input_.stop - input_.start
        self._plan.output, self._plan.output_bytes = output.start, output.stop - output.start
        self._plan.is_chain = _lib.syn_is_chain(self._plan)
        wrong = _lib.syn_plan_check(self._plan, self.constants.at)
        if wrong:
            name = steps[wrong - 1].kind if wrong <= len(steps) else "the plan itself"
            raise ModelError(f"step {wrong} of {len(steps)}, {name}: out of what the kernels take")

    @property
    def handle(self) -> Any:
        """For the C side."""
        return self._plan

    def bind(self, arena: Memory) -> "Bound":
        """Ready to run in an arena of its own."""
        assert arena.size >= self.arena_bytes
        run = partial(_lib.syn_plan_run, self._plan, self.constants.at, arena.at, _ffi.NULL, _ffi.NULL)
        return Bound(arena.view(self._input), arena.view(self._output), run, (self, arena))

    def call(self, arena: Memory) -> Call:
        """The same as a function from input to output."""
        assert arena.size >= self.arena_bytes
        is_long = self.constants.size + self.arena_bytes > _LONG_BYTES
        addresses = (RUN, address(self._plan), address(self.constants.at), address(arena.at))
        return Call(addresses, self.input_bytes, self.output_bytes, is_long, (self, arena))


class Bound(NamedTuple):
    """A plan in its arena. Input and output lie in the arena: a run may leave anything in the input, so it is written
    before each one."""

    input: memoryview
    output: memoryview
    run: Callable[[], None]
    owners: tuple[Plan, Memory]
    """What `run` works on, kept alive."""


class Slab:
    """Networks of one plan, a slot each, in memory that somebody else owns: population.h. A handle that does not name a
    network any more is answered with None or False, never with another network."""

    def __init__(self, plan: Plan, table: memoryview, slots: memoryview, state_bytes: int):
        self.slot_bytes = plan.constants.size + -plan.constants.size % _ALIGNMENT + state_bytes
        self.capacity = len(table) // SLOT_ENTRY_BYTES
        assert self.capacity <= SLOTS_MAX and len(slots) >= self.capacity * self.slot_bytes
        self._plan, self._arena = plan, Memory(plan.arena_bytes)
        self._owners = _ffi.from_buffer("uint8_t[]", table), _ffi.from_buffer("uint8_t[]", slots)
        self._slab = _ffi.new("syn_population *")
        self._slab.table, self._slab.slots = _ffi.cast("syn_slot *", self._owners[0]), self._owners[1]
        self._slab.capacity, self._slab.slot_bytes = self.capacity, self.slot_bytes
        self._slab.state_bytes = state_bytes
        _lib.syn_population_open(self._slab)

    def __len__(self) -> int:
        return int(self._slab.count)

    @property
    def handle(self) -> Any:
        """For the C side."""
        return self._slab

    def handles(self) -> tuple[int, ...]:
        """Of all networks that are there."""
        table = self._slab.table
        slots = (i for i in range(self.capacity) if table[i].next_free == SLOTS_MAX + 1)
        return tuple(table[i].generation << SLOT_BITS | i for i in slots)

    def spawn(self, pattern: "Memory | Any") -> int | None:
        """A network from a slot's worth of bytes; its handle, None when no slot is free."""
        at = pattern.at if isinstance(pattern, Memory) else pattern
        return _lib.syn_spawn(self._slab, at) or None

    def spawn_from(self, handle: int) -> int | None:
        """A copy of another network."""
        at = _lib.syn_slot_of(self._slab, handle)
        return None if at == _ffi.NULL else self.spawn(at)

    def evict(self, handle: int) -> bool:
        return bool(_lib.syn_evict(self._slab, handle))

    def weakest(self) -> int | None:
        """The least fit of the quarter that has not run for longest."""
        return _lib.syn_weakest(self._slab) or None

    def judge(self, handle: int, fitness: float) -> bool:
        """Keep what a network is worth."""
        if not self.has(handle):
            return False
        self._slab.table[handle & SLOTS_MAX].fitness = fitness
        return True

    def fitness(self, handle: int) -> float:
        """What a network that is there is worth."""
        return float(self._slab.table[handle & SLOTS_MAX].fitness)

    def slot(self, handle: int) -> memoryview | None:
        """A network's bytes: its constants, then what it remembers."""
        at = _lib.syn_slot_of(self._slab, handle)
        return None if at == _ffi.NULL else memoryview(_ffi.buffer(at, self.slot_bytes))

    def has(self, handle: int) -> bool:
        return bool(_lib.syn_slot_of(self._slab, handle) != _ffi.NULL)

    def mutate(self, handle: int, seed: int, spread: float) -> bool:
        """Noise on all constants, which are floats."""
        at = _lib.syn_slot_of(self._slab, handle)
        if at == _ffi.NULL:
            return False
        _lib.syn_mutate(_ffi.cast("float *", at), self._plan.constants.size // 4, seed, spread)
        return True

    def batch(self, handles: Sequence[int]) -> "Batch":
        """Ready to run these networks, any number of times, with one call each time."""
        count = len(handles)
        named = _ffi.new("uint32_t[]", list(handles))
        inputs, outputs = (Memory(max(count * size, 1)) for size in (self._plan.input_bytes, self._plan.output_bytes))
        run = partial(
            _lib.syn_run_many, self._plan.handle, self._slab, named, count, inputs.at, outputs.at, self._arena.at
        )
        ends = slice(0, count * self._plan.input_bytes), slice(0, count * self._plan.output_bytes)
        return Batch(inputs.view(ends[0]), outputs.view(ends[1]), run, (self, named))


class Batch(NamedTuple):
    """Inputs and outputs of many networks, one after the other, and the call that runs them: it answers how many ran,
    fewer than there are when the handle at that place is stale."""

    inputs: memoryview
    outputs: memoryview
    run: Callable[[], int]
    owners: tuple[Slab, Any]


class Resting:
    """The way of a network of one plan to fewer bytes and back: idle.h. Weights of matrix products rest as int8."""

    def __init__(self, plan: Plan, slot_bytes: int):
        rows = _ffi.new("syn_rows[]", list(plan.products))
        self._what = rows, len(plan.products), slot_bytes
        self.bytes: int = _lib.syn_idle_bytes(*self._what)
        """Of one that rests."""

    def rest(self, slot: memoryview) -> bytes:
        resting = bytearray(self.bytes)
        _lib.syn_idle_rest(*self._what, _ffi.from_buffer("uint8_t[]", slot), _ffi.from_buffer("uint8_t[]", resting))
        return bytes(resting)

    def warm(self, resting: bytes, slot: memoryview) -> None:
        assert len(resting) == self.bytes
        _lib.syn_idle_warm(*self._what, _ffi.from_buffer("uint8_t[]", resting), _ffi.from_buffer("uint8_t[]", slot))


def _products(steps: Sequence[Step]) -> tuple[tuple[int, int, int], ...]:
    found: dict[int, tuple[int, int, int]] = {}
    for step in steps:
        offset, fields = step.inputs[1] if len(step.inputs) > 1 else NONE, step.fields
        if step.kind not in ("F32_GEMM", "F32_CONV") or offset == NONE or not offset & CONSTANT:
            continue
        if step.kind == "F32_GEMM":
            cols, depth = fields["cols"], fields["depth"]
        else:
            window = fields["window"]
            cols, depth = window["out_c"], window["kernel_h"] * window["kernel_w"] * window["in_c"]
        offset &= ~CONSTANT
        found[offset] = (offset, -(-cols // PANEL), depth)
    return tuple(found[offset] for offset in sorted(found))


def _fill(op: Any, step: Step) -> None:
    op.kind = getattr(_lib, f"SYN_OP_{step.kind}")
    for i in range(_lib.SYN_INPUTS):
        getattr(op, "in")[i] = step.inputs[i] if i < len(step.inputs) else NONE
    op.out = step.output
    for name, value in step.fields.items():
        _assign(op, name, value)


def _assign(struct: Any, name: str, value: Any) -> None:
    """A number, a row of numbers, or the fields of a struct inside."""
    if isinstance(value, Mapping):
        inner = getattr(struct, name)
        for key, item in value.items():
            _assign(inner, key, item)
    elif isinstance(value, (tuple, list)):
        row = getattr(struct, name)
        for i, item in enumerate(value):
            row[i] = item
    else:
        setattr(struct, name, value)


if sys.byteorder != "little":
    raise ImportError("the kernels read models in place, which are little-endian")
