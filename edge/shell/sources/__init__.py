"""Where readings come from: one module per kind, each a `Source` with its own thread.

The registry imports a kind only when it is used.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from edge.errors import ConfigError, DataError
from edge.sense.table import Table, in_words
from edge.shell.sources.base import Deliver, Report, Source, Watch

KINDS: Mapping[str, tuple[str, str]] = {
    "file": ("edge.shell.sources.file", "FileSource"),
    "mqtt": ("edge.shell.sources.mqtt", "MqttSource"),
    "sysfs": ("edge.shell.sources.sysfs", "SysfsSource"),
    "command": ("edge.shell.sources.command", "CommandSource"),
}

__all__ = ["KINDS", "Deliver", "Report", "Source", "Watch", "open_source"]


def open_source(name: str, kind: str, options: Mapping[str, object] | Table, report: Report | None = None) -> Source:
    """A source that is not started yet, with its `fields` known; paths are taken as they stand.

    ConfigError names source, key, value and what is allowed, or what is wrong with the recording. Keys that are None
    count as absent; a caller that gives a `Table` can ask it afterwards what is in force.

    `report(level, event, fields)` is called on the source's thread; by default it writes to the log.
    """
    if kind not in KINDS:
        raise ConfigError(f"source {name}: kind = {kind!r}: allowed is one of {in_words(list(KINDS))}")
    module, called = KINDS[kind]
    make = cast(Callable[[str, Table, Report | None], Source], getattr(import_module(module), called))
    try:
        return make(name, options if isinstance(options, Table) else Table(options), report)
    except (ValueError, DataError) as error:
        raise ConfigError(f"source {name}: {error}") from None
