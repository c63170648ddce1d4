"""`synedge state`: what all devices of the site share without a vote, and what this one has to say."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from edge.cli.options import add_command, add_config, add_example, add_json, at_least, load_config
from edge.cli.output import Output
from edge.cli.status import span
from edge.errors import DataError, SynedgeError, TryLaterError, UsageError
from edge.limits import STATE_NAME_BYTES_MAX, STATE_VALUE_BYTES_MAX
from edge.shell.control import ask
from edge.wire.items import is_state_name

WAIT_S = 10.0
POLL_S = 0.05
COLOURS = {"sealed": "green"}
SAYS = {
    "set": ("give a register a new value; of all who do the newest wins", 'state set "limit °C" 21.5'),
    "add": ("put an element into a set", 'state add "on duty" pump-7', "state add models/seen 3c0f6a2d --grow"),
    "remove": ("take an element out of a set, as far as we have seen who put it in", 'state remove "on duty" pump-7'),
    "count": ("add to a counter", "state count doors 1", "state count doors -3"),
    "append": ("add an entry to a series", 'state append notes "bearing oiled"'),
}


def arguments(parser: ArgumentParser) -> None:
    add_example(parser, "state list --config pump-7/synedge.toml", 'state set "limit °C" 21.5')
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    add_command(
        commands,
        "list",
        "every name, and the root of all",
        "state list --config pump-7/synedge.toml",
        "state list --sealed",
    )
    add_command(commands, "get", "what a name has, and who said so", 'state get "on duty"', "state get doors --json")
    for verb in ("list", "get"):
        commands.choices[verb].add_argument(
            "--sealed", action="store_true", help="as the newest checkpoint has it, under the root that this says"
        )
    for verb, (summary, *examples) in SAYS.items():
        add_command(commands, verb, summary, *examples)
    for verb, child in commands.choices.items():
        if verb != "list":
            child.add_argument("name", metavar="NAME", help=f"text of at most {STATE_NAME_BYTES_MAX} bytes")
        if verb == "count":
            child.add_argument("delta", metavar="N", type=int, help="a whole number, not 0")
        elif verb in SAYS:
            child.add_argument("value", metavar="VALUE", help=f"text of at most {STATE_VALUE_BYTES_MAX} bytes")
        if verb == "add":
            child.add_argument("--grow", action="store_true", help="into the set of that name that only grows")
        if verb in SAYS:
            child.add_argument(
                "--wait",
                type=at_least(0, whole=False),
                default=WAIT_S,
                metavar="S",
                help=f"until it is recorded here ({WAIT_S:g}); 0: just say it",
            )
        add_config(child)
        add_json(child)


def run(args: Namespace, out: Output) -> int:
    if args.what == "list":
        return _list(args, out)
    if not is_state_name(args.name):
        raise UsageError(f"name {args.name!r}: allowed: 1 to {STATE_NAME_BYTES_MAX} bytes without control characters")
    return _get(args, out) if args.what == "get" else _say(args, out)


def _list(args: Namespace, out: Output) -> int:
    state = ask(load_config(args).node.control_socket, "state", **_asked(args))
    if out.as_json:
        out.document(state)
        return 0
    if state["names"]:
        rows = [(row["type"], row["name"], _told(row), row["state"]) for row in state["names"]]
        out.table(("type", "name", "value", "state"), rows, colours=COLOURS)
    else:
        out.line("nobody has said anything yet")
    if state["more"]:
        out.line(f"and {state['more']} more; `synedge state get NAME` shows each")
    if args.sealed:
        out.line(_said_by_checkpoint(state))
    elif state["partial"]:
        out.line("partial: this device lacks part of what was said")
    elif state["root"] is None:
        out.line("of its own line only: this device keeps nobody else's")
    else:
        out.line(f"root {state['root']}")
    return 0


def _asked(args: Namespace) -> dict[str, bool]:
    return {"sealed": True} if args.sealed else {}


def _said_by_checkpoint(state: dict[str, Any]) -> str:
    if state["partial"]:
        return "this device's log has lost what was sealed before, and nobody has handed it over yet"
    if state["root"] is None:
        return "of no checkpoint: this device keeps nobody else's"
    if not state["version"]:
        return "no checkpoint that is known here says anything of shared state"
    behind = f"; {state['newest']} is final and not followed yet" if state["newest"] > state["version"] else ""
    return f"as of checkpoint site/{state['version']}, root {state['root']}{behind}"


def _told(row: dict[str, Any]) -> object:
    if "total" in row:
        return row["total"]
    if "count" in row:
        return f"{row['count']} {'entries' if row['type'] == 'series' else 'elements'}"
    return _shown(row)


def _shown(row: dict[str, Any]) -> str:
    return row["value"] if row["value"] is not None else f"0x{row['value_hex']}"


def _get(args: Namespace, out: Output) -> int:
    """Exit code 1: nobody has said anything of this name."""
    rows = ask(load_config(args).node.control_socket, "state_get", name=args.name, **_asked(args))
    if out.as_json:
        out.document({"name": args.name, "types": rows})
    elif not rows:
        out.line(f"{args.name}: nothing")
    for row in rows if not out.as_json else ():
        if "total" in row:
            out.line(f"counter: {row['total']}, {row['state']}")
            counted = [(name, total, row["states"][name]) for name, total in row["by"].items()]
            out.table(("by", "counted", "state"), counted, colours=COLOURS)
        elif "values" in row:
            out.line(f"{row['type']}: {len(row['values'])}{' and more' if row['more'] else ''}")
            values = [(_shown(value), value["by"], value["state"]) for value in row["values"]]
            out.table(("value", "by", "state"), values, colours=COLOURS)
        else:
            out.line(f"register: {_shown(row)}, by {row['by']}, {row['state']}")
    return 0 if rows else 1


def _ask(socket: Path, fields: dict[str, object]) -> Any:
    """DataError with the agent's own words when it refuses."""
    try:
        return ask(socket, "state_say", **fields)
    except SynedgeError as error:
        if type(error) is not SynedgeError:
            raise
        raise DataError(str(error)) from None


def _say(args: Namespace, out: Output) -> int:
    socket = load_config(args).node.control_socket
    fields: dict[str, object] = {"verb": "grow" if getattr(args, "grow", False) else args.what, "name": args.name}
    if args.what == "count":
        if not args.delta:
            raise UsageError("N: allowed: a whole number that is not 0")
        fields["delta"] = args.delta
    else:
        value = args.value.encode()
        if len(value) > STATE_VALUE_BYTES_MAX:
            raise UsageError(f"VALUE has {len(value)} bytes; allowed are {STATE_VALUE_BYTES_MAX}")
        fields["value_hex"] = value.hex()
    said = _ask(socket, fields)
    begun = monotonic()
    now = said
    while now["recorded"] < said["number"] and monotonic() - begun < args.wait:
        sleep(POLL_S)
        now = ask(socket, "state_said")
        if now["life"] != said["life"]:
            raise TryLaterError(f"{args.name}: the agent began anew; `synedge state get` shows what holds")
    is_recorded = now["recorded"] >= said["number"]
    if args.wait and not is_recorded:
        raise TryLaterError(f"{args.name}: not recorded after {span(args.wait)}; it still waits, and may be later")
    word = "recorded" if is_recorded else "said"
    out.document({"name": args.name, "state": word}) if out.as_json else out.line(f"{args.name}: {word}")
    return 0
