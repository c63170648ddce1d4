"""Leases by the clocks of one node, and what a member votes for when."""

import pytest

from edge.consensus.committee import Committee, Seats
from edge.consensus.contest import Contest
from edge.consensus.course import GATHER_MS, Course, coordinator_of
from edge.consensus.lease import DRIFT, STOP_EARLY_MS, Leases, Term, decode_term, encode_term, fault
from edge.consensus.past import NOTHING, Mark
from edge.consensus.question import value_digest
from edge.consensus.registers import Final, Registers
from edge.ids import Instant, VertexKey
from edge.limits import LEASE_MS_MAX, LEASE_MS_MIN
from edge.wire.cbor import encode
from edge.wire.items import PRECOMMIT, PREVOTE, Question, Vote
from edge.wire.refusal import Refusal

US, THEM = 4, 5
MS = 10_000
KEY = "lease/door"


def question(version: int = 1) -> Question:
    return Question("site", 1, KEY, version, None if version == 1 else bytes(32))


def at(mono_ms: float, slept_ms: float = 0.0) -> Instant:
    return Instant(mono_ms, int(1_700_000_000_000 + mono_ms + slept_ms))


class Clocked:
    """One node's leases."""

    def __init__(self) -> None:
        self.registers = Registers(b"sitesite")
        self.leases = Leases(US, self.registers)

    def final(self, version: int, term: Term, now_ms: float) -> None:
        final = Final(question(version), encode_term(term), 0, b"")
        assert self.registers.take(final)
        self.leases.learned(final)
        self.leases.turn(now_ms)

    def opens_ms(self, version: int, holder: int) -> float:
        return self.leases.opens_ms(question(version), encode_term(Term(holder, MS)))


@pytest.mark.parametrize("ms", [0, LEASE_MS_MIN, LEASE_MS_MAX])
def test_a_term_comes_back_as_it_was_said(ms: int) -> None:
    assert decode_term(encode_term(Term(7, ms))) == Term(7, ms)
    assert fault(encode_term(Term(7, ms)), 7) == "" and fault(encode_term(Term(7, ms)), 8) == "proposal-lease"


@pytest.mark.parametrize(
    "value", [[7], [7, LEASE_MS_MIN - 1], [7, LEASE_MS_MAX + 1], [-1, MS], [7, "x"], {}, [7, MS, 1]]
)
def test_what_is_no_term_counts_for_nothing(value: object) -> None:
    assert isinstance(decode_term(encode(value)), Refusal)
    assert fault(encode(value), 7) == "proposal-lease" and fault(b"\xff", 7) == "proposal-lease"


def test_a_holder_counts_from_before_it_asked_and_stops_early() -> None:
    node = Clocked()
    node.leases.asked(question(), at(1_000.0))
    node.leases.asked(question(), at(5_000.0))
    node.final(1, Term(US, MS), 6_000.0)
    end_ms = 1_000 + MS * (1 - DRIFT) - STOP_EARLY_MS
    held = node.leases.get("site", KEY, at(end_ms - 1))
    assert held is not None and held.is_ours and held.left_ms == pytest.approx(1) and held.token == 1
    held = node.leases.get("site", KEY, at(end_ms))
    assert held is not None and not held.is_ours and held.left_ms > 0, "nobody else may have it yet"


@pytest.mark.parametrize("slept_ms", [5_000.0, -5_000.0])
def test_who_slept_has_it_no_more(slept_ms: float) -> None:
    """Its monotonic clock stood still meanwhile, others' did not; a wall clock that was set looks the same."""
    node = Clocked()
    node.leases.asked(question(), at(1_000.0))
    node.final(1, Term(US, MS), 1_100.0)
    held = node.leases.get("site", KEY, at(1_200.0, slept_ms))
    assert held is not None and not held.is_ours
    held = node.leases.get("site", KEY, at(1_200.0, 200.0))
    assert held is not None and held.is_ours


