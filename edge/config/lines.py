"""Where each key of a TOML file stands, because tomllib does not say. For messages and `config show` only.

A line is found by its shape, not by a second parser: multi-line strings and arrays are stepped over by counting their
quotes and brackets. The worst it can do is to name no line.
"""

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?\Z")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\-\"']+(?:\s*\.\s*[A-Za-z0-9_\-\"']+)*)\s*=(.*)\Z")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_FENCE = re.compile(r"\"\"\"|'''")


def key_lines(text: str) -> dict[str, int]:
    """Dotted place → line, from 1. Entries of an array of tables are numbered from 0: `source.0.topic`, `source.0`."""
    found: dict[str, int] = {}
    counted: dict[str, int] = {}
    table, fence, depth = "", "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            fence = "" if fence in line else fence
            continue
        if depth:
            depth = max(0, depth + _open_brackets(line))
            continue
        if header := _HEADER.match(line):
            table = _table_place(header[2], header[1] == "[[", counted)
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            place = _plain(key[1])
            found.setdefault(f"{table}.{place}" if table else place, number)
            fences = _FENCE.findall(key[2])
            fence = fences[0] if len(fences) % 2 else ""
            depth = 0 if fence else max(0, _open_brackets(key[2]))
    return found


def line_of(lines: dict[str, int], place: str) -> int | None:
    """The line of a place, or of the nearest thing around it: a key in an inline table stands where the table does."""
    while place:
        if place in lines:
            return lines[place]
        place = place.rpartition(".")[0]
    return None


def _plain(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))


def _table_place(dotted: str, is_array: bool, counted: dict[str, int]) -> str:
    place = _plain(dotted)
    if is_array:
        counted[place] = counted.get(place, -1) + 1
        return f"{place}.{counted[place]}"
    head, _, rest = place.partition(".")
    return f"{head}.{counted[head]}.{rest}" if rest and head in counted else place


def _open_brackets(line: str) -> int:
    bare = _STRING.sub("", line).partition("#")[0]
    return bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")
