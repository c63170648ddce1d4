"""Spin looks at every state of the model of epochs: no question is decided twice across a change of the committee.

`epoch.pml` says what is modelled, docs/decisions/0030-the-rule-of-epochs.md the rule, docs/SOUNDNESS.md how much is
searched.
"""

from pathlib import Path

import pytest

from tests.model.spin import holds, is_found, needs_spin, search

MODEL = Path(__file__).with_name("epoch.pml")
pytestmark = needs_spin

AGREEMENT = r"^\(final!=\(1\+2\)\)$"
MEMORY = "^knows$"
PROGRESS = "^anew$"

RULE = [
    (["OLD=2", "FRESH=1"], 63_681),
    (["OLD=1", "FRESH=2"], 40_652),
    (["OLD=1", "FRESH=1", "SHARED=3", "CHANGE=1"], 13_130),
]
LARGE = [
    (["OLD=2", "FRESH=2"], 1_418_437),
    (["OLD=2", "FRESH=1", "SHARED=3"], 114_388),
    (["OLD=2", "FRESH=1", "SHARED=2"], 346_786),
    (["OLD=2", "FRESH=1", "CHANGE=1"], 297_451),
    (["OLD=1", "FRESH=1", "CHANGE=2"], 399_523),
    (["OLD=1", "FRESH=1", "THIRD=1"], 181_903),
    (["OLD=2", "FRESH=1", "NEW_N=7", "NEW_R=2"], 272_003),
]


def named(value: object) -> str:
    return " ".join(value) if type(value) is list else ""


@pytest.mark.parametrize(("switches", "states"), RULE, ids=named)
def test_a_change_of_the_committee_decides_nothing_twice(tmp_path, switches, states):
    """Agreement across epochs; what the old committee certified binds the new one; a quiet ballot decides in each."""
    holds(tmp_path, MODEL, switches, states)


@pytest.mark.slow
@pytest.mark.parametrize(("switches", "states"), LARGE, ids=named)
def test_a_change_of_the_committee_decides_nothing_twice_in_larger_worlds(tmp_path, switches, states):
    holds(tmp_path, MODEL, switches, states, "-O2")


MISTAKES = {
    "voting goes on after the precommit for the change": ["BUG_GOES_ON"],
    "one past too few is taken over": ["BUG_FEW"],
    "what was locked is not taken over": ["BUG_FRESH"],
    "the lowest lock is taken over": ["BUG_LOWEST"],
    "a lock is taken over without its quorum": ["BUG_UNJUSTIFIED"],
    "a recovery from one honest chain": ["RECOVERY=1"],
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(tmp_path, mistake):
    """Two certificates contradict each other, one of each epoch."""
    is_found(tmp_path, MODEL, ["OLD=2", "FRESH=1", "NO_MEMORY", *MISTAKES[mistake]], AGREEMENT)


ACROSS = {
    "the lowest lock of two epochs is taken over": ["BUG_LOWEST"],
    "the next change is voted for before the last one is taken over": ["BUG_SHALLOW"],
}


@pytest.mark.parametrize("mistake", ACROSS)
def test_a_mistake_that_takes_two_changes_is_found(tmp_path, mistake):
    is_found(tmp_path, MODEL, ["OLD=1", "FRESH=1", "THIRD=1", "NO_MEMORY", *ACROSS[mistake]], AGREEMENT)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_makes_the_new_epoch_forget(tmp_path, mistake):
    """Before anything is certified twice, somebody in the new epoch is not bound to what the old one certified."""
    is_found(tmp_path, MODEL, ["OLD=2", "FRESH=1", *MISTAKES[mistake]], MEMORY)


def test_a_value_taken_over_for_good_can_block_the_new_epoch(tmp_path):
    """Two members may take over two values that were not certified; each must be able to give way."""
    is_found(tmp_path, MODEL, ["OLD=2", "FRESH=1", "BUG_PINNED"], PROGRESS)


@pytest.mark.slow
def test_a_recovery_is_sound_from_as_many_honest_chains_as_share_one_with_each_certificate(tmp_path):
    holds(tmp_path, MODEL, ["OLD=2", "FRESH=1", "RECOVERY=2"], 63_681)


@pytest.mark.parametrize("claim", ["CLAIM_FRESH", "CLAIM_ALIKE", "CLAIM_PUNCTUAL", "CLAIM_UNDECIDED"])
def test_the_search_meets_what_it_is_about(tmp_path, claim):
    """Something is taken over, not the same by all; the old committee certifies late; the new one decides."""
    assert search(tmp_path, MODEL, "OLD=2", "FRESH=1", claim).errors == 1
