"""`synedge lease`: be the only one on the site who does something, for a while."""

import os
import signal
import subprocess
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path
from shutil import which
from time import monotonic, sleep
from typing import Any, NoReturn

from edge.cli.options import add_command, add_config, add_json, at_least, load_config
from edge.cli.output import Output
from edge.errors import SynedgeError, TryLaterError, UsageError
from edge.limits import LEASE_MS_MAX, LEASE_MS_MIN
from edge.shell.control import ask
from edge.wire.items import is_register_key, is_scope
from edge.wire.voters import SITE_SCOPE

TTL_S = 30.0
WAIT_S = 10.0
POLL_S = 0.02
GRACE_S = 1.0
"""Of the two seconds before its end in which a lease is not shown as ours: for a command to stop by itself."""
TOKEN = "SYNEDGE_LEASE_TOKEN"


def arguments(parser: ArgumentParser) -> None:
    parser.runs_program = "run"  # type: ignore[attr-defined]
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    show = add_command(commands, "show", "who has which lease, and how long", "lease show --config pump-7/synedge.toml")
    show.add_argument("name", metavar="NAME", nargs="?", help="this one alone")
    acquire = add_command(
        commands,
        "acquire",
        "have a lease, or have it longer; prints its token",
        "lease acquire door-1",
        "lease acquire door-1 --ttl 60 --wait 120",
    )
    run = add_command(
        commands,
        "run",
        "run a command for as long as we have a lease",
        "lease run door-1 --ttl 15 -- ./open-the-door.sh",
    )
    release = add_command(commands, "release", "give a lease back before its time", "lease release door-1")
    for child in (acquire, run, release):
        child.add_argument("name", metavar="NAME", help="such as door-1")
    for child in (acquire, run):
        child.add_argument(
            "--ttl",
            type=at_least(LEASE_MS_MIN / 1000, whole=False),
            default=TTL_S,
            metavar="S",
            help=f"it ends so long after it was asked for, unless it is asked for again ({TTL_S:g})",
        )
    for child in (acquire, run, release):
        child.add_argument(
            "--wait",
            type=at_least(0, whole=False),
            default=WAIT_S,
            metavar="S",
            help=f"for whoever has it, and for the committee ({WAIT_S:g})",
        )
    run.usage = "synedge lease run NAME [--ttl S] [--wait S] [--scope SCOPE] [-c FILE] [--json] -- COMMAND ..."
    run.description = f"Run COMMAND, which gets {TOKEN}, for as long as we have a lease."
    for child in commands.choices.values():
        child.add_argument("--scope", default=SITE_SCOPE, help=f"whose committee decides ({SITE_SCOPE})")
        add_config(child)
        add_json(child)


def run(args: Namespace, out: Output) -> int:
    if args.name is not None and not (is_scope(args.scope) and is_register_key(f"lease/{args.name}")):
        raise UsageError(f"{args.scope!r} {args.name!r}: a scope is like a node's name, a lease such names joined by /")
    client = _Client(load_config(args).node.control_socket, args)
    return {"show": _show, "acquire": _acquire, "run": _run, "release": _release}[args.what](client, args, out)


class _Client:
    """What the agent is asked for one command."""

    def __init__(self, socket: Path, args: Namespace) -> None:
        self._socket = socket
        self._args = args

    def rows(self) -> list[dict[str, Any]]:
        return [
            row
            for row in ask(self._socket, "leases")
            if self._args.name in (None, row["name"]) and row["scope"] == self._args.scope
        ]

    def decide(self, ms: int, wait_s: float) -> tuple[dict[str, Any], float]:
        """Ask until it is decided; the lease, and when it ends by our clock. TryLaterError after `wait_s`."""
        end_s = monotonic() + wait_s
        asked: dict[str, Any] = {}
        while True:
            if not asked.get("version"):
                asked = ask(self._socket, "lease", scope=self._args.scope, name=self._args.name, ms=ms)
            now_s = monotonic()
            row = next(iter(self.rows()), None)
            if row is not None and row["token"] >= asked.get("version", float("inf")):
                if row["state"] == "ours" or not ms:
                    return row, now_s + (row["left_ms"] or 0) / 1000
                asked = {}  # somebody else was first
            if monotonic() >= end_s:
                raise TryLaterError(self._why(row, asked))
            sleep(POLL_S)

    def _why(self, row: dict[str, Any] | None, asked: dict[str, Any]) -> str:
        if row is not None and row["state"] == "held" and not asked.get("version"):
            left = f"{row['left_ms'] / 1000:.1f} s" if row["left_ms"] is not None else "a time"
            return f"{self._args.name}: {row['holder']} has it for another {left}; --wait waits longer"
        return (
            f"{self._args.name}: not decided, and may be later; `synedge lease show` shows it, "
            "`synedge committee show` who must be there"
        )


