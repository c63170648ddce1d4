"""Detectors that learn from a stream while they judge it, over our C (kernels/include/synedge/streams.h).

Answers depend on the options and on the stream alone, and are the same to the last bit on every machine.
"""

from array import array
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from edge.nn import _kernels
from edge.nn.detectors import MODES, AdwinOptions, DetectorOptions, ForestOptions, outputs
from edge.nn.errors import InferenceError, ModelError
from edge.nn.kernels import Memory

_lib, _ffi = _kernels.lib, _kernels.ffi


class State:
    """A detector's state in memory of its own. `kind` is the name of its functions there."""

    def __init__(self, kind: str, size: tuple[int, ...], told: tuple[Any, ...]):
        """`size` is what its size follows from, `told` what it is opened with. Raises ModelError: out of bounds."""
        self._kind = kind
        self._run = getattr(_lib, f"syn_{kind}_run")
        sized = getattr(_lib, f"syn_{kind}_bytes", None)
        bytes_ = sized(*size) if sized else _ffi.sizeof(f"syn_{kind}")
        if not bytes_:
            raise ModelError("options out of bounds")
        self._memory = Memory(bytes_)
        getattr(_lib, f"syn_{kind}_open")(self._memory.at, *map(_plain, told))
        why = self._fault(self._memory)
        if why:
            raise ModelError(why)

    def run(self, rows: "array[float]", count: int, answers: "array[float]") -> int:
        """How many rows were taken."""
        return int(self._run(self._memory.at, _plain(rows), count, _plain(answers)))

    def save(self) -> bytes:
        return self._memory.read(0, self._memory.size)

    def load(self, state: bytes) -> str | None:
        """Why these bytes are no state of this detector; it is then as before."""
        memory = Memory(len(state))
        memory.write(0, state)
        why = self._fault(memory)
        if not why and self._options(memory) != self._options(self._memory):
            why = f"options {self._options(memory)} (allowed: {self._options(self._memory)})"
        if not why:
            self._memory = memory
        return why

    def _fault(self, memory: Memory) -> str | None:
        why = getattr(_lib, f"syn_{self._kind}_fault")(memory.at, memory.size)
        return None if why == _ffi.NULL else _ffi.string(why).decode()

    def _options(self, memory: Memory) -> tuple[float, ...]:
        state = _ffi.cast(f"syn_{self._kind} *", memory.at)
        return tuple(getattr(state, name) for name in _OPTIONS[self._kind])


def _plain(value: Any) -> Any:
    """Doubles as C takes them, null for none; a number as it is."""
    if not isinstance(value, array):
        return value
    return _ffi.from_buffer("double[]", value) if value else _ffi.NULL


_OPTIONS = {
    "forest": ("trees", "height", "inputs", "window", "learns_range"),
    "adwin": ("delta", "clock", "buckets", "shortest", "grace"),
    "page_hinkley": ("instances", "delta", "threshold", "alpha", "mode"),
}


class Detector:
    """One detector and what it has learnt. Not for two threads at once."""

    def __init__(self, options: DetectorOptions, inputs: int = 1):
        """Raises ModelError for options out of bounds."""
        self.options, self.inputs, self.outputs = options, inputs, outputs(options)
        self._state = _open(options, inputs)

    def run(self, rows: "array[float]") -> "array[float]":
        """Judge and learn rows that lie one after the other, `inputs` doubles each; `outputs` doubles for each.

        Raises InferenceError for a number that no float32 can be; the rows before it were learnt."""
        count, rest = divmod(len(rows), self.inputs)
        assert rest == 0
        answers = array("d", bytes(8 * count * self.outputs))
        taken = self._state.run(rows, count, answers)
        if taken < count:
            row = rows[taken * self.inputs : (taken + 1) * self.inputs].tolist()
            raise InferenceError(f"{self.options.kind}: row {taken} holds what is no float32: {row}")
        return answers

    def save(self) -> bytes:
        """What it has learnt, for `load` on any machine of this byte order."""
        return self._state.save()

    def load(self, state: bytes) -> None:
        """Go on from what another one of these options had learnt. Raises ModelError for other bytes."""
        why = self._state.load(state)
        if why:
            raise ModelError(f"state of {self.options.kind}: {why}")

    def reset(self) -> None:
        """Forget everything."""
        self._state = _open(self.options, self.inputs)


def _open(options: DetectorOptions, inputs: int) -> State:
    kind, size, told = _told(options, inputs)
    if not isinstance(options, ForestOptions) and inputs != 1:
        raise ModelError(f"{options.kind}: {inputs} inputs (allowed: 1)")
    try:
        return State(kind, size, told)
    except ModelError as error:
        raise ModelError(f"{options.kind}: {error}") from None


def _told(options: DetectorOptions, inputs: int) -> tuple[str, tuple[int, ...], tuple[Any, ...]]:
    """The kind in C, what its size follows from, and what it is opened with."""
    if isinstance(options, ForestOptions):
        shape = (options.trees, options.height, inputs)
        assert len(options.limits) in (0, inputs)
        limits = array("d", [edge for pair in options.limits for edge in pair])
        return "forest", shape, (*shape, options.window, limits, options.seed)
    if isinstance(options, AdwinOptions):
        one = options
        told = (one.delta, one.clock, one.max_buckets, one.min_window_length, one.grace_period)
        return "adwin", (one.max_buckets,), told
    two = options
    return "page_hinkley", (), (two.min_instances, two.delta, two.threshold, two.alpha, MODES.index(two.mode))


def digest(options: DetectorOptions, inputs: int) -> bytes:
    """SHA-256 of all that it was told, such as `adwin inputs=1 delta=0.002 …`: two detectors with one digest answer
    alike to the same stream."""
    told = {"inputs": inputs, **asdict(options)}
    return sha256(" ".join([options.kind, *(f"{key}={value!r}" for key, value in told.items())]).encode()).digest()


def bound(name: str) -> int:
    """One of the limits in streams.h."""
    return int(getattr(_lib, f"SYN_{name}"))
