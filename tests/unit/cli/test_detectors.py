"""What docs/OPERATING.md says of detectors, as it is typed, on a recording in which something happens."""

import re
import shlex
from pathlib import Path
from random import Random

import pytest

from tests.house.source import ROOT
from tests.unit.cli.conftest import Synedge

SECTION = re.search(r"^## Detectors\n(.*?)^## ", (ROOT / "docs/OPERATING.md").read_text(), re.M | re.S)
assert SECTION is not None
EXAMPLE = re.search(r"^```toml\n(.*?)^```", SECTION[1], re.M | re.S)
assert EXAMPLE is not None
JUMP, STRANGE, ROWS = 6000, 4000, 8000


@pytest.fixture
def pump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An hour of a pump: once it draws much at no pressure, and later it runs hotter for good."""
    rng, rows = Random(5), ["pressure,current,temperature"]
    for row in range(ROWS):
        pressure, current = rng.gauss(4, 0.1), rng.gauss(11, 0.4)
        if STRANGE <= row < STRANGE + 100:
            pressure, current = rng.gauss(0.5, 0.1), rng.gauss(18, 0.4)
        rows.append(f"{pressure:.3f},{current:.3f},{rng.gauss(41 if row < JUMP else 44, 0.5):.2f}")
    (tmp_path / "pump.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "synedge.toml").write_text('[node]\nname = "pump-7"\n' + EXAMPLE[1])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_tell_what_happened(pump: Path, synedge: Synedge):
    found = synedge("agents", "test", "--input", "pump.csv", "--limit", "0", "--json").json
    assert not found["failed"]
    trials = {trial["agent"]: trial for trial in found["agents"]}
    told = {
        name: [(window["time_ms"] // 10, window["event"]) for window in trial["windows"] if window["event"]]
        for name, trial in trials.items()
    }
    ((alarm, event), (clear, _)) = [item for item in told["strange"] if item[1]["kind"] != "clear" or item[0] > STRANGE]
    assert STRANGE <= alarm < STRANGE + 100 <= clear < STRANGE + 200 and event["values"][0] > 0.9
    for name in ("hotter", "hotter-ph"):
        drifts = [(row, event) for row, event in told[name] if event["kind"] == "alarm"]
        assert drifts and JUMP < drifts[-1][0] < JUMP + 200, name
        after, before = drifts[-1][1]["values"]
        assert before == pytest.approx(41, abs=0.5) and 41.5 < after < 44.5
        assert [row for row, _ in drifts if row < JUMP] == [], f"{name}: false alarms"
    assert {trial["engine"] for trial in trials.values()} == {"stream"}
    assert len({trial["model_sha256"] for trial in trials.values()}) == 3


def test_the_commands_beside_it(pump: Path, synedge: Synedge):
    assert SECTION is not None
    lines = re.findall(r"^synedge (.+)$", SECTION[1], re.M)
    assert len(lines) == 2
    for line in lines:
        ended = synedge(*shlex.split(line, comments=True))
        assert ended.code == 0, ended.err
    rows = synedge("agents", "list", "--json").json["agents"]
    assert [(row["detector"], row["decide"], row["model"]) for row in rows] == [
        ("half-space-trees", "threshold", None),
        ("adwin", "drift", None),
        ("page-hinkley", "drift", None),
    ]
    shown = synedge("config", "show", "--json").out
    assert "agent.strange.detector.trees" in shown and "agent.hotter.detector.delta" in shown


def test_a_fault_is_named_with_its_line(pump: Path, synedge: Synedge):
    file = pump / "synedge.toml"
    file.write_text(file.read_text().replace('detector = "adwin"', 'detector = "adwinn"'))
    ended = synedge("config", "check")
    assert ended.code == 78 and "[[agent]] 'hotter' detector.kind = 'adwinn': allowed is one of" in ended.err
    assert re.search(r"\(line \d+\)", ended.err)
