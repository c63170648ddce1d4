"""When the recordings of the demo begin."""

from edge.lab.demo import CALM_LOAD, START_S, start_s
from edge.lab.stage import START_S_MAX


def test_a_machine_with_nothing_else_to_do_begins_soon():
    assert start_s(0.0, 2) == start_s(2 * CALM_LOAD, 2) == START_S


def test_beside_other_work_the_processes_get_more_time_to_be_there():
    assert start_s(20.0, 2) == START_S * 20 / 2 / CALM_LOAD > start_s(20.0, 4) > START_S


def test_nobody_waits_for_ever():
    assert start_s(10_000.0, 1) == START_S_MAX
