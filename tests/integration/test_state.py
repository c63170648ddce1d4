"""Shared state between real agents over a real broker, by the commands of the manual."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.house.source import ROOT
from tests.integration.agents import Node, at, broker, field, until

MANUAL = re.compile(r"^## Sharing without a vote\n.*?^```sh\n(.*?)^```", re.M | re.S)


def synedge(node: Node, *words: str, code: int = 0) -> dict[str, Any]:
    """`synedge … --json` on a device: what it says on stdout, or on stderr when it is to fail."""
    command = [sys.executable, "-m", "edge", *words, "--config", str(node.directory / "synedge.toml"), "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=node.directory, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, (done.stdout, done.stderr, node.last_words(15))
    said: dict[str, Any] = json.loads(done.stdout or done.stderr)
    return said


def root(node: Node) -> str | None:
    answer = node.ask("state")
    said: str | None = answer["root"] if answer else None
    return said


def test_the_commands_of_the_manual(tmp_path: Path) -> None:
    manual = MANUAL.search((ROOT / "docs/OPERATING.md").read_text())
    assert manual is not None
    lines = [shlex.split(line)[1:] for line in manual[1].splitlines()]
    assert len(lines) == 7
    with broker() as port, field(tmp_path, "one", "other") as site:
        one, other = site["one"], site["other"]
        for node in (one, other):
            node.configure(at(port), sensor=False)
            node.up()
        assert synedge(one, "state", "get", "doors", code=1) == {"name": "doors", "types": []}
        for words in lines:
            said = synedge(one, *words)
            if words[1] not in ("get", "list"):
                assert said == {"name": words[2], "state": "recorded"}
        until(lambda: root(one) == root(other) is not None, "the roots are equal", other)
        assert root(one) != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "of something"
        synedge(other, "state", "add", "on duty", "valve-2")
        synedge(other, "state", "remove", "on duty", "pump-7")
        until(lambda: "pump-7" not in json.dumps(synedge(one, "state", "get", "on duty")), "it is taken back", one)
        until(lambda: root(one) == root(other), "the roots are equal again", one)
        (row,) = synedge(one, "state", "get", "on duty")["types"]
        assert [(value["value"], value["by"]) for value in row["values"]] == [("valve-2", ["other"])]
        before = root(one)
        one.kill()
        one.up()
        assert root(one) == before, "a start makes it from the log"
        refused = synedge(one, "state", "remove", "on duty", "nobody", code=65)["error"]["message"]
        assert refused.endswith("no such element")
