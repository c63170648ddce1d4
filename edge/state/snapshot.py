"""Shared state as bytes, for a log that drops the vertices it came from.

CBOR [1, is_partial, lines, registers, counters, grown, adds, entries, early, unsure], rows ascending;
line = [author, incarnation, first_seq, base, head_seq, head_id, clock], tag = author, incarnation, seq, position,
register = [name, hlc, tag, value], counter = [author, name, sum], grown = [author, name, element],
add = [hlc, tag, name, element or null once it is taken back], entry = [hlc, tag, name, value], early = [name, tag],
unsure = author.
What a snapshot covers and a log still has is told again without effect: `lines` says so.
"""

from __future__ import annotations

from typing import Any

from edge.state.crdt import Elements, Line, State
from edge.state.root import signed_bytes
from edge.state.slots import Order, Share
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Tag

FORMAT = 1


def snapshot(state: State) -> bytes:
    """Everything that `restore` needs."""
    return encode(
        [
            FORMAT,
            state.is_partial,
            [
                [*key, line.first_seq, line.base, line.head_seq, line.head_id, line.clock]
                for key, line in sorted(state.lines.items())
            ],
            [
                [name, *order, value]
                for name, values in sorted(state.registers.items())
                for _, (order, value) in sorted(values.items())
            ],
            sorted(
                [author, name, signed_bytes(total)]
                for name, sums in state.counters.items()
                for author, total in sums.items()
            ),
            sorted(
                [author, name, element]
                for name, elements in state.grown.items()
                for element, authors in elements.items()
                for author in authors
            ),
            [
                [*order, name, _element(state, name, order)]
                for _, share in sorted(state.shares.items())
                for order, name in share.adds.slots
            ],
            sorted([*order, name, value] for name, entries in state.series.items() for order, value in entries.items()),
            sorted([name, *tag] for name, tag in state.early),
            sorted(state.unsure),
        ]
    )


def _element(state: State, name: str, order: Order) -> bytes | None:
    elements = state.sets.get(name)
    return elements.tags.get(Tag(*order[1:])) if elements is not None else None


def restore(data: bytes) -> State | None:
    """None for bytes that `snapshot` did not write."""
    try:
        fields = decode(data)
        return _restore(*fields[1:]) if fields[0] == FORMAT else None
    except (Malformed, TypeError, ValueError, IndexError, KeyError):
        return None


def _restore(
    is_partial: bool, lines: Any, registers: Any, counters: Any, grown: Any, adds: Any, entries: Any, early: Any,
    unsure: Any,
) -> State:  # fmt: skip
    state = State()
    state.is_partial = is_partial
    for author, incarnation, *line in lines:
        state.lines[author, incarnation] = Line(*line)
    for name, *order, value in registers:
        author = order[1]
        _share(state, author).registers.admit(name)
        state.registers.setdefault(name, {})[author] = (Order(*order), value)
    for author, name, total in counters:
        _share(state, author).counters.admit(name)
        state.counters.setdefault(name, {})[author] = int.from_bytes(total, "big", signed=True)
    for author, name, element in grown:
        _share(state, author).grown.admit((name, element))
        state.grown.setdefault(name, {}).setdefault(element, {})[author] = None
    for *order, name, element in adds:
        _share(state, order[1]).adds.admit(Order(*order), name)
        if element is not None:
            state.sets.setdefault(name, Elements()).add(Tag(*order[1:]), element)
    for *order, name, value in entries:
        _share(state, order[1]).entries.admit(Order(*order), name)
        state.series.setdefault(name, {})[Order(*order)] = value
    for name, *tag in early:
        state.early[name, Tag(*tag)] = None
    state.unsure |= dict.fromkeys(unsure)
    return state


def _share(state: State, author: int) -> Share:
    return state.shares.setdefault(author, Share())
