"""Quorums: every committee that there can be, and the figures of the design's table."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from edge.consensus.committee import Committee, usual
from edge.limits import COMMITTEE_MAX

ALL = [Committee(n, r) for n in range(1, COMMITTEE_MAX + 1) for r in range((n - 1) // 3 + 1)]


@pytest.mark.parametrize("committee", ALL, ids=lambda one: f"{one.members}-{one.liars}")
def test_two_quorums_share_an_honest_member_and_liars_cannot_stop_one(committee):
    n, r, q = committee.members, committee.liars, committee.quorum
    assert 2 * q - n >= r + 1 > 2 * (q - 1) - n, "and with one vote less they need not"
    assert committee.absent >= r and n >= 2 * committee.absent + r + 1
    assert q <= n


@pytest.mark.parametrize(("members", "liars"), [(4, 1), (5, 1), (7, 2)])
def test_the_share_is_that_of_any_two_sets_of_members(members, liars):
    quorum = Committee(members, liars).quorum
    sets = [set(one) for one in combinations(range(members), quorum)]
    assert min(len(one & other) for one in sets for other in sets) == 2 * quorum - members > liars


@pytest.mark.parametrize(
    ("members", "liars", "words"),
    [
        (0, 0, "0 members; allowed: 1 to 31"),
        (COMMITTEE_MAX + 1, 1, "32 members; allowed: 1 to 31"),
        (3, 1, "1 of 3 members who lie; allowed: 0 to 0"),
        (6, 2, "2 of 6 members who lie; allowed: 0 to 1"),
        (7, -1, "-1 of 7 members"),
    ],
)
def test_numbers_that_cannot_agree_are_refused(members, liars, words):
    with pytest.raises(ValueError, match=words):
        Committee(members, liars)


@pytest.mark.parametrize(
    ("members", "liars", "quorum", "absent", "available", "broken"),
    [
        (3, 0, 2, 1, (0.972, 0.9928, 0.9997), (2.97e-2, 0.143)),
        (4, 1, 3, 1, (0.948, 0.986, 0.9994), (5.9e-4, 1.4e-2)),
        (6, 1, 4, 2, (0.984, 0.9978, 0.99998), (1.5e-3, 3.3e-2)),
        (7, 2, 5, 2, (0.974, 0.9962, 0.99997), (3.4e-5, 3.8e-3)),
        (8, 1, 5, 3, (0.995, 0.9996, 1.0), (2.7e-3, 5.7e-2)),
        (10, 3, 7, 3, (0.987, 0.9990, 1.0), (2.0e-6, 1.0e-3)),
        (13, 2, 8, 5, (0.9991, 0.99998, 1.0), (2.7e-4, 2.5e-2)),
        (13, 4, 9, 4, (0.994, 0.9997, 1.0), (1.2e-7, 2.9e-4)),
    ],
)
def test_figures_are_those_of_the_table(members, liars, quorum, absent, available, broken):
    committee = Committee(members, liars)
    assert (committee.quorum, committee.absent) == (quorum, absent)
    for member, whole in zip((0.90, 0.95, 0.99), available, strict=True):
        assert committee.availability(member) == pytest.approx(whole, abs=6e-4)
    for member, whole in zip((0.01, 0.05), broken, strict=True):
        assert committee.premise_broken(member) == pytest.approx(whole, rel=0.06)


def test_what_is_certain_is_certain():
    assert Committee(7, 2).availability(1.0) == 1.0 and Committee(7, 2).availability(0.0) == 0.0
    assert Committee(7, 2).premise_broken(0.0) == 0.0


@pytest.mark.parametrize(
    ("devices", "are_sleepy", "committee"),
    [(1, False, (1, 0)), (2, False, (2, 0)), (3, False, (3, 0)), (4, True, (4, 1)), (9, False, (4, 1)),
     (10, False, (7, 2)), (1000, False, (7, 2)), (8, True, (8, 1)), (49, True, (8, 1)), (50, True, (13, 2))],
)  # fmt: skip
def test_what_suits_a_site(devices, are_sleepy, committee):
    assert usual(devices, are_sleepy=are_sleepy) == Committee(*committee)


def test_the_bounds_that_people_read_are_those_of_the_code():
    text = (Path(__file__).parents[3] / "docs/SOUNDNESS.md").read_text()
    (table,) = re.findall(r"### Bounds\n.*?\n\|(?:---\|)+\n(.*?)\n\n", text, re.DOTALL)
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    assert len(rows) == 8
    for members, liars, *said in rows:
        one = Committee(int(members), int(liars))
        assert said == [
            *map(str, (one.quorum, one.absent, 2 * one.quorum - one.members)),
            f"{one.availability(0.9):.4f}",
            f"1 − {1 - one.availability(0.99):.1e}",
            f"{one.premise_broken(0.01):.1e}",
        ]
