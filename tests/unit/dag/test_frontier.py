"""What a node says it holds, and what another makes of that."""

from edge.dag.frontier import FRAME_OVERHEAD_BYTES, Gap, Horizon, frontier, lacking, size_of, tag_of
from edge.dag.graph import Graph
from edge.ids import VertexKey
from edge.limits import BRANCHES_PER_AUTHOR_MAX, FRONTIER_BYTES_MAX, FRONTIER_PART_BYTES
from edge.wire.cbor import encode
from edge.wire.frame import FrontierEntry, FrontierFrame, encode_frontier


def put(graph: Graph, author: int, incarnation: int, seq: int, prev: VertexKey | None, mark: int = 7) -> VertexKey:
    key = VertexKey(author, incarnation, seq)
    graph.insert(key, bytes([mark, author % 256]) + bytes(30), prev)
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


def horizon(graph: Graph, own: int = 0) -> Horizon:
    return Horizon(graph, own, {})


def test_the_size_of_an_entry_is_never_too_small():
    edges = [1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1]
    for seq in edges:
        for author in edges[:8]:
            entry = FrontierEntry(author, author, seq, min(author, 65535))
            assert size_of(entry) == sum(len(encode(part)) for part in entry)
    empty = len(encode_frontier(FrontierFrame(bytes(8), 2**32 - 1, 2**32 - 1, ())))
    assert empty + 4 <= FRAME_OVERHEAD_BYTES, "the length of the list grows"


def test_what_fits_is_said_whole_and_follows_the_graph():
    graph = Graph()
    said = horizon(graph)
    assert said.page(FRONTIER_BYTES_MAX) == ()
    first = put(graph, 5, 1, 1, None)
    put(graph, 3, 1, 1, None)
    assert said.page(FRONTIER_BYTES_MAX) == frontier(graph)
    put(graph, 5, 1, 2, first)
    put(graph, 5, 2, 2, first)
    assert said.page(FRONTIER_BYTES_MAX) == frontier(graph)
    other = FrontierEntry(5, 1, 1, 0)
    assert said.unknown((*frontier(graph), other)) == [other]


def test_a_frontier_of_every_line_there_may_be_is_said_in_turns():
    """More than one frame holds: each fits, ours and what changed last are always in it, and all come round."""
    graph = Graph()
    for author in range(2000):
        for incarnation in range(1, BRANCHES_PER_AUTHOR_MAX + 1):
            put(graph, author, 60_000_000 + incarnation, 1, None, mark=author % 250)
    said = horizon(graph, own=77)
    seen: dict[FrontierEntry, None] = {}
    for turn in range(8):
        put(graph, 1000 + turn, 70_000_000, 1, None)
        page = said.page(FRONTIER_BYTES_MAX)
        raw = encode_frontier(FrontierFrame(bytes(8), 1, 77, page))
        assert len(raw) + 4 * len(page) > FRONTIER_BYTES_MAX - 100 and len(raw) <= FRONTIER_BYTES_MAX
        assert {77, 1000 + turn} <= {entry.author for entry in page}
        seen |= dict.fromkeys(page)
    assert {entry.author for entry in seen} == set(range(2000))
    part = said.page(FRONTIER_PART_BYTES)
    assert {77, 1007, 1006} <= {entry.author for entry in part}
    assert len(encode_frontier(FrontierFrame(bytes(8), 1, 77, part))) <= FRONTIER_PART_BYTES
