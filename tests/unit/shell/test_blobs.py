"""The store of large bodies: what is on the disk is what it says, within its budget."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from edge.effects import DropBlob, OpenBlob, Opened, ReadBlob, SealBlob, Sealed, StoreBlob
from edge.limits import BLOB_BYTES_MAX, BLOB_CHUNK_BYTES, BLOBS_MAX
from edge.shell.blobs import BlobKeeper, BlobStore
from edge.wire.blob import Manifest, encode_manifest, manifest_of
from edge.wire.suite import join_sign1
from tests.blobs import bytes_of, cut

OWN, OTHER = 3, 4
MB = 1024 * 1024


class Told:
    """What a store reports."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def __call__(self, level: str, event: str, fields: tuple[tuple[str, object], ...]) -> None:
        self.events.append((event, dict(fields)))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def store(tmp_path: Path, told: Told) -> BlobStore:
    made = BlobStore(tmp_path / "blobs", OWN, 64, told)
    assert made.recover() == []
    return made


def manifest(data: bytes, author: int = OTHER) -> tuple[Manifest, bytes]:
    """Nobody here looks at the signature."""
    made = manifest_of(b"sitesite", author, cut(data))
    return made, join_sign1(1, encode_manifest(made), b"signature")


def fill(store: BlobStore, data: bytes, author: int = OTHER) -> bytes:
    """A whole blob, as if it had been fetched."""
    made, raw = manifest(data, author)
    assert store.do(OpenBlob(1, made.digest, raw)) == Opened(raw)
    for number, chunk in enumerate(cut(data)):
        assert store.do(StoreBlob(2, made.digest, number, chunk)) == ""
    assert store.do(SealBlob(3, made.digest)) == Sealed(True)
    return made.digest


