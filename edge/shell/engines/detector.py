"""A detector as the engine of an agent: what learns from the stream answers by the same protocol as what was trained.

It has no file: its digest is that of its options, so that an event names what made it. What it has learnt ends with the
process.
"""

import sys
import threading
from array import array
from math import isfinite

from edge.nn.backends import Model
from edge.nn.detectors import DetectorOptions
from edge.nn.errors import EngineError, NonFiniteError
from edge.nn.streams import Detector, digest
from edge.nn.tensor import TensorSpec

NAME = "stream"


class DetectorModel(Model):
    """One detector of one agent; a run judges a tensor and learns it."""

    engine = NAME

    def __init__(self, options: DetectorOptions, inputs: int):
        """Raises ModelError for options out of bounds."""
        self.path, self.digest = options.kind, digest(options, inputs)
        self._lock = threading.Lock()
        self._detector: Detector | None = Detector(options, inputs)
        self.input = TensorSpec((inputs,), "float32")
        self.output = TensorSpec((self._detector.outputs,), "float32")

    def run(self, tensor: bytes) -> tuple[float, ...]:
        """Raises InferenceError for a tensor of another length or with what is no number."""
        row = array("f", self.input.pack(tensor))
        if sys.byteorder == "big":
            row.byteswap()
        with self._lock:
            if self._detector is None:
                raise EngineError(f"detector {self.path}: closed")
            outputs = tuple(self._detector.run(array("d", row)))
        if not all(map(isfinite, outputs)):
            raise NonFiniteError(f"detector {self.path}: {outputs}", outputs)
        return outputs

    def invoke(self, stored: bytes) -> bytes:
        """As `run`, answered as packed float32."""
        answers = array("f", self.run(stored))
        if sys.byteorder == "big":
            answers.byteswap()
        return answers.tobytes()

    def reset(self) -> None:
        with self._lock:
            if self._detector is not None:
                self._detector.reset()

    def close(self) -> None:
        with self._lock:
            self._detector = None
