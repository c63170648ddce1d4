"""`synedge demo`: hands over to `edge.lab.demo`, or `edge.lab.voice`."""

from argparse import ArgumentParser, Namespace

from edge.cli.options import add_example, add_json, at_least
from edge.cli.output import Output
from edge.errors import UsageError

NODES = 8
SECONDS = 20.0


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--nodes", type=at_least(1), metavar="N", help=f"devices, besides the gateway ({NODES})")
    parser.add_argument(
        "--seconds", type=at_least(0, whole=False), metavar="S", help=f"of load, before the drain ({SECONDS:g})"
    )
    parser.add_argument("--chaos", action="store_true", help="kill two devices and a broker host, start one late")
    parser.add_argument(
        "--voice",
        action="store_true",
        help="instead of movements: wake words, spoken by espeak-ng and heard by devices",
    )
    parser.add_argument("--keep", metavar="DIR", help="work in DIR and leave everything there")
    parser.add_argument(
        "--replay-speed", type=at_least(0.001, whole=False), metavar="X", help="of the recordings, against real time"
    )
    add_json(parser)
    add_example(parser, "demo", "demo --nodes 4 --seconds 10 --chaos --keep kept --json", "demo --voice")


def run(args: Namespace, out: Output) -> int:
    del out
    if args.voice:
        if args.nodes is not None or args.seconds is not None or args.chaos:
            raise UsageError(
                "--nodes, --seconds, --chaos: are not for --voice; it takes --replay-speed, --keep, --json"
            )
        from edge.lab.voice import main

        return main(args)
    from edge.lab.demo import main as main_of_movements

    args.nodes = NODES if args.nodes is None else args.nodes
    args.seconds = SECONDS if args.seconds is None else args.seconds
    return main_of_movements(args)
