"""What each operation does, what it may not do, and what happens at the bounds."""

import pytest

from edge import limits
from edge.state.crdt import State
from edge.state.root import Roots, signed_bytes
from edge.state.snapshot import restore, snapshot
from edge.wire.items import ADD, APPEND, GROW, REGISTER, Count, Put, Remove, Tag
from edge.wire.merkle import root as merkle_root
from tests.unit.state.making import Line, state_of, take


def elements(state: State, name: str) -> set[bytes]:
    held = state.sets.get(name)
    return set(held.tags.values()) if held is not None else set()


def value(state: State, name: str) -> bytes:
    return max(state.registers[name].values())[1]


def test_nothing_has_the_root_of_no_leaves() -> None:
    assert Roots(State()).root() == merkle_root([])


def test_a_name_is_another_in_each_type() -> None:
    one = Line(1)
    state = state_of(one.says(Put(GROW, "a", b"x"), Put(ADD, "a", b"x"), Put(REGISTER, "a", b"x"), Count("a", 1)))
    assert state.names() == [(0, "a"), (1, "a"), (2, "a"), (3, "a")]


def test_a_vertex_counts_once() -> None:
    vertex = Line(1).says(Count("a", 2))
    state = state_of(vertex, vertex)
    assert state.counters["a"] == {1: 2}
    assert not state.apply(vertex)


def test_the_newest_clock_wins_a_register_whoever_comes_last() -> None:
    late, early = Line(1).says(Put(REGISTER, "a", b"late"), hlc=9), Line(2).says(Put(REGISTER, "a", b"early"), hlc=8)
    assert value(state_of(late, early), "a") == value(state_of(early, late), "a") == b"late"


def test_of_one_clock_the_higher_author_wins() -> None:
    one, other = Line(1).says(Put(REGISTER, "a", b"one"), hlc=9), Line(2).says(Put(REGISTER, "a", b"other"), hlc=9)
    assert value(state_of(one, other), "a") == value(state_of(other, one), "a") == b"other"


def test_an_add_that_a_remove_has_not_seen_stays() -> None:
    one, other = Line(1), Line(2)
    first = one.says(Put(ADD, "a", b"x"))
    again = one.says(Put(ADD, "a", b"x"))
    back = other.says(Remove("a", (Tag(1, 1, 1, 0),)), parents=[first])
    assert elements(state_of(first, back), "a") == set()
    assert elements(state_of(first, again, back), "a") == elements(state_of(first, back, again), "a") == {b"x"}


def test_who_has_not_named_it_as_a_parent_takes_nothing_back() -> None:
    one, other, third = Line(1), Line(2), Line(3)
    first, second = one.says(Put(ADD, "a", b"x")), one.says(Put(ADD, "a", b"y"))
    blind = other.says(Remove("a", (Tag(1, 1, 1, 0),)), parents=[third.says()])
    short = other.says(Remove("a", (Tag(1, 1, 2, 0),)), parents=[first])
    state = state_of(first, second, third.head or first, blind, short)
    assert elements(state, "a") == {b"x", b"y"}
    assert state.dropped == 2
    take(state, other.says(Remove("a", (Tag(1, 1, 1, 0),)), parents=[second]))
    assert elements(state, "a") == {b"y"}


def test_a_remove_touches_no_other_name() -> None:
    one = Line(1)
    state = state_of(one.says(Put(ADD, "a", b"x")), one.says(Remove("b", (Tag(1, 1, 1, 0),))))
    assert elements(state, "a") == {b"x"}


def test_an_author_takes_back_what_lies_below_on_its_own_chain_and_not_beside_it() -> None:
    first = Line(1)
    kept = first.says(Put(ADD, "a", b"x"))
    lost = first.says(Put(ADD, "a", b"lost"))
    anew = Line(1, 2, after=kept)
    remove = anew.says(Remove("a", (Tag(1, 1, 1, 0), Tag(1, 1, 2, 0))))
    assert elements(state_of(kept, lost, remove), "a") == elements(state_of(kept, remove, lost), "a") == {b"lost"}


