"""The agent's end of the control socket: real clients, among them some that misbehave."""

import json
import selectors
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.errors import SynedgeError
from edge.limits import CONTROL_CLIENTS_MAX, CONTROL_LINE_BYTES_MAX, CONTROL_REPLY_BYTES_MAX
from edge.shell.control import ask
from edge.shell.control_server import ControlServer


class Server:
    """A control server, and a thread that turns its selector as the loop would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.selector = selectors.DefaultSelector()
        operations = {"double": lambda asked: asked["number"] * 2, "long": lambda asked: "x" * asked["size"]}
        operations["fail"] = lambda asked: int("no number")
        self.control = ControlServer(path, operations, self.selector)
        self._wake, self._woken = socket.socketpair()
        self.selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._turn)
        self._thread.start()

    def _turn(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    return
                key.data()

    def close(self) -> None:
        self._wake.send(b"x")
        self._thread.join()
        self.control.close()
        self.selector.close()
        self._wake.close()
        self._woken.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "s.sock")
    yield running
    running.close()


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[[], socket.socket]]:
    made: list[socket.socket] = []

    def new() -> socket.socket:
        made.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        made[-1].settimeout(10)
        made[-1].connect(str(server.path))
        return made[-1]

    yield new
    for client in made:
        client.close()


def answer(client: socket.socket) -> dict[str, Any]:
    with client.makefile("rb") as lines:
        found: dict[str, Any] = json.loads(lines.readline())
    return found


def test_only_its_owner_may_ask(server):
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    assert ask(server.path, "double", number=21) == 42


def test_a_socket_left_by_a_killed_agent_is_replaced(tmp_path):
    path = tmp_path / "s.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    server = Server(path)
    assert ask(path, "double", number=1) == 2
    server.close()
    assert not path.exists()


def test_what_is_no_request_gets_an_error_and_the_line_goes_on(connect):
    client = connect()
    for said, words in (
        (b"{nonsense", "not JSON"),
        (b"[" * 20_000, "not JSON: maximum recursion depth"),
        (b"[1]", "allowed: double, fail, long"),
        (b'{"op": "format-disk"}', "op 'format-disk': allowed: double, fail, long"),
        (b'{"op": ["double"]}', "allowed"),
        (b'{"op": "fail"}', "invalid literal"),
    ):
        client.sendall(said + b"\n")
        found = answer(client)
        assert found["ok"] is False and words in found["error"]
    client.sendall(b'{"op": "double", "number": 4}\n')
    assert answer(client) == {"ok": True, "result": 8}


def test_requests_may_come_in_pieces_or_many_at_once(connect):
    client = connect()
    client.sendall(b'{"op": "dou')
    client.sendall(b'ble", "number": 1}\n{"op": "double", "number": 2}\n')
    with client.makefile("rb") as lines:
        assert [json.loads(lines.readline())["result"] for _ in range(2)] == [2, 4]


def test_a_line_without_end_is_cut_off(connect):
    client = connect()
    client.sendall(b"x" * (CONTROL_LINE_BYTES_MAX + 1))
    assert f"at most {CONTROL_LINE_BYTES_MAX} bytes" in answer(client)["error"]
    assert client.recv(1) == b""


def test_an_answer_without_end_is_an_error(server):
    assert len(ask(server.path, "long", size=CONTROL_REPLY_BYTES_MAX - 100)) == CONTROL_REPLY_BYTES_MAX - 100
    with pytest.raises(SynedgeError, match=f"allowed are {CONTROL_REPLY_BYTES_MAX}"):
        ask(server.path, "long", size=CONTROL_REPLY_BYTES_MAX)


def test_one_client_too_many_is_turned_away(server, connect):
    clients = [connect() for _ in range(CONTROL_CLIENTS_MAX)]
    for client in clients:
        client.sendall(b'{"op": "double", "number": 1}\n')
        assert answer(client)["ok"]
    assert connect().recv(1) == b""
    assert server.control.refused_clients == 1
    clients[0].close()
    clients[1].sendall(b'{"op": "double", "number": 1}\n')
    assert answer(clients[1])["ok"], "the others do not notice"
    latest = connect()
    latest.sendall(b'{"op": "double", "number": 5}\n')
    assert answer(latest)["result"] == 10, "who left makes room"


def test_a_client_that_does_not_read_is_dropped_and_nobody_else(server, connect):
    deaf = connect()
    deaf.sendall(b'{"op": "long", "size": 3000000}\n')
    other = connect()
    other.sendall(b'{"op": "double", "number": 6}\n')
    assert answer(other)["result"] == 12
    received = 0
    while part := deaf.recv(1 << 20):
        received += len(part)
    assert received < 3_000_000
