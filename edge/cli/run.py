"""`synedge run`: the agent in the foreground, as systemd starts it."""

from argparse import ArgumentParser, Namespace

from edge.cli.options import add_config, add_example, add_json, load_config
from edge.cli.output import Output


def arguments(parser: ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    add_example(parser, "run --config pump-7/synedge.toml")


def run(args: Namespace, out: Output) -> int:
    del out
    config = load_config(args, check_files=True)
    from edge.agent import run as run_agent

    return run_agent(config)
