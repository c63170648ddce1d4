"""Agents and readings in one line each."""

from typing import Any

from edge.sense.agent import Agent
from edge.sense.options import AgentOptions, agent_options
from edge.sense.reading import Reading

MODEL = bytes(range(32))


def options(fields: tuple[str, ...] = ("x",), /, **table: Any) -> AgentOptions:
    return agent_options({"name": "a", "source": "s", **table}, fields)


def agent(fields: tuple[str, ...] = ("x",), /, *, outputs: int = 3, **table: Any) -> Agent:
    """An agent whose model, if it has one, fits its tensor and gives `outputs` numbers."""
    made = Agent(options(fields, **table))
    if made.options.has_model:
        made.model_loaded(MODEL, made.options.tensor_length, outputs)
    return made


def reading(*values: float, at: int = 0, lost: int = 0, gap: bool = False, source: str = "s") -> Reading:
    return Reading(source, at, tuple(float(value) for value in values), lost, gap)
