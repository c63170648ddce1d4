"""TensorFlow Lite through its stable C API: no numpy, about 1 MB, any Python.

`libtensorflowlite_c.so` is opened by path: the configured one, or the one inside an installed pymicro-wakeword wheel,
found without importing that package. Tensors are copied straight in and out of TFLite's own memory.
"""

import importlib.util
import mmap
import os
import threading
import weakref
from pathlib import Path
from typing import Any

from edge.limits import ENGINE_MESSAGE_BYTES_MAX
from edge.nn.backends import Model, ModelFile
from edge.nn.errors import EngineError, InferenceError, ModelError
from edge.nn.tensor import TensorSpec
from edge.shell.engines._tflite_capi import ffi
from edge.shell.engines.proof import prove

NAME = "tflite_c"
PROOF_TIMEOUT_S = 5.0
_WHEEL, _LIBRARY = "pymicro_wakeword", "libtensorflowlite_c.so"
# TfLiteType of tensorflow/lite/core/c/c_api_types.h, by its number.
_TYPES = ("none", "float32", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8", "float16")


def find_library(configured: str | None = None) -> Path:
    """The configured library and nothing else, or the one in the wheel. Raises EngineError."""
    if configured is not None:
        if not Path(configured).is_file():
            raise EngineError(f"{NAME}: no such library: {configured}")
        return Path(configured)
    spec = importlib.util.find_spec(_WHEEL)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, "lib", _LIBRARY)
        if path.is_file():
            return path
    raise EngineError(f"{NAME}: {_LIBRARY} not found; set SYNEDGE_TFLITE_C to its path or install pymicro-wakeword")


class TfliteC:
    """The opened library. One is enough for all models of a process."""

    name = NAME

    def __init__(self, library: Path):
        self.where = str(library)
        try:
            self._lib: Any = ffi.dlopen(self.where)
            for symbol in dir(self._lib):
                if symbol.startswith("TfLite"):
                    getattr(self._lib, symbol)  # looked up now: a library without one of them is none
            self.version: str = ffi.string(self._lib.TfLiteVersion()).decode()
        except (OSError, AttributeError, ffi.error) as error:
            raise EngineError(f"{NAME}: {self.where}: {error}") from None
        self._said = _Said()

    def load(self, file: ModelFile) -> "CModel":
        """Loads and runs the model once in a throwaway process, then here."""
        reason = prove(lambda: self._try(file), timeout_s=PROOF_TIMEOUT_S)
        if reason is not None:
            told = reason.startswith("model ")
            raise ModelError(reason if told else f"model {file.path}: {NAME}: {reason}{self._said.take()}")
        return CModel(self._lib, self._said, file)

    def _try(self, file: ModelFile) -> None:
        os.dup2(self._said.descriptor, 2)  # what the C++ run time prints when it aborts
        model = CModel(self._lib, self._said, file)
        model.invoke(bytes(model.input.stored_bytes))


