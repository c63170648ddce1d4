"""From a failing run to a smaller one that fails in the same way: fewer faults, fewer nodes, a shorter time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edge.sim.run import Case, Outcome, run_case

RUNS_MAX = 120
"""A shrink that has tried so often is small enough."""


def shrink(failed: Outcome, runs_max: int = RUNS_MAX) -> Outcome:
    """The smallest outcome found with a violation of the same kind; the given one if nothing smaller fails."""
    kind = failed.violations[0].kind
    best, runs = failed, 0
    progressed = True
    while progressed and runs < runs_max:
        progressed = False
        for case in _smaller(best):
            if runs >= runs_max:
                break
            runs += 1
            outcome = run_case(case)
            if any(violation.kind == kind for violation in outcome.violations):
                best, progressed = outcome, True
                break
    return best


def _smaller(outcome: Outcome) -> Iterator[Case]:
    """Candidates, the boldest first."""
    case = outcome.case
    numbers = [fault.number for fault in case.faults()]
    now_min = case.profile.load_ms / 60_000
    for share in (0.5, 0.75, 0.9):
        if now_min * share > 0.05:
            yield replace(case, profile=replace(case.profile, stop_minutes=round(now_min * share, 3)))
    parts = 2
    while numbers and parts <= 2 * len(numbers):
        size = max(1, len(numbers) // parts)
        for at in range(0, len(numbers), size):
            rest = numbers[:at] + numbers[at + size :]
            yield replace(case, only=tuple(rest))
        parts *= 2
    if case.profile.nodes > case.profile.gateways + 1:
        yield replace(case, profile=replace(case.profile, nodes=case.profile.nodes - 1))
