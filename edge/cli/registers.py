"""`synedge registers`: what is final, as the running agent knows it."""

from argparse import ArgumentParser, Namespace
from typing import Any

from edge.cli.options import add_config, add_example, add_json, load_config
from edge.cli.output import Output
from edge.shell.control import ask


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", nargs="?", help="this one alone")
    add_config(parser)
    add_json(parser)
    add_example(parser, "registers --config pump-7/synedge.toml", "registers model/bearing --json")


def run(args: Namespace, out: Output) -> int:
    rows = ask(load_config(args).node.control_socket, "registers")
    rows = [row for row in rows if args.key in (None, row["key"])]
    if out.as_json:
        out.document({"registers": rows})
    elif not rows:
        out.line("nothing is final here yet" if args.key is None else f"nothing is final for {args.key} yet")
    else:
        out.table(
            ("scope", "key", "version", "value", "state", "ballot", ""),
            [
                (
                    row["scope"],
                    row["key"],
                    row["version"],
                    row["value"] or row["value_hex"][:64],
                    row["state"],
                    row["ballot"],
                    _said(row),
                )
                for row in rows
            ],
            colours={"final": "green", "sealed": "green"},
        )
    return 0


def _said(row: dict[str, Any]) -> str:
    """That a lost committee was replaced before this was decided, and what that one had certified instead."""
    if not row["recovered"]:
        return ""
    overruled = row["overruled"]
    return f"recovered, overrules {overruled['value'] or overruled['value_hex'][:64]}" if overruled else "recovered"
