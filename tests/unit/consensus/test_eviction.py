"""What a register of an eviction says, and whom a member votes against when."""

import pytest

from edge.consensus.committee import Committee, Seats
from edge.consensus.contest import Contest
from edge.consensus.course import PATIENT_GROWTH_MAX, TIMEOUT_GROWTH, Course
from edge.consensus.eviction import BY_HAND, FORKED, Eviction, decode_eviction, encode_eviction, eviction_key, fault
from edge.consensus.past import Mark
from edge.ids import Parent, VertexKey
from edge.limits import BALLOT_MAX, BRANCHES_PER_AUTHOR_MAX
from edge.wire.cbor import encode
from edge.wire.items import PRECOMMIT, PREVOTE, Question, Vote
from edge.wire.refusal import Refusal

HEADS = tuple(Parent(7, incarnation, 9, bytes(32)) for incarnation in range(1, BRANCHES_PER_AUTHOR_MAX + 1))


def question(key: str = eviction_key(7), version: int = 1, scope: str = "site") -> Question:
    return Question(scope, 1, key, version, None if version == 1 else bytes(32))


@pytest.mark.parametrize("heads", [(), HEADS[:1], HEADS])
@pytest.mark.parametrize("why", [FORKED, BY_HAND])
def test_an_eviction_comes_back_as_it_was_said(heads: tuple[Parent, ...], why: int) -> None:
    value = encode_eviction(Eviction(7, why, heads))
    assert decode_eviction(value) == Eviction(7, why, heads)
    assert fault(question(), value) == ""
    for other in (question(version=2), question(eviction_key(8)), question(scope="cell"), question("evict/07")):
        assert fault(other, value) == "proposal-eviction"


LINE = [1, 9, bytes(32)]


@pytest.mark.parametrize(
    "value",
    [
        [7, FORKED],
        [7, 3, []],
        [7, True, []],
        [-1, FORKED, []],
        ["7", FORKED, []],
        [7, FORKED, [LINE, LINE]],
        [7, FORKED, [[2, 9, bytes(32)], LINE]],
        [7, FORKED, [[0, 9, bytes(32)]]],
        [7, FORKED, [[1, 0, bytes(32)]]],
        [7, FORKED, [[1, 9, bytes(31)]]],
        [7, FORKED, [[1, 9]]],
        [7, FORKED, [[at, 9, bytes(32)] for at in range(1, BRANCHES_PER_AUTHOR_MAX + 2)]],
        7,
    ],
)
def test_what_is_no_eviction_counts_for_nothing(value: object) -> None:
    refused = decode_eviction(encode(value))
    assert isinstance(refused, Refusal) and refused.reason == "proposal-eviction"
    assert fault(question(), encode(value)) == fault(question(), b"\xff") == "proposal-eviction"


# ---- a member's way through the ballots


def lost_ballot() -> tuple[Contest, int]:
    """Ballot 0 is over and nobody can win it: all have precommitted nil. And what the last of them sees."""
    held = Contest(b"sitesite", question(), Seats("site", 1, (0, 1, 2, 3), Committee(4, 1)))
    held.propose(VertexKey(0, 1, 1), bytes(32), encode_eviction(Eviction(7, FORKED, ())), 0, 0.0)
    below = list(held.proposals)
    for member in range(4):
        said = [Vote(held.conflict, 0, phase, None) for phase in (PREVOTE, PRECOMMIT)]
        held.heard(VertexKey(member, 1, 2), None, below, said)
        below.append(VertexKey(member, 1, 2))
    return held, held.view(below[-1])


def next_ballot_ms(course: Course) -> float:
    """When a member goes on to ballot 1, from ballot 0's end at 1 s."""
    held, votes = lost_ballot()
    mine = Mark(votes, (0, PRECOMMIT))
    for now_ms in range(1_000, 3_000, 10):
        course.next_vote(held, votes, mine, now_ms)
        if course.ballot:
            return float(now_ms)
    raise AssertionError("never")


def test_who_must_wait_for_others_ends_no_ballot_early() -> None:
    assert next_ballot_ms(Course(0, 400.0)) == 1_000
    assert next_ballot_ms(Course(0, 400.0, is_patient=True)) == 1_400


def test_its_ballots_last_for_hours_so_that_no_liar_uses_them_up() -> None:
    lengths = [400.0 * min(TIMEOUT_GROWTH**ballot, PATIENT_GROWTH_MAX) for ballot in range(BALLOT_MAX)]
    assert sum(lengths) > 10 * 3_600_000
