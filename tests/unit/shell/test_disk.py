"""The Disk contract on the real disk and on the simulated one, and what only a real directory can do."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from edge.dag.journal import VERTEX, Journal, JournalOptions
from edge.dag.reader import read_log
from edge.dag.records import Disk
from edge.errors import DiskFullError, StorageError
from edge.limits import LOG_OPEN_FILES_MAX
from edge.shell.disk import DirectoryDisk
from edge.sim.disk import SimDisk

# The contract


@pytest.fixture(params=["directory", "simulated"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param == "simulated":
        yield SimDisk(Random(1))
        return
    real = DirectoryDisk(tmp_path / "log")
    yield real
    real.close()


def ours(disk: Disk) -> list[str]:
    return sorted(name for name in disk.names() if not name.startswith("."))


def test_a_new_file_is_reserved_zeros(disk: Disk) -> None:
    disk.create("a", 5000)
    disk.create("b", 0)
    assert (disk.size("a"), disk.size("b")) == (5000, 0)
    assert disk.read("a", 0, 9999) == bytes(5000)
    assert ours(disk) == ["a", "b"]


def test_what_is_written_is_read(disk: Disk) -> None:
    disk.create("a", 10)
    disk.write("a", 4, b"beyond the end")
    assert disk.read("a", 0, 99) == bytes(4) + b"beyond the end"
    assert disk.read("a", 6, 3) == b"yon"
    assert disk.read("a", 50, 3) == b""
    disk.sync("a")
    disk.settle("a")
    disk.sync_dir()
    assert disk.read("a", 4, 6) == b"beyond"


def test_cutting_leaves_zeros_where_it_reserves(disk: Disk) -> None:
    disk.create("a", 0)
    disk.write("a", 0, b"0123456789")
    disk.truncate("a", 4, 8)
    assert disk.read("a", 0, 99) == b"0123\0\0\0\0"
    disk.truncate("a", 2, 0)
    assert disk.read("a", 0, 99) == b"01"


def test_names_change(disk: Disk) -> None:
    disk.create("a", 0)
    disk.write("a", 0, b"x")
    disk.rename("a", "quarantine/a")
    assert ours(disk) == ["quarantine/a"]
    assert disk.read("quarantine/a", 0, 9) == b"x"
    disk.create("quarantine/b", 0)
    disk.write("quarantine/b", 0, b"y")
    disk.remove("quarantine/a")
    assert ours(disk) == ["quarantine/b"]
    assert disk.free_bytes() > 0


def test_what_is_not_there_is_a_storage_error(disk: Disk) -> None:
    disk.create("a", 0)
    acts: list[Callable[[], object]] = [
        lambda: disk.create("a", 0),
        lambda: disk.size("x"),
        lambda: disk.read("x", 0, 1),
        lambda: disk.write("x", 0, b""),
        lambda: disk.sync("x"),
        lambda: disk.settle("x"),
        lambda: disk.truncate("x", 0, 0),
        lambda: disk.rename("x", "y"),
        lambda: disk.remove("x"),
    ]
    for act in acts:
        with pytest.raises(StorageError):
            act()
    assert ours(disk) == ["a"]


# A real directory


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        disk = DirectoryDisk(tmp_path / "deep" / "log")
        disk.create("00000001.seg", 0)
        disk.create("quarantine/x", 0)
    finally:
        os.umask(old)
    disk.close()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "deep" / "log").rglob("*")}
    assert modes == {".lock": 0o600, "00000001.seg": 0o600, "quarantine": 0o700, "x": 0o600}
    assert (tmp_path / "deep" / "log").stat().st_mode & 0o777 == 0o700


def test_reserving_takes_real_blocks(tmp_path: Path) -> None:
    disk = DirectoryDisk(tmp_path)
    disk.create("a", 1 << 20)
    disk.close()
    assert (tmp_path / "a").stat().st_blocks * 512 >= 1 << 20


def test_files_kept_open_are_bounded(tmp_path: Path) -> None:
    disk = DirectoryDisk(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(5 * LOG_OPEN_FILES_MAX):
        disk.create(f"f{number}", 0)
        disk.write(f"f{number}", 0, b"%d" % number)
    assert len(os.listdir("/proc/self/fd")) <= before + LOG_OPEN_FILES_MAX
    assert disk.read("f0", 0, 9) == b"0"
    disk.close()
    assert len(os.listdir("/proc/self/fd")) < before


HOLD = """
import sys
from pathlib import Path
from edge.shell.disk import DirectoryDisk
disk = DirectoryDisk(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_told_who_has_the_log(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StorageError, match=rf"{tmp_path}: the log is in use by process {holder.pid}\b"):
            DirectoryDisk(tmp_path)
        DirectoryDisk(tmp_path, read_only=True).close()
        holder.send_signal(signal.SIGKILL)
    DirectoryDisk(tmp_path).close()


def test_read_only_changes_nothing(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(StorageError, match="No such file"):
        DirectoryDisk(missing, read_only=True).names()
    assert not missing.exists()
    disk = DirectoryDisk(tmp_path / "log")
    journal = Journal(disk)
    list(journal.recover())
    journal.append(VERTEX, b"x")
    reader = DirectoryDisk(tmp_path / "log", read_only=True)
    assert [record.payload for _, record in read_log(reader)] == [b"x"]
    with pytest.raises(StorageError):
        reader.write("00000001.seg", 0, b"y")
    reader.close()
    disk.close()


def test_whatever_stands_under_a_segments_name(tmp_path: Path) -> None:
    """A directory, a pipe, a link: recovery starts, touches nothing behind the link, and goes on elsewhere."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"not ours")
    log = tmp_path / "log"
    (log / "00000001.seg").mkdir(parents=True)
    os.mkfifo(log / "00000002.seg")
    (log / "00000003.seg").symlink_to(outside)
    disk = DirectoryDisk(log)
    journal = Journal(disk)
    assert list(journal.recover()) == []
    place = journal.append(VERTEX, b"x")
    journal.commit()
    assert place >> 32 == 4
    disk.close()
    assert outside.read_bytes() == b"not ours"
    disk = DirectoryDisk(log)
    assert [found for found, _ in Journal(disk).recover()] == [place]
    disk.close()


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_sync_without_space_is_final_and_not_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = DirectoryDisk(tmp_path)
    journal = Journal(disk)
    list(journal.recover())
    journal.append(VERTEX, b"x")
    monkeypatch.setattr(os, "fdatasync", no_space)
    with pytest.raises(StorageError) as caught:
        journal.commit()
    assert not isinstance(caught.value, DiskFullError)
    disk.close()


def test_a_file_system_without_reservation_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    disk = DirectoryDisk(tmp_path)
    disk.create("a", 5000)
    assert disk.size("a") == 5000
    disk.close()


FILL = """
import resource, sys
from pathlib import Path
from edge.dag.journal import VERTEX, Journal, JournalOptions
from edge.errors import DiskFullError
from edge.shell.disk import DirectoryDisk

disk = DirectoryDisk(Path(sys.argv[1]))
journal = Journal(disk, JournalOptions(segment_bytes=int(sys.argv[2])))
list(journal.recover())
journal.append(VERTEX, b"a" * 1000)
journal.commit()
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
refused = 0
for n in range(10):
    try:
        journal.append(VERTEX, b"b" * 1000)
    except DiskFullError:
        refused += 1
journal.commit()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append(VERTEX, b"c" * 1000)
journal.commit()
print(refused)
"""


def test_a_disk_that_takes_half_a_record(tmp_path: Path) -> None:
    """The kernel itself cuts a write short here (a limit on the file's size), as a full disk does."""
    done = subprocess.run([sys.executable, "-c", FILL, tmp_path, "16384"], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 7
    disk = DirectoryDisk(tmp_path)
    journal = Journal(disk, JournalOptions(segment_bytes=16384))
    assert [record.payload[:1] for _, record in journal.recover()] == [b"a", b"b", b"b", b"b", b"c"]
    assert (journal.torn_bytes, journal.quarantined) == (0, ())
    disk.close()


def test_no_room_for_a_segment_leaves_no_file(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    disk = DirectoryDisk(tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(DiskFullError):
            disk.create("00000001.seg", 1 << 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ours(disk) == []
    disk.create("00000001.seg", 1 << 20)
    disk.close()
