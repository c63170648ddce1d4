"""The power goes at every operation of a scripted life, with every kind of tail; nothing acknowledged may be lost.

Whether the checker can see a loss is tested with journals and disks that leave out one duty each.
"""

from itertools import count
from random import Random
from typing import Any

import pytest

from edge.dag.journal import Journal
from edge.sim.disk import SimDisk, Tail
from tests.property.journal_life import MakeJournal, run_until, script

STEPS = 100
TAILS = [Tail.ALL, Tail.NONE, Tail.PREFIX, *[Tail.TORN] * 2, *[Tail.GARBLED] * 2]


def cut_everywhere(seed: int, make: MakeJournal = Journal, disk: type[SimDisk] = SimDisk, lying: bool = False) -> int:
    """Every operation of the seed's life × every tail. Answers the number of cases; AssertionError is a loss."""
    steps = script(Random(seed), STEPS)
    cases = 0
    for cut_at in count():
        life = run_until(cut_at, seed, make, disk(Random(seed), lying=lying), steps)
        if life is None:
            return cases
        for kind, tail in enumerate(TAILS):
            life.fork(life.disk.clone()).power_cut(tail, Random(f"{seed} {cut_at} {kind}"))
            cases += 1
    return cases


def losses(seeds: range, **mutant: Any) -> list[str]:
    found = []
    for seed in seeds:
        try:
            cut_everywhere(seed, **mutant)
        except AssertionError as loss:
            found.append(str(loss).splitlines()[0])
    return found


def test_nothing_acknowledged_is_lost() -> None:
    assert sum(cut_everywhere(seed) for seed in range(4)) >= 2_000


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_in_ten_thousand_cuts() -> None:
    assert sum(cut_everywhere(seed) for seed in range(100, 124)) >= 10_000


class NeverSyncs(Journal):
    def _sync_segment(self) -> None:
        self._dirty = False


class NeverSyncsTheDirectory(SimDisk):
    def sync_dir(self) -> None:
        pass


class TrustsThePageCache(SimDisk):
    def settle(self, name: str) -> None:
        pass


def test_the_checker_sees_a_commit_without_fdatasync() -> None:
    assert all("acknowledged records are lost" in loss for loss in losses(range(3), make=NeverSyncs))
    assert len(losses(range(3), make=NeverSyncs)) == 3


def test_the_checker_sees_a_directory_that_is_not_synced() -> None:
    assert len(losses(range(3), disk=NeverSyncsTheDirectory)) == 3


def test_the_checker_sees_a_recovery_that_trusts_the_page_cache() -> None:
    assert len(losses(range(6), disk=TrustsThePageCache)) >= 3  # of those whose life has a kill at the right moment


def test_a_disk_that_lies_about_flushing_loses_records_but_never_a_start() -> None:
    assert len(losses(range(3), lying=True)) == 3
    steps = script(Random(7), STEPS)
    for cut_at in range(0, 200, 3):
        for tail in Tail:
            life = run_until(cut_at, 7, Journal, SimDisk(Random(7), lying=True), steps)
            if life is None:
                return
            life.disk.crash(tail)
            life.promised = 0
            life.boot()
