"""The log on this disk: group commits and recovery."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from edge.cli.options import add_example, at_least
from edge.dag.journal import VERTEX, Journal, JournalOptions
from edge.lab.report import percentile
from edge.shell.disk import DirectoryDisk

RECORD_BYTES = 8192


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--dir", metavar="DIR", help="a directory on the disk to measure (a new one under the system's temporary)"
    )
    parser.add_argument("--mb", type=at_least(1), default=100, metavar="N", help="to write and recover (100)")
    parser.add_argument(
        "--group", type=at_least(1), default=16, metavar="N", help="records of 8 kB to one fdatasync (16)"
    )
    add_example(parser, "bench journal --dir /var/tmp --mb 200")


def measure(args: Namespace) -> dict[str, Any]:
    """Write `mb` in groups, each followed by its fdatasync; then recover it all."""
    root = Path(tempfile.mkdtemp(prefix="synedge-bench-", dir=args.dir))
    options = JournalOptions(max_bytes=4 * args.mb * 1_000_000)
    try:
        disk = DirectoryDisk(root / "log")
        journal = Journal(disk, options)
        list(journal.recover())
        payload = os.urandom(RECORD_BYTES)
        commits: list[float] = []
        records = 0
        begun_s = time.monotonic()
        while records * RECORD_BYTES < args.mb * 1_000_000:
            for _ in range(args.group):
                journal.append(VERTEX, payload)
            commit_s = time.monotonic()
            journal.commit()
            commits.append((time.monotonic() - commit_s) * 1000)
            records += args.group
        write_s = time.monotonic() - begun_s
        disk.close()
        disk = DirectoryDisk(root / "log")
        begun_s = time.monotonic()
        recovered = sum(1 for _ in Journal(disk, options).recover())
        recover_s = time.monotonic() - begun_s
        disk.close()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    assert recovered == records
    commits.sort()
    return {
        "records": records,
        "records_per_s": round(records / write_s),
        "mb_per_s": round(records * RECORD_BYTES / 1e6 / write_s, 1),
        "commit_ms": {"p50": percentile(commits, 0.5), "p99": percentile(commits, 0.99)},
        "recover_ms": round(recover_s * 1000, 1),
    }