def test_what_was_asked_before_the_last_start_is_not_ours() -> None:
    node = Clocked()
    node.leases.asked(question(1), at(0.0))
    node.final(2, Term(US, MS), 10.0)
    held = node.leases.get("site", KEY, at(11.0))
    assert held is not None and not held.is_ours and held.holder == US


def test_others_may_have_it_once_its_time_is_over_by_our_clock_and_the_holder_always() -> None:
    node = Clocked()
    assert node.opens_ms(1, THEM) == 0
    node.final(1, Term(US, MS), 500.0)
    assert node.opens_ms(2, THEM) == 500 + MS * (1 + DRIFT)
    assert node.opens_ms(2, US) == 0
    node.final(2, Term(US, 0), 600.0)
    assert node.opens_ms(3, THEM) == 0, "given back"
    held = node.leases.get("site", KEY, at(600.0))
    assert held is not None and held.left_ms == 0 and not held.is_ours


def test_until_the_first_turn_after_it_was_learned_its_time_does_not_run() -> None:
    node = Clocked()
    final = Final(question(), encode_term(Term(US, MS)), 0, b"")
    node.registers.take(final)
    node.leases.learned(final)
    assert node.opens_ms(2, THEM) == float("inf")
    node.leases.turn(77.0)
    assert node.opens_ms(2, THEM) == 77 + MS * (1 + DRIFT)


# ---- a member

EARLY, NOW, OPENS_MS = b"another", b"the holder", 5_000.0


def contest(*values: bytes) -> Contest:
    made = Contest(
        b"sitesite", question(), Seats("site", 1, (0, 1, 2, 3), Committee(4, 1)),
        lambda asked, value: OPENS_MS if value == EARLY else 0.0,
    )  # fmt: skip
    for at, value in enumerate(values):
        made.propose(VertexKey(10 + at, 1, 1), bytes(32), value, 10 + at, 0.0)
    return made


def seen(held: Contest) -> int:
    votes = 0
    for vertex in held.proposals:
        votes |= held.view(vertex)
    return votes


def test_a_first_vote_waits_for_the_time_of_what_was_proposed() -> None:
    held, course = contest(EARLY), Course(0, 400.0)
    assert course.next_vote(held, seen(held), NOTHING, GATHER_MS) is None
    assert course.due_ms == OPENS_MS
    vote = course.next_vote(held, seen(held), NOTHING, OPENS_MS)
    assert vote == Vote(held.conflict, 0, PREVOTE, value_digest(EARLY))


def test_of_several_values_one_whose_time_has_come_is_voted_for() -> None:
    held, course = contest(EARLY, NOW), Course(0, 400.0)
    vote = course.next_vote(held, seen(held), NOTHING, GATHER_MS)
    assert vote == Vote(held.conflict, 0, PREVOTE, value_digest(NOW))


@pytest.mark.parametrize("others", [0, 3])
def test_a_coordinator_is_followed_to_another_holder_only_with_a_quorum(others: int) -> None:
    held = contest(EARLY)
    digest, coordinator = value_digest(EARLY), coordinator_of(held, 1)
    place = next(place for place in range(4) if place != coordinator)
    below = list(held.proposals)
    for member in [other for other in range(4) if other != place][:others]:
        held.heard(VertexKey(member, 1, 1), None, below, [Vote(held.conflict, 0, PREVOTE, digest)])
        below.append(VertexKey(member, 1, 1))
    late = next(member for member in range(4) if member not in (place, coordinator))
    named = Vote(held.conflict, 1, PREVOTE, digest)
    held.heard(VertexKey(coordinator, 1, 2), VertexKey(coordinator, 1, 1), below, [named])
    above = [VertexKey(coordinator, 1, 2)]
    held.heard(VertexKey(late, 1, 2), VertexKey(late, 1, 1), above, [named._replace(value=None)])
    vote = Course(place, 400.0).next_vote(held, held.view(VertexKey(late, 1, 2)), Mark(last=(0, PRECOMMIT)), 10.0)
    assert vote == named._replace(value=digest if others else None)
