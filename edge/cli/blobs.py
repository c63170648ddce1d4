"""`synedge blobs`: put a large file into the mesh on one device, and take it out on another."""

import os
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep, time_ns
from typing import Any

from edge.cli.options import add_command, add_config, add_json, at_least, load_config
from edge.cli.output import Output, bytes_text
from edge.errors import DataError, StorageError, TryLaterError, UsageError
from edge.limits import BLOB_BYTES_MAX
from edge.shell.control import ask
from edge.shell.files import sync_directory

WAIT_S = 60.0
POLL_S = 0.1
_COPY_BYTES = 1024 * 1024
SHA = "3c0f6a2d9b8e4f5a7d1c2b3a4f5e6d7c8b9a0f1e2d3c4b5a69788796a5b4c3d2"


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    add_command(
        commands,
        "list",
        "what this device keeps, and what is on its way to it",
        "blobs list --config pump-7/synedge.toml",
    )
    add = add_command(
        commands,
        "add",
        "keep a file and offer it to all devices of the site; prints its SHA-256",
        "blobs add bearing.tflite",
    )
    add.add_argument("file", metavar="FILE", type=Path, help=f"at most {bytes_text(BLOB_BYTES_MAX)}")
    get = add_command(
        commands,
        "get",
        "fetch a file from whoever has it; goes on where it was interrupted",
        f"blobs get {SHA} --out bearing.tflite",
        f"blobs get {SHA} --wait 0",
    )
    get.add_argument("--out", metavar="FILE", type=Path, help="write it there; without it the device just keeps it")
    remove = add_command(
        commands, "rm", "keep a file no longer, or stop fetching it; other devices keep theirs", f"blobs rm {SHA}"
    )
    for child in (get, remove):
        child.add_argument("sha256", metavar="SHA256", type=_digest, help="what `blobs add` printed, 64 hex digits")
    for child in (add, get):
        child.add_argument(
            "--wait",
            type=at_least(0, whole=False),
            default=WAIT_S,
            metavar="S",
            help=f"seconds without progress to wait for ({WAIT_S:g}); the agent goes on afterwards",
        )
    for child in commands.choices.values():
        add_config(child)
        add_json(child)


def run(args: Namespace, out: Output) -> int:
    agent = _Agent(load_config(args).node.control_socket)
    return {"list": _list, "add": _add, "get": _get, "rm": _remove}[args.what](agent, args, out)


