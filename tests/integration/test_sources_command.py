"""Lines of real commands: what they may say, how they end, and that none of them outlives its source."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.limits import LINE_BYTES_MAX
from edge.shell.sources import open_source
from edge.shell.sources.command import CommandSource
from tests.unit.shell.sources_sink import WAIT_S, Sink, running

TAIL = "exec sleep 1000"


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def is_alive(pid: int) -> bool:
    """Runs, and is not only waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def wait_gone(pid: int) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while is_alive(pid):
        assert time.monotonic() < deadline_s, f"process {pid} lives on"
        time.sleep(0.01)


@pytest.mark.parametrize("line", ["1 2.5 -3e2", "1,2.5,-3e2", "1; 2.5; -3e2", "  1\t2.5 ,-3e2 \r"])
def test_numbers_in_a_line(line: str):
    sink = Sink()
    with running(sink, "command", argv=shell(f"printf '{line}\\n'; {TAIL}"), fields=["x", "y", "z"]):
        assert sink.wait_count(1)[0].values == (1.0, 2.5, -300.0)


def test_objects_in_json():
    lines = '{"x": {"v": 1}, "t": 5}\n{"x": {"v": [2, 3]}, "t": [6, 7]}\n'
    sink = Sink()
    options = {"fields": ["x.v"], "time_field": "t", "time_unit": "s"}
    with running(sink, "command", argv=["sh", "-c", f"printf '%s' '{lines}'; {TAIL}"], **options):
        readings = sink.wait_count(3)
    assert [(reading.time_ms, reading.values) for reading in readings] == [(5000, (1,)), (6000, (2,)), (7000, (3,))]


def test_a_command_runs_without_a_shell():
    sink = Sink()
    with running(sink, "command", argv=["echo", "1", "$HOME", "|", "cat"], format="csv"):
        assert "a line b'1 $HOME | cat' has 4 values; allowed are 1" in str(sink.wait_said("source-failing")["reason"])


def test_a_line_that_is_no_reading_is_counted_and_the_next_is_taken():
    sink = Sink()
    with running(sink, "command", argv=shell(f"printf 'hello\\n\\n1 2\\n5\\n'; {TAIL}")) as source:
        readings = sink.wait_count(1)
    assert (readings[0].values, readings[0].gap) == ((5.0,), True)
    assert source.counts()["refused"] == 2, "an empty line is nothing"
    said = str(sink.said[0][2]["reason"])
    assert "command sh: a line b'hello' has b'hello' where a finite number is expected" in said


def test_a_line_without_end_is_bounded():
    """Three times the bound without a line break: refused once, and what follows is read."""
    script = f"head -c {3 * LINE_BYTES_MAX} /dev/zero | tr '\\0' 1; printf '\\n7\\n'; {TAIL}"
    sink = Sink()
    with running(sink, "command", argv=shell(script)) as source:
        assert sink.wait_count(1)[0].values == (7.0,)
    assert source.counts()["refused"] == 1
    assert "longer than 65536 bytes" in str(sink.said[0][2]["reason"])


def test_a_last_line_without_a_line_break_counts():
    sink = Sink()
    with running(sink, "command", argv=["printf", "3\\n4"]):
        assert [reading.values for reading in sink.wait_count(2)] == [(3.0,), (4.0,)]


def test_a_command_that_ends_is_started_again():
    sink = Sink()
    with running(sink, "command", argv=shell("echo 1; echo no device >&2; exit 3")) as source:
        readings = sink.wait_count(3)
        said = sink.wait_said("source-failing")
    assert said["reason"] == (
        "command sh: ended with status 3; it said 'no device'; expected is one that goes on writing lines"
    )
    assert source.counts()["restarts"] >= 2
    assert [reading.gap for reading in readings] == [False, True, True]


def test_the_pause_between_starts_doubles_up_to_a_bound(monkeypatch: pytest.MonkeyPatch):
    source = open_source("src", "command", {"argv": ["false"]}, lambda *_: None)
    pauses: list[float] = []

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 9:
            source._stopping.set()
        return True

    monkeypatch.setattr(source, "_pause", pause)
    source.start(lambda _: True)
    deadline_s = time.monotonic() + WAIT_S
    while len(pauses) < 9 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert source.stop()
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_a_command_that_is_not_there():
    sink = Sink()
    with running(sink, "command", argv=["/no/such/program"]):
        assert "command /no/such/program: is not found" in str(sink.wait_said("source-failing")["reason"])


