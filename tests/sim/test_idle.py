"""Who had nothing to say is asked again once something came that may change that, or its time has come: never later."""

import pytest

from edge.consensus.agreement import Agreement
from edge.limits import PARENTS_MAX
from edge.sim.profiles import profile_named
from edge.sim.run import run_seeds


@pytest.mark.parametrize("profile", ["liars", "evictions", "recoveries", "committees"])
def test_whoever_is_not_asked_has_nothing_to_say(monkeypatch, profile):
    usual, skipped = Agreement.is_due, []

    def is_due(self: Agreement, now_ms: float) -> bool:
        found = usual(self, now_ms)
        if not found and self.has_open:
            skipped.append(now_ms)
            due_ms = self.deadline()
            assert not self.due(self.naming.parents(PARENTS_MAX), now_ms), "it was not asked, and has something to say"
            assert self.deadline() == due_ms, "it would have been asked too late, or too early"
        return found

    monkeypatch.setattr(Agreement, "is_due", is_due)
    total = run_seeds(range(300, 302), profile_named(profile), failures_max=1)
    assert not total.failed, [outcome.violations for outcome in total.failed]
    assert len(skipped) > total.steps // 30
