"""A device whose log is full of what others said: the site, the log, and the process that starts on it."""

from __future__ import annotations

import shutil
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.cli.place import NodeSettings, lay_out
from edge.cli.site import init_site
from edge.dag.author import next_life
from edge.dag.journal import Journal, JournalOptions
from edge.lab.benches.log_maker import LogMaker, Made, Shape
from edge.lab.benches.workers import Worker
from edge.lab.progress import Bar
from edge.shell.disk import DirectoryDisk
from edge.shell.files import write_atomically
from edge.wire.items import Ack
from edge.wire.roster import Member, sign_roster
from edge.wire.suite import SUITE_BY_NAME

SUITE = "ml-dsa-65"
NAME = "keeper"
AUTHORS = 20
EVENTS = 8
FULL_SHARE = 0.84
"""Below what stops peers' vertices (LOG_PEERS_SHARE): as full as a log of peers' vertices becomes."""
CONFIG = """\
[node]
name = "{name}"
[mqtt]
interfaces = ["127.0.0.1"]
discover = false
home_assistant = false
[broker]
host = "never"
[log]
max_mb = {mb}
"""


class RecoverySite:
    """One node, twenty authors that never ran, and a gateway that never ran and has acknowledged everything."""

    def __init__(self, root: Path, args: Namespace) -> None:
        self._root = root
        self._max_bytes = args.mb * 1024 * 1024
        self._bar = Bar(args.mb, as_json=getattr(args, "json", False))
        number = SUITE_BY_NAME[SUITE].number
        now_ms = time.time_ns() // 1_000_000
        site, _ = init_site(root / "site", name="bench", suites=(number,), now_ms=now_ms)
        place = lay_out(root / NAME, NodeSettings(NAME, suite=SUITE))
        life = next_life(0, now_ms)
        self._authors = [Made(index, f"author-{index}", number, life) for index in range(2, AUTHORS + 2)]
        self._gateway = Made(AUTHORS + 2, "gateway", number, life, role="gateway")
        members = [Member(1, NAME, "", number, place.public_key, ("device",))]
        members += [made.member for made in (*self._authors, self._gateway)]
        roster = replace(site.roster, version=2, members=tuple(members))
        write_atomically(site.roster_file, sign_roster(roster, site.authority))
        shutil.copy(site.authority_file, root / NAME)
        shutil.copy(site.roster_file, root / NAME)
        (root / NAME / "synedge.toml").write_text(CONFIG.format(name=NAME, mb=args.mb))
        self._fill(site.id)

    def _fill(self, site: bytes) -> None:
        disk = DirectoryDisk(self._root / NAME / "data" / "log")
        journal = Journal(disk, JournalOptions(max_bytes=self._max_bytes))
        list(journal.recover())
        shape = Shape(EVENTS, parents=2, is_signed=True)
        maker = LogMaker(journal, site, 2, time.time_ns() // 1_000_000, shape)
        while journal.share < FULL_SHARE:
            for _ in maker.rounds(self._authors, 1):
                pass
            self._bar.show(journal.size_bytes >> 20, "MB of log made")
        heads = [author.head for author in self._authors if author.head is not None]
        acks = [Ack(*head.key, head.id) for head in heads]
        maker.vertex(self._gateway, items=acks, is_signed=True)
        journal.commit()
        disk.close()
        self._bar.clear()

    def measure(self) -> dict[str, Any]:
        """A process of its own starts on the log, and makes room in it: its memory is nobody else's."""
        worker = Worker([NAME], "log_worker", str(self._root / NAME))
        try:
            told = worker.receive()
        finally:
            worker.end()
        size_mb, vertices = told["size_bytes"] / 1e6, told["vertices"]
        return {
            "recovery": {
                "mb": round(size_mb, 1),
                "vertices": vertices,
                "seconds": round(told["recover_s"], 2),
                "mb_per_s": round(size_mb / told["recover_s"], 1),
                "vertices_per_s": round(vertices / told["recover_s"]),
                "ready_s": round(told["ready_s"], 2),
            },
            "rss_mb": {
                "before": round(told["rss_before_bytes"] / 1e6, 1),
                "after": round(told["rss_after_bytes"] / 1e6, 1),
                "per_100k_vertices": round(
                    (told["rss_after_bytes"] - told["rss_before_bytes"]) / 1e6 / vertices * 100_000, 2
                ),
            },
            "trim": told["trim"],
        }
