"""From the configuration's tables to agents with models: what many have in common is read once."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.config import Config
from edge.errors import ConfigError, DataError
from edge.sense.options import AgentOptions, agent_options
from edge.sense.senses import Senses

if TYPE_CHECKING:
    from edge.nn.backends import Model

Report = Callable[[str, str, tuple[tuple[str, object], ...]], None]


def options(config: Config, fields: Mapping[str, Sequence[str]]) -> list[AgentOptions]:
    """Of every agent, by the fields that its source has."""
    tables: dict[str, AgentOptions] = {}
    for agent in config.agents:
        if agent.place not in tables:
            tables[agent.place] = agent_options(agent.options, fields[agent.source])
    return [replace(tables[agent.place], name=agent.name) for agent in config.agents]


def load(config: Config, senses: Senses, report: Report) -> "Mapping[str, Model]":
    """Every agent's model or detector, loaded and run once by the engine that takes it. Raises DataError when none
    does, and ConfigError when model and agent do not fit together."""
    told = {agent.name: senses.agent(agent.name).options for agent in config.agents}
    wanted = [agent for agent in config.agents if told[agent.name].has_model]
    if not wanted:
        return {}
    from edge.nn.errors import EngineError, InferenceError, ModelError
    from edge.shell.engines.crowd import Crowds
    from edge.shell.engines.opening import open_for

    crowds = Crowds()
    models: dict[str, Model] = {}
    said: Counter[tuple[str, tuple[tuple[str, object], ...]]] = Counter()
    for agent in wanted:
        try:
            opened = open_for(told[agent.name], agent.model, crowds.choose)
            model = opened.model
            senses.model_loaded(agent.name, model.digest, model.input_bytes // 4, opened.outputs)
        except (ModelError, EngineError, InferenceError) as error:
            raise DataError(f"{config.origin}: [[agent]] {agent.name}: {error}") from None
        except ValueError as error:
            raise ConfigError(f"{config.origin}: {error}") from None
        models[agent.name] = model
        said["model", (("agent", agent.table), ("engine", model.engine))] += 1
        for other in opened.passed_over:
            said["engine-passed-over", (("engine", other.name), ("reason", other.why))] += 1
    for (event, facts), count in said.items():
        report("info", event, facts if count == 1 else (*facts, ("models", count)))
    return models
