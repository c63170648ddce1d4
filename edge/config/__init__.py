"""The configuration: one TOML file, read once at the border into frozen values.

Every key, its default and its rule stand in `tables`; an unknown key, a wrong type or a wrong range is refused with
file, key, value and what is allowed. Precedence: environment `SYNEDGE_<TABLE>__<KEY>` over the file over the default;
`Config.origins` remembers which one spoke. Relative paths start at the directory of the file.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from edge.config.fields import BrokerUrl, broker_url
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
from edge.errors import ConfigError

__all__ = [
    "AgentConfig",
    "BrokerConfig",
    "BrokerUrl",
    "Config",
    "LogConfig",
    "MqttConfig",
    "NodeConfig",
    "SiteConfig",
    "SourceConfig",
    "broker_url",
    "find",
    "load",
]

SYSTEM_FILE = Path("/etc/synedge/synedge.toml")


def load(file: str | Path, *, environ: Mapping[str, str] | None = None, check_files: bool = True) -> Config:
    """Read and check a configuration; ConfigError names file, key, value and what is allowed.

    `check_files=False` opens no file it names, neither models nor recordings, and so leaves out what sources and agents
    say of their own keys; for commands that need neither.
    """
    from edge.config.check import check
    from edge.config.loader import open_document

    document = open_document(file, os.environ if environ is None else environ)
    return check(document.config(check_files=check_files), document, check_files=check_files)


def find(chosen: str | None) -> Path:
    """The file a command uses: the one that was named, else ./synedge.toml, else /etc/synedge/synedge.toml."""
    if chosen:
        return Path(chosen)
    for place in (Path("synedge.toml"), SYSTEM_FILE):
        if place.exists():
            return place
    raise ConfigError(f"no synedge.toml here and no {SYSTEM_FILE}; `synedge init` makes one, --config names one")
