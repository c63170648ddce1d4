"""Spin looks at every state of the model of agreement: the rule holds, and each mistake planted in it is found.

`agreement.pml` says what is modelled, docs/decisions/0029-the-rule-of-agreement.md the rule, docs/SOUNDNESS.md how much
is searched.
"""

from pathlib import Path

import pytest

from tests.model.spin import holds, is_found, needs_spin, search

MODEL = Path(__file__).with_name("agreement.pml")
pytestmark = needs_spin

SINGLE = r"x==1\)\|\|\(x==2"
AGREEMENT = r"final!=\(2\+4\)"
VALIDITY = r"final&~\(proposed\)"
PROGRESS = "may\\|\\|\\(x<"
STUCK = "y\\|\\|\\(x<"


RULE = [
    (["BALLOTS=2", "LOSS"], 10_575),
    (["BALLOTS=3", "LOSS"], 266_382),
]
LARGE = [
    (["BALLOTS=4"], 2_549_138),
    (["N=6", "LOSS"], 386_790),
    (["N=7", "R=2"], 95_009),
    (["N=8"], 1_114_739),
]


@pytest.mark.parametrize(("switches", "states"), RULE, ids=lambda value: " ".join(value) if type(value) is list else "")
def test_the_rule_holds(tmp_path, switches, states):
    """Agreement, validity, one vote in each phase, and a quiet ballot that decides, with a liar among four."""
    holds(tmp_path, MODEL, ["ANONYMOUS", *switches], states)


def test_the_rule_holds_where_views_are_kept_and_only_grow(tmp_path):
    holds(tmp_path, MODEL, ["VIEWS", "BALLOTS=1", "LOSS"], 90_455)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("switches", "states"), LARGE, ids=lambda value: " ".join(value) if type(value) is list else ""
)
def test_the_rule_holds_in_larger_worlds(tmp_path, switches, states):
    holds(tmp_path, MODEL, ["ANONYMOUS", *switches], states, "-O2")


@pytest.mark.slow
@pytest.mark.parametrize(("switches", "states"), [(["LOSS"], 3_668_415), ([], 460_837)])
def test_the_rule_holds_where_it_is_kept_who_said_what(tmp_path, switches, states):
    """The same system without taking members that are alike for one; one vote in each phase is looked at here."""
    holds(tmp_path, MODEL, switches, states, "-O2")


MISTAKES = {
    "the lock is dropped": (["ANONYMOUS", "BUG_LOCK"], AGREEMENT),
    "what nobody proposed is voted for": (["ANONYMOUS", "BUG_UNPROPOSED"], VALIDITY),
    "a quorum is too small by one": (["ANONYMOUS", "BUG_QUORUM"], AGREEMENT),
    "a lock gives way to an older quorum": (["ANONYMOUS", "BALLOTS=3", "BUG_UNLOCK_BELOW"], AGREEMENT),
    "precommits come without their prevotes": (["ANONYMOUS", "BUG_UNJUSTIFIED"], PROGRESS),
    "precommits come without their prevotes, and no coordinator can help": (
        ["ANONYMOUS", "BUG_UNJUSTIFIED", "ONLY_STUCK"],
        STUCK,
    ),
    "the plurality is adopted twice": (["BUG_PLURALITY"], SINGLE),
    "lost votes are cast again": (["BUG_AMNESIA"], SINGLE),
    "votes go back to an older ballot": (["BUG_ORDER", "NO_SINGLE"], AGREEMENT),
}
SLOW_MISTAKES = {
    "the plurality is adopted twice": (["BUG_PLURALITY", "NO_SINGLE"], AGREEMENT),
    "lost votes are cast again": (["BUG_AMNESIA", "NO_SINGLE"], AGREEMENT),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(tmp_path, mistake):
    is_found(tmp_path, MODEL, *MISTAKES[mistake])


@pytest.mark.slow
@pytest.mark.parametrize("mistake", SLOW_MISTAKES)
def test_a_mistake_in_honesty_breaks_agreement(tmp_path, mistake):
    """Not only the member's own oath is broken: two certificates contradict each other."""
    is_found(tmp_path, MODEL, *SLOW_MISTAKES[mistake])


@pytest.mark.parametrize("claim", ["CLAIM_UNDECIDED", "CLAIM_LOYAL"])
def test_the_search_meets_what_it_is_about(tmp_path, claim):
    """Ballots decide, and members vote against their locks: the properties do not hold for want of runs."""
    assert search(tmp_path, MODEL, "ANONYMOUS", "BALLOTS=3", claim).errors == 1


def test_two_ballots_never_open_a_lock(tmp_path):
    """Why three are searched: what opens a lock of ballot 0 is of ballot 1, and the vote against it of ballot 2."""
    assert search(tmp_path, MODEL, "ANONYMOUS", "BALLOTS=2", "CLAIM_LOYAL").errors == 0
