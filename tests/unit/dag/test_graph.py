"""The graph by hand: lines across incarnations, where they end, and what a path through them names."""

import pytest

from edge.dag.graph import Graph
from edge.ids import VertexKey


def id_of(seq: int, mark: int = 0) -> bytes:
    return bytes([mark]) * 28 + seq.to_bytes(4, "big")


def grown(length: int, author: int = 1) -> Graph:
    graph = Graph()
    for seq in range(1, length + 1):
        before = VertexKey(author, 1, seq - 1) if seq > 1 else None
        graph.insert(VertexKey(author, 1, seq), id_of(seq), before, place=seq * 10)
    return graph


def test_a_line_is_found_by_key_and_by_id():
    graph = grown(5)
    assert graph.id_at(VertexKey(1, 1, 3)) == id_of(3)
    assert graph.holds(VertexKey(1, 1, 3), id_of(3)) and not graph.holds(VertexKey(1, 1, 3), id_of(4))
    assert graph.find(1, 3, id_of(3)) == VertexKey(1, 1, 3)
    assert graph.id_at(VertexKey(1, 1, 6)) is graph.id_at(VertexKey(1, 2, 3)) is graph.id_at(VertexKey(2, 1, 1)) is None
    assert (graph.vertices, graph.highest_seq(1), graph.highest_seq(2)) == (5, 5, 0)


def test_a_line_grows_at_its_head_only():
    graph = grown(5)
    with pytest.raises(AssertionError):
        graph.insert(VertexKey(1, 1, 7), id_of(7), VertexKey(1, 1, 5))
    with pytest.raises(AssertionError):
        graph.insert(VertexKey(1, 1, 6), id_of(6), VertexKey(1, 1, 4))


def test_a_later_incarnation_continues_a_line_or_starts_another():
    graph = grown(5)
    graph.insert(VertexKey(1, 2, 6), id_of(6, 2), VertexKey(1, 1, 5))
    assert [tip.key for tip in graph.tips(1)] == [VertexKey(1, 2, 6)], "it continues what stood there"
    assert not graph.has_several(1)
    graph.insert(VertexKey(1, 3, 4), id_of(4, 3), VertexKey(1, 1, 3))
    graph.insert(VertexKey(1, 4, 1), id_of(1, 4), None)
    assert {tip.key for tip in graph.tips(1)} == {VertexKey(1, 2, 6), VertexKey(1, 3, 4), VertexKey(1, 4, 1)}
    assert graph.has_several(1) and not graph.has_several(9)
    assert graph.highest_incarnation(1) == 4
    assert graph.find(1, 4, id_of(4, 3)) == VertexKey(1, 3, 4)


def test_a_path_crosses_incarnations_oldest_first_and_is_bounded():
    graph = grown(5)
    graph.insert(VertexKey(1, 2, 4), id_of(4, 2), VertexKey(1, 1, 3))
    graph.insert(VertexKey(1, 2, 5), id_of(5, 2), VertexKey(1, 2, 4))
    tip = VertexKey(1, 2, 5)
    assert graph.path(tip, 0, 99) == [VertexKey(1, 1, n) for n in (1, 2, 3)] + [VertexKey(1, 2, n) for n in (4, 5)]
    assert graph.path(tip, 2, 99) == [VertexKey(1, 1, 3), VertexKey(1, 2, 4), VertexKey(1, 2, 5)]
    assert graph.path(tip, 2, 2) == [VertexKey(1, 1, 3), VertexKey(1, 2, 4)]
    assert graph.path(tip, 5, 99) == graph.path(tip, 0, 0) == []


def test_places_are_filled_in_later():
    graph = grown(2)
    key = VertexKey(1, 1, 2)
    assert graph.place(key) == (20, 0)
    graph.set_signed(key, 33)
    assert graph.place(key) == (20, 33)
    graph.set_place(key, 44, 44)
    assert graph.place(key) == (44, 44)
