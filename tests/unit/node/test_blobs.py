"""Large bodies between real nodes and real stores: nothing false is kept, and what is lost is asked for again."""

from pathlib import Path
from typing import Any

import pytest

from edge.effects import Effect, SealBlob, StoreBlob
from edge.limits import (
    BLOB_CHUNK_BYTES,
    BLOB_FETCHES_MAX,
    BLOB_FLIGHT_CHUNKS,
    BLOB_SERVE_BYTES_PER_S,
    BLOB_SERVE_MAX,
)
from edge.wire.blob import BlobPart, BlobRequest, decode_blob_frame, encode_blob_part, encode_blob_request
from edge.wire.frame import Channel
from edge.wire.suite import PURPOSE_BLOB, sign1
from tests.blobs import Blobs, bytes_of, cut
from tests.builders import signer


@pytest.fixture
def site(tmp_path: Path) -> Blobs:
    """Three members who have heard of one another."""
    world = Blobs(tmp_path, ["one", "two", "three"])
    world.boot_all()
    world.run(11)
    world.bytes_sent.clear()
    return world


def refused(world: Blobs, name: str, reason: str) -> int:
    return world.machines[name].node.counts().get(f"refused_{reason.replace('-', '_')}", 0)


def test_a_blob_is_fetched_from_whoever_has_it_and_costs_little_more_than_its_bytes(site: Blobs) -> None:
    data = bytes_of(9)
    digest = site.put("three", data)
    site.want("one", digest)
    site.until(lambda: site.keeps("one", digest))
    assert (site.root / "one" / digest.hex()).read_bytes() == data
    assert site.bytes_sent[Channel.BLOB] < 1.02 * len(data)
    assert site.reports("one", "blob-kept") == [{"sha256": digest.hex(), "bytes": len(data), "sources": "three"}]
    assert site.machines["one"].node.blobs.rows() == []
    assert not site.keeps("two", digest), "who did not ask gets nothing"


def test_whoever_fetched_it_serves_it_when_the_first_is_gone(site: Blobs) -> None:
    digest = site.put("one", bytes_of(3))
    site.want("two", digest)
    site.until(lambda: site.keeps("two", digest))
    site.machines["one"].kill()
    site.want("three", digest)
    site.until(lambda: site.keeps("three", digest))


def test_a_blob_nobody_has_is_waited_for(site: Blobs) -> None:
    data = bytes_of(2)
    digest = site.put("one", data)
    site.machines["one"].node.blobs.remove(digest)
    site.run(1)
    site.want("two", digest)
    site.run(5)
    assert [row["state"] for row in site.machines["two"].node.blobs.rows()] == ["asking"]
    assert site.put("three", data) == digest
    site.until(lambda: site.keeps("two", digest), 120)


def test_a_server_that_ends_in_the_middle_is_replaced_and_nothing_is_sent_twice(site: Blobs) -> None:
    data = bytes_of(20)
    digest = site.put("one", data)
    site.put("two", data)
    site.want("three", digest)
    site.until(lambda: site.machines["three"].node.counts()["blob_chunks_taken"] >= 8)
    (row,) = site.machines["three"].node.blobs.rows()
    (first,) = row["from"]
    site.machines[site.names[first]].kill()
    site.until(lambda: site.keeps("three", digest))
    said = str(site.reports("three", "blob-kept")[0]["sources"])
    assert sorted(said.split(", ")) == ["one", "two"]
    assert site.bytes_sent[Channel.BLOB] <= 1.1 * len(data) + BLOB_FLIGHT_CHUNKS * BLOB_CHUNK_BYTES


def test_a_receiver_that_is_killed_goes_on_from_what_its_disk_has(site: Blobs) -> None:
    data = bytes_of(20)
    digest = site.put("one", data)
    site.want("two", digest)
    site.until(lambda: site.machines["two"].node.counts()["blob_chunks_taken"] >= 9)
    site.machines["two"].kill()
    site.network.clear()
    before = site.bytes_sent[Channel.BLOB]
    site.boot("two")
    site.until(lambda: site.keeps("two", digest))
    assert site.machines["two"].node.counts()["blob_chunks_taken"] <= 11
    assert site.bytes_sent[Channel.BLOB] - before < 0.7 * len(data)


