"""What counts as decided is what a certificate could be made of."""

from edge.consensus.committee import Committee, Seats
from edge.consensus.contest import Contest
from edge.consensus.past import Statement
from edge.consensus.question import value_digest
from edge.ids import VertexKey
from edge.wire.items import PRECOMMIT, PREVOTE, Question, Vote

VALUE = value_digest(b"one")


def contest() -> Contest:
    made = Contest(b"sitesite", Question("site", 1, "model", 1, None), Seats("site", 1, (0, 1, 2, 3), Committee(4, 1)))
    made.propose(VertexKey(0, 1, 1), bytes(32), b"one", 0, 0.0)
    return made


def precommit(held: Contest, member: int) -> list[tuple[Statement | None, str]]:
    """By who names nobody's prevotes: we may not know what it saw."""
    vote = Vote(held.conflict, 0, PRECOMMIT, VALUE)
    return held.heard(VertexKey(member, 1, 2), None, [VertexKey(0, 1, 1)], [vote])


def test_a_quorum_of_precommits_decides_whatever_is_known_of_their_past() -> None:
    """As anyone with their headers could show: a liar's votes that reached some alone must not keep us from it."""
    held = contest()
    for member in (1, 2):
        statement = Statement(member, 0, PRECOMMIT, VALUE)
        assert precommit(held, member) == [(statement, "vote-unjustified")]
        assert precommit(held, member)[0][0] is not None, "one member, one precommit"
    assert held.decided is None
    precommit(held, 3)
    assert held.decided == (0, VALUE)


def test_a_precommit_that_is_not_justified_locks_nobody_and_is_no_part_of_a_past() -> None:
    held = contest()
    precommit(held, 1)
    assert held.past.mark(VertexKey(1, 1, 2)).lock is None
    assert held.ballots.count(held.view(VertexKey(1, 1, 2)), 0, PRECOMMIT, VALUE) == 0
    assert held.ballots.count(held.view(VertexKey(1, 1, 2)), 0, PREVOTE, VALUE) == 0


def test_who_says_two_things_in_one_phase_is_known_on_whichever_line_it_does() -> None:
    held = contest()
    below, vote = [VertexKey(0, 1, 1)], Vote(held.conflict, 0, PREVOTE, VALUE)
    held.heard(VertexKey(1, 1, 2), None, below, [vote])
    held.heard(VertexKey(1, 2, 2), None, below, [vote])
    held.heard(VertexKey(1, 1, 3), VertexKey(1, 1, 2), below, [vote._replace(phase=PRECOMMIT, value=None)])
    assert not held.twice, "the same again, and another phase"
    held.heard(VertexKey(1, 3, 2), None, below, [vote._replace(value=None)])
    held.heard(VertexKey(2, 1, 2), None, below, [vote])
    held.heard(VertexKey(2, 1, 3), VertexKey(2, 1, 2), below, [vote._replace(value=None)])
    assert list(held.twice) == [1, 2]
