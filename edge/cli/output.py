"""How a command answers: one JSON document, or aligned tables and lines, coloured only on a terminal.

Text from peers is shown with its control characters made visible: an event may not move the cursor of whoever reads it.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence

COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "dim": "2", "bold": "1"}


class Output:
    """Where a command writes; `as_json` decides which of the two forms is spoken."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._is_ascii = (getattr(sys.stdout, "encoding", None) or "utf-8").lower() != "utf-8"
        self.is_coloured = (
            not as_json
            and "NO_COLOR" not in os.environ
            and os.environ.get("TERM") != "dumb"
            and hasattr(sys.stdout, "isatty")
            and sys.stdout.isatty()
        )

    def document(self, value: object) -> None:
        """The one JSON document of a command."""
        import json

        print(json.dumps(value, indent=2, ensure_ascii=self._is_ascii, allow_nan=False, default=_plain))

    def json_line(self, value: object) -> None:
        """One line of a stream of documents (`--follow --json`), out at once."""
        import json

        print(json.dumps(value, ensure_ascii=self._is_ascii, allow_nan=False, default=_plain), flush=True)

    def line(self, text: str = "") -> None:
        print(text)

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self.is_coloured and colour else text

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, colours: Mapping[str, str] | None = None
    ) -> None:
        """Columns as wide as their widest cell, numbers to the right; a cell whose text is in `colours` is painted."""
        cells = [[cell(value) for value in row] for row in rows]
        texts = [[visible(value) for value in row] for row in ([list(columns), *cells])]
        widths = [max(width(row[index]) for row in texts) for index in range(len(columns))]
        rights = [bool(cells) and all(_is_number(row[index]) for row in cells) for index in range(len(columns))]
        for number, row in enumerate(texts):
            shown = []
            for text, wide, right in zip(row, widths, rights, strict=True):
                padding = " " * (wide - width(text))
                painted = self.paint(text, "bold" if number == 0 else (colours or {}).get(text, ""))
                shown.append(padding + painted if right else painted + padding)
            print("  ".join(shown).rstrip())

    def pairs(self, values: Iterable[tuple[str, object]]) -> None:
        """Two columns without a head: what, and its value."""
        rows = [(name, visible(cell(value))) for name, value in values]
        wide = max((len(name) for name, _ in rows), default=0)
        for name, text in rows:
            print(f"{self.paint(name.ljust(wide), 'dim')}  {text}".rstrip())


def cell(value: object) -> str:
    """One value as text: nothing for None, short floats, lists and tables joined by commas."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value) or "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {cell(item)}" for key, item in value.items()) or "-"
    return str(value)


def visible(text: str) -> str:
    """The same text with everything that is not printable written as an escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def width(text: str) -> int:
    """Columns on a terminal: two for wide East Asian characters, none for combining ones."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def bytes_text(count: int) -> str:
    """1536 → `1.5 kB`; decimal units, as disks are sold."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(".", "", 1).replace("-", "", 1).replace("e+", "").replace("e-", "").isdigit()


def _plain(value: object) -> object:
    """What json does not know: bytes as hex, paths as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
