"""The root of shared state: a Merkle tree over its names, of which only what changed is hashed again.

The leaf of a name is in docs/WIRE.md §14. Asking costs a hash for each name once something changed, and nothing else.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from edge.state.crdt import COUNTERS, GROWN, REGISTERS, SET, Name, State
from edge.wire.cbor import encode
from edge.wire.items import Tag
from edge.wire.merkle import Digest, leaf_hash, root_of


class Roots:
    """Of one state, whose `changed` it clears."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._names: list[Name] = []
        """Those with a leaf, ascending."""
        self._leaves: dict[Name, Digest] = {}
        self._root = root_of([])
        state.changed |= dict.fromkeys(state.names())

    def root(self) -> Digest:
        """Of everything taken until now."""
        changed = self._state.changed
        if changed:
            for name in changed:
                self._renew(name)
            changed.clear()
            self._root = root_of([self._leaves[name] for name in self._names])
        return self._root

    def _renew(self, name: Name) -> None:
        content = content_of(self._state, name)
        if content is None:
            if self._leaves.pop(name, None) is not None:
                del self._names[bisect_left(self._names, name)]
            return
        if name not in self._leaves:
            insort(self._names, name)
        self._leaves[name] = leaf_hash(encode([*name, content]))


def content_of(state: State, name: Name) -> Sequence[object] | None:
    """What a name has, as its leaf says it; None for nothing."""
    type, text = name
    if type == GROWN:
        return sorted(state.grown.get(text, ())) or None
    if type == SET:
        return _elements(state, text)
    if type == REGISTERS:
        values = state.registers.get(text)
        order, value = max(values.values()) if values else (None, None)
        return [*order, value] if order is not None else None
    if type == COUNTERS:
        return [[author, signed_bytes(total)] for author, total in sorted(state.counters.get(text, {}).items())] or None
    return [[*order, value] for order, value in sorted(state.series.get(text, {}).items())] or None


def _elements(state: State, name: str) -> list[object] | None:
    elements = state.sets.get(name)
    if elements is None:
        return None
    tags: dict[bytes, list[Tag]] = {}
    for tag, element in sorted(elements.tags.items()):
        tags.setdefault(element, []).append(tag)
    return [[element, list(map(list, tags[element]))] for element in sorted(tags)]


def signed_bytes(number: int) -> bytes:
    """Big-endian two's complement in as few bytes as the number needs, at least one."""
    size = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return number.to_bytes(size, "big", signed=True)
