"""The hybrid logical clock at its rules and at its ends."""

import pytest

from edge.limits import HLC_AHEAD_MS_MAX
from edge.wire.hlc import COUNTER_MAX, HLC_MAX, MS_MAX, pack, tick, unpack

NOW = 1_760_000_000_000


def test_pack_and_unpack_are_inverse() -> None:
    for ms, counter in ((0, 0), (NOW, 7), (MS_MAX, COUNTER_MAX)):
        assert unpack(pack(ms, counter)) == (ms, counter)
    assert pack(1, 0) > pack(0, COUNTER_MAX)
    assert pack(MS_MAX, COUNTER_MAX) == HLC_MAX


def test_the_wall_leads_when_it_is_ahead() -> None:
    assert tick(pack(NOW - 1, 5), NOW, [pack(NOW - 9, 1)], True) == pack(NOW, 0)


def test_the_counter_leads_within_a_millisecond_and_when_the_wall_steps_back() -> None:
    assert tick(pack(NOW, 5), NOW, [], True) == pack(NOW, 6)
    assert tick(pack(NOW, 5), NOW - 60_000, [], True) == pack(NOW, 6)


def test_every_parent_is_below() -> None:
    ahead = pack(NOW + 1000, 3)
    assert tick(pack(NOW, 0), NOW, [pack(NOW, 9), ahead], True) == pack(NOW + 1000, 4)


@pytest.mark.parametrize(("sure", "expected"), [(True, pack(NOW, 0)), (False, pack(NOW + HLC_AHEAD_MS_MAX + 1, 1))])
def test_only_an_unsure_clock_follows_far_ahead(sure: bool, expected: int) -> None:
    assert tick(0, NOW, [pack(NOW + HLC_AHEAD_MS_MAX + 1, 0)], sure) == expected


def test_five_minutes_ahead_is_still_followed() -> None:
    assert tick(0, NOW, [pack(NOW + HLC_AHEAD_MS_MAX, 0)], True) == pack(NOW + HLC_AHEAD_MS_MAX, 1)


def test_one_parent_too_far_ahead_does_not_hide_the_others() -> None:
    parents = [pack(NOW + HLC_AHEAD_MS_MAX + 1, 0), pack(NOW + 5, 0)]
    assert tick(0, NOW, parents, True) == pack(NOW + 5, 1)


def test_a_full_counter_runs_over_into_the_milliseconds() -> None:
    assert tick(pack(NOW, COUNTER_MAX), NOW, [], True) == pack(NOW + 1, 0)


def test_the_clock_stands_still_at_its_end() -> None:
    assert tick(HLC_MAX, NOW, [], True) == HLC_MAX
    assert tick(0, NOW, [HLC_MAX], False) == HLC_MAX


def test_a_wall_outside_the_range_is_clamped() -> None:
    assert tick(0, -5, [], True) == 1
    assert tick(0, 1 << 60, [], True) == pack(MS_MAX, 0)
