"""Readings from files that hold one number each, as the kernel shows sensors: IIO, hwmon, thermal zones.

All files are read each `interval_ms`, by deadline, so that the rate does not drift; a deadline that was missed
altogether is skipped and counted. The value is (raw + offset) · scale, as IIO defines it
(kernel Documentation/ABI/testing/sysfs-bus-iio, in_voltageY_scale).

Keys: `path` or `paths`, `fields` (names; else as the files are called), `interval_ms` (1000), `scale` (1) and
`offset` (0), one number for all or a list with one each.
"""

import os
import time
from pathlib import Path

from edge import limits
from edge.sense.table import ANY, Table
from edge.shell.sources.base import Report, Source, SourceError, wall_ms

INTERVAL_MS_MAX = 86_400_000
VALUE_BYTES_MAX = 4096


class SysfsSource(Source):
    kind = "sysfs"

    def __init__(self, name: str, table: Table, report: Report | None = None) -> None:
        self._paths = _paths(table)
        count = len(self._paths)
        names = f"a list of {count} different names, one per path"
        own = () if table.has("fields") else _field_names(self._paths)
        fields = table.texts("fields", names, count_max=limits.WINDOW_CHANNELS_MAX, default=own)
        if len(fields) != count:
            raise table.refusal("fields", list(fields), names)
        self._interval_s = table.number("interval_ms", 1, INTERVAL_MS_MAX, default=1000) / 1000
        self._scale = _each(table, "scale", 1.0, count)
        self._offset = _each(table, "offset", 0.0, count)
        table.done()
        super().__init__(name, fields, report)
        self.missed = 0

    def counts(self) -> dict[str, int]:
        return super().counts() | {"missed": self.missed}

    def _live(self) -> None:
        due_s = time.monotonic()
        while not self._stopping.is_set():
            try:
                self._offer(wall_ms(), self._read())
            except SourceError as trouble:
                self._refuse(str(trouble))
            due_s += self._interval_s
            late = int((time.monotonic() - due_s) / self._interval_s)
            if late > 0:
                self.missed += late
                self._is_gap = True
                due_s += late * self._interval_s
            if not self._pause(due_s - time.monotonic()):
                return

    def _read(self) -> tuple[float, ...]:
        return tuple(
            (read_number(path) + offset) * scale
            for path, offset, scale in zip(self._paths, self._offset, self._scale, strict=True)
        )


def read_number(path: Path) -> float:
    """The number a file holds; `SourceError` when it holds none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            text = os.read(handle, VALUE_BYTES_MAX)
        finally:
            os.close(handle)
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read: {error.strerror}; expected is a file that holds one number"
        ) from None
    try:
        value = float(text)
    except ValueError:
        raise SourceError(f"{path}: holds {text[:40]!r}; expected is one number") from None
    if not -ANY <= value <= ANY:
        raise SourceError(f"{path}: holds {value}; expected is one finite number")
    return value


def _paths(table: Table) -> list[Path]:
    """From `path` or `paths`, exactly one of them."""
    one, many = table.raw("path"), table.raw("paths")
    given = [one] if one is not None else many
    allowed = f"1 to {limits.WINDOW_CHANNELS_MAX} paths of files, in path or in paths"
    is_list = isinstance(given, list | tuple) and 1 <= len(given) <= limits.WINDOW_CHANNELS_MAX
    if one is not None and many is not None:
        raise table.refusal("paths", many, "only one of path and paths")
    if given is None:
        raise table.missing("path", allowed)
    if not is_list or not all(isinstance(path, str | Path) and str(path) for path in given):  # type: ignore[attr-defined]
        raise table.refusal("path" if one is not None else "paths", given, allowed)
    return [Path(path) for path in given]  # type: ignore[attr-defined]


def _each(table: Table, key: str, default: float, count: int) -> tuple[float, ...]:
    """One number for all files, or a list with one each."""
    value = table.raw(key, default)
    values = value if isinstance(value, list | tuple) else [value] * count
    numbers = [
        float(item)
        for item in values
        if isinstance(item, int | float) and not isinstance(item, bool) and -ANY <= item <= ANY
    ]
    if not len(numbers) == len(values) == count:
        raise table.refusal(key, value, f"a finite number, or a list of {count}, one per path")
    return tuple(numbers)


def _field_names(paths: list[Path]) -> tuple[str, ...]:
    """The files' names, with their folder where two are alike."""
    names = [path.name for path in paths]
    if len(dict.fromkeys(names)) != len(names):
        names = [f"{path.parent.name}/{path.name}" for path in paths]
    if len(dict.fromkeys(names)) != len(names):
        names = [str(path) for path in paths]
    if len(dict.fromkeys(names)) != len(names):
        raise ValueError(f"paths = {names}: allowed is each file once")
    return tuple(names)
