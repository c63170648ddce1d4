"""What one key alone cannot show: names that refer to each other, keys that need each other, files to be read."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge import limits
from edge.config.loader import Document, entry, suggestion
from edge.config.tables import AgentConfig, Config, SourceConfig


def check(config: Config, document: Document, *, check_files: bool) -> None:
    """Raise the first ConfigError of the file, in the order a reader meets them."""
    _tables(config, document)
    _names("source", config.sources, limits.SOURCES_MAX, document)
    _names("agent", config.agents, limits.AGENTS_MAX, document)
    sources = [source.name for source in config.sources]
    for index, agent in enumerate(config.agents):
        _agent(agent, index, sources, document)
    if check_files:
        for place, where, path in files(config):
            _readable(path, place, where, document)


def files(config: Config) -> Iterator[tuple[str, str, Path]]:
    """Each file that must be there before the agent starts: (place of its key, how a message names it, path)."""
    for key in ("password_file", "ca_file", "certificate_file", "key_file"):
        path = getattr(config.mqtt, key)
        if path is not None:
            yield f"mqtt.{key}", f"[mqtt] {key}", path
    for index, source in enumerate(config.sources):
        if source.kind == "file":
            path = source.options["path"]
            assert isinstance(path, Path)
            yield f"source.{index}.path", f"{entry('source', source.name, index)} path", path
    for index, agent in enumerate(config.agents):
        where = entry("agent", agent.name, index)
        if agent.model is not None:
            yield f"agent.{index}.model", f"{where} model", agent.model
        if isinstance(agent.scaling, Path):
            yield f"agent.{index}.scaling", f"{where} scaling", agent.scaling


def _tables(config: Config, document: Document) -> None:
    node, mqtt = config.node, config.mqtt
    if node.role == "gateway" and node.keep != "all":
        raise document.wrong("[node]", "keep", node.keep, "all, because a gateway keeps everything", "node.keep")
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


def _agent(agent: AgentConfig, index: int, sources: list[str], document: Document) -> None:
    where, place = entry("agent", agent.name, index), f"agent.{index}"
    if agent.source not in sources:
        near = suggestion(agent.source, sources)
        allowed = ", ".join(sources[:16]) or "none, for there is no [[source]]"
        raise document.fault(
            f"{where} source = {agent.source!r}: no such [[source]]{near}; allowed: {allowed}", f"{place}.source"
        )


def _readable(path: Path, place: str, where: str, document: Document) -> None:
    try:
        with open(path, "rb") as stream:
            stream.read(1)
    except OSError as error:
        raise document.fault(f"{where} = {str(path)!r} cannot be read: {error.strerror}", place) from None
