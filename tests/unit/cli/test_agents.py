"""`synedge agents`: the answer to "does my model fire on this?", from the very parts that the service runs."""

from pathlib import Path

import pytest

from edge.errors import PermissionsError
from edge.shell import engines
from edge.wire.event import Event
from tests.unit.cli.conftest import Synedge

ONE_OP = Path(engines.__file__).with_name("one_op.tflite")
"""Four numbers in, three out: a matrix of known weights."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "synedge.toml"
    (tmp_path / "one.tflite").write_bytes(ONE_OP.read_bytes())
    file.write_text("""
[node]
name = "pump"
[[source]]
name = "accel"
kind = "mqtt"
topic = "a"
fields = ["x", "y"]
[[agent]]
name = "classes"
source = "accel"
window = { size = 2 }
model = "one.tflite"
decide = { kind = "argmax", softmax = true, threshold = 0.5, labels = ["low", "mid", "high"] }
[[agent]]
name = "bound"
source = "accel"
fields = ["x"]
decide = { kind = "threshold", above = 10.0 }
""")
    return file


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "run.csv"
    rows = [f"{step * 20},{step}.0,{step}.5" for step in range(21)]
    file.write_text("t_ms,x,y\n" + "\n".join(rows) + "\n")
    return file


def test_a_model_that_fires(config: Path, recording: Path, synedge: Synedge) -> None:
    ended = synedge("agents", "test", "-c", config, "--agent", "classes", "--input", recording, "--json")
    (trial,) = ended.json["agents"]
    assert ended.code == 0 and trial["engine"] and len(trial["model_sha256"]) == 64
    summary = trial["summary"]
    assert summary["rows"] == 21 and summary["windows"] == 10 and summary["open_readings"] == 1
    assert summary["fired"] and summary["events"] == sum(summary["by_value"].values()) == 10
    assert set(summary["by_value"]) <= {"class low", "class mid", "class high"}
    first = trial["windows"][0]
    assert first["time_ms"] == 20 and len(first["outputs"]) == 3 and first["latency_ms"] > 0
    assert set(first["event"]) >= set(Event._fields) - {"flags"}
    assert first["event"]["model"] == trial["model_sha256"]


def test_an_agent_without_a_model_is_tried_too(config: Path, recording: Path, synedge: Synedge) -> None:
    (trial,) = synedge("agents", "test", "-c", config, "--agent", "bound", "--input", recording, "--json").json[
        "agents"
    ]
    assert trial["engine"] is None and trial["summary"]["latency_ms"] is None
    events = [window["event"] for window in trial["windows"] if window["event"]]
    assert [(event["kind"], event["values"]) for event in events] == [("clear", [0.0]), ("alarm", [11.0])]
    assert trial["summary"]["fired"]


def test_one_that_never_fires_says_so(config: Path, tmp_path: Path, synedge: Synedge) -> None:
    (tmp_path / "quiet.csv").write_text("x,y\n" + "1,1\n" * 9)
    out = synedge("agents", "test", "-c", config, "--agent", "bound", "--input", tmp_path / "quiet.csv").out
    assert out.startswith("bound never fires: 1 events in 9 windows of 9 rows\n") and "events  1 × clear" in out


def test_the_table_shows_outputs_by_label(config: Path, recording: Path, synedge: Synedge) -> None:
    out = synedge("agents", "test", "-c", config, "--input", recording, "--limit", "2").out
    assert "classes fires: 10 events in 10 windows of 21 rows" in out and "… and 8 windows more" in out
    assert "high " in out and "bound fires: 2 events" in out and "latency" in out


def test_bad_rows_are_counted_and_named(config: Path, recording: Path, synedge: Synedge) -> None:
    recording.write_text(recording.read_text().replace("100,5.0,5.5", "100,oops,5.5").replace("200,10.0,10.5", "200,1"))
    (trial,) = synedge("agents", "test", "-c", config, "--agent", "bound", "--input", recording, "--json").json[
        "agents"
    ]
    assert trial["summary"]["bad_rows"] == 2 and "line 7" in trial["bad_rows"][0] and "'oops'" in trial["bad_rows"][0]
    assert trial["summary"]["rows"] == 19


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["--input", "none.csv"], 65, "none.csv: cannot be opened"),
        (["--input", "other.csv"], 65, "no column 'x'; the header has a, b"),
        (["--input", "run.csv", "--agent", "clases"], 64, "(did you mean 'classes'?); allowed: classes, bound"),
        ([], 64, "required: --input"),
    ],
)
def test_what_cannot_be_tried_says_why(
    config: Path,
    recording: Path,
    synedge: Synedge,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(recording.parent)
    Path("other.csv").write_text("a,b\n1,2\n")
    ended = synedge("agents", "test", "-c", config, *argv)
    assert ended.code == code and said in ended.err and not ended.out


def test_a_truncated_model_is_named(config: Path, recording: Path, tmp_path: Path, synedge: Synedge) -> None:
    (tmp_path / "one.tflite").write_bytes(ONE_OP.read_bytes()[:200])
    ended = synedge("agents", "test", "-c", config, "--agent", "classes", "--input", recording)
    assert ended.code == 65 and "one.tflite" in ended.err and "classes" in ended.err
    both = synedge("agents", "test", "-c", config, "--input", recording, "--json").json
    assert [trial["agent"] for trial in both["agents"]] == ["bound"] and both["failed"][0]["agent"] == "classes"


def test_a_model_of_another_shape_is_refused(config: Path, recording: Path, synedge: Synedge) -> None:
    config.write_text(config.read_text().replace("size = 2", "size = 3"))
    ended = synedge("agents", "test", "-c", config, "--agent", "classes", "--input", recording)
    assert ended.code == 65 and "the model takes 4 numbers" in ended.err


def test_the_list_works_without_a_running_agent(config: Path, synedge: Synedge) -> None:
    found = synedge("agents", "list", "-c", config, "--json").json
    assert not found["running"] and [row["agent"] for row in found["agents"]] == ["classes", "bound"]
    assert found["agents"][0]["window"] == "2/2" and found["agents"][1]["decide"] == "threshold"
    assert "does not run" in synedge("agents", "list", "-c", config).out


def test_an_agent_that_may_not_be_asked_is_not_said_to_be_away(
    config: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionsError("run/synedge.sock: may not be opened by user 65534")

    monkeypatch.setattr("edge.cli.agents.ask", refuse)
    out = synedge("agents", "list", "-c", config).out
    assert "may not be opened by user 65534" in out and "does not run" not in out
