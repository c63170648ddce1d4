"""`synedge events`: the log of a real node and the store of a gateway, filtered, with the right word for the state."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli.events import since
from edge.dag.journal import Journal, JournalOptions
from edge.dag.records import VERTEX, Record
from edge.errors import UsageError
from edge.gateway.store.sqlite import SqliteStore
from edge.shell.disk import DirectoryDisk
from edge.wire.frame import VertexFrame, decode_vertex
from tests.builders import WALL_MS, World
from tests.unit.cli.conftest import Synedge, header_of, lay_down, replace_log, up_to_last_own_events

DAY_MS = 86_400_000


def test_own_events_are_recorded_and_peers_are_held(node: Path, synedge: Synedge) -> None:
    events = synedge("events", "--config", node / "synedge.toml", "--json").json["events"]
    assert len(events) == 12
    assert {(event["node"], event["state"]) for event in events} == {
        ("pump", "recorded"), ("valve", "held"), ("gate", "held"),
    }  # fmt: skip
    first = events[0]
    assert first["agent"].endswith("-probe") and first["values"] == [0.0] and first["time"].startswith("2025-10-09T")
    assert {"author", "incarnation", "seq", "index", "confidence", "model", "input"} <= set(first)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--node", "valve"], 4),
        (["--node", "1"], 4),
        (["--agent", "gate-probe"], 4),
        (["--agent", "gate-probe", "--node", "pump"], 0),
        (["--kind", "value"], 12),
        (["--kind", "alarm"], 0),
        (["--since", str(WALL_MS + 100_000)], 6),
        (["--limit", "5"], 5),
        (["--limit", "0"], 12),
    ],
)
@pytest.mark.parametrize("place", ["log", "store"])
def test_filters(node: Path, world: World, synedge: Synedge, options: list[str], count: int, place: str) -> None:
    if place == "store":
        fill_store(world, node)
    events = synedge("events", "--data", node, *options, "--json").json["events"]
    assert len(events) == count
    assert events == sorted(events, key=lambda event: event["time_ms"]) or place == "log"


def fill_store(world: World, node: Path) -> None:
    store = SqliteStore(node / "data/store.sqlite")
    frames = [decode_vertex(record.payload) for record in world.machines["gate"].log if record.type == VERTEX]
    store.put_many(frame for frame in frames if isinstance(frame, VertexFrame))
    store.close()


def test_a_gateway_reads_its_store_and_on_request_its_log(node: Path, world: World, synedge: Synedge) -> None:
    SqliteStore(node / "data/store.sqlite").close()
    assert synedge("events", "--data", node, "--json").json["events"] == []
    assert len(synedge("events", "--data", node, "--log", "--json").json["events"]) == 12
    fill_store(world, node)
    from_store = synedge("events", "--data", node, "--json").json["events"]
    from_log = synedge("events", "--data", node, "--log", "--json").json["events"]
    assert sorted(map(json.dumps, from_store)) == sorted(map(json.dumps, from_log))


def test_the_limit_keeps_the_newest(node: Path, synedge: Synedge) -> None:
    all_of_them = synedge("events", "--data", node, "--json").json["events"]
    assert synedge("events", "--data", node, "--limit", 3, "--json").json["events"] == all_of_them[-3:]


def test_the_table_has_a_line_for_each_event(node: Path, synedge: Synedge) -> None:
    lines = synedge("events", "--data", node, "--node", "pump").out.splitlines()
    assert lines[0].split() == ["time", "node", "agent", "kind", "value", "confidence", "vertex", "state"]
    assert len(lines) == 5 and all(line.split()[-1] == "recorded" for line in lines[1:])
    assert synedge("events", "--data", node, "--kind", "none").out == "no events\n"


def test_an_own_event_is_synced_before_it_is_called_recorded(
    node: Path, world: World, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = up_to_last_own_events(world)
    replace_log(log, node)
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (synced.append(os.fstat(file).st_ino), real(file)))
    last = synedge("events", "--data", node, "--json").json["events"][-1]
    assert (last["node"], last["state"], last["seq"]) == ("pump", "recorded", header_of(log[-1]).seq)
    assert synced == [(node / "data/log/00000001.seg").stat().st_ino]


def test_events_whose_signature_stands_need_no_sync(
    node: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "fdatasync")
    assert len(synedge("events", "--data", node, "--json").json["events"]) == 12


@pytest.mark.parametrize("argv", [["--node", "nobody"], ["--limit", "-1"], ["--since", "yesterday"], ["--limit", "x"]])
def test_wrong_filters_are_usage_errors(node: Path, synedge: Synedge, argv: list[str]) -> None:
    ended = synedge("events", "--data", node, *argv)
    assert ended.code == 64 and argv[1].lstrip("-") in ended.err


def test_times_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = WALL_MS
    assert since("90s", now_ms) == now_ms - 90_000 and since("2d", now_ms) == now_ms - 2 * DAY_MS
    assert since("1735689600000", now_ms) == 1_735_689_600_000
    assert since("2025-01-01T00:00:00Z", now_ms) == since("2025-01-01T01:00+01:00", now_ms) == 1_735_689_600_000
    for wrong in ("10", "m", "10y", "2025-13-01", ""):
        with pytest.raises(UsageError, match="--since"):
            since(wrong, now_ms)


def test_following_shows_what_comes_and_only_once(world: World, tmp_path: Path) -> None:
    """A real process tails a log that grows, as under a running agent."""
    log: list[Record] = world.machines["pump"].log
    directory = lay_down(world.machines["pump"], tmp_path / "pump")
    for path in (directory / "data/log").iterdir():
        path.unlink()
    half = len(log) // 2
    disk = DirectoryDisk(directory / "data/log")
    journal = Journal(disk, JournalOptions(segment_bytes=256 * 1024))
    assert list(journal.recover()) == []
    for record in log[:half]:
        journal.append(record.type, record.payload)
    journal.commit()
    command = [sys.executable, "-m", "edge", "events", "--data", str(directory), "--follow", "--json", "--limit", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tail:
        try:
            assert tail.stdout is not None
            seen = [json.loads(tail.stdout.readline())]
            for record in log[half:]:
                journal.append(record.type, record.payload)
            journal.commit()
            while len(seen) < 12:
                seen.append(json.loads(tail.stdout.readline()))
        finally:
            tail.terminate()
    disk.close()
    names = [(event["author"], event["incarnation"], event["seq"], event["index"]) for event in seen]
    assert len(set(names)) == 12
