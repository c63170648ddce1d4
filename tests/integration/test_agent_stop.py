"""SIGTERM: within five seconds, with exit code 0, what was taken recorded and sent, and the mark of a clean stop."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from edge.shell.sources import command
from tests.integration.agents import ALONE, Node, at, broker, field, until

STUBBORN = """
[[source]]
name = "stubborn-{number}"
kind = "command"
argv = ["sh", "-c", "trap '' TERM; while :; do echo 1; sleep 0.05; done"]
format = "csv"
"""


@contextmanager
def busy(node: Node) -> Iterator[None]:
    """Its sensor speaks all the time."""
    stopping = threading.Event()

    def speak() -> None:
        number = 0
        while not stopping.wait(0.01):
            number += 1
            node.feed(float(number))

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def test_under_traffic_it_ends_cleanly_and_goes_on_in_the_same_incarnation(tmp_path: Path) -> None:
    with broker() as port, field(tmp_path, "one", "two") as site:
        one, two = site["one"], site["two"]
        for node in site:
            node.configure(at(port))
            node.up()
        with busy(two):
            for turn in range(3):
                before = one.counts()["signatures_verified"]
                until(lambda: one.counts()["signatures_verified"] > before + 10, "traffic", one)  # noqa: B023
                one.feed(turn)
                one.records_event(1)
                assert one.down() == 0
                assert one.is_clean(), "the mark is the last record, whatever came in meanwhile"
                one.up()
        site.agree()
        assert two.values(site.index("one")) == [0, 1, 2]


def test_readings_taken_before_the_stop_are_recorded(tmp_path: Path) -> None:
    with field(tmp_path, "one") as site:
        one = site["one"]
        one.configure(ALONE, window_ms=60_000)
        one.up()
        one.feed(*range(300))
        one.waits_for(lambda status: status["readings"]["readings"] == 300, "all are taken")
        assert one.down() == 0
        assert one.values(1) == [*range(300)], "it did not wait for the commit window, and lost nothing"
        one.says("info", "stopped", "unrecorded_events=0")
        verdict = one.audit()
        assert verdict["ok"] and verdict["unsigned"] == 0


def test_many_sources_that_do_not_want_to_end(tmp_path: Path) -> None:
    with field(tmp_path, "one") as site:
        one = site["one"]
        one.configure(ALONE, *(STUBBORN.format(number=number) for number in range(8)))
        one.up()
        one.waits_for(lambda status: all(s["readings"] for n, s in status["sources"].items() if n != "feed"), "run")
        assert one.down() == 0
        assert one.is_clean()


@pytest.mark.parametrize("socket_first", [False, True])
def test_a_stop_while_it_starts(tmp_path: Path, socket_first: bool) -> None:
    with field(tmp_path, "one") as site:
        one = site["one"]
        one.configure(ALONE)
        one.start()
        sign = one.directory / "run" / "synedge.sock" if socket_first else one.data / "log" / ".lock"
        until(sign.exists, "it has begun", one)
        assert one.down() in (0, -15), "before it is ready nothing can be lost yet"
        one.up()
        one.feed(1)
        one.records_event(1)
        assert one.down() == 0
        assert one.audit()["ok"]


def test_a_killed_agent_leaves_no_command_behind(tmp_path: Path) -> None:
    """However early: the command may not have asked yet to die with it."""
    with field(tmp_path, "one") as site:
        one = site["one"]
        one.configure(ALONE)
        for turn in range(5):
            one.start()
            until(lambda: one.said().count("ready node=one") > turn, "is ready", one)  # noqa: B023
            one.kill()
        until(lambda: not processes_with(str(one.fifo)), "its commands are gone", one)
        dead = subprocess.run(
            ["sh", "-c", command._IF_PARENT_LIVES, "sh", "1", "echo", "alive"], capture_output=True, check=False
        )
        assert (dead.returncode, dead.stdout) == (75, b"")


def processes_with(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if word.encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


BROKEN_SIGNER = """
import sys
from edge.cli.main import main
from edge.wire import suite

whole = suite.Signer.sign

def sign(self, message, *, deterministic=False):
    if not deterministic:
        raise MemoryError("no room to sign")
    return whole(self, message, deterministic=True)

suite.Signer.sign = sign
sys.exit(main(sys.argv[1:]))
"""


def test_an_agent_that_cannot_sign_ends_and_says_so(tmp_path: Path) -> None:
    with field(tmp_path, "one") as site:
        one = site["one"]
        one.configure(ALONE)
        one.feed(1.0)
        command = [sys.executable, "-c", BROKEN_SIGNER, "run", "--config", str(one.directory / "synedge.toml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 70
        assert "ready" in done.stderr, "nothing is signed before"
        assert done.stderr.splitlines()[-1] == "synedge: thread sign ended: MemoryError('no room to sign')"
