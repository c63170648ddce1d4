"""`synedge bench nn` in a small form: real kernels, and every peer that is installed here."""

from argparse import ArgumentParser

import pytest

from edge.lab.benches import nn
from edge.lab.benches.nn_c import Native
from edge.lab.benches.nn_nets import WIDTHS, write_net
from tests.house.source import ROOT

HAS_LITERT = (ROOT / ".venv-litert" / "bin" / "python").exists() or (ROOT / ".venv-bench" / "bin" / "python").exists()
FIELDS = {"net", "dtype", "shape", "us", "us_min", "peer", "peer_us", "peer_us_min", "ratio", "ratio_min", "method"}


def measured(*argv: str):
    parser = ArgumentParser()
    nn.arguments(parser)
    return nn.measure(parser.parse_args(["--rounds", "3", "--chunk-us", "20", "--count", "20", *argv]))


def test_networks_are_measured_beside_whoever_is_here():
    told = measured("--nets", "s,words")
    assert all(set(row) == FIELDS for row in told["rows"])
    assert {row["net"] for row in told["rows"]} == {
        "s", "20 x s", "alexa", "hey_jarvis", "hey_mycroft", "okay_nabu",
    }  # fmt: skip
    for row in told["rows"]:
        assert 0 < row["us_min"] <= row["us"]
        if row["ratio"] is None:
            assert row["method"].startswith("not installed: "), row
        else:
            assert 0 < row["peer_us_min"] <= row["peer_us"] and row["ratio"] > 0
    by_peer = {row["peer"].partition(" ")[0]: row for row in told["rows"]}
    assert set(by_peer) == {"litert", "onnxruntime", "numpy", "tflite_c", "libfann"}
    assert by_peer["tflite_c"]["ratio"] is not None and by_peer["libfann"]["ratio"] is not None
    if HAS_LITERT:
        assert by_peer["litert"]["ratio"] is not None and told["bytes_per_network"]["litert"] > 10_000
    memory = told["bytes_per_network"]
    assert memory["parameters_bytes"] == 4 * (16 * 32 + 32 + 32 * 8 + 8) < memory["native"]
    assert memory["native_at_rest"] < memory["native"] / 2 and told["rest_and_warm_us"]["min"] > 0
    assert told["memory_roof_gb_per_s"] > 0 and told["spawn_and_evict_us"]["c"]["min"] > 0


def test_what_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNEDGE_PEERS_PYTHON", "/bin/false")
    monkeypatch.setenv("SYNEDGE_TFLITE_C", "/nowhere.so")
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    told = measured("--nets", "s")
    assert all(row["ratio"] is None and row["peer_us"] is None and row["us"] > 0 for row in told["rows"])
    why = {row["peer"]: row["method"] for row in told["rows"]}
    assert "pip install onnxruntime onnx" in why["onnxruntime"] and "ai-edge-litert" in why["litert"]
    assert "libfann2" in why["libfann"] and "/nowhere.so" in why["tflite_c"]


def test_only_known_networks_are_taken(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        measured("--nets", "s,xl")
    assert "allowed: s, m, l, words" in capsys.readouterr().err


def test_the_call_that_is_timed_is_the_one_that_answers(tmp_path):
    for name in WIDTHS:
        native = Native(write_net(tmp_path, name, "int8").path)
        before = native.network.invoke(native.given)
        assert native.c(3) > 0 and native.python(3) > 0
        assert native.made == before
