"""Log lines as an operator reads them, their bounds, and the figures of a real process."""

import io
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import limits
from edge.errors import ConfigError
from edge.shell import telemetry
from edge.shell.telemetry import Bounded, figures, iso_time, line, logfmt


@pytest.fixture
def _log_restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("edge")
    handlers, level, our_level = root.handlers[:], root.level, ours.level
    raises, threads, processes = logging.raiseExceptions, logging.logThreads, logging.logProcesses
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)
    logging.raiseExceptions, logging.logThreads, logging.logProcesses = raises, threads, processes
    logging.logMultiprocessing = True


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "true"),
        (3, "3"),
        (0.1 + 0.2, "0.3"),
        (b"\x01\xff", "01ff"),
        (b"", '""'),
        ("pump-7", "pump-7"),
        ("", '""'),
        ("two words", '"two words"'),
        ('say "no"', '"say \\"no\\""'),
        ("a=b", '"a=b"'),
        ("Größe", "Größe"),
        ("new\nline", '"new\\nline"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        ("\u202eevil", '"\\u202eevil"'),
    ],
)
def test_logfmt(value: object, text: str) -> None:
    assert logfmt(value) == text


@given(st.text())
def test_no_text_leaves_its_field(text: str) -> None:
    shown = logfmt(text)
    assert len(shown.splitlines()) == 1
    if not shown.startswith('"'):
        assert shown in ("-", text)
        assert not set(shown) & set(" \t\"'=")
    elif len(text) < telemetry.VALUE_CHARS_MAX:
        assert json.loads(shown) == text


def test_a_long_value_is_cut() -> None:
    assert len(logfmt("x" * 100_000)) == telemetry.VALUE_CHARS_MAX
    assert len(logfmt(b"x" * 100_000)) == telemetry.VALUE_CHARS_MAX


def test_line() -> None:
    assert line("peer-joined", [("node", "pump-7"), ("seq", 12), ("why", "new epoch")]) == (
        'peer-joined node=pump-7 seq=12 why="new epoch"'
    )
    assert line("ready", []) == "ready"


@pytest.mark.usefixtures("_log_restored")
def test_a_terminal_or_file_gets_time_and_level() -> None:
    stream = io.StringIO()
    telemetry.setup("info", stream=stream, environ={"JOURNAL_STREAM": "1:2"})
    logging.getLogger("edge.shell.mqtt").info("connected broker=%s", "127.0.0.1:1883")
    logging.getLogger("edge.shell.mqtt").debug("hidden")
    logging.getLogger("zeroconf").info("hidden")
    logging.getLogger("zeroconf").warning("odd packet")
    first, second = stream.getvalue().splitlines()
    stamp, level, text = first.split(maxsplit=2)
    assert len(stamp) == len("2026-11-22T17:01:45.123Z")
    assert (level, text) == ("info", "connected broker=127.0.0.1:1883")
    assert second.endswith("warning odd packet")


def test_an_unknown_level_names_those_that_are_allowed() -> None:
    with pytest.raises(ConfigError, match="'loud': allowed is one of debug, info, warning, error"):
        telemetry.setup("loud")


@pytest.mark.usefixtures("_log_restored")
def test_set_up_twice_writes_once() -> None:
    stream = io.StringIO()
    telemetry.setup("debug", stream=stream)
    telemetry.setup("debug", stream=stream)
    logging.getLogger("edge").debug("once")
    assert stream.getvalue().count("once") == 1


