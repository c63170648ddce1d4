"""Our own engine: the model is read, lowered and checked by us, and runs in this process by one call into our C.

Nothing foreign is loaded and nothing is tried in a throwaway process: what the reader and the plan's check let pass
cannot reach outside its own memory. SYNEDGE_KERNEL names the variant of the kernels to use, and is a demand.
"""

import threading

from edge import __version__
from edge.nn import kernels
from edge.nn.backends import Model, ModelFile
from edge.nn.errors import BrokenModelError, EngineError, InferenceError, LackingError, ModelError, NonFiniteError
from edge.nn.graph import Graph
from edge.nn.network import Network
from edge.nn.plan import lower
from edge.nn.tensor import TensorSpec
from edge.nn.tflite import read

NAME = "native"


class Native:
    """The kernels of this build, in one variant for the whole process."""

    name = NAME

    def __init__(self, variant: str | None = None):
        try:
            kernels.select(variant)
        except EngineError as error:
            raise EngineError(f"{NAME}: {error}") from None
        self.version = __version__
        self.where = f"kernels {kernels.selected('s8_gemm')}"

    def load(self, file: ModelFile) -> "NativeModel":
        """Raises BrokenModelError when the file is damaged or lies, ModelError when it asks for what we lack."""
        return NativeModel(file, _graph(file))


def _graph(file: ModelFile) -> Graph:
    try:
        return read(file.data, file.path)
    except LackingError:
        raise
    except ModelError as error:
        raise BrokenModelError(str(error)) from None


def unpack(path: str, output: TensorSpec, stored: bytes | memoryview) -> tuple[float, ...]:
    """What a run of the model left as its output. Raises NonFiniteError, which names the model."""
    try:
        return output.unpack(stored)
    except NonFiniteError as error:
        raise NonFiniteError(f"model {path}: {NAME}: {error}", error.outputs) from None
    except InferenceError as error:
        raise InferenceError(f"model {path}: {NAME}: {error}") from None


class NativeModel(Model):
    """One network with an arena of its own."""

    engine = NAME

    def __init__(self, file: ModelFile, graph: Graph):
        self.path, self.digest = file.path, file.digest
        self._lock = threading.Lock()
        self.lowered = lower(graph, file.path)
        self._network: Network | None = Network(self.lowered)
        self.input, self.output = self.lowered.input, self.lowered.output

    @property
    def steps(self) -> tuple[str, ...]:
        """What one run does, by the kernels' names."""
        return () if self._network is None else self._network.steps

    @property
    def memory_bytes(self) -> int:
        """Constants and arena."""
        return 0 if self._network is None else self._network.memory_bytes

    def run(self, tensor: bytes) -> tuple[float, ...]:
        return unpack(self.path, self.output, self.invoke(self.input.pack(tensor)))

    def invoke(self, stored: bytes) -> bytes:
        """One run in the model's own number formats."""
        with self._lock:
            if self._network is None:
                raise EngineError(f"model {self.path}: closed")
            return self._network.invoke(stored)

    def reset(self) -> None:
        with self._lock:
            if self._network is not None:
                self._network.reset()

    def close(self) -> None:
        with self._lock:
            self._network = None
