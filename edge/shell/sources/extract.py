"""Numbers out of what people send: JSON paths, batches, and times in whatever unit they are written.

A path is `a.b[0].c`, with `["any key"]` for keys that are no plain words; `$` is the whole document and may begin any
path. A document is one reading, or a batch when every field is an array: equally long, one reading per place.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite

from edge import limits

DOCUMENT = "$"
TIME_UNITS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
"""How many ms one of them is."""
_STEP = re.compile(r"""\.?([^.\[\]"]+)|\[(\d{1,9})\]|\["((?:[^"\\]|\\.)*)"\]""")

Step = str | int
Rows = list[tuple[int, tuple[float, ...]]]
"""(time in ms, values) of each reading."""


class NotUsableError(Exception):
    """The document gives no reading; the text says why, without saying where it came from."""


def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a path; ValueError shows the grammar."""
    rest = path[1:] if path.startswith(DOCUMENT) else path
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        is_first = not steps and path == rest
        if not match or (match[1] is not None and (rest[at] == ".") == is_first):
            raise ValueError(
                f'{path!r} is no path: allowed is such as x, a.b[0].c, ["any key"] or $ for the whole payload'
            )
        steps.append(int(match[2]) if match[2] is not None else match[1] or match[3].replace('\\"', '"'))
        at = match.end()
    if not path:
        raise ValueError("an empty path: allowed is such as x, a.b[0].c or $ for the whole payload")
    return tuple(steps)


def parse_json(text: bytes | str) -> object:
    """Strict JSON (NaN and Infinity are none); NotUsableError says where it breaks."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise NotUsableError(f"is not JSON: {error.msg} at byte {error.pos}") from None
    except (ValueError, RecursionError) as error:
        raise NotUsableError(f"is not JSON that can be read: {error}") from None


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is no number of JSON")


class Extractor:
    """Takes documents to readings; its options are checked once, here (ValueError)."""

    def __init__(
        self, fields: Sequence[str], *, time_field: str | None = None, time_unit: str = "ms", interval_ms: float = 0.0
    ) -> None:
        """`interval_ms` is the time between the readings of a batch, the last of which has the document's time."""
        self._fields = [(field, parse_path(field)) for field in fields]
        self._time = None if time_field is None else (time_field, parse_path(time_field))
        self._unit_ms = TIME_UNITS[time_unit]
        self._interval_ms = interval_ms

    def rows(self, document: object, arrival_ms: int) -> Rows:
        """The readings of a document; without a time that of its arrival. NotUsableError says what is missing."""
        columns = [(field, find(document, field, steps)) for field, steps in self._fields]
        stamps = None if self._time is None else find(document, *self._time)
        lengths = {field: len(column) for field, column in columns if isinstance(column, list)}
        if not lengths:
            time_ms = arrival_ms if self._time is None else time_of(stamps, self._unit_ms, self._time[0])
            return [(time_ms, tuple(number_of(column, field) for field, column in columns))]
        count = self._batch_length(lengths, len(columns))
        times = self._batch_times(stamps, count, arrival_ms)
        lists = [[number_of(item, field) for item in column] for field, column in columns if isinstance(column, list)]
        return list(zip(times, zip(*lists, strict=True), strict=True))

    def _batch_length(self, lengths: dict[str, int], fields: int) -> int:
        (first, count), *others = lengths.items()
        if len(lengths) != fields:
            single = next(field for field, _ in self._fields if field not in lengths)
            raise NotUsableError(f"has an array at {first} but none at {single}; a batch needs arrays in all fields")
        for field, length in others:
            if length != count:
                raise NotUsableError(f"has {count} values at {first} but {length} at {field}; allowed are equally many")
        if count > limits.SOURCE_BATCH_MAX:
            raise NotUsableError(f"holds a batch of {count} readings; allowed are at most {limits.SOURCE_BATCH_MAX}")
        return count

    def _batch_times(self, stamps: object, count: int, arrival_ms: int) -> list[int]:
        if self._time is not None and isinstance(stamps, list):
            if len(stamps) != count:
                raise NotUsableError(f"has {count} readings but {len(stamps)} times at {self._time[0]}")
            return [time_of(stamp, self._unit_ms, self._time[0]) for stamp in stamps]
        end_ms = arrival_ms if self._time is None else time_of(stamps, self._unit_ms, self._time[0])
        return [max(0, end_ms - round((count - 1 - index) * self._interval_ms)) for index in range(count)]


def find(document: object, path: str, steps: Sequence[Step]) -> object:
    """What stands at a path."""
    value = document
    for step in steps:
        is_there = (step in value) if isinstance(value, dict) else False
        if isinstance(value, list) and isinstance(step, int):
            is_there = step < len(value)
        if not is_there:
            raise NotUsableError(f"has nothing at {path}; it holds {outline(document)}")
        value = value[step]  # type: ignore[index]  # a dict or a list that has it
    return value


def number_of(value: object, field: str) -> float:
    """A finite number; true and false count as 1 and 0, as switches send them."""
    if isinstance(value, bool | int | float):
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if isfinite(number):
            return number
    raise NotUsableError(f"has {_shown(value)} at {field}; allowed is a number, true or false")


def time_of(value: object, unit_ms: float, field: str) -> int:
    """Unix ms of a number in its unit, or of ISO 8601 text (UTC where it names no zone)."""
    time_ms = -1.0
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            time_ms = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
        except (ValueError, OverflowError):
            pass
    elif isinstance(value, int | float) and not isinstance(value, bool):
        time_ms = float(value) * unit_ms if abs(value) < 2**80 else -1.0
    if not 0 <= time_ms <= limits.COUNTER_MAX:
        raise NotUsableError(f"has {_shown(value)} at {field}; allowed is a Unix time from 0, or ISO 8601 text")
    return round(time_ms)


def outline(document: object) -> str:
    """What a document is, for people: its keys, its length or its type."""
    if isinstance(document, dict):
        keys = ", ".join(str(key)[:32] for key in list(document)[:12])
        return f"an object with {keys}" + (", …" if len(document) > 12 else "") if document else "an empty object"
    if isinstance(document, list):
        return f"an array of {len(document)}"
    return _shown(document)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"
