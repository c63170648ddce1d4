"""How long the bulk of others waits while a question is open."""

from random import Random

import pytest

from edge.mesh.repair import GRACE_MS
from edge.shell.precedence import BULK_WAITS_MS_MAX, Precedence


def test_bulk_waits_while_a_question_is_open_and_no_longer_than_it_may():
    precedence = Precedence()
    assert not precedence.look(False, 1000.0)
    assert precedence.look(True, 1010.0) and precedence.deadline_ms() == 1010.0 + BULK_WAITS_MS_MAX
    assert precedence.look(True, 1010.0 + BULK_WAITS_MS_MAX - 1)
    assert not precedence.look(True, 1010.0 + BULK_WAITS_MS_MAX), "it has waited long enough"
    assert precedence.deadline_ms() == float("inf")


def test_it_goes_on_at_once_when_nothing_is_open():
    precedence = Precedence()
    assert precedence.look(True, 5000.0) and not precedence.look(False, 5001.0)
    assert precedence.look(True, 5002.0)


@pytest.mark.parametrize("seed", range(5))
def test_of_any_long_time_bulk_waits_half_at_most(seed: int):
    rng, precedence = Random(seed), Precedence()
    now_ms, waited_ms, begun_ms = 0.0, 0.0, 10_000.0
    precedence.look(False, begun_ms)
    now_ms = begun_ms
    while now_ms < begun_ms + 60_000:
        step_ms = rng.choice((0.1, 1.0, 7.0, 40.0))
        if precedence.holds:  # the loop looks again at the deadline at the latest
            step_ms = min(step_ms, precedence.deadline_ms() - now_ms)
            waited_ms += step_ms
        now_ms += step_ms
        precedence.look(rng.random() < 0.95, now_ms)
    assert 0.3 < waited_ms / (now_ms - begun_ms) <= 0.5 + BULK_WAITS_MS_MAX / 60_000


def test_what_waits_is_not_asked_for_meanwhile():
    assert BULK_WAITS_MS_MAX < GRACE_MS