def test_damage_to_what_was_held_is_fetched_again(site: Blobs) -> None:
    digest = site.put("one", bytes_of(20))
    site.want("two", digest)
    site.until(lambda: site.machines["two"].node.counts()["blob_chunks_taken"] >= 9)
    site.machines["two"].kill()
    with open(site.root / "two" / f"{digest.hex()}.part", "r+b") as part:
        part.seek(2 * BLOB_CHUNK_BYTES + 5)
        part.write(b"rot")
    site.boot("two")
    site.until(lambda: site.keeps("two", digest))
    assert site.machines["two"].node.counts()["blob_chunks_wrong"] == 0, "nobody is blamed for it"


def test_a_manifest_that_rotted_on_the_disk_is_not_believed(site: Blobs) -> None:
    digest = site.put("one", bytes_of(9))
    site.want("two", digest)
    site.until(lambda: site.machines["two"].node.counts()["blob_chunks_taken"] >= 3)
    site.machines["two"].kill()
    file = site.root / "two" / f"{digest.hex()}.manifest"
    raw = bytearray(file.read_bytes())
    raw[100] ^= 1
    file.write_bytes(raw)
    site.boot("two")
    site.until(lambda: site.keeps("two", digest))
    assert site.machines["two"].node.counts()["blob_chunks_wrong"] == 0


def lying(world: Blobs, liar: str, spoil: Any) -> None:
    """From now on `liar` sends `spoil(part)` instead of what is right."""
    honest, index = world._put, world.names.index(liar)

    def put(sender: int, to: int, channel: Channel, payload: bytes) -> None:
        frame = decode_blob_frame(payload) if channel is Channel.BLOB and sender == index else None
        honest(sender, to, channel, encode_blob_part(spoil(frame)) if isinstance(frame, BlobPart) else payload)

    world._put = put  # type: ignore[method-assign]


def wrong(part: BlobPart) -> BlobPart:
    return part if part.data is None or part.number is None else part._replace(data=part.data[:-1] + b"!")


def test_a_lying_server_is_found_at_its_first_chunk_named_and_left(site: Blobs) -> None:
    data = bytes_of(12)
    digest = site.put("one", data)
    site.put("two", data)
    lying(site, "one", wrong)
    site.want("three", digest)
    site.until(lambda: site.keeps("three", digest))
    counts = site.machines["three"].node.counts()
    assert counts["blob_chunks_wrong"] == 1 == refused(site, "three", "chunk-digest")
    (said,) = site.reports("three", "blob-wrong")
    assert (said["sender"], said["reason"]) == ("one", "chunk-digest")
    assert site.reports("three", "blob-kept")[0]["sources"] == "two"


def test_with_nobody_but_a_liar_nothing_is_kept_and_little_is_spent(site: Blobs) -> None:
    digest = site.put("one", bytes_of(12))
    lying(site, "one", wrong)
    site.want("three", digest)
    site.run(300)
    assert not site.keeps("three", digest)
    assert site.machines["three"].node.counts()["blob_chunks_wrong"] == 1
    assert site.bytes_sent[Channel.BLOB] < 6 * BLOB_CHUNK_BYTES


def serve_forged(world: Blobs, liar: str, data: bytes, claimed: bytes) -> None:
    """`liar` serves these bytes under another digest, by a manifest that it has signed."""
    machine = world.machines[liar]
    manifest, pieces = world.forge(liar, data, claimed), cut(data)

    def read(effect: Any) -> Any:
        if effect.digest != claimed:
            return honest(effect)
        return manifest if effect.number is None else pieces[effect.number]

    assert machine.blobs is not None
    honest = machine.blobs.do
    machine.blobs.do = read  # type: ignore[method-assign]


def test_who_signs_a_false_manifest_costs_the_blob_once_and_is_named(site: Blobs) -> None:
    data = bytes_of(6, seed=1)
    digest = site.put("two", data)
    honest = site.machines["two"]
    honest.is_up = False
    serve_forged(site, "one", bytes_of(6, seed=2), digest)
    site.want("three", digest)
    site.until(lambda: site.reports("three", "blob-manifest-wrong"))
    assert site.reports("three", "blob-manifest-wrong")[0]["signed_by"] == "one"
    assert not site.keeps("three", digest)
    honest.is_up = True
    site.until(lambda: site.keeps("three", digest), 120)
    assert len(site.reports("three", "blob-manifest-wrong")) == 1


