"""A log without needless signatures, as an operator sees it: nothing is wrong with it, and all of it is there."""

import json
from argparse import Namespace
from pathlib import Path

import pytest

from edge.cli.events import Wanted, _LogReader
from edge.cli.logs import open_log
from edge.dag.eliding import Choice, Span, elide
from edge.dag.journal import Journal, JournalOptions
from edge.shell.disk import DirectoryDisk
from tests.builders import World, event
from tests.unit.cli.conftest import Synedge, lay_down

OPTIONS = JournalOptions(segment_bytes=96 * 1024)


def thin(node: Path) -> tuple[int, int]:
    """Elide every closed segment of a node's log; how many signatures went, and how many bytes."""
    disk = DirectoryDisk(node / "data/log")
    journal = Journal(disk, OPTIONS)
    list(journal.recover())
    gone = saved = 0
    for segment, _ in journal.segments()[:-1]:
        incarnations = {55932801, 55932802}
        spans = [Span(author, incarnation, 1, 1 << 40) for author in (0, 1) for incarnation in incarnations]
        steps = elide(journal, segment, Choice(spans))
        try:
            while True:
                next(steps)
        except StopIteration as end:
            gone, saved = gone + len(end.value.places), saved + end.value.bytes
    disk.close()
    return gone, saved


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A device that has recorded and held a hundred vertices, in segments of 96 kB."""
    world = World(["pump", "valve"])
    pump, valve = world.boot_all()
    for number in range(60):
        pump.submit(event(number), urgent=True)
        valve.submit(event(100 + number), urgent=True)
        world.run(0.1)
    directory = tmp_path / "node"
    lay_down(pump, directory)
    for path in (directory / "data/log").iterdir():
        path.unlink()
    disk = DirectoryDisk(directory / "data/log")
    journal = Journal(disk, OPTIONS)
    list(journal.recover())
    for record in pump.log:
        journal.append(*record)
    journal.commit()
    disk.close()
    return directory


def shown(synedge: Synedge, node: Path) -> list[str]:
    """Every event of it; own ones come when a signature over them, or above, does."""
    return sorted(map(json.dumps, synedge("events", "--data", node, "--limit", "0", "--json").json["events"]))


def test_nothing_is_wrong_with_it_and_all_of_it_is_there(node: Path, synedge: Synedge) -> None:
    before = synedge("dag", "verify", "--data", node, "--json").json
    events = shown(synedge, node)
    heads = synedge("dag", "heads", "--data", node, "--json").json
    exported = [json.loads(line) for line in synedge("dag", "export", "--data", node).out.splitlines()]
    gone, saved = thin(node)
    assert gone > 30 and saved > 2420 * gone
    ended = synedge("dag", "verify", "--data", node, "--json")
    after = ended.json
    assert ended.code == 0 and after["ok"] and after["bad"] == after["unsigned"] == after["torn_bytes"] == 0
    assert after["covered"] == before["covered"] + gone and after["signatures"] == before["signatures"] - gone
    assert (after["vertices"], after["frontier"]) == (before["vertices"], before["frontier"])
    said = synedge("dag", "verify", "--data", node).out
    assert f"{after['signatures']} valid, {after['covered']} vertices proven by one above them" in said
    assert synedge("dag", "heads", "--data", node, "--json").json == heads
    assert shown(synedge, node) == events and len(events) == 120
    left = [json.loads(line) for line in synedge("dag", "export", "--data", node).out.splitlines()]
    assert {one["id"] for one in left} == {one["id"] for one in exported} and len(left) == len(exported)


def test_own_events_below_a_signature_are_recorded_while_others_follow(node: Path) -> None:
    """Whoever follows a log never comes to its end, where what lacks a signature is synced."""
    thin(node)
    log = open_log(Namespace(data=str(node)))
    reader = _LogReader(log, Wanted(None, None, None, None), {})
    rows = reader.newest(0, more_will_follow=True)
    reader.close()
    own = [row.seq for row in rows if row.author == log.own]
    assert own == sorted(own) and len(own) == 60
