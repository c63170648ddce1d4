"""Readings from a recording, replayed at its own pace or any other.

Event times follow the recording as it is replayed: a reading that lies `offset` after the first is delivered, and
stamped, at start + offset / speed. `speed = 0` delivers as fast as the node accepts and stamps start + offset. Without
times in the file `interval_ms` says how far apart the rows are. A full queue is waited for, so that nothing of a
recording is lost.

Keys: `path`, `fields` (all columns but the time by default), `time_field` (`t_ms` by default), `time_unit`,
`interval_ms`, `speed` (1; 0 or 0.001 to 1e6), `loop` (false), `start_at_ms` (Unix time at which the replay begins or
began, by default when the source starts: rows due before that are gone, as with a live sensor nobody listened to).
"""

import time
from collections.abc import Iterator
from pathlib import Path

from edge import limits
from edge.errors import DataError
from edge.sense.table import ANY, Table, shown
from edge.shell.sources.base import Report, Source, SourceError, wall_ms
from edge.shell.sources.extract import TIME_UNITS
from edge.shell.sources.recording import BadRow, Recording, Row

SPEED_MIN = 1e-3
SPEED_MAX = 1e6


class FileSource(Source):
    kind = "file"

    def __init__(self, name: str, table: Table, report: Report | None = None) -> None:
        """DataError when the file is no recording that fits the options."""
        path = table.raw("path")
        if not isinstance(path, str | Path) or not str(path):
            raise table.refusal("path", path, "the path of a CSV file, plain or .gz")
        fields = table.texts("fields", "a list of different columns", count_max=limits.WINDOW_CHANNELS_MAX)
        time_field = table.text("time_field", "the column that holds the time", default="") or None
        time_unit = table.choice("time_unit", list(TIME_UNITS), default="ms")
        self._interval_ms = table.optional_number("interval_ms", 1e-3, ANY)
        self._speed = table.number("speed", 0.0, SPEED_MAX, default=1.0)
        if 0 < self._speed < SPEED_MIN:
            raise table.refusal("speed", self._speed, f"0, or a number from {SPEED_MIN:g} to {SPEED_MAX:g}")
        self._is_loop = bool(table.flag("loop", False))
        self._start_at_ms = table.optional_number("start_at_ms", 0, limits.COUNTER_MAX)
        table.done()
        self._recording = Recording(Path(path), fields or None, time_field=time_field, time_unit=time_unit)
        if self._recording.time_field is None and self._interval_ms is None and self._speed:
            raise DataError(
                f"{path}: has no column t_ms, so nothing says how fast to replay it; "
                "allowed is time_field, interval_ms, or speed = 0"
            )
        super().__init__(name, self._recording.fields, report)
        self.rounds = 0

    def counts(self) -> dict[str, int]:
        return super().counts() | {"rounds": self.rounds}

    def _live(self) -> None:
        clock = _Replay(self._speed, self._start_at_ms)
        while self._play(clock) and self._is_loop:
            pass
        if not self._stopping.is_set():
            refused = f"; {self.refused} rows were refused, such as {self._detail}" if self.refused else ""
            self._ended(f"the recording {self._recording.path} is over after {self.readings} readings{refused}")

    def _play(self, clock: "_Replay") -> bool:
        """One round; False when the source is to stop."""
        before = self.readings
        for row in self._rows():
            if self._stopping.is_set():
                return False
            if isinstance(row, BadRow):
                self._refuse(row.text)
                continue
            time_ms, wait_s = clock.due(row.offset_ms)
            if clock.is_over(time_ms):
                continue
            if (wait_s > 0 and not self._pause(wait_s)) or not self._offer_patiently(time_ms, row.values):
                return False
        if self.readings == before and self._start_at_ms is None:
            raise SourceError(
                f"{self._recording.path}: not one row could be used; expected are numbers in {shown(self.fields)}"
            )
        self.rounds += 1
        clock.rewind(self._interval_ms)
        return True

    def _rows(self) -> Iterator[Row | BadRow]:
        try:
            for index, row in enumerate(self._recording.rows()):
                if isinstance(row, Row) and row.offset_ms is None and self._interval_ms is not None:
                    yield row._replace(offset_ms=index * self._interval_ms)
                else:
                    yield row
        except DataError as error:
            raise SourceError(str(error)) from None


class _Replay:
    """When each row is due; a round in a loop follows the one before without a jump."""

    def __init__(self, speed: float, start_at_ms: float | None = None) -> None:
        self._speed = speed
        self._began_ms = wall_ms()
        self._start_ms = self._began_ms if start_at_ms is None else round(start_at_ms)
        self._start_s = time.monotonic() + (self._start_ms - self._began_ms) / 1000
        self._base_ms = 0.0
        self._last_ms = 0.0
        self._rows = 0

    def due(self, offset_ms: float | None) -> tuple[int, float]:
        """The time stamp of a row and how long to wait for it; a row without any time is due and stamped now."""
        if offset_ms is None:
            return wall_ms(), 0.0
        self._last_ms = offset_ms
        self._rows += 1
        after_ms = self._base_ms + offset_ms
        if not self._speed:
            return max(0, self._start_ms + round(after_ms)), 0.0
        after_ms /= self._speed
        return max(0, self._start_ms + round(after_ms)), self._start_s + after_ms / 1000 - time.monotonic()

    def is_over(self, time_ms: int) -> bool:
        """Whether a row was due before anybody listened; never so without a pace."""
        return bool(self._speed) and time_ms < self._began_ms and self._start_ms < self._began_ms

    def rewind(self, interval_ms: float | None) -> None:
        """Begin again, one row's distance after the last."""
        if interval_ms is None:
            interval_ms = self._last_ms / (self._rows - 1) if self._rows > 1 else 1.0
        round_ms = self._last_ms + interval_ms
        self._base_ms += round_ms
        over_ms = (self._began_ms - self._start_ms) * self._speed - self._base_ms
        if over_ms > round_ms > 0:
            self._base_ms += over_ms // round_ms * round_ms  # rounds nobody could have heard
        self._rows = 0
