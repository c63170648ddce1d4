"""Devices that sleep for a share of their time, and how often a quorum of them is there."""

import json
from statistics import fmean

import pytest

from edge.cli.main import main
from edge.consensus.committee import Committee
from edge.sim.attending import LOOK_MS, UP_MS, naps
from edge.sim.profiles import MINUTE_MS
from edge.sim.question import Question, ask


def awake(seed: int, devices: int, asleep: float, minutes: float, first: int | None = None) -> list[int]:
    """How many are, of all or the first so many, each second from when a site is up."""
    members = devices if first is None else first
    counts = [members] * int((minutes * MINUTE_MS - UP_MS) / LOOK_MS)
    for nap in naps(seed, devices, asleep, minutes * MINUTE_MS):
        if nap.share * devices >= members:
            continue
        begin, end = (round((at_ms - UP_MS) / LOOK_MS) for at_ms in (nap.at_ms, nap.at_ms + nap.span_ms))
        for second in range(begin, min(end, len(counts))):
            counts[second] -= 1
    return counts


@pytest.mark.parametrize(("members", "asleep"), [(7, 0.1), (7, 0.3), (4, 0.5)])
def test_members_are_there_as_often_as_a_plan_of_the_committee_says(members: int, asleep: float):
    """Also if time goes on for one seed alone: they do not sleep in step."""
    rule = Committee(members, (members - 1) // 3)
    counts = awake(1, members, asleep, 20_000)
    assert fmean(counts) / members == pytest.approx(1 - asleep, abs=0.005)
    assert fmean(count >= rule.quorum for count in counts) == pytest.approx(rule.availability(1 - asleep), abs=0.015)


def test_no_minute_is_slept_through_more_than_another():
    """From the first on, so that a short run is no better than a long one."""
    counts = awake(2, 5_000, 0.3, 12)
    minutes = [fmean(counts[at : at + 60]) / 5_000 for at in range(0, len(counts), 60)]
    assert len(minutes) == 12 and all(share == pytest.approx(0.7, abs=0.03) for share in minutes)


def test_availability_is_when_a_quorum_is_awake_and_connected():
    question = Question(nodes=6, committee=4, minutes=12.0, asleep=0.3, rate_per_minute=0.1)
    figures = ask(question).figures
    counts = awake(question.seed, question.devices, 0.3, 12, first=4)
    assert figures["availability_observed_s"] == len(counts) == 710
    missed = fmean(count >= 3 for count in counts) - figures["availability"]
    assert 0.0 < missed < 0.03, "who wakes up takes seconds to connect"
    assert figures["availability_expected"] == pytest.approx(Committee(4, 1).availability(0.7), abs=1e-6)


@pytest.mark.parametrize("minutes", ["0.3", "1"])
def test_a_short_run_says_what_it_has_seen(minutes: str, capsys):
    words = ["--nodes", "5", "--committee", "4", "--loss", "0%", "--minutes", minutes]
    assert main(["sim", *words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["figures"]["availability"] == 1.0 and not said["remarks"]
    assert said["figures"]["availability_observed_s"] == 60 * float(minutes) - 10


def test_who_has_seen_nothing_says_why(capsys):
    words = ["--nodes", "5", "--committee", "4", "--loss", "0%", "--minutes", "0.1"]
    assert main(["sim", *words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["figures"]["availability"] is None and said["figures"]["availability_expected"] == 1.0
    assert "not observed" in said["remarks"][0] and "6 s" in said["remarks"][0]
    assert main(["sim", *words]) == 0
    assert said["remarks"][0] in capsys.readouterr().out
