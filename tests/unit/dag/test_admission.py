"""Who gets in, and with which words the others are refused."""

import pytest

from edge.dag.admission import Accepted, Admission, Duplicate, Early, Parked
from edge.dag.graph import Graph
from edge.dag.pending import Missing, Pending
from edge.limits import EVIDENCE_MAX, LINES_PER_AUTHOR_MAX, PENDING_PER_AUTHOR_MAX
from edge.wire.refusal import Refusal
from edge.wire.roster import Member
from tests.builders import roster_of
from tests.unit.dag.chains import ROSTER, admission, chain, vertex


def reason(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.reason


def ids(answer: object) -> list[bytes]:
    assert isinstance(answer, Accepted), answer
    return [candidate.header.id for candidate in answer.candidates]


def test_screening_asks_what_costs_nothing():
    desk = admission()
    good = vertex(1, 1).header
    assert isinstance(desk.screen(good), Member)
    assert reason(desk.screen(good._replace(site=b"elsewher"))) == "site-other"
    assert desk.screen(good._replace(epoch=2)) == Early(2)
    assert reason(desk.screen(good._replace(author=99))) == "author-unknown"
    assert reason(desk.screen(good._replace(suite=2))) == "suite-not-allowed"
    desk.quarantined[1] = None
    assert reason(desk.screen(good)) == "quarantined"


def test_out_of_order_everything_comes_in_at_last_and_in_order():
    line = chain(1, 5)
    desk = admission()
    for candidate in reversed(line[1:]):
        assert isinstance(desk.settle(candidate), Parked)
    assert isinstance(desk.settle(line[1]), Parked), "parking twice is parking once"
    assert len(desk.pending) == 4
    assert ids(desk.settle(line[0])) == [candidate.header.id for candidate in line]
    assert len(desk.pending) == 0
    assert isinstance(desk.settle(line[3]), Duplicate)


def test_it_waits_for_each_parent_in_turn():
    (a,), (b,) = chain(1, 1), chain(2, 1)
    child = vertex(3, 1, parents=[a.header, b.header])
    desk = admission()
    assert desk.settle(child) == Parked(Missing(1, 1, a.header.id))
    assert ids(desk.settle(a)) == [a.header.id], "it goes on waiting, for the other"
    assert desk.pending.missing() == [Missing(2, 1, b.header.id)]
    assert ids(desk.settle(b)) == [b.header.id, child.header.id]


def test_a_body_is_what_the_header_names():
    desk = admission()
    good = vertex(1, 1, pad=200)
    assert good.body is not None
    assert reason(desk.settle(good._replace(body=None))) == "body-missing"
    assert reason(desk.settle(good._replace(body=good.body[:9] + b"!" + good.body[10:]))) == "body-root"
    assert reason(desk.settle(good._replace(body=good.body + b"!"))) == "body-length"
    assert reason(desk.settle(vertex(1, 1)._replace(body=good.body))) == "body-root"
    assert desk.graph.vertices == 0
    assert ids(desk.settle(good)) == [good.header.id], "the right one is welcome afterwards"


def test_two_vertices_under_one_key_are_evidence_and_end_the_trust():
    line = chain(1, 3)
    desk = admission(*line)
    other = vertex(1, 2, line[0].header, mark=1)
    assert reason(desk.settle(other)) == "fork"
    (proof,) = desk.conflicts.values()
    assert proof[:2] == (line[1].header.key, ((other.header.raw,), other.signature))
    assert reason(desk.screen(chain(1, 1, after=line[-1].header)[0].header)) == "quarantined"
    assert isinstance(desk.screen(vertex(2, 1).header), Member), "nobody else is to blame"
    assert desk.graph.id_at(line[1].header.key) == line[1].header.id, "what is held stays"


def test_a_fork_among_what_waited_is_found_too():
    line = chain(1, 3)
    other = vertex(1, 2, line[0].header, mark=1)
    desk = admission()
    desk.settle(line[1])
    desk.settle(other)
    answer = desk.settle(line[0])
    assert ids(answer) == [line[0].header.id, line[1].header.id]
    assert isinstance(answer, Accepted) and [refusal.reason for refusal in answer.refused] == ["fork"]
    assert list(desk.quarantined) == [1] and len(desk.conflicts) == 1


def test_what_waits_under_a_name_that_another_one_takes_is_a_fork():
    """It need not wait for what it hangs above: perhaps nobody has that any more."""
    line = chain(1, 2)
    other = vertex(1, 2, vertex(1, 1, mark=1).header, mark=1)
    desk = admission(line[0])
    desk.settle(other)
    answer = desk.settle(line[1])
    assert ids(answer) == [line[1].header.id]
    assert isinstance(answer, Accepted) and [refusal.reason for refusal in answer.refused] == ["fork"]
    assert list(desk.quarantined) == [1] and len(desk.pending) == 0
    assert desk.conflicts[1].other.headers == (other.header.raw,)


def test_a_fork_whose_signature_stands_above_it_keeps_all_up_to_there():
    line = chain(1, 3)
    other = [vertex(1, 2, line[0].header, mark=1)._replace(signature=None)]
    other.append(vertex(1, 3, other[0].header, mark=1)._replace(signature=None))
    other.append(vertex(1, 4, other[1].header, mark=1))
    desk = admission(*line)
    assert reason(desk.settle(other[0], other[1:])) == "fork"
    raws = tuple(candidate.header.raw for candidate in other)
    assert desk.conflicts[1][:2] == (line[1].header.key, (raws, other[2].signature))
    late = admission()
    for candidate in (*line[1:], *other):
        assert isinstance(late.settle(candidate), Parked)
    answer = late.settle(line[0])
    assert isinstance(answer, Accepted) and {refusal.reason for refusal in answer.refused} == {"fork"}
    assert late.conflicts == desk.conflicts, "also where both waited for the same vertex"


def test_the_other_side_of_a_fork_needs_no_body():
    held = vertex(1, 1, pad=200)
    desk = admission(held)
    assert reason(desk.settle(vertex(1, 1, mark=1, pad=200)._replace(body=None))) == "fork"
    assert 1 in desk.conflicts


def test_what_proves_nothing_without_its_body_need_not_be_checked():
    bare = vertex(1, 1, pad=200)._replace(body=None)
    assert admission().lacks_bodies([bare])
    assert not admission().lacks_bodies([vertex(1, 1, pad=200)])
    assert not admission().lacks_bodies([vertex(1, 1)]), "there is none in its header"
    other = admission(vertex(1, 1, mark=1))
    assert not other.lacks_bodies([bare]), "a fork"
    other.settle(bare)
    assert not other.lacks_bodies([vertex(1, 2, prev=bare.header.id, pad=200)._replace(body=None)]), "some stand on it"


def test_evidence_is_bounded():
    desk = Admission(Graph(), Pending(), roster_of([f"n{number}" for number in range(EVIDENCE_MAX + 5)])[0])
    for author in range(EVIDENCE_MAX + 5):
        desk.settle(vertex(author, 1))
        desk.settle(vertex(author, 1, mark=1))
    assert len(desk.conflicts) == EVIDENCE_MAX
    assert len(desk.quarantined) == EVIDENCE_MAX + 5


def test_lines_in_different_incarnations_are_no_crime_but_there_are_few():
    line = chain(1, LINES_PER_AUTHOR_MAX + 2)
    desk = admission(*line)
    for number in range(LINES_PER_AUTHOR_MAX - 1):
        branch = vertex(1, 2 + number, line[number].header, incarnation=2 + number)
        assert ids(desk.settle(branch)) == [branch.header.id]
    assert len(desk.graph.tips(1)) == LINES_PER_AUTHOR_MAX
    assert reason(desk.settle(vertex(1, 6, line[4].header, incarnation=99))) == "too-many-branches"
    last = vertex(1, len(line) + 1, line[-1].header, incarnation=99)
    assert ids(desk.settle(last)) == [last.header.id], "one that continues a line makes no more of them"
    assert not desk.quarantined and not desk.conflicts


def test_an_incarnation_has_one_line():
    line = chain(1, 4)
    later = vertex(1, 4, line[2].header, incarnation=2)
    desk = admission(*line, later)
    assert reason(desk.settle(vertex(1, 3, line[1].header, incarnation=2, mark=1))) == "fork"


def test_prev_cannot_lie_in_a_later_incarnation():
    line = chain(1, 1, incarnation=5)
    desk = admission(*line)
    assert reason(desk.settle(vertex(1, 2, line[0].header, incarnation=4))) == "prev-mismatch"


def test_a_parent_under_a_held_name_is_fetched_and_proves_the_fork():
    """Honest vertices may stand on either side of somebody's fork: they are let in, whichever side we saw first."""
    (a,) = chain(1, 1)
    desk = admission(a)
    other = vertex(1, 1, mark=1)
    honest = vertex(2, 1, parents=[other.header])
    assert isinstance(desk.settle(honest), Parked)
    assert [missing.id for missing in desk.pending.missing()] == [other.header.id]
    answer = desk.settle(other)
    assert isinstance(answer, Accepted)
    assert [item.header.id for item in answer.candidates] == [honest.header.id]
    assert [refusal.reason for refusal in answer.refused] == ["fork"]
    assert list(desk.quarantined) == [1]
    assert not desk.graph.holds(other.header.key, other.header.id)
    assert isinstance(
        desk.settle(vertex(2, 2, honest.header, parents=[vertex(1, 2, other.header, mark=1).header])), Accepted
    )


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_full_parking_lot_refuses(on_disk):
    desk = admission()
    for seq in range(PENDING_PER_AUTHOR_MAX):
        assert isinstance(desk.settle(vertex(1, seq + 2, bytes([1]) * 32), on_disk=on_disk), Parked)
    assert reason(desk.settle(vertex(1, 9999, bytes([1]) * 32), on_disk=on_disk)) == "pending-full"


def test_recovery_trusts_its_own_bodies():
    desk = Admission(admission().graph, admission().pending, ROSTER)
    bare = vertex(1, 1, pad=200)._replace(body=None)
    assert ids(desk.settle(bare, on_disk=True)) == [bare.header.id]


def test_a_second_line_in_one_incarnation_ends_the_trust_and_frees_who_waits_for_it():
    """An image put back twice under one clock: the lines part below both, so no two vertices share a name yet."""
    line = chain(1, 6)
    second = chain(1, 2, line[3].header, incarnation=2)
    desk = admission(*line, *second)
    other = chain(1, 3, line[1].header, incarnation=2)
    waiting = vertex(2, 1, parents=[other[2].header])
    assert isinstance(desk.settle(waiting), Parked)
    assert ids(desk.settle(other[0])) == [waiting.header.id], "honest vertices do not wait for what nobody takes"
    assert 1 in desk.quarantined
    assert desk.graph.branch(1, 2).head == second[-1].header.key, "what is held stays"


def test_a_fork_that_waited_frees_those_who_wait_for_its_author():
    line = chain(1, 2)
    other = vertex(1, 2, line[0].header, mark=1)
    above = vertex(1, 3, other.header, mark=1)
    honest = vertex(2, 1, parents=[above.header])
    desk = admission()
    for candidate in (line[1], other, honest):
        assert isinstance(desk.settle(candidate), Parked)
    answer = desk.settle(line[0])
    assert ids(answer) == [line[0].header.id, line[1].header.id, honest.header.id]
    assert len(desk.pending) == 0
