"""What a seed plans to go wrong in `synedge cuts`."""

from itertools import pairwise, permutations
from random import Random

import pytest

from edge.lab.cuts.faults import CLOCKS, LAST_S, NETWORK, PROCESSES, Step, plan

VOTERS, NODES, HOSTS, ABSENT = 7, 15, (7, 11), 2


def steps_of(seed: int, seconds: float = 60.0) -> list[Step]:
    return plan(Random(seed), seconds, VOTERS, NODES, HOSTS, ABSENT)


def test_a_seed_plans_the_same_again_and_another_something_else():
    assert steps_of(1) == steps_of(1) != steps_of(2)


@pytest.mark.parametrize("seed", range(50))
def test_faults_of_a_group_never_overlap_and_end_in_time(seed: int):
    for kinds in (NETWORK, PROCESSES, CLOCKS):
        steps = [step for step in steps_of(seed) if step.kind in kinds]
        assert tuple(step.kind for step in steps[: len(kinds)]) in permutations(kinds), "each before any again"
        for early, late in pairwise(steps):
            assert early.end_s < late.begin_s
        for step in steps:
            assert 0 <= step.begin_s < step.end_s <= 60.0
            assert step.end_s - step.begin_s <= LAST_S[1] + 0.02


def test_each_half_of_a_cut_has_a_host_and_members_and_sometimes_neither_can_decide():
    quorum = VOTERS - ABSENT
    sizes = set()
    for seed in range(50):
        for step in steps_of(seed):
            if step.kind in ("cut", "one-way"):
                assert HOSTS[1] in step.machines and HOSTS[0] not in step.machines
                voters = sum(machine < VOTERS for machine in step.machines)
                assert 0 < voters < VOTERS
                sizes.add(max(voters, VOTERS - voters) >= quorum)
    assert sizes == {True, False}


def test_kills_leave_a_quorum_but_where_they_are_many():
    for seed in range(50):
        for step in steps_of(seed):
            if step.kind == "kill":
                assert 0 < len(step.machines) <= ABSENT
            elif step.kind == "kill-many":
                assert ABSENT < len(step.machines) <= VOTERS
            if step.kind in ("kill", "kill-many"):
                assert max(step.machines) < VOTERS


@pytest.mark.parametrize("seconds", [5.0, 12.0])
def test_short_runs_have_faults_of_every_group(seconds: float):
    for seed in range(50):
        kinds = {step.kind for step in steps_of(seed, seconds)}
        assert kinds & set(NETWORK) and kinds & set(PROCESSES) and kinds & set(CLOCKS)
