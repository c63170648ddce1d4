"""The demo as anyone runs it: what it promises to print, that its numbers agree, and that it can fail."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge.lab import chaos, watch
from edge.wire.merkle import root_of

NODES = 3
NODE_FIELDS = {
    *("name", "role", "ready_ms", "rss_mb_max", "readings", "recorded_events", "shed_events", "vertices", "held"),
    *("frontier", "open_readings"),
}
FIELDS = {
    *("nodes", "gateway", "recorded_events", "lost_events", "signatures_verified", "signatures_bad", "frontier_equal"),
    *("latency_ms", "kills", "discovery", "broker", "backend", "model", "dataset", "replay_speed", "accuracy"),
    *("drain_s", "failures", "roots_equal", "state_root"),
}
WITHOUT_MDNS = """
import sys
from edge.lab import demo, layout, stage
layout.CONFIG = layout.CONFIG.replace("[mqtt]", '[broker]\\nhost = "auto"\\n\\n[mqtt]\\ndiscover = false')
assert "discover = false" in layout.CONFIG
demo.START_S = stage.DRAIN_S_MAX = 3.0
from edge.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


class Run(NamedTuple):
    code: int
    answer: dict[str, Any]
    said: str
    kept: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """All at the same time: three sites on one loopback must not find each other either."""
    root = tmp_path_factory.mktemp("demo")
    common = ["--nodes", str(NODES), "--json", "--keep"]
    synedge = [sys.executable, "-m", "edge"]
    commands = {
        "plain": [*synedge, "demo", "--seconds", "6", *common, str(root / "plain")],
        "chaos": [*synedge, "demo", "--seconds", "12", "--chaos", *common, str(root / "chaos")],
        "alone": [sys.executable, "-c", WITHOUT_MDNS, "demo", "--seconds", "5", *common, str(root / "alone")],
    }
    processes = {
        name: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name, command in commands.items()
    }
    finished: dict[str, Run] = {}
    try:
        for name, process in processes.items():
            stdout, stderr = process.communicate(timeout=150)
            assert stdout, stderr
            finished[name] = Run(process.returncode, json.loads(stdout), stderr, root / name)
        yield finished
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


@pytest.mark.parametrize("name", ["plain", "chaos"])
def test_it_is_green(runs: dict[str, Run], name: str) -> None:
    run = runs[name]
    assert (run.code, run.answer["failures"]) == (0, []), run.said
    assert run.answer["frontier_equal"] is True
    assert run.answer["lost_events"] == run.answer["signatures_bad"] == 0
    assert run.answer["roots_equal"] is True
    assert bytes.fromhex(run.answer["state_root"]) != root_of([]), "something was said"


@pytest.mark.parametrize("name", ["plain", "chaos", "alone"])
def test_it_prints_what_is_promised_and_the_numbers_agree(runs: dict[str, Run], name: str) -> None:
    answer = runs[name].answer
    assert set(answer) == FIELDS
    assert all(set(row) == NODE_FIELDS for row in answer["nodes"])
    assert set(answer["gateway"]) == {"vertices", "events"}
    assert set(answer["accuracy"]) == {"value", "n", "people", "ci95"}
    assert {"p50", "p99"} <= set(answer["latency_ms"])
    by_role = {role: [row for row in answer["nodes"] if row["role"] == role] for role in ("gateway", "device")}
    assert len(by_role["gateway"]) == 1
    assert len(by_role["device"]) == NODES + (name == "chaos")
    assert sum(row["recorded_events"] for row in answer["nodes"]) == answer["recorded_events"] > 0
    assert answer["gateway"]["events"] == answer["recorded_events"] - answer["lost_events"]
    step = watch.about()["window"]["step"]
    for row in by_role["device"]:
        accounted = row["recorded_events"] * step + row["open_readings"]
        assert row["readings"] == accounted or row["shed_events"] or answer["kills"], row
        assert 0 < row["ready_ms"] < 10_000
        assert 10 < row["rss_mb_max"] < 60
    assert answer["replay_speed"] >= 1


def test_all_hold_the_same(runs: dict[str, Run]) -> None:
    answer = runs["plain"].answer
    total = sum(row["vertices"] for row in answer["nodes"])
    assert {row["held"] for row in answer["nodes"]} == {total} == {answer["gateway"]["vertices"]}
    assert answer["signatures_verified"] == total * len(answer["nodes"])
    assert answer["discovery"]["mdns"] >= 1
    assert sum(answer["discovery"].values()) == 2 * (NODES + 1), "two connections each"
    assert answer["discovery"]["hosted"] == sum(answer["broker"].values()) == 2
    assert answer["accuracy"]["n"] == answer["recorded_events"]
    low, high = answer["accuracy"]["ci95"]
    assert low <= answer["accuracy"]["value"] <= high
    assert 0 < answer["latency_ms"]["p50"] <= answer["latency_ms"]["p99"]


def test_an_outsider_agrees_about_a_kept_log(runs: dict[str, Run]) -> None:
    for row in runs["chaos"].answer["nodes"]:
        directory = runs["chaos"].kept / row["name"]
        command = [sys.executable, "-m", "edge", "dag", "verify", "--data", str(directory), "--json"]
        verdict = json.loads(subprocess.run(command, capture_output=True, check=False, timeout=60).stdout)
        assert (verdict["bad"], verdict["vertices"]) == (0, row["held"]), verdict["reasons"]


def test_chaos_kills_three_that_go_on_where_they_were(runs: dict[str, Run]) -> None:
    kills = runs["chaos"].answer["kills"]
    assert len({kill["name"] for kill in kills}) == len(kills) == 3
    for kill in kills:
        assert {"pid", "time_s", "last_seq_before", "first_after"} <= set(kill)
        incarnation, seq = kill["first_after"]
        assert incarnation > kill["incarnation"]
        assert seq == kill["last_seq_before"] + 1 >= 2


def test_chaos_kills_a_host_and_its_broker_with_it(runs: dict[str, Run]) -> None:
    (broker,) = [kill["broker"] for kill in runs["chaos"].answer["kills"] if "broker" in kill]
    assert 0 < broker["gone_ms"] <= 1000 * chaos.BROKER_GONE_S
    assert chaos.started_at(broker["pid"]) is None
    assert not chaos.accepts(broker["address"])


def test_without_mdns_it_fails_and_says_why(runs: dict[str, Run]) -> None:
    run = runs["alone"]
    assert run.code == 1
    assert "demo: nobody was found by mDNS" in run.said
    assert "demo: the logs do not end with the same frontier" in run.said
    assert f"{run.answer['recorded_events']} recorded events are not in the gateway's store" in run.said
    assert run.answer["lost_events"] == run.answer["recorded_events"] > 0
    assert (run.answer["roots_equal"], run.answer["state_root"]) == (False, None)
    assert (
        "demo: the roots of shared state that devices showed and those of their logs are not all the same" in run.said
    )
    assert "mdns" not in run.answer["discovery"]
