"""`synedge cuts`: hands over to `edge.lab.cuts.run`."""

from argparse import ArgumentParser, Namespace

from edge.cli.options import add_example, add_json, at_least
from edge.cli.output import Output

KINDS = ("cut", "one-way", "freeze", "kill", "kill-many", "clock")


def arguments(parser: ArgumentParser) -> None:
    parser.description = (
        "Found a site of real processes in network namespaces; cut its network, freeze its brokers, kill its members "
        "and set its clocks wrong while clients propose; judge the history. Needs root, iproute2 and Mosquitto."
    )
    parser.add_argument("--committee", type=at_least(3), default=7, metavar="N", help="members who vote (7)")
    parser.add_argument("--devices", type=at_least(2), default=8, metavar="N", help="others; two host a broker (8)")
    parser.add_argument("--seconds", type=at_least(5, whole=False), default=60.0, metavar="S", help="of faults (60)")
    parser.add_argument("--seed", type=at_least(0), default=1, metavar="N", help="what goes wrong, and when (1)")
    parser.add_argument(
        "--only", action="append", choices=KINDS, metavar="KIND", help=f"of what the seed plans: {', '.join(KINDS)}"
    )
    parser.add_argument("--keep", metavar="DIR", help="work in DIR and leave everything there")
    add_json(parser)
    add_example(
        parser,
        "cuts",
        "cuts --seed 7 --seconds 120 --keep kept --json",
        "cuts --committee 4 --devices 2 --only kill --only freeze",
    )


def run(args: Namespace, out: Output) -> int:
    from edge.lab.cuts.run import main

    return main(args, out)
