"""One reading of one document: TOML and environment in, dataclasses out, every refusal with its place."""

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge import limits
from edge.config.fields import Given, NotAllowedError, entry_name, written
from edge.config.lines import key_lines, line_of
from edge.config.tables import (
    AgentConfig,
    BrokerConfig,
    Config,
    LogConfig,
    MqttConfig,
    NodeConfig,
    SiteConfig,
    SourceConfig,
)
from edge.errors import ConfigError, PermissionsError

CONFIG_BYTES_MAX = 1024 * 1024
TABLES: Mapping[str, type] = {
    "node": NodeConfig,
    "site": SiteConfig,
    "mqtt": MqttConfig,
    "broker": BrokerConfig,
    "log": LogConfig,
}
ARRAYS = ("source", "agent")
# systemd.exec(5): set for StateDirectory= and RuntimeDirectory=, several joined by colons.
_DIRECTORY_VARIABLES = {"node.data_dir": "STATE_DIRECTORY", "node.runtime_dir": "RUNTIME_DIRECTORY"}
_Overrides = Mapping[str, tuple[str, object]]
_NONE: _Overrides = MappingProxyType({})


def open_document(file: str | Path, environ: Mapping[str, str]) -> "Document":
    """Read the file; ConfigError when it is not there or not TOML, PermissionsError when it may not be read."""
    path, shown = Path(os.path.abspath(file)), str(file)
    body = _read_text(path, shown)
    try:
        raw = tomllib.loads(body)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{shown}: not valid TOML: {error}") from None
    return Document(shown, path, raw, key_lines(body), environ)


