"""When a stream is silent, by its own pace."""

from edge.sense.silence import SILENCE_FIRST_MS, SILENCE_MS_MIN, Pace


def learned(*intervals: float) -> Pace:
    pace = Pace()
    for interval in intervals:
        pace.learn(interval)
    return pace


def test_an_unknown_pace_waits_a_minute():
    assert learned().limit_ms() == learned(20).limit_ms() == SILENCE_FIRST_MS


def test_a_fast_stream_is_silent_after_five_seconds():
    pace = learned(*[20.0] * 100)
    assert not pace.is_silent(SILENCE_MS_MIN)
    assert pace.is_silent(SILENCE_MS_MIN + 1)


def test_a_slow_stream_after_ten_intervals():
    pace = learned(*[10_000.0] * 10)
    assert not pace.is_silent(100_000)
    assert pace.is_silent(100_001)


def test_bursts_are_known_by_the_time_between_them():
    """50 readings at once each minute: the minute is the pace, and one missed burst is no silence."""
    pace = learned(*([60_000.0] + [0.0] * 49) * 5)
    assert not pace.is_silent(120_000)


def test_one_outage_does_not_blunt_the_next_alarm():
    pace = learned(*[1000.0] * 100)
    pace.learn(86_400_000.0)
    assert pace.limit_ms() <= 60_000
    for _ in range(1000):
        pace.learn(1000.0)
    assert pace.limit_ms() < 11_000
