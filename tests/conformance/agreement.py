"""Vectors of what agreement writes down beside votes: values of evictions."""

from tests.conformance.headers import Vectors, file, seed
from tests.reference import cbor as slow


def eviction_file() -> Vectors:
    """Values of the register of an eviction (docs/WIRE.md §2)."""
    lines = [[at, 1000 * at, seed(f"head {at}")] for at in (1, 7, 58000000, 58000001)]
    good = {"all of it": [3, 1, []], "one line": [3, 1, lines[:1]], "by hand, four lines": [3, 2, lines]}
    bad = {
        "for no reason": [3, 0, []],
        "five lines": [3, 1, [*lines, [58000002, 1, seed("head")]]],
        "lines out of order": [3, 1, lines[1::-1]],
        "one life twice": [3, 1, [lines[0], [1, 2000, seed("head")]]],
        "a line without an id": [3, 1, [lines[0][:2]]],
        "of nobody": [None, 1, lines],
    }
    return file(
        "eviction",
        {name: {"bytes": slow.encode(value).hex()} for name, value in good.items()},
        {name: (slow.encode(value), "proposal-eviction") for name, value in bad.items()},
    )