def test_the_journal_gets_a_priority_on_every_line(tmp_path: Path) -> None:
    program = """
import logging, os, sys
stat = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{stat.st_dev}:{stat.st_ino}"
from edge.shell import telemetry
telemetry.setup("debug")
log = logging.getLogger("edge")
for level in ("debug", "info", "warning", "error", "critical"):
    getattr(log, level)("%s", level)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("crashed")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert lines[:5] == ["<7>debug", "<6>info", "<4>warning", "<3>error", "<2>critical"]
    assert len(lines) > 7
    assert all(text.startswith("<3>") for text in lines[5:])
    assert lines[-1] == "<3>ZeroDivisionError: division by zero"


def test_a_redirected_stderr_is_not_the_journal(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w", encoding="utf-8") as file:
        assert not telemetry.is_journal_stream(file, {"JOURNAL_STREAM": "8:12345"})
        assert not telemetry.is_journal_stream(file, {})
        stat = os.fstat(file.fileno())
        assert telemetry.is_journal_stream(file, {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})


class Written:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, level: str, text: str) -> None:
        self.lines.append((level, text))


def test_a_flood_of_one_event_is_bounded_and_counted() -> None:
    written = Written()
    bounded = Bounded(written, burst=5, per_minute=6)
    for i in range(1000):
        bounded.report("warning", "vertex-refused", [("peer", i)], now_ms=i)
    assert [text for _, text in written.lines] == [f"vertex-refused peer={i}" for i in range(5)]
    assert bounded.report("warning", "vertex-refused", [("peer", 7)], now_ms=11_000)
    assert written.lines[-1] == ("warning", "vertex-refused peer=7 suppressed=995")
    assert bounded.counts() == {"log_lines": 6, "log_suppressed": 995}


def test_a_flood_does_not_hide_another_event() -> None:
    written = Written()
    bounded = Bounded(written, burst=2)
    for _ in range(50):
        bounded.report("warning", "flood", [], now_ms=0)
    assert bounded.report("error", "disk-full", [("path", "/var")], now_ms=0)
    assert written.lines[-1] == ("error", "disk-full path=/var")


def test_what_was_suppressed_is_said_at_the_end() -> None:
    written = Written()
    bounded = Bounded(written, burst=1)
    for _ in range(4):
        bounded.report("warning", "flood", [], now_ms=0)
    bounded.flush()
    bounded.flush()
    assert written.lines == [("warning", "flood"), ("warning", "flood suppressed=3")]


def test_log_names_max_bounds_memory_and_lines() -> None:
    written = Written()
    bounded = Bounded(written, burst=1, per_minute=0)
    for i in range(10 * limits.LOG_NAMES_MAX):
        bounded.report("info", f"name-{i}", [], now_ms=0)
    assert len(written.lines) == limits.LOG_NAMES_MAX + 1
    assert len(bounded._buckets) == limits.LOG_NAMES_MAX + 1
    assert bounded.suppressed == 9 * limits.LOG_NAMES_MAX - 1


@pytest.mark.usefixtures("_log_restored")
def test_reports_reach_the_log() -> None:
    stream = io.StringIO()
    telemetry.setup("info", stream=stream, environ={})
    assert Bounded().report("warning", "peer-forked", [("peer", "pump-3")], now_ms=0)
    assert stream.getvalue().rstrip().endswith("warning peer-forked peer=pump-3")


def test_figures_of_this_process() -> None:
    before = figures()
    assert 1_000_000 < before.rss_bytes <= before.rss_max_bytes
    assert before.threads >= 1
    assert before.uptime_s < time.clock_gettime(time.CLOCK_BOOTTIME)


def test_written_bytes_follow_the_disk(tmp_path: Path) -> None:
    before = figures().written_bytes
    if before is None:
        pytest.skip("this kernel does not account I/O per process")
    with open(tmp_path / "data", "wb") as file:
        file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
    after = figures().written_bytes
    assert after is not None
    if after == before:
        pytest.skip("the temporary directory is not on a disk")
    assert after - before >= 1 << 20


def test_bytes_per_day_says_nothing_too_early() -> None:
    young = telemetry.Figures(1, 1, 1000, 59.0, 1)
    assert young.written_bytes_per_day is None
    assert young._replace(uptime_s=86_400.0).written_bytes_per_day == 1000
    assert young._replace(written_bytes=None, uptime_s=100.0).written_bytes_per_day is None


@pytest.mark.parametrize(
    ("wall_ms", "text"),
    [(1_795_366_905_123, "2026-11-22T17:01:45.123Z"), (0, "1970-01-01T00:00:00.000Z"), (2**53 - 1, f"{2**53 - 1}ms")],
)
def test_iso_time(wall_ms: int, text: str) -> None:
    assert iso_time(wall_ms) == text
