"""Of whom one asks what others have dropped."""

from edge.mesh.repair import GRACE_MS, SETTLE_MS, Line
from tests.unit.mesh.test_repair import Desk


def begun_too_high(desk: Desk) -> None:
    """Whoever claimed it last has answered, from above what we lack."""
    (request,) = desk.due(GRACE_MS)
    desk.repair.unknown_prev(1, 1, 30)
    desk.answer(request)


def test_what_somebody_has_dropped_is_asked_of_a_gateway_and_then_of_a_member() -> None:
    desk = Desk(m2=0, m3=1)
    for sender in (2, 3, 9):
        desk.claim(sender, 50)
    begun_too_high(desk)
    for keeper in (2, 2, 3):  # with less and less patience
        (request,) = desk.due(SETTLE_MS)
        assert request.to == keeper, "the gateway did not have it"
        desk.answer(request)
    (request,) = desk.due(SETTLE_MS)
    assert request.to != 9
    desk.answer(request, brings=50)


def test_while_all_who_may_have_it_are_busy_nobody_else_is_asked_for_what_was_dropped() -> None:
    desk = Desk(m2=1, m3=1)
    for sender in (2, 3, 9):
        desk.claim(sender, 50)
    begun_too_high(desk)
    for sender in (2, 3):
        desk.claim(sender, 10, author=sender + 4)
    other = desk.due(GRACE_MS)
    assert {request.to for request in other} <= {2, 3} and len(other) == 2
    asked = [want.author for request in other for want in request.wants]
    assert sorted(asked) in ([1, 6, 7], [6, 7]) and 9 not in {request.to for request in desk.due(1)}


def test_a_claim_by_who_has_no_more_than_others_makes_room_for_one_by_a_keeper() -> None:
    desk = Desk(m2=0, m3=1)
    for sender in (2, 3, 7, 8, 9):
        desk.claim(sender, 50)
    sources = desk.repair._gaps[Line(1, 1)].sources
    assert list(sources) == [2, 3, 9]
