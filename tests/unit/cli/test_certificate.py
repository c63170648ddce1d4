"""`synedge certificate`, `synedge lease show`: what they say of a value, and how far they say that it has come."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.consensus.certificate import Certificate, decode_certificate
from tests.builders import AUTHORITY, World
from tests.unit.cli.conftest import Synedge, answering
from tests.unit.node.test_sealing import SOON
from tests.unit.node.test_voting import propose, site

KEYS = ("model", "checkpoint")
LEASE = {"scope": "site", "name": "door", "token": 3, "holder": "pump", "left_ms": 4000, "state": "held"}


@pytest.fixture(scope="module")
def sealed() -> World:
    world = site(**SOON)
    propose(world.machines["a"], "model", b"one")
    world.run(30)
    return world


@pytest.fixture
def files(sealed: World, tmp_path: Path) -> dict[str, Path]:
    """The certificates of a register and of the checkpoint that has sealed it, beside the files of the site."""
    finals = sealed.machines["a"].node.voting.finals
    contents = {key: finals["site", key].certificate for key in KEYS}
    contents |= {"roster.cose": sealed.roster_bytes, "authority.pub": AUTHORITY.public_key}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in contents}


@pytest.fixture
def answers() -> dict[str, Any]:
    return {}


@pytest.fixture
def config(tmp_path: Path, answers: dict[str, Any]) -> Iterator[Path]:
    """Of an agent that gives these answers, one a connection."""
    file = tmp_path / "synedge.toml"
    file.write_text('[node]\nname = "pump"\n')
    with answering(tmp_path, lambda asked: answers[asked["op"]]):
        yield file


@pytest.mark.parametrize("state", ["final", "sealed", "overruled"])
def test_an_agent_says_how_far_the_value_has_come(
    files: dict[str, Path], config: Path, answers: dict[str, Any], synedge: Synedge, tmp_path: Path, state: str
) -> None:
    raw = files["model"].read_bytes()
    answers["certificate"] = {"certificate": raw.hex(), "state": state, "recovered": False}
    words = ("certificate", "show", "model", "-c", config)
    assert synedge(*words).out.splitlines()[0] == f"site/model version 1, {state}: one"
    row = synedge(*words, "--json", "--out", tmp_path / "copy").json
    assert (row["state"], row["seals"]) == (state, None) and (tmp_path / "copy").read_bytes() == raw


def test_a_file_proves_that_it_is_final_and_no_more(files: dict[str, Path], synedge: Synedge) -> None:
    words = ("certificate", "verify", files["model"], "--roster", files["roster.cose"])
    lines = synedge(*words).out.splitlines()
    assert lines[0] == "site/model version 1, final: one"
    assert lines[-1] == "a device of the site knows whether a checkpoint has sealed it since: synedge registers"
    row = synedge(*words, "--json").json
    assert (row["state"], row["is_true"], row["seals"]) == ("final", True, None)


def test_that_of_a_checkpoint_says_what_it_seals(files: dict[str, Path], synedge: Synedge) -> None:
    words = ("certificate", "verify", files["checkpoint"], "--roster", files["roster.cose"])
    row = synedge(*words, "--json").json
    assert row["state"] == "final" and (row["seals"]["base"], row["seals"]["registers"]) == (0, 1)
    heads = [f"{head['node']} {head['incarnation']}/{head['seq']}" for head in row["seals"]["heads"]]
    assert len(heads) == 3
    assert f"a checkpoint: it seals 1 registers, and lines up to {', '.join(heads)}" in synedge(*words).out


def test_what_a_file_proves_is_what_the_quorum_has_signed(files: dict[str, Path], synedge: Synedge) -> None:
    certificate = decode_certificate(files["model"].read_bytes())
    assert isinstance(certificate, Certificate)
    spoilt = certificate.raw.replace(b"one", b"two")
    files["model"].write_bytes(spoilt)
    ended = synedge("certificate", "verify", files["model"], "--roster", files["roster.cose"])
    assert ended.code == 65 and "vote-other" in ended.err


@pytest.mark.parametrize("level", ["final", "sealed"])
def test_a_lease_is_as_sure_as_its_register(
    config: Path, answers: dict[str, Any], synedge: Synedge, level: str
) -> None:
    answers["leases"] = [{**LEASE, "level": level}]
    assert synedge("lease", "show", "-c", config).out.splitlines()[1].split() == [
        "door", "held", "pump", "3", "4.0", level,
    ]  # fmt: skip
    assert synedge("lease", "show", "door", "-c", config, "--json").json == {"leases": answers["leases"]}
