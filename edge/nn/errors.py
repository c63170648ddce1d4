"""What can go wrong with a model: its file, one run of it, or the engine beneath."""

from edge.errors import DataError, UnavailableError


class ModelError(DataError):
    """A model file cannot be used; the message names the file and the reason."""


class LackingError(ModelError):
    """The file may be right: it has something that our reader does not read."""


class BrokenModelError(ModelError):
    """The file is not what it claims to be. No engine gets to see it."""


class InferenceError(DataError):
    """One run failed; the model may be run again."""


class NonFiniteError(InferenceError):
    """The answer, which is in `outputs`, holds what is no finite number: not worth another run of this model."""

    def __init__(self, message: str, outputs: tuple[float, ...]) -> None:
        super().__init__(message)
        self.outputs = outputs


class DivergedError(InferenceError):
    """Training made numbers that are not finite; the weights from before are kept."""


class StaleHandleError(InferenceError):
    """The network that this handle named is gone."""


class EngineError(UnavailableError):
    """The engine itself is missing, broken or not answering; the message says which and why."""
