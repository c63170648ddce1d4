"""The SQLite store: the contract, agreement with the oracle, and what happens to its file."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import DiskFullError, StorageError, TryLaterError, UnavailableError
from edge.gateway.store import Store, Vertex
from edge.gateway.store.database import StoreDamagedError
from edge.gateway.store.sqlite import SqliteStore
from tests.unit.gateway.contract import StoreContract, header_of
from tests.unit.gateway.memory import MemoryStore
from tests.unit.gateway.vertices import START_MS, build, chain, event, signature


class TestSqliteStore(StoreContract):
    def open(self, path: Path) -> Store:
        return SqliteStore(path / "gateway.db")


def forest() -> list[Vertex]:
    """Branches with restarts, a fork, vertices without events, and authors that are alike but for their index."""
    first = chain(1, 4)
    vertices = first + chain(1, 3, incarnation=2, after=header_of(first[2][0])) + chain(2, 5, agent="other")
    fork, fork_body = build(2, 1, None, [event("other", START_MS, "forked")])
    bare, _ = build(3, 1, None)
    return [*vertices, (fork.raw, signature(fork), fork_body), (bare.raw, signature(bare), None)]


FOREST = forest()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(st.tuples(st.sampled_from(FOREST), st.booleans(), st.booleans()), max_size=8), max_size=8)
)
def test_any_arrival_agrees_with_the_oracle(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[Vertex, bool, bool]]]
) -> None:
    store = SqliteStore(tmp_path_factory.mktemp("store") / "gateway.db")
    oracle = MemoryStore()
    for batch in batches:
        vertices = [
            (raw, sig if with_sig else None, body if with_body else None)
            for (raw, sig, body), with_sig, with_body in batch
        ]
        assert store.put_many(vertices) == oracle.put_many(vertices)
        assert store.frontier() == oracle.frontier()
    ids = [header_of(raw).id for raw, _, _ in FOREST]
    assert store.has(ids) == oracle.has(ids)
    assert [store.vertex(id_) for id_ in ids] == [oracle.vertex(id_) for id_ in ids]
    for order in ("arrival", "oldest", "newest"):
        assert store.events(order=order) == oracle.events(order=order)  # type: ignore[arg-type]
    assert (store.count(), list(store.ids())) == (oracle.count(), list(oracle.ids()))
    store.close()


def path_in(directory: Path) -> Path:
    return directory / "gateway.db"


def filled(path: Path, vertices: int = 50) -> None:
    store = SqliteStore(path)
    store.put_many(chain(1, vertices, events_each=8))
    store.close()


SYNCED = """
import os, sys
from pathlib import Path
from edge.gateway.store.sqlite import SqliteStore
from tests.unit.gateway.vertices import chain

store = SqliteStore(Path(sys.argv[1]))
for vertex in chain(1, 5):
    os.write(1, b"begin")
    store.put_many([vertex])
    os.write(1, b"done")
