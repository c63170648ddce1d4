"""Every value in effect, with where it came from; what `synedge config show` prints."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import NamedTuple

from edge.config.fields import written
from edge.config.tables import Config


class Row(NamedTuple):
    key: str
    """`log.max_mb`, `source.accel.topic`, `agent.bearing.window.size`."""
    value: object
    """As JSON can say it."""
    text: str
    source: str


def effective(config: Config) -> list[Row]:
    rows: list[Row] = []
    for head in ("node", "site", "mqtt", "broker", "log"):
        rows += _rows(config, f"{head}", f"{head}", _items(getattr(config, head)))
    for index, source in enumerate(config.sources):
        items = {"name": source.name, "kind": source.kind, **source.options}
        rows += _rows(config, f"source.{source.name}", f"source.{index}", items)
    for index, agent in enumerate(config.agents):
        rows += _rows(config, f"agent.{agent.name}", f"agent.{index}", agent.options)
    return rows


def _rows(config: Config, shown: str, place: str, items: Mapping[str, object]) -> Iterator[Row]:
    for key, value in items.items():
        if is_dataclass(value):
            yield from _rows(config, f"{shown}.{key}", f"{place}.{key}", _items(value))
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