def test_a_command_killed_by_a_signal_says_which():
    sink = Sink()
    with running(sink, "command", argv=shell("kill -SEGV $$")):
        assert "ended by signal 11" in str(sink.wait_said("source-failing")["reason"])


def test_stopping_asks_first(tmp_path: Path):
    """A command may put its device to rest when it is told to end."""
    sink = Sink()
    script = f"trap 'echo resting > {tmp_path}/device; exit' TERM; echo 1; while :; do sleep 0.01; done"
    with running(sink, "command", argv=shell(script)):
        sink.wait_count(1)
    assert (tmp_path / "device").read_text() == "resting\n"


def test_stopping_ends_the_whole_group_whatever_it_ignores():
    """The leader ignores SIGTERM, and so does a child of it; both are gone when `stop` returns."""
    sink = Sink()
    script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & echo $$; wait"
    with running(sink, "command", argv=shell(script)):
        pids = [int(values[0]) for values in (reading.values for reading in sink.wait_count(2))]
        assert all(is_alive(pid) for pid in pids)
    for pid in pids:
        wait_gone(pid)


def test_readings_that_find_no_room_are_shed_and_told_with_the_next(tmp_path: Path):
    """The command waits at a pipe until the test has made room."""
    os.mkfifo(tmp_path / "go")
    sink = Sink(capacity=1)
    with running(sink, "command", argv=shell(f"seq 1 4; cat {tmp_path}/go; {TAIL}")) as source:
        sink.wait(lambda: sink.refused == 3)
        sink.capacity = 2
        (tmp_path / "go").write_text("5\n")
        assert [(reading.values, reading.lost) for reading in sink.wait_count(2)] == [((1.0,), 0), ((5.0,), 3)]
    assert source.counts()["shed_readings"] == 3


def test_the_agent_killed_takes_the_command_with_it(tmp_path: Path):
    """SIGKILL of the process that runs the source: the kernel's parent-death signal ends the command."""
    program = (
        "import sys, time\n"
        "from edge.shell.sources import open_source\n"
        "source = open_source('s', 'command', {'argv': ['sleep', '1000']})\n"
        "source.start(lambda reading: True)\n"
        "while source.pid is None: time.sleep(0.01)\n"
        "print(source.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    agent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert agent.stdout is not None
    with agent.stdout:
        pid = int(agent.stdout.readline())
        deadline_s = time.monotonic() + WAIT_S
        while Path(f"/proc/{pid}/comm").read_text() != "sleep\n" and time.monotonic() < deadline_s:
            time.sleep(0.01)  # setpriv is still on its way to exec
        assert is_alive(pid)
        agent.send_signal(signal.SIGKILL)
        agent.wait()
    wait_gone(pid)


def test_a_command_cannot_speak_to_systemd_in_our_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    sink = Sink()
    with running(sink, "command", argv=shell(f'echo "${{#NOTIFY_SOCKET}}"; {TAIL}')):
        assert sink.wait_count(1)[0].values == (0.0,)


def test_no_descriptor_is_left_behind():
    sink = Sink()
    before = len(os.listdir("/proc/self/fd"))
    with running(sink, "command", argv=["echo", "1"]) as source:
        sink.wait_count(3)
    assert isinstance(source, CommandSource) and source.pid is None
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "argv = None: allowed is a list of 1 to 64 texts"),
        ({"argv": "ls -l"}, "argv = 'ls -l': allowed is a list of 1 to 64 texts"),
        ({"argv": []}, "argv = []: allowed is"),
        ({"argv": ["a", 5]}, "argv = ['a', 5]: allowed is"),
        ({"argv": ["a"], "format": "xml"}, "format = 'xml': allowed is one of auto, csv, json"),
        ({"argv": ["a"], "format": "json", "fields": ["a["]}, "'a[' is no path"),
        ({"argv": ["a"], "env": {}}, "env = {}: there is no such key; allowed in this table: argv"),
    ],
)
def test_options_that_are_refused(options: dict[str, object], words: str):
    with pytest.raises(ConfigError, match=r"^source s: ") as refused:
        open_source("s", "command", options)
    assert words in str(refused.value)