"""


def test_a_commit_is_synced_before_it_returns(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-y", "-e", "trace=write,fsync,fdatasync", "-o", str(trace)]
    if not shutil.which("strace") or subprocess.run([*strace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs strace and the right to use it")
    subprocess.run(
        [*strace, sys.executable, "-c", SYNCED, str(path_in(tmp_path))], stdout=subprocess.DEVNULL, check=True
    )
    synced = [False]  # the syncs of opening, then those of each commit
    for line in trace.read_text().splitlines():
        if '"begin"' in line:
            synced.append(False)
        elif re.search(r"f(data)?sync\(\d+<[^>]*gateway\.db-wal>\) += 0", line):
            synced[-1] = True
        elif '"done"' in line:
            assert synced[-1], f"commit {len(synced)} returned before its sync"
    assert len(synced) == 1 + 5


@pytest.mark.parametrize("damage", ["garbage", "header", "middle", "truncated", "text"])
def test_a_damaged_file_is_set_aside_and_a_fresh_one_begun(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = path_in(tmp_path)
    filled(path)
    data = bytearray(path.read_bytes())
    if damage == "garbage":
        data = bytearray(os.urandom(len(data)))
    elif damage == "header":
        data[0:16] = bytes(16)
    elif damage == "middle":
        data[8192 : len(data) - 4096] = os.urandom(len(data) - 4096 - 8192)
    elif damage == "truncated":
        del data[len(data) // 2 :]
    else:
        data = bytearray(b"not a database, but a text of some length\n" * 500)
    path.write_bytes(data)
    store = SqliteStore(path)
    assert store.quarantined == path.with_name("gateway.db.damaged")
    assert f"store-damaged path={path} set_aside={store.quarantined}" in caplog.text
    assert store.quarantined.read_bytes() == data
    assert store.count() == (0, 0)
    assert store.put_many(chain(1, 50, events_each=8)) == (50, 400)  # the mesh fills it again
    store.close()
    again = SqliteStore(path)
    assert again.quarantined is None
    assert again.count() == (50, 400)
    again.close()


def test_at_most_one_damaged_file_takes_up_room(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    for text in (b"first " * 1000, b"second " * 1000):
        path.write_bytes(text)
        SqliteStore(path).close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gateway.db", "gateway.db.damaged"]
    assert (tmp_path / "gateway.db.damaged").read_bytes() == text


def test_damage_that_shows_while_running_is_final_and_the_next_start_begins_afresh(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    filled(path)
    store = SqliteStore(path)
    assert store.quarantined is None
    with open(path, "r+b") as file:  # a bad card, below a running process
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    with store._database.reading() as connection:
        connection.execute("PRAGMA shrink_memory")
    with pytest.raises(StoreDamagedError):
        store.events()
    with pytest.raises(StoreDamagedError):
        store.put_many(chain(2, 1))
    store.close()
    fresh = SqliteStore(path)
    assert fresh.quarantined is not None
    assert fresh.count() == (0, 0)
    fresh.close()


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE photos (name TEXT)")
    other.execute("INSERT INTO photos VALUES ('cat')")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="not one of Synedge"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    filled(path)
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(StorageError, match="format 99"):
        SqliteStore(path)
    assert not path.with_name("gateway.db.damaged").exists()


def test_a_full_store_writes_nothing_half_and_goes_on_later(tmp_path: Path) -> None:
    store = SqliteStore(path_in(tmp_path))
    store.put_many(chain(1, 10, events_each=8))
    with store._database.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    before = (list(store.ids()), store.events(), store.frontier(), store.count())
    with pytest.raises(DiskFullError):
        store.put_many(chain(2, 500, events_each=8))
    assert (list(store.ids()), store.events(), store.frontier(), store.count()) == before
    with store._database.reading() as connection:
        connection.execute("PRAGMA max_page_count = 1073741823")
    assert store.put_many(chain(2, 500, events_each=8)) == (500, 4000)
    store.close()


FULL_DISK = """
import sys
from pathlib import Path
from edge.errors import DiskFullError
from edge.gateway.store.sqlite import SqliteStore
from tests.unit.gateway.vertices import chain

root = Path(sys.argv[1])
ballast = root / "ballast"
ballast.write_bytes(bytes(1 << 20))
store = SqliteStore(root / "gateway.db")
vertices = chain(1, 3000, events_each=8)
held = 0
try:
    while True:
        store.put_many(vertices[held : held + 20])
        held += 20
except DiskFullError:
    pass
assert 0 < held < 3000, held
assert store.count().vertices == held
for _ in range(3):
    try:
        store.put_many(vertices[held : held + 200])
    except DiskFullError:
        continue
    raise SystemExit("wrote on a full disk")
