"""`synedge models`: the file as it is, the engine that takes it, and why another does not."""

import re
import shlex
import shutil
from array import array
from pathlib import Path
from random import Random

import pytest

from edge.nn.draft import Draft, per_tensor
from edge.nn.fann import read_net, write_net
from edge.nn.fann_answer import from_layers
from edge.nn.fann_data import Data, write_data
from edge.nn.flatbuffer_writer import Scalar
from edge.nn.tflite_writer import write_tflite
from tests.house.source import ROOT
from tests.nn.cases import draw
from tests.nn.networks import layers, rows
from tests.unit.cli.conftest import Synedge
from tests.unit.nn import broken
from tests.unit.shell.engine_models import ONE_OP, quantised

AGENT = """
[[agent]]
name = "{name}"
source = "s"
window = {{ size = 1 }}
model = "{model}"
decide = {{ kind = "value" }}
"""


def configured(directory: Path, *models: str) -> Path:
    agents = "".join(AGENT.format(name=f"a{place}", model=model) for place, model in enumerate(models))
    source = '[[source]]\nname = "s"\nkind = "mqtt"\ntopic = "t"\nfields = ["a", "b", "c", "d"]\n'
    directory.mkdir(exist_ok=True)
    file = directory / "synedge.toml"
    file.write_text(f'[node]\nname = "pump-7"\n{source if models else ""}{agents}')
    return file


def test_inspect_says_what_the_model_is(synedge: Synedge):
    ended = synedge("models", "inspect", ONE_OP, "--json")
    assert ended.code == 0
    found = ended.json
    assert found["bytes"] == ONE_OP.stat().st_size
    assert found["description"] == "synedge engine proof"
    assert [(one["name"], one["shape"], one["dtype"]) for one in found["inputs"]] == [("x", [1, 4], "float32")]
    assert [one["shape"] for one in found["outputs"]] == [[1, 3]]
    assert (found["parameters"], found["parameter_bytes"]) == (15, 60)
    assert found["operator_counts"] == {"FULLY_CONNECTED": 1}
    (step,) = found["subgraphs"][0]["operators"]
    assert [one["constant"] for one in step["inputs"]] == [False, True, True]
    assert step["options"]["fused_activation_function"] == "NONE"
    assert found["keeps_state"] is False and found["fault"] is None


def test_inspect_says_how_numbers_are_quantised(synedge: Synedge, tmp_path: Path):
    (tmp_path / "q.tflite").write_bytes(quantised())
    found = synedge("models", "inspect", tmp_path / "q.tflite", "--json").json
    assert found["inputs"][0]["quantisation"] == {"scales": [0.5], "zero_points": [10], "axis": 0}
    ended = synedge("models", "inspect", tmp_path / "q.tflite")
    assert re.search(r"input +x  1×2 int8 0\.5@10", ended.out)
    assert "(2×2 int8 0.02@0)" in ended.out


def test_inspect_says_that_a_model_keeps_state(synedge: Synedge, tmp_path: Path):
    (tmp_path / "ring.tflite").write_bytes(draw("ASSIGN_VARIABLE", "int8", 1).data)
    found = synedge("models", "inspect", tmp_path / "ring.tflite", "--json").json
    assert found["keeps_state"] is True
    assert [part["name"] for part in found["subgraphs"]] == ["main", "once"]
    assert found["operator_counts"]["VAR_HANDLE"] == 2


