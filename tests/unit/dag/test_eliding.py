"""Which signatures of a segment go, of those that may."""

from edge.dag import eliding
from edge.dag.eliding import Choice
from edge.dag.records import VERTEX, Record
from edge.limits import (
    CHUNK_BYTES,
    ELIDED_GAP_BYTES,
    ELIDED_GAP_VERTICES,
    ELIDED_PER_SEGMENT_MAX,
    SIGNATURE_BYTES_MAX,
    VOTE_CHAIN_MAX,
)
from edge.wire.items import PRECOMMIT, Proposal, Question, Vote
from edge.wire.vertex import encode_header
from tests.builders import SUITE, WALL_MS
from tests.unit.dag.chains import ROSTER
from tests.unit.dag.lines import ALL, SIGNED, apart, chosen, framed, line_of, span


def sizes(line) -> list[int]:
    return [len(one.header.raw) + len(one.body or b"") + 8 for one in line]


def test_of_a_short_line_the_last_signature_stays() -> None:
    records = [framed(one) for one in line_of(1, 10)]
    assert chosen(records, span(1)) == list(range(9))
    assert chosen(records, span(2)) == [], "another line"
    assert chosen(records[:1], span(1)) == []


def test_only_what_may_go_goes_and_what_stays_covers_the_rest() -> None:
    records = [framed(one) for one in line_of(1, 10)]
    assert chosen(records, span(1, 3, 5)) == [2, 3, 4]
    assert chosen(records, span(1, 3, 5), span(1, 9, ALL)) == [2, 3, 4, 8]


def test_so_many_vertices_lie_between_two_that_stay() -> None:
    """ELIDED_GAP_VERTICES, which is no more than a certificate shows from a vote up (VOTE_CHAIN_MAX)."""
    assert ELIDED_GAP_VERTICES <= VOTE_CHAIN_MAX
    line = line_of(1, 200)
    assert sum(sizes(line)[:ELIDED_GAP_VERTICES]) < ELIDED_GAP_BYTES
    stay = [number for number in range(200) if number not in chosen([framed(one) for one in line], span(1))]
    assert stay == [*range(ELIDED_GAP_VERTICES - 1, 200, ELIDED_GAP_VERTICES), 199]


def test_so_many_bytes_lie_between_two_that_stay() -> None:
    """ELIDED_GAP_BYTES, of headers and bodies: with a signature at its end that is far less than CHUNK_BYTES."""
    assert ELIDED_GAP_BYTES + SIGNATURE_BYTES_MAX < CHUNK_BYTES // 2
    line = line_of(1, 60, [1600, 200, 5000, 0])
    gone = chosen([framed(one) for one in line], span(1))
    size, grown = 0, sizes(line)
    for number in range(60):
        size += grown[number]
        if number not in gone:
            assert size <= ELIDED_GAP_BYTES
            size = 0
    stay = [number for number in range(60) if number not in gone]
    for first, _, last in zip(stay, stay[1:], stay[2:], strict=False):
        assert sum(grown[first + 1 : last + 1]) > ELIDED_GAP_BYTES, "none stays that need not"


def test_the_larger_bodies_are_the_fewer_signatures_go() -> None:
    line = line_of(1, 8, [5600])
    assert 2 * sizes(line)[0] < ELIDED_GAP_BYTES < 3 * sizes(line)[0]
    assert chosen([framed(one) for one in line], span(1)) == [0, 2, 4, 6]


def test_what_came_without_a_signature_is_covered_by_one_as_near_as_before() -> None:
    line = line_of(1, 100)
    records = [framed(one, SIGNED if number % 10 == 9 else None) for number, one in enumerate(line)]
    gone = chosen(records, span(1))
    assert all(number % 10 == 9 for number in gone)
    stay = [number for number in range(9, 100, 10) if number not in gone]
    assert stay == [59, 99], "64 vertices hold six of those"


def test_a_gap_in_the_line_ends_what_a_signature_covers() -> None:
    line = line_of(1, 12)
    records = [framed(one) for one in line]
    del records[5]
    assert chosen(records, span(1)) == [0, 1, 2, 3, 5, 6, 7, 8, 9], "the ones before the gap and at the end stay"
    assert chosen([*records[:5], records[8], records[5]], span(1)) == [0, 1, 2, 3], "out of order is a gap, too"


def test_a_vertex_with_a_vote_or_a_proposal_keeps_its_own() -> None:
    question = Question("site", 1, "model", 1, None)
    for item in (Vote(bytes(32), 0, PRECOMMIT, None), Proposal(question, b"one")):
        prev, records = None, []
        for seq in range(1, 7):
            fields = {"suite": SUITE, "site": ROSTER.site, "epoch": 1, "author": 1, "incarnation": 1, "seq": seq}
            header = encode_header(
                **fields, prev=prev, parents=[], hlc=WALL_MS << 16, body=None, items=(item,) if seq == 3 else ()
            )
            prev = header.id
            records.append(Record(VERTEX, eliding.encode_vertex(header.raw, SIGNED, None)))
        assert chosen(records, span(1)) == [0, 1, 3, 4]


def test_own_signatures_are_records_a_little_further_on() -> None:
    line = line_of(1, 6)
    records = []
    for one in line:
        records += [framed(one, None), apart(one)]
    assert chosen(records, span(1)) == [1, 3, 5, 7, 9]
    late = [*(framed(one, None) for one in line), *(apart(one) for one in line)]
    assert chosen(late, span(1)) == [6, 7, 8, 9, 10]
    assert chosen(late[:-1], span(1)) == [6, 7, 8, 9], "the last vertex has none yet"
    assert chosen([apart(line[0]), framed(line[1])], span(1)) == [], "its vertex lies in another segment"


def test_at_most_so_many_go_at_once() -> None:
    """ELIDED_PER_SEGMENT_MAX is asked of the choice as room; what is left may go another time."""
    assert ELIDED_PER_SEGMENT_MAX * 8 < 64 * 1024
    choice = Choice([span(1)])
    for number, one in enumerate(line_of(1, 20)):
        choice.take(number, framed(one))
    assert list(choice.made(5)) == [0, 1, 2, 3, 4]
