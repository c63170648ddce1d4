"""The site of `synedge bench catchup`: many authors, one who holds everything, and one who was away."""

from __future__ import annotations

import shutil
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from edge.cli.place import NodeSettings, lay_out
from edge.cli.site import init_site
from edge.dag.author import next_life
from edge.dag.journal import Journal, JournalOptions
from edge.lab.benches.log_maker import LogMaker, Made, Shape
from edge.lab.progress import Bar
from edge.shell.disk import DirectoryDisk
from edge.shell.files import write_atomically
from edge.wire.roster import Member, sign_roster
from edge.wire.suite import SUITE_BY_NAME, SUITES

SUITE = "ml-dsa-65"
HOLDER = "holder"
LATE = "late"
CONFIG = """\
[node]
name = "{name}"
[mqtt]
interfaces = ["127.0.0.1"]
home_assistant = false
[broker]
host = "{host}"
[log]
max_mb = 4096
"""


class Missing(NamedTuple):
    """What the holder has and the other lacks."""

    vertices: int
    authors: int
    bytes_ideal: int
    """Headers, bodies, and one signature for each author: nobody can send less."""


def lay_out_site(root: Path, args: Namespace) -> Missing:
    """Directories of both nodes with their logs. `args.held` vertices, of which `args.missing` by `args.behind`."""
    number = SUITE_BY_NAME[SUITE].number
    now_ms = time.time_ns() // 1_000_000
    site, _ = init_site(root / "site", name="bench", suites=(number,), now_ms=now_ms)
    places = [lay_out(root / name, NodeSettings(name, suite=SUITE)) for name in (HOLDER, LATE)]
    members = [
        Member(index, place.config.node.name, "", number, place.public_key, ("device",))
        for index, place in enumerate(places, 1)
    ]
    life = next_life(0, now_ms)
    authors = [Made(index + 3, f"author-{index}", number, life) for index in range(args.authors)]
    members += [author.member for author in authors]
    roster = replace(site.roster, version=2, members=tuple(members))  # at once: each change is signed as a whole
    write_atomically(site.roster_file, sign_roster(roster, site.authority))
    for name in (HOLDER, LATE):
        (root / name / "synedge.toml").write_text(
            CONFIG.format(name=name, host="always" if name == HOLDER else "never")
        )
        shutil.copy(site.authority_file, root / name)
        shutil.copy(site.roster_file, root / name)
    return _write_logs(root, args, authors, site.id)


def _write_logs(root: Path, args: Namespace, authors: list[Made], site: bytes) -> Missing:
    """What both hold, copied; then what only the holder has."""
    behind = authors[: args.behind]
    more = args.missing // args.behind
    each = args.held // args.authors
    bar = Bar(args.held, as_json=getattr(args, "json", False))
    folder = root / HOLDER / "data" / "log"
    missing_bytes = written = 0
    for step in ("both", "holder"):
        disk = DirectoryDisk(folder)
        journal = Journal(disk, JournalOptions(max_bytes=1 << 40))
        list(journal.recover())
        now_ms = time.time_ns() // 1_000_000
        maker = LogMaker(journal, site, 2, now_ms, Shape(args.events, args.parents))
        rounds = [maker.rounds(behind, more)] if step == "holder" else []
        if step == "both":
            rounds = [maker.rounds(behind, each - more), maker.rounds(authors[args.behind :], each)]
        for sizes in rounds:
            for size in sizes:
                written += 1
                missing_bytes += size * (step == "holder")
                if written % 1000 == 0:
                    bar.show(written, "vertices made")
        journal.commit()
        disk.close()
        if step == "both":
            shutil.copytree(folder, root / LATE / "data" / "log")
    bar.clear()
    signatures = len(behind) * SUITES[behind[0].member.suite].signature_bytes
    return Missing(more * len(behind), len(behind), missing_bytes + signatures)
