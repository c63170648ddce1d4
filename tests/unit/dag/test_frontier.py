"""What a node says it holds, and what another makes of that."""

from edge.dag.frontier import Gap, frontier, lacking, tag_of
from edge.dag.graph import Graph
from edge.ids import VertexKey
from edge.limits import BRANCHES_PER_AUTHOR_MAX
from edge.wire.frame import FrontierEntry


def put(graph: Graph, author: int, incarnation: int, seq: int, prev: VertexKey | None, mark: int = 7) -> VertexKey:
    key = VertexKey(author, incarnation, seq)
    graph.insert(key, bytes([mark, author, incarnation, seq]) + bytes(28), prev)
    return key


def test_one_entry_a_line_in_order():
    graph = Graph()
    first = put(graph, 5, 1, 1, None)
    put(graph, 5, 1, 2, first)
    put(graph, 3, 1, 1, None)
    put(graph, 5, 2, 2, first)
    tag = tag_of(bytes([7, 5]))
    assert frontier(graph) == (
        FrontierEntry(3, 1, 1, tag_of(bytes([7, 3]))),
        FrontierEntry(5, 1, 2, tag),
        FrontierEntry(5, 2, 2, tag),
    )


def test_no_more_lines_of_an_author_than_a_frame_may_name():
    graph = Graph()
    for incarnation in range(1, BRANCHES_PER_AUTHOR_MAX + 3):
        put(graph, 1, incarnation, 1, None)
    entries = frontier(graph)
    assert len(entries) == BRANCHES_PER_AUTHOR_MAX
    assert entries[-1].incarnation == BRANCHES_PER_AUTHOR_MAX + 2, "the newest are said"


def test_what_is_lacking():
    graph = Graph()
    put(graph, 1, 1, 1, None)
    held = frontier(graph)
    assert lacking(graph, held) == []
    assert lacking(graph, [FrontierEntry(1, 1, 9, 0)]) == [Gap(1, 1, 9)]
    assert lacking(graph, [FrontierEntry(1, 2, 1, 0), FrontierEntry(2, 1, 4, 0)]) == [Gap(1, 2, 1), Gap(2, 1, 4)]
    other = held[0].tag ^ 1
    assert lacking(graph, [held[0]._replace(tag=other)]) == [Gap(1, 1, 1, other)], "perhaps a fork: fetch it"
