"""Options from plain dicts: each key is taken once, checked, and what is left over is refused by name.

Every refusal is a `ValueError` whose sentence names the key, the value and what is allowed; the configuration puts file
and table in front of it.
"""

from collections.abc import Mapping, Sequence
from math import isfinite

SHOWN_MAX = 60
ANY = 1e308
"""Bound of a number that may be anything finite."""


def shown(value: object) -> str:
    """A value as a person would recognise it in a message: one line, cut short."""
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"


def in_words(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


class Table:
    """A reader over one dict: each method answers a checked value, `done` refuses what nobody asked for."""

    def __init__(self, values: Mapping[str, object], where: str = "") -> None:
        self._where = where
        self._values = dict(values)
        self._asked: dict[str, object] = {}

    def _take(self, key: str, default: object = None) -> object:
        value = self._values.pop(key, None)
        self._asked[key] = default if value is None else value
        return value

    def in_force(self) -> dict[str, object]:
        """Every key that was asked for, with the value given or its default; None where there is neither."""
        return {key: value.in_force() if isinstance(value, Table) else value for key, value in self._asked.items()}

    def refusal(self, key: str, value: object, allowed: str) -> ValueError:
        return ValueError(f"{self._where}{key} = {shown(value)}: allowed is {allowed}")

    def missing(self, key: str, allowed: str) -> ValueError:
        return ValueError(f"{self._where}{key} is missing: allowed is {allowed}")

    def has(self, key: str) -> bool:
        return self._values.get(key) is not None

    def raw(self, key: str, default: object = None) -> object:
        value = self._take(key, default)
        return default if value is None else value

    def flag(self, key: str, default: bool | None) -> bool | None:
        value = self._take(key, default)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.refusal(key, value, "true or false")
        return value

    def whole(self, key: str, low: int, high: int, *, default: int | None = None) -> int:
        allowed = f"a whole number from {low} to {high}"
        value = self._take(key, default)
        if value is None:
            if default is None:
                raise self.missing(key, allowed)
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.refusal(key, value, allowed)
        return value

    def number(self, key: str, low: float, high: float, *, default: float | None = None) -> float:
        value = self.optional_number(key, low, high, default=default)
        if value is None:
            raise self.missing(key, _range_words(low, high))
        return value

    def optional_number(self, key: str, low: float, high: float, *, default: float | None = None) -> float | None:
        value = self._take(key, default)
        if value is None:
            return default
        if not _is_number(value) or not low <= value <= high:  # type: ignore[operator]
            raise self.refusal(key, value, _range_words(low, high))
        return float(value)  # type: ignore[arg-type]

    def numbers(self, key: str, allowed: str, *, count_max: int) -> tuple[float, ...] | None:
        """A list of finite numbers (lists and tuples alike), or None when the key is absent."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) > count_max or not all(_is_number(item) for item in value):
            raise self.refusal(key, value, allowed)
        return tuple(float(item) for item in value)

    def text(self, key: str, allowed: str, *, default: str | None = None, bytes_max: int | None = None) -> str:
        value = self._take(key, default or None)
        if value is None:
            if default is None:
                raise self.missing(key, allowed)
            return default
        if not isinstance(value, str) or not value or len(value.encode("utf-8", "replace")) > (bytes_max or 4096):
            raise self.refusal(key, value, allowed)
        return value

    def texts(
        self, key: str, allowed: str, *, count_max: int, bytes_max: int = 4096, default: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        """A list of distinct, non-empty texts."""
        value = self._take(key, default)
        if value is None:
            return default
        if (
            not isinstance(value, list | tuple)
            or not 1 <= len(value) <= count_max
            or not all(
                isinstance(item, str) and 1 <= len(item.encode("utf-8", "replace")) <= bytes_max for item in value
            )
            or len(dict.fromkeys(value)) != len(value)
        ):
            raise self.refusal(key, value, allowed)
        return tuple(value)

    def choice(self, key: str, words: Sequence[str], *, default: str | None = None) -> str:
        allowed = "one of " + in_words(words)
        value = self._take(key, default)
        if value is None:
            if default is None:
                raise self.missing(key, allowed)
            return default
        if not isinstance(value, str) or value not in words:
            raise self.refusal(key, value, allowed)
        return value

    def table(self, key: str, allowed: str, *, default: Mapping[str, object]) -> "Table":
        table = self.optional_table(key, allowed)
        if table is None:
            self._asked[key] = table = Table(default, f"{self._where}{key}.")
        return table

    def optional_table(self, key: str, allowed: str, *, word: str = "") -> "Table | None":
        """The table, None when the key is absent; with `word` a text stands for a table of that key alone."""
        value = self._take(key)
        if value is None:
            return None
        if word and isinstance(value, str):
            value = {word: value}
        if not isinstance(value, Mapping):
            raise self.refusal(key, value, allowed)
        self._asked[key] = table = Table(value, f"{self._where}{key}.")
        return table

    def done(self) -> None:
        for key, value in self._values.items():
            where = self._where.rstrip(".") or "this table"
            raise ValueError(
                f"{self._where}{key} = {shown(value)}: there is no such key; "
                f"allowed in {where}: {in_words(list(self._asked))}"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _range_words(low: float, high: float) -> str:
    if high >= ANY:
        return "a finite number" if low <= -ANY else f"a number of at least {low:g}"
    return f"a number from {low:g} to {high:g}"
