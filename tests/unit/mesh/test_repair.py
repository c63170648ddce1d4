"""Who is asked for what, when again, and what becomes of claims that bring nothing."""

from edge.ids import Instant
from edge.limits import (
    BRANCHES_PER_AUTHOR_MAX,
    GAPS_PER_AUTHOR_MAX,
    REPAIR_FLIGHT_BYTES,
    REPAIR_RANGES_MAX,
    REPAIR_REQUESTS_MAX,
)
from edge.mesh.repair import (
    ANY_INCARNATION,
    BACK_FIRST,
    COMING_MS,
    FLIGHT_MS_MAX,
    GRACE_MS,
    LATE_MAX,
    LINE_BYTES,
    NO_KEEPER,
    PATIENCE_MS_MAX,
    SETTLE_MS,
    TIMEOUT_MS,
    VERTEX_BYTES,
    Line,
    Repair,
    Request,
)
from edge.wire.frame import Want

FAR = 10**9


class Desk:
    """A repair, a clock, and what is held of each line as the test says."""

    def __init__(self, **ranks: int) -> None:
        self.held: dict[tuple[int, int], int] = {}
        self.ms = 1000.0
        self.repair = Repair(self._held_after, lambda member: ranks.get(f"m{member}", NO_KEEPER))

    def _held_after(self, line: Line, through_seq: int) -> int | None:
        if line.seq:
            return line.seq - 1
        head = self.held.get((line.author, line.incarnation), 0)
        return head if head < through_seq else None

    @property
    def now(self) -> Instant:
        return Instant(self.ms, 0)

    def claim(self, sender: int, through: int, author: int = 1, incarnation: int = 1) -> None:
        self.repair.claims(sender, Line(author, incarnation), through, self.now)

    def due(self, after_ms: float = 0) -> list[Request]:
        self.ms += after_ms
        return self.repair.requests_due(self.now)

    def answer(self, request: Request, *, brings: int | None = None) -> None:
        if brings is not None:
            self.held[1, 1] = brings
            self.repair.brought(request.to, 1)
        self.repair.heard(request.correlation, True, self.now)


def test_what_does_not_come_by_itself_is_asked_for():
    desk = Desk()
    desk.held[1, 1] = 40
    desk.claim(7, 50)
    assert desk.due() == [], "live traffic usually brings it"
    assert desk.repair.deadline() == 1000 + GRACE_MS
    (request,) = desk.due(GRACE_MS)
    assert request == Request(7, 1, REPAIR_FLIGHT_BYTES, (Want(1, 1, 40, 50),))
    assert desk.due(100) == [], "asked once"
    assert desk.repair.expects(7, 1) and not desk.repair.expects(8, 1) and not desk.repair.expects(7, 2)
    desk.answer(request, brings=50)
    assert desk.due(SETTLE_MS) == []
    assert (desk.repair.gaps, desk.repair.deadline()) == (0, None)


def test_nothing_is_asked_that_came_meanwhile():
    desk = Desk()
    desk.claim(7, 50)
    desk.held[1, 1] = 50
    assert desk.due(GRACE_MS) == []
    assert desk.repair.gaps == 0


def test_a_large_gap_is_closed_in_steps():
    desk = Desk()
    desk.claim(7, 500)
    (request,) = desk.due(GRACE_MS)
    for step in range(100, 600, 100):
        desk.answer(request, brings=step)
        again = desk.due(SETTLE_MS)
        if step < 500:
            (request,) = again
            assert request.wants == (Want(1, 1, step, 500),)
    assert again == []


def test_whoever_is_silent_is_left_for_another():
    desk = Desk()
    desk.claim(8, 50)
    desk.claim(7, 50)
    (request,) = desk.due(GRACE_MS)
    assert request.to == 7, "the latest to claim it"
    (second,) = desk.due(TIMEOUT_MS)
    assert second.to == 8
    assert desk.repair.timeouts == 1
    assert desk.due(TIMEOUT_MS) == []
    assert desk.repair.gaps == 0, "nobody is left who claims it"


def test_a_lie_is_tried_ever_more_rarely():
    desk = Desk()
    desk.claim(7, FAR)
    asked = []
    for _ in range(40_000):
        for request in desk.due(50):
            asked.append(desk.ms)
            desk.answer(request)
    assert 8 < len(asked) < 60, "within half an hour"
    assert asked[-1] - asked[-2] >= PATIENCE_MS_MAX


def test_a_liar_does_not_delay_the_honest():
    desk = Desk()
    for _ in range(20):
        desk.claim(7, FAR)
        for request in desk.due(GRACE_MS):
            desk.answer(request)
    desk.claim(8, 50)
    desk.claim(7, FAR)
    found = []
    for _ in range(3):
        for request in desk.due(SETTLE_MS):
            found.append((request.to, *request.wants))
            desk.answer(request)
    assert (8, Want(1, 1, 0, 50)) in found


