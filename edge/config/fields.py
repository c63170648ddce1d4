"""How one value of the configuration is read: its type, its range, and the words that say what is allowed.

A reader takes what TOML (or the environment) gave and answers the value, or raises `NotAllowedError` with the sentence
that follows "allowed:". Nothing here knows tables or files; `edge.config` puts the place into the message.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from edge import limits

T = TypeVar("T")

NAME_RULE = "[a-z0-9][a-z0-9-]{0,31}"
_NAME = re.compile(NAME_RULE + r"\Z")
_ADDRESS = re.compile(r"[0-9A-Za-z._:%-]{1,255}\Z")
_URL = re.compile(r"(mqtts?)://(\[[0-9A-Fa-f:.%]+\]|[^\s/:@\[\]]+)(?::(\d{1,5}))?/?\Z")


class NotAllowedError(Exception):
    """The value is not allowed; the argument says what is."""


class Given(NamedTuple):
    """A value as it was written, and the directory that relative paths start from."""

    value: object
    base: Path


Reader = Callable[[Given], T]


class BrokerUrl(NamedTuple):
    host: str
    port: int
    tls: bool


def setting(reader: Reader[T], default: T) -> T:
    """A dataclass field with its reader beside it; the dataclass stays the one place for a key and its default."""
    chosen: Any = field(default=default, metadata={"reader": reader})
    return chosen  # type: ignore[no-any-return]  # dataclasses.field is typed as its default


def required(reader: Reader[T]) -> T:
    """A field that the file must give."""
    chosen: Any = field(metadata={"reader": reader})
    return chosen  # type: ignore[no-any-return]


def text(given: Given) -> str:
    value = given.value
    if not isinstance(value, str) or not value.isprintable() or len(value.encode()) > limits.TEXT_BYTES_MAX:
        raise NotAllowedError(f"text of at most {limits.TEXT_BYTES_MAX} bytes without control characters")
    return value


def address(given: Given) -> str:
    """An IP address or a host name; whether it exists is seen when it is used."""
    if not isinstance(given.value, str) or not _ADDRESS.match(given.value):
        raise NotAllowedError("an IP address or a host name")
    return given.value


def ipv4(given: Given) -> str:
    """An address of this machine; mDNS speaks IPv4 only."""
    from ipaddress import IPv4Address

    try:
        return str(IPv4Address(str(given.value)))
    except ValueError:
        raise NotAllowedError("an IPv4 address of this machine, such as 127.0.0.1") from None


def optional_text(given: Given) -> str | None:
    return text(given)


def long_text(given: Given) -> str:
    value = given.value
    if not isinstance(value, str) or not value or "\x00" in value or len(value.encode()) > 4096:
        raise NotAllowedError("text of 1 to 4096 bytes")
    return value


def entry_name(given: Given) -> str:
    """Node, agent and source names: they become topics, file names and rows of a table."""
    if not isinstance(given.value, str) or not _NAME.match(given.value):
        raise NotAllowedError("1 to 32 of a-z, 0-9 and '-', not starting with '-'")
    return given.value


def boolean(given: Given) -> bool:
    if not isinstance(given.value, bool):
        raise NotAllowedError("true or false")
    return given.value


def choice(*words: str) -> Reader[str]:
    def read(given: Given) -> str:
        if given.value not in words or not isinstance(given.value, str):
            raise NotAllowedError(", ".join(words))
        return given.value

    return read


def integer(low: int, high: int) -> Reader[int]:
    def read(given: Given) -> int:
        value = given.value
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise NotAllowedError(f"a whole number from {low} to {high}")
        return value

    return read


def path(given: Given) -> Path:
    """A path; a relative one starts at the directory of the configuration file."""
    if not isinstance(given.value, str | Path) or not str(given.value) or "\x00" in str(given.value):
        raise NotAllowedError("a path (relative ones start at the directory of this file)")
    return given.base / given.value


def optional_path(given: Given) -> Path | None:
    return path(given)


def optional_pattern(given: Given) -> Path | None:
    """A path whose last part may have wildcards; a directory may have none."""
    if not isinstance(given.value, str) or "\x00" in given.value or not Path(given.value).name:
        raise NotAllowedError("a path with a pattern for the names of files, such as cells/*.tflite")
    if any(letter in str(Path(given.value).parent) for letter in "*?["):
        raise NotAllowedError("a pattern in the last part of the path alone, such as cells/*.tflite")
    return given.base / given.value


def strings(count_min: int, count_max: int, each: Reader[str] = long_text) -> Reader[tuple[str, ...]]:
    def read(given: Given) -> tuple[str, ...]:
        value = given.value
        if not isinstance(value, list) or not count_min <= len(value) <= count_max:
            raise NotAllowedError(f"a list of {count_min} to {count_max} texts")
        try:
            return tuple(each(Given(item, given.base)) for item in value)
        except NotAllowedError as allowed:
            raise NotAllowedError(f"a list of {allowed}") from None

    return read


def broker_url(url: object) -> BrokerUrl:
    """Parse `mqtt://HOST[:PORT]` or `mqtts://…`; never with a user name, so that no secret stands in the file."""
    match = _URL.match(url) if isinstance(url, str) else None
    port = int(match[3] or (8883 if match[1] == "mqtts" else 1883)) if match else 0
    if not match or not 1 <= port <= 65535:
        raise NotAllowedError(
            "mqtt://HOST[:PORT] or mqtts://HOST[:PORT], user name and password_file as keys of their own"
        )
    return BrokerUrl(match[2].strip("[]"), port, match[1] == "mqtts")


def url(given: Given) -> str:
    broker_url(given.value)
    return str(given.value)


def written(value: object) -> str:
    """A value as the person would write it in TOML, cut short; for messages and for `config show`."""
    if isinstance(value, bool):
        shown = "true" if value else "false"
    elif isinstance(value, list | tuple):
        shown = "[" + ", ".join(written(item) for item in value[:8]) + (", …]" if len(value) > 8 else "]")
    elif isinstance(value, Mapping):
        shown = "{ " + ", ".join(f"{key} = {written(item)}" for key, item in value.items()) + " }" if value else "{}"
    elif isinstance(value, int | float):
        shown = repr(value)
    else:
        shown = '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value)) + '"'
    return shown if len(shown) <= 160 else shown[:159] + "…"
