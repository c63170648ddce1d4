"""Chooses who runs a model. Every engine proves itself first by running a one-operator model whose answer is known.

Order: the native engine, TensorFlow Lite's C API, tflite-runtime in a worker. The choice is made per model: the first
engine that works and takes the file. What was passed over, and why, is kept for the log and for `doctor`. A file in
which the native engine's reader finds something wrong is refused for all: others would be less careful with it.

LiteRT is never chosen: its reference kernels are whom answers are compared with (`run_by`).
"""

import os
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge.nn.backends import Backend, Model, ModelFile
from edge.nn.errors import BrokenModelError, EngineError, InferenceError, ModelError
from edge.shell.engines.modelfile import read_model

__all__ = [
    "BACKENDS",
    "Choice",
    "EngineOptions",
    "EngineReport",
    "Engines",
    "choose_model",
    "examine",
    "open_model",
    "probe",
    "run_by",
]

ORDER = ("native", "tflite_c", "tflite_worker")
BACKENDS: Mapping[str, tuple[str, ...]] = {
    "native": ("native",),
    "tflite": ("tflite_c", "tflite_worker"),
    "litert": ("litert",),
}
"""What people ask for by name, and the engines that it may be."""
_PROOF = Path(__file__).with_name("one_op.tflite")
_PROOF_INPUT, _PROOF_OUTPUT = struct.pack("<4f", 1, 2, 3, 4), (3.0, 8.0, 13.0)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Where foreign engines are, and which of our kernels to use; None means: look, and the best."""

    tflite_c: str | None = None
    """Path of libtensorflowlite_c.so."""
    tflite_python: str | None = None
    """An interpreter that has tflite-runtime and numpy<2."""
    kernel: str | None = None
    """A variant of the native engine's kernels. It is a demand: where it cannot run, no model does."""
    litert_python: str | None = None
    """An interpreter that has ai-edge-litert."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "EngineOptions":
        """SYNEDGE_TFLITE_C, _TFLITE_PYTHON, _KERNEL and _LITERT_PYTHON; empty counts as unset."""
        names = ("SYNEDGE_TFLITE_C", "SYNEDGE_TFLITE_PYTHON", "SYNEDGE_KERNEL", "SYNEDGE_LITERT_PYTHON")
        return cls(*(environment.get(name) or None for name in names))


class EngineReport(NamedTuple):
    """Whether one engine works, or why it was not used for a model."""

    name: str
    ok: bool
    why: str
    """Empty when it works."""
    version: str
    path: str


class Choice(NamedTuple):
    """A loaded model, the report on the engine that runs it, and those that were asked before it."""

    model: Model
    engine: EngineReport
    passed_over: tuple[EngineReport, ...]
    bytes: int
    """Size of the file."""


class Engines:
    """All engines under one set of options. An engine is proven when it is first needed, once. Thread-safe."""

    def __init__(self, options: EngineOptions):
        self._options = options
        self._makers: dict[str, Callable[[], Backend]] = {
            "native": lambda: _native(options),
            "tflite_c": lambda: _tflite_c(options),
            "tflite_worker": lambda: _tflite_worker(options),
            "litert": lambda: _litert(options),
        }
        self._proven: dict[str, tuple[Backend | None, EngineReport]] = {}
        self._lock = threading.Lock()

    def choose(self, path: str | os.PathLike[str], *, prefer: str | None = None) -> Choice:
        """Load a model with the first engine that takes it. Raises ModelError, or EngineError when no engine works."""
        if prefer is not None and prefer not in ORDER:
            raise EngineError(f"no such engine: {prefer} (allowed: {', '.join(ORDER)})")
        file = read_model(path)
        passed_over: list[EngineReport] = []
        refusals: list[str] = []
        for name in sorted(ORDER, key=lambda name: name != prefer):
            backend, report = self._prove(name)
            if backend is not None:
                try:
                    return Choice(backend.load(file), report, tuple(passed_over), len(file.data))
                except BrokenModelError:
                    raise
                except (ModelError, EngineError) as error:
                    report = report._replace(ok=False, why=str(error))
                    refusals.append(str(error))
            elif name == "native" and self._options.kernel is not None:
                raise EngineError(report.why)  # a variant that was asked for by name, and no other engine instead
            passed_over.append(report)
        if refusals:
            raise ModelError(refusals[0] if len(refusals) == 1 else f"model {file.path}: " + "; ".join(refusals))
        reasons = "; ".join(report.why for report in passed_over)
        raise EngineError(f"model {file.path}: no engine works here: {reasons}")

    def run_by(self, name: str, file: ModelFile) -> Choice:
        """Load a model with this back-end of BACKENDS and no other. Raises ModelError when it does not take the file,
        EngineError when it is not here."""
        passed_over: list[EngineReport] = []
        for engine in BACKENDS[name]:
            backend, report = self._prove(engine)
            if backend is not None:
                return Choice(backend.load(file), report, tuple(passed_over), len(file.data))
            passed_over.append(report)
        raise EngineError("; ".join(report.why for report in passed_over))

    def probe(self) -> list[EngineReport]:
        """Every engine, proven."""
        return [self._prove(name)[1] for name in ORDER]

    def examine(self, file: ModelFile) -> list[EngineReport]:
        """Every engine, asked whether it takes this model."""
        reports, broken = [], ""
        for name in ORDER:
            backend, report = self._prove(name)
            if backend is not None and not broken:
                try:
                    backend.load(file).close()
                except (ModelError, EngineError) as error:
                    report = report._replace(ok=False, why=str(error))
                    broken = str(error) if isinstance(error, BrokenModelError) else ""
            elif broken:
                report = report._replace(ok=False, why=broken)
            reports.append(report)
        return reports

    def _prove(self, name: str) -> tuple[Backend | None, EngineReport]:
        with self._lock:
            if name not in self._proven:
                self._proven[name] = self._try(name)
            return self._proven[name]

    def _try(self, name: str) -> tuple[Backend | None, EngineReport]:
        backend, why = None, ""
        try:
            backend = self._makers[name]()
            model = backend.load(read_model(_PROOF))
            try:
                answer = model.run(_PROOF_INPUT)
            finally:
                model.close()
            if len(answer) != 3 or any(abs(a - b) > 1e-5 for a, b in zip(answer, _PROOF_OUTPUT, strict=True)):
                why = f"{name}: wrong answer {answer}, not {_PROOF_OUTPUT}"
        except (EngineError, ModelError, InferenceError) as error:
            why = str(error)
        version, where = (backend.version, backend.where) if backend is not None else ("", "")
        return None if why else backend, EngineReport(name, not why, why, version, where)


def choose_model(path: str | os.PathLike[str], *, prefer: str | None = None) -> Choice:
    """`Engines.choose` under the environment's options."""
    return _default().choose(path, prefer=prefer)