def test_who_brings_something_gets_another_chance_and_who_does_not_gets_none_by_the_progress_of_others():
    """Or an invented line of an author who goes on writing would be asked for, for ever, at full speed."""
    desk = Desk()
    desk.claim(7, FAR)
    for _ in range(6):
        for request in desk.due(5000):
            desk.answer(request)
    assert desk.due(100) == []
    desk.held[1, 1] = 5
    assert desk.due(SETTLE_MS) == [], "the author goes on"
    desk.repair.brought(8, 1)
    assert desk.due() == []
    desk.repair.brought(7, 1)
    assert [request.to for request in desk.due()] == [7]


def test_a_claim_is_no_better_under_another_name():
    desk = Desk()
    for sender in (7, 8, 9):
        desk.claim(sender, FAR)
    for _ in range(30):
        for request in desk.due(5000):
            desk.answer(request)
    desk.claim(10, FAR)
    assert desk.due(SETTLE_MS) == []
    assert [request.to for request in desk.due(PATIENCE_MS_MAX)] != []


def test_only_a_source_that_has_more_is_asked():
    desk = Desk()
    desk.held[1, 1] = 40
    desk.claim(7, 50)
    desk.claim(8, 45)
    desk.held[1, 1] = 46
    (request,) = desk.due(GRACE_MS)
    assert (request.to, request.wants) == (7, (Want(1, 1, 46, 50),))


def test_few_at_a_time_and_one_each():
    desk = Desk()
    for sender in range(REPAIR_REQUESTS_MAX + 3):
        desk.claim(sender, 5, author=100 + sender)
        desk.claim(sender, 5, author=200 + sender)
    requests = desk.due(GRACE_MS)
    assert len(requests) == REPAIR_REQUESTS_MAX
    assert len({request.to for request in requests}) == REPAIR_REQUESTS_MAX
    assert all(len(request.wants) == 2 for request in requests)
    assert desk.due(10) == []
    desk.answer(requests[0])
    assert len(desk.due(10)) == 1


