"""Commands that ask a running agent: what they make of its answers, and what they say when there is none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.cli.status import span
from tests.unit.cli.conftest import Synedge, answering

STATUS = {
    "node": "pump", "label": "Pumpe 7", "role": "device", "version": "0.1.0", "pid": 42, "node_id": "ab" * 32,
    "site": "0123456789abcdef", "ready_ms": 120.5, "rss_mb": 31.2, "rss_mb_max": 33.0, "uptime_s": 93784.0,
    "engines": ["tflite_c"], "log": {"size_bytes": 1_500_000, "max_bytes": 536_870_912}, "index": 1, "incarnation": 2,
    "seq": 77, "witnessed_seq": 75, "sealed_seq": 72, "acked_seq": 70, "recorded_events": 1234, "shed_events": 5,
    "peers_online": 3, "vertices": 400, "dropped_vertices": 300, "dropped_sealed": 120,
    "elided_signatures": 250, "elided_bytes": 800_000,
    "log_share": 0.0028, "disk_full": True, "time_unsure": True,
    "refused": {"site-other": 3, "signature-bad": 12}, "dropped": {"inbox_dropped_frames": 7},
    "quarantined": [4], "gaps": 2, "pending": 1, "records_lacking": 3, "own_lost": 2,
    "votes_lost": ["site", "cell-a"], "evicted": {"1": "by hand", "6": "forked"},
    "readings": {"readings": 9, "recorded": 4, "quiet": 3, "shed": 1, "open": 1},
    "checkpoint": {"version": 4, "differing": [3]}, "broke_word": [2], "values_groundless": 3,
    "state": {"names": 7, "root": "0011223344556677", "partial": False},
    "mqtt": {"connected": True, "hosting": False, "links": [{"broker": "127.0.0.1:40001", "discovery": "mdns"},
             {"broker": "127.0.0.1:40002", "discovery": "broker", "votes": "connected"}]},
    "sources": {"accel": {"kind": "mqtt", "state": "failing", "readings": 9, "shed_readings": 1, "detail": "not JSON"}},
}  # fmt: skip
PEERS = [
    {
        "index": 2,
        "name": "valve",
        "roles": ["device"],
        "online": True,
        "heard_s": 0.4,
        "vertices": 9,
        "ahead_of_us": 0,
        "checkpoint": 4,
        "checkpoint_differs": False,
    },
    {"index": 3, "name": "gate", "roles": ["gateway"], "online": False, "checkpoint": 4, "checkpoint_differs": True},
    {"index": 4, "name": "pump", "roles": ["device"], "online": None},
]
CHECKPOINT = {
    "scope": "site", "version": 4, "state": "final", "epoch": 2, "root": "ab" * 32, "roster_version": 9,
    "known": True, "registers": 12, "lines": 5, "state_root": "cd" * 32, "state_known": True,
    "heads": [{"node": "gate", "incarnation": 7, "seq": 40}, {"node": "pump", "incarnation": 8, "seq": 41}],
}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "checkpoints": [CHECKPOINT],
    "status": STATUS,
    "peers": PEERS,
    "counts": {"recorded_events": 4, "accepted": 2},
    "committees": {
        "roster_version": 9,
        "committees": [
            {
                "scope": "site",
                "voters": ["gate", "pump", "valve"],
                "indices": [3, 1, 2],
                "members": 3,
                "liars": 0,
                "quorum": 2,
                "absent": 1,
                "witnesses": 2,
                "since": 7,
            }
        ],
        "evicted": [
            {"node": "mast", "index": 6, "why": "forked", "cut": [{"incarnation": 7, "seq": 12, "id": "ab" * 32}]},
            {"node": "yard", "index": 8, "why": "forked", "cut": []},
        ],
        "evicting": [{"node": "pump", "said": ["gate", "valve"]}],
    },
    "agents": {"probe": {"engine": "tflite_c", "events": 12, "fault": None}},
    "ping": {"version": "0.1.0", "pid": 42},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "synedge.toml"
    source, agent = 'name = "s"\nkind = "mqtt"\ntopic = "t"', 'name = "probe"\nsource = "s"'
    file.write_text(f'[node]\nname = "pump"\n[[source]]\n{source}\n[[agent]]\n{agent}\n')
    return file


@pytest.fixture
def agent(config: Path) -> Iterator[None]:
    with answering(config.parent, lambda asked: ANSWERS[asked["op"]]):
        yield


@pytest.mark.parametrize("command", ["status", "peers"])
def test_an_agent_that_does_not_run_is_said_with_its_socket(config: Path, synedge: Synedge, command: str) -> None:
    ended = synedge(command, "-c", config)
    assert ended.code == 69 and str(config.parent / "run/synedge.sock") in ended.err and "synedge run" in ended.err
    assert synedge(command, "-c", config, "--json").error["kind"] == "UnavailableError"


@pytest.mark.usefixtures("agent")
def test_status_is_what_the_agent_says(config: Path, synedge: Synedge) -> None:
    assert synedge("status", "-c", config, "--json").json == STATUS
    out = synedge("status", "-c", config).out
    for said in (
        "pump (Pumpe 7), device, member 1 of site 0123456789abcdef",
        "up 1d 2h",
        "127.0.0.1:40001, mdns; 127.0.0.1:40002, broker, votes connected",
        "incarnation 2, seq 77, witnessed 75, sealed 72, acknowledged 70",
        "9 = 4 recorded + 3 quiet + 1 shed + 1 open",
        "0.3% of 536.9 MB",
        "7 names, root 0011223344556677…",
        "disk or the log is full",
        "300 vertices since the start, all held elsewhere, 120 of them on members alone",
        "250 signatures since the start that others make needless, 800.0 kB",
        "3 site-other, 12 signature-bad",
        "7 inbox_dropped_frames",
        "clock is not sure",
        "forked authors",
        "members [3] name another checkpoint",
        "3 damaged records",
        "2 vertices of this node rotted",
        "votes-lost: it abstains in site, cell-a",
        "1 (by hand), 6 (forked)",
        "this device is evicted",
        "members [2] voted twice, or above their own stop: synedge committee audit",
        "3 open proposals: checkpoints that name",
        "2 gaps",
        "not JSON",
    ):
        assert said in out


def test_status_says_how_many_clocks_were_ahead_unless_this_one_may_be_behind(config: Path, synedge: Synedge) -> None:
    status = STATUS | {"clocks_ahead": 7}
    for is_unsure in (False, True):
        status["time_unsure"] = is_unsure
        with answering(config.parent, lambda asked: status):
            out = synedge("status", "-c", config).out
        (config.parent / "run/synedge.sock").unlink()
        assert ("7 vertices had a clock more than five minutes ahead of this one" in out) is not is_unsure


@pytest.mark.usefixtures("agent")
def test_counts_are_one_option_away(config: Path, synedge: Synedge) -> None:
    assert synedge("status", "--counts", "-c", config, "--json").json == ANSWERS["counts"]
    assert synedge("status", "--counts", "-c", config).out.splitlines()[0].split() == ["accepted", "2"]


@pytest.mark.usefixtures("agent")
def test_peers_are_a_table(config: Path, synedge: Synedge) -> None:
    assert synedge("peers", "-c", config, "--json").json == {"peers": PEERS}
    rows = [line.split() for line in synedge("peers", "-c", config).out.splitlines()[1:]]
    assert rows[0][:6] == ["2", "valve", "device", "online", "0s", "ago"] and rows[1][3:5] == ["offline", "never"]
    assert rows[2][3:6] == ["not", "listened", "to"], "nothing is known, and nothing claimed"
    assert rows[0][-1] == "4" and rows[1][-3:] == ["4,", "not", "ours"]


@pytest.mark.usefixtures("agent")
def test_who_is_evicted_and_who_is_to_be_is_shown_with_the_committee(config: Path, synedge: Synedge) -> None:
    shown = synedge("committee", "show", "-c", config).out
    assert "mast: evicted, forked; valid up to 7/12" in shown
    assert "yard: evicted, forked; nothing of it stays" in shown
    assert "pump: not evicted yet; to be, say gate, valve" in shown


@pytest.mark.usefixtures("agent")
def test_agents_tell_what_they_did(config: Path, synedge: Synedge) -> None:
    found = synedge("agents", "list", "-c", config, "--json").json
    assert found["running"] and found["agents"][0]["events"] == 12
    assert "does not run" not in synedge("agents", "list", "-c", config).out


@pytest.mark.usefixtures("agent")
def test_the_doctor_sees_it_run(config: Path, synedge: Synedge) -> None:
    checks = {item["check"]: item for item in synedge("doctor", "-c", config, "--json").json["checks"]}
    assert checks["agent"]["found"] == "runs, pid 42, version 0.1.0"


def test_spans_have_two_units() -> None:
    assert [span(s) for s in (0, 59, 61, 3600, 93784, 31536000)] == ["0s", "59s", "1m 1s", "1h 0m", "1d 2h", "365d 0h"]


def test_who_votes_is_told_by_the_running_agent(agent: None, config: Path, synedge: Synedge) -> None:
    shown = synedge("committee", "show", "-c", config)
    line = shown.out.splitlines()[1]
    assert line.split() == ["site", "gate,", "pump,", "valve", "3", "0", "2", "1", "7"]
    assert "roster version 9, by the running agent" in shown.out
    told = synedge("committee", "show", "-c", config, "--json").json
    assert told["roster_version"] == 9 and told["committees"][0]["quorum"] == 2


@pytest.mark.usefixtures("agent")
def test_a_checkpoint_shows_its_heads_and_what_it_seals(config: Path, synedge: Synedge) -> None:
    assert synedge("checkpoint", "-c", config, "--json").json == {"checkpoints": [CHECKPOINT]}
    out = synedge("checkpoint", "-c", config).out
    for said in ("site/4, final, epoch 2: 12 registers, 5 lines", "ab" * 32, f"{'cd' * 32}\n", "gate 7/40, pump 8/41"):
        assert said in out


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize(
    ("row", "said"),
    [({"state_root": None}, "not said"), ({"state_known": False}, f"{'cd' * 32}, which this device has not come to")],
)
def test_a_checkpoint_says_whether_this_device_came_to_its_state(
    config: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], said: str
) -> None:
    monkeypatch.setitem(ANSWERS, "checkpoints", [CHECKPOINT | row])
    assert said in synedge("checkpoint", "-c", config).out
