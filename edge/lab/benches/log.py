"""The log of a device: how fast it takes records, how soon a full one is back, what making room costs, and its wear.

Appending is the journal alone. Recovery and trimming are a whole agent that starts on a log of signed vertices, of
which a gateway has acknowledged all. Wear is that of real agents which keep their own line and record one reading a
second: what the kernel says each of them wrote (`write_bytes` of proc(5)) from one commit to another, as often as that
goes into a day.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from edge.cli.options import add_example, at_least
from edge.dag.journal import VERTEX, Journal, JournalOptions
from edge.lab.benches.log_full import RecoverySite
from edge.lab.benches.log_wear import Wear
from edge.lab.report import percentile
from edge.shell.disk import DirectoryDisk

RECORD_BYTES = 8192


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--dir", metavar="DIR", help="a directory on the disk to measure (a new one under the system's temporary)"
    )
    parser.add_argument(
        "--mb", type=at_least(16), default=64, metavar="N", help="log.max_mb of the log that is recovered (64)"
    )
    parser.add_argument(
        "--group", type=at_least(1), default=16, metavar="N", help="records of 8 kB to one fdatasync (16)"
    )
    parser.add_argument(
        "--windows-s",
        type=_windows,
        default=(5.0, 60.0),
        metavar="S,S",
        help="commit windows to try (5,60)",
    )
    parser.add_argument(
        "--commits", type=at_least(2), default=2, metavar="N", help="commits to measure wear over, or windows (2)"
    )
    add_example(parser, "bench log --mb 512 --dir /var/tmp", "bench log --windows-s 5 --commits 12 --json")


def _windows(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in text.split(","))
        if all(0.1 <= value <= 600 for value in values):
            return values
    except ValueError:
        pass
    raise ArgumentTypeError(f"{text!r} is not allowed; allowed: seconds from 0.1 to 600, joined by commas")


def measure(args: Namespace) -> dict[str, Any]:
    """Each part in turn, but for wear, which is waited for: it takes as long as its windows are."""
    root = Path(tempfile.mkdtemp(prefix="synedge-bench-", dir=args.dir))
    try:
        appended = append(root / "append", args.mb, args.group)
        full = RecoverySite(root / "full", args)
        recovered = full.measure()
        shutil.rmtree(root / "full")
        rows = Wear(root, args).measure()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return {**appended, **recovered, "rows": rows}


def append(folder: Path, mb: int, group: int) -> dict[str, Any]:
    """Write that much in groups, each followed by its fdatasync."""
    size_bytes = mb * 1024 * 1024
    disk = DirectoryDisk(folder)
    journal = Journal(disk, JournalOptions(max_bytes=2 * size_bytes))
    list(journal.recover())
    payload = os.urandom(RECORD_BYTES)
    commits: list[float] = []
    records = 0
    begun_s = time.monotonic()
    while records * RECORD_BYTES < size_bytes:
        for _ in range(group):
            journal.append(VERTEX, payload)
        commit_s = time.monotonic()
        journal.commit()
        commits.append((time.monotonic() - commit_s) * 1000)
        records += group
    write_s = time.monotonic() - begun_s
    disk.close()
    shutil.rmtree(folder)
    commits.sort()
    return {
        "append": {
            "records": records,
            "records_per_s": round(records / write_s),
            "mb_per_s": round(records * RECORD_BYTES / 1e6 / write_s, 1),
        },
        "commit_ms": {"p50": percentile(commits, 0.5), "p99": percentile(commits, 0.99)},
    }
