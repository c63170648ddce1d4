"""The items a header carries besides its body. Votes, witnesses and evidence have a number and nothing more yet."""

from typing import Any, NamedTuple

from edge.ids import VertexId
from edge.limits import COUNTER_MAX, INDEX_MAX
from edge.wire.refusal import Refusal


class Ack(NamedTuple):
    """A gateway's word that its store holds this vertex and its author's chain below, synced."""

    author: int
    incarnation: int
    seq: int
    id: VertexId


class Tally(NamedTuple):
    """Where the readings of this incarnation went, so far; they add up."""

    readings: int
    recorded: int
    quiet: int
    shed: int
    open: int


class Shed(NamedTuple):
    """The signed count of events of one retention class given up since boot."""

    retention: int
    events: int


Item = Ack | Tally | Shed

TYPES: dict[type[Item], int] = {Ack: 1, Tally: 5, Shed: 6}
RESERVED = {2: "vote", 3: "witness", 4: "evidence"}


def is_index(value: object) -> bool:
    return type(value) is int and 0 <= value <= INDEX_MAX


def is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= COUNTER_MAX


def item_fields(item: Item) -> tuple[object, ...]:
    """The array that stands for an item: its type, then its fields."""
    return (TYPES[type(item)], *item)


def item_of(value: Any) -> Item | Refusal:
    """The item that a decoded array stands for."""
    if type(value) is not list or not value or type(value[0]) is not int:
        return Refusal("item-shape")
    match value:
        case [1, author, incarnation, seq, bytes() as id_]:
            if is_index(author) and is_index(incarnation) and incarnation and is_number(seq) and seq and len(id_) == 32:
                return Ack(author, incarnation, seq, id_)
        case [5, readings, recorded, quiet, shed, open_]:
            if all(map(is_number, value)):
                if readings != recorded + quiet + shed + open_:
                    return Refusal("tally-sum")
                return Tally(readings, recorded, quiet, shed, open_)
        case [6, retention, events]:
            if type(retention) is int and 0 <= retention <= 2 and is_number(events):
                return Shed(retention, events)
        case [kind, *_] if kind in RESERVED:
            return Refusal("item-reserved", RESERVED[kind])
        case [kind, *_] if kind not in TYPES.values():
            return Refusal("item-unknown", str(kind))
    return Refusal("item-shape")
