"""A site and its members, offline: versions go up by one, indices are given once, and everything can be typed twice."""

import os
import stat
from pathlib import Path

import pytest

from edge.shell.keys import load_seed
from edge.wire.roster import Roster, node_id, open_roster, site_id
from edge.wire.suite import public_from_seed
from tests.unit.cli.conftest import Ended, Synedge


@pytest.fixture
def site(tmp_path: Path, synedge: Synedge) -> Path:
    directory = tmp_path / "fleet"
    assert synedge("fleet", "init", "--dir", directory, "--site-name", "Mühle").code == 0
    return directory


@pytest.fixture
def device(tmp_path: Path, synedge: Synedge) -> Path:
    directory = tmp_path / "pump"
    assert synedge("init", directory, "--name", "pump").code == 0
    return directory


def roster(site: Path) -> Roster:
    opened = open_roster((site / "roster.cose").read_bytes(), (site / "authority.pub").read_bytes())
    assert isinstance(opened, Roster)
    return opened


def add(synedge: Synedge, site: Path, *argv: object) -> Ended:
    return synedge("fleet", "add", *argv, "--dir", site, "--json")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_site_is_signed_and_empty(site: Path, synedge: Synedge) -> None:
    authority = (site / "authority.pub").read_bytes()
    assert authority == public_from_seed(3, load_seed(site / "keys/authority.seed"))
    assert roster(site).version == 1 and roster(site).members == () and roster(site).site == site_id(authority)
    assert mode(site / "keys/authority.seed") == 0o600
    listed = synedge("fleet", "list", "--dir", site, "--json").json
    assert listed["site"] == site_id(authority).hex() and listed["site_name"] == "Mühle" and listed["members"] == []


def test_a_site_is_made_once(site: Path, synedge: Synedge) -> None:
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    ended = synedge("fleet", "init", "--dir", site, "--json")
    assert ended.code == 0 and ended.json["changed"] is False
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before
    assert synedge("fleet", "init", "--dir", site, "--suite", "ml-dsa-44").code == 78


def test_an_interrupted_first_try_is_completed_with_the_same_key(site: Path, synedge: Synedge) -> None:
    authority = (site / "authority.pub").read_bytes()
    for name in ("authority.pub", "roster.cose", "site.toml"):
        (site / name).unlink()
    assert synedge("fleet", "init", "--dir", site).code == 0
    assert (site / "authority.pub").read_bytes() == authority


def test_a_device_that_made_its_own_key_is_taken_in(site: Path, device: Path, synedge: Synedge) -> None:
    ended = add(synedge, site, "pump", "--public-key", device / "node.pub", "--label", "Pumpe 7")
    assert ended.code == 0 and ended.json["changed"] and ended.json["roster_version"] == 2
    (member,) = roster(site).members
    assert (member.index, member.name, member.label, member.roles) == (1, "pump", "Pumpe 7", ("device",))
    assert member.public_key == (device / "node.pub").read_bytes()
    assert ended.json["member"]["node_id"] == node_id(member.public_key).hex()
    assert "secret" not in ended.json


