"""The `synedge` command: finds the sub-command, imports only its module, and turns every ending into an exit code.

A command module has `arguments(parser)` and `run(args, out) -> int`. Whatever it raises as `SynedgeError` becomes one
line on stderr (one JSON object with --json) and the sysexits code of its class.
"""

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import NoReturn

from edge.errors import PermissionsError, StorageError, SynedgeError, UsageError

COMMANDS = {
    "init": "make a configuration, a data directory and a node key",
    "run": "run the agent in the foreground",
    "demo": "run a whole mesh of real processes on this machine",
    "status": "what the running agent is doing",
    "peers": "whom the running agent knows",
    "agents": "list the agents, or test one on a recorded file",
    "models": "what is in a model file, which engine takes it, what it answers",
    "nn": "train a network on this device",
    "events": "what is in the log: own events and peers'",
    "dag": "heads of the log; verify it; export it for other tools",
    "blobs": "models and other large files: add here, get on another device",
    "fleet": "make a site and its members; offline",
    "recovery": "replace a lost committee, by k of m keys; offline",
    "committee": "who votes here; how many should, and what that is worth",
    "propose": "ask the committee to make a value final",
    "registers": "what is final",
    "checkpoint": "up to where a committee has sealed what the site holds",
    "lease": "be the only one for a while, as long as you go on asking",
    "certificate": "the proof that a value is final: show it, verify it, as COSE",
    "state": "what all devices share without a vote",
    "config": "check a configuration, or show where each value comes from",
    "bench": "measure this machine",
    "sim": "run whole sites in virtual time: what breaks, and what it costs",
    "cuts": "cut and kill a site that agrees, and judge its history",
    "doctor": "look for what is wrong here, and say how to mend it",
    "version": "version and what it was built with",
}
TOP_EPILOG = """\
examples:
  synedge demo
  synedge init pump-7 --name pump-7 --new-site
  synedge run --config pump-7/synedge.toml

`synedge COMMAND --help` shows the options of a command; --json works on all of them."""
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130  # 128 + SIGINT
EXIT_NO_READER = 141  # 128 + SIGPIPE


class Help(RawDescriptionHelpFormatter):
    """argparse makes one for every option it is given, and asks shutil for its width, which brings two compressors."""

    def __init__(self, prog: str) -> None:
        given = os.environ.get("COLUMNS", "")
        try:
            columns = int(given) if given.isdigit() else os.get_terminal_size().columns
        except OSError:  # no terminal
            columns = 0
        super().__init__(prog, width=(columns or 80) - 2)


class Parser(ArgumentParser):
    """argparse that answers with our exit codes and says what was probably meant."""

    def __init__(self, prog: str, description: str = "") -> None:
        super().__init__(prog, description=description, allow_abbrev=False, formatter_class=Help)
        self.runs_program: str | None = None
        """The sub-command with another program's command line after --."""

    def error(self, message: str) -> NoReturn:
        # argparse: "argument what: invalid choice: 'hed' (choose from …)"
        raise UsageError(f"{message}{self._near_choice(message)}; `{self.prog} --help` shows what there is")

    def parse(self, argv: Sequence[str]) -> Namespace:
        words = list(argv)
        at = words.index("--") if words[:1] == [self.runs_program] and "--" in words else len(words)
        args, rest = self.parse_known_args(words[:at], Namespace(program=words[at + 1 :]))
        if rest:
            known = self._known_options(self)
            what = "option" if rest[0].startswith("-") else "argument"
            self.error(f"unknown {what} {rest[0]!r}{_near(rest[0], known)}")
        return args

    def _known_options(self, parser: ArgumentParser) -> list[str]:
        known = list(parser._option_string_actions)
        for action in parser._actions:
            if isinstance(action.choices, dict):
                known += [option for child in action.choices.values() for option in self._known_options(child)]
        return known

    @staticmethod
    def _near_choice(message: str) -> str:
        _, found, tail = message.partition("invalid choice: ")
        if not found:
            return ""
        word, _, rest = tail.partition(" (choose from ")
        return _near(word.strip("'"), [choice.strip("' )") for choice in rest.split(",")])


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code is of sysexits.h, or 130 and 141 as a shell says for SIGINT and SIGPIPE."""
    argv = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in argv
    _prepare_streams()
    try:
        try:
            return _dispatch(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return EXIT_NO_READER
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SystemExit as stop:  # argparse after --help
        return stop.code if isinstance(stop.code, int) else 0
    except SynedgeError as error:
        return _complain(error, as_json=as_json)
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
        kind = PermissionsError if isinstance(error, PermissionError) else StorageError
        return _complain(kind(said), as_json=as_json)
    except Exception as error:
        return _internal(error, as_json=as_json)


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        _top_parser().print_help()
        return 0 if argv else UsageError.code
    if argv[0] in ("-V", "--version"):
        argv = ["version", *argv[1:]]
    name = argv[0]
    if name not in COMMANDS:
        if name.startswith("-"):
            raise UsageError(f"options come after the command: synedge COMMAND {name} …; `synedge --help` lists them")
        raise UsageError(f"unknown command {name!r}{_near(name, list(COMMANDS))}; `synedge --help` lists them")

    from importlib import import_module

    from edge.cli.output import Output

    command = import_module(f"edge.cli.{name}")
    parser = Parser(f"synedge {name}", COMMANDS[name])
    command.arguments(parser)
    args = parser.parse(argv[1:])
    code = command.run(args, Output(as_json=getattr(args, "json", False)))
    assert isinstance(code, int)
    return code


def _top_parser() -> ArgumentParser:
    parser = ArgumentParser(
        "synedge",
        description="The edge agent of the Synaptic Neural Mesh.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    parser.epilog = TOP_EPILOG
    return parser


def _near(word: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _complain(error: SynedgeError, *, as_json: bool) -> int:
    if as_json:
        import json

        fault = {"kind": type(error).__name__, "code": error.code, "message": str(error)}
        print(json.dumps({"error": fault}), file=sys.stderr)
    else:
        print(f"synedge: {error}", file=sys.stderr)
    return error.code


def _internal(error: Exception, *, as_json: bool) -> int:
    """Our own bug: the traceback is what a report needs."""
    if not as_json:
        import traceback

        traceback.print_exception(error)
    fault = SynedgeError(f"internal error, please report it: {type(error).__name__}: {error}")
    return _complain(fault, as_json=as_json)


def _prepare_streams() -> None:
    """Somebody may have closed them (`>&-`), or have a locale that cannot say every letter."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        import os

        while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass  # or a file that we open later would be taken for one of them
        os.close(file)
        sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115  (until the process ends)
        sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
        sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if (sys.stdout.encoding or "").lower() != "utf-8" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _forget_stdout() -> None:
    """The reader of our stdout went away; keep the interpreter from complaining when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
