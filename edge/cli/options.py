"""Options that several commands share, and what they lead to."""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.config import Config


def add_json(parser: ArgumentParser, *, is_inherited: bool = False) -> None:
    """`is_inherited`: the parser above takes it too, and what was said there holds."""
    parser.add_argument(
        "--json",
        action="store_true",
        default=SUPPRESS if is_inherited else False,
        help="one JSON document on stdout, errors as JSON on stderr",
    )


def add_example(parser: ArgumentParser, *lines: str) -> None:
    """Command lines at the end of a help, without the word `synedge`."""
    said = "".join(f"\n  synedge {line}" for line in lines)
    parser.epilog = (f"{parser.epilog}\n\n" if parser.epilog else "") + f"example{'s'[: len(lines) > 1]}:{said}"


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


def add_command(commands: Any, name: str, summary: str, *examples: str) -> ArgumentParser:
    """A sub-command; `commands` is what `add_subparsers` answered."""
    child: ArgumentParser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    add_example(child, *examples)
    return child


def at_least(low: float, *, whole: bool = True) -> Callable[[str], float]:
    """An argparse type: a number from `low` on; what is none is a usage error that says so."""

    def read(text: str) -> float:
        try:
            value = int(text) if whole else float(text)
            if low <= value < inf:
                return value
        except ValueError:
            pass
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed: a {'whole ' if whole else ''}number from {low:g}")

    return read


def share(*, whole: bool = True) -> Callable[[str], float]:
    """An argparse type: a part as `10%` or `0.1`, also all of it unless `whole` says no."""

    def read(text: str) -> float:
        try:
            value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
            if 0 <= value < 1 or (whole and value == 1):
                return value
        except ValueError:
            pass
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed: 0% {'to' if whole else 'up to below'} 100%")

    return read


def load_config(args: Namespace, *, check_files: bool = False) -> "Config":
    """The configuration the command line names. Only commands that open models and recordings check those files."""
    from edge.config import find, load

    return load(find(args.config), check_files=check_files)
