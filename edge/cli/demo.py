"""`synedge demo`: hands over to `edge.lab.demo`."""

from argparse import ArgumentParser, Namespace

from edge.cli.options import add_example, add_json, at_least
from edge.cli.output import Output


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--nodes", type=at_least(1), default=8, metavar="N", help="devices, besides the gateway (8)")
    parser.add_argument(
        "--seconds", type=at_least(0, whole=False), default=20.0, metavar="S", help="of load, before the drain (20)"
    )
    parser.add_argument("--chaos", action="store_true", help="kill two devices and a broker host, start one late")
    parser.add_argument("--keep", metavar="DIR", help="work in DIR and leave everything there")
    parser.add_argument(
        "--replay-speed", type=at_least(0.001, whole=False), metavar="X", help="of the recordings, against real time"
    )
    add_json(parser)
    add_example(parser, "demo", "demo --nodes 4 --seconds 10 --chaos --keep kept --json")


def run(args: Namespace, out: Output) -> int:
    del out
    from edge.lab.demo import main

    return main(args)
