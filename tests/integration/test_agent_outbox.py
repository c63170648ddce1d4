"""A broker that is stopped under load: the outbox fills, what it refuses is counted, and repair brings it home."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edge.cli.place import NodeSettings, lay_out
from edge.cli.site import init_site
from edge.lab.benches.mesh_worker import Host
from edge.limits import OUTBOX_BYTES_MAX
from edge.shell.broker import HostedBroker
from edge.shell.loop import now
from edge.wire.event import Event
from edge.wire.suite import SUITE_BY_NAME
from tests.integration.agents import SUITE, at, until

LARGE = Event("probe", "value", 1, ("x" * 64,) * 64)
"""4 kB."""
EVENTS = 4 * OUTBOX_BYTES_MAX // 4096
"""More than the outbox and the buffers of both sockets hold."""
ROUNDS = 8
"""The kernel ends a connection on which nothing goes for 1.5 s: a crowded machine may not fill the outbox by then."""


@pytest.fixture
def hosts(tmp_path: Path, port: int) -> Iterator[tuple[Host, Host]]:
    """Two whole agents in this process, who reach each other by the broker alone."""
    number = SUITE_BY_NAME[SUITE].number
    site, _ = init_site(tmp_path / "site", name="outbox", suites=(number,), now_ms=time.time_ns() // 1_000_000)
    names = ("speaker", "keeper")
    for name in names:
        made = lay_out(tmp_path / name, NodeSettings(name, suite=SUITE))
        site.add(name, made.suite, made.public_key, roles=("device",), label="", now_ms=time.time_ns() // 1_000_000)
    for name in names:
        shutil.copy(site.authority_file, tmp_path / name)
        shutil.copy(site.roster_file, tmp_path / name)
        text = f'[node]\nname = "{name}"\n[site]\nsuite = "{SUITE}"\n[log]\ncommit_window_ms = 20\n'
        (tmp_path / name / "synedge.toml").write_text(text + at(port))
    running = [Host(tmp_path / name, 0.0) for name in names]
    yield running[0], running[1]
    for host in running:
        host.end()


def has_recorded(host: Host, events: int) -> bool:
    return host.agent.node.counts()["recorded_events"] == events


def test_what_the_outbox_refuses_is_counted_and_comes_home_by_repair(
    hosts: tuple[Host, Host], broker: HostedBroker
) -> None:
    speaker, keeper = hosts
    node, loop = speaker.agent.node, speaker.agent.loop
    site = speaker.agent.site
    assert site is not None
    submitted, some = 0, [LARGE] * (EVENTS // 8)
    for _ in range(ROUNDS):
        until(lambda: speaker.is_linked and keeper.is_linked, "both are linked")
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            for _ in range(8):
                submitted += len(some)
                loop.inbox.task(lambda: loop.execute(node.submit_all(some, now())))
                until(partial(has_recorded, speaker, submitted), "all of it is durable meanwhile")
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        if site.counts()["dropped_outbox"]:
            break
    assert site.counts()["dropped_outbox"] > 0
    assert node.counts()["shed_events"] == 0
    everything = node.counts()["recorded_vertices"]
    until(lambda: keeper.agent.node.graph.vertices >= everything, "all of it is home", timeout_s=60.0)
    counts = keeper.agent.node.counts()
    assert counts["signatures_bad"] == 0 and counts["requests_sent"] > 0
    assert keeper.agent.node.graph.highest_seq(node.options.index) == everything
