"""`synedge version`: what this is, and what it stands on."""

from argparse import ArgumentParser, Namespace

from edge import __version__
from edge.cli.options import add_example, add_json
from edge.cli.output import Output

LIBRARIES = ("paho-mqtt", "zeroconf", "pycryptodome", "iotcore")


def arguments(parser: ArgumentParser) -> None:
    add_json(parser)
    add_example(parser, "version --json")


def run(args: Namespace, out: Output) -> int:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    def installed(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    found = {
        "synedge": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: installed(name) for name in LIBRARIES},
    }
    if out.as_json:
        out.document(found)
    else:
        out.line(f"synedge {found['synedge']} (Python {found['python']}, {found['machine']})")
    return 0
