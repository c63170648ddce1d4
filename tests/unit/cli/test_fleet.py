"""A site and its members, offline: versions go up by one, indices are given once, and everything can be typed twice."""

import os
import stat
from pathlib import Path

import pytest

from edge.shell.keys import load_seed
from edge.wire.cbor import decode, encode
from edge.wire.roster import Roster, encode_roster, node_id, open_roster, site_id
from edge.wire.suite import PURPOSE_ROSTER, Signer, public_from_seed, sign1
from edge.wire.voters import Voters
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


@pytest.fixture
def voters(site: Path, tmp_path: Path, synedge: Synedge) -> Path:
    """The site with four validators and one device."""
    for name in ("a", "b", "c", "d"):
        assert add(synedge, site, name, "--out", tmp_path / name, "--role", "device", "--role", "validator").code == 0
    assert add(synedge, site, "e", "--out", tmp_path / "e").code == 0
    return site


def appoint(synedge: Synedge, site: Path, *argv: object) -> Ended:
    return synedge("fleet", "committee", *argv, "--dir", site, "--json")


def test_a_committee_is_signed_with_the_version_that_it_is_from(voters: Path, synedge: Synedge) -> None:
    said = appoint(synedge, voters, "site", "--members", "d,a,b, c").json
    assert said["changed"] and said["roster_version"] == 7
    assert said["committee"] == {
        "scope": "site", "voters": ["a", "b", "c", "d"], "indices": [1, 2, 3, 4], "members": 4, "liars": 1, "quorum": 3,
        "absent": 1, "witnesses": 3, "since": 7,
    }  # fmt: skip
    assert roster(voters).committees == (Voters("site", 1, 7, (1, 2, 3, 4)),)
    shown = synedge("fleet", "committee", "cell-a", "--members", "a,b,c", "--dir", voters).out
    assert "3 of 3 votes decide" not in shown and "2 of 3 votes decide; 1 may be away, 0 may lie" in shown
    assert [one.scope for one in roster(voters).committees] == ["cell-a", "site"]
    assert roster(voters).committee("site") == Voters("site", 1, 7, (1, 2, 3, 4)), "it did not change"
    listed = synedge("fleet", "list", "--dir", voters)
    assert "in site a, b, c, d vote; 3 of them decide" in listed.out