def open_model(path: str | os.PathLike[str], *, prefer: str | None = None) -> Model:
    """Load a model with the first engine that takes it, the preferred one asked first.

    Raises ModelError naming the file and what is wrong with it, or EngineError when no engine works here.
    """
    return choose_model(path, prefer=prefer).model


def run_by(name: str, file: ModelFile) -> Choice:
    """`Engines.run_by` under the environment's options."""
    return _default().run_by(name, file)


def probe() -> list[EngineReport]:
    """Every engine, proven by running a model under the environment's options."""
    return _default().probe()


def examine(file: ModelFile) -> list[EngineReport]:
    """`Engines.examine` under the environment's options."""
    return _default().examine(file)


_engines: dict[EngineOptions, Engines] = {}
_engines_lock = threading.Lock()


def _default() -> Engines:
    """One set of engines per process, as long as the environment says the same."""
    options = EngineOptions.from_environment(os.environ)
    with _engines_lock:
        if options not in _engines:
            _engines.clear()
            _engines[options] = Engines(options)
        return _engines[options]


def _native(options: EngineOptions) -> Backend:
    from edge.shell.engines.native import Native

    return Native(options.kernel)


def _tflite_c(options: EngineOptions) -> Backend:
    from edge.shell.engines.tflite_c import TfliteC, find_library

    return TfliteC(find_library(options.tflite_c))


def _tflite_worker(options: EngineOptions) -> Backend:
    from edge.shell.engines.tflite_worker import TfliteWorker, WorkerOptions, find_python

    return TfliteWorker(WorkerOptions(find_python(options.tflite_python)))


def _litert(options: EngineOptions) -> Backend:
    from edge.shell.engines.litert import NAME, find_python
    from edge.shell.engines.tflite_worker import TfliteWorker, WorkerOptions

    return TfliteWorker(WorkerOptions(find_python(options.litert_python), "ai_edge_litert"), NAME)
