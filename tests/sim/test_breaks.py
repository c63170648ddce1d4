"""Each rule that is taken away is missed: a checker that sees nothing proves nothing."""

import pytest

from edge.sim.breaks import BREAKS
from edge.sim.checkers import KINDS
from edge.sim.profiles import profile_named
from edge.sim.run import run_seeds
from edge.sim.shrink import shrink

FIRST = {"note": 6}
"""Where a search through slow worlds begins, so that it is short."""


@pytest.mark.parametrize("rule", BREAKS)
def test_a_broken_rule_is_caught_within_200_seeds(rule):
    broken = BREAKS[rule]
    profile, first = profile_named(broken.profile, **broken.changes), FIRST.get(rule, 0)
    total = run_seeds(range(first, first + 200), profile, broken=rule, failures_max=1)
    assert total.failed, f"200 worlds without {broken.rule!r} and nobody noticed"
    assert total.failed[0].violations[0].kind in broken.kinds


def test_every_kind_of_violation_has_a_break_that_shows_it():
    shown = {kind for broken in BREAKS.values() for kind in broken.kinds}
    assert shown >= KINDS.keys() - {"exception"}


def test_a_failure_shrinks_and_still_fails_the_same_way():
    total = run_seeds(range(200), profile_named("crashes"), broken="fsync", failures_max=1)
    failed = total.failed[0]
    small = shrink(failed, runs_max=40)
    assert failed.violations[0].kind in {violation.kind for violation in small.violations}
    assert 1 <= len(small.case.faults()) < len(failed.case.faults())
    assert small.case.profile.load_ms < failed.case.profile.load_ms
    line = small.case.replay()
    assert f"--seeds {small.case.seed}:" in line and "--only " in line and "--break fsync" in line
