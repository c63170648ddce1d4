"""Shared state at a cut is a function of the cut: whatever came when, and in however many steps the cut got there."""

from random import Random
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from edge.ids import VertexKey
from edge.state.above import Above, LineName
from edge.state.crdt import State
from edge.state.root import Roots
from edge.state.sealed import Sealed, load
from edge.wire.items import Op
from edge.wire.vertex import Header
from tests.property.test_state import SLOTS, World, deliver
from tests.reference import sealed as slow
from tests.reference import state as slow_state
from tests.reference.vertex import decode_header

rngs = st.randoms(use_true_random=False)


class Node:
    """Holds everything of a world, and moves a cut."""

    def __init__(self, world: World) -> None:
        self.by_id = {one.id: one for one in world.made}
        self.first: dict[LineName, Header] = {}
        self.above = Above()
        self.sealed = Sealed()
        for one in world.made:
            self.first.setdefault(one.key[:2], one)
            if any(isinstance(item, Op) for item in one.items):
                self.above.add(one)

    def origin(self, name: LineName) -> tuple[int, int] | None:
        first = self.first.get(name)
        if first is None:
            return None
        return first.seq, self.by_id[first.prev].incarnation if first.prev is not None else 0

    def move(self, ends: list[VertexKey]) -> bool:
        step = self.sealed.ahead(ends, self.above, self.origin)
        if step is None:
            return False
        self.sealed.take(step)
        for name, seq in step.ends.items():
            self.above.drop(name, seq)
        return True


def drawn(rng: Random, node: Node) -> list[VertexKey]:
    """Some lines that have something new, each up to somewhere."""
    names = [name for name in sorted(node.above.seqs) if rng.random() < 0.6]
    return [VertexKey(*name, rng.choice(node.above.seqs[name])) for name in names]


@given(rngs)
def test_each_step_gives_what_the_cut_gives(rng: Random) -> None:
    world = World(rng)
    headers = [decode_header(one.raw) for one in world.made]
    with patch("edge.state.slots.STATE_SLOTS_MAX", SLOTS):
        node, other, cut = Node(world), Node(world), {}
        for _ in range(4):
            ends = drawn(rng, node)
            # A line may lie below another one of the same step, which then brings it as far already.
            assert node.move(ends)
            cut |= {end[:2]: max(end.seq, cut.get(end[:2], 0)) for end in ends}
            assert node.sealed.parts == slow.parts(headers, cut, SLOTS)
            assert node.sealed.root == slow.root(headers, cut, SLOTS)
            again = load(node.sealed.dump(), node.sealed.root)
            assert again is not None and again.ends == node.sealed.ends
            below, _ = slow.below_cut(headers, cut)
            assert Roots(node.sealed.state()).root() == slow_state.root(below, SLOTS)
        assert other.move([VertexKey(*name, seq) for name, seq in sorted(cut.items())])
        assert other.sealed.root == node.sealed.root, "in one step as in many"


@given(rngs)
def test_with_everything_below_it_is_the_state_of_all_that_is_held(rng: Random) -> None:
    world = World(rng)
    with patch("edge.state.slots.STATE_SLOTS_MAX", SLOTS):
        node = Node(world)
        assert node.move([VertexKey(*name, seqs[-1]) for name, seqs in sorted(node.above.seqs.items())])
        live = deliver(State(), world.delivery(rng))
        assert Roots(node.sealed.state()).root() == Roots(live).root()
        assert not node.above.count and not list(node.above.ends(lambda name: 2**53))
