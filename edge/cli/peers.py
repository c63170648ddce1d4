"""`synedge peers`: whom the running agent knows, and when it last heard of them."""

from argparse import ArgumentParser, Namespace
from typing import Any

from edge.cli.options import add_config, add_example, add_json, load_config
from edge.cli.output import Output
from edge.cli.status import span
from edge.shell.control import ask

STATES = {True: "online", False: "offline", None: "not listened to"}


def arguments(parser: ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    add_example(parser, "peers --config pump-7/synedge.toml")


def run(args: Namespace, out: Output) -> int:
    peers = ask(load_config(args).node.control_socket, "peers")
    if out.as_json:
        out.document({"peers": peers})
        return 0
    rows = []
    for peer in peers:
        heard = peer.get("heard_s")
        state = STATES[peer["online"]]
        rows.append(
            (
                peer["index"],
                peer["name"],
                peer["roles"],
                state,
                "never" if heard is None else f"{span(heard)} ago",
                peer.get("vertices"),
                peer.get("ahead_of_us"),
                _checkpoint(peer),
            )
        )
    if not rows:
        out.line("no other members in the roster")
        return 0
    out.table(
        ("index", "name", "roles", "state", "heard", "vertices", "ahead of us", "checkpoint"),
        rows,
        colours={"online": "green", "offline": "yellow"},
    )
    return 0


def _checkpoint(peer: dict[str, Any]) -> str | int | None:
    """The newest that its vertices name."""
    version: int | None = peer.get("checkpoint")
    return f"{version}, not ours" if peer.get("checkpoint_differs") else version
