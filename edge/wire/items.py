"""The items a header carries besides its body. Evidence has a number and nothing more yet."""

import re
from operator import lt
from typing import Any, NamedTuple

from edge.ids import VertexId
from edge.limits import (
    BALLOT_MAX,
    COUNTER_MAX,
    INDEX_MAX,
    ITEMS_MAX,
    REGISTER_KEY_BYTES_MAX,
    STATE_NAME_BYTES_MAX,
    STATE_TAGS_MAX,
    STATE_VALUE_BYTES_MAX,
    VALUE_BYTES_MAX,
)
from edge.wire.refusal import Refusal

REGISTER_KEY = re.compile(r"[a-z0-9][a-z0-9.-]*(/[a-z0-9][a-z0-9.-]*)*", re.ASCII)
SCOPE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
PREVOTE, PRECOMMIT = 0, 1
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
"""Unicode category Cc: what clean text does not contain."""
GROW, ADD, REMOVE, REGISTER, COUNT, APPEND = range(6)
"""Kinds of an operation on shared state."""


class Ack(NamedTuple):
    """A gateway's word that its store holds this vertex and its author's chain below, synced."""

    author: int
    incarnation: int
    seq: int
    id: VertexId


class Witness(NamedTuple):
    """A committee member's word that its log holds this vertex and its author's chain below."""

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


class Vote(NamedTuple):
    """A committee member's word on a conflict set, in one phase of one ballot (docs/decisions/0029)."""

    conflict: bytes
    """The digest of `Question.conflict`."""
    ballot: int
    phase: int
    """`PREVOTE` or `PRECOMMIT`."""
    value: bytes | None
    """The digest of a proposed value; None: for none of them."""


class Question(NamedTuple):
    """What is decided: the next value of a register, given the one before. Its proposals are in conflict."""

    scope: str
    epoch: int
    """The roster version at which the committee of the scope last changed."""
    key: str
    version: int
    """Counts the values of a register from 1."""
    predecessor: bytes | None
    """What `final_id` says of the version before; None of the first."""


class Proposal(NamedTuple):
    """An answer to a question, by whoever may give one."""

    question: Question
    value: bytes


class Put(NamedTuple):
    """An operation on shared state that carries a value: into a set, a register or a series."""

    kind: int
    """`GROW`, `ADD`, `REGISTER` or `APPEND`."""
    name: str
    value: bytes


class Count(NamedTuple):
    """An operation on shared state: add to the author's part of a counter."""

    name: str
    delta: int
    """Not 0."""


class Tag(NamedTuple):
    """Names an operation: its vertex, and its place among the items of that."""

    author: int
    incarnation: int
    seq: int
    position: int


class Remove(NamedTuple):
    """An operation on shared state: take back what these `ADD`s put into a set."""

    name: str
    tags: tuple[Tag, ...]
    """Ascending."""


Op = Put | Count | Remove
Item = Ack | Witness | Tally | Shed | Vote | Proposal | Op

OP = 8
TYPES: dict[type[Item], int] = {
    Ack: 1, Vote: 2, Witness: 3, Tally: 5, Shed: 6, Proposal: 7, Put: OP, Count: OP, Remove: OP,
}  # fmt: skip
RESERVED = {4: "evidence"}


def is_index(value: object) -> bool:
    return type(value) is int and 0 <= value <= INDEX_MAX


def is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= COUNTER_MAX


def item_fields(item: Item) -> tuple[object, ...]:
    """The array that stands for an item: its type, then its fields."""
    if isinstance(item, Proposal):
        return (TYPES[Proposal], *item.question, item.value)
    if isinstance(item, Remove):
        return (OP, REMOVE, item.name, *(part for tag in item.tags for part in tag))
    if isinstance(item, Count):
        return (OP, COUNT, *item)
    return (TYPES[type(item)], *item)


def is_register_key(value: object) -> bool:
    """The rule for keys of registers: parts as in names, joined by slashes."""
    return type(value) is str and len(value) <= REGISTER_KEY_BYTES_MAX and REGISTER_KEY.fullmatch(value) is not None


