"""What lies above a cut: which vertices, and the headers that there is room for."""

import pytest

from edge.ids import VertexKey
from edge.state import above
from edge.state.above import Above
from edge.wire.items import Count
from edge.wire.vertex import Header
from tests.unit.state.making import Line


def made(author: int, count: int) -> list[Header]:
    line = Line(author)
    return [line.says(Count("n", 1)) for _ in range(count)]


def told(*headers: Header) -> Above:
    known = Above()
    for header in headers:
        known.add(header)
    return known


def test_a_stretch_is_known_while_each_of_its_headers_is_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(above, "STATE_ABOVE_AUTHOR_MAX", 2)
    headers = made(4, 4)
    known = told(*headers)
    assert known.between((4, 1), 0, 2) == headers[:2] and known.between((4, 1), 0, 3) is None
    assert known.between((4, 1), 2, 2) == [] == known.between((9, 1), 0, 5)
    assert list(known.ends(lambda name: 99)) == [VertexKey(4, 1, 2)] and not list(known.ends(lambda name: 0))
    known.drop((4, 1), 1)
    assert known.lacking(9) == [VertexKey(4, 1, 3)]
    known.keep(headers[2])
    assert known.between((4, 1), 1, 3) == headers[1:3] and known.count == 3


def test_who_has_least_in_memory_is_read_back_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever floods does not keep the others out."""
    monkeypatch.setattr(above, "STATE_ABOVE_HELD_MAX", 4)
    flood, other = made(1, 8), made(7, 2)
    known = told(*flood, *other)
    assert {key.author for key in known.held} == {1} and known.lacking(9) == []
    known.drop((1, 1), 3)
    assert known.lacking(9) == [other[0].key, other[1].key]


def test_what_leaves_the_graph_is_above_nothing() -> None:
    headers = made(4, 3)
    known = told(*headers)
    known.cut([headers[2].key, VertexKey(9, 1, 1)])
    assert known.count == 2 and list(known.ends(lambda name: 99)) == [headers[1].key]
    known.add(headers[1])
    assert known.count == 2, "told once more"
    known.drop((4, 1), 9)
    assert not known.seqs and not known.held and known.count == 0
