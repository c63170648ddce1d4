"""A whole agent on a log that is filling up: signatures go while it runs, and a start finds every vertex."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from edge.cli.main import main
from edge.lab.benches import log_full
from edge.lab.benches.log_full import NAME, RecoverySite

AGENT = """
import json, sys
from edge.agent import Agent
from edge.config import load
from edge.shell.loop import now

agent = Agent(load(sys.argv[1]))
agent.start()
vertices = agent.node.graph.vertices
agent.loop.run_until(lambda: agent.node.counts()["elided_signatures"] > 0, now().mono_ms + float(sys.argv[2]))
print(json.dumps({"vertices": vertices, "counts": agent.node.counts() | agent.journal.counts()}))
agent.stop()
"""


def run(node: Path, wait_ms: int) -> dict[str, Any]:
    argv = [sys.executable, "-c", AGENT, str(node / "synedge.toml"), str(wait_ms)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def verified(node: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["dag", "verify", "--data", str(node), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_signatures_go_from_the_log_of_an_agent_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log_full, "FULL_SHARE", 0.36)
    RecoverySite(tmp_path, Namespace(mb=32, json=True))
    node = tmp_path / NAME
    before = verified(node, capsys)
    told = run(node, 60_000)
    gone = told["counts"]["elided_signatures"]
    assert gone > 1500 and told["counts"]["elided_bytes"] > 3309 * gone * 0.95
    assert told["counts"]["segments_elided"] == 1 and told["counts"]["trims"] == 0
    after = verified(node, capsys)
    assert after["covered"] == gone and after["vertices"] >= before["vertices"]
    assert not list((node / "data/log").glob("*.tmp"))
    again = run(node, 0)
    assert again["vertices"] >= told["vertices"] and again["counts"]["gaps"] == 0
    assert again["counts"]["segments_elided"] == 1
    assert verified(node, capsys)["signatures"] <= after["signatures"] + 2, "nothing was signed again"
