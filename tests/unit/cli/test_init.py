"""`synedge init`: makes what is missing, keeps what is there, and what it makes is right."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from edge.config import load
from edge.shell.keys import load_seed
from edge.wire.roster import Roster, open_roster
from edge.wire.suite import public_from_seed
from tests.unit.cli.conftest import Synedge


def files(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_new_node_has_a_configuration_a_data_directory_and_a_key(tmp_path: Path, synedge: Synedge) -> None:
    made = synedge("init", tmp_path / "pump", "--name", "pump-7", "--label", "Pumpe", "--json").json
    config = load(tmp_path / "pump/synedge.toml", environ={})
    assert (config.node.name, config.node.label, config.node.role) == ("pump-7", "Pumpe", "device")
    assert stat.S_IMODE(config.node.data_dir.stat().st_mode) == 0o700
    assert Path(made["public_key"]).read_bytes() == public_from_seed(2, load_seed(config.node.key_file))
    assert made["changed"] and "fleet add pump-7" in made["next"]


def test_a_second_run_changes_nothing(tmp_path: Path, synedge: Synedge) -> None:
    synedge("init", tmp_path, "--name", "pump", "--role", "gateway", "--suite", "ml-dsa-87")
    before = files(tmp_path)
    for again in (["--name", "pump"], []):
        ended = synedge("init", tmp_path, *again, "--json")
        assert ended.code == 0 and ended.json["changed"] is False and ended.json["name"] == "pump"
    assert synedge("init", tmp_path).out.startswith("unchanged\n")
    assert files(tmp_path) == before


def test_a_file_that_says_otherwise_wins_aloud(tmp_path: Path, synedge: Synedge) -> None:
    synedge("init", tmp_path, "--name", "pump")
    before = files(tmp_path)
    ended = synedge("init", tmp_path, "--name", "valve")
    assert ended.code == 78 and "name = 'pump', not 'valve'" in ended.err
    assert files(tmp_path) == before


def test_force_rewrites_the_file_and_never_the_key(tmp_path: Path, synedge: Synedge) -> None:
    synedge("init", tmp_path, "--name", "pump")
    seed = (tmp_path / "data/keys/node.seed").read_bytes()
    assert synedge("init", tmp_path, "--name", "valve", "--force").code == 0
    assert load(tmp_path / "synedge.toml", environ={}).node.name == "valve"
    assert (tmp_path / "data/keys/node.seed").read_bytes() == seed


def test_an_existing_configuration_gets_its_key_where_it_says(tmp_path: Path, synedge: Synedge) -> None:
    (tmp_path / "synedge.toml").write_text('[node]\nname = "x"\ndata_dir = "elsewhere/state"\n')
    made = synedge("init", tmp_path, "--json").json
    assert made["key"] == str(tmp_path / "elsewhere/state/keys/node.seed") and Path(made["key"]).exists()


def test_a_site_of_its_own_needs_nothing_more(tmp_path: Path, synedge: Synedge) -> None:
    made = synedge("init", tmp_path, "--name", "solo", "--new-site", "--json").json
    roster = open_roster((tmp_path / "roster.cose").read_bytes(), (tmp_path / "authority.pub").read_bytes())
    assert isinstance(roster, Roster) and roster.by_name["solo"].public_key == (tmp_path / "node.pub").read_bytes()
    assert made["next"].startswith("synedge run")
    assert synedge("config", "check", "-c", tmp_path / "synedge.toml", "--json").json["notes"] == []
    assert made["authority_seed"] == str(tmp_path / "fleet/keys/authority.seed")
    assert synedge("init", tmp_path, "--new-site", "--json").json["changed"] is False
    assert f"{made['authority_seed']} makes members" in synedge("init", tmp_path, "--new-site").out


def test_a_wide_key_is_refused_not_replaced(tmp_path: Path, synedge: Synedge) -> None:
    synedge("init", tmp_path, "--name", "pump")
    key = tmp_path / "data/keys/node.seed"
    key.chmod(0o644)
    before = key.read_bytes()
    ended = synedge("init", tmp_path)
    assert ended.code == 77 and f"chmod 0600 {key}" in ended.err and key.read_bytes() == before


def test_names_come_from_the_host_when_none_is_given(
    tmp_path: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Uname:
        nodename = "Raspberry_Pi 4!.local"

    monkeypatch.setattr("os.uname", Uname)
    assert synedge("init", tmp_path, "--json").json["name"] == "raspberry-pi-4"
    assert synedge("init", tmp_path / "b", "--name", "Not a name").code == 64
    assert not (tmp_path / "b").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_system_layout_belongs_to_the_service(
    tmp_path: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "edge.cli.init.SYSTEM",
        {"directory": tmp_path / "etc", "data_dir": f"{tmp_path}/var", "runtime_dir": f"{tmp_path}/run"},
    )
    monkeypatch.setattr("edge.cli.init.SYSTEM_USER", "nobody")
    made = synedge("init", "--system", "--name", "pump", "--new-site", "--json").json
    nobody = pwd.getpwnam("nobody").pw_uid
    config = load(tmp_path / "etc/synedge.toml", environ={})
    assert (config.node.data_dir, config.node.runtime_dir) == (tmp_path / "var", tmp_path / "run")
    for path in (config.node.data_dir, config.node.key_file.parent, config.node.key_file):
        assert path.stat().st_uid == nobody
    assert (tmp_path / "etc/fleet/keys/authority.seed").stat().st_uid == 0
    assert (tmp_path / "etc/synedge.toml").stat().st_uid == 0 and made["key"] == str(tmp_path / "var/keys/node.seed")
    assert synedge("init", "--system", "--json").json["changed"] is False


def test_the_system_layout_needs_the_services_user(synedge: Synedge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.cli.init.SYSTEM_USER", "no-such-user")
    ended = synedge("init", "--system")
    assert ended.code in (64, 77) and "--system" in ended.err


def test_the_system_layout_chooses_its_own_directory(synedge: Synedge, tmp_path: Path) -> None:
    assert synedge("init", tmp_path, "--system").code == 64


def test_a_node_without_a_site_is_told_where_one_comes_from(tmp_path: Path, synedge: Synedge) -> None:
    assert synedge("init", tmp_path, "--name", "solo").code == 0
    ended = synedge("run", "--config", tmp_path / "synedge.toml")
    assert ended.code == 78 and f"[site] authority = {tmp_path / 'authority.pub'}: No such file" in ended.err
    assert "synedge fleet add solo" in ended.err and "synedge init --new-site" in ended.err
