"""`synedge doctor`: each thing that is wrong is found by looking at it, and comes with a remedy."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.cli.checks import _lost, _votes
from tests.unit.cli.conftest import Ended, Synedge


@pytest.fixture
def solo(tmp_path: Path, synedge: Synedge) -> Path:
    assert synedge("init", tmp_path / "n", "--name", "solo", "--new-site").code == 0
    return tmp_path / "n/synedge.toml"


def checks(ended: Ended) -> dict[str, Any]:
    return {item["check"]: item for item in ended.json["checks"]}


def edit(file: Path, more: str) -> None:
    file.write_text(file.read_text() + more)


def test_a_fresh_site_is_in_order(solo: Path, synedge: Synedge) -> None:
    ended = synedge("doctor", "-c", solo, "--json")
    found = checks(ended)
    assert ended.code == 0 and ended.json["ok"] and not [item for item in found.values() if item["state"] == "fail"]
    assert {
        "python",
        "extensions",
        "signatures",
        "config",
        "key",
        "site",
        "engines",
        "kernels",
        "broker",
        "mdns",
        "disk",
    } <= set(found)
    assert found["agent"]["found"] == "does not run"
    assert all(bool(item["fix"]) == (item["state"] != "ok") for item in found.values())


def test_the_table_ends_with_the_remedies(solo: Path, synedge: Synedge) -> None:
    (solo.parent / "data/keys/node.seed").chmod(0o644)
    ended = synedge("doctor", "-c", solo)
    assert ended.code == 1 and "chmod 0600" in ended.out and "\nfail key: " in ended.out


def test_what_this_user_may_not_read_is_no_bug_of_ours(
    solo: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modes do not bind root, so the refusal of the system is played."""

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("edge.shell.keys.load_seed", refuse)
    found = checks(synedge("doctor", "-c", solo, "--json"))["key"]
    assert found["state"] == "fail" and "node.seed: may not be read by user" in found["found"]
    assert found["fix"] == "use sudo or the agent's own user"


def wide_key(file: Path) -> None:
    (file.parent / "data/keys/node.seed").chmod(0o640)


def no_key(file: Path) -> None:
    (file.parent / "data/keys/node.seed").unlink()


def no_roster(file: Path) -> None:
    (file.parent / "roster.cose").unlink()


def forged_roster(file: Path) -> None:
    path = file.parent / "roster.cose"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


def truncated_model(file: Path) -> None:
    (file.parent / "m.tflite").write_bytes(b"\x1c\0\0\0TFL3")
    edit(
        file,
        '[[source]]\nname = "s"\nkind = "mqtt"\ntopic = "t"\n[[agent]]\nname = "a"\nsource = "s"\nmodel = "m.tflite"\n',
    )


def dead_broker(file: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    edit(file, f'[mqtt]\nurls = ["mqtt://127.0.0.1:{port}"]\n')


def foreign_interface(file: Path) -> None:
    edit(file, '[mqtt]\ninterfaces = ["192.0.2.1"]\n')


def unknown_key(file: Path) -> None:
    edit(file, "[log]\nmax_md = 1\n")


@pytest.mark.parametrize(
    ("spoil", "check", "said"),
    [
        (wide_key, "key", "mode 0640 is too wide"),
        (no_key, "key", "no key file"),
        (no_roster, "site", "roster.cose is not there"),
        (forged_roster, "site", "refused, signature-bad"),
        (truncated_model, "model of a", "m.tflite"),
        (dead_broker, "broker", "Connection refused"),
        (foreign_interface, "mdns", "192.0.2.1"),
        (unknown_key, "config", "unknown key 'max_md' (did you mean 'max_mb'?)"),
    ],
)
def test_what_is_wrong_is_found(
    solo: Path, synedge: Synedge, spoil: Callable[[Path], None], check: str, said: str
) -> None:
    spoil(solo)
    ended = synedge("doctor", "-c", solo, "--json")
    item = checks(ended)[check]
    assert ended.code == 1 and item["state"] == "fail" and said in item["found"] and item["fix"]


def test_an_open_broker_is_a_warning(solo: Path, synedge: Synedge) -> None:
    edit(solo, '[broker]\nlisten = "0.0.0.0"\n')
    ended = synedge("doctor", "-c", solo, "--json")
    assert ended.code == 0 and checks(ended)["broker.listen"]["state"] == "warn"


def test_a_password_that_everyone_may_read_is_a_warning(solo: Path, synedge: Synedge) -> None:
    (solo.parent / "p").write_text("secret")
    edit(solo, '[mqtt]\nusername = "u"\npassword_file = "p"\n')
    assert checks(synedge("doctor", "-c", solo, "--json"))["mqtt.password_file"]["state"] == "warn"


def test_a_clock_in_1970_is_a_warning(solo: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 86_400_000_000_000)
    item = checks(synedge("doctor", "-c", solo, "--json"))["clock"]
    assert item["state"] == "warn" and item["found"].startswith("1970-01-02") and "time_unsure" in item["fix"]


def test_without_a_configuration_it_still_looks(
    tmp_path: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edge.config.SYSTEM_FILE", tmp_path / "none")
    found = checks(synedge("doctor", "--json"))
    assert found["config"]["state"] == "fail" and found["signatures"]["state"] == "ok" and "engines" in found


def test_a_broken_check_is_a_finding(solo: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError("bug")

    monkeypatch.setattr("os.statvfs", explode)
    assert "itself failed" in checks(synedge("doctor", "-c", solo, "--json"))["disk"]["fix"]


@pytest.mark.parametrize(
    ("votes", "state", "said"),
    [
        ([None, None], None, ""),
        (["connected", "connected"], "ok", "to 2 brokers"),
        (["connected", "subscription not authorised"], "warn", "b1: subscription not authorised"),
    ],
)
def test_whether_votes_have_their_connection_is_said_where_anybody_votes(votes, state, said):
    links = [{"broker": f"b{number}", "discovery": "mdns", "votes": each} for number, each in enumerate(votes)]
    found = list(_votes({"mqtt": {"links": links}}))
    assert [check.state for check in found] == ([state] if state else [])
    assert not found or said in found[0].found
    assert list(_votes({"mqtt": None})) == []


def test_a_member_that_abstains_is_told_why_and_what_to_do():
    (check,) = _lost({"votes_lost": ["site", "cell-a"]})
    assert check.state == "warn" and "votes-lost" in check.found and "site, cell-a" in check.found
    assert "synedge fleet committee" in check.fix
    assert list(_lost({"votes_lost": []})) == list(_lost({})) == []


def test_a_note_of_votes_that_cannot_be_read_is_found(solo: Path, synedge: Synedge) -> None:
    note = solo.parent / "data/keys/votes.cbor"
    assert "votes note" not in checks(synedge("doctor", "-c", solo, "--json"))
    note.write_bytes(b"junk")
    found = checks(synedge("doctor", "-c", solo, "--json"))["votes note"]
    assert found["state"] == "warn" and str(note) in found["found"] and "abstains" in found["found"]
