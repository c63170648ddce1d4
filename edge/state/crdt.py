"""Shared state: what the operations of all vertices held make together (docs/WIRE.md §14).

`apply` takes each vertex as it enters the graph, its `prev` and parents first; the state depends on which vertices were
taken and not on their order. Every author has slots of its own (edge/state/slots.py), so that memory is bounded by the
members, and nobody's operations take the room of another's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge.ids import VertexId, VertexKey
from edge.limits import STATE_DEPTH_MAX, STATE_EARLY_MAX
from edge.state.slots import Key, Order, Share, Smallest
from edge.wire.items import ADD, GROW, REGISTER, Count, Op, Put, Remove, Tag
from edge.wire.vertex import Header

TYPES = ("grow", "set", "register", "counter", "series")
"""A name has a type of its own in each; their places number them in the leaves of the root."""
GROWN, SET, REGISTERS, COUNTERS, SERIES = range(5)
Name = tuple[int, str]


@dataclass(slots=True)
class Line:
    """What was taken of one author in one incarnation: everything up to its head."""

    first_seq: int
    base: int
    """The incarnation that its first vertex goes on from; 0 for none."""
    head_seq: int
    head_id: VertexId
    clock: int
    """Hybrid time of the head."""


@dataclass(slots=True)
class Elements:
    """A set: the adds that count and that nobody took back."""

    tags: dict[Tag, bytes] = field(default_factory=dict)
    newest: dict[tuple[bytes, int, int], Tag] = field(default_factory=dict)
    """By element, author and incarnation: of one line the newest add of an element counts."""

    def add(self, tag: Tag, element: bytes) -> None:
        self.tags[tag] = element
        self.newest[(element, tag.author, tag.incarnation)] = tag

    def supersede(self, tag: Tag, element: bytes) -> None:
        """Before a newer add of its line is taken."""
        older = self.newest.get((element, tag.author, tag.incarnation))
        if older is not None:
            self.drop(older)

    def drop(self, tag: Tag) -> bool:
        """It counts no longer; whether it did."""
        element = self.tags.pop(tag, None)
        if element is None:
            return False
        del self.newest[(element, tag.author, tag.incarnation)]
        return True


class State:
    """`changed` names what has a new value since a reader last cleared it."""

    def __init__(self) -> None:
        self.lines: dict[tuple[int, int], Line] = {}
        self.shares: dict[int, Share] = {}
        self.grown: dict[str, dict[bytes, dict[int, None]]] = {}
        self.sets: dict[str, Elements] = {}
        self.registers: dict[str, dict[int, tuple[Order, bytes]]] = {}
        self.counters: dict[str, dict[int, int]] = {}
        self.series: dict[str, dict[Order, bytes]] = {}
        self.early: dict[tuple[str, Tag], None] = {}
        """Taken back before they came: only of vertices whose parents our own log has lost."""
        self.changed: dict[Name, None] = {}
        self.is_partial = False
        """This is not the state of all that the graph knows: something was not taken, or another side of a fork."""
        self.unsure: dict[int, None] = {}
        """Whose adds may have been taken back before they came, beyond what `early` has room for."""
        self.applied = 0
        """Operations taken."""
        self.dropped = 0
        """Operations that may not count: no slot, or what is to be taken back had not been observed."""

    @property
    def size(self) -> int:
        """How many names have something in them, each type counted apart."""
        return sum(len(held) for held in self._held())

    def names(self) -> list[Name]:
        """Those, ascending."""
        return [(type, name) for type, held in enumerate(self._held()) for name in sorted(held)]

    def _held(self) -> tuple[dict[str, Any], ...]:
        return (self.grown, self.sets, self.registers, self.counters, self.series)

    def apply(self, header: Header, base: int = 0) -> bool:
        """Take a vertex, once; False if it was taken before. `base`: the incarnation that `prev` lies in."""
        key = (header.author, header.incarnation)
        line = self.lines.get(key)
        if line is None:
            base = base if base != header.incarnation else 0
            line = self.lines[key] = Line(header.seq, base, header.seq, header.id, header.hlc)
        elif header.seq <= line.head_seq:
            self.is_partial |= header.seq == line.head_seq and header.id != line.head_id
            return False
        else:
            self.is_partial |= header.seq != line.head_seq + 1
            line.head_seq, line.head_id, line.clock = header.seq, header.id, header.hlc
        self.operate(header, (Put, Count, Remove))
        return True

    def operate(self, header: Header, kinds: tuple[type[Op], ...]) -> None:
        """What the operations of these kinds in a vertex do, its line being up to date."""
        for position, item in enumerate(header.items):
            if isinstance(item, Put | Count | Remove) and isinstance(item, kinds):
                order = Order(header.hlc, *header.key, position)
                if self._apply(header, order, item):
                    self.applied += 1
                else:
                    self.dropped += 1

    def _apply(self, header: Header, order: Order, op: Put | Count | Remove) -> bool:
        """Whether it may count."""
        if isinstance(op, Remove):
            return sum(self._remove(header, op.name, tag) for tag in op.tags) > 0
        share = self.shares.get(header.author)
        if share is None:
            share = self.shares[header.author] = Share()
        if isinstance(op, Count):
            return self._count(share, order, op)
        if op.kind == GROW:
            return self._grow(share, order, op)
        if op.kind == REGISTER:
            return self._set(share, order, op)
        return self._add(share, order, op) if op.kind == ADD else self._append(share, order, op)

    # ---- the smallest names of an author count

    def _grow(self, share: Share, order: Order, op: Put) -> bool:
        fallen = share.grown.admit((op.name, op.value))
        if fallen == (op.name, op.value):
            return False
        if isinstance(fallen, tuple):
            self._shrink(order.author, *fallen)
        self.grown.setdefault(op.name, {}).setdefault(op.value, {})[order.author] = None
        self.changed[GROWN, op.name] = None
        return True

    def _shrink(self, author: int, name: str, element: bytes) -> None:
        authors = self.grown[name][element]
        del authors[author]
        if not authors:
            del self.grown[name][element]
        self._tidy(self.grown, GROWN, name)

    def _set(self, share: Share, order: Order, op: Put) -> bool:
        if not self._has_slot(share.registers, self.registers, REGISTERS, order.author, op.name):
            return False
        values = self.registers.setdefault(op.name, {})
        held = values.get(order.author)
        if held is None or held[0] < order:
            values[order.author] = (order, op.value)
            self.changed[REGISTERS, op.name] = None
        return True

    def _count(self, share: Share, order: Order, op: Count) -> bool:
        if not self._has_slot(share.counters, self.counters, COUNTERS, order.author, op.name):
            return False
        sums = self.counters.setdefault(op.name, {})
        sums[order.author] = sums.get(order.author, 0) + op.delta
        self.changed[COUNTERS, op.name] = None
        return True

    def _has_slot(self, slots: Smallest, held: dict[str, dict[int, Any]], type: int, author: int, name: str) -> bool:
        fallen: Key | None = slots.admit(name)
        if fallen is None or fallen == name:
            return fallen is None
        assert isinstance(fallen, str)
        del held[fallen][author]
        self._tidy(held, type, fallen)
        return True

    def _tidy(self, held: dict[str, Any], type: int, name: str) -> None:
        """Forget a name with nothing in it."""
        self.changed[type, name] = None
        if not held[name]:
            del held[name]

    # ---- the newest operations of an author count

    def _add(self, share: Share, order: Order, op: Put) -> bool:
        tag = Tag(*order[1:])
        elements = self.sets.setdefault(op.name, Elements())
        elements.supersede(tag, op.value)
        self.is_partial |= order.author in self.unsure
        is_back = self.early.pop((op.name, tag), 0) is None
        if not is_back:
            elements.add(tag, op.value)
        self.changed[SET, op.name] = None
        fallen = share.adds.admit(order, op.name)
        if fallen is not None:
            self._drop(fallen[1], Tag(*fallen[0][1:]))
        if op.name in self.sets and not self.sets[op.name].tags:
            del self.sets[op.name]
        return fallen is None or fallen[0] != order

    def _append(self, share: Share, order: Order, op: Put) -> bool:
        fallen = share.entries.admit(order, op.name)
        if fallen is not None and fallen[0] == order:
            return False
        if fallen is not None:
            oldest, name = fallen
            del self.series[name][oldest]
            self._tidy(self.series, SERIES, name)
        self.series.setdefault(op.name, {})[order] = op.value
        self.changed[SERIES, op.name] = None
        return True

    # ---- taking back

    def _remove(self, header: Header, name: str, tag: Tag) -> bool:
        if not self.has_observed(header, tag):
            return False
        self.take_back(name, tag)
        return True

    def take_back(self, name: str, tag: Tag) -> None:
        """An add counts no longer, or will not once it comes."""
        line = self.lines.get((tag.author, tag.incarnation))
        if line is not None and tag.seq <= line.head_seq:
            self._drop(name, tag)
        elif len(self.early) < STATE_EARLY_MAX:
            self.early[name, tag] = None
        else:
            self.unsure[tag.author] = None

    def _drop(self, name: str, tag: Tag) -> None:
        elements = self.sets.get(name)
        if elements is not None and elements.drop(tag):
            self.changed[SET, name] = None
            if not elements.tags:
                del self.sets[name]

    def has_observed(self, header: Header, tag: Tag) -> bool:
        """Whether the header proves that its author had the vertex of this tag."""
        if tag.author == header.author:
            return self.is_below(header.key, tag)
        return any(
            parent.author == tag.author and parent.incarnation == tag.incarnation and parent.seq >= tag.seq
            for parent in header.parents
        )

    def is_below(self, key: VertexKey, tag: Tag) -> bool:
        """Whether the tag's vertex lies below this one on its chain, at most STATE_DEPTH_MAX lives down."""
        author, incarnation, below = key
        for _ in range(STATE_DEPTH_MAX):
            line = self.lines.get((author, incarnation))
            if line is None or incarnation < tag.incarnation:
                return False
            if incarnation == tag.incarnation:
                return line.first_seq <= tag.seq < below
            incarnation, below = line.base, line.first_seq
        return False