def test_inspect_asks_every_engine_and_says_why_not(synedge: Synedge, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNEDGE_TFLITE_PYTHON", "/nowhere/python")
    found = synedge("models", "inspect", ONE_OP, "--json").json
    by_name = {one["engine"]: one for one in found["engines"]}
    assert by_name["tflite_c"] == {"engine": "tflite_c", "takes_it": True, "why_not": None}
    assert by_name["tflite_worker"]["takes_it"] is False and "/nowhere/python" in by_name["tflite_worker"]["why_not"]
    assert found["engine"] in by_name and by_name[found["engine"]]["takes_it"]


def test_inspect_of_a_model_that_no_engine_runs_ends_with_65(synedge: Synedge, tmp_path: Path):
    draft = Draft()
    x, y = draft.tensor("x", (1, 4)), draft.tensor("y", (1, 4))
    draft.operator("CUSTOM:Mine", (x,), (y,))
    (tmp_path / "custom.tflite").write_bytes(write_tflite(draft.graph([x], [y])))
    ended = synedge("models", "inspect", tmp_path / "custom.tflite", "--json")
    assert ended.code == 65
    assert ended.json["engine"] is None
    assert ended.json["operator_counts"] == {"CUSTOM:Mine": 1}
    assert all(one["why_not"] for one in ended.json["engines"])


def test_inspect_says_what_is_wrong_with_a_file_and_where(synedge: Synedge, tmp_path: Path):
    tree = broken.model()
    broken.main(tree)[broken.TENSORS][broken.X][broken.QUANTISATION] = broken.quantisation([-0.5], [0])
    (tmp_path / "bad.tflite").write_bytes(broken.file(tree))
    ended = synedge("models", "inspect", tmp_path / "bad.tflite", "--json")
    assert re.search(
        r"tensors\[0\]\.quantization\.scale at byte \d+: -0.5 \(allowed: finite and above 0\)", ended.json["fault"]
    )
    assert "subgraphs" not in ended.json
    assert "-0.5 (allowed" in synedge("models", "inspect", tmp_path / "bad.tflite").out


def test_inspect_of_what_is_no_model_is_an_error(synedge: Synedge, tmp_path: Path):
    (tmp_path / "x.tflite").write_bytes(broken.file(broken.model() | {broken.VERSION: Scalar("I", 3)})[:20])
    ended = synedge("models", "inspect", tmp_path / "x.tflite", "--json")
    assert ended.code == 65 and "only 20 bytes" in ended.error["message"]
    assert synedge("models", "inspect", tmp_path / "none.tflite").code == 65


def test_names_inside_a_model_cannot_move_the_cursor(synedge: Synedge, tmp_path: Path):
    draft = Draft()
    x = draft.tensor("\x1b[2J", (1, 2), "int8", per_tensor(0.5))
    y = draft.tensor("y", (1, 2), "int8", per_tensor(1 / 256, -128))
    draft.operator("SOFTMAX", (x,), (y,), {"beta": 1.0}, 2)
    draft.name = "\x1b[H"
    (tmp_path / "evil.tflite").write_bytes(write_tflite(draft.graph([x], [y], "\x1b]0;title\x07")))
    ended = synedge("models", "inspect", tmp_path / "evil.tflite")
    assert ended.code == 0
    assert "\x1b" not in ended.out and "\x07" not in ended.out


def test_list_has_a_line_for_each_model(synedge: Synedge, tmp_path: Path):
    shutil.copy(ONE_OP, tmp_path / "proof.tflite")
    config = configured(tmp_path, "proof.tflite", "gone.tflite")
    ended = synedge("models", "list", "--config", config, "--json")
    assert ended.code == 0
    assert ended.json["running"] is False
    first, second = ended.json["models"]
    inspected = synedge("models", "inspect", ONE_OP, "--json").json
    assert (first["agent"], first["sha256"], first["bytes"]) == ("a0", inspected["sha256"], inspected["bytes"])
    assert first["engine"] == inspected["engine"] and first["runs_on"] is None and first["fault"] is None
    assert first["input"] == {"shape": [1, 4], "dtype": "float32"}
    assert second["engine"] is None and "gone.tflite" in second["fault"]


def test_list_of_no_models_says_so(synedge: Synedge, tmp_path: Path):
    ended = synedge("models", "list", "--config", configured(tmp_path))
    assert ended.code == 0 and "no agent with a model" in ended.out


def test_what_operating_says_of_models_works_as_it_is_typed(
    synedge: Synedge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = (ROOT / "docs/OPERATING.md").read_text()
    lines = re.findall(r"^synedge (models .+)$", text, re.M)
    assert len(lines) == 5
    shutil.copy(ONE_OP, tmp_path / "bearing.tflite")
    (tmp_path / "valve.net").write_bytes(network())
    (tmp_path / "reading.json").write_text("[1, 2, 3, 4]")
    configured(tmp_path / "pump-7", "../bearing.tflite")
    monkeypatch.chdir(tmp_path)
    for line in lines:
        ended = synedge(*shlex.split(line))
        assert ended.code == 0, ended.err
        assert re.search(r"(bearing|valve)\.tflite", ended.out) and "native" in ended.out


def network(*activations: str) -> bytes:
    return write_net(from_layers(layers(Random(3), (4, 6, 2), activations or ("TANH", "LOGISTIC"))))


def test_convert_writes_a_model_with_the_same_answers(synedge: Synedge, tmp_path: Path):
    (tmp_path / "a.net").write_bytes(network())
    ended = synedge("models", "convert", tmp_path / "a.net", tmp_path / "a.tflite", "--json")
    assert ended.code == 0, ended.err
    found = ended.json
    assert (found["dtype"], found["parameters"], found["rows"]) == ("float32", 44, 100)
    assert 0 < found["difference_max"] < 1e-5
    inspected = synedge("models", "inspect", tmp_path / "a.tflite", "--json").json
    assert inspected["sha256"] == found["sha256"] and inspected["description"] == "from a.net"
    assert list(inspected["operator_counts"]) == ["FULLY_CONNECTED", "TANH", "LOGISTIC"]


def test_convert_quantises_by_a_training_set(synedge: Synedge, tmp_path: Path):
    (tmp_path / "a.net").write_bytes(network())
    numbers = [value for row in rows(Random(4), 4, 50) for value in row]
    (tmp_path / "a.data").write_bytes(write_data(Data(50, 4, 2, array("f", numbers), array("f", [0.0] * 100))))
    words = ("models", "convert", tmp_path / "a.net", tmp_path / "a.tflite", "--int8", tmp_path / "a.data")
    found = synedge(*words, "--json").json
    assert (found["dtype"], found["rows"]) == ("int8", 50)
    assert 0 < found["difference_max"] < 0.05
    assert synedge("models", "inspect", tmp_path / "a.tflite", "--json").json["inputs"][0]["dtype"] == "int8"


def test_convert_takes_a_training_set_of_the_same_inputs(synedge: Synedge, tmp_path: Path):
    (tmp_path / "a.net").write_bytes(network())
    (tmp_path / "a.data").write_bytes(b"1 3 1\n0 0 0\n0\n")
    ended = synedge("models", "convert", tmp_path / "a.net", tmp_path / "a.tflite", "--int8", tmp_path / "a.data")
    assert ended.code == 64 and "3 inputs a row; the network takes 4" in ended.err
    assert not (tmp_path / "a.tflite").exists()


def test_convert_takes_stepwise_sigmoids_only_when_asked(synedge: Synedge, tmp_path: Path):
    net = read_net(network("LOGISTIC", "LOGISTIC"))
    stepwise = tuple(one._replace(activation=4) if one.sources else one for one in net.neurons)
    (tmp_path / "a.net").write_bytes(write_net(net._replace(neurons=stepwise)))
    words = ("models", "convert", tmp_path / "a.net", tmp_path / "a.tflite")
    refused = synedge(*words)
    assert refused.code == 65 and "as a curve it is SIGMOID" in refused.err
    assert 1e-4 < synedge(*words, "--smooth", "--json").json["difference_max"] < 0.1


def test_convert_of_no_network_says_the_line(synedge: Synedge, tmp_path: Path):
    (tmp_path / "a.net").write_bytes(network().replace(b"network_type=0", b"network_type=7"))
    ended = synedge("models", "convert", tmp_path / "a.net", tmp_path / "a.tflite")
    assert ended.code == 65 and "network_type 7 (allowed: 0 layered, 1 shortcut)" in ended.err
