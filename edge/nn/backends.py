"""What every inference engine offers, so that agents do not know which one runs their model.

Engines live in `edge/shell/engines`. A model belongs to one stream: it may hold state
between runs, which `reset` clears.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from edge.nn.errors import EngineError, InferenceError
from edge.nn.tensor import TensorSpec

Answer = tuple[float, ...] | InferenceError | EngineError
"""What one run gave: finite floats, or why it gave none."""


class ModelFile(NamedTuple):
    """A model as it was read: engines get these very bytes, so that the digest names what runs."""

    path: str
    data: bytes
    digest: bytes
    """SHA-256 of `data`."""


class Model(Protocol):
    """A loaded model with one input and one output tensor. One caller at a time gets in; others wait."""

    __slots__ = ()

    engine: str
    """Name of the back-end that runs it."""
    path: str
    """Where the file was read."""
    digest: bytes
    """SHA-256 of the file's bytes."""
    input: TensorSpec
    output: TensorSpec

    @property
    def crowd(self) -> "Crowd | None":
        """Those that it can run together with, in one call."""
        return None

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.input.shape

    @property
    def input_bytes(self) -> int:
        """Size of the float32 tensor that `run` takes, whatever the model stores."""
        return self.input.float_bytes

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.output.shape

    @property
    def dtype(self) -> str:
        """How the model stores its input: float32, int8 or uint8."""
        return self.input.dtype

    def run(self, tensor: bytes) -> tuple[float, ...]:
        """Packed little-endian float32 in, finite floats out.

        Raises NonFiniteError, another InferenceError, or EngineError when the engine is gone.
        """

    def invoke(self, stored: bytes) -> bytes:
        """One run in the model's own number formats. Raises as `run` does."""

    def reset(self) -> None:
        """Forget all state of earlier runs (recurrent and streaming models)."""

    def close(self) -> None:
        """Give everything back; the model cannot run again. Idempotent."""


class Crowd(Protocol):
    """Models that run with one call."""

    def run(self, due: "Sequence[Due]") -> list[Answer]:
        """Each of these members once on its tensor; an answer for each, in their order."""


Due = tuple[Model, bytes]
"""A model, and the packed float32 tensor that it is to run on."""


def run_all(due: Sequence[Due]) -> list[Answer]:
    """Each model once; an answer for each, in their order. Those of one crowd run with one call, others alone."""
    answers: list[Answer] = [()] * len(due)
    crowds: dict[Crowd, list[int]] = {}
    for place, (model, tensor) in enumerate(due):
        if model.crowd is None:
            answers[place] = _run(model, tensor)
        else:
            crowds.setdefault(model.crowd, []).append(place)
    for crowd, places in crowds.items():
        for place, answer in zip(places, crowd.run([due[place] for place in places]), strict=True):
            answers[place] = answer
    return answers


def _run(model: Model, tensor: bytes) -> Answer:
    try:
        return model.run(tensor)
    except (InferenceError, EngineError) as error:
        return error


class Backend(Protocol):
    """One way to run models."""

    name: str
    version: str
    where: str
    """The library or interpreter that does the work."""

    def load(self, file: ModelFile) -> Model:
        """Raises ModelError when this engine cannot run the file, EngineError when the engine itself is broken."""
