"""Shared state is a function of the set of vertices: any causal delivery, repeated or not, says what the twin says."""

from random import Random
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from edge.ids import Parent
from edge.state.crdt import State
from edge.state.root import Roots
from edge.state.snapshot import restore, snapshot
from edge.wire.items import ADD, APPEND, GROW, REGISTER, Count, Item, Put, Remove, Tag
from edge.wire.vertex import Header, encode_header
from tests.reference import state as slow
from tests.reference.vertex import decode_header

SLOTS = 3
DEPTH = 3
NAMES = ("a", "b", "c", "é", "日")
VALUES = (b"", b"1", b"2", b"zz")


class World:
    """Vertices of three authors: lines that go on, lines in new lives that leave the old one anywhere, parents."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.made: list[Header] = []
        self.heads: dict[tuple[int, int], Header] = {}
        self.adds: list[tuple[str, Tag]] = []
        for _ in range(rng.randint(1, 24)):
            self.make()

    def make(self) -> None:
        rng = self.rng
        author = rng.randint(0, 2)
        own = [one for one in self.made if one.author == author]
        lives = [head for line, head in self.heads.items() if line[0] == author]
        prev = rng.choice(lives) if lives and rng.random() < 0.7 else None
        incarnation = prev.incarnation if prev else 1 + max((head.incarnation for head in lives), default=0)
        if prev is None and own and rng.random() < 0.8:
            prev = rng.choice(own)
        seq = prev.seq + 1 if prev else 1
        items = tuple(self.op((author, incarnation, seq, position)) for position in range(rng.randint(0, 3)))
        header = encode_header(
            suite=1,
            site=bytes(8),
            epoch=1,
            author=author,
            incarnation=incarnation,
            seq=seq,
            prev=prev and prev.id,
            parents=self.parents(author),
            hlc=rng.randint(0, 9) if rng.random() < 0.3 else len(self.made),
            body=None,
            items=items,
        )
        self.made.append(header)
        self.heads[author, incarnation] = header

    def parents(self, author: int) -> list[Parent]:
        named = {}
        for other in self.rng.sample(self.made, min(2, len(self.made))):
            if other.author != author:
                named[other.author] = Parent(*other.key, other.id)
        return [named[one] for one in sorted(named)]

    def op(self, tag: tuple[int, int, int, int]) -> Item:
        rng = self.rng
        name, kind = rng.choice(NAMES), rng.randint(0, 5)
        if kind == 4:
            return Count(name, rng.choice((-200, -1, 1, 127, 2**53 - 1)))
        if kind == 2:
            known = [(name, Tag(rng.randint(0, 2), rng.randint(1, 3), rng.randint(1, 4), 0)), *self.adds]
            name, first = rng.choice(known)
            others = {other for other_name, other in self.adds if other_name == name and rng.random() < 0.5}
            return Remove(name, tuple(sorted({first, *others}))[:16])
        if kind == ADD:
            self.adds.append((name, Tag(*tag)))
        return Put((GROW, ADD, ADD, REGISTER, REGISTER, APPEND)[kind], name, rng.choice(VALUES))

    def delivery(self, rng: Random) -> list[Header]:
        """All of them, each after what it goes on from and its parents; some twice."""
        waiting, order, known = list(self.made), [], set()
        while waiting:
            ready = [
                one
                for one in waiting
                if (one.prev is None or one.prev in known) and all(parent.id in known for parent in one.parents)
            ]
            # Of one incarnation in the order of its chain, which `prev` sees to.
            chosen = rng.choice(ready)
            waiting.remove(chosen)
            known.add(chosen.id)
            order.append(chosen)
            if rng.random() < 0.2:
                order.append(rng.choice(order))
        return order


def deliver(state: State, order: list[Header]) -> State:
    incarnations = {header.id: header.incarnation for header in order}
    for header in order:
        state.apply(header, incarnations[header.prev] if header.prev is not None else 0)
    return state


def root_of(state: State) -> bytes:
    return Roots(state).root()


rngs = st.randoms(use_true_random=False)


@given(rngs)
def test_any_causal_delivery_gives_what_the_set_gives(rng: Random) -> None:
    world = World(rng)
    with patch("edge.state.slots.STATE_SLOTS_MAX", SLOTS), patch("edge.state.crdt.STATE_DEPTH_MAX", DEPTH):
        expected = slow.root([decode_header(header.raw) for header in world.made], SLOTS, DEPTH)
        for _ in range(3):
            state = deliver(State(), world.delivery(rng))
            assert not state.is_partial and not state.early
            assert root_of(state) == expected


@given(rngs)
def test_the_root_that_grew_with_the_state_is_that_of_the_whole(rng: Random) -> None:
    world = World(rng)
    with patch("edge.state.slots.STATE_SLOTS_MAX", SLOTS):
        state = State()
        roots = Roots(state)
        for header in world.made:
            incarnations = {one.id: one.incarnation for one in world.made}
            state.apply(header, incarnations[header.prev] if header.prev is not None else 0)
            taken = [decode_header(one.raw) for one in world.made[: world.made.index(header) + 1]]
            assert roots.root() == slow.root(taken, SLOTS)


@given(rngs)
def test_a_removal_may_come_before_what_a_damaged_log_has_lost(rng: Random) -> None:
    """Parents of a vertex in our own log are not waited for: only the chains are in order."""
    world = World(rng)
    with patch("edge.state.slots.STATE_SLOTS_MAX", SLOTS), patch("edge.state.crdt.STATE_DEPTH_MAX", DEPTH):
        expected = slow.root([decode_header(header.raw) for header in world.made], SLOTS, DEPTH)
        order = sorted(range(3), key=lambda author: rng.random())
        state = deliver(State(), [one for author in order for one in world.made if one.author == author])
        assert root_of(state) == expected


@given(rngs)
def test_a_snapshot_goes_on_as_if_nothing_had_been_forgotten(rng: Random) -> None:
    world = World(rng)
    with patch("edge.state.slots.STATE_SLOTS_MAX", SLOTS), patch("edge.state.crdt.STATE_DEPTH_MAX", DEPTH):
        order = world.delivery(rng)
        cut = rng.randint(0, len(order))
        before = deliver(State(), order[:cut])
        again = restore(snapshot(before))
        assert again is not None
        assert root_of(again) == root_of(before)
        assert snapshot(again) == snapshot(before)
        # The log may still have part of what the snapshot covers: it is told once more.
        assert root_of(deliver(again, order)) == root_of(deliver(State(), order))
