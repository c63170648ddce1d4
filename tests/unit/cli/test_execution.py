"""`synedge models run` and `verify`: real engines on real files, the answers and where they differ."""

import hashlib
import json
import struct
from importlib import import_module
from pathlib import Path
from random import Random

import pytest

from edge.cli import execution
from edge.nn.draft import Draft
from edge.nn.export import export_float32
from edge.nn.tensor import TensorSpec
from edge.nn.tflite_writer import write_tflite
from edge.shell.engines.tflite_c import find_library
from tests.house.source import ROOT
from tests.nn.cases import draw
from tests.nn.networks import layers
from tests.unit.cli.conftest import Synedge
from tests.unit.shell.engine_models import ONE_OP, dense, quantised

LITERT = ROOT / ".venv-litert" / "bin" / "python"
MYCROFT = find_library().parents[1] / "models" / "hey_mycroft.tflite"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def powers() -> bytes:
    """exp over four numbers."""
    draft = Draft()
    x, y = draft.tensor("x", (1, 4)), draft.tensor("y", (1, 4))
    draft.operator("EXP", (x,), (y,))
    return write_tflite(draft.graph([x], [y]))


@pytest.mark.parametrize("backend", ["native", "tflite"])
def test_run_gives_outputs_and_digests_of_the_very_bytes(synedge: Synedge, tmp_path: Path, backend: str):
    (tmp_path / "given.json").write_text("[[1, 2, 3, 4], [0.5, 0, -1, 2]]")
    found = synedge("models", "run", ONE_OP, "--input", tmp_path / "given.json", "--backend", backend, "--json").json
    assert found["backend"] == backend and found["engine"] == {"native": "native", "tflite": "tflite_c"}[backend]
    assert found["sha256"] == sha256(ONE_OP.read_bytes()) and found["runs"] == 2
    assert found["outputs"][0] == pytest.approx([3, 8, 13], abs=1e-5)
    assert found["input_sha256"] == sha256(struct.pack("<8f", 1, 2, 3, 4, 0.5, 0, -1, 2))
    flat = [value for row in found["outputs"] for value in row]
    assert found["output_sha256"] == sha256(struct.pack("<6f", *flat))
    said = synedge("models", "run", ONE_OP, "--input", tmp_path / "given.json", "--backend", backend)
    assert found["output_sha256"] in said.out and "3, 8, 13" in said.out


def test_random_inputs_follow_the_seed_and_differ_from_run_to_run(synedge: Synedge):
    def digests(seed: int, *more: object) -> tuple[str, str]:
        found = synedge("models", "run", MYCROFT, "--input", f"random:{seed}", "--json", *more).json
        return found["input_sha256"], found["output_sha256"]

    assert digests(7, "--runs", 5) == digests(7, "--runs", 5)
    assert digests(7)[0] != digests(8)[0] and digests(7)[0] != digests(7, "--runs", 2)[0]
    spec = TensorSpec((1, 3, 40), "int8", 0.1, 0)
    drawn = list(execution.inputs("random:7", spec, 20))
    assert len(set(drawn)) > 10 and {len(one) for one in drawn} == {120}
    assert {127, 128} <= {byte for one in drawn for byte in one}, "the largest and the smallest come up"


