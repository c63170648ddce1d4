"""The journal on a real directory, as JSON: python -m tests.bench.journal [DIRECTORY] [--megabytes 100].

append: 8 kB records, so many of them sharing one commit, with segments reserved ahead and without.
recover: a new process reads the whole log back, from the page cache and from the device.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from edge.dag._crc32c import crc32c
from edge.dag.journal import VERTEX, Journal
from edge.limits import SEGMENT_BYTES
from edge.shell.disk import DirectoryDisk

RECORD_BYTES = 8192
GROUPS = (1, 8, 64)
SYNC_S_MAX = 3.0


class Growing(DirectoryDisk):
    """Reserves nothing: what preallocation is compared with."""

    def create(self, name: str, allocate: int) -> None:
        super().create(name, 0)


def append(directory: Path, kind: type[DirectoryDisk], group: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(dir=directory) as log:
        disk = kind(Path(log))
        journal = Journal(disk)
        list(journal.recover())
        payload = Random(1).randbytes(RECORD_BYTES)
        commits = []
        started = time.perf_counter()
        while (elapsed := time.perf_counter() - started) < SYNC_S_MAX and len(commits) * group < 8192:
            for _ in range(group):
                journal.append(VERTEX, payload)
            before = time.perf_counter()
            journal.commit()
            commits.append((time.perf_counter() - before) * 1000)
        disk.close()
    commits.sort()
    return {
        "reserved": kind is DirectoryDisk,
        "records_per_commit": group,
        "records_per_s": round(len(commits) * group / elapsed),
        "mb_per_s": round(len(commits) * group * RECORD_BYTES / elapsed / 1e6, 1),
        "commit_ms": {"p50": round(commits[len(commits) // 2], 3), "p99": round(commits[len(commits) * 99 // 100], 3)},
    }


def write_log(directory: Path, megabytes: int) -> None:
    disk = DirectoryDisk(directory)
    journal = Journal(disk)
    list(journal.recover())
    rng = Random(2)
    while journal.size_bytes < megabytes * 1_000_000:
        journal.append(VERTEX, rng.randbytes(RECORD_BYTES))
    journal.commit()
    disk.close()


def recover(directory: Path) -> dict[str, object]:
    """In a process of its own, so that the peak of its memory is the recovery's."""
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    disk = DirectoryDisk(directory)
    journal = Journal(disk)
    records = sum(1 for _ in journal.recover())
    elapsed = time.perf_counter() - started
    disk.close()
    return {
        "records": records,
        "mb": round(journal.size_bytes / 1e6, 1),
        "ms": round(elapsed * 1000, 1),
        "mb_per_s": round(journal.size_bytes / elapsed / 1e6),
        "peak_rss_growth_mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024, 1),
    }


def recoveries(directory: Path, megabytes: int) -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory(dir=directory) as log:
        write_log(Path(log), megabytes)
        for cache in ("cold", "warm"):
            if cache == "cold":
                for path in Path(log).glob("*.seg"):
                    file = os.open(path, os.O_RDONLY)
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                    os.close(file)
            argv = [sys.executable, "-m", "tests.bench.journal", "--recover", log]
            yield {"page_cache": cache, **json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)}


def checksum_mb_per_s() -> int:
    data = Random(3).randbytes(SEGMENT_BYTES)
    started = time.perf_counter()
    for _ in range(8):
        crc32c(data)
    return round(8 * SEGMENT_BYTES / (time.perf_counter() - started) / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path())
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--recover", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.recover:
        print(json.dumps(recover(args.recover)))
        return
    result = {
        "record_bytes": RECORD_BYTES,
        "append": [append(args.directory, kind, group) for group in GROUPS for kind in (DirectoryDisk, Growing)],
        "recover": list(recoveries(args.directory, args.megabytes)),
        "crc32c_mb_per_s": checksum_mb_per_s(),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
