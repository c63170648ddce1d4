"""The floor's bytes, and a graph that begins at it."""

import pytest

from edge.dag.floor import Floor, FloorAck, FloorLine, decode_floor, encode_floor
from edge.dag.frontier import lacking, tag_of
from edge.dag.graph import Graph
from edge.ids import VertexKey
from edge.wire.cbor import encode
from edge.wire.frame import FrontierEntry


def id_of(seq: int, incarnation: int = 1) -> bytes:
    return bytes([incarnation]) * 16 + seq.to_bytes(16, "big")


def graph_of(count: int) -> Graph:
    graph = Graph()
    prev = None
    for seq in range(1, count + 1):
        key = VertexKey(7, 1, seq)
        graph.insert(key, id_of(seq), prev, place=100 + seq, signed=100 + seq)
        prev = key
    return graph


FLOOR = Floor(5 << 16, (FloorLine(7, 1, 4, id_of(4), 1, 0), FloorLine(7, 2, 9, id_of(9, 2), 5, 1)), ())


def test_a_floor_survives_its_bytes() -> None:
    floor = FLOOR._replace(acks=(FloorAck(7, 2, 12, id_of(12, 2)),))
    assert decode_floor(encode_floor(floor)) == floor
    assert decode_floor(encode_floor(Floor())) == Floor()
    with_state = floor._replace(state=b"state")
    assert decode_floor(encode_floor(with_state)) == with_state
    with_imprints = floor._replace(imprints=b"marks")
    assert decode_floor(encode_floor(with_imprints)) == with_imprints
    # A value that rotted is not told.
    assert decode_floor(encode_floor(with_state).replace(b"state", b"stats")) == floor
    rotten = decode_floor(encode_floor(with_imprints).replace(b"marks", b"masks"))
    assert rotten == floor._replace(imprints=b""), "and that there was something is"


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        encode([2, 0, [], []]),
        encode([1, 0, []]),
        encode([1, 0, [], [], b""]),
        encode([1, 0, [], [], 7, 0]),
        encode([1, -1, [], []]),
        encode([1, 0, [[7, 1, 4, b"short", 1, 0]], []]),
        encode([1, 0, [[7, 1, 4, bytes(32), 5, 0]], []]),
        encode([1, 0, [[7, 1, 4, bytes(32), 1, 1]], []]),
        encode([1, 0, [[7, 1, 4, bytes(32), 1]], []]),
        encode([1, 0, [], [[7, 1, "4", bytes(32)]]]),
        encode_floor(FLOOR)[:-1],
    ],
)
def test_what_is_no_floor_is_none(bad: bytes) -> None:
    assert decode_floor(bad) is None


def test_forgetting_keeps_the_line_and_gives_back_the_rest() -> None:
    graph = graph_of(10)
    before = graph.tips(7)[0].key, graph.tips(7)[0].id
    graph.forget(graph.branch(7, 1).floor_line(6))
    branch = graph.branch(7, 1)
    assert (len(branch.ids), len(branch.places), graph.vertices) == (5 * 32, 5, 4)
    assert (graph.tips(7)[0].key, graph.tips(7)[0].id) == before
    assert graph.highest_seq(7) == 10
    assert graph.holds(VertexKey(7, 1, 6), id_of(6)), "the floor is known by its id"
    assert not graph.is_below(VertexKey(7, 1, 6))
    assert graph.is_below(VertexKey(7, 1, 5))
    assert graph.place(VertexKey(7, 1, 6)) == graph.place(VertexKey(7, 1, 2)) == (0, 0)
    assert graph.place(VertexKey(7, 1, 7)) == (107, 107)
    assert [key.seq for key in graph.path(VertexKey(7, 1, 10), 0, 100)] == [7, 8, 9, 10]
    assert [key.seq for key in graph.path(VertexKey(7, 1, 10), 3, 100, dropped=True)] == [4, 5, 6, 7, 8, 9, 10]
    graph.set_place(VertexKey(7, 1, 3), 999)  # an answer of the disk that comes late
    assert graph.place(VertexKey(7, 1, 7)) == (107, 107)


def test_a_floor_that_is_set_is_the_one_that_was_written() -> None:
    graph = Graph()
    for line in FLOOR.lines:
        graph.set_floor(line)
    assert tuple(graph.floor()) == FLOOR.lines
    assert [tip.key for tip in graph.tips(7)] == [(7, 2, 9)], "the second incarnation continues the first"
    graph.insert(VertexKey(7, 2, 10), id_of(10, 2), graph.find(7, 9, id_of(9, 2)), 5)
    assert graph.highest_seq(7) == 10
    assert graph.vertices == 1
    assert graph.stem(7, 2, 3) == VertexKey(7, 1, 2)
    assert graph.stem(7, 2, 1) is None


def test_who_stands_below_our_floor_has_nothing_that_we_lack() -> None:
    graph = graph_of(10)
    graph.forget(graph.branch(7, 1).floor_line(6))
    behind = FrontierEntry(7, 1, 3, tag_of(id_of(3)))
    ahead = FrontierEntry(7, 1, 12, 0)
    assert lacking(graph, [behind]) == []
    assert [gap.through_seq for gap in lacking(graph, [behind, ahead])] == [12]
