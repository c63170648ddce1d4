"""What one author may have in shared state: so many of each type, by a rule that no order of arrival changes.

Both rules choose from a set that only grows, so what no longer counts never counts again and can be forgotten.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple

from edge.limits import STATE_SLOTS_MAX


class Order(NamedTuple):
    """Where an operation stands among those of its type: the clock of its vertex, then its tag."""

    hlc: int
    author: int
    incarnation: int
    seq: int
    position: int


Key = str | tuple[str, bytes]
"""A name; of a set that only grows, a name and an element. Text compares as its UTF-8 does."""


class Smallest:
    """The smallest keys that somebody has used."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    def admit(self, key: Key) -> Key | None:
        """Add a key; the one that counts no longer, which may be this one, or None."""
        keys = self.keys
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            return None
        keys.insert(at, key)
        return keys.pop() if len(keys) > STATE_SLOTS_MAX else None


class Newest:
    """The newest operations of somebody, ascending, each with its name."""

    def __init__(self) -> None:
        self.slots: list[tuple[Order, str]] = []

    def admit(self, order: Order, name: str) -> tuple[Order, str] | None:
        """Add an operation; the one that counts no longer, which may be this one, or None."""
        insort(self.slots, (order, name))
        return self.slots.pop(0) if len(self.slots) > STATE_SLOTS_MAX else None


class Share:
    """The slots of one author."""

    __slots__ = ("adds", "counters", "entries", "grown", "registers")

    def __init__(self) -> None:
        self.registers = Smallest()
        self.counters = Smallest()
        self.grown = Smallest()
        self.adds = Newest()
        self.entries = Newest()
