"""What the running agent answers on its control socket about shared state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from edge.consensus.shown import HELD, highest, lowest
from edge.levels import Levels, Sealed
from edge.limits import STATE_ROWS_MAX
from edge.shell.loop import now
from edge.state.crdt import COUNTERS, GROWN, REGISTERS, SERIES, SET, TYPES, State
from edge.wire.items import ADD, APPEND, GROW, REGISTER

if TYPE_CHECKING:
    from edge.agent import Agent

PUTS = {"grow": GROW, "add": ADD, "set": REGISTER, "append": APPEND}


def state(agent: Agent, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Every name of shared state, at most STATE_ROWS_MAX, and its root; with `sealed` as the newest checkpoint that is
    known here has it: under the root that a quorum has signed."""
    shared = agent.node.shared
    if asked.get("sealed"):
        kept = shared.sealed
        root = kept.sealed.root.hex() if kept.is_kept and not kept.is_short else None
        more = {"version": kept.version, "newest": kept.newest.version}
        names = _names(kept.sealed.state(), Sealed(agent.node))
        return {"root": root, "partial": kept.is_short, **more, **names}
    held = shared.root()
    return {
        "root": held.hex() if held is not None else None,
        "partial": shared.is_partial,
        **_names(shared.state, Levels(agent.node)),
    }


def _names(state: State, levels: Levels) -> dict[str, Any]:
    names = state.names()
    rows = [_summary(state, type, name, levels) for type, name in names[:STATE_ROWS_MAX]]
    return {"names": rows, "more": max(0, len(names) - STATE_ROWS_MAX)}


def state_get(agent: Agent, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a name has, in each type that knows it; with `sealed` at the newest checkpoint."""
    shared, name, members = agent.node.shared, str(asked.get("name")), agent.node.roster.by_index
    held, levels = shared.state, Levels(agent.node)
    if asked.get("sealed"):
        held, levels = shared.sealed.sealed.state(), Sealed(agent.node)

    def by(author: int) -> str:
        return members[author].name if author in members else str(author)

    rows: list[dict[str, Any]] = []
    for type, elements in ((GROWN, _grown), (SET, _in_set)):
        if found := elements(held, name, levels):
            listed = (
                (value, {"by": [*map(by, found[value])], "state": _best(found[value])}) for value in sorted(found)
            )
            rows.append(_listed(type, name, listed))
    if name in held.registers:
        order, value = max(held.registers[name].values())
        told = {"by": by(order.author), "time_ms": order.hlc >> 16, "state": levels.vertex(*order[1:4])}
        rows.append({"type": TYPES[REGISTERS], "name": name, **_value(value), **told})
    if name in held.counters:
        sums = sorted(held.counters[name].items())
        parts = {by(author): total for author, total in sums}
        states = {by(author): levels.counted(name, author, total) for author, total in sums}
        row = {"type": TYPES[COUNTERS], "name": name, "total": sum(parts.values()), "by": parts}
        rows.append({**row, "states": states, "state": lowest(states.values())})
    if name in held.series:
        newest = sorted(held.series[name].items(), reverse=True)
        told_of = (
            (value, {"by": by(order.author), "time_ms": order.hlc >> 16, "state": levels.vertex(*order[1:4])})
            for order, value in newest
        )
        rows.append(_listed(SERIES, name, told_of))
        rows[-1]["values"].reverse()
    return rows


Elements = dict[bytes, dict[int, str]]
"""Of a set, by element and by who put it in, how far that has come."""


def _grown(state: State, name: str, levels: Levels) -> Elements:
    found = state.grown.get(name, {})
    return {
        value: {author: levels.grown(name, value, author) for author in sorted(authors)}
        for value, authors in found.items()
    }


def _in_set(state: State, name: str, levels: Levels) -> Elements:
    found: Elements = {}
    for tag, element in sorted(state.sets[name].tags.items()) if name in state.sets else ():
        words = found.setdefault(element, {})
        words[tag.author] = highest((levels.vertex(*tag[:3]), words.get(tag.author, HELD)))
    return found


def _best(words: Mapping[int, str]) -> str:
    """An element is in a set as surely as the surest who put it in has said so."""
    return highest(words.values())


def state_say(agent: Agent, asked: Mapping[str, Any]) -> dict[str, int]:
    """Queue an operation; it is recorded when `state_said` has reached its number. ValueError says why it cannot be."""
    shared, verb, name = agent.node.shared, asked.get("verb"), str(asked.get("name"))
    if verb == "count":
        delta = asked.get("delta")
        number = shared.count(name, delta if type(delta) is int else 0, now())
    else:
        value = _bytes(asked.get("value_hex"))
        if verb == "remove":
            number = shared.remove(name, value, now())
        elif isinstance(verb, str) and verb in PUTS:
            number = shared.put(PUTS[verb], name, value, now())
        else:
            raise ValueError(f"verb {verb!r}: allowed: {', '.join((*PUTS, 'remove', 'count'))}")
    agent.loop.tell(lambda: None)
    return {"number": number, **state_said(agent)}


def state_said(agent: Agent) -> dict[str, int]:
    """How far what was said is recorded, in this life of our line."""
    return {"recorded": agent.node.shared.recorded, "life": agent.node.incarnation}


def _summary(state: State, type: int, name: str, levels: Levels) -> dict[str, Any]:
    """Of a name with several parts the `state` is that of the part which has come least far."""
    row: dict[str, Any] = {"type": TYPES[type], "name": name}
    if type == REGISTERS:
        order, value = max(state.registers[name].values())
        return row | _value(value) | {"state": levels.vertex(*order[1:4])}
    if type == COUNTERS:
        sums = state.counters[name]
        words = [levels.counted(name, author, total) for author, total in sums.items()]
        return row | {"total": sum(sums.values()), "state": lowest(words)}
    if type == SERIES:
        words = [levels.vertex(*order[1:4]) for order in state.series[name]]
        return row | {"count": len(words), "state": lowest(words)}
    elements = (_grown if type == GROWN else _in_set)(state, name, levels)
    return row | {"count": len(elements), "state": lowest(map(_best, elements.values()))}


def _listed(type: int, name: str, values: Iterable[tuple[bytes, dict[str, Any]]]) -> dict[str, Any]:
    """A row with at most STATE_ROWS_MAX values, and whether there are more."""
    rows = [{**_value(value), **told} for value, told in islice(values, STATE_ROWS_MAX + 1)]
    return {"type": TYPES[type], "name": name, "values": rows[:STATE_ROWS_MAX], "more": len(rows) > STATE_ROWS_MAX}


def _value(value: bytes) -> dict[str, str | None]:
    """A value as bytes in hex, and as text if it reads as such."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    return {"value": text if text.isprintable() and text else None, "value_hex": value.hex()}


def _bytes(value: object) -> bytes:
    try:
        return bytes.fromhex(value if isinstance(value, str) else "?")
    except ValueError:
        raise ValueError("value_hex: allowed: bytes in hex") from None