@pytest.mark.parametrize(
    "reason", ["manifest-other", "signature-bad", "author-unknown", "cose-shape", "manifest-shape"]
)
def test_a_manifest_that_may_not_be_believed_is_refused_by_name(site: Blobs, reason: str) -> None:
    data = bytes_of(2)
    digest = site.put("two", data)
    good = (site.root / "two" / f"{digest.hex()}.manifest").read_bytes()
    bad = {
        "manifest-other": site.forge("one", data, b"o" * 32),
        "signature-bad": good[:-1] + bytes([good[-1] ^ 1]),
        "author-unknown": site.forge("one", data, digest, author=9),
        "cose-shape": b"\x80",
        "manifest-shape": sign1(signer("one"), PURPOSE_BLOB, b"\x80"),
    }
    lying(site, "two", lambda part: part._replace(data=bad[reason]) if part.number is None and part.data else part)
    site.want("three", digest)
    site.until(lambda: refused(site, "three", reason))
    assert not list((site.root / "three").glob("*.manifest"))
    assert site.reports("three", "blob-wrong")[0]["sender"] == "two"


def test_what_nobody_asked_for_is_refused(site: Blobs) -> None:
    one = site.machines["one"]
    part = BlobPart(site.roster.site, 1, 7, 0, b"x")
    for frame, reason in (
        (part, "reply-unasked"),
        (part._replace(sender=77), "author-unknown"),
        (part._replace(sender=0), "author-unknown"),
        (part._replace(site=b"elsewhre"), "site-other"),
    ):
        before = refused(site, "one", reason)
        one.do(one.node.receive(Channel.BLOB, encode_blob_part(frame), site.now))
        assert refused(site, "one", reason) == before + 1
    one.do(one.node.receive(Channel.BLOB, b"\xff", site.now))
    assert refused(site, "one", "cbor-indefinite") and not list((site.root / "one").iterdir())


def test_a_part_in_the_name_of_another_needs_the_number_of_the_request(site: Blobs) -> None:
    """The sender field proves nothing: without having seen the request nobody can blame the one who was asked."""
    data = bytes_of(4)
    digest = site.put("one", data)
    site.want("three", digest)
    three = site.machines["three"]
    for number in range(100):
        forged = BlobPart(site.roster.site, 0, number, 0, b"lie")
        three.do(three.node.receive(Channel.BLOB, encode_blob_part(forged), site.now))
    site.until(lambda: site.keeps("three", digest))
    assert not site.reports("three", "blob-wrong")


def test_no_more_than_so_many_bytes_are_asked_for_at_once_over_all_blobs(tmp_path: Path) -> None:
    servers = [f"n{number}" for number in range(BLOB_FLIGHT_CHUNKS + 3)]
    site = Blobs(tmp_path, [*servers, "two"])
    site.boot_all()
    site.run(11)
    for name in servers:
        digests = [site.put(name, bytes_of(6, seed)) for seed in (1, 2, 3)]
    outstanding: dict[tuple[int, int], int] = {}
    most = 0
    honest = site._put

    def put(sender: int, to: int, channel: Channel, payload: bytes) -> None:
        nonlocal most
        frame = decode_blob_frame(payload) if channel is Channel.BLOB else None
        if isinstance(frame, BlobRequest):
            outstanding[to, frame.correlation] = len(frame.chunks)
        elif isinstance(frame, BlobPart) and (sender, frame.correlation) in outstanding and frame.number is not None:
            asked = outstanding.pop((sender, frame.correlation))
            outstanding[sender, frame.correlation] = 0 if frame.data is None else asked - 1
        most = max(most, sum(outstanding.values()))
        honest(sender, to, channel, payload)

    site._put = put  # type: ignore[method-assign]
    for digest in digests:
        site.want("two", digest)
    site.until(lambda: site.machines["two"].node.counts()["blob_chunks_taken"] >= 3)
    site.machines["two"].kill()
    site.network.clear()
    outstanding.clear()
    two = site.boot("two", link=False)
    site.run(11)  # it knows all manifests and hears of all servers
    two.do(two.node.linked(True, site.now))
    site.until(lambda: all(site.keeps("two", digest) for digest in digests))
    assert 1 < most <= BLOB_FLIGHT_CHUNKS


def test_several_blobs_from_one_server_come_one_behind_the_other_without_a_pause(site: Blobs) -> None:
    digests = [site.put("one", bytes_of(4, seed)) for seed in range(5)]
    for digest in digests:
        site.want("two", digest)
    site.until(lambda: all(site.keeps("two", digest) for digest in digests), 8)
    assert site.machines["two"].node.counts()["blob_timeouts"] == 0


