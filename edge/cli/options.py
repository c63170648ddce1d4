"""Options that several commands share, and what they lead to."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.config import Config


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, errors as JSON on stderr")


def add_config(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--config", metavar="FILE", help="the configuration (./synedge.toml, else /etc/synedge/synedge.toml)"
    )


def add_log(parser: ArgumentParser) -> None:
    """Which log: the one of a configuration, or any directory that holds one."""
    add_config(parser)
    parser.add_argument(
        "--data", metavar="DIR", help="instead of a configuration: a node's directory, its data directory or its log"
    )


def load_config(args: Namespace, *, check_files: bool = False) -> "Config":
    """The configuration the command line names. Only commands that open models and recordings check those files."""
    from edge.config import find, load

    return load(find(args.config), check_files=check_files)
