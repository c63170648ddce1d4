"""`synedge bench`: hands over to `edge.lab.bench`, which knows the benchmarks and their options."""

from argparse import ArgumentParser, Namespace

from edge.cli.main import Parser
from edge.cli.options import add_json
from edge.cli.output import Output


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="?", metavar="WHAT", help="mesh, journal, codec, admit …; all of them when left out"
    )
    parser.epilog = "Further options go to the benchmark as they are."
    add_json(parser)
    assert isinstance(parser, Parser)
    parser.passthrough = True


def run(args: Namespace, out: Output) -> int:
    del out
    from edge.lab.bench import main

    return main(args)
