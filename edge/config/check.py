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
    _names("source", [(source.name, f"source.{index}") for index, source in enumerate(config.sources)], document)
    _names("agent", [(agent.name, agent.place) for agent in config.agents], document)
    for kind, count, count_max in (
        ("source", len(config.sources), limits.SOURCES_MAX),
        ("agent", len(config.agents), limits.AGENTS_MAX),
    ):
        if count > count_max:
            raise document.fault(f"{count} {kind}s; allowed: at most {count_max}", kind)
    sources = [source.name for source in config.sources]
    for agent in config.agents:
        _source_of(agent, sources, document)
    if not check_files:
        return config
    for place, where, path in files(config):
        _readable(path, place, where, document)
    fields = {source.name: _source_fields(source, index, document) for index, source in enumerate(config.sources)}
    options: dict[str, Mapping[str, object]] = {}
    for agent in config.agents:
        if agent.place not in options:
            options[agent.place] = _options(agent, fields, document)
    return replace(config, agents=tuple(replace(agent, options=options[agent.place]) for agent in config.agents))


def files(config: Config) -> Iterator[tuple[str, str, Path]]:
    """Each file that must be there before the agent starts: (place of its key, how a message names it, path)."""
    for key in ("password_file", "ca_file", "certificate_file", "key_file"):
        path = getattr(config.mqtt, key)
        if path is not None:
            yield f"mqtt.{key}", f"[mqtt] {key}", path
    for agent in config.agents:
        if agent.model is not None:
            key = "models" if agent.models else "model"
            yield f"{agent.place}.{key}", f"{entry('agent', agent.name, 0)} model", agent.model


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


def _names(kind: str, entries: Sequence[tuple[str, str]], document: Document) -> None:
    """Of (name, place) no name twice."""
    first: dict[str, str] = {}
    for name, place in entries:
        if name in first:
            before = document.at(f"{first[name]}.name")
            raise document.fault(f"[[{kind}]] name = {name!r} is taken by {before}", f"{place}.name")
        first[name] = place


def _source_of(agent: AgentConfig, sources: list[str], document: Document) -> None:
    if agent.source not in sources:
        where = entry("agent", agent.table, 0)
        near = suggestion(agent.source, sources)
        allowed = ", ".join(sources[:16]) or "none, for there is no [[source]]"
        said = f"{where} source = {agent.source!r}: no such [[source]]{near}; allowed: {allowed}"
        raise document.fault(said, f"{agent.place}.source")


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
        raise _refused(said, "source", source.name, f"source.{index}", document) from None


def _options(agent: AgentConfig, fields: Mapping[str, Sequence[str]], document: Document) -> Mapping[str, object]:
    """Of the agent's table, with `scaling` read in."""
    from edge.sense.options import agent_options

    options = dict(agent.options)
    if isinstance(options.get("scaling"), str):
        options["scaling"] = _scaling(agent, document)
    try:
        agent_options(options, fields[agent.source])
    except ValueError as error:
        raise _refused(str(error), "agent", agent.table, agent.place, document) from None
    return MappingProxyType(options)


def _refused(said: str, kind: str, name: str, place: str, document: Document) -> ConfigError:
    """A sentence of a source or an agent in its place; most begin with the key."""
    key = re.match(r"[a-z_]+", said)
    place = f"{place}.{key[0]}" if key else place
    unknown = _UNKNOWN_KEY.match(said)
    near = suggestion(unknown[1], unknown[2].split(", ")) if unknown else ""
    return document.fault(f"{entry(kind, name, 0)} {said}{near}", place)


def _scaling(agent: AgentConfig, document: Document) -> dict[str, Any]:
    """The table { mean, std } of a JSON or TOML file; its other keys are for people."""
    import json
    import tomllib

    path = Path(str(agent.options["scaling"]))
    where, place = f"{entry('agent', agent.table, 0)} scaling = {str(path)!r}", f"{agent.place}.scaling"
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
