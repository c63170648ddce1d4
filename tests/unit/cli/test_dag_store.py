"""`synedge dag verify` on a gateway: its store is judged as its log is, and a damaged row is named."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.gateway.store.sqlite import SqliteStore
from edge.wire.vertex import Header, decode_header
from tests.builders import World
from tests.unit.cli.conftest import NAMES, Synedge, four_rounds, lay_down

Change = Callable[[sqlite3.Connection], object]


@pytest.fixture(scope="module")
def site() -> World:
    """Two devices and a gateway that has stored and acknowledged what they recorded."""
    return four_rounds(World(NAMES, gateways=("gate",)), linger_s=3.0)


@pytest.fixture
def gateway(site: World, tmp_path: Path) -> Path:
    machine = site.machines["gate"]
    directory = lay_down(machine, tmp_path / "gate", role="gateway")
    store = SqliteStore(directory / "data/store.sqlite")
    store.put_many((raw, machine.signatures[raw], body) for raw, body in machine.archived.items())
    store.close()
    return directory


def verify(synedge: Synedge, gateway: Path) -> tuple[int, Any]:
    ended = synedge("dag", "verify", "--data", gateway / "data", "--json")
    return ended.code, ended.json


def change(gateway: Path, act: Change) -> None:
    connection = sqlite3.connect(gateway / "data/store.sqlite")
    with connection:
        act(connection)
    connection.close()


def key_of(site: World, node: str, seq: int) -> tuple[str, str]:
    """(author/incarnation/seq, id) of a vertex in the store."""
    author = NAMES.index(node)
    headers = [decode_header(raw) for raw in site.machines["gate"].archived]
    header = next(
        found for found in headers if isinstance(found, Header) and (found.author, found.seq) == (author, seq)
    )
    return "/".join(map(str, header.key)), header.id.hex()


def test_a_whole_store_holds(gateway: Path, site: World, synedge: Synedge) -> None:
    code, found = verify(synedge, gateway)
    assert (code, found["ok"], found["bad"]) == (0, True, 0), found["reasons"]
    assert found["store"]["vertices"] == len(site.machines["gate"].archived) > 12
    assert (found["store"]["events"], found["store"]["bad"]) == (12, 0)
    assert found["store"]["signatures"] > 0
    table = synedge("dag", "verify", "--data", gateway).out
    assert f"{found['store']['vertices']} vertices, 12 events, 0 bad" in table


def test_a_medium_that_takes_no_writes_is_read(
    gateway: Path, synedge: Synedge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rights of a directory do not bind root, so only what the system says of it is played; no file may appear."""
    monkeypatch.setattr("edge.gateway.store.database.os.access", lambda path, mode: False)
    before = sorted(gateway.rglob("*"))
    assert verify(synedge, gateway)[0] == 0
    assert sorted(gateway.rglob("*")) == before


def test_a_device_has_no_store(node: Path, synedge: Synedge) -> None:
    assert synedge("dag", "verify", "--data", node, "--json").json["store"] is None


def in_row(author: int, seq: int) -> str:
    return f"WHERE author = {author} AND seq = {seq}"


def flip(column: str, where: str) -> Change:
    """One bit in the middle of a blob."""

    def act(connection: sqlite3.Connection) -> None:
        place, blob = connection.execute(f"SELECT place, {column} FROM vertices {where}").fetchone()
        data = bytearray(blob)
        data[len(data) // 2] ^= 1
        connection.execute(f"UPDATE vertices SET {column} = ? WHERE place = ?", (bytes(data), place))

    return act


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (flip("body", in_row(0, 2)), "body"),
        (flip("header", in_row(0, 2)), None),
        (flip("signature", in_row(0, 2)), "signature-bad"),
        (flip("id", in_row(0, 2)), "id-mismatch"),
        (lambda db: db.execute("UPDATE vertices SET header = x'00' " + in_row(0, 2)), None),
        (lambda db: db.execute("UPDATE vertices SET body = zeroblob(70000) " + in_row(0, 2)), "frame-too-large"),
    ],
)
def test_a_damaged_row_is_named(gateway: Path, site: World, synedge: Synedge, act: Change, reason: str | None) -> None:
    key, id_ = key_of(site, "pump", 2)
    change(gateway, act)
    code, found = verify(synedge, gateway)
    assert code == 1 and not found["ok"] and found["bad"] == found["store"]["bad"] == len(found["reasons"]) > 0
    assert all(row["in"] == "store" for row in found["reasons"])
    first = found["reasons"][0]
    assert reason is None or reason in first["reason"]
    assert first["vertex"] == key or first["id"] == id_
    table = synedge("dag", "verify", "--data", gateway)
    assert table.code == 1 and (key in table.out or id_[:16] in table.out)


def test_a_row_that_is_gone_is_missed_by_its_child_and_by_the_acknowledgement(
    gateway: Path, site: World, synedge: Synedge
) -> None:
    change(gateway, lambda db: db.execute("DELETE FROM vertices WHERE author = 0 AND seq = 2"))
    _, found = verify(synedge, gateway)
    child = next(row for row in found["reasons"] if row["reason"] == "prev-missing")
    assert child["vertex"] == key_of(site, "pump", 3)[0]


def test_what_was_acknowledged_must_be_there(gateway: Path, synedge: Synedge) -> None:
    """The end of a chain is missed by nobody else."""
    change(gateway, lambda db: db.execute("DELETE FROM vertices WHERE author = 1 AND seq >= 2"))
    _, found = verify(synedge, gateway)
    missing = [row for row in found["reasons"] if row["reason"] == "acknowledged-missing"]
    assert missing and all(row["detail"].startswith("1/") for row in missing)


def test_without_a_signature_at_or_above_it_a_vertex_is_bad(gateway: Path, site: World, synedge: Synedge) -> None:
    change(gateway, lambda db: db.execute("UPDATE vertices SET signature = NULL WHERE author = 1 AND seq >= 2"))
    _, found = verify(synedge, gateway)
    bad = [row["vertex"] for row in found["reasons"] if row["reason"] == "signature-missing"]
    assert key_of(site, "valve", 2)[0] in bad and key_of(site, "valve", 1)[0] not in bad


def test_totals_that_the_rows_do_not_bear_out(gateway: Path, synedge: Synedge) -> None:
    change(gateway, lambda db: db.execute("UPDATE totals SET events = events + 1"))
    _, found = verify(synedge, gateway)
    assert [row["reason"] for row in found["reasons"]] == ["count"] and "13 events" in found["reasons"][0]["detail"]


def test_a_file_that_is_no_database_any_more_is_damage_and_the_log_is_judged_all_the_same(
    gateway: Path, synedge: Synedge
) -> None:
    store = gateway / "data/store.sqlite"
    data = bytearray(store.read_bytes())
    data[:16] = bytes(16)
    store.write_bytes(data)
    code, found = verify(synedge, gateway)
    assert code == 1 and found["vertices"] > 12 and found["store"]["vertices"] == 0
    assert [(row["in"], row["reason"]) for row in found["reasons"]] == [("store", "damage")]
    assert "store.sqlite" in found["reasons"][0]["detail"]


def test_pages_that_are_overwritten_are_damage_after_so_many_rows(gateway: Path, synedge: Synedge) -> None:
    store = gateway / "data/store.sqlite"
    data = bytearray(store.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    store.write_bytes(data)
    code, found = verify(synedge, gateway)
    assert code == 1 and "damage" in [row["reason"] for row in found["reasons"]]
