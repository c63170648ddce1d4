"""Where a cut may lie, and what is still taken of a line below it."""

from edge.dag.cut import Cut, heads_below
from edge.dag.floor import FloorLine
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.limits import BRANCHES_PER_AUTHOR_MAX


def id_of(seq: int, mark: int = 0) -> bytes:
    return bytes([mark]) * 28 + seq.to_bytes(4, "big")


def key(seq: int, incarnation: int = 1) -> VertexKey:
    return VertexKey(1, incarnation, seq)


def head(seq: int, incarnation: int = 1, mark: int | None = None) -> Parent:
    return Parent(*key(seq, incarnation), id_of(seq, incarnation if mark is None else mark))


def grow(graph: Graph, first: int, last: int, incarnation: int = 1, base: VertexKey | None = None) -> Graph:
    """A branch, all of it signed."""
    before = base
    for seq in range(first, last + 1):
        graph.insert(key(seq, incarnation), id_of(seq, incarnation), before, place=seq, signed=seq)
        before = key(seq, incarnation)
    return graph


def two_lives() -> Graph:
    """1 to 5 in one life, 6 to 9 in a later one above it."""
    return grow(grow(Graph(), 1, 5), 6, 9, 2, key(5))


def test_without_a_fork_the_cut_is_where_lines_end():
    assert heads_below(two_lives(), 1) == (head(9, 2),)
    assert heads_below(grow(two_lives(), 4, 7, 3, key(3)), 1) == (head(9, 2), head(7, 3))
    assert heads_below(Graph(), 1) == ()


def test_a_line_through_a_fork_is_cut_below_it_whichever_life_that_is_in():
    graph = grow(two_lives(), 4, 7, 3, key(3))
    assert heads_below(graph, 1, key(8, 2)) == (head(7, 2), head(7, 3)), "the other line does not go through it"
    assert heads_below(graph, 1, key(6, 2)) == (head(5, 1), head(7, 3)), "nothing of that life"
    assert heads_below(graph, 1, key(2)) == (head(1),)
    assert heads_below(graph, 1, key(1)) == ()


def test_a_cut_lies_at_a_signature_so_that_what_it_covers_can_be_handed_on():
    graph = two_lives()
    for seq in (6, 7, 8, 9):
        graph.set_signed(key(seq, 2), 0)
    assert heads_below(graph, 1) == (head(5, 1),)


def test_what_was_dropped_needs_no_signature():
    graph = Graph()
    graph.set_floor(FloorLine(1, 1, 40, id_of(40, 1), 1, 0))
    assert heads_below(graph, 1) == (head(40),)


def test_of_many_lines_the_newest_are_kept():
    graph = grow(Graph(), 1, 1)
    for incarnation in range(2, 9):
        grow(graph, 2, 3, incarnation, key(1))
    assert [one.incarnation for one in heads_below(graph, 1)] == [5, 6, 7, 8] and BRANCHES_PER_AUTHOR_MAX == 4


def test_above_and_beside_there_is_no_room():
    cut = Cut(grow(Graph(), 1, 3), (head(5),))
    assert cut.has_room(key(4), id_of(4)) and cut.has_room(key(5), id_of(5, 1))
    assert not cut.has_room(key(5), id_of(5, 9)), "beside its head"
    assert not cut.has_room(key(6), id_of(6)) and not cut.has_room(key(3, 2), id_of(3)), "above, and in a later life"
    assert cut.lines() == [(1, 5)]
    assert cut.wants(1, 5) and not cut.wants(1, 6) and not cut.wants(2, 5)


def test_of_earlier_lives_there_is_room_below_the_head_alone():
    cut = Cut(Graph(), (head(9, 3),))
    assert cut.has_room(key(8, 1), id_of(8)) and not cut.has_room(key(9, 1), id_of(9))


def test_who_holds_the_heads_takes_nothing_more():
    cut = Cut(two_lives(), (head(9, 2),))
    assert not cut.has_room(key(4, 1), id_of(4, 9)) and not cut.lines()


def test_what_others_name_is_taken_and_asked_for_as_well():
    cut = Cut(two_lives(), (head(9, 2),))
    cut.named = {2: 12}
    assert cut.has_room(key(12, 2), id_of(12)) and not cut.has_room(key(13, 2), id_of(13))
    assert cut.lines() == [(2, 12)] and cut.wants(2, 12) and not cut.wants(1, 12)


def test_a_cut_that_leaves_nothing_has_room_for_nothing():
    cut = Cut(Graph(), ())
    assert not cut.has_room(key(1), id_of(1)) and not cut.wants(1, 1) and cut.end_of(1) == 0


def test_no_vertex_of_a_life_above_its_end_is_below():
    cut = Cut(Graph(), (head(5, 2), head(9, 4)))
    assert [cut.end_of(incarnation) for incarnation in (1, 2, 3, 4, 5)] == [9, 9, 9, 9, 0]
