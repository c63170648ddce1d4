"""What members say that they hold: enough of them, on the line that is held, and no more than there is room for."""

from edge.consensus.committee import Committee, Seats
from edge.consensus.witness import Witnesses
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.limits import BRANCHES_PER_AUTHOR_MAX, CLAIMS_MAX, CLAIMS_ON_MEMBERS_MAX
from edge.wire.items import Ack, Item, Witness
from edge.wire.vertex import Header, encode_header

SEATS = Seats("site", 1, (0, 1, 2, 3), Committee(4, 1))
AUTHORS = range(8)


def id_of(author: int, incarnation: int, seq: int) -> bytes:
    return bytes([author, incarnation, seq]) + bytes(29)


def graph_of(*lines: tuple[int, int, int]) -> Graph:
    """Of each (author, incarnation, length) a line from seq 1 on."""
    graph = Graph()
    for author, incarnation, length in lines:
        for seq in range(1, length + 1):
            prev = VertexKey(author, incarnation, seq - 1) if seq > 1 else None
            graph.insert(VertexKey(author, incarnation, seq), id_of(author, incarnation, seq), prev)
    return graph


def says(member: int, seq: int, *items: Item, epoch: int = 1, parents: tuple[Parent, ...] = ()) -> Header:
    prev = bytes(32) if seq > 1 else None
    return encode_header(
        suite=1, site=bytes(8), epoch=epoch, author=member, incarnation=1, seq=seq, prev=prev, parents=parents, hlc=seq,
        body=None, items=items,
    )  # fmt: skip


def witness(author: int, incarnation: int, seq: int) -> Witness:
    return Witness(author, incarnation, seq, id_of(author, incarnation, seq))


def seated(graph: Graph, *seats: Seats) -> Witnesses:
    witnesses = Witnesses(graph)
    witnesses.seat(seats or (SEATS,), AUTHORS)
    return witnesses


def test_r_plus_2_members_make_a_vertex_witnessed_up_to_what_the_slowest_of_them_has() -> None:
    witnesses = seated(graph_of((5, 1, 9)))
    for member, seq in ((0, 7), (1, 3)):
        witnesses.heard(says(member, 1, witness(5, 1, seq)))
    assert witnesses.witnessed(5) == {1: 0}
    witnesses.heard(says(2, 1, witness(5, 1, 8)))
    assert witnesses.witnessed(5) == {1: 3}
    witnesses.heard(says(1, 2, witness(5, 1, 9)))
    assert witnesses.witnessed(5) == {1: 7}


def test_words_of_others_and_words_on_another_line_count_for_nothing() -> None:
    witnesses = seated(graph_of((5, 1, 4)))
    witnesses.heard(says(0, 1, witness(5, 1, 4)))
    witnesses.heard(says(1, 1, witness(5, 1, 4)))
    witnesses.heard(says(4, 1, witness(5, 1, 4)))  # no member
    witnesses.heard(says(2, 1, Witness(5, 1, 4, id_of(6, 1, 4))))  # the other side of a fork
    witnesses.heard(says(3, 1, witness(5, 2, 4)))  # another incarnation
    assert witnesses.witnessed(5) == {1: 0}


def test_an_acknowledgement_by_a_member_and_an_author_with_a_seat_count_as_words() -> None:
    witnesses = seated(graph_of((1, 1, 4)))
    witnesses.heard(says(0, 1, witness(1, 1, 4)))
    assert witnesses.witnessed(1) == {1: 0}
    witnesses.heard(says(3, 1, Ack(1, 1, 2, id_of(1, 1, 2))))
    assert witnesses.witnessed(1) == {1: 2}, "its own word is the third"


def test_what_a_later_life_goes_on_from_is_witnessed_with_it() -> None:
    graph = graph_of((5, 1, 3))
    graph.insert(VertexKey(5, 2, 3), id_of(5, 2, 3), VertexKey(5, 1, 2))
    witnesses = seated(graph)
    for member in (0, 1, 2):
        witnesses.heard(says(member, 1, witness(5, 2, 3)))
    assert witnesses.witnessed(5) == {1: 2, 2: 3}, "the tail above seq 2 was lost"


def test_a_committee_that_does_not_stand_any_more_has_no_word() -> None:
    witnesses = seated(graph_of((5, 1, 3)))
    for member in (0, 1, 2):
        witnesses.heard(says(member, 1, witness(5, 1, 3)))
    witnesses.seat([Seats("site", 4, (3, 4, 6, 7), Committee(4, 1))], AUTHORS)
    assert witnesses.witnessed(5) == {1: 0}


def test_below_heads_only_what_stands_there_counts() -> None:
    graph = graph_of((5, 1, 9))
    witnesses = seated(graph)
    for seq in range(1, 4):
        for member in (0, 1, 2):
            witnesses.heard(says(member, seq, witness(5, 1, 3 * seq)))
    heads = {member: VertexKey(member, 1, 2) for member in (0, 1, 2)}
    assert witnesses.below(5, heads, 1) == {1: 6}
    assert witnesses.below(5, heads | {2: VertexKey(2, 1, 1)}, 1) == {1: 3}
    assert witnesses.below(5, heads | {3: VertexKey(3, 1, 1)}, 1) == {1: 0}, "it has said nothing"


