"""Against a real datagram socket, as systemd would listen on it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.shell.notify import Notifier, Watchdog


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(5)
        yield server


def received(server: socket.socket) -> list[str]:
    server.setblocking(False)
    messages = []
    try:
        while True:
            messages.append(server.recv(4096).decode())
    except BlockingIOError:
        return messages


def test_says_ready_status_watchdog_and_stopping(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname())
    assert notifier.ready("12 agents")
    assert notifier.status("connected")
    assert notifier.watchdog()
    assert notifier.stopping("bye")
    assert received(manager) == [
        "READY=1\nSTATUS=12 agents",
        "STATUS=connected",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=bye",
    ]
    notifier.close()


def test_speaks_to_an_abstract_socket() -> None:
    name = f"synedge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name)
        server.settimeout(5)
        notifier = Notifier("@" + name)
        assert notifier.ready()
        assert server.recv(4096) == b"READY=1\nSTATUS="
        notifier.close()


def test_a_status_cannot_smuggle_in_an_assignment(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname())
    notifier.status("label\nREADY=1\0x")
    (message,) = received(manager)
    assert "\n" not in message
    assert "\0" not in message
    notifier.close()


def test_reads_the_environment_once_and_clears_it(manager: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "77", "HOME": "/"}
    notifier = Notifier.from_environment(environ, pid=77)
    assert environ == {"HOME": "/"}
    assert notifier.is_managed
    assert notifier.watchdog_us == 3_000_000
    again = Notifier.from_environment(environ, pid=77)
    assert not again.is_managed
    assert not again.ready()
    notifier.close()


def test_children_do_not_inherit_the_manager(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("NOTIFY_SOCKET", manager.getsockname()), ("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")):
        monkeypatch.setenv(name, value)
    Notifier.from_environment().close()
    probe = "import os; print([k for k in os.environ if k.startswith(('NOTIFY', 'WATCHDOG'))])"
    child = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "variables",
    [
        {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "78"},  # meant for another process
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "-1"},
        {},
    ],
)
def test_no_watchdog_unless_it_is_ours_and_a_number(manager: socket.socket, variables: dict[str, str]) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.getsockname(), **variables}, pid=77)
    assert notifier.watchdog_us == 0
    watchdog = Watchdog(notifier)
    watchdog.progress(1e9)
    assert watchdog.interval_ms is None
    assert watchdog.deadline() is None
    assert received(manager) == []
    notifier.close()


@pytest.mark.parametrize("address", [None, "", "/", "@", "vsock:2:1234", "relative/path"])
def test_without_a_usable_address_nothing_is_sent(address: str | None) -> None:
    notifier = Notifier(address)
    assert not notifier.ready()
    assert notifier.failures == 0


def test_a_manager_that_went_away_is_counted_and_never_raises(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "nobody"))
    assert not notifier.ready()
    assert not notifier.watchdog()
    assert notifier.failures == 2
    notifier.close()


def test_a_full_queue_does_not_hold_up_the_loop(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname())
    sent = 0
    while notifier.watchdog():
        sent += 1
        assert sent < 100_000
    assert notifier.failures == 1
    assert received(manager) == ["WATCHDOG=1"] * sent
    notifier.close()


def test_watchdog_pings_follow_progress_at_a_third_of_the_period(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname(), watchdog_us=3_000_000)
    watchdog = Watchdog(notifier)
    assert watchdog.interval_ms == 1000
    for turn in range(0, 10_000, 10):  # the loop turns every 10 ms for 10 s
        watchdog.progress(5_000 + turn)
    assert received(manager) == ["WATCHDOG=1"] * 10
    assert watchdog.deadline() == 15_000
    notifier.close()


def test_no_progress_no_ping(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname(), watchdog_us=3_000_000)
    watchdog = Watchdog(notifier)
    watchdog.progress(0)
    received(manager)
    watchdog.progress(999)
    assert received(manager) == []
    watchdog.progress(60_000)  # stuck for a minute: one ping, no catching up
    assert received(manager) == ["WATCHDOG=1"]
    notifier.close()