class _Agent:
    """The running agent, as this command sees it."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def ask(self, op: str, **args: object) -> Any:
        return ask(self._socket, op, **args)

    def blobs(self) -> list[dict[str, Any]]:
        blobs: list[dict[str, Any]] = self.ask("blobs")["blobs"]
        return blobs

    def directory(self) -> Path:
        return Path(self.ask("blobs")["directory"])

    def row(self, digest: str) -> dict[str, Any] | None:
        return next((row for row in self.blobs() if row["sha256"] == digest), None)

    def keeps(self, digest: str, wait_s: float) -> dict[str, Any]:
        """Wait until it is kept whole, for as long as something moves."""
        last: object = None
        until = monotonic() + wait_s
        while True:
            row = self.row(digest)
            if row is not None and row["state"] == "kept":
                return row
            if row is None or row["state"] in ("failed", "interrupted"):
                raise StorageError(f"{digest}: {row['fault'] if row else 'removed meanwhile'}")
            if row != last:
                last, until = row, monotonic() + wait_s
            if monotonic() >= until:
                raise TryLaterError(_why_not_yet(row))
            sleep(POLL_S)


def _why_not_yet(row: dict[str, Any]) -> str:
    end = f"the agent goes on; `synedge blobs rm {row['sha256']}` ends that"
    if row["state"] == "adding":
        return f"{row['sha256']}: the agent is still reading it; {end}"
    if row["bytes"] is None:
        return f"{row['sha256']}: nobody who is online has it; {end}"
    missing = row["chunks_missing"]
    return f"{row['sha256']}: {missing} of {row['chunks']} chunks are missing, and nothing comes; {end}"


def _list(agent: _Agent, args: Namespace, out: Output) -> int:
    rows = agent.blobs()
    if out.as_json:
        out.document({"blobs": rows})
    elif not rows:
        out.line("no blobs")
    else:
        shown = [(row["sha256"], _size(row), row["state"], _about(row)) for row in rows]
        out.table(
            ("sha256", "size", "state", ""), shown, colours={"failed": "red", "interrupted": "yellow", "kept": "green"}
        )
    return 0


def _size(row: dict[str, Any]) -> str | None:
    return None if row["bytes"] is None else bytes_text(row["bytes"])


def _about(row: dict[str, Any]) -> str:
    if row["fault"]:
        return str(row["fault"])
    if row["state"] == "kept":
        return "added here" if row["added_here"] else ""
    if row["chunks"] is None:
        return "" if row["state"] == "adding" else "looking for somebody who has it"
    said = f"{row['chunks'] - row['chunks_missing']} of {row['chunks']} chunks"
    return f"{said} from {', '.join(row['from'])}" if row["from"] else said


def _add(agent: _Agent, args: Namespace, out: Output) -> int:
    directory = agent.directory()
    draft = directory / f".add-{time_ns()}"
    digest = _copy(args.file, draft, owner=directory)
    agent.ask("blob_add", file=draft.name, sha256=digest)
    row = agent.keeps(digest, args.wait)
    if out.as_json:
        out.document(row)
    else:
        out.line(f"{digest}  {args.file.name}, {bytes_text(row['bytes'])}; on another device:")
        out.line(f"synedge blobs get {digest} --out {args.file.name}")
    return 0


def _get(agent: _Agent, args: Namespace, out: Output) -> int:
    if args.out is not None and args.out.is_dir():
        raise UsageError(f"--out {args.out} is a directory; allowed: the name of a file")
    directory = agent.directory()
    agent.ask("blob_get", sha256=args.sha256)
    row = agent.keeps(args.sha256, args.wait)
    if args.out is not None:
        draft = args.out.with_name(f".{args.out.name}.{os.getpid()}")
        if _copy(directory / args.sha256, draft) != args.sha256:
            draft.unlink(missing_ok=True)
            raise DataError(f"{directory / args.sha256}: is damaged; `synedge blobs rm {args.sha256}` and get it again")
        os.replace(draft, args.out)
        sync_directory(args.out.parent)
    if out.as_json:
        out.document({**row, "out": args.out})
    else:
        out.line(f"{args.sha256}  {bytes_text(row['bytes'])}{f' in {args.out}' if args.out else ''}")
    return 0


def _remove(agent: _Agent, args: Namespace, out: Output) -> int:
    row = agent.row(args.sha256)
    agent.ask("blob_remove", sha256=args.sha256)
    if out.as_json:
        out.document({"sha256": args.sha256, "removed": row is not None})
    else:
        out.line(f"{args.sha256}  {'removed' if row else 'was not here'}")
    return 0


def _copy(source: Path, target: Path, owner: Path | None = None) -> str:
    """Copy a file and sync it; its SHA-256. With `owner` it will belong to whoever has that directory."""
    whole, length = sha256(), 0
    try:
        with open(source, "rb") as given, open(target, "xb") as taken:
            while data := given.read(_COPY_BYTES):
                whole.update(data)
                length += len(data)
                if owner is not None and length > BLOB_BYTES_MAX:
                    raise DataError(f"{source}: larger than {BLOB_BYTES_MAX} bytes")
                taken.write(data)
            if not length:
                raise DataError(f"{source}: is empty")
            taken.flush()
            os.fsync(taken.fileno())
            if owner is not None:
                os.fchmod(taken.fileno(), 0o600)
                if os.geteuid() == 0:
                    found = owner.stat()
                    os.fchown(taken.fileno(), found.st_uid, found.st_gid)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return whole.hexdigest()


def _digest(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed: the 64 hex digits that `blobs add` printed")
    return text
