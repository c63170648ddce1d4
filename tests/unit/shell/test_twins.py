"""The second copy of a message, told from what was said twice."""

import random

import pytest

from edge import limits
from edge.shell.twins import WINDOW_S, Twins


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def twins(clock: Clock) -> Twins:
    return Twins(clock)


def test_of_two_copies_by_two_links_the_first_counts(twins):
    assert not twins.is_second("v/1", b"x", 1)
    assert twins.is_second("v/1", b"x", 2)
    assert not twins.is_second("v/1", b"x", 2), "said again, and now the other link is the first"
    assert twins.is_second("v/1", b"x", 1)
    assert len(twins) == 0


def test_what_comes_twice_by_one_link_was_said_twice(twins):
    assert not twins.is_second("f/1", b"same", 1)
    assert not twins.is_second("f/1", b"same", 1)


def test_topic_and_payload_make_a_message(twins):
    assert not twins.is_second("v/1", b"x", 1)
    assert not twins.is_second("v/2", b"x", 2)
    assert not twins.is_second("v/1", b"y", 2)


def test_repeated_messages_count_as_often_as_they_were_said(twins):
    """However the two links interleave, each in its own order."""
    said = [b"0", b"1"] * 20 + [b"0"] * 5
    for seed in range(50):
        chance = random.Random(seed)
        left = {1: list(said), 2: list(said)}
        heard = []
        while left[1] or left[2]:
            link = chance.choice([link for link in (1, 2) if left[link]])
            payload = left[link].pop(0)
            if not twins.is_second("t", payload, link):
                heard.append(payload)
        assert sorted(heard) == sorted(said), seed


def test_a_copy_that_never_comes_is_forgotten_after_a_while(twins, clock):
    assert not twins.is_second("sensor", b"21.5", 1)
    clock.now += 2 * WINDOW_S
    assert not twins.is_second("sensor", b"21.5", 2), "said later, at the other broker"
    clock.now += WINDOW_S / 2
    assert twins.is_second("sensor", b"21.5", 1)


def test_what_is_remembered_is_bounded(twins):
    for number in range(10 * limits.TWINS_MAX):
        assert not twins.is_second("v/1", b"%d" % number, 1)
        assert len(twins) <= limits.TWINS_MAX
    last = b"%d" % (10 * limits.TWINS_MAX - limits.TWINS_MAX // 4)
    assert twins.is_second("v/1", last, 2), "the newest are"
