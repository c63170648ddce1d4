"""Every value in effect, with where it came from; what `synedge config show` prints."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from edge.config.fields import written
from edge.config.loader import entry
from edge.config.tables import AgentConfig, Config, SourceConfig
from edge.errors import SynedgeError
from edge.sense.table import Table


class Row(NamedTuple):
    key: str
    """`log.max_mb`, `source.accel.topic`, `agent.bearing.window.size`."""
    value: object
    """As JSON can say it; None where nothing is set."""
    text: str
    source: str


class Effective(NamedTuple):
    rows: list[Row]
    notes: list[str]
    """Sources and agents that could not be opened: of them only what was asked before is shown, and what was given."""


def effective(config: Config) -> Effective:
    rows: list[Row] = []
    notes: list[str] = []
    for head in ("node", "site", "mqtt", "broker", "log"):
        rows += _rows(config, head, head, _items(getattr(config, head)))
    known: dict[str, Sequence[str]] = {}
    for index, source in enumerate(config.sources):
        items, known[source.name], note = _of_source(source)
        rows += _rows(config, f"source.{source.name}", f"source.{index}", items)
        notes += note
    tables: dict[str, AgentConfig] = {}
    for agent in config.agents:
        tables.setdefault(agent.place, agent)
    for place, agent in tables.items():
        items, note = _of_agent(agent, known[agent.source])
        rows += _rows(config, f"agent.{agent.table}", place, items)
        notes += note
    return Effective(rows, notes)


def _of_source(source: SourceConfig) -> tuple[dict[str, object], Sequence[str], list[str]]:
    """Its keys in force, the fields it has, and what is wrong with it."""
    from edge.shell.sources import open_source

    table, given = Table(source.options), {"name": source.name, "kind": source.kind, **source.options}
    has: Sequence[str]
    try:
        has = open_source(source.name, source.kind, table).fields
    except SynedgeError as error:
        found = source.options.get("fields")
        has = found if isinstance(found, list | tuple) else ()
        return {**given, **table.in_force(), "fields": has or None}, has, [str(error)]
    return {**given, **table.in_force(), "fields": has}, has, []


def _of_agent(agent: AgentConfig, source_fields: Sequence[str]) -> tuple[dict[str, object], list[str]]:
    """The keys of its table in force, and what is wrong with them. A file with `scaling` stays a path."""
    from edge.sense.options import agent_options

    scaling = agent.options.get("scaling")
    file = {"scaling": scaling} if isinstance(scaling, str) else {}
    table = Table({key: value for key, value in agent.options.items() if key not in file})
    notes = []
    try:
        agent_options(table, source_fields)
    except ValueError as error:
        notes.append(f"{entry('agent', agent.table, 0)} {error}")
    items = {**agent.options, **table.in_force(), **file}
    return items | {"fields": items.get("fields") or None}, notes


def _rows(config: Config, shown: str, place: str, items: Mapping[str, object]) -> Iterator[Row]:
    for key, value in items.items():
        if isinstance(value, Mapping) and value:
            yield from _rows(config, f"{shown}.{key}", f"{place}.{key}", value)
            continue
        text = "-" if value is None else written(value)
        yield Row(f"{shown}.{key}", _plain(value), text, config.origins.get(f"{place}.{key}", "default"))


def _items(value: object) -> dict[str, object]:
    return {item.name: getattr(value, item.name) for item in fields(value)}  # type: ignore[arg-type]  # a dataclass


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