class CModel(Model):
    """One interpreter over its own copy of the model's bytes."""

    engine = NAME

    def __init__(self, lib: Any, said: "_Said", file: ModelFile):
        self.path, self.digest = file.path, file.digest
        self._lib, self._said = lib, said
        self._lock = threading.Lock()
        self._model = self._interpreter = None
        # Page-aligned, as the weights inside expect to be; TFLite reads it in place for as long as the model lives.
        self._memory = mmap.mmap(-1, len(file.data))
        self._memory.write(file.data)
        self._view = ffi.from_buffer(self._memory)
        try:
            self._model = lib.TfLiteModelCreateWithErrorReporter(self._view, len(file.data), *said.reporter) or None
            if self._model is None:
                raise self._fault("refused")
            self._build()
            self.input = self._only("input", lib.TfLiteInterpreterGetInputTensorCount, self._in)
            self.output = self._only("output", lib.TfLiteInterpreterGetOutputTensorCount, self._out)
        except BaseException:
            self.close()
            raise

    def run(self, tensor: bytes) -> tuple[float, ...]:
        return self.output.unpack(self.invoke(self.input.pack(tensor)))

    def invoke(self, stored: bytes) -> bytes:
        """One run in the model's own number formats."""
        lib = self._lib
        with self._lock:
            if self._interpreter is None:
                raise EngineError(f"model {self.path}: closed")
            ffi.memmove(lib.TfLiteTensorData(self._in()), stored, self.input.stored_bytes)
            if lib.TfLiteInterpreterInvoke(self._interpreter):
                raise InferenceError(f"model {self.path}: {NAME}: the run failed{self._said.take()}")
            out = self._out()  # asked anew: a dynamic output may have moved
            size = lib.TfLiteTensorByteSize(out)
            return bytes(ffi.buffer(lib.TfLiteTensorData(out), size)) if size else b""

    def reset(self) -> None:
        """A new interpreter: the C API has no call that forgets resource variables. About 0.1 ms."""
        with self._lock:
            if self._interpreter is not None:
                self._drop()
                self._build()

    def close(self) -> None:
        with self._lock:
            self._drop()
            if self._model is not None:
                self._lib.TfLiteModelDelete(self._model)
                self._model = None
            if not self._memory.closed:
                ffi.release(self._view)
                self._memory.close()

    def __del__(self) -> None:
        try:  # noqa: SIM105  modules may be gone at exit
            self.close()
        except (AttributeError, TypeError):
            pass

    def _build(self) -> None:
        lib, options = self._lib, self._lib.TfLiteInterpreterOptionsCreate()
        try:
            lib.TfLiteInterpreterOptionsSetNumThreads(options, 1)
            lib.TfLiteInterpreterOptionsSetErrorReporter(options, *self._said.reporter)
            self._interpreter = lib.TfLiteInterpreterCreate(self._model, options) or None
        finally:
            lib.TfLiteInterpreterOptionsDelete(options)
        if self._interpreter is None:
            raise self._fault("cannot be run")
        if lib.TfLiteInterpreterAllocateTensors(self._interpreter):
            raise self._fault("its tensors do not fit together")

    def _drop(self) -> None:
        if self._interpreter is not None:
            self._lib.TfLiteInterpreterDelete(self._interpreter)
            self._interpreter = None

    def _in(self) -> Any:
        return self._lib.TfLiteInterpreterGetInputTensor(self._interpreter, 0)

    def _out(self) -> Any:
        return self._lib.TfLiteInterpreterGetOutputTensor(self._interpreter, 0)

    def _only(self, what: str, count: Any, get: Any) -> TensorSpec:
        """The spec of the one input or output."""
        lib, number = self._lib, count(self._interpreter)
        if number != 1:
            raise ModelError(f"model {self.path}: {number} {what}s (allowed: 1)")
        tensor = get()
        shape = tuple(lib.TfLiteTensorDim(tensor, i) for i in range(lib.TfLiteTensorNumDims(tensor)))
        code, how = lib.TfLiteTensorType(tensor), lib.TfLiteTensorQuantizationParams(tensor)
        dtype = _TYPES[code] if code < len(_TYPES) else f"number {code}"
        spec = TensorSpec(shape, dtype, how.scale, how.zero_point)
        fault = spec.fault()
        if fault is not None:
            raise ModelError(f"model {self.path}: {what} has {fault}")
        if lib.TfLiteTensorByteSize(tensor) != spec.stored_bytes:
            raise ModelError(
                f"model {self.path}: {what} takes {lib.TfLiteTensorByteSize(tensor)} bytes for shape {list(shape)}"
            )
        return spec

    def _fault(self, what: str) -> ModelError:
        return ModelError(f"model {self.path}: {NAME}: {what}{self._said.take()}")


class _Said:
    """Collects what TFLite reports instead of letting it print.

    The reporter TFLite calls is the C library's own vdprintf with a memory file as descriptor: its signature is the one
    the C API asks for, and no callback into Python (which would need writable and executable memory) is involved.
    """

    def __init__(self) -> None:
        self._libc = ffi.dlopen(None)
        self.descriptor = os.memfd_create("synedge-tflite")
        weakref.finalize(self, os.close, self.descriptor)
        self.reporter = (ffi.addressof(self._libc, "vdprintf"), ffi.cast("void *", self.descriptor))

    def take(self) -> str:
        """Everything reported since the last call, as the tail of a message."""
        text = os.pread(self.descriptor, ENGINE_MESSAGE_BYTES_MAX, 0).decode(errors="replace")
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return f": {words}" if words else ""