def sparse(store: BlobStore, length: int, since: int, author: int = OTHER) -> bytes:
    """A blob that takes no room on this disk and all of it in the budget."""
    digest = since.to_bytes(32, "big")
    hashes = bytes(32 * -(-length // BLOB_CHUNK_BYTES))
    raw = join_sign1(1, encode_manifest(Manifest(b"sitesite", digest, length, author, hashes)), b"signature")
    for name, size in ((digest.hex(), length), (f"{digest.hex()}.manifest", 0)):
        path = store.directory / name
        path.write_bytes(raw if not size else b"")
        os.truncate(path, size or len(raw))
        os.utime(path, (since, since))
    return digest


def look(store: BlobStore) -> list[str]:
    """What is kept, now that it has been put there behind its back."""
    assert store.recover() == []
    return kept(store)


def kept(store: BlobStore) -> list[str]:
    return [row["sha256"] for row in store.rows() if row["state"] == "kept"]


def test_a_blob_is_whole_under_its_name_and_private(store: BlobStore) -> None:
    data = bytes_of(3)
    digest = fill(store, data)
    path = store.directory / digest.hex()
    assert path.read_bytes() == data and path.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(store.directory)) == [digest.hex(), f"{digest.hex()}.manifest"]
    assert [store.do(ReadBlob(1, digest, number)) for number in range(3)] == cut(data)
    assert store.do(ReadBlob(1, digest, None)) == manifest(data)[1]
    assert store.do(ReadBlob(1, digest, 3)) is None
    assert store.do(OpenBlob(1, digest, None)) == Opened(is_complete=True)


def test_what_is_not_whole_is_not_served(store: BlobStore) -> None:
    data = bytes_of(2)
    made, raw = manifest(data)
    store.do(OpenBlob(1, made.digest, raw))
    store.do(StoreBlob(1, made.digest, 0, cut(data)[0]))
    assert store.do(ReadBlob(1, made.digest, 0)) is None and store.do(ReadBlob(1, made.digest, None)) is None
    assert kept(store) == [] and [row["state"] for row in store.rows()] == ["interrupted"]


def test_a_whole_that_is_not_what_its_name_says_is_not_kept(store: BlobStore) -> None:
    data = bytes_of(2)
    made, _ = manifest(data)
    forged = join_sign1(1, encode_manifest(made._replace(digest=b"d" * 32)), b"signature")
    store.do(OpenBlob(1, b"d" * 32, forged))
    for number, chunk in enumerate(cut(data)):
        store.do(StoreBlob(1, b"d" * 32, number, chunk))
    assert store.do(SealBlob(1, b"d" * 32)) == Sealed(False)
    assert kept(store) == []


def test_what_is_held_is_what_the_manifest_says_however_it_came_there(store: BlobStore, told: Told) -> None:
    data = bytes_of(5)
    made, raw = manifest(data)
    store.do(OpenBlob(1, made.digest, raw))
    for number in (0, 2, 4):
        store.do(StoreBlob(1, made.digest, number, cut(data)[number]))
    with open(store.directory / f"{made.digest.hex()}.part", "r+b") as part:
        part.seek(2 * BLOB_CHUNK_BYTES)
        part.write(b"torn")
    again = BlobStore(store.directory, OWN, 64, told)
    assert again.recover() == [made.digest]
    assert again.do(OpenBlob(1, made.digest, None)) == Opened(raw, (0, 4))


def test_a_wish_is_remembered_before_anything_came(store: BlobStore, told: Told) -> None:
    assert store.do(OpenBlob(1, b"w" * 32, None)) == Opened()
    assert BlobStore(store.directory, OWN, 64, told).recover() == [b"w" * 32]
    store.do(DropBlob(b"w" * 32))
    assert BlobStore(store.directory, OWN, 64, told).recover() == []


def test_damage_is_noticed_before_it_is_sent_and_the_blob_dropped(store: BlobStore, told: Told) -> None:
    data = bytes_of(3)
    digest = fill(store, data)
    with open(store.directory / digest.hex(), "r+b") as file:
        file.seek(BLOB_CHUNK_BYTES + 7)
        file.write(b"\0\1\2\3")
    assert store.do(ReadBlob(1, digest, 0)) == cut(data)[0]
    assert store.do(ReadBlob(1, digest, 1)) is None
    assert store.do(ReadBlob(1, digest, 0)) is None
    assert os.listdir(store.directory) == []
    assert told.events == [("blob-damaged", {"sha256": digest.hex(), "chunk": 1})]


def test_a_manifest_that_is_not_the_one_we_know_is_not_sent(store: BlobStore) -> None:
    digest = fill(store, bytes_of(2))
    path = store.directory / f"{digest.hex()}.manifest"
    raw = bytearray(path.read_bytes())
    raw[60] ^= 1
    path.write_bytes(raw)
    assert store.do(ReadBlob(1, digest, None)) is None
    path.unlink()
    assert store.do(ReadBlob(1, digest, None)) is None


def test_a_cut_or_missing_file_is_fetched_again_after_a_restart(store: BlobStore, told: Told) -> None:
    data = bytes_of(3)
    digest = fill(store, data)
    os.truncate(store.directory / digest.hex(), BLOB_CHUNK_BYTES + 1)
    again = BlobStore(store.directory, OWN, 64, told)
    assert again.recover() == [digest]
    opened = again.do(OpenBlob(1, digest, None))
    assert opened.held == (0,) and not opened.is_complete


def test_a_whole_file_without_a_manifest_needs_only_that(store: BlobStore, told: Told) -> None:
    data = bytes_of(3)
    digest = fill(store, data)
    (store.directory / f"{digest.hex()}.manifest").unlink()
    again = BlobStore(store.directory, OWN, 64, told)
    assert again.recover() == [digest]
    assert again.do(OpenBlob(1, digest, None)) == Opened()
    assert again.do(OpenBlob(1, digest, manifest(data)[1])).held == (0, 1, 2)
    assert again.do(SealBlob(1, digest)) == Sealed(True)


def test_the_oldest_that_was_fetched_makes_room_and_what_was_added_here_stays(store: BlobStore, told: Told) -> None:
    mine = sparse(store, 20 * MB, since=1, author=OWN)
    old = sparse(store, 20 * MB, since=2)
    young = sparse(store, 20 * MB, since=3)
    assert look(store) == [mine.hex(), old.hex(), young.hex()]
    new = fill(store, bytes(5 * MB))
    assert kept(store) == [mine.hex(), young.hex(), new.hex()]
    assert told.events == [("blob-dropped", {"sha256": old.hex(), "bytes": 20 * MB})]
    assert not list(store.directory.glob(f"{old.hex()}*"))


def test_without_room_a_blob_is_refused_before_a_byte_of_it_came(store: BlobStore) -> None:
    sparse(store, 60 * MB, since=1, author=OWN)
    loose = sparse(store, 3 * MB, since=2)
    look(store)
    made, raw = manifest(bytes(5 * MB))
    opened = store.do(OpenBlob(1, made.digest, raw))
    assert opened.fault.startswith("no room")
    assert loose.hex() in kept(store), "nothing is dropped in vain"


def test_a_part_on_its_way_takes_its_whole_room(store: BlobStore) -> None:
    made, raw = manifest(bytes(40 * MB))
    assert not store.do(OpenBlob(1, made.digest, raw)).fault
    other, raw = manifest(bytes(30 * MB))
    assert store.do(OpenBlob(1, other.digest, raw)).fault.startswith("no room")
    store.do(DropBlob(made.digest))
    assert not store.do(OpenBlob(1, other.digest, raw)).fault


def test_so_many_blobs_are_kept_however_small(store: BlobStore) -> None:
    for number in range(BLOBS_MAX):
        sparse(store, 1, since=number + 1)
    look(store)
    fill(store, b"one more")
    assert len(kept(store)) == BLOBS_MAX and (1).to_bytes(32, "big").hex() not in kept(store)


def draft(store: BlobStore, data: bytes) -> str:
    (store.directory / ".add-7").write_bytes(data)
    return ".add-7"


def test_a_file_left_for_the_agent_becomes_a_part_that_lacks_only_a_signature(store: BlobStore) -> None:
    data = bytes_of(3)
    made, raw = manifest(data, OWN)
    taken = store.adopt(draft(store, data), made.digest)
    assert isinstance(taken, Manifest) and taken._replace(site=b"sitesite") == made
    assert store.do(OpenBlob(1, made.digest, raw)) == Opened(raw, (0, 1, 2))
    assert store.do(SealBlob(1, made.digest)) == Sealed(True)
    assert store.rows()[0]["added_here"] is True


def test_adding_what_was_fetched_makes_it_stay(store: BlobStore) -> None:
    data = bytes_of(2)
    digest = fill(store, data)
    assert store.rows()[0]["added_here"] is False
    assert isinstance(store.adopt(draft(store, data), digest), Manifest)
    assert store.do(OpenBlob(1, digest, manifest(data, OWN)[1])).is_complete
    assert store.rows()[0]["added_here"] is True
    assert store.do(ReadBlob(1, digest, None)) == manifest(data, OWN)[1]


def test_only_a_regular_file_that_was_left_here_is_taken_over(store: BlobStore, tmp_path: Path) -> None:
    digest = manifest(b"secret")[0].digest
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (store.directory / ".add-1").symlink_to(secret)
    os.mkfifo(store.directory / ".add-2")
    (store.directory / ".add-3").mkdir()
    for name in (".add-1", ".add-3", ".add-4", "../secret", str(secret), ""):
        assert isinstance(store.adopt(name, digest), str), name
    assert isinstance(store.adopt(".add-2", digest), str)
    assert secret.read_bytes() == b"secret" and kept(store) == []
    assert "SHA-256 is" in str(store.adopt(draft(store, b"other"), digest))
    assert "1 to" in str(store.adopt(draft(store, b""), digest))
    huge = draft(store, b"")
    os.truncate(store.directory / huge, BLOB_BYTES_MAX + 1)
    assert "1 to" in str(store.adopt(huge, digest))
    assert not (store.directory / huge).exists()


def test_what_a_command_left_and_nobody_took_goes_at_the_next_start(store: BlobStore, told: Told) -> None:
    draft(store, b"orphan")
    assert BlobStore(store.directory, OWN, 64, told).recover() == []
    assert os.listdir(store.directory) == []


def test_a_disk_that_refuses_is_an_answer(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made, raw = manifest(bytes_of(1))
    store.do(OpenBlob(1, made.digest, raw))

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    assert store.do(StoreBlob(1, made.digest, 0, b"x")) == "No space left on device"
    monkeypatch.setattr(os, "ftruncate", full)
    assert store.do(SealBlob(1, made.digest)) == Sealed(False, "No space left on device")
    assert "No such file" in store.do(StoreBlob(1, b"?" * 32, 0, b"x"))


def test_the_keeper_answers_in_order_from_its_thread_and_outlives_a_bug(tmp_path: Path, told: Told) -> None:
    answers: list[tuple[int, Any]] = []
    done = threading.Event()
    keeper = BlobKeeper(
        BlobStore(tmp_path / "blobs", OWN, 64, told), lambda ticket, result: answers.append((ticket, result))
    )
    keeper.recover(lambda wanted: done.set())
    assert not (tmp_path / "blobs").exists(), "nothing was ever kept: no directory, no thread"
    keeper.put(OpenBlob(1, b"w" * 32, None))
    keeper.task(lambda: 1 // 0)
    keeper.put(DropBlob(b"w" * 32))
    keeper.put(ReadBlob(2, b"w" * 32, None))
    keeper.task(done.set)
    assert done.wait(10)
    assert answers == [(1, Opened()), (2, None)]
    assert told.events[0][0] == "blobs" and "ZeroDivisionError" in str(told.events[0][1]["reason"])
    keeper.stop(5)