def _show(client: _Client, args: Namespace, out: Output) -> int:
    rows = client.rows()
    if out.as_json:
        out.document({"leases": rows})
    elif not rows:
        out.line("nobody has ever had a lease here" if args.name is None else f"nobody has ever had {args.name}")
    else:
        out.table(
            ("name", "state", "holder", "token", "left s", ""),
            [
                (
                    row["name"],
                    row["state"],
                    row["holder"] if row["state"] != "free" else "",
                    row["token"],
                    "" if not row["left_ms"] else f"{row['left_ms'] / 1000:.1f}",
                    row["level"],
                )
                for row in rows
            ],
            colours={"ours": "green", "held": "yellow"},
        )
    return 0


def _acquire(client: _Client, args: Namespace, out: Output) -> int:
    row, _ = client.decide(_ms(args), args.wait)
    if out.as_json:
        out.document(row)
    else:
        out.line(f"{row['name']}: ours for {row['left_ms'] / 1000:.1f} s, token {row['token']}")
    return 0


def _release(client: _Client, args: Namespace, out: Output) -> int:
    row, _ = client.decide(0, args.wait)
    out.document(row) if out.as_json else out.line(f"{row['name']}: given back")
    return 0


def _run(client: _Client, args: Namespace, out: Output) -> int:
    """The command's exit code; TryLaterError if the lease was lost, and the command ended for it."""
    command = args.program
    if not command:
        raise UsageError("a COMMAND is needed, after --")
    if (found := which(command[0])) is None:
        raise UsageError(f"{command[0]}: no such command")
    row, end_s = client.decide(_ms(args), args.wait)
    before = signal.signal(signal.SIGTERM, _interrupted)
    is_lost = False
    with subprocess.Popen(
        [*_mortal(), found, *command[1:]], env={**os.environ, TOKEN: str(row["token"])}, start_new_session=True
    ) as process:
        try:
            is_lost = not _goes_on(client, args, process, end_s)
        finally:
            if process.poll() is None:
                _end(process)
            signal.signal(signal.SIGTERM, before)
            if not is_lost:
                with suppress(SynedgeError):  # then it just runs out
                    client.decide(0, GRACE_S)
    if is_lost:
        raise TryLaterError(f"{args.name}: lost, and the command was ended")
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _interrupted(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _mortal() -> list[str]:
    """Let the command end when we are killed and cannot see to it."""
    setpriv = which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _goes_on(client: _Client, args: Namespace, process: subprocess.Popen[bytes], end_s: float) -> bool:
    """Ask for more whenever half of the time is over, until the command ends by itself; False if time is over first."""
    renew_s = (monotonic() + end_s) / 2
    while monotonic() < end_s:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, renew_s - monotonic()))
            return True
        try:
            _, end_s = client.decide(_ms(args), min(1.0, end_s - monotonic()))
            renew_s = (monotonic() + end_s) / 2
        except SynedgeError:
            renew_s = min(end_s, monotonic() + POLL_S)
    return process.poll() is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """The command with all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
            return


def _ms(args: Namespace) -> int:
    ms: int = round(args.ttl * 1000)
    if ms > LEASE_MS_MAX:
        raise UsageError(f"--ttl {args.ttl:g}; allowed: {LEASE_MS_MIN / 1000:g} to {LEASE_MS_MAX / 1000:g} s")
    return ms