def test_what_lies_too_many_lives_down_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.STATE_DEPTH_MAX >= 365
    monkeypatch.setattr("edge.state.crdt.STATE_DEPTH_MAX", 2)
    first = Line(1)
    state = state_of(first.says(Put(ADD, "a", b"x")), second := Line(1, 2, first.head).says(Put(ADD, "a", b"y")))
    take(state, Line(1, 3, second).says(Remove("a", (Tag(1, 1, 1, 0), Tag(1, 2, 2, 0)))))
    assert elements(state, "a") == {b"x"}


def test_an_author_has_so_many_slots_of_each_type() -> None:
    """STATE_SLOTS_MAX: the smallest names and the newest operations count, whatever more it says."""
    line, most = Line(1), limits.STATE_SLOTS_MAX
    said = [
        line.says(Put(GROW, "g", b"%06d" % number), Put(ADD, "s", b"%06d" % number), Put(REGISTER, f"{number:06}", b""),
                  Count(f"{number:06}", 1), Put(APPEND, "e", b"%06d" % number))
        for number in range(most + 10)
    ]  # fmt: skip
    other = Line(2).says(Put(GROW, "g", b"zz"), Put(ADD, "s", b"zz"), Put(REGISTER, "zz", b""), Count("zz", 1))
    state = state_of(*said, other)
    first = {b"%06d" % number for number in range(most)}
    assert set(state.grown["g"]) == first | {b"zz"}
    assert len(state.registers) == len(state.counters) == most + 1
    assert "zz" in state.registers and f"{most:06}" not in state.registers and f"{most:06}" not in state.counters
    assert elements(state, "s") == {b"%06d" % number for number in range(10, most + 10)} | {b"zz"}
    assert len(state.series["e"]) == most
    assert state.dropped == 3 * 10


def test_a_smaller_name_displaces_the_greatest_of_its_author(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.state.slots.STATE_SLOTS_MAX", 1)
    one, other = Line(1), Line(2)
    state = state_of(one.says(Put(REGISTER, "b", b"1"), Count("b", 1), Put(GROW, "b", b"")), other.says(Count("b", 7)))
    take(state, one.says(Put(REGISTER, "a", b"2"), Count("a", 1), Put(GROW, "a", b"")))
    assert state.names() == [(0, "a"), (2, "a"), (3, "a"), (3, "b")]
    assert state.counters["b"] == {2: 7}


def test_removals_that_come_early_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """STATE_EARLY_MAX: beyond it the state is partial, and says so."""
    monkeypatch.setattr("edge.state.crdt.STATE_EARLY_MAX", 1)
    one, other = Line(1), Line(2)
    first, second = one.says(Put(ADD, "a", b"x")), one.says(Put(ADD, "a", b"y"))
    state = state_of(other.says(Remove("a", (Tag(1, 1, 1, 0),)), parents=[second]))
    assert not state.is_partial
    take(state, other.says(Remove("a", (Tag(1, 1, 2, 0),)), parents=[second]))
    assert not state.is_partial, "whose line is never given back takes nobody's root away"
    again = restore(snapshot(state))
    assert again is not None
    for each in (state, again):
        take(each, first, second)
        assert elements(each, "a") == {b"y"}
        assert each.is_partial and not each.early


def test_a_hole_in_a_line_makes_the_state_partial() -> None:
    one = Line(1)
    first, _, third = one.says(), one.says(Count("a", 1)), one.says()
    assert state_of(first, third).is_partial


def test_another_vertex_under_the_name_of_a_head_makes_the_state_partial() -> None:
    taken, side = Line(1).says(Count("a", 1)), Line(1).says(Count("a", 2))
    state = state_of(taken, taken)
    assert not state.is_partial
    take(state, side)
    assert state.is_partial and state.counters["a"] == {1: 1}


@pytest.mark.parametrize("number", [1, 127, 128, -128, -129, 2**63, -(2**63), 2**64])
def test_sums_take_as_few_bytes_as_they_need(number: int) -> None:
    short = signed_bytes(number)
    assert int.from_bytes(short, "big", signed=True) == number
    with pytest.raises(OverflowError):
        number.to_bytes(len(short) - 1, "big", signed=True)


@pytest.mark.parametrize("junk", [b"", b"\x00", b"\x80", b"\x81\x01", snapshot(State())[:-1], b"\xa0", b"\x82\x02\xf4"])
def test_what_is_no_snapshot_is_none(junk: bytes) -> None:
    assert restore(junk) is None
