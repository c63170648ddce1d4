"""`synedge dag` on logs of real nodes: what holds exits 0, what was touched exits 1 and is named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.dag.records import GAP, Record
from edge.wire.cbor import encode
from edge.wire.suite import PURPOSE_VERTEX, open_sign1
from tests.builders import World, signer
from tests.unit.cli.conftest import NAMES, Synedge, lay_down, replace_log, up_to_last_own_events

SEGMENT = "data/log/00000001.seg"


def flip(node: Path, at: int) -> None:
    data = bytearray((node / SEGMENT).read_bytes())
    data[at] ^= 0x40
    (node / SEGMENT).write_bytes(data)


def test_a_whole_log_holds(node: Path, world: World, synedge: Synedge) -> None:
    ended = synedge("dag", "verify", "--config", node / "synedge.toml", "--json")
    found = ended.json
    assert ended.code == 0 and found["ok"] and found["bad"] == 0 and found["reasons"] == []
    machine = world.machines["pump"]
    assert found["vertices"] == machine.vertex_count() and found["events"] == 12
    assert [(tip["author"], tip["incarnation"], tip["seq"]) for tip in found["frontier"]] == [
        entry[:3] for entry in machine.frontier()
    ]
    assert [tip["node"] for tip in found["frontier"]] == NAMES
    assert "all of it holds" in synedge("dag", "verify", "--config", node / "synedge.toml").out


@pytest.mark.parametrize("inside", ["", "data", "data/log"])
def test_any_directory_around_the_log_will_do(node: Path, synedge: Synedge, inside: str) -> None:
    found = synedge("dag", "verify", "--data", node / inside, "--json").json
    assert found["ok"] and found["log"] == str(node / "data/log")


def test_verifying_writes_nothing(node: Path, synedge: Synedge) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in node.rglob("*") if path.is_file()}
    for command in (["dag", "verify"], ["dag", "heads"], ["dag", "export"], ["events"]):
        assert synedge(*command, "--data", node).code == 0
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in node.rglob("*") if path.is_file()}
    assert after == before


def test_a_flipped_bit_is_damage_and_breaks_what_stood_on_it(node: Path, synedge: Synedge) -> None:
    flip(node, 3000)
    ended = synedge("dag", "verify", "--data", node, "--json")
    found = ended.json
    assert ended.code == 1 and not found["ok"]
    assert "damage" in {reason["reason"] for reason in found["reasons"]} and found["bad"] == len(found["reasons"])
    table = synedge("dag", "verify", "--data", node)
    assert table.code == 1 and f"{found['bad']} bad" in table.out and "not records" in table.out


def test_damage_that_a_start_has_set_aside_is_a_note(node: Path, world: World, synedge: Synedge) -> None:
    flip(node, 3000)
    (damage,) = (
        reason["detail"]
        for reason in synedge("dag", "verify", "--data", node, "--json").json["reasons"]
        if reason["reason"] == "damage"
    )
    start, end = (int(word) for word in damage.replace(":", "").split() if word.isdigit() and word != "1")
    intact = [*world.machines["pump"].log, Record(GAP, encode([1, start, end]))]
    replace_log(intact, node)
    flip(node, 3000)
    found = synedge("dag", "verify", "--data", node, "--json").json
    assert found["quarantined"] == 1 and "damage" not in {reason["reason"] for reason in found["reasons"]}


def test_a_torn_end_is_a_note(node: Path, synedge: Synedge) -> None:
    with open(node / SEGMENT, "r+b") as file:
        used = len(file.read().rstrip(b"\0"))
        file.seek(used + 20)
        file.write(b"half of a record")
    ended = synedge("dag", "verify", "--data", node, "--json")
    assert ended.code == 0 and ended.json["torn_bytes"] > 0


def test_an_own_tail_without_signature_is_a_note(node: Path, world: World, synedge: Synedge) -> None:
    replace_log(up_to_last_own_events(world), node)
    for command in (["--config", node / "synedge.toml"], ["--data", node]):
        ended = synedge("dag", "verify", *command, "--json")
        assert ended.code == 0 and ended.json["unsigned"] == 1
    assert "1 own vertices not signed" in synedge("dag", "verify", "--data", node).out


def test_whose_log_it_is_the_key_tells(node: Path, world: World, synedge: Synedge) -> None:
    replace_log(up_to_last_own_events(world), node)
    (node / "data/keys/node.seed").unlink()
    ended = synedge("dag", "verify", "--data", node, "--json")
    assert ended.code == 1 and [reason["reason"] for reason in ended.json["reasons"]] == ["signature-missing"]


@pytest.mark.parametrize(
    ("prepare", "code", "said"),
    [
        (lambda node: (node / "authority.pub").unlink(), 78, "no authority.pub and roster.cose"),
        (lambda node: (node / "authority.pub").write_bytes(b"x"), 78, "1 bytes"),
        (lambda node: (node / "authority.pub").write_bytes(bytes(2592)), 78, "signature-bad"),
        (lambda node: (node / "data/log").rename(node / "data/gone"), 69, "no log in it"),
    ],
)
def test_what_cannot_be_verified_says_why(
    node: Path, synedge: Synedge, prepare: Callable[[Path], object], code: int, said: str
) -> None:
    prepare(node)
    ended = synedge("dag", "verify", "--data", node)
    assert ended.code == code and said in ended.err and not ended.out


def test_a_log_that_never_began_is_unavailable(node: Path, synedge: Synedge) -> None:
    (node / "data/log").rename(node / "data/gone")
    ended = synedge("dag", "heads", "--config", node / "synedge.toml")
    assert ended.code == 69 and "nothing was recorded" in ended.err
    assert synedge("dag", "heads", "--data", node / "nowhere").code == 64


def test_heads_are_the_frontier(node: Path, synedge: Synedge) -> None:
    heads = synedge("dag", "heads", "--data", node, "--json").json["heads"]
    assert heads == synedge("dag", "verify", "--data", node, "--json").json["frontier"]
    lines = synedge("dag", "heads", "--data", node).out.splitlines()
    assert [line.split()[0] for line in lines] == ["node", *NAMES]


def test_exported_cose_verifies_with_the_authors_key_alone(node: Path, tmp_path: Path, synedge: Synedge) -> None:
    cbor2 = pytest.importorskip("cbor2")
    file = tmp_path / "log.cose"
    told = synedge("dag", "export", "--data", node, "--format", "cose", "--output", file, "--json").json
    count = 0
    with open(file, "rb") as stream:
        while stream.peek(1):
            message = cbor2.load(stream)
            raw = cbor2.dumps(message, canonical=True)
            author = cbor2.loads(message[2])[3]
            assert open_sign1(raw, PURPOSE_VERTEX, signer(NAMES[author]).public_key, (1,)) == message[2]
            count += 1
    assert count == told["vertices"] > 10 and told["left_out"] == 0


def test_exported_json_is_a_line_for_each_vertex(node: Path, world: World, synedge: Synedge) -> None:
    lines = [json.loads(line) for line in synedge("dag", "export", "--data", node).out.splitlines()]
    assert len(lines) == len({line["id"] for line in lines}) == world.machines["pump"].vertex_count()
    assert sum(len(line["events"]) for line in lines) == 12 and all(line["signature"] for line in lines)
    by_id = {line["id"]: line for line in lines}
    assert all(by_id[line["prev"]]["seq"] == line["seq"] - 1 for line in lines if line["prev"])


def test_a_gateway_and_a_device_hold_the_same(world: World, tmp_path: Path, synedge: Synedge) -> None:
    fronts = []
    for name in NAMES:
        directory = lay_down(world.machines[name], tmp_path / f"{name}-dir")
        fronts.append(synedge("dag", "verify", "--data", directory, "--json").json["frontier"])
    assert fronts[0] == fronts[1] == fronts[2]
