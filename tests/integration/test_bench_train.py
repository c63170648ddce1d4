"""`synedge bench train`: both train the same network on the same rows, and the figures are of that."""

import pytest

from edge.lab import libfann
from tests.nn.fann_sets import training_set
from tests.unit.cli.conftest import Synedge, synedge

__all__ = ["synedge"]


def test_both_begin_with_the_same_error(synedge: Synedge):
    training_set("diabetes.train")  # or skips
    found = synedge("bench", "train", "--set", "diabetes", "--epochs", "3", "--json").json["train"]
    assert found["peer"].startswith("libfloatfann")
    (row,) = found["rows"]
    assert (row["net"], row["rows"]) == ("8-16-2", 384)
    assert row["mse"] == pytest.approx(row["peer_mse"], rel=1e-4)
    assert row["ratio"] == pytest.approx(row["ms"] / row["peer_ms"], rel=0.1)
    assert row["error_percent"] < 30


def test_without_the_sets_it_says_what_to_install(synedge: Synedge, monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(libfann, "SETS", tmp_path)
    ended = synedge("bench", "train")
    assert ended.code == 69 and "apt-get install libfann-doc" in ended.err
