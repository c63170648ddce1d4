"""The keys of each kind of source; defaults are filled in and paths absolute, so that a source never asks again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from edge import limits
from edge.config.fields import (
    Given,
    NotAllowedError,
    Reader,
    boolean,
    choice,
    integer,
    long_text,
    number,
    path,
    strings,
)

if TYPE_CHECKING:
    from edge.config.loader import Document

REQUIRED = object()
FIELDS = strings(1, limits.WINDOW_CHANNELS_MAX)


class Key(NamedTuple):
    reader: Reader[object]
    default: object = REQUIRED


def _topic(given: Given) -> str:
    topic = long_text(given)
    if "+" in topic or "#" in topic:
        raise NotAllowedError("an MQTT topic without + and #")
    return topic


KINDS: Mapping[str, Mapping[str, Key]] = {
    "file": {
        "path": Key(path),
        "fields": Key(FIELDS, None),
        "time_field": Key(long_text, None),
        "speed": Key(number(0.0, 1e6), 1.0),
        "loop": Key(boolean, False),
    },
    "mqtt": {"topic": Key(_topic), "fields": Key(FIELDS, None), "time_field": Key(long_text, None)},
    "sysfs": {
        "path": Key(path, None),
        "paths": Key(strings(1, limits.WINDOW_CHANNELS_MAX), None),
        "interval_ms": Key(integer(1, 86_400_000), 1000),
        "scale": Key(number(-1e12, 1e12), 1.0),
    },
    "command": {
        "argv": Key(strings(1, 64)),
        "format": Key(choice("auto", "json", "csv"), "auto"),
        "fields": Key(FIELDS, None),
    },
}


def read_options(
    document: "Document", kind: str, raw: Mapping[str, object], place: str, where: str
) -> dict[str, object]:
    """Check one source's keys; ConfigError names what is wrong."""
    keys = KINDS[kind]
    for key in raw:
        if key not in keys:
            raise document.unknown(f"{where} (kind {kind!r})", key, ["name", "kind", *keys], f"{place}.{key}")
    options: dict[str, object] = {}
    for key, (reader, default) in keys.items():
        dotted = f"{place}.{key}"
        if key in raw:
            try:
                options[key] = reader(Given(raw[key], document.path.parent))
            except NotAllowedError as allowed:
                raise document.wrong(where, key, raw[key], allowed, dotted) from None
            document.origins[dotted] = document.at(dotted)
        elif default is REQUIRED:
            raise document.missing(where, key, place)
        else:
            options[key] = default
            document.origins[dotted] = "default"
    return options
