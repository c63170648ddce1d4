"""The commands as processes, beside an agent that really runs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.lab.process import wait_until

READINGS = 200
TIMEOUT_S = 30


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(("SYNEDGE_", "NOTIFY_", "STATE_"))}


def synedge(*argv: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", *map(str, argv)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        env=environment(),
        stdin=subprocess.DEVNULL,
    )


def told(*argv: object) -> Any:
    ended = synedge(*argv, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A site of one device that replays a file at full speed."""
    directory = tmp_path / "pump"
    assert synedge("init", directory, "--name", "pump", "--new-site").returncode == 0
    rows = "".join(f"{step * 10},{step % 7}\n" for step in range(READINGS))
    (directory / "run.csv").write_text("t_ms,level\n" + rows)
    with open(directory / "synedge.toml", "a") as file:
        file.write("""
[mqtt]
interfaces = ["127.0.0.1"]
[log]
commit_window_ms = 20
[[source]]
name = "tank"
kind = "file"
path = "run.csv"
speed = 0
[[agent]]
name = "level"
source = "tank"
window = { size = 10 }
features = ["mean"]
decide = { kind = "value" }
unit = "m"
""")
    return directory / "synedge.toml"


@pytest.fixture
def agent(config: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", "run", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=TIMEOUT_S)


def follow(config: Path, count: int) -> list[dict[str, Any]]:
    """The first events that the log shows, waited for with the command that people use."""
    command = [sys.executable, "-m", "edge", "events", "-c", str(config), "--follow", "--json", "--limit", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as tail:
        assert tail.stdout is not None
        events = [json.loads(tail.stdout.readline()) for _ in range(count)]
        tail.terminate()
    return events


def wait_for_log(agent: subprocess.Popen[str]) -> None:
    """The agent says on stderr that it is ready, and by then its log is there."""
    assert agent.stderr is not None
    for line in agent.stderr:
        if " ready " in line:
            return
    raise AssertionError("the agent ended before it was ready")


def test_everything_can_be_asked_while_it_runs_and_after(config: Path, agent: subprocess.Popen[str]) -> None:
    wait_for_log(agent)
    events = follow(config, READINGS // 10)
    assert {(event["node"], event["agent"], event["state"], event["unit"]) for event in events} == {
        ("pump", "level", "recorded", "m")
    }
    status = told("status", "-c", config)
    assert status["node"] == "pump" and status["pid"] == agent.pid
    assert status["recorded_events"] == READINGS // 10 and status["readings"]["readings"] == READINGS
    assert "pump, device" in synedge("status", "-c", config).stdout
    assert told("status", "--counts", "-c", config)["recorded_events"] == READINGS // 10
    assert told("peers", "-c", config) == {"peers": []}
    listed = told("agents", "list", "-c", config)
    assert listed["running"] and listed["agents"][0]["events"] == READINGS // 10
    doctor = told("doctor", "-c", config)
    assert doctor["ok"] and any(item["found"].startswith(f"runs, pid {agent.pid}") for item in doctor["checks"])
    assert told("dag", "verify", "-c", config)["ok"]

    agent.terminate()
    assert agent.wait(timeout=5) == 0
    assert synedge("status", "-c", config).returncode == 69
    after = told("events", "-c", config, "--limit", 0)["events"]
    assert after == events
    verified = told("dag", "verify", "-c", config)
    assert verified["ok"] and verified["events"] == READINGS // 10 and verified["unsigned"] == 0
    assert [head["seq"] for head in told("dag", "heads", "-c", config)["heads"]] == [verified["vertices"]]


def test_two_agents_never_write_one_log(config: Path, agent: subprocess.Popen[str]) -> None:
    wait_for_log(agent)
    second = synedge("run", "-c", config, "--json")
    assert second.returncode == 74 and f"process {agent.pid}" in second.stderr
    assert told("status", "-c", config)["pid"] == agent.pid, "the first one is still there"


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        ("chmod", 77, "chmod 0600"),
        ("key", 78, "unknown key 'max_md' (did you mean 'max_mb'?)"),
        ("recording", 78, "run.csv"),
        ("roster", 78, "roster.cose"),
        ("stranger", 78, "this node's key is not in"),
    ],
)
def test_what_cannot_start_says_why_with_its_code(config: Path, spoil: str, code: int, said: str) -> None:
    if spoil == "chmod":
        (config.parent / "data/keys/node.seed").chmod(0o644)
    elif spoil == "key":
        config.write_text(config.read_text().replace("[log]", "[log]\nmax_md = 3"))
    elif spoil == "recording":
        (config.parent / "run.csv").unlink()
    elif spoil == "roster":
        (config.parent / "roster.cose").unlink()
    else:
        (config.parent / "data/keys/node.seed").unlink()
        synedge("init", config.parent)
    ended = synedge("run", "-c", config)
    assert ended.returncode == code and said in ended.stderr and "Traceback" not in ended.stderr


def test_a_site_of_two_made_from_scratch_by_commands(tmp_path: Path) -> None:
    """The steps of docs/OPERATING.md, as a script would type them; each of them twice."""
    site, first, second = tmp_path / "fleet", tmp_path / "first", tmp_path / "second"
    for changed in (True, False):
        assert told("fleet", "init", "--dir", site)["changed"] is changed
        assert told("init", first, "--name", "first")["changed"] is changed
        assert told("fleet", "add", "first", "--public-key", first / "node.pub", "--dir", site)["changed"] is changed
        assert told("fleet", "add", "second", "--out", second, "--dir", site)["changed"] is changed
        assert told("fleet", "refresh", first, second, "--dir", site)["changed"] is changed
        for node in (first, second):
            assert told("config", "check", "-c", node / "synedge.toml")["notes"] == []
            assert told("doctor", "-c", node / "synedge.toml")["ok"]
    assert [member["name"] for member in told("fleet", "list", "--dir", site)["members"]] == ["first", "second"]


def test_many_additions_at_once_lose_none(tmp_path: Path) -> None:
    site = tmp_path / "fleet"
    told("fleet", "init", "--dir", site)
    names = [f"n{number}" for number in range(6)]
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "edge", "fleet", "add", name, "--out", str(tmp_path / name), "--dir", str(site)],
            stdout=subprocess.DEVNULL,
            env=environment(),
        )
        for name in names
    ]
    assert [command.wait(timeout=TIMEOUT_S) for command in commands] == [0] * 6
    listed = told("fleet", "list", "--dir", site)
    assert sorted(member["name"] for member in listed["members"]) == names
    assert listed["roster_version"] == 7 and [member["index"] for member in listed["members"]] == [1, 2, 3, 4, 5, 6]


def test_ctrl_c_ends_a_benchmark_with_its_processes_at_once(tmp_path: Path) -> None:
    """As a terminal does it: the signal goes to the foreground group, and nothing of it is left."""
    # Who runs the tests may ignore SIGINT, as a shell has it for a job in the background.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "edge", "bench", "mesh"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**environment(), "TMPDIR": str(tmp_path)},
    ) as bench:  # fmt: skip
        try:
            children = Path(f"/proc/{bench.pid}/task/{bench.pid}/children")
            assert wait_until(lambda: len(children.read_text().split()) == 3, TIMEOUT_S)
            workers = children.read_text().split()
            os.killpg(bench.pid, signal.SIGINT)
            out, err = bench.communicate(timeout=10)
        finally:
            bench.kill()
    assert (bench.returncode, out) == (130, "") and "Traceback" not in err
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    assert list(tmp_path.iterdir()) == []
