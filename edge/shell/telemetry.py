"""What the operator sees: `event key=value` lines, bounded whoever causes them, and the figures of the process."""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

from edge import limits
from edge.errors import ConfigError

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
VALUE_CHARS_MAX = 256
LINE_CHARS_MAX = 8192
_BARE = re.compile(r"[^\s\"'=\\]+", re.ASCII)
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""syslog(3) priorities; below info it is 7."""

Fields = Iterable[tuple[str, object]]


def setup(level: str = "info", *, stream: TextIO | None = None, environ: Mapping[str, str] | None = None) -> None:
    """Send every log line to `stream` (stderr), once; ours from `level` up, the libraries' from warning up."""
    if level not in LEVELS:
        raise ConfigError(f"log level {level!r}: allowed is one of {', '.join(LEVELS)}")
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    is_journal = is_journal_stream(target, os.environ if environ is None else environ)
    handler.setFormatter(JournalFormatter() if is_journal else PlainFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, LEVELS[level]))
    logging.getLogger("edge").setLevel(LEVELS[level])
    logging.raiseExceptions = False  # a reader of stderr that went away must not cost more lines
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def is_journal_stream(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `stream` is the very file that JOURNAL_STREAM names (systemd.exec(5)); a redirected one is not."""
    named = environ.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        stat = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{stat.st_dev}:{stat.st_ino}"


class PlainFormatter(logging.Formatter):
    """Time, level, message; for a terminal or a file."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = iso_time(int(record.created * 1000))
        return f"{stamp} {record.levelname.lower():<7} {_text(record)}"


class JournalFormatter(logging.Formatter):
    """A priority before each line (sd-daemon(3)); the journal has its own clock."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for floor, number in _PRIORITIES if record.levelno >= floor), 7)
        return "\n".join(f"<{priority}>{line}" for line in _text(record).splitlines() or [""])


def _text(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + logging.Formatter().formatException(record.exc_info)
    return text[:LINE_CHARS_MAX]


def line(event: str, fields: Fields) -> str:
    """`event key=value …` as logfmt: bare where that is clear, a JSON string where it is not."""
    return " ".join([event, *(f"{key}={logfmt(value)}" for key, value in fields)])


def logfmt(value: object) -> str:
    """One value on one line; what a peer chose can end neither the line nor the field."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return value[: VALUE_CHARS_MAX // 2].hex() or '""'
    text = str(value)
    if len(text) > VALUE_CHARS_MAX:
        text = text[: VALUE_CHARS_MAX - 1] + "…"
    if text.isprintable() and _BARE.fullmatch(text):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


class _Bucket:
    """Tokens of one event name, refilled by time."""

    __slots__ = ("at_ms", "level", "suppressed", "tokens")

    def __init__(self, tokens: float, at_ms: float) -> None:
        self.tokens = tokens
        self.at_ms = at_ms
        self.level = "info"
        self.suppressed = 0


class Bounded:
    """Writes reports: at most `burst` at once, then `per_minute` per event name; the next line counts the others.

    Names past LOG_NAMES_MAX share one bucket, so that memory and lines are bounded whatever is reported.
    """

    def __init__(
        self, write: Callable[[str, str], None] | None = None, *, burst: int = 20, per_minute: float = 12.0
    ) -> None:
        """`write` takes (level, line); by default the log of this process."""
        self._write = write if write is not None else _write_log
        self._burst = float(burst)
        self._per_ms = per_minute / 60_000
        self._buckets: dict[str, _Bucket] = {}
        self.written = 0
        self.suppressed = 0

    def report(self, level: str, event: str, fields: Fields, now_ms: float) -> bool:
        """Write the report, or count it; says which. `now_ms` is monotonic."""
        bucket = self._bucket(event, now_ms)
        bucket.tokens = min(self._burst, bucket.tokens + (now_ms - bucket.at_ms) * self._per_ms)
        bucket.at_ms = now_ms
        bucket.level = level
        if bucket.tokens < 1:
            bucket.suppressed += 1
            self.suppressed += 1
            return False
        bucket.tokens -= 1
        extra = [("suppressed", bucket.suppressed)] if bucket.suppressed else []
        bucket.suppressed = 0
        self.written += 1
        self._write(level, line(event, [*fields, *extra]))
        return True

    def flush(self) -> None:
        """State what was suppressed and not yet said; before the process ends."""
        for event, bucket in self._buckets.items():
            if bucket.suppressed:
                self._write(bucket.level, line(event, [("suppressed", bucket.suppressed)]))
                bucket.suppressed = 0

    def counts(self) -> dict[str, int]:
        return {"log_lines": self.written, "log_suppressed": self.suppressed}

    def _bucket(self, event: str, now_ms: float) -> _Bucket:
        name = event if event in self._buckets or len(self._buckets) < limits.LOG_NAMES_MAX else "other"
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self._burst, now_ms)
        return bucket


def _write_log(level: str, text: str) -> None:
    logging.getLogger("edge").log(LEVELS.get(level, logging.INFO), "%s", text)


class Figures(NamedTuple):
    """What the process costs. None where the kernel does not say."""

    rss_bytes: int
    rss_max_bytes: int
    written_bytes: int | None
    """Sent towards the disk since the start of the process (`write_bytes` of proc(5)): what wears a flash card."""
    uptime_s: float
    threads: int

    @property
    def written_bytes_per_day(self) -> int | None:
        """Extrapolated; None in the first minute, when it would say nothing."""
        if self.written_bytes is None or self.uptime_s < 60:
            return None
        return round(self.written_bytes * 86_400 / self.uptime_s)


def figures(pid: int | None = None) -> Figures:
    """The figures of this process, or of one that this user may read."""
    root = f"/proc/{'self' if pid is None else pid}"
    status = _proc_fields(f"{root}/status")
    try:
        written: int | None = int(_proc_fields(f"{root}/io")["write_bytes"])
    except (OSError, KeyError):
        written = None
    with open(f"{root}/stat", encoding="ascii", errors="replace") as file:
        after_name = file.read().rpartition(")")[2].split()  # the name may hold spaces and parentheses
    started_s = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return Figures(
        rss_bytes=_kilobytes(status.get("VmRSS")),
        rss_max_bytes=_kilobytes(status.get("VmHWM")),
        written_bytes=written,
        uptime_s=max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_s),
        threads=int(status.get("Threads", "1")),
    )


def _proc_fields(path: str) -> dict[str, str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        return {key: value.strip() for key, _, value in (text.partition(":") for text in file)}


def _kilobytes(text: str | None) -> int:
    return int(text.split()[0]) * 1024 if text else 0


def iso_time(wall_ms: int) -> str:
    """`2026-11-22T17:01:45.123Z`; milliseconds as they are where the calendar ends."""
    try:
        stamp = datetime.fromtimestamp(wall_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{wall_ms}ms"
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000:03d}Z"
