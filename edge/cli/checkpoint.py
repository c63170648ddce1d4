"""`synedge checkpoint`: up to where a committee has sealed what the site holds and what is final."""

from argparse import ArgumentParser, Namespace
from typing import Any

from edge.cli.options import add_config, add_example, add_json, load_config
from edge.cli.output import Output
from edge.shell.control import ask


def arguments(parser: ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    add_example(parser, "checkpoint --config pump-7/synedge.toml", "checkpoint --json")


def run(args: Namespace, out: Output) -> int:
    rows = ask(load_config(args).node.control_socket, "checkpoints")
    if out.as_json:
        out.document({"checkpoints": rows})
        return 0
    if not rows:
        out.line("no checkpoint is final here yet; members ask for one by themselves when something is new")
    for row in rows:
        known = (
            f"{row['registers']} registers, {row['lines']} lines" if row["known"] else "what it comes to is not known"
        )
        out.pairs(
            [
                ("checkpoint", f"{row['scope']}/{row['version']}, {row['state']}, epoch {row['epoch']}: {known}"),
                ("root of registers", row["root"]),
                ("root of shared state", _state(row)),
                ("heads", ", ".join(f"{head['node']} {head['incarnation']}/{head['seq']}" for head in row["heads"])),
            ]
        )
    return 0


def _state(row: dict[str, Any]) -> str:
    if row["state_root"] is None:
        return "not said"
    return row["state_root"] if row["state_known"] else f"{row['state_root']}, which this device has not come to"
