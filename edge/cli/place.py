"""A node's directory: the files that `synedge init` and `synedge fleet add --out` lay out, and never overwrite."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from edge.config import Config, load
from edge.errors import ConfigError
from edge.shell.files import sync_directory, write_atomically
from edge.shell.keys import load_or_create_seed
from edge.wire.suite import SUITE_BY_NAME, public_from_seed

TEMPLATE = """\
# Synedge. `synedge config show` prints every key with its value; docs/OPERATING.md explains them.

[node]
name = {name}
{more}
# A source is a stream of readings, an agent looks at one. Take away the # to start with one of yours.
#
# [[source]]
# name = "accel"
# kind = "mqtt"                         # or "file", "sysfs", "command"
# topic = "sensors/{plain}/accel"
# fields = ["x", "y", "z"]
#
# [[agent]]
# name = "bearing"
# source = "accel"
# window = {{ size = 128, step = 64 }}
# model = "bearing.tflite"
# decide = {{ kind = "argmax", threshold = 0.8, hold = 3, labels = ["ok", "worn", "failing"] }}
"""


class NodeSettings(NamedTuple):
    """What goes into a new synedge.toml; None and the defaults stay out of it."""

    name: str
    label: str = ""
    role: str = "device"
    suite: str = "ml-dsa-65"
    data_dir: str | None = None
    runtime_dir: str | None = None


class Place(NamedTuple):
    """A node's directory as it stands."""

    config: Config
    seed: bytes
    public_key: bytes
    suite: int
    made: tuple[Path, ...]
    """What was not there before."""

    @property
    def public_file(self) -> Path:
        return self.config.origin.parent / "node.pub"


def lay_out(directory: Path, settings: NodeSettings, *, rewrite: bool = False) -> Place:
    """Make what is missing (synedge.toml, data directory 0700, key, node.pub) and keep what is there.

    `rewrite` puts a new synedge.toml over an old one; a key is never replaced. Otherwise ConfigError when a
    synedge.toml is there that names another node.
    """
    made: list[Path] = []
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "synedge.toml"
    if rewrite or not file.exists():
        write_atomically(file, render(settings).encode())
        made.append(file)
    config = load(file, check_files=False)
    _agree(config, settings)
    if not config.node.data_dir.exists():
        config.node.data_dir.mkdir(mode=0o700, parents=True)
        os.chmod(config.node.data_dir, 0o700)
        sync_directory(config.node.data_dir.parent)
        made.append(config.node.data_dir)
    seed, is_new = load_or_create_seed(config.node.key_file)
    if is_new:
        made.append(config.node.key_file)
    suite = SUITE_BY_NAME[config.site.suite].number
    public_key = public_from_seed(suite, seed)
    public_file = directory / "node.pub"
    if not public_file.exists() or public_file.read_bytes() != public_key:
        write_atomically(public_file, public_key)
        made.append(public_file)
    return Place(config, seed, public_key, suite, tuple(made))


def render(settings: NodeSettings) -> str:
    """A minimal synedge.toml; values are quoted as JSON, whose strings TOML reads alike."""
    lines = []
    for key, value, default in (
        ("label", settings.label, ""),
        ("role", settings.role, "device"),
        ("data_dir", settings.data_dir, None),
        ("runtime_dir", settings.runtime_dir, None),
    ):
        if value != default:
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}\n")
    if settings.suite != "ml-dsa-65":
        lines.append(f'\n[site]\nsuite = "{settings.suite}"\n')
    return TEMPLATE.format(name=json.dumps(settings.name), plain=settings.name, more="".join(lines))


def _agree(config: Config, settings: NodeSettings) -> None:
    """An existing file wins, but not silently over what the command line asked for."""
    for key, wanted, found in (
        ("name", settings.name, config.node.name),
        ("role", settings.role, config.node.role),
        ("suite", settings.suite, config.site.suite),
    ):
        if wanted != found:
            raise ConfigError(
                f"{config.origin}: is there already with {key} = {found!r}, not {wanted!r}; edit it, or use "
                "another directory"
            )
