"""The command as a person types it, in this process."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge.cli.main import main
from edge.dag.journal import Journal, JournalOptions
from edge.dag.records import VERTEX, Record
from edge.shell.disk import DirectoryDisk
from edge.shell.keys import create_seed
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.vertex import Header, decode_header
from tests.builders import AUTHORITY, Machine, World, event, seed_of


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The one error on stderr."""
        return json.loads(self.err)["error"]


Synedge = Callable[..., Ended]


@pytest.fixture
def synedge(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Synedge:
    for variable in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)

    def run(*argv: object) -> Ended:
        code = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


@contextmanager
def answering(directory: Path, answer: Callable[[dict[str, Any]], Any]) -> Iterator[None]:
    """The control socket of an agent with this directory, which answers one request a connection."""
    (directory / "run").mkdir(exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(directory / "run/synedge.sock"))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link, link.makefile("rwb") as stream:
                result = answer(json.loads(stream.readline()))
                stream.write(json.dumps({"ok": True, "result": result}).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


NAMES = ["pump", "valve", "gate"]


def lay_down(machine: Machine, directory: Path, *, role: str = "device") -> Path:
    """A machine of `tests.builders` as a node's directory: configuration, key, site files and its log."""
    directory.mkdir()
    (directory / "synedge.toml").write_text(
        f'[node]\nname = "{machine.name}"\nrole = "{role}"\n[site]\nsuite = "ml-dsa-44"\n'
    )
    (directory / "authority.pub").write_bytes(AUTHORITY.public_key)
    (directory / "roster.cose").write_bytes(machine.world.roster_bytes)
    create_seed(directory / "data/keys/node.seed", lambda _: seed_of(machine.name))
    write_log(machine.log, directory / "data/log")
    return directory


def write_log(records: list[Record], directory: Path) -> None:
    disk = DirectoryDisk(directory)
    journal = Journal(disk, JournalOptions(segment_bytes=256 * 1024))
    assert list(journal.recover()) == []
    for record in records:
        journal.append(record.type, record.payload)
    journal.commit()
    disk.close()


def replace_log(records: list[Record], node: Path) -> None:
    for path in (node / "data/log").iterdir():
        path.unlink()
    write_log(records, node / "data/log")


def header_of(record: Record) -> Header:
    frame = decode_vertex(record.payload)
    assert isinstance(frame, VertexFrame)
    header = decode_header(frame.header)
    assert isinstance(header, Header)
    return header


def up_to_last_own_events(world: World) -> list[Record]:
    """The log of `pump` as a power cut leaves it: durable own events, their signature not yet written."""
    log = world.machines["pump"].log
    own = [place for place, record in enumerate(log) if record.type == VERTEX and header_of(record).author == 0]
    return log[: max(place for place in own if header_of(log[place]).body is not None) + 1]


def four_rounds(world: World, linger_s: float = 0.0) -> World:
    """Its nodes record four times, know each other's, have `linger_s` to acknowledge, and stop."""
    machines = world.boot_all()
    for number in range(4):
        for machine in machines:
            machine.submit(event(number * 60_000, agent=f"{machine.name}-probe"))
        world.run(0.4)
    world.run(linger_s)
    for machine in machines:
        machine.stop()
    world.deliver()
    return world


@pytest.fixture(scope="session")
def world() -> World:
    return four_rounds(World(NAMES))


@pytest.fixture
def node(world: World, tmp_path: Path) -> Path:
    """The directory of `pump`, whose agent stopped."""
    return lay_down(world.machines["pump"], tmp_path / "pump")
