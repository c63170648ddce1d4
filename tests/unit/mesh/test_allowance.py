"""So much at once, so much more with every second, and each by itself."""

from edge.mesh.allowance import Allowance


def spend_all(allowance: Allowance, name: str, now_ms: float) -> int:
    count = 0
    while allowance.has(name, now_ms):
        allowance.spend(name, now_ms)
        count += 1
    return count


def test_what_is_used_up_comes_back_with_time():
    allowance = Allowance(per_s=100, burst=20)
    assert spend_all(allowance, "a", 1000.0) == 20
    assert not allowance.has("a", 1009.0)
    assert spend_all(allowance, "a", 1050.0) == 5
    assert spend_all(allowance, "a", 1150.0) == 10
    assert spend_all(allowance, "a", 999_999.0) == 20, "and no more than that is saved up"


def test_one_who_has_used_it_up_takes_nothing_from_others():
    allowance = Allowance(per_s=100, burst=20)
    spend_all(allowance, "a", 0.0)
    assert not allowance.has("a", 0.0)
    assert spend_all(allowance, "b", 0.0) == 20
