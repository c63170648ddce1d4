"""What an agent refuses to start with: it names the file, the key and what is allowed, and ends with the right code."""

import shutil
from pathlib import Path

import pytest

from edge.lab import watch
from edge.wire.suite import AUTHORITY_SUITE, public_from_seed
from tests.integration.agents import ALONE, Field, field

MODEL = """
[[source]]
name = "motion"
kind = "command"
argv = ["cat"]
fields = ["a", "b", "c", "d"]

[[agent]]
name = "proof"
source = "motion"
model = "model.tflite"
decide = { kind = "value" }
"""


@pytest.fixture
def site(tmp_path):
    with field(tmp_path, "one") as made:
        made["one"].configure(ALONE)
        yield made


def test_a_truncated_model(site: Field) -> None:
    node = site["one"]
    whole = (watch.FOLDER / watch.about()["model"]).read_bytes()
    (node.directory / "model.tflite").write_bytes(whole[: len(whole) // 2])
    node.configure(ALONE, MODEL, sensor=False)
    code, said = node.fails()
    assert code == 65
    assert str(node.directory / "model.tflite") in said
    assert "[[agent]] proof" in said
    assert "Traceback" not in said


def test_a_model_that_does_not_fit_its_source(site: Field) -> None:
    node = site["one"]
    shutil.copy(watch.FOLDER / watch.about()["model"], node.directory / "model.tflite")
    node.configure(ALONE, MODEL, sensor=False)
    code, said = node.fails()
    assert code == 78
    assert "agent proof" in said and "4 fields (a, b, c, d) make 4" in said


def test_an_unknown_key(site: Field) -> None:
    node = site["one"]
    config = node.directory / "synedge.toml"
    config.write_text(config.read_text().replace("[log]", "[log]\nmax_md = 64"))
    code, said = node.fails()
    assert code == 78
    assert str(config) in said
    assert "[log] unknown key 'max_md'" in said and "allowed: commit_window_ms, max_mb" in said


def test_a_key_that_others_may_read(site: Field) -> None:
    node = site["one"]
    seed = node.data / "keys" / "node.seed"
    seed.chmod(0o644)
    code, said = node.fails()
    assert code == 77
    assert f"{seed}: mode 0644 is too wide, needed is 0600 or narrower; chmod 0600 {seed}" in said
    seed.chmod(0o600)
    seed.parent.chmod(0o755)
    code, said = node.fails()
    assert code == 77
    assert f"{seed.parent}: mode 0755 is too wide" in said
    seed.parent.chmod(0o700)
    node.up()


def test_a_key_that_is_not_in_the_roster(site: Field) -> None:
    node = site["one"]
    (node.data / "keys" / "node.seed").write_bytes(bytes(range(32)))
    code, said = node.fails()
    assert code == 78
    assert f"not in {node.directory / 'roster.cose'}" in said
    assert "`synedge fleet add one --public-key node.pub`" in said


def test_a_roster_by_somebody_else(site: Field, tmp_path: Path) -> None:
    node = site["one"]
    stranger = public_from_seed(AUTHORITY_SUITE, bytes(32))
    (node.directory / "authority.pub").write_bytes(stranger)
    code, said = node.fails()
    assert code == 78
    assert str(node.directory / "roster.cose") in said and "signature-bad" in said
    (node.directory / "authority.pub").write_bytes(stranger[:100])
    code, said = node.fails()
    assert code == 78
    assert str(node.directory / "authority.pub") in said and "100 bytes" in said


def test_two_agents_on_one_log(site: Field) -> None:
    node = site["one"].up()
    first = node.process
    node.process = None
    code, said = node.fails()
    node.process = first
    assert code == 74
    assert f"{node.data / 'log'}: the log is in use by process {node.pid}" in said
    assert node.now()["pid"] == node.pid, "the first one goes on"
    assert node.down() == 0
