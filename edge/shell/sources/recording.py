"""A recording: CSV with a header line, plain or gzip, read row by row with bounded lines.

The delimiter is the one the header uses most: comma, semicolon or tab. A time column is optional; it is named by
`time_field`, else `t_ms` when the file has one. Offsets count from the first row. A row that cannot be read is given as
a `BadRow`, and reading goes on.
"""

from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from edge import limits
from edge.errors import DataError
from edge.sense.table import in_words, shown
from edge.shell.sources.extract import TIME_UNITS, NotUsableError, time_of

TIME_COLUMN = "t_ms"


class Row(NamedTuple):
    line: int
    offset_ms: float | None
    """Since the first row; None without a time column."""
    values: tuple[float, ...]


class BadRow(NamedTuple):
    line: int
    text: str
    """What is wrong and what is expected, with the file and the line."""


class Recording:
    """An open door to one file; `rows` may be called again and again. DataError when the file is no recording."""

    def __init__(
        self, path: Path, fields: Sequence[str] | None = None, *, time_field: str | None = None, time_unit: str = "ms"
    ) -> None:
        """Without `fields` every column but the time is one."""
        self.path = path
        self._unit_ms = TIME_UNITS[time_unit]
        with self._open() as stream:
            self._columns, self._delimiter = self._header(stream)
        self.time_field = time_field or (TIME_COLUMN if TIME_COLUMN in self._columns else None)
        self.fields = (
            tuple(column for column in self._columns if column != self.time_field) if fields is None else tuple(fields)
        )
        for column in (*self.fields, *([self.time_field] if self.time_field else [])):
            if column not in self._columns:
                raise DataError(f"{path}: no column {shown(column)}; the header has {in_words(self._columns)}")
        if not 1 <= len(self.fields) <= limits.WINDOW_CHANNELS_MAX:
            raise DataError(
                f"{path}: {len(self.fields)} columns of values; "
                f"allowed are 1 to {limits.WINDOW_CHANNELS_MAX}: name them in fields"
            )
        self._places = [self._columns.index(field) for field in self.fields]
        self._time_place = None if self.time_field is None else self._columns.index(self.time_field)

    def rows(self) -> Iterator[Row | BadRow]:
        """All rows from the beginning; a file that breaks off in the middle (damaged gzip) ends with a BadRow."""
        number, first_ms = 1, None
        try:
            with self._open() as stream:
                self._header(stream)
                for number, line in self._lines(stream):
                    row = self._row(number, line)
                    if isinstance(row, Row) and row.offset_ms is not None:
                        first_ms = row.offset_ms if first_ms is None else first_ms
                        row = row._replace(offset_ms=row.offset_ms - first_ms)
                    yield row
        except (OSError, EOFError, _zlib_error()) as error:
            yield BadRow(number, f"{self.path}: cannot be read on after line {number}: {error}")

    def _open(self) -> BinaryIO:
        try:
            if self.path.suffix == ".gz":
                import gzip

                return cast(BinaryIO, gzip.open(self.path, "rb"))
            return open(self.path, "rb")
        except OSError as error:
            raise DataError(f"{self.path}: cannot be opened: {error.strerror}") from None

    def _header(self, stream: BinaryIO) -> tuple[list[str], str]:
        try:
            line = stream.readline(limits.LINE_BYTES_MAX)
        except (OSError, EOFError, _zlib_error()) as error:
            raise DataError(f"{self.path}: cannot be read: {error}") from None
        text = line.decode("utf-8-sig", "replace").strip()
        delimiter = max(",;\t", key=text.count)
        columns = split(text, delimiter)
        if not text or "" in columns or len(dict.fromkeys(columns)) != len(columns) or all(map(_is_number, columns)):
            raise DataError(
                f"{self.path}: the first line must be a header of different column names, but is {shown(text)}"
            )
        return columns, delimiter

    def _lines(self, stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
        """Numbered lines that are not blank; None for one that is longer than allowed."""
        number = 1
        while line := stream.readline(limits.LINE_BYTES_MAX):
            number += 1
            if len(line) == limits.LINE_BYTES_MAX and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = stream.readline(limits.LINE_BYTES_MAX)
                yield number, None
            elif line.strip():
                yield number, line

    def _row(self, number: int, line: bytes | None) -> Row | BadRow:
        where = f"{self.path} line {number}:"
        if line is None:
            return BadRow(number, f"{where} longer than {limits.LINE_BYTES_MAX} bytes")
        cells = split(line.decode("utf-8", "replace").strip("\r\n"), self._delimiter)
        if len(cells) != len(self._columns):
            return BadRow(number, f"{where} {len(cells)} cells; allowed are {len(self._columns)}, one per column")
        values = []
        for place in self._places:
            value = _number(cells[place])
            if value is None:
                return BadRow(
                    number, f"{where} {shown(cells[place])} in column {self._columns[place]}; allowed is a number"
                )
            values.append(value)
        if self._time_place is None:
            return Row(number, None, tuple(values))
        try:
            return Row(number, self._time(cells[self._time_place]), tuple(values))
        except NotUsableError as why:
            return BadRow(number, f"{where} {why}")

    def _time(self, cell: str) -> float:
        """In ms, exact to fractions of one; only differences count, so it may be negative."""
        value = _number(cell)
        if value is not None and abs(value * self._unit_ms) <= limits.COUNTER_MAX:
            return value * self._unit_ms
        return float(time_of(cell, self._unit_ms, str(self.time_field)))


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line, stripped; quotes as CSV has them, a quoted line break excepted."""
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    import csv

    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _is_number(cell: str) -> bool:
    return _number(cell) is not None


def _zlib_error() -> type[Exception]:
    import zlib

    return zlib.error