class Document:
    """Holds what messages need: the name of the file, its lines, and where each value came from."""

    def __init__(
        self, shown: str, path: Path, raw: Mapping[str, Any], lines: dict[str, int], environ: Mapping[str, str]
    ) -> None:
        self.shown, self.path = shown, path
        self.origins: dict[str, str] = {}
        self._raw, self._lines, self._environ = raw, lines, environ

    def config(self, *, check_files: bool) -> Config:
        """Without `check_files` a pattern that matches nothing is a table without agents."""
        self._refuse_unknown_tables()
        overrides = self._overrides()
        tables = {
            head: cls(**self.read(cls, self._raw.get(head, {}), head, f"[{head}]", overrides=overrides))
            for head, cls in TABLES.items()
        }
        return Config(
            **tables,
            sources=tuple(self._source(index, raw) for index, raw in enumerate(self._raw.get("source", []))),
            agents=tuple(
                agent
                for index, raw in enumerate(self._raw.get("agent", []))
                for agent in self._agents(self._agent(index, raw), check_files)
            ),
            origin=self.path,
            origins=MappingProxyType(self.origins),
        )

    def read(
        self,
        cls: type,
        raw: Mapping[str, Any],
        place: str,
        where: str,
        *,
        overrides: _Overrides = _NONE,
        more: Iterable[str] = (),
    ) -> dict[str, Any]:
        """The values of a table for the dataclass; `more` are keys that the caller reads itself."""
        known = [item for item in fields(cls) if "reader" in item.metadata]
        names = [item.name for item in known]
        more = list(more)
        for key in raw:
            if key not in names and key not in more:
                raise self.unknown(where, key, names, f"{place}.{key}")
        values: dict[str, Any] = {}
        for item in known:
            dotted = f"{place}.{item.name}"
            if dotted in overrides:
                variable, value = overrides[dotted]
                values[item.name] = self._value(item, value, where, dotted, variable)
                self.origins[dotted] = f"env {variable}"
            elif item.name in raw:
                values[item.name] = self._value(item, raw[item.name], where, dotted)
                self.origins[dotted] = self.at(dotted)
            elif item.default is MISSING:
                raise self.missing(where, item.name, place)
            else:
                values[item.name] = self._default(dotted, item.default)
        return values

    def unknown(self, where: str, key: str, names: Iterable[str], place: str) -> ConfigError:
        names = list(names)
        near = suggestion(key, names)
        allowed = ", ".join(names)
        return ConfigError(f"{self.shown}: {where} unknown key {key!r}{near}; allowed: {allowed}{self._line(place)}")

    def wrong(self, where: str, key: str, value: object, allowed: object, place: str) -> ConfigError:
        """`FILE: [mqtt] discover = "yes" is not allowed; allowed: true or false (line 7)`."""
        said = f"{where} {key} = {written(value)} is not allowed; allowed: {allowed}"
        return ConfigError(f"{self.shown}: {said}{self._line(place)}")

    def missing(self, where: str, key: str, place: str) -> ConfigError:
        return ConfigError(f"{self.shown}: {where} lacks the key {key!r}{self._line(place)}")

    def fault(self, said: str, place: str) -> ConfigError:
        return ConfigError(f"{self.shown}: {said}{self._line(place)}")

    def at(self, place: str) -> str:
        found = line_of(self._lines, place)
        return f"{self.path.name}:{found}" if found else self.path.name

    def _line(self, place: str) -> str:
        found = line_of(self._lines, place)
        return f" (line {found})" if found else ""

    def _value(self, item: "Field[Any]", value: object, where: str, dotted: str, variable: str = "") -> Any:
        try:
            return item.metadata["reader"](Given(value, self.path.parent))
        except NotAllowedError as allowed:
            if variable:
                said = f"environment: {variable} = {written(value)} is not allowed; allowed: {allowed}"
                raise ConfigError(said) from None
            raise self.wrong(where, item.name, value, allowed, dotted) from None

    def _default(self, dotted: str, default: Any) -> Any:
        variable = _DIRECTORY_VARIABLES.get(dotted, "")
        if self._environ.get(variable):
            self.origins[dotted] = f"env {variable}"
            return Path(self._environ[variable].partition(":")[0])
        self.origins[dotted] = "default"
        return self.path.parent / default if isinstance(default, Path) else default

    def _overrides(self) -> dict[str, tuple[str, object]]:
        """`SYNEDGE_LOG__MAX_MB=64` → `log.max_mb`; scalars of the five plain tables only."""
        known = {
            f"SYNEDGE_{head}__{item.name}".upper(): (f"{head}.{item.name}", item.default)
            for head, cls in TABLES.items()
            for item in fields(cls)
            if not isinstance(item.default, tuple)
        }
        found: dict[str, tuple[str, object]] = {}
        for variable in sorted(self._environ):
            if not variable.startswith("SYNEDGE_") or "__" not in variable:
                continue
            if variable not in known:
                raise ConfigError(
                    f"environment: unknown {variable}{suggestion(variable, known)}; "
                    "allowed: SYNEDGE_<TABLE>__<KEY> for single values of [node] [site] [mqtt] [broker] [log]"
                )
            place, default = known[variable]
            found[place] = (variable, _scalar(self._environ[variable], default))
        return found

    def _refuse_unknown_tables(self) -> None:
        allowed = " ".join([f"[{head}]" for head in TABLES] + [f"[[{head}]]" for head in ARRAYS])
        for head, value in self._raw.items():
            if head not in TABLES and head not in ARRAYS:
                what = "table" if isinstance(value, dict | list) else "key"
                near = suggestion(head, [*TABLES, *ARRAYS])
                raise self.fault(f"unknown {what} {head!r}{near}; allowed: {allowed}", head)
            is_array = isinstance(value, list) and all(isinstance(item, dict) for item in value)
            if head in ARRAYS and not is_array:
                raise self.fault(f"[{head}] must be written [[{head}]]", head)
            if head in TABLES and not isinstance(value, dict):
                raise self.fault(f"{head} must be a table, written [{head}]", head)

    def _source(self, index: int, raw: Mapping[str, Any]) -> SourceConfig:
        where, place = entry("source", raw.get("name"), index), f"source.{index}"
        options = {key: self._absolute(key, value) for key, value in raw.items() if key not in ("name", "kind")}
        head = self.read(SourceConfig, raw, place, where, more=options)
        self._note(place, options)
        return SourceConfig(**head, options=MappingProxyType(options))

    def _note(self, place: str, given: Mapping[str, Any]) -> None:
        """Where the keys of an entry stand, those of tables in it too."""
        for key, value in given.items():
            self.origins[f"{place}.{key}"] = self.at(f"{place}.{key}")
            if isinstance(value, Mapping):
                self._note(f"{place}.{key}", value)

    def _absolute(self, key: str, value: Any) -> Any:
        """The paths of a source; whatever is no path stays for the source to refuse."""
        base = self.path.parent
        if key == "path" and isinstance(value, str) and value:
            return str(base / value)
        if key == "paths" and isinstance(value, list):
            return [str(base / item) if isinstance(item, str) and item else item for item in value]
        return value

    def _agent(self, index: int, raw: Mapping[str, Any]) -> AgentConfig:
        where, place = entry("agent", raw.get("name"), index), f"agent.{index}"
        head = self.read(AgentConfig, raw, place, where, more=raw)
        self._note(place, raw)
        options = dict(raw)
        for key in ("model", "models"):
            if head[key] is not None:
                options[key] = str(head[key])
        if "model" in options and "models" in options:
            raise self.fault(f"{where} has model and models; allowed: one of them", f"{place}.models")
        if isinstance(raw.get("scaling"), str):
            options["scaling"] = str(self.path.parent / raw["scaling"])
        return AgentConfig(**head, options=MappingProxyType(options), table=head["name"], place=place)

    def _agents(self, table: AgentConfig, check_files: bool) -> Iterator[AgentConfig]:
        """The agents that a table stands for: itself, or one for each file of `models`."""
        if table.models is None:
            yield table
            return
        where, place = f"[[agent]] {table.name!r} models = {str(table.models)!r}", f"{table.place}.models"
        try:
            with os.scandir(table.models.parent) as entries:
                fitting = (item.name for item in entries if fnmatchcase(item.name, table.models.name))
                files = sorted(islice(fitting, limits.AGENTS_MAX + 1))
        except OSError as error:
            files = []
            if check_files:
                raise self.fault(f"{where}: {table.models.parent}: {error.strerror}", place) from None
        if check_files and not files:
            raise self.fault(f"{where} matches no file", place)
        if len(files) > limits.AGENTS_MAX:
            said = f"matches more than {limits.AGENTS_MAX} files; allowed: at most {limits.AGENTS_MAX} agents"
            raise self.fault(f"{where} {said}", place)
        for file in files:
            name = f"{table.name}-{Path(file).stem}"
            try:
                entry_name(Given(name, table.models.parent))
            except NotAllowedError as allowed:
                raise self.fault(f"{where}: {file!r} would be agent {name!r}; allowed: {allowed}", place) from None
            yield replace(table, name=name, model=table.models.with_name(file))


def entry(kind: str, called: object, index: int) -> str:
    """How a message names one entry of an array of tables."""
    return f"[[{kind}]] {called!r}" if isinstance(called, str) else f"[[{kind}]] number {index + 1}"


def suggestion(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'urls'?)`, or nothing when no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _read_text(path: Path, shown: str) -> str:
    try:
        with open(path, "rb") as stream:
            body = stream.read(CONFIG_BYTES_MAX + 1)
    except PermissionError:
        raise PermissionsError(f"{shown}: may not be read by this user") from None
    except OSError as error:
        hint = "; `synedge init` makes one" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{shown}: {error.strerror}{hint}") from None
    if len(body) > CONFIG_BYTES_MAX:
        raise ConfigError(f"{shown}: larger than {CONFIG_BYTES_MAX} bytes")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{shown}: not valid TOML: not UTF-8") from None


def _scalar(value: str, default: object) -> object:
    """An environment variable in the type of the key it overrides; what does not fit is refused by the key's reader."""
    if isinstance(default, bool):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.lower(), value)
    if isinstance(default, int) and value.lstrip("-").isdigit() and len(value) < 20:
        return int(value)
    return value
