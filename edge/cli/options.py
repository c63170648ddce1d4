"""Options that several commands share, and what they lead to."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import Config


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, errors as JSON on stderr")


def add_config(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--config", metavar="FILE", help="the configuration (./synedge.toml, else /etc/synedge/synedge.toml)"
    )


def load_config(args: Namespace, *, check_files: bool = False) -> "Config":
    """The configuration the command line names. Only commands that open models and recordings check those files."""
    from edge.config import find, load

    return load(find(args.config), check_files=check_files)


def data_dir(args: Namespace) -> "Path":
    """`--data DIR`, else the data directory of the configuration."""
    from pathlib import Path

    from edge.errors import UsageError

    if not args.data:
        return load_config(args).node.data_dir
    directory = Path(args.data)
    if not directory.is_dir():
        raise UsageError(f"--data {args.data}: no such directory")
    return directory
