"""Readings from the lines of a command: numbers separated by commas, semicolons or blanks, or JSON objects.

The command runs without a shell, in a process group of its own that ends with the source; when it ends by itself it is
started again after a pause that doubles up to a minute. Where util-linux's `setpriv` exists the kernel also kills it
when the agent dies. What it says on stderr last is part of the message when it fails.

Keys: `argv` (a list), `format` (`auto`, `csv`, `json`), `fields` (names of the numbers, or JSON paths; one `value` by
default), `time_field` and `time_unit` (JSON only).
"""

import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from math import isfinite

from edge import limits
from edge.sense.table import Table
from edge.shell.sources.base import STOP_S, Deliver, Report, Source, SourceError, Watch, wall_ms
from edge.shell.sources.extract import TIME_UNITS, Extractor, NotUsableError, Rows, parse_json

FORMATS = ("auto", "csv", "json")
CHUNK_BYTES = 16 * 1024
SYSTEMD = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""What a child must not inherit: it could speak to systemd in our name."""
GRACE_S = 0.4
"""Between SIGTERM and SIGKILL; with the join it stays within the second a stop may take."""


class CommandSource(Source):
    kind = "command"

    def __init__(self, name: str, table: Table, report: Report | None = None) -> None:
        words = 'a list of 1 to 64 texts such as ["rtl_433", "-F", "json"]; it is run without a shell'
        argv = table.raw("argv")
        if (
            not isinstance(argv, list | tuple)
            or not 1 <= len(argv) <= 64
            or not all(map(_is_word, argv))
            or not argv[0]
        ):
            raise table.refusal("argv", argv, words)
        self._argv = tuple(argv)
        self._format = table.choice("format", FORMATS, default="auto")
        names = "a list of different names, one per number of a line (JSON paths for JSON lines)"
        fields = table.texts("fields", names, count_max=limits.WINDOW_CHANNELS_MAX, bytes_max=256, default=("value",))
        time_field = table.text("time_field", "the JSON path of the time", default="") or None
        time_unit = table.choice("time_unit", list(TIME_UNITS), default="ms")
        table.done()
        super().__init__(name, fields, report)
        self._extractor = None
        if self._format != "csv":
            self._extractor = Extractor(fields, time_field=time_field, time_unit=time_unit)
        self._wakeup = -1
        self.pid: int | None = None
        """Of the running command, None when none runs."""

    def start(self, deliver: Deliver, watch: Watch | None = None) -> None:
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        super().start(deliver, watch)

    def stop(self, timeout_s: float = STOP_S) -> bool:
        has_ended = super().stop(timeout_s)
        if has_ended and self._wakeup >= 0:
            os.close(self._wakeup)
            self._wakeup = -1
        return has_ended

    def _wake(self) -> None:
        if self._wakeup >= 0:
            os.eventfd_write(self._wakeup, 1)

    def _live(self) -> None:
        if shutil.which(self._argv[0]) is None:
            raise SourceError(
                f"command {self._argv[0]}: is not found or may not be run; expected is a program in PATH or a path"
            )
        try:
            process = _spawn(self._argv)
        except OSError as error:
            raise SourceError(f"command {self._argv[0]}: cannot be started: {error.strerror}") from None
        self.pid = process.pid
        last_words = ""
        try:
            last_words = self._follow(process)
        finally:
            code = _finish(process)
            self.pid = None
        if self._stopping.is_set():
            return
        said = f"; it said {last_words!r}" if last_words else ""
        raise SourceError(
            f"command {self._argv[0]}: ended {_ending(code)}{said}; expected is one that goes on writing lines"
        )

    def _follow(self, process: "subprocess.Popen[bytes]") -> str:
        """Read lines until stdout closes or the source is to stop; the last line of stderr."""
        assert process.stdout is not None and process.stderr is not None
        lines, words = _Lines(), b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            selector.register(self._wakeup, selectors.EVENT_READ)
            while not self._stopping.is_set():
                for key, _ in selector.select():
                    if key.fileobj == self._wakeup:
                        continue
                    chunk = os.read(key.fd, CHUNK_BYTES)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    if key.fileobj is process.stderr:
                        words = (words + chunk)[-1024:]
                    elif chunk:
                        self._take(lines.feed(chunk))
                    else:
                        self._take(lines.rest())
                        return _last_line(words + _drain(process.stderr.fileno()))
        return ""

    def _take(self, lines: "list[bytes | None]") -> None:
        arrival_ms = wall_ms()
        for line in lines:
            if self._stopping.is_set():
                return
            try:
                if line is None:
                    raise NotUsableError(f"is longer than {limits.LINE_BYTES_MAX} bytes")
                if not line.strip():
                    continue
                rows = self._rows(line, arrival_ms)
            except NotUsableError as why:
                self._refuse(f"command {self._argv[0]}: a line {why}; expected is {', '.join(self.fields)}")
                continue
            for time_ms, values in rows:
                self._offer(time_ms, values)

    def _rows(self, line: bytes, arrival_ms: int) -> Rows:
        is_json = self._format == "json" or (self._format == "auto" and line.lstrip()[:1] in (b"{", b"["))
        if is_json and self._extractor is not None:
            return self._extractor.rows(parse_json(line), arrival_ms)
        return [(arrival_ms, numbers(line, len(self.fields)))]


def numbers(line: bytes, count: int) -> tuple[float, ...]:
    """Exactly `count` finite numbers, separated by commas, semicolons or blanks."""
    cells = line.replace(b",", b" ").replace(b";", b" ").split()
    if len(cells) != count:
        raise NotUsableError(f"{line[:60]!r} has {len(cells)} values; allowed are {count}")
    values = []
    for cell in cells:
        try:
            value = float(cell)
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            raise NotUsableError(f"{line[:60]!r} has {cell[:20]!r} where a finite number is expected")
        values.append(value)
    return tuple(values)


class _Lines:
    """Cuts a stream of bytes into lines; one that is too long is given as None, once."""

    def __init__(self) -> None:
        self._part = b""
        self._is_skipping = False

    def feed(self, chunk: bytes) -> "list[bytes | None]":
        *whole, self._part = (self._part + chunk).split(b"\n")
        lines: list[bytes | None] = []
        for line in whole:
            if not self._is_skipping:
                lines.append(line if len(line) <= limits.LINE_BYTES_MAX else None)
            self._is_skipping = False
        if len(self._part) > limits.LINE_BYTES_MAX:
            self._part = b""
            if not self._is_skipping:
                lines.append(None)
            self._is_skipping = True
        return lines

    def rest(self) -> "list[bytes | None]":
        """A last line without its line break."""
        return [] if self._is_skipping else [self._part]


# An agent that was killed before the signal was asked for will never send it; only its absence tells.
_IF_PARENT_LIVES = 'test "$PPID" = "$1" || exit 75; shift; exec "$@"'


def _spawn(argv: Sequence[str]) -> "subprocess.Popen[bytes]":
    """The child dies with the thread that starts it (PR_SET_PDEATHSIG): the source's own, which outlives it."""
    guard = shutil.which("setpriv")
    full = list(argv)
    if guard is not None:
        full = [guard, "--pdeathsig", "KILL", "--", "sh", "-c", _IF_PARENT_LIVES, "sh", str(os.getpid()), *argv]
    environment = {
        key: value for key, value in os.environ.items() if key not in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
    }
    return subprocess.Popen(
        full,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment,
        start_new_session=True,
    )


def _finish(process: "subprocess.Popen[bytes]") -> int:
    """End the whole group: a moment to end by itself, SIGTERM, SIGKILL; the leader is reaped last, so that its number
    cannot name a stranger's group."""
    for number, patience_s in ((0, 0.1), (signal.SIGTERM, GRACE_S)):  # 0 signals nothing
        _signal_group(process.pid, number)
        if _has_ended(process.pid, patience_s):
            break
    _signal_group(process.pid, signal.SIGKILL)
    code = process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    return code


def _has_ended(pid: int, patience_s: float) -> bool:
    deadline_s = time.monotonic() + patience_s
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(0.01)
    return True


def _signal_group(pid: int, number: int) -> None:
    # It has ended, or all that is left belongs to somebody else.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _drain(handle: int) -> bytes:
    """What stands in a pipe already, at most one chunk; never waits."""
    os.set_blocking(handle, False)
    try:
        return os.read(handle, CHUNK_BYTES)
    except OSError:
        return b""


def _last_line(words: bytes) -> str:
    lines = words.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:160] if lines else ""


def _ending(code: int) -> str:
    if code < 0:
        return f"by signal {-code}"
    return f"with status {code}"


def _is_word(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value and len(value) <= 4096
