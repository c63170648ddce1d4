"""A disk that fills up or a store that dies: what is recorded stays, and recording resumes when it can."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.dag.journal import Journal
from edge.dag.records import TYPE_MAX
from edge.limits import SEGMENT_BYTES
from edge.shell.disk import DirectoryDisk
from tests.integration.agents import at, broker, field, until

MB = 1024 * 1024
FILLER = bytes(60_000)
"""Of a record type that no version knows yet: an older agent carries such records along."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with room for one segment of the log and not for a second."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    directory = tmp_path / "disk"
    directory.mkdir(mode=0o700)
    if mount("-t", "tmpfs", "-o", f"size={SEGMENT_BYTES + MB},mode=0700", "synedge-test", str(directory)):
        pytest.skip("this machine does not let us mount a file system")
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


def mount(*options: str) -> int:
    return subprocess.run(["mount", *options], capture_output=True, check=False).returncode


def nearly_fill_segment(log: Path, leave_bytes: int) -> None:
    """A log whose first segment has this much room left."""
    disk = DirectoryDisk(log)
    journal = Journal(disk)
    assert not list(journal.recover())
    while SEGMENT_BYTES - journal.size_bytes > leave_bytes + len(FILLER):
        journal.append(TYPE_MAX, FILLER)
    journal.commit()
    disk.close()


def test_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    with broker() as port, field(tmp_path, "one", "two") as site:
        one, two = site["one"], site["two"]
        shutil.move(one.data / "keys", small_disk / "keys")
        one.data = small_disk
        nearly_fill_segment(small_disk / "log", 30_000)
        for node in site:
            node.configure(at(port))
        config = one.directory / "synedge.toml"
        config.write_text(config.read_text().replace("[node]", f'[node]\ndata_dir = "{small_disk}"'))
        one.up()
        two.up()

        fed = 0
        while not one.now()["disk_full"]:
            one.feed(fed)
            two.feed(1000 + fed)
            fed += 1
            one.records_or_fills(fed)
        one.says("error", "disk-full")
        one.feed(*range(fed, fed + 100))
        index = site.index("one")
        durable = one.values(index)
        assert durable == [*range(len(durable))] and fed - 1 <= len(durable) <= fed
        assert one.now()["recorded_events"] == len(durable), "what is not on the disk is not called recorded"
        site_wide = two.values(index)
        assert set(site_wide) <= set(durable), "and was not sent"

        assert one.down() == 0, "in time, although the rest cannot be written"
        one.says("warning", "stopped", "unrecorded_events=")
        assert not one.is_clean()

        one.up()
        one.waits_for(lambda status: status["disk_full"], "a start on a full disk goes on")
        one.feed(*range(500, 520))
        assert one.now()["recorded_events"] == 0
        assert mount("-o", f"remount,size={64 * MB}", str(small_disk)) == 0, "somebody makes room"
        one.waits_for(lambda status: status["recorded_events"] == 20 and not status["disk_full"], "recording resumes")
        two.feed(3000)
        two.records_event(fed + 1)
        site.agree()
        assert one.values(index) == two.values(index) == [*durable, *range(500, 520)]
        for node in site:
            assert node.down() == 0
            assert node.audit()["ok"], node.audit()["reasons"]
        assert one.is_clean()


def test_a_gateway_whose_store_dies(tmp_path: Path) -> None:
    with broker() as port, field(tmp_path, "one", "keeper", gateway="keeper") as site:
        one, keeper = site["one"], site["keeper"]
        for node in site:
            node.configure(at(port))
            node.up()
        one.feed(1, 2, 3)
        one.waits_for(lambda status: status["recorded_events"] == 3 and status["acked_seq"] == status["seq"], "acked")
        acknowledged = one.now()["acked_seq"]

        store = keeper.data / "store.sqlite"
        with closing(sqlite3.connect(store)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'vertices'")
            connection.execute("PRAGMA schema_version = 12345")
            connection.commit()
        fed = 3
        while keeper.is_running:
            one.feed(fed)
            fed += 1
            one.records_event(fed)
        assert keeper.wait(5.0) == 74
        keeper.says("error", "store", "reason=")
        assert str(store) in keeper.said().splitlines()[-1], "the last word names the file"
        assert one.now()["acked_seq"] <= one.now()["seq"]
        assert one.now()["acked_seq"] >= acknowledged

        assert keeper.is_clean(), "its log is well, and was left cleanly"

        keeper.up()
        keeper.says("store-damaged", "store.sqlite.damaged")
        keeper.says("store-refilled")
        site.agree()
        one.waits_for(lambda status: status["acked_seq"] == status["seq"], "acknowledged by the restarted gateway")
        assert keeper.down() == one.down() == 0
        keeper.up()
        refills = [line for line in keeper.said().splitlines() if "store-refilled" in line]
        assert len(refills) == 1, "a store that lacks nothing is given nothing"
        assert keeper.down() == 0
        until(lambda: keeper.audit()["ok"], "its log is whole")
