"""Every key of the configuration, its default and its rule, in one place."""

# ruff: noqa: RUF009  (`setting` and `required` are dataclasses.field with a reader beside it)

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge import limits
from edge.config.fields import (
    address,
    boolean,
    choice,
    entry_name,
    integer,
    ipv4,
    optional_path,
    optional_pattern,
    optional_text,
    path,
    required,
    setting,
    strings,
    text,
    url,
)

SUITES = ("ml-dsa-44", "ml-dsa-65", "ml-dsa-87")
SOURCE_KINDS = ("file", "mqtt", "sysfs", "command")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Who this node is and where its files are."""

    name: str = required(entry_name)
    label: str = setting(text, "")
    role: str = setting(choice("device", "gateway"), "device")
    data_dir: Path = setting(path, Path("data"))
    """Log, keys, gateway store. Without this key: $STATE_DIRECTORY, else `data` beside the file."""
    runtime_dir: Path = setting(path, Path("run"))
    """Control socket and other things of one boot. Without this key: $RUNTIME_DIRECTORY, else `run` beside the file."""
    blobs_max_mb: int = setting(integer(64, 1024 * 1024), limits.BLOBS_BYTES_MAX // (1024 * 1024))
    """For models and other large files; what was fetched makes room, oldest first."""
    keep: str = setting(choice("auto", "all", "own"), "auto")
    checkpoint_s: int = setting(integer(5, 86_400), 600)
    """As a member of a committee: how long what is new waits to be sealed."""

    @property
    def key_file(self) -> Path:
        return self.data_dir / "keys" / "node.seed"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "log"

    @property
    def blobs_dir(self) -> Path:
        return self.data_dir / "blobs"

    @property
    def control_socket(self) -> Path:
        return self.runtime_dir / "synedge.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """Which site it belongs to, and how it signs."""

    authority: Path = setting(path, Path("authority.pub"))
    """The public key that signs the roster; this file is what makes a device belong to a site."""
    roster: Path = setting(path, Path("roster.cose"))
    suite: str = setting(choice(*SUITES), "ml-dsa-65")


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """How it finds and enters a broker."""

    urls: tuple[str, ...] = setting(strings(0, limits.CANDIDATE_BROKERS_MAX, url), ())
    """Brokers to use, best first; none means: find one by mDNS, else host one."""
    username: str | None = setting(optional_text, None)
    password_file: Path | None = setting(optional_path, None)
    ca_file: Path | None = setting(optional_path, None)
    certificate_file: Path | None = setting(optional_path, None)
    key_file: Path | None = setting(optional_path, None)
    discover: bool = setting(boolean, True)
    interfaces: tuple[str, ...] = setting(strings(0, 16, ipv4), ())
    """Own addresses of the networks that mDNS may use; none means all of them."""
    home_assistant: bool = setting(boolean, True)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """Whether and how it hosts one."""

    host: str = setting(choice("auto", "always", "never"), "auto")
    listen: str = setting(address, "127.0.0.1")
    port: int = setting(integer(0, 65535), 0)
    """0: the system picks a free one and mDNS tells it."""
    engine: str = setting(choice("auto", "mosquitto", "iotcore"), "auto")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """How soon events are durable, and how much of them is kept."""

    commit_window_ms: int = setting(integer(1, 600_000), 1000)
    """How long an event may wait for its fdatasync: flash wear on one side, what a power cut may cost on the other."""
    max_mb: int = setting(integer(16, 1024 * 1024), 512)
    drop: str = setting(choice("sealed", "acknowledged"), "sealed")
    """What may make room in a full log: what a gateway has, or what a quorum of the committee has, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """A stream of readings; `options` are the keys of its kind with absolute paths, as `open_source` takes them."""

    name: str = required(entry_name)
    kind: str = required(choice(*SOURCE_KINDS))
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """Who looks at a source; `options` is the whole table as `agent_options` takes it, with `scaling` read in.

    A table with `models` stands for many: they share its options, and each has its own name and model.
    """

    name: str = required(entry_name)
    source: str = required(entry_name)
    model: Path | None = setting(optional_path, None)
    """None: the agent decides on the window itself."""
    models: Path | None = setting(optional_pattern, None)
    """An agent for each file whose name fits the pattern, in the order of their names, called NAME-STEM."""
    options: Mapping[str, object]
    table: str
    """Its table's name, which for one of many is the beginning of its own."""
    place: str
    """Its table's place in the file: `agent.0` is the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file, every key with its value or its default."""

    node: NodeConfig
    site: SiteConfig
    mqtt: MqttConfig
    broker: BrokerConfig
    log: LogConfig
    sources: tuple[SourceConfig, ...]
    agents: tuple[AgentConfig, ...]
    origin: Path
    """The file, absolute."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """`log.max_mb` → `default`, `synedge.toml:12` or `env SYNEDGE_LOG__MAX_MB`."""