def test_nothing_is_sealed_before_every_chunk_is_written(site: Blobs) -> None:
    digest = site.put("one", bytes_of(3))
    two = site.machines["two"]
    honest, written, seals = two._one, [], []

    def one(effect: Effect) -> list[Effect]:
        if isinstance(effect, StoreBlob):
            written.append(effect)
            return []
        seals.extend([effect] if isinstance(effect, SealBlob) else [])
        return honest(effect)

    two._one = one  # type: ignore[method-assign]
    site.want("two", digest)
    site.until(lambda: len(written) == 3)
    site.run(1)
    assert not seals
    two._one = honest  # type: ignore[method-assign]
    for effect in reversed(written):
        two.do(honest(effect))
    assert site.keeps("two", digest)


def test_a_server_sends_no_more_than_its_rate_whoever_asks(tmp_path: Path) -> None:
    names = ["server", *(f"n{number}" for number in range(5))]
    site = Blobs(tmp_path, names)
    site.boot_all()
    site.run(11)
    digest = site.put("server", bytes_of(30))
    site.bytes_sent.clear()
    for name in names[1:]:
        site.want(name, digest)
    site.run(2)
    sent = site.machines["server"].node.counts()["blob_served_bytes"]
    assert 0.7 * 2 * BLOB_SERVE_BYTES_PER_S * 30 / 50 < sent < 2.2 * BLOB_SERVE_BYTES_PER_S


def test_too_many_who_ask_at_once_are_told_to_come_later(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(BLOB_SERVE_MAX + 4)]
    site = Blobs(tmp_path, names)
    server = site.boot("n0")
    digest = site.put("n0", bytes_of(3))
    site.network.clear()
    for number in range(1, len(names)):
        frame = BlobRequest(site.roster.site, number, 5, digest, (0, 1))
        server.do(server.node.receive(Channel.BLOB, encode_blob_request(frame), site.now))
    told = [part for part in site.parts(site.network) if part.data is None]
    assert len(told) == server.node.counts()["blob_told_later"] == 3
    site.run(2)
    assert server.node.counts()["blob_parts_served"] == 2 * BLOB_SERVE_MAX


def test_a_leaf_gets_what_another_leaf_has_without_ever_hearing_of_it(tmp_path: Path) -> None:
    site = Blobs(tmp_path, ["gw", "one", "two"], gateways=("gw",), own_only=("one", "two"))
    site.fate = lambda sender, to, channel: int(channel is not Channel.FRONTIER or 0 in (sender, to))
    site.boot_all()
    digest = site.put("one", bytes_of(3))
    site.run(14)
    assert site.machines["two"].node.peers.online(site.now) == [0]
    site.want("two", digest)
    site.until(lambda: site.keeps("two", digest))


def test_only_members_are_served(site: Blobs) -> None:
    digest = site.put("one", bytes_of(1))
    one = site.machines["one"]
    site.network.clear()
    one.do(
        one.node.receive(Channel.BLOB, encode_blob_request(BlobRequest(site.roster.site, 9, 1, digest, ())), site.now)
    )
    assert refused(site, "one", "author-unknown") and not site.network


def test_more_blobs_than_a_node_fetches_are_refused_in_words(site: Blobs) -> None:
    for number in range(BLOB_FETCHES_MAX):
        site.want("one", bytes([number]) * 32)
    with pytest.raises(ValueError, match=f"{BLOB_FETCHES_MAX} blobs are on their way"):
        site.want("one", b"x" * 32)
    site.machines["one"].node.blobs.remove(bytes(32))
    site.want("one", b"x" * 32)


def test_a_disk_without_room_fails_the_fetch_and_says_why(site: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = site.put("one", bytes_of(3))
    store = site.machines["two"].blobs
    monkeypatch.setattr(store, "_write", lambda digest, number, data: "No space left on device")
    site.want("two", digest)
    site.until(lambda: site.reports("two", "blob-failed"))
    (row,) = site.machines["two"].node.blobs.rows()
    assert (row["state"], row["fault"]) == ("failed", "No space left on device")
    monkeypatch.undo()
    site.want("two", digest)
    site.until(lambda: site.keeps("two", digest))


def test_a_blob_for_which_there_is_no_room_fails_before_a_byte_of_it_came(site: Blobs) -> None:
    digest = site.put("one", bytes_of(3))
    store = site.machines["two"].blobs
    assert store is not None
    store.bytes_max = BLOB_CHUNK_BYTES
    site.want("two", digest)
    site.until(lambda: site.reports("two", "blob-failed"))
    assert "no room" in str(site.reports("two", "blob-failed")[0]["reason"])
    assert site.machines["two"].node.counts()["blob_chunks_taken"] == 0
    site.machines["two"].node.blobs.remove(digest)
    assert site.machines["two"].node.blobs.rows() == []
