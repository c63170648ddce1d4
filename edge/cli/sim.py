"""`synedge sim`: hands over to `edge.lab.simulation`."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from edge.cli.options import add_example, add_json, at_least, share
from edge.cli.output import Output


def arguments(parser: ArgumentParser) -> None:
    parser.description = (
        "Run whole sites of the shipped node in virtual time. With --seeds: worlds in which things go wrong, and "
        "checkers that stand outside. With --gateway-away, --asleep, --loss or --plot: one site, and what it costs; of "
        "a committee also what its decisions take in time and bytes, and its availability."
    )
    parser.add_argument(
        "--nodes", type=at_least(2), metavar="N", help="gateways included (of the profile; one site: 50, one a gateway)"
    )
    parser.add_argument("--minutes", type=at_least(0.05, whole=False), metavar="M", help="of load and faults, virtual")
    parser.add_argument(
        "--committee", type=at_least(0), metavar="N", help="the first N vote; 0 for none (of the profile; else none)"
    )
    prove = parser.add_argument_group("to look for faults")
    prove.add_argument("--seeds", type=_seeds, metavar="A:B", help="worlds A up to but not including B (0:20)")
    prove.add_argument("--profile", default="mixed", metavar="NAME", help="what goes wrong; --list shows them (mixed)")
    prove.add_argument("--byzantine", type=at_least(0), metavar="R", help="so many of these lie (of the profile)")
    prove.add_argument("--behaviour", metavar="NAME", help="how they lie, or a mix of ways; --list shows them (mix)")
    prove.add_argument("--sleepers", type=share(whole=False), metavar="P%", help="of devices: one nap a minute each")
    prove.add_argument("--break", dest="broken", metavar="RULE", help="take one rule away, to see it caught")
    prove.add_argument("--no-shrink", action="store_true", help="do not look for a smaller case of a failure")
    prove.add_argument("--real-signatures", action="store_true", help="ML-DSA in all worlds, not in one of a hundred")
    prove.add_argument("--list", action="store_true", help="profiles and rules, and nothing else")
    prove.add_argument("--only", type=_numbers, metavar="LIST", help="faults by number, or none: as a replay says")
    prove.add_argument(
        "--stop-minutes", type=at_least(0.0, whole=False), metavar="M", help="heal then: as a replay says"
    )
    price = parser.add_argument_group("to see what a site costs")
    price.add_argument("--asleep", type=share(whole=False), metavar="P%", help="of each device's time; not of devices")
    price.add_argument("--loss", type=share(whole=False), metavar="P%", help="of frames, each way")
    price.add_argument("--gateway-away", type=_minutes, metavar="T", help="from minute 1 on: 90m, 8h, 1d")
    price.add_argument(
        "--rate", type=at_least(0.001, whole=False), default=1.0, metavar="R", help="vertices a minute (1)"
    )
    price.add_argument("--plot", metavar="FILE", help="the course of it as a PNG; needs the extra synedge[plot]")
    add_json(parser)
    add_example(
        parser,
        "sim --seeds 0:200 --json",
        "sim --nodes 7 --seeds 0:50 --profile crashes",
        "sim --seeds 0:200 --break fsync",
        "sim --seeds 0:50 --nodes 8 --committee 7 --byzantine 2 --behaviour turncoat --sleepers 20%",
        "sim --nodes 50 --asleep 10% --loss 2% --gateway-away 1h --plot site.png",
        "sim --nodes 200 --committee 7 --asleep 10% --loss 2% --minutes 10",
    )


def run(args: Namespace, out: Output) -> int:
    from edge.lab.simulation import main

    return main(args, out)


def _seeds(text: str) -> range:
    first, colon, end = text.partition(":")
    try:
        seeds = range(int(first), int(end) if colon else int(first) + 1)
    except ValueError:
        seeds = range(0)
    if not seeds or seeds.start < 0:
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed: A:B with 0 <= A < B, or one seed")
    return seeds


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return () if text == "none" else tuple(map(int, text.split(",")))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed: numbers joined by commas, or none") from None


def _minutes(text: str) -> float:
    units = {"m": 1.0, "h": 60.0, "d": 1440.0}
    try:
        value = float(text[:-1]) * units[text[-1:]]
        if value > 0:
            return value
    except (ValueError, KeyError):
        pass
    raise ArgumentTypeError(f"{text!r} is not allowed; allowed: a number and m, h or d")
