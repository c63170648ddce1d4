"""The client of the control socket, against a real socket whose other end the test speaks."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from edge.errors import PermissionsError, SynedgeError, UnavailableError
from edge.shell import control
from edge.shell.control import ask, short_address

Answer = Callable[[bytes], bytes]


@contextmanager
def agent(path: Path, answer: Answer) -> Iterator[list[bytes]]:
    """Takes one request and gives one answer."""
    heard: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_address(path) as address:
        listener.bind(address)
    listener.listen()

    def serve() -> None:
        link, _ = listener.accept()
        with link:
            with link.makefile("rb") as lines:
                heard.append(lines.readline())
            with suppress(BrokenPipeError):
                link.sendall(answer(heard[0]))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield heard
    finally:
        thread.join(10)
        listener.close()


def leave_behind(path: Path) -> None:
    """A socket whose agent was killed."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def test_one_line_out_one_line_back(tmp_path: Path) -> None:
    path = tmp_path / "synedge.sock"
    with agent(path, lambda _: b'{"ok":true,"result":{"seq":[1,2]}}\n') as heard:
        assert ask(path, "status", verbose=True) == {"seq": [1, 2]}
    assert heard == [b'{"op": "status", "verbose": true}\n']


def test_a_path_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 90) / ("e" * 90)
    directory.mkdir(parents=True)
    path = directory / "synedge.sock"
    with agent(path, lambda _: b'{"ok":true,"result":1}\n'):
        assert ask(path, "ping") == 1


def test_a_large_answer_arrives_whole(tmp_path: Path) -> None:
    path = tmp_path / "synedge.sock"
    with agent(path, lambda _: b'{"ok":true,"result":"' + b"x" * 1_000_000 + b'"}\n'):
        assert len(ask(path, "peers")) == 1_000_000


def test_a_refusal_is_told_in_the_agents_words(tmp_path: Path) -> None:
    path = tmp_path / "synedge.sock"
    with agent(path, lambda _: b'{"ok":false,"error":"unknown op"}\n'), pytest.raises(SynedgeError, match="unknown op"):
        ask(path, "dance")


@pytest.mark.parametrize("answer", [b"", b"{", b"hello\n", b"[1]\n", b'{"ok":true}\n'])
def test_a_broken_answer_is_no_answer(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "synedge.sock"
    with agent(path, lambda _: answer), pytest.raises(UnavailableError, match="synedge"):
        ask(path, "status")


def test_silence_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "TIMEOUT_S", 0.05)
    path, done = tmp_path / "synedge.sock", threading.Event()

    def answer(_: bytes) -> bytes:
        assert done.wait(10)
        return b""

    with agent(path, answer):
        with pytest.raises(UnavailableError, match="no answer within"):
            ask(path, "status")
        done.set()


def test_an_agent_that_does_not_run_is_named_with_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "synedge.sock"
    with pytest.raises(UnavailableError) as caught:
        ask(path, "status")
    assert str(path) in str(caught.value) and "synedge run" in str(caught.value) and caught.value.code == 69
    leave_behind(path)
    with pytest.raises(UnavailableError, match="nobody listens"):
        ask(path, "status")
    with pytest.raises(UnavailableError):
        ask(tmp_path / "no" / ("x" * 120) / "synedge.sock", "status")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_socket_is_a_matter_of_permissions(tmp_path: Path) -> None:
    path = tmp_path / "synedge.sock"
    leave_behind(path)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionsError, match="65534"):
            ask(path, "status")
    finally:
        os.seteuid(0)
