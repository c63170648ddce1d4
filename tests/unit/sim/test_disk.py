"""The simulated disk keeps its word: synced bytes always survive, and every kind of loss it names really happens."""

from collections.abc import Callable
from random import Random

import pytest

from edge.errors import DiskFullError, StorageError
from edge.sim.disk import SECTOR_BYTES, PowerCut, SimDisk, Tail

SYNCED = b"s" * 700
NEW = bytes(range(1, 256)) * 10


def half_synced(seed: int) -> SimDisk:
    """A file with SYNCED durable and NEW behind it not."""
    disk = SimDisk(Random(seed))
    disk.create("a", 4096)
    disk.write("a", 0, SYNCED)
    disk.sync("a")
    disk.sync_dir()
    disk.write("a", len(SYNCED), NEW)
    return disk


def after(tail: Tail) -> list[bytes]:
    left = []
    for seed in range(60):
        disk = half_synced(seed)
        disk.crash(tail)
        left.append(disk.read("a", 0, 4096))
    return left


@pytest.mark.parametrize("tail", Tail)
def test_synced_bytes_survive_every_tail(tail: Tail) -> None:
    assert all(content.startswith(SYNCED) and len(content) == 4096 for content in after(tail))


def test_every_tail_loses_what_its_name_says() -> None:
    def new(content: bytes) -> bytes:
        return content[len(SYNCED) : len(SYNCED) + len(NEW)]

    assert all(new(content) == NEW for content in after(Tail.ALL))
    assert all(not any(new(content)) for content in after(Tail.NONE))
    for content in after(Tail.PREFIX):
        kept = new(content).rstrip(b"\0")
        assert NEW.startswith(kept)
    assert len({len(content.rstrip(b"\0")) for content in after(Tail.PREFIX)}) > 10
    holes = 0
    for content in after(Tail.TORN):
        for at in range(SECTOR_BYTES * 2, SECTOR_BYTES * 6, SECTOR_BYTES):
            sector = content[at : at + SECTOR_BYTES]
            expected = NEW[at - len(SYNCED) :][:SECTOR_BYTES].ljust(SECTOR_BYTES, b"\0")
            assert sector in (expected, bytes(SECTOR_BYTES)), "a sector is old or new"
            holes += not any(sector)
    assert 60 < holes < 180
    strange = [
        content
        for content in after(Tail.GARBLED)
        if any(a not in (0, b) for a, b in zip(new(content), NEW, strict=True))
    ]
    assert len(strange) > 30


def test_names_that_were_not_synced_may_be_lost() -> None:
    def names(act: Callable[[SimDisk], None], tail: Tail, seed: int = 0) -> list[str]:
        disk = SimDisk(Random(seed))
        disk.create("a", 0)
        disk.sync_dir()
        act(disk)
        disk.crash(tail)
        return sorted(disk.names())

    assert names(lambda disk: disk.create("b", 0), Tail.NONE) == ["a"]
    assert names(lambda disk: disk.create("b", 0), Tail.ALL) == ["a", "b"]
    assert names(lambda disk: disk.remove("a"), Tail.NONE) == ["a"]
    assert names(lambda disk: disk.rename("a", "c"), Tail.NONE) == ["a"]
    assert names(lambda disk: disk.rename("a", "c"), Tail.ALL) == ["c"]
    torn = {tuple(names(lambda disk: disk.create("b", 0), Tail.TORN, seed)) for seed in range(20)}
    assert torn == {("a",), ("a", "b")}


def test_syncing_the_file_does_not_sync_its_name() -> None:
    disk = SimDisk(Random(1))
    disk.create("a", 0)
    disk.write("a", 0, b"x")
    disk.sync("a")
    disk.crash(Tail.NONE)
    assert disk.names() == []


def test_a_failed_sync_loses_bytes_that_reads_still_show() -> None:
    lost = 0
    for seed in range(20):
        disk = half_synced(seed)
        disk.failing_syncs = 1
        with pytest.raises(StorageError):
            disk.sync("a")
        assert disk.read("a", len(SYNCED), len(NEW)) == NEW
        disk.sync("a")
        disk.settle("a")
        content = disk.read("a", len(SYNCED), len(NEW))
        lost += content != NEW
        disk.crash(Tail.ALL)
        assert disk.read("a", len(SYNCED), len(NEW)) == content, "settle showed what is durable"
    assert lost > 10


def test_a_lying_disk_syncs_nothing() -> None:
    disk = SimDisk(Random(1), lying=True)
    disk.create("a", 0)
    disk.write("a", 0, b"x")
    disk.sync("a")
    disk.sync_dir()
    disk.settle("a")
    assert disk.read("a", 0, 1) == b"x"
    disk.crash(Tail.NONE)
    assert disk.names() == []


def test_the_power_goes_in_the_planned_operation() -> None:
    disk = SimDisk(Random(1))
    disk.create("a", 0)
    disk.sync_dir()
    disk.cut_at = disk.operations + 1
    disk.write("a", 0, b"first")
    with pytest.raises(PowerCut):
        disk.write("a", 5, b"second")
    with pytest.raises(PowerCut):
        disk.names()
    disk.crash(Tail.ALL)
    assert disk.read("a", 0, 99) == b"firstsecond"


def test_a_sync_that_the_power_cut_hits_has_done_nothing() -> None:
    disk = half_synced(1)
    disk.cut_at = disk.operations
    with pytest.raises(PowerCut):
        disk.sync("a")
    disk.crash(Tail.NONE)
    assert not any(disk.read("a", len(SYNCED), 4096))


def test_a_full_disk_takes_a_part() -> None:
    disk = SimDisk(Random(1), room=100)
    with pytest.raises(DiskFullError):
        disk.create("big", 101)
    assert disk.names() == []
    disk.create("a", 60)
    disk.write("a", 0, bytes(60))
    with pytest.raises(DiskFullError):
        disk.write("a", 60, b"x" * 50)
    assert disk.read("a", 60, 99) == b"x" * 40
    assert disk.free_bytes() == 0
    disk.truncate("a", 10, 0)
    assert disk.free_bytes() == 90


def test_a_clone_goes_its_own_way() -> None:
    disk = half_synced(1)
    twin = disk.clone()
    twin.write("a", 0, b"other")
    twin.crash(Tail.NONE)
    disk.crash(Tail.ALL)
    assert disk.read("a", 0, 700 + len(NEW)) == SYNCED + NEW
    assert twin.read("a", 0, 700) == SYNCED