def test_an_author_with_a_seat_holds_what_it_recorded_once_it_has_said_so_of_all_before() -> None:
    witnesses = seated(graph_of((1, 1, 9)))
    for member in (0, 2):
        witnesses.heard(says(member, 1, witness(1, 1, 9)))
    heads = {member: VertexKey(member, 1, 6) for member in (0, 1, 2)}
    assert witnesses.below(1, heads, 1) == {1: 0}, "it may have dropped its beginning"
    witnesses.heard(says(1, 5, witness(1, 1, 4)))
    assert witnesses.below(1, heads, 1) == {1: 6}
    assert witnesses.below(1, heads | {1: VertexKey(1, 1, 4)}, 1) == {1: 0}, "not said yet at that head"
    for seq in range(6, 9 + CLAIMS_ON_MEMBERS_MAX):
        witnesses.heard(says(1, seq, witness(1, 1, seq - 1)))
    assert witnesses.below(1, heads, 1) == {1: 6}, "the first word stands for all that follows"


def test_words_bind_as_long_as_the_committee_lasts_under_whose_roster_they_were_said() -> None:
    graph = graph_of((5, 1, 9))
    witnesses = seated(graph)
    heads = {member: VertexKey(member, 1, 9) for member in (0, 1, 2)}
    for member in (0, 1, 2):
        witnesses.heard(says(member, 1, witness(5, 1, 3)))
    later = SEATS._replace(epoch=4)
    witnesses.seat([later], AUTHORS)
    assert witnesses.below(5, heads, 1) == {1: 3}
    assert witnesses.below(5, heads, 4) == {1: 0} == witnesses.witnessed(5), (
        "who had no seat meanwhile may have dropped it"
    )
    for member in (0, 1):
        witnesses.heard(says(member, 2, witness(5, 1, 7), epoch=5))
    witnesses.heard(says(2, 2, Ack(5, 1, 6, id_of(5, 1, 6))))
    assert witnesses.below(5, heads, 4) == {1: 6}, "what a gateway has said, it has for good"


def test_a_parent_is_a_word_on_a_members_line_from_whoever_has_said_that_all_of_it_is_here() -> None:
    """CLAIMS_ON_MEMBERS_MAX of them."""
    graph = graph_of((3, 1, 60), (5, 1, 9))
    witnesses = seated(graph)
    heads = {member: VertexKey(member, 1, 3) for member in (0, 1, 2)}

    def names(member: int, seq: int, author: int, named: int) -> Header:
        return says(member, seq, parents=(Parent(author, 1, named, id_of(author, 1, named)),))

    for member in (0, 1, 2):
        witnesses.heard(names(member, 1, 3, 5))
    assert witnesses.below(3, heads, 1) == {1: 0}
    for member in (0, 1, 2):
        witnesses.heard(says(member, 2, witness(3, 1, 1), witness(5, 1, 1)))
        witnesses.heard(names(member, 3, 3, 7))
        witnesses.heard(names(member, 3, 5, 7))
    taken = witnesses.taken
    assert (witnesses.below(3, heads, 1), witnesses.below(5, heads, 1)) == ({1: 7}, {1: 1}), "of devices words are said"
    for seq in range(4, 3 + CLAIMS_ON_MEMBERS_MAX):
        witnesses.heard(names(0, seq, 3, seq + 10))
    assert witnesses.below(3, heads, 1) == {1: 7} and witnesses.taken == taken, "to name a vertex is no news"
    witnesses.heard(names(0, 90, 3, 59))
    assert witnesses.below(3, heads, 1) == {1: 0}


def test_of_what_a_member_says_the_newest_is_kept() -> None:
    """BRANCHES_PER_AUTHOR_MAX incarnations of an author of the roster, CLAIMS_MAX words on each."""
    graph = graph_of((5, 1, 200))
    witnesses = seated(graph)
    for seq in range(1, 3 * CLAIMS_MAX):
        for member in (0, 1, 2):
            witnesses.heard(says(member, seq, witness(5, 1, seq)))
    assert witnesses.witnessed(5) == {1: 3 * CLAIMS_MAX - 1}
    for back, claimed in ((CLAIMS_MAX, 2 * CLAIMS_MAX), (CLAIMS_MAX + 1, 0)):
        heads = {member: VertexKey(member, 1, 3 * CLAIMS_MAX - back) for member in (0, 1, 2)}
        assert witnesses.below(5, heads, 1) == {1: claimed}
    for incarnation in range(1, 3 * BRANCHES_PER_AUTHOR_MAX):
        witnesses.heard(says(0, 100 + incarnation, Witness(6, incarnation, 1, bytes(32))))
        witnesses.heard(says(0, 200 + incarnation, Witness(1000 + incarnation, 1, 1, bytes(32))))
    lives = {pair: list(said) for pair, said in witnesses._said.items() if pair[0] != 5}
    assert lives == {(6, 0): list(range(2 * BRANCHES_PER_AUTHOR_MAX, 3 * BRANCHES_PER_AUTHOR_MAX))}
