"""The ring against slices of a list, for every small size, step and number of readings."""

from itertools import product

import pytest

from edge.sense.window import Push, Ring
from tests.reference import window as slow


@pytest.mark.parametrize(("size", "step"), list(product(range(1, 8), range(1, 12))))
def test_every_window_is_the_right_slice(size: int, step: int):
    ring = Ring(size, step, 2)
    readings: list[tuple[float, float]] = []
    seen: list[list[tuple[float, float]]] = []
    for count in range(1, 40):
        readings.append((float(count), -0.5 * count))
        if ring.push(readings[-1]) is Push.COMPLETE:
            rows = ring.rows()
            seen.append(list(zip(rows[0::2], rows[1::2], strict=True)))
        assert seen == slow.windows(readings, size, step)


@pytest.mark.parametrize(("size", "step"), list(product(range(1, 8), range(1, 12))))
def test_every_reading_is_retired_once_skipped_or_held(size: int, step: int):
    ring = Ring(size, step, 1)
    retired = skipped = 0
    for count in range(1, 40):
        push = ring.push((1.0,))
        retired += ring.retires * (push is Push.COMPLETE)
        skipped += push is Push.SKIPPED
        assert (retired, skipped, ring.held) == slow.fates(count, size, step)


def test_the_rows_are_a_copy():
    ring = Ring(2, 1, 1)
    ring.push((1.0,))
    ring.push((2.0,))
    rows = ring.rows()
    ring.push((3.0,))
    assert list(rows) == [1.0, 2.0]


def test_a_reading_of_the_wrong_width_is_our_own_bug():
    with pytest.raises(AssertionError):
        Ring(3, 1, 2).push((1.0,))
