"""`synedge run`: the agent in the foreground, as systemd starts it."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from edge.cli.options import add_config, add_example, add_json, load_config
from edge.cli.output import Output

if TYPE_CHECKING:
    from edge.config import Config


def arguments(parser: ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    add_example(parser, "run --config pump-7/synedge.toml")


def run(args: Namespace, out: Output) -> int:
    del out
    import gc

    from edge.shell import lean

    gc.disable()  # what is made until READY is made to stay; the agent turns it on again
    lean.put_off()
    config = load_config(args, check_files=True)
    if not uses_openssl(config):
        lean.hash_without_openssl()
    from edge.agent import run as run_agent

    return run_agent(config)


def uses_openssl(config: "Config") -> bool:
    """For TLS, for the password file of a hosted broker, and for a gateway, which checks what a whole site sends."""
    speaks_tls = any(url.startswith("mqtts:") for url in config.mqtt.urls)
    return speaks_tls or config.mqtt.username is not None or config.node.role == "gateway"
