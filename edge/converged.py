"""What the running agent answers on its control socket about shared state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

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
        return {"root": root, "partial": kept.is_short, **more, **_names(kept.sealed.state())}
    held = shared.root()
    return {
        "root": held.hex() if held is not None else None,
        "partial": shared.is_partial,
        **_names(shared.state),
    }


def _names(state: State) -> dict[str, Any]:
    names = state.names()
    rows = [_summary(state, type, name) for type, name in names[:STATE_ROWS_MAX]]
    return {"names": rows, "more": max(0, len(names) - STATE_ROWS_MAX)}


def state_get(agent: Agent, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a name has, in each type that knows it; with `sealed` at the newest checkpoint."""
    shared, name, members = agent.node.shared, str(asked.get("name")), agent.node.roster.by_index
    held = shared.sealed.sealed.state() if asked.get("sealed") else shared.state

    def by(author: int) -> str:
        return members[author].name if author in members else str(author)

    rows: list[dict[str, Any]] = []
    if name in held.grown:
        rows.append(_listed(GROWN, name, ((value, {"by": [*map(by, sorted(held.grown[name][value]))]})
                                          for value in sorted(held.grown[name]))))  # fmt: skip
    if name in held.sets:
        authors: dict[bytes, dict[int, None]] = {}
        for tag, element in sorted(held.sets[name].tags.items()):
            authors.setdefault(element, {})[tag.author] = None
        rows.append(_listed(SET, name, ((value, {"by": [*map(by, authors[value])]}) for value in sorted(authors))))
    if name in held.registers:
        order, value = max(held.registers[name].values())
        told = {"by": by(order.author), "time_ms": order.hlc >> 16}
        rows.append({"type": TYPES[REGISTERS], "name": name, **_value(value), **told})
    if name in held.counters:
        parts = {by(author): total for author, total in sorted(held.counters[name].items())}
        rows.append({"type": TYPES[COUNTERS], "name": name, "total": sum(parts.values()), "by": parts})
    if name in held.series:
        newest = sorted(held.series[name].items(), reverse=True)
        told_of = ((value, {"by": by(order.author), "time_ms": order.hlc >> 16}) for order, value in newest)
        rows.append(_listed(SERIES, name, told_of))
        rows[-1]["values"].reverse()
    return rows


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


def _summary(state: State, type: int, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"type": TYPES[type], "name": name}
    if type == REGISTERS:
        return row | _value(max(state.registers[name].values())[1])
    if type == COUNTERS:
        return row | {"total": sum(state.counters[name].values())}
    if type == SET:
        return row | {"count": len(dict.fromkeys(state.sets[name].tags.values()))}
    return row | {"count": len((state.grown if type == GROWN else state.series)[name])}


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
