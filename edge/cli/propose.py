"""`synedge propose`: ask the committee of a scope to make a value final."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from edge.cli.options import add_config, add_example, add_json, at_least, load_config
from edge.cli.output import Output
from edge.errors import TryLaterError, UsageError
from edge.limits import VALUE_BYTES_MAX
from edge.shell.control import ask
from edge.wire.items import is_register_key, is_scope
from edge.wire.voters import SITE_SCOPE

WAIT_S = 10.0
POLL_S = 0.02
LOST = 1
"""Exit code when another proposal became final instead."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", help="of the register, such as model/bearing")
    parser.add_argument("value", metavar="VALUE", nargs="?", help=f"text of at most {VALUE_BYTES_MAX} bytes")
    parser.add_argument("--file", type=Path, metavar="FILE", help="the bytes of this file instead of a text")
    parser.add_argument("--scope", default=SITE_SCOPE, help=f"whose committee decides ({SITE_SCOPE})")
    parser.add_argument(
        "--wait",
        type=at_least(0, whole=False),
        nargs="?",
        default=WAIT_S,
        const=WAIT_S,
        metavar="S",
        help=f"until it is decided ({WAIT_S:g}); 0: just propose. Nothing takes a proposal back",
    )
    add_config(parser)
    add_json(parser)
    add_example(
        parser,
        "propose model/bearing 3c0f6a2d --config pump-7/synedge.toml",
        "propose config/night --file night.json --wait 30",
    )


def run(args: Namespace, out: Output) -> int:
    value = _value(args)
    if not is_scope(args.scope) or not is_register_key(args.key):
        raise UsageError(f"{args.scope!r} {args.key!r}: a scope is like a node's name, a key such names joined by /")
    socket = load_config(args).node.control_socket
    asked = ask(socket, "propose", scope=args.scope, key=args.key, value_hex=value.hex())
    if not args.wait:
        answer: dict[str, Any] = {**asked, "state": "proposed"}
        out.document(answer) if out.as_json else out.line(f"{args.key} version {asked['version']}: proposed")
        return 0
    begun = monotonic()
    while monotonic() - begun < args.wait:
        for row in ask(socket, "registers"):
            if (row["scope"], row["key"]) == (args.scope, args.key) and row["version"] >= asked["version"]:
                return _decided(row, asked, value, monotonic() - begun, out)
        sleep(POLL_S)
    raise TryLaterError(
        f"{args.key} version {asked['version']}: not decided after {args.wait:g} s, and may be later; `synedge"
        " registers` shows it, `synedge committee show` who must be there"
    )


def _value(args: Namespace) -> bytes:
    if (args.value is None) == (args.file is None):
        raise UsageError("one of VALUE and --file")
    if args.file is not None:
        try:
            with args.file.open("rb") as file:
                value = bytes(file.read(VALUE_BYTES_MAX + 1))
        except OSError as error:
            raise UsageError(f"{args.file}: {error.strerror}") from None
    else:
        value = args.value.encode()
    if len(value) > VALUE_BYTES_MAX:
        raise UsageError(
            f"the value has more than {VALUE_BYTES_MAX} bytes; `synedge blobs add` the file and propose its SHA-256"
        )
    return value


def _decided(row: dict[str, Any], asked: dict[str, Any], value: bytes, seconds: float, out: Output) -> int:
    is_ours = row["version"] == asked["version"] and row["value_hex"] == value.hex()
    if out.as_json:
        out.document({**row, "is_ours": is_ours, "wait_ms": round(seconds * 1000, 1)})
    elif is_ours:
        out.line(f"{row['key']} version {row['version']}: final, in ballot {row['ballot']}")
    else:
        out.line(f"{row['key']} version {row['version']}: final, but another value: {row['value'] or row['value_hex']}")
    return 0 if is_ours else LOST
