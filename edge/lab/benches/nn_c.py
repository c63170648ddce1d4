"""What `bench nn` calls in a C loop: our plans, TensorFlow Lite's C library with and without XNNPACK, and libfann.

Input and output of ours are copied in and out by each call; theirs stay where they are, which favours them.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from array import array
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_float, c_void_p
from pathlib import Path
from random import Random
from typing import Any

from edge.errors import UnavailableError
from edge.lab._loop import in_turn, loop
from edge.nn import kernels
from edge.nn.network import Network
from edge.nn.plan import lower
from edge.nn.tensor import TensorSpec
from edge.nn.tflite import read
from edge.shell.engines.tflite_c import find_library

Timer = Callable[[int], int]
"""So many calls in nanoseconds."""


class Native:
    """One network by our kernels."""

    def __init__(self, path: Path):
        lowered = lower(read(path.read_bytes(), str(path)), str(path))
        self.network = Network(lowered)
        self.given = stored_input(self.network.input)
        plan = lowered.plan
        self._memory = (
            kernels.Memory(plan.arena_bytes),
            kernels.Memory(plan.input_bytes),
            kernels.Memory(plan.output_bytes),
        )
        arena, given, made = self._memory
        arena.write(0, lowered.state)
        given.write(0, self.given)
        places = (plan.handle, plan.constants.at, arena.at, given.at, made.at)
        self._arguments = tuple(kernels.address(one) for one in places)

    def c(self, calls: int) -> int:
        return loop(kernels.RUN, self._arguments, calls)

    @property
    def made(self) -> bytes:
        """The answer of the last call in C."""
        size = self._memory[2].size
        return self._memory[2].read(0, size)

    def python(self, calls: int) -> int:
        """From bytes to bytes."""
        from time import perf_counter_ns

        invoke, given, numbers = self.network.invoke, self.given, range(calls)
        begun_ns = perf_counter_ns()
        for _ in numbers:
            invoke(given)
        return perf_counter_ns() - begun_ns


def stored_input(spec: TensorSpec) -> bytes:
    rng = Random(0)
    if spec.dtype == "float32":
        return array("f", [2 * rng.random() - 1 for _ in range(spec.values)]).tobytes()
    return bytes(rng.randrange(100) for _ in range(spec.values))


class Tflite:
    """The C library, opened once; interpreters of one thread."""

    def __init__(self) -> None:
        """Raises EngineError when it is not here."""
        lib = self._lib = ctypes.CDLL(str(find_library(os.environ.get("SYNEDGE_TFLITE_C") or None)))
        for name in ("ModelCreateFromFile", "InterpreterOptionsCreate", "InterpreterCreate", "TensorData"):
            getattr(lib, f"TfLite{name}").restype = c_void_p
        lib.TfLiteInterpreterGetInputTensor.restype = c_void_p
        lib.TfLiteTensorByteSize.restype = ctypes.c_size_t
        lib.TfLiteVersion.restype = c_char_p
        self.version: str = lib.TfLiteVersion().decode()
        self.run = ctypes.cast(lib.TfLiteInterpreterInvoke, c_void_p).value or 0
        self.has_xnnpack = hasattr(lib, "TfLiteXNNPackDelegateCreate")  # 32-bit ARM builds have none

    def load(self, path: Path, *, xnnpack: bool) -> int:
        """The address of an interpreter, which lives as long as the process. Raises UnavailableError."""
        lib = self._lib
        options = c_void_p(lib.TfLiteInterpreterOptionsCreate())
        lib.TfLiteInterpreterOptionsSetNumThreads(options, 1)
        if xnnpack:
            lib.TfLiteXNNPackDelegateCreate.restype = c_void_p
            lib.TfLiteInterpreterOptionsAddDelegate(options, c_void_p(lib.TfLiteXNNPackDelegateCreate(None)))
        model = c_void_p(lib.TfLiteModelCreateFromFile(bytes(path)))
        made = c_void_p(lib.TfLiteInterpreterCreate(model, options))
        if not made.value or lib.TfLiteInterpreterAllocateTensors(made):
            raise UnavailableError(f"{path.name}: not taken")
        given = c_void_p(lib.TfLiteInterpreterGetInputTensor(made, 0))
        ctypes.memset(c_void_p(lib.TfLiteTensorData(given)), 0, lib.TfLiteTensorByteSize(given))
        if lib.TfLiteInterpreterInvoke(made):
            raise UnavailableError(f"{path.name}: the first run failed")
        return made.value

    def ways(self, path: Path) -> dict[str, Timer]:
        kinds = {"plain": False, **({"xnnpack": True} if self.has_xnnpack else {})}
        return {name: self._timer(self.load(path, xnnpack=kind)) for name, kind in kinds.items()}

    def _timer(self, interpreter: int) -> Timer:
        return lambda calls: loop(self.run, (interpreter,), calls)

    def many(self, paths: list[Path]) -> Timer:
        """One run of each in turn, without XNNPACK, which would pack all weights anew for each interpreter."""
        each = array("Q", [self.load(path, xnnpack=False) for path in paths])
        return lambda calls: in_turn(self.run, each, calls)


class Fann:
    """libfann, opened once."""

    def __init__(self) -> None:
        """Raises UnavailableError when it is not here."""
        name = ctypes.util.find_library("floatfann")
        if name is None:
            raise UnavailableError("apt install libfann2")
        lib = self._lib = ctypes.CDLL(name)
        lib.fann_create_from_file.restype = c_void_p
        lib.fann_run.restype, lib.fann_run.argtypes = POINTER(c_float), [c_void_p, POINTER(c_float)]
        self.version = name.partition(".so.")[2]
        self.run = ctypes.cast(lib.fann_run, c_void_p).value or 0
        self._kept: list[Any] = []

    def load(self, path: Path, given: bytes) -> tuple[Timer, list[float]]:
        """A network from a .net file, and its answer to `given`, which is float32."""
        ann = self._lib.fann_create_from_file(bytes(path))
        x = (c_float * (len(given) // 4)).from_buffer_copy(given)
        self._kept.append(x)
        count = self._lib.fann_get_num_output(c_void_p(ann))
        answer = list(self._lib.fann_run(ann, x)[:count])
        return (lambda calls: loop(self.run, (ann, ctypes.addressof(x)), calls)), answer
