"""What an agent runs, opened for it: its model by the engine that takes it, or its detector."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge.nn.backends import Model
from edge.sense.options import AgentOptions
from edge.shell.engines import Choice, EngineReport, choose_model


class Opened(NamedTuple):
    """Ready, and in the state of one that never ran."""

    model: Model
    outputs: int
    """How many numbers it answers, as a run on zeros showed."""
    passed_over: tuple[EngineReport, ...]


def open_for(options: AgentOptions, path: Path | None, choose: Callable[[Path], Choice] = choose_model) -> Opened:
    """`choose` loads a model from its file. Raises ModelError, EngineError or InferenceError."""
    passed_over: tuple[EngineReport, ...] = ()
    if options.detector is not None:
        from edge.shell.engines.detector import DetectorModel

        model: Model = DetectorModel(options.detector, options.tensor_length)
    else:
        assert path is not None
        choice = choose(path)
        model, passed_over = choice.model, choice.passed_over
    outputs = len(model.run(bytes(model.input_bytes)))
    model.reset()
    return Opened(model, outputs, passed_over)
