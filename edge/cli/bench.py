"""`synedge bench`: the benchmarks of `edge.lab.benches`, each a sub-command that is imported when it is asked for."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from edge.cli.main import Parser
from edge.cli.options import add_example, add_json
from edge.cli.output import Output
from edge.lab.bench import BENCHES, benchmark


class BenchParser(Parser):
    """Learns its options when it is chosen: their defaults stand beside code that is slow to import."""

    name = ""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]  # argparse has two overloads
        benchmark(self.name).arguments(self)
        return super().parse_known_args(args, namespace)


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", parser_class=BenchParser)
    for name, summary in BENCHES.items():
        child = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        child.name = name
        add_json(child, is_inherited=True)
    add_json(parser)
    parser.description = "Measure this machine through the code that ships. Without WHAT: everything, as it stands."
    add_example(parser, "bench", "bench mesh --help", "bench codec --json")


def run(args: Namespace, out: Output) -> int:
    from edge.lab.bench import main

    return main(args, out)