def test_a_file_of_stored_numbers_is_run_in_turn_and_state_is_kept(synedge: Synedge, tmp_path: Path):
    """Frames of a streaming model: the later ones depend on those before."""
    ring, case = tmp_path / "ring.tflite", draw("ASSIGN_VARIABLE", "int8", 1)
    ring.write_bytes(case.data)
    frames = list(case.inputs())[:3]
    (tmp_path / "all").write_bytes(b"".join(frames))
    (tmp_path / "last").write_bytes(frames[-1])
    whole = synedge("models", "run", ring, "--input", tmp_path / "all", "--json").json
    alone = synedge("models", "run", ring, "--input", tmp_path / "last", "--json").json
    assert whole["runs"] == 3 and alone["runs"] == 1
    assert whole["outputs"][2] != alone["outputs"][0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("short", b"12345", "5 bytes (allowed: 16, or a multiple: float32 [1, 4])"),
        ("empty", b"", "0 bytes (allowed: 16"),
        ("a.json", b"[1, 2, 3]", "an input of 3 numbers (allowed: 4)"),
        ("b.json", b'[1, 2, 3, "4"]', "not an input (allowed: a list of numbers"),
        ("c.json", b"[1, 2, 3, true]", "not an input"),
        ("d.json", b"{", "Expecting property name"),
        ("e.json", b"[1e40, 0, 0, 0]", "a number that float32 does not hold"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(synedge: Synedge, tmp_path: Path, name: str, content: bytes, said: str):
    (tmp_path / name).write_bytes(content)
    ended = synedge("models", "run", ONE_OP, "--input", tmp_path / name, "--json")
    assert ended.code == 65 and said in ended.error["message"] and name in ended.error["message"]


def test_what_cannot_be_asked_is_said(synedge: Synedge, tmp_path: Path):
    ended = synedge("models", "run", ONE_OP, "--input", "random:x", "--json")
    assert ended.code == 64 and "random: and a whole number" in ended.error["message"]
    ended = synedge("models", "run", ONE_OP, "--input", tmp_path / "none", "--json")
    assert ended.code == 74 and "none" in ended.error["message"]
    ended = synedge("models", "verify", ONE_OP, "--against", "native", "--json")
    assert ended.code == 64 and "another one" in ended.error["message"]


def test_an_answer_that_is_no_number_is_an_error_with_its_run(synedge: Synedge, tmp_path: Path):
    (tmp_path / "exp.tflite").write_bytes(powers())
    (tmp_path / "given.json").write_text("[[0, 0, 0, 0], [0, 0, 500, 0]]")
    ended = synedge("models", "run", tmp_path / "exp.tflite", "--input", tmp_path / "given.json", "--json")
    assert ended.code == 65 and "run 1: the model's output is not finite" in ended.error["message"]


def test_verify_finds_engines_equal(synedge: Synedge, tmp_path: Path):
    (tmp_path / "q.tflite").write_bytes(quantised())
    ended = synedge("models", "verify", tmp_path / "q.tflite", "--against", "tflite", "--runs", 50, "--json")
    found = ended.json
    assert ended.code == 0 and found["equal"] and found["difference_max"] == 0 and found["first"] is None
    assert (found["values"], found["within"], found["unit"]) == (100, 0, "step")
    assert found["distinct_answers"] > 20
    assert [one["engine"] for one in found["backends"]] == ["native", "tflite_c"]
    assert len({one["output_sha256"] for one in found["backends"]}) == 1


def test_verify_says_where_and_by_how_much_they_differ(synedge: Synedge, tmp_path: Path):
    """Long sums of float32: nobody adds in the order of another."""
    (tmp_path / "sums.tflite").write_bytes(export_float32(layers(Random(1), (64, 64, 4))))
    file = ("models", "verify", tmp_path / "sums.tflite", "--against", "tflite", "--runs", 200)
    assert synedge(*file).code == 0
    ended = synedge(*file, "--within", 0, "--json")
    found = ended.json
    assert ended.code == 1 and not found["equal"]
    assert 0 < found["different"] < found["values"] == 800
    assert 0 < found["difference_max"] < 1e-6
    first = found["first"]
    assert first["ours"] != first["theirs"] == pytest.approx(first["ours"], abs=1e-6)
    said = synedge(*file, "--within", 0)
    assert said.code == 1 and f"first at run {first['run']}, number {first['value']}: {first['ours']}" in said.out


def test_numbers_that_are_none_are_equal_to_themselves_alone():
    nan, inf = float("nan"), float("inf")
    spec = TensorSpec((4,), "float32")
    ours, theirs = struct.pack("<4f", nan, nan, inf, 1), struct.pack("<4f", nan, 0, inf, 1.5)
    found = list(execution.differences(spec, [ours], [theirs]))
    assert [(one.value, one.distance) for one in found] == [(1, inf), (3, pytest.approx(1 / 3))]


def test_a_backend_that_is_not_here_is_named_with_what_to_install(
    synedge: Synedge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    litert = import_module("edge.shell.engines.litert")
    monkeypatch.delenv("SYNEDGE_LITERT_PYTHON", raising=False)
    monkeypatch.setattr(litert, "VENV", "nowhere")
    monkeypatch.setattr(litert, "find_spec", lambda name: None)
    ended = synedge("models", "run", ONE_OP, "--backend", "litert", "--json")
    assert ended.code == 69 and "pip install ai-edge-litert" in ended.error["message"]
    monkeypatch.setenv("SYNEDGE_TFLITE_C", "/nowhere.so")
    ended = synedge("models", "verify", ONE_OP, "--json")
    assert ended.code == 69
    assert "ai-edge-litert" in ended.error["message"] and "/nowhere.so" in ended.error["message"]


@pytest.mark.skipif(not LITERT.exists(), reason="no ai-edge-litert here")
def test_litert_says_the_same_in_its_own_process(synedge: Synedge, tmp_path: Path):
    found = synedge("models", "verify", MYCROFT, "--runs", 300, "--json")
    assert found.code == 0 and found.json["distinct_answers"] > 3
    assert [one["engine"] for one in found.json["backends"]] == ["native", "litert"]
    (tmp_path / "x.tflite").write_bytes(dense(4, 0.25))
    (tmp_path / "given.json").write_text(json.dumps([1, 2, 3, 4]))
    found = synedge(
        "models", "run", tmp_path / "x.tflite", "--backend", "litert", "--input", tmp_path / "given.json", "--json"
    )
    assert found.json["outputs"] == [[1.25, 2.25, 3.25, 4.25]] and found.json["version"] == "2.3.0"
