"""tflite-runtime in a process of its own, under an interpreter of its own: numpy never enters this process.

tflite-runtime 2.14 needs numpy < 2 and Python <= 3.11, whatever this process runs on. One worker serves all models. It
is started with the first model, ends with the last, and is started again at the next run when it died. A model that was
running when the worker died is held back, longer each time, so that it cannot starve the others.
"""

import contextlib
import json
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edge.limits import MODEL_MEMORY_BYTES_MAX, MODEL_TENSOR_VALUES_MAX
from edge.nn.backends import Model, ModelFile
from edge.nn.errors import EngineError, InferenceError, ModelError
from edge.nn.tensor import TensorSpec
from edge.shell.engines.pipe import DeadError, Pipe, RefusedError

NAME = "tflite_worker"
_CHILD = Path(__file__).with_name("worker_child.py")
_ANSWER_BYTES_MAX = 4 * MODEL_TENSOR_VALUES_MAX + 1


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Which interpreter, and how long it may take."""

    python: str
    runtime: str = "tflite_runtime"
    """The package with the interpreter class."""
    start_timeout_s: float = 30.0
    """Until the worker has imported its runtime and loaded the first model; on a Pi Zero this takes seconds."""
    run_timeout_s: float = 2.0
    """One run, a restart that it needs included."""
    backoff_first_s: float = 1.0
    backoff_last_s: float = 60.0


def find_python(configured: str | None = None) -> str:
    """The configured interpreter, or this one if tflite-runtime is installed beside us. Raises EngineError."""
    if configured is not None:
        if not Path(configured).is_file():
            raise EngineError(f"{NAME}: no such interpreter: {configured}")
        return configured
    if find_spec("tflite_runtime") is None or not sys.executable:
        raise EngineError(
            f"{NAME}: no interpreter; set SYNEDGE_TFLITE_PYTHON to a Python <= 3.11 that has tflite-runtime and numpy<2"
        )
    return sys.executable


class _Backoff:
    """When something that failed may be tried again: after the first delay, doubled up to the last."""

    def __init__(self, options: WorkerOptions):
        self._options, self._delay, self._until = options, 0.0, 0.0

    def failed(self) -> None:
        first, last = self._options.backoff_first_s, self._options.backoff_last_s
        self._delay = min(max(2 * self._delay, first), last)
        self._until = time.monotonic() + self._delay

    def worked(self) -> None:
        self._delay = self._until = 0.0

    def left_s(self) -> float:
        return max(0.0, self._until - time.monotonic())


class TfliteWorker:
    """The worker process and who uses it. Thread-safe: one request at a time."""

    def __init__(self, options: WorkerOptions, name: str = NAME):
        self.name, self.options, self.where, self.version = name, options, options.python, ""
        self.lock = threading.RLock()
        self.deaths = 0
        self.generation = 0
        """Counts the processes started; a model loaded in an earlier one must be loaded again."""
        self._pipe: Pipe | None = None
        self._greeted = False
        self._numpy = ""
        self._starts = _Backoff(options)
        self._users = 0
        self._handles = 0

    @property
    def pid(self) -> int | None:
        """Of the running worker."""
        return self._pipe.pid if self._pipe is not None else None

    def load(self, file: ModelFile) -> "WorkerModel":
        with self.lock:
            self._handles += 1
            self._users += 1
            model = WorkerModel(self, file, self._handles)
            try:
                model.load(time.monotonic() + self.options.start_timeout_s)
            except BaseException:
                model.close()
                raise
            return model

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """The lock, but no longer than a run may take: another model may be loading."""
        if not self.lock.acquire(timeout=self.options.run_timeout_s):
            raise EngineError(f"{self.name}: busy")
        try:
            yield
        finally:
            self.lock.release()

    def request(self, payload: bytes, *, deadline: float) -> bytes:
        """Ask the running worker. Raises RefusedError, or DeadError after which the worker is gone."""
        assert self._pipe is not None
        try:
            return self._pipe.ask(payload, deadline=deadline)
        except DeadError:
            self._gone()
            raise

    def ready(self, deadline: float) -> None:
        """A worker that has greeted, started if need be. Raises EngineError when there is none in time."""
        if self._pipe is None:
            self._start()
        if self._greeted:
            return
        assert self._pipe is not None
        try:
            greeting = self._pipe.receive(deadline=deadline)
            if greeting is None:
                raise EngineError(f"{self.name}: {self.where} is still starting")
            versions = json.loads(greeting)
            self.version, self._numpy = str(versions["runtime"]), str(versions["numpy"])
        except (DeadError, RefusedError, ValueError, KeyError, TypeError) as error:
            self._starts.failed()
            self._gone()
            raise EngineError(f"{self.name}: {self.where} does not work: {error}") from None
        self._greeted = True
        self._starts.worked()

    def hint(self) -> str:
        """The trap that everybody meets: tflite-runtime imports with numpy 2 and fails at the first interpreter."""
        is_fit = self.options.runtime != "tflite_runtime" or self._numpy.partition(".")[0] in ("", "0", "1")
        return "" if is_fit else f"; {self.where} has numpy {self._numpy}, tflite-runtime needs numpy<2"

    def release(self) -> None:
        """One model less; with the last one the process ends."""
        self._users -= 1
        if self._users == 0 and self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _start(self) -> None:
        left = self._starts.left_s()
        if left:
            raise EngineError(f"{self.name}: {self.where} failed to start; tried again in {left:.1f} s")
        options = self.options
        argv = [
            self.where,
            "-I",
            str(_CHILD),
            options.runtime,
            str(options.start_timeout_s),
            str(MODEL_MEMORY_BYTES_MAX),
        ]
        try:
            self._pipe = Pipe(argv, answer_bytes_max=_ANSWER_BYTES_MAX)
        except OSError as error:
            self._starts.failed()
            raise EngineError(f"{self.name}: cannot start {self.where}: {error.strerror or error}") from None
        self._greeted = False
        self.generation += 1

    def _gone(self) -> None:
        self.deaths += 1
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


class WorkerModel(Model):
    """A model living in the worker; loaded again by itself after a restart, its state then starts anew."""

    def __init__(self, worker: TfliteWorker, file: ModelFile, handle: int):
        self.engine, self.path, self.digest = worker.name, file.path, file.digest
        self._worker, self._file = worker, file
        self._handle = struct.pack("<I", handle)
        self._generation = 0
        self._held = _Backoff(worker.options)
        self._open = True

    def run(self, tensor: bytes) -> tuple[float, ...]:
        return self.output.unpack(self.invoke(self.input.pack(tensor)))

    def invoke(self, stored: bytes) -> bytes:
        answer = self._ask(b"R" + self._handle + stored)
        self._held.worked()
        return answer

    def reset(self) -> None:
        self._ask(b"Z" + self._handle)

    def close(self) -> None:
        with self._worker.lock:
            if not self._open:
                return
            self._open = False
            if self._generation == self._worker.generation and self._worker.pid is not None:
                with contextlib.suppress(DeadError, RefusedError):
                    self._worker.request(b"C" + self._handle, deadline=time.monotonic() + 1.0)
            self._worker.release()

    def load(self, deadline: float) -> None:
        """Hand the file to the running worker. Raises ModelError or EngineError."""
        self._worker.ready(deadline)
        try:
            answer = self._worker.request(b"L" + self._handle + self._file.data, deadline=deadline)
        except RefusedError as error:
            raise ModelError(f"model {self.path}: {self.engine}: {error}{self._worker.hint()}") from None
        except DeadError as error:
            self._held.failed()
            raise ModelError(f"model {self.path}: {self.engine}: the worker {error} while loading it") from None
        specs = json.loads(answer)
        self.input, self.output = self._only("input", specs["input"]), self._only("output", specs["output"])
        self._generation = self._worker.generation

    def _ask(self, payload: bytes) -> bytes:
        with self._worker.turn():
            if not self._open:
                raise EngineError(f"model {self.path}: closed")
            left = self._held.left_s()
            if left:
                raise EngineError(f"model {self.path}: held back for {left:.1f} s after the worker died running it")
            deadline = time.monotonic() + self._worker.options.run_timeout_s
            self._worker.ready(deadline)
            try:
                if self._generation != self._worker.generation:
                    self.load(deadline)
                return self._worker.request(payload, deadline=deadline)
            except RefusedError as error:
                raise InferenceError(f"model {self.path}: {self.engine}: {error}") from None
            except DeadError as error:
                self._held.failed()
                raise EngineError(f"model {self.path}: {self.engine}: the worker {error}") from None

    def _only(self, what: str, specs: list[dict[str, Any]]) -> TensorSpec:
        if len(specs) != 1:
            raise ModelError(f"model {self.path}: {len(specs)} {what}s (allowed: 1)")
        (one,) = specs
        spec = TensorSpec(tuple(one["shape"]), str(one["dtype"]), float(one["scale"]), int(one["zero_point"]))
        fault = spec.fault()
        if fault is not None:
            raise ModelError(f"model {self.path}: {what} has {fault}")
        return spec