def test_the_committees_of_before_stay_listed_and_one_begins_anew_that_takes_over_nothing(
    voters: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    appoint(synedge, voters, "site", "--members", "a,b")
    appoint(synedge, voters, "site", "--members", "a,b,c")
    assert roster(voters).committees == (Voters("site", 0, 8, (1, 2, 3)),)
    assert roster(voters).ended == (Voters("site", 0, 7, (1, 2)),)
    monkeypatch.setattr("edge.cli.site.COMMITTEES_ENDED_MAX", 1)
    full = appoint(synedge, voters, "site", "--members", "a")
    assert full.code == 78 and "at most 1 committees of before" in full.error["message"]
    appoint(synedge, voters, "site", "--members", "a", "--settled")
    assert roster(voters).committees == (Voters("site", 0, 9, (1,), 1),)
    assert roster(voters).ended == (Voters("site", 0, 8, (1, 2, 3)),), "there is no room for more"


def test_the_same_committee_again_changes_nothing(voters: Path, synedge: Synedge) -> None:
    appoint(synedge, voters, "site", "--members", "a,b,c,d")
    before = (voters / "roster.cose").read_bytes()
    again = appoint(synedge, voters, "site", "--members", "d,c,b,a", "--liars", "1").json
    assert not again["changed"] and again["committee"]["since"] == 7
    assert (voters / "roster.cose").read_bytes() == before
    other = appoint(synedge, voters, "site", "--members", "a,b,c,d", "--liars", "0").json
    assert other["changed"] and other["committee"]["since"] == other["roster_version"] == 8


def test_a_committee_is_taken_away_once(voters: Path, synedge: Synedge) -> None:
    appoint(synedge, voters, "site", "--members", "a")
    gone = appoint(synedge, voters, "site", "--none").json
    assert gone["changed"] and gone["committee"] is None and roster(voters).committees == ()
    assert appoint(synedge, voters, "site", "--none").json["changed"] is False
    back = appoint(synedge, voters, "site", "--members", "a").json["committee"]
    assert back["since"] == 9, "another committee than the first, of the same members"


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["site", "--members", "a,b,c", "--liars", "1"], 64, "1 of 3 members who lie; allowed: 0 to 0"),
        (["site", "--members", "a,b", "--liars", "-1"], 64, "-1 of 2 members who lie; allowed: 0 to 0"),
        (["site", "--members", "a,b,a"], 64, "one vote"),
        (["site", "--members", " , "], 64, "names nobody"),
        (["Site", "--members", "a"], 64, "allowed: 1 to 32 of a-z"),
        (["site", "--none", "--liars", "1"], 64, "--liars needs --members"),
        (["site"], 64, "--members"),
        (["site", "--members", "a,f"], 78, "f: is no member of this site"),
        (["site", "--members", "a,e"], 78, "fleet add e --public-key node.pub --role device --role validator"),
    ],
)
def test_a_committee_that_cannot_be_leaves_the_roster_alone(
    voters: Path, synedge: Synedge, argv: list[str], code: int, said: str
) -> None:
    before = (voters / "roster.cose").read_bytes()
    ended = appoint(synedge, voters, *argv)
    assert (ended.code, ended.out) == (code, "") and said in ended.error["message"]
    assert (voters / "roster.cose").read_bytes() == before


def test_a_roster_has_room_for_so_many_committees(
    voters: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.cli.site.COMMITTEES_MAX", 2)
    assert all(appoint(synedge, voters, scope, "--members", "a").code == 0 for scope in ("x", "y"))
    ended = appoint(synedge, voters, "z", "--members", "a")
    assert ended.code == 78 and "at most 2 committees" in ended.error["message"]
    assert appoint(synedge, voters, "x", "--members", "b").code == 0, "in the place of one that was there"


def test_a_member_may_become_a_validator_and_stays_one(voters: Path, tmp_path: Path, synedge: Synedge) -> None:
    key = ["e", "--public-key", tmp_path / "e/node.pub"]
    said = add(synedge, voters, *key, "--role", "device", "--role", "validator").json
    assert said["changed"] and said["member"]["roles"] == ["device", "validator"] and said["member"]["index"] == 5
    assert appoint(synedge, voters, "site", "--members", "e").code == 0
    ended = add(synedge, voters, *key)
    assert ended.code == 78 and "cannot be changed yet" in ended.error["message"]
    assert add(synedge, voters, *key, "--role", "validator").code == 78, "it was a device besides"


def test_a_roster_of_the_first_format_is_refused_with_what_to_do(voters: Path, synedge: Synedge) -> None:
    held = roster(voters)
    tree = decode(encode_roster(held), depth_max=4)
    assert isinstance(tree, list)
    authority = Signer(3, load_seed(voters / "keys/authority.seed"))
    (voters / "roster.cose").write_bytes(sign1(authority, PURPOSE_ROSTER, encode([1, *tree[1:6]])))
    ended = synedge("fleet", "list", "--dir", voters)
    assert ended.code == 65 and "roster-format: 1; this synedge reads 2" in ended.err


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


def test_a_committee_that_stands_hands_over_and_says_so(synedge: Synedge, voters: Path) -> None:
    words = ("fleet", "committee", "site", "--dir", voters, "--members")
    assert "hand over" not in synedge(*words, "a,b,c,d").out
    assert synedge(*words, "d,c,b,a").code == 0, "the same one again"
    assert "hand over to them by themselves" in synedge(*words, "a,b,c").out
    assert "hand over" not in synedge(*words, "a,b", "--settled").out, "it begins anew"