def test_a_request_names_what_one_answer_holds_and_the_next_follows_at_once():
    desk = Desk()
    for author in range(REPAIR_RANGES_MAX + 10):
        desk.claim(7, 5, author=author)
    asked: list[Want] = []
    (request,) = desk.due(GRACE_MS)
    first = len(request.wants)
    assert first == -(-REPAIR_FLIGHT_BYTES // (LINE_BYTES + 5 * VERTEX_BYTES)) - 1
    most = 0
    while True:
        asked += request.wants
        desk.held |= {(want.author, 1): 5 for want in request.wants}
        assert not desk.repair.has_finished
        vertices = 5 * len(request.wants)
        desk.repair.heard(request.correlation, True, desk.now, vertices, 200 * vertices)
        assert desk.repair.has_finished, "whoever asks need not wait for the next look at all gaps"
        requests = desk.due()
        if not requests:
            break
        (request,) = requests
        most = max(most, len(request.wants))
    assert len(asked) == len(set(asked)) == REPAIR_RANGES_MAX + 10, "each line once"
    assert first < most < REPAIR_RANGES_MAX, "answers have shown that vertices are smaller"


def test_a_line_that_no_answer_holds_is_asked_for_alone():
    desk = Desk()
    desk.claim(7, 10_000)
    desk.claim(7, 5, author=2)
    (request,) = desk.due(GRACE_MS)
    assert request.wants == (Want(1, 1, 0, 10_000),)
    desk.answer(request, brings=400)
    (request,) = desk.due()
    assert request.wants == (Want(2, 1, 0, 5),), "nobody waits behind it for ever"


def test_what_is_claimed_of_one_author_is_bounded_and_new_claims_push_out_vain_ones():
    desk = Desk()
    for incarnation in range(1, 100):
        desk.claim(7, FAR, incarnation=incarnation)
    assert desk.repair.gaps == GAPS_PER_AUTHOR_MAX > BRANCHES_PER_AUTHOR_MAX
    assert desk.repair.gaps_refused == 99 - GAPS_PER_AUTHOR_MAX
    desk.claim(7, 5, author=2)
    assert desk.repair.gaps == GAPS_PER_AUTHOR_MAX + 1, "others are not concerned"
    for request in desk.due(GRACE_MS):
        desk.answer(request)
    desk.claim(8, 5, incarnation=777)
    asked = [want.incarnation for _ in range(3) for request in desk.due(GRACE_MS) for want in request.wants]
    assert 777 in asked
    assert desk.repair.gaps <= GAPS_PER_AUTHOR_MAX + 1


def test_a_line_that_forks_off_lower_is_asked_from_further_back():
    desk = Desk()
    desk.held[1, 1] = 1000
    desk.claim(7, 1010)
    (request,) = desk.due(GRACE_MS)
    froms = [request.wants[0].after_seq]
    for _ in range(6):
        desk.repair.unknown_prev(1, 1, froms[-1])
        desk.answer(request)
        (request,) = desk.due(PATIENCE_MS_MAX)
        froms.append(request.wants[0].after_seq)
    assert froms == [1000, *(max(0, 1000 - (BACK_FIRST << step)) for step in range(6))]


def test_a_part_of_an_answer_that_was_lost_is_no_reason_to_go_back():
    """Nor is a live vertex that waits for what is on its way."""
    desk = Desk()
    desk.held[1, 1] = 1000
    desk.claim(7, 2000)
    (request,) = desk.due(GRACE_MS)
    for seq in (1100, 1400):
        desk.repair.unknown_prev(1, 1, seq)
    desk.answer(request)
    (request,) = desk.due(PATIENCE_MS_MAX)
    assert request.wants[0].after_seq == 1000


def test_once_a_line_has_joined_ours_it_is_asked_from_its_end():
    desk = Desk()
    desk.held[1, 1] = 1000
    desk.claim(7, 1010)
    (request,) = desk.due(GRACE_MS)
    desk.repair.unknown_prev(1, 1, 1000)
    desk.answer(request)
    (request,) = desk.due(PATIENCE_MS_MAX)
    assert request.wants[0].after_seq == 1000 - BACK_FIRST
    desk.held[1, 1] = 1005
    desk.answer(request)
    (request,) = desk.due(PATIENCE_MS_MAX)
    assert request.wants[0].after_seq == 1005


def test_an_answer_that_comes_in_parts_is_waited_for():
    desk = Desk()
    desk.claim(7, 50)
    (request,) = desk.due(GRACE_MS)
    for _ in range(5):
        desk.ms += TIMEOUT_MS - 100
        desk.repair.heard(request.correlation, False, desk.now)
        assert desk.due() == []
    assert desk.repair.timeouts == 0


def test_another_vertex_at_our_own_head_is_asked_for_beside_what_is_missing_above_it():
    desk = Desk()
    desk.held[1, 1] = 40
    desk.repair.claims(7, Line(1, 1, 40, 0xBEEF), 40, desk.now)
    desk.claim(7, 50)
    (request,) = desk.due(GRACE_MS)
    assert request.wants == (Want(1, 1, 39, 40), Want(1, 1, 40, 50))


def test_a_missing_parent_is_not_asked_for_while_the_line_it_lies_on_is_coming():
    desk = Desk()
    desk.claim(7, 50)
    (request,) = desk.due(GRACE_MS)
    desk.claim(8, 20, incarnation=ANY_INCARNATION)
    assert desk.due(GRACE_MS) == [], "the answer of 7 brings it"
    desk.answer(request, brings=10)
    assert [again.to for again in desk.due(SETTLE_MS)] == [7], "and goes on where it ended"
    desk.held[1, ANY_INCARNATION] = 20
    assert desk.due(COMING_MS) == []
    assert desk.repair.gaps == 1, "of the end of the line"


def test_a_missing_parent_waits_neither_long_nor_for_what_ends_below_it():
    desk = Desk()
    desk.claim(7, 10)
    desk.due(GRACE_MS)
    desk.claim(8, 20, incarnation=ANY_INCARNATION)
    assert desk.due(GRACE_MS)[0].to == 8, "what was asked of 7 ends below it"

    desk = Desk()
    desk.claim(7, FAR)
    desk.due(GRACE_MS)
    desk.claim(8, 20, incarnation=ANY_INCARNATION)
    assert desk.due(COMING_MS - 1) == []
    assert desk.due(1)[0].to == 8, "or a liar's claim would hold it up"


def test_what_comes_late_is_let_in_but_holds_nothing_up():
    desk = Desk()
    desk.claim(8, 50)
    desk.claim(7, 50)
    (request,) = desk.due(GRACE_MS)
    (second,) = desk.due(TIMEOUT_MS)
    assert (request.to, second.to) == (7, 8)
    assert desk.repair.expects(7, request.correlation) and not desk.repair.expects(8, request.correlation)
    desk.answer(request, brings=50)
    assert not desk.repair.expects(7, request.correlation), "it was complete"
    assert desk.repair.expects(8, second.correlation)
    assert desk.due(TIMEOUT_MS) == [] and desk.repair.gaps == 0


def test_what_comes_late_is_let_in_for_a_bounded_time_and_number():
    desk = Desk()
    asked = []
    for turn in range(4):
        for number in range(REPAIR_REQUESTS_MAX):
            desk.claim(10 * turn + number, 50, author=number)
        asked += desk.due(TIMEOUT_MS)
    desk.due(TIMEOUT_MS)
    late = [request for request in asked if desk.repair.expects(request.to, request.correlation)]
    assert len(asked) == 4 * REPAIR_REQUESTS_MAX == 2 * LATE_MAX
    assert late == asked[-LATE_MAX:]
    desk.due(FLIGHT_MS_MAX)
    assert not any(desk.repair.expects(request.to, request.correlation) for request in asked)