def is_scope(value: object) -> bool:
    """The rule for scopes, which is that for names of nodes."""
    return type(value) is str and SCOPE.fullmatch(value) is not None


def is_question(value: Question) -> bool:
    """Whether each field is in its range, and the first version alone has no predecessor."""
    scope, epoch, key, version, predecessor = value
    is_named = is_scope(scope) and is_register_key(key)
    is_numbered = is_index(epoch) and epoch >= 1 and is_number(version) and version >= 1
    return is_named and is_numbered and (predecessor is None if version == 1 else _is_digest(predecessor))


def is_state_name(value: object) -> bool:
    """The rule for names of shared state: clean text of 1 to STATE_NAME_BYTES_MAX bytes."""
    if type(value) is not str or not 1 <= len(value.encode()) <= STATE_NAME_BYTES_MAX:
        return False
    return CONTROLS.search(value) is None


def _is_digest(value: object) -> bool:
    return type(value) is bytes and len(value) == 32


def item_of(value: Any) -> Item | Refusal:
    """The item that a decoded array stands for."""
    if type(value) is not list or not value or type(value[0]) is not int:
        return Refusal("item-shape")
    match value:
        case [(1 | 3) as kind, author, incarnation, seq, bytes() as id_]:
            if is_index(author) and is_index(incarnation) and incarnation and is_number(seq) and seq and len(id_) == 32:
                return (Ack if kind == 1 else Witness)(author, incarnation, seq, id_)
        case [2, conflict, ballot, phase, chosen]:
            is_vote = _is_digest(conflict) and is_index(ballot) and ballot <= BALLOT_MAX and type(phase) is int
            if is_vote and phase in (PREVOTE, PRECOMMIT) and (chosen is None or _is_digest(chosen)):
                return Vote(conflict, ballot, phase, chosen)
        case [7, scope, epoch, key, version, predecessor, bytes() as content]:
            question = Question(scope, epoch, key, version, predecessor)
            if is_question(question) and len(content) <= VALUE_BYTES_MAX:
                return Proposal(question, content)
        case [5, readings, recorded, quiet, shed, open_]:
            if all(map(is_number, value)):
                if readings != recorded + quiet + shed + open_:
                    return Refusal("tally-sum")
                return Tally(readings, recorded, quiet, shed, open_)
        case [8, kind, name, *rest] if type(kind) is int and is_state_name(name):
            return _op_of(kind, name, rest) or Refusal("item-shape")
        case [6, retention, events]:
            if type(retention) is int and 0 <= retention <= 2 and is_number(events):
                return Shed(retention, events)
        case [kind, *_] if kind in RESERVED:
            return Refusal("item-reserved", RESERVED[kind])
        case [kind, *_] if kind not in TYPES.values():
            return Refusal("item-unknown", str(kind))
    return Refusal("item-shape")


def _op_of(kind: int, name: str, rest: list[Any]) -> Op | None:
    match rest:
        case [bytes() as value] if kind in (GROW, ADD, REGISTER, APPEND):
            return Put(kind, name, value) if len(value) <= STATE_VALUE_BYTES_MAX else None
        case [delta] if kind == COUNT and type(delta) is int:
            return Count(name, delta) if delta and abs(delta) <= COUNTER_MAX else None
    tags = _tags(rest) if kind == REMOVE else None
    return Remove(name, tags) if tags else None


def _tags(flat: list[Any]) -> tuple[Tag, ...] | None:
    """Flat, in fours; strictly ascending, so that a set of tags has one encoding."""
    if len(flat) % 4 or len(flat) > 4 * STATE_TAGS_MAX:
        return None
    tags = tuple(Tag(*flat[at : at + 4]) for at in range(0, len(flat), 4))
    for author, incarnation, seq, position in tags:
        if not (is_index(author) and is_index(incarnation) and incarnation and is_number(seq) and seq):
            return None
        if not (is_number(position) and position < ITEMS_MAX):
            return None
    return tags if all(map(lt, tags, tags[1:])) else None
