"""Vertices that carry operations, made in one line each."""

from collections.abc import Iterable

from edge.ids import Parent
from edge.state.crdt import State
from edge.wire.items import Item
from edge.wire.vertex import Header, encode_header


class Line:
    """One life of an author; `after` is what it goes on from."""

    def __init__(self, author: int, incarnation: int = 1, after: Header | None = None) -> None:
        self.author, self.incarnation, self.head = author, incarnation, after

    def says(self, *items: Item, parents: Iterable[Header] = (), hlc: int | None = None) -> Header:
        """The next vertex."""
        seq = self.head.seq + 1 if self.head else 1
        self.head = encode_header(
            suite=1,
            site=bytes(8),
            epoch=1,
            author=self.author,
            incarnation=self.incarnation,
            seq=seq,
            prev=self.head and self.head.id,
            parents=sorted(Parent(*parent.key, parent.id) for parent in parents),
            hlc=seq if hlc is None else hlc,
            body=None,
            items=items,
        )
        return self.head


def state_of(*headers: Header) -> State:
    """In this order."""
    state = State()
    take(state, *headers)
    return state


def take(state: State, *headers: Header) -> None:
    lives = {line.head_id: key[1] for key, line in state.lines.items()} | {one.id: one.incarnation for one in headers}
    for header in headers:
        state.apply(header, lives.get(header.prev, 0) if header.prev else 0)
