"""What one key alone cannot show: names that refer to each other, keys that need each other, files to be read.

A source and an agent know their own keys; they are opened here for what they say, and nothing is started.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge import limits
from edge.config.loader import Document, entry, suggestion
from edge.config.tables import AgentConfig, Config, SourceConfig
from edge.errors import ConfigError, DataError

SCALING_BYTES_MAX = 16 * 1024 * 1024
_UNKNOWN_KEY = re.compile(r"(?:.*\.)?([\w-]+) = .*: there is no such key; allowed in .*?: (.*)\Z", re.DOTALL)


def check(config: Config, document: Document, *, check_files: bool) -> Config:
    """Raise the first ConfigError of the file, or answer the configuration with its files read in.

    Without `check_files` the sources and agents keep what only a look at their files could tell.
    """
    _tables(config, document)
    _names("source", config.sources, limits.SOURCES_MAX, document)
    _names("agent", config.agents, limits.AGENTS_MAX, document)
    sources = [source.name for source in config.sources]
    for index, agent in enumerate(config.agents):
        _source_of(agent, index, sources, document)
    if not check_files:
        return config
    for place, where, path in files(config):
        _readable(path, place, where, document)
    fields = {source.name: _source_fields(source, index, document) for index, source in enumerate(config.sources)}
    agents = [_agent(agent, index, fields, document) for index, agent in enumerate(config.agents)]
    return replace(config, agents=tuple(agents))


def files(config: Config) -> Iterator[tuple[str, str, Path]]:
    """Each file that must be there before the agent starts: (place of its key, how a message names it, path)."""
    for key in ("password_file", "ca_file", "certificate_file", "key_file"):
        path = getattr(config.mqtt, key)
        if path is not None:
            yield f"mqtt.{key}", f"[mqtt] {key}", path
    for index, agent in enumerate(config.agents):
        if agent.model is not None:
            yield f"agent.{index}.model", f"{entry('agent', agent.name, index)} model", agent.model


def _tables(config: Config, document: Document) -> None:
    node, mqtt = config.node, config.mqtt
    if node.role == "gateway" and node.keep == "own":
        raise document.wrong(
            "[node]", "keep", node.keep, "auto or all, because a gateway keeps everything", "node.keep"
        )
    if mqtt.password_file and not mqtt.username:
        raise document.fault("[mqtt] password_file needs username (MQTT 3.1.1 §3.1.2.9)", "mqtt.password_file")
    if bool(mqtt.certificate_file) != bool(mqtt.key_file):
        there, lacking = ("certificate_file", "key_file") if mqtt.certificate_file else ("key_file", "certificate_file")
        raise document.fault(f"[mqtt] {there} needs {lacking}", f"mqtt.{there}")


def _names(kind: str, entries: Sequence[SourceConfig | AgentConfig], count_max: int, document: Document) -> None:
    if len(entries) > count_max:
        raise document.fault(f"{len(entries)} [[{kind}]] tables; allowed: at most {count_max}", kind)
    first: dict[str, int] = {}
    for index, item in enumerate(entries):
        if item.name in first:
            before = document.at(f"{kind}.{first[item.name]}.name")
            raise document.fault(f"[[{kind}]] name = {item.name!r} is taken by {before}", f"{kind}.{index}.name")
        first[item.name] = index


def _source_of(agent: AgentConfig, index: int, sources: list[str], document: Document) -> None:
    if agent.source not in sources:
        where = entry("agent", agent.name, index)
        near = suggestion(agent.source, sources)
        allowed = ", ".join(sources[:16]) or "none, for there is no [[source]]"
        said = f"{where} source = {agent.source!r}: no such [[source]]{near}; allowed: {allowed}"
        raise document.fault(said, f"agent.{index}.source")


def _readable(path: Path, place: str, where: str, document: Document) -> None:
    try:
        with open(path, "rb") as stream:
            stream.read(1)
    except OSError as error:
        raise document.fault(f"{where} = {str(path)!r} cannot be read: {error.strerror}", place) from None


def _source_fields(source: SourceConfig, index: int, document: Document) -> tuple[str, ...]:
    """What the source itself says of its options; its fields are what the agents may use."""
    from edge.shell.sources import open_source

    try:
        return open_source(source.name, source.kind, source.options).fields
    except ConfigError as error:
        said = str(error).removeprefix(f"source {source.name}: ")
        raise _refused(said, "source", source.name, index, document) from None


def _agent(agent: AgentConfig, index: int, fields: Mapping[str, Sequence[str]], document: Document) -> AgentConfig:
    from edge.sense.options import agent_options

    options = dict(agent.options)
    if isinstance(options.get("scaling"), str):
        options["scaling"] = _scaling(agent, index, document)
    try:
        agent_options(options, fields[agent.source])
    except ValueError as error:
        raise _refused(str(error), "agent", agent.name, index, document) from None
    return replace(agent, options=MappingProxyType(options))


def _refused(said: str, kind: str, name: str, index: int, document: Document) -> ConfigError:
    """A sentence of a source or an agent in its place; most begin with the key."""
    key = re.match(r"[a-z_]+", said)
    place = f"{kind}.{index}.{key[0]}" if key else f"{kind}.{index}"
    unknown = _UNKNOWN_KEY.match(said)
    near = suggestion(unknown[1], unknown[2].split(", ")) if unknown else ""
    return document.fault(f"{entry(kind, name, index)} {said}{near}", place)


def _scaling(agent: AgentConfig, index: int, document: Document) -> dict[str, Any]:
    """The table { mean, std } of a JSON or TOML file; its other keys are for people."""
    import json
    import tomllib

    path = Path(str(agent.options["scaling"]))
    where, place = f"{entry('agent', agent.name, index)} scaling = {str(path)!r}", f"agent.{index}.scaling"
    try:
        with open(path, "rb") as stream:
            body = stream.read(SCALING_BYTES_MAX).decode()
        found = tomllib.loads(body) if path.suffix == ".toml" else json.loads(body)
        if not isinstance(found, dict):
            raise DataError("not a table")
        return {key: found[key] for key in ("mean", "std") if key in found}
    except OSError as error:
        raise document.fault(f"{where} cannot be read: {error.strerror}", place) from None
    except (ValueError, DataError, RecursionError) as error:
        raise document.fault(f"{where} holds no JSON (or .toml) table with mean and std: {error}", place) from None
