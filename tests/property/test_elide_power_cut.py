"""The power goes at every operation of a rewrite, with every kind of tail: the segment is the old or the new one."""

from random import Random

import pytest

from edge.dag import eliding
from edge.dag.eliding import Choice, elide
from edge.dag.journal import Journal, Record
from edge.dag.records import beside_name
from edge.sim.disk import PowerCut, SimDisk, Tail
from tests.unit.dag.journals import recovered
from tests.unit.dag.lines import OPTIONS, apart, elided, finished, framed, line_of, span, written

TAILS = [*Tail, Tail.TORN, Tail.GARBLED]
SPANS = (span(1), span(2))
Log = dict[int, Record]


@pytest.fixture(autouse=True)
def small_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many operations for a small file."""
    monkeypatch.setattr(eliding, "WRITE_BYTES", 2048)


def log_of(disk: SimDisk) -> Journal:
    """A peer's line, and our own with signatures apart; in segments small enough for a cut at each operation."""
    records = []
    for one, own in zip(line_of(1, 24, [200]), line_of(2, 24), strict=True):
        records += [framed(one), framed(own, None), apart(own)]
    return written(disk, records)[0]


def log_again(disk: SimDisk) -> Log:
    return dict(recovered(disk, OPTIONS)[1])


def cut_everywhere(tails: list[Tail] = TAILS, disk_type: type[SimDisk] = SimDisk) -> int:
    whole = disk_type(Random(1))
    journal = log_of(whole)
    old = log_again(whole)
    first = whole.operations
    steps = whole.clone()
    assert elided(opened_over(steps, journal), 1, *SPANS) is not None
    new = log_again(steps)
    assert len(new) < len(old)
    cases = 0
    for cut_at in range(first, first + 1000):
        disk = whole.clone()
        life = opened_over(disk, journal)
        disk.cut_at = disk.operations + cut_at - first
        try:
            assert finished(elide(life, 1, Choice(SPANS))) is not None
        except PowerCut:
            pass
        else:
            disk.cut_at = -1
            assert log_again(disk) == new
            return cases
        for number, tail in enumerate(tails):
            twin = disk.clone()
            twin.crash(tail, Random(f"{cut_at} {number}"))
            found = log_again(twin)
            assert found in (old, new), "either the old file or the new one"
            assert beside_name(1) not in twin.names()
            after, _ = recovered(twin, OPTIONS)
            assert not after.failure and after.counts()["gaps"] == 0
            if found == old:
                assert elided(after, 1, *SPANS) is not None, "and the next life does it"
                twin.crash(Tail.NONE, Random(0))
                assert log_again(twin) == new
            cases += 1
    raise AssertionError("the rewrite does not end")


def opened_over(disk: SimDisk, like: Journal) -> Journal:
    """A journal that a start has recovered."""
    journal, _ = recovered(disk, like.options)
    return journal


def test_a_power_cut_anywhere_in_a_rewrite_leaves_the_old_segment_or_the_new_one() -> None:
    assert cut_everywhere() > 80


def test_what_was_elided_is_durable_when_it_is_said() -> None:
    disk = SimDisk(Random(1))
    journal = log_of(disk)
    assert elided(journal, 1, *SPANS)
    shown = log_again(disk)
    disk.crash(Tail.NONE, Random(2))
    assert log_again(disk) == shown


class NeverSettles(SimDisk):
    """The file takes the place of the old one before it is durable."""

    def settle(self, name: str) -> None:
        if not name.endswith(".tmp"):
            super().settle(name)

    def sync(self, name: str) -> None:
        if not name.endswith(".tmp"):
            super().sync(name)


def test_the_checker_sees_a_file_that_was_not_synced() -> None:
    with pytest.raises(AssertionError):
        cut_everywhere(disk_type=NeverSettles)
