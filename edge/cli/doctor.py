"""`synedge doctor`: looks at everything a start needs, and says how to mend what is wrong. Changes nothing."""

from argparse import ArgumentParser, Namespace

from edge.cli.options import add_config, add_example, add_json
from edge.cli.output import Output

EXIT_FAILED = 1
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def arguments(parser: ArgumentParser) -> None:
    parser.epilog = "Exit code 1 when a check fails; a warning alone is 0."
    add_config(parser)
    add_json(parser)
    add_example(parser, "doctor --config pump-7/synedge.toml")


def run(args: Namespace, out: Output) -> int:
    from edge.cli.checks import examine

    found = examine(args.config)
    failed = any(item.state == "fail" for item in found)
    if out.as_json:
        out.document({"ok": not failed, "checks": [item._asdict() for item in found]})
    else:
        out.table(("check", "state", "found"), [item[:3] for item in found], colours=COLOURS)
        for item in found:
            if item.fix:
                out.line(f"{out.paint(item.state, COLOURS[item.state])} {item.check}: {item.fix}")
    return EXIT_FAILED if failed else 0