def test_adding_twice_changes_nothing(site: Path, device: Path, synedge: Synedge) -> None:
    add(synedge, site, "pump", "--public-key", device / "node.pub")
    before = (site / "roster.cose").read_bytes()
    again = add(synedge, site, "pump", "--public-key", device / "node.pub")
    assert again.code == 0 and again.json["changed"] is False
    assert (site / "roster.cose").read_bytes() == before


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["pump", "--public-key", "other.pub"], 78, "member with another key"),
        (["pump", "--public-key", "node.pub", "--role", "gateway"], 78, "cannot be changed yet"),
        (["second", "--public-key", "node.pub"], 78, "belongs to the member pump"),
        (["pump", "--out", "elsewhere"], 78, "nothing was made"),
        (["Pump 2", "--public-key", "other.pub"], 64, "allowed: 1 to 32 of a-z"),
        (["third", "--public-key", "other.pub", "--label", "a\nb"], 64, "control characters"),
        (["third", "--public-key", "none.pub"], 64, "no such file"),
        (["third", "--public-key", "data/keys/node.seed"], 65, "looks like a secret seed"),
        (["third", "--public-key", "synedge.toml"], 65, "a public key has 1312 (ml-dsa-44), 1952 (ml-dsa-65)"),
        (["third", "--public-key", "small.pub"], 78, "its key is of ml-dsa-44; allowed by the roster: ml-dsa-65"),
    ],
)
def test_what_cannot_be_added_leaves_the_roster_alone(
    site: Path, device: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch, argv: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(device)
    (device / "other.pub").write_bytes(public_from_seed(2, b"o" * 32))
    (device / "small.pub").write_bytes(public_from_seed(1, b"o" * 32))
    add(synedge, site, "pump", "--public-key", "node.pub")
    before = (site / "roster.cose").read_bytes()
    ended = add(synedge, site, *argv)
    assert (ended.code, ended.out) == (code, "") and said in ended.error["message"]
    assert (site / "roster.cose").read_bytes() == before and not (device / "elsewhere").exists()


def test_versions_go_up_by_one_and_indices_are_given_once(site: Path, tmp_path: Path, synedge: Synedge) -> None:
    for count, name in enumerate(("a", "b", "c"), 1):
        assert add(synedge, site, name, "--out", tmp_path / name).json["roster_version"] == 1 + count
    assert [(member.index, member.name) for member in roster(site).members] == [(1, "a"), (2, "b"), (3, "c")]
    issued = roster(site).issued_ms
    assert issued > 1_704_067_200_000


def test_a_bundle_is_ready_and_says_that_it_holds_a_secret(site: Path, tmp_path: Path, synedge: Synedge) -> None:
    bundle = tmp_path / "gw"
    ended = synedge("fleet", "add", "gw", "--role", "gateway", "--out", bundle, "--dir", site)
    assert ended.code == 0 and f"SECRET: {bundle} holds the secret key of gw" in ended.out
    seed = load_seed(bundle / "data/keys/node.seed")
    assert roster(site).members[0].public_key == public_from_seed(2, seed)
    assert mode(bundle / "data") == 0o700 and mode(bundle / "data/keys/node.seed") == 0o600
    assert (bundle / "authority.pub").read_bytes() == (site / "authority.pub").read_bytes()
    assert (bundle / "roster.cose").read_bytes() == (site / "roster.cose").read_bytes()
    checked = synedge("config", "check", "-c", bundle / "synedge.toml", "--json")
    assert checked.code == 0 and checked.json["notes"] == []
    assert 'role = "gateway"' in (bundle / "synedge.toml").read_text()


def test_a_bundle_made_twice_keeps_its_key_and_takes_the_newest_roster(
    site: Path, tmp_path: Path, synedge: Synedge
) -> None:
    first = add(synedge, site, "a", "--out", tmp_path / "a").json
    seed = Path(first["secret"]).read_bytes()
    add(synedge, site, "b", "--out", tmp_path / "b")
    assert (tmp_path / "a/roster.cose").read_bytes() != (site / "roster.cose").read_bytes()
    again = add(synedge, site, "a", "--out", tmp_path / "a").json
    assert again["changed"] and again["roster_version"] == 3 and Path(first["secret"]).read_bytes() == seed
    assert (tmp_path / "a/roster.cose").read_bytes() == (site / "roster.cose").read_bytes()
    assert add(synedge, site, "a", "--out", tmp_path / "a").json["changed"] is False


def test_a_bundle_interrupted_before_the_roster_is_completed_with_its_key(
    site: Path, tmp_path: Path, synedge: Synedge
) -> None:
    synedge("init", tmp_path / "a", "--name", "a")
    seed = (tmp_path / "a/data/keys/node.seed").read_bytes()
    assert add(synedge, site, "a", "--out", tmp_path / "a").json["changed"]
    assert (tmp_path / "a/data/keys/node.seed").read_bytes() == seed
    assert roster(site).members[0].public_key == public_from_seed(2, seed)


def test_refresh_copies_the_newest_roster_and_never_an_older_one(site: Path, tmp_path: Path, synedge: Synedge) -> None:
    for name in ("a", "b"):
        add(synedge, site, name, "--out", tmp_path / name)
    old = (tmp_path / "a/roster.cose").read_bytes()
    done = synedge("fleet", "refresh", tmp_path / "a", tmp_path / "b", "--dir", site, "--json").json
    assert [row["changed"] for row in done["directories"]] == [True, False]
    (site / "roster.cose").write_bytes(old)
    ended = synedge("fleet", "refresh", tmp_path / "a", "--dir", site)
    assert ended.code == 78 and "is newer than" in ended.err
    assert synedge("fleet", "refresh", tmp_path, "--dir", site).code == 78


def test_a_device_of_another_site_is_left_alone(site: Path, tmp_path: Path, synedge: Synedge) -> None:
    synedge("init", tmp_path / "solo", "--name", "solo", "--new-site")
    ended = synedge("fleet", "refresh", tmp_path / "solo", "--dir", site)
    assert ended.code == 78 and "another site" in ended.err


@pytest.mark.parametrize("damage", ["roster", "authority", "seed", "mode", "none"])
def test_a_damaged_site_is_refused(site: Path, device: Path, synedge: Synedge, damage: str) -> None:
    if damage == "roster":
        body = bytearray((site / "roster.cose").read_bytes())
        body[40] ^= 1
        (site / "roster.cose").write_bytes(body)
    elif damage == "authority":
        (site / "authority.pub").write_bytes(b"x" * 2592)
    elif damage == "seed":
        (site / "keys/authority.seed").write_bytes(b"short")
    elif damage == "mode":
        (site / "keys/authority.seed").chmod(0o644)
    else:
        site = site / "nowhere"
    ended = add(synedge, site, "pump", "--public-key", device / "node.pub")
    assert ended.code == {"roster": 65, "authority": 65, "seed": 78, "mode": 77, "none": 78}[damage]
    assert not (site / "nowhere").exists()


def test_a_clock_in_1970_makes_no_roster(
    site: Path, device: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 60_000_000_000)
    ended = add(synedge, site, "pump", "--public-key", device / "node.pub")
    assert ended.code == 75 and "clock" in ended.error["message"] and roster(site).version == 1


def test_a_failed_write_leaves_the_old_roster(
    site: Path, device: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "roster.cose")

    before = sorted(path.name for path in site.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        assert add(synedge, site, "pump", "--public-key", device / "node.pub").code == 74
    assert roster(site).version == 1 and sorted(path.name for path in site.iterdir()) == before


def test_the_list_is_a_table(site: Path, tmp_path: Path, synedge: Synedge) -> None:
    add(synedge, site, "a", "--out", tmp_path / "a", "--label", "Halle 1")
    lines = synedge("fleet", "list", "--dir", site).out.splitlines()
    assert lines[0].endswith("(Mühle), roster version 2, 1 members")
    assert lines[1].split() == ["index", "name", "roles", "suite", "node", "id", "label"]
    assert "Halle 1" in lines[2]


def test_a_member_for_whom_the_roster_has_no_room_is_refused(
    site: Path, device: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no broker would pass on is never signed: the site would stay with the roster before."""
    before = (site / "roster.cose").read_bytes()
    monkeypatch.setattr("edge.limits.ROSTER_BYTES_MAX", len(before) + 500)
    ended = add(synedge, site, "pump", "--public-key", device / "node.pub")
    assert ended.code == 78
    assert "the roster is full" in ended.err and "as much as a broker passes on" in ended.err
    assert (site / "roster.cose").read_bytes() == before