assert store.frontier() == {(1, 1): held}
ballast.unlink()
assert store.put_many(vertices[held : held + 20]).vertices == 20
store.close()
store = SqliteStore(root / "gateway.db")
assert store.quarantined is None
assert store.count().vertices == held + 20 == store.frontier()[1, 1], store.count()
print("went on at", held)
"""


def test_a_really_full_disk(tmp_path: Path) -> None:
    """On a 4 MB file system of its own, in a mount namespace of its own."""
    mount = f"mount -t tmpfs -o size=4m none {tmp_path}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{mount} && exec "$0" "$@"', sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("went on at")


def test_another_writer_means_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.gateway.store.database.BUSY_TIMEOUT_S", 0.05)
    store = SqliteStore(path_in(tmp_path))
    other = sqlite3.connect(path_in(tmp_path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TryLaterError):
        store.put_many(chain(1, 1))
    other.execute("ROLLBACK")
    other.close()
    assert store.put_many(chain(1, 1)).vertices == 1
    store.close()


def test_a_reader_beside_the_gateway(tmp_path: Path) -> None:
    writer = SqliteStore(path_in(tmp_path))
    writer.put_many(chain(1, 3))
    reader = SqliteStore(path_in(tmp_path), read_only=True)
    assert reader.count() == (3, 6)
    writer.put_many(chain(1, 5))
    assert reader.count() == (5, 10)
    assert len(reader.events()) == 10
    with pytest.raises(StorageError):
        reader.put_many(chain(2, 1))
    reader.close()
    writer.close()


def test_a_reader_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no gateway store"):
        SqliteStore(path_in(tmp_path), read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_never_sets_a_damaged_file_aside(tmp_path: Path) -> None:
    path_in(tmp_path).write_bytes(b"junk " * 1000)
    with pytest.raises(StorageError):
        SqliteStore(path_in(tmp_path), read_only=True)
    assert [p.name for p in tmp_path.iterdir()] == ["gateway.db"]


@pytest.mark.parametrize("conditions", [{"node": 1}, {"agent": "a"}, {"kind": "class"}, {}])
@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_queries_by_time_use_an_index_and_never_sort(tmp_path: Path, conditions: dict[str, object], order: str) -> None:
    store = SqliteStore(path_in(tmp_path))
    statements: list[str] = []
    with store._database.reading() as connection:
        connection.set_trace_callback(statements.append)
        store.events(order=order, since_ms=5, **conditions)  # type: ignore[arg-type]
        connection.set_trace_callback(None)
        (query,) = [text for text in statements if text.startswith("SELECT time_ms")]
        plan = " ".join(row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + query))
    assert "USING INDEX events_by_" in plan
    assert "TEMP B-TREE" not in plan
    store.close()


def test_the_log_beside_the_file_stays_small(tmp_path: Path) -> None:
    store = SqliteStore(path_in(tmp_path))
    vertices = chain(1, 4000, events_each=16)
    for at in range(0, 4000, 100):
        store.put_many(vertices[at : at + 100])
    wal = path_in(tmp_path).with_name("gateway.db-wal").stat().st_size
    assert wal < 4 * 2000 * 4096
    assert store.stats()["bytes"] >= wal
    store.close()


BROKEN_DISK = """
import resource, sys
from pathlib import Path
from edge.errors import DiskFullError, StorageError
from edge.gateway.store.sqlite import SqliteStore
from tests.unit.gateway.vertices import chain

store = SqliteStore(Path(sys.argv[1]))
store.put_many(chain(1, 10))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))  # from here on writes fail: EFBIG
try:
    store.put_many(chain(2, 200, events_each=32))
except StorageError as error:
    assert not isinstance(error, DiskFullError), error
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for call in (lambda: store.put_many(chain(1, 11)), store.count, store.events):
    try:
        call()
    except StorageError:
        continue
    raise SystemExit("went on after an I/O error")
store.close()
store = SqliteStore(Path(sys.argv[1]))
assert store.quarantined is None
assert store.count() == (10, 20), store.count()
"""


def test_an_io_error_is_final_until_the_next_start(tmp_path: Path) -> None:
    """What the kernel dropped after a failed sync is not there, whatever later syncs say: only a restart re-reads."""
    done = subprocess.run(
        [sys.executable, "-c", BROKEN_DISK, str(path_in(tmp_path))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
