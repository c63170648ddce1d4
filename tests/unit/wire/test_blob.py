"""Manifests and frames of large bodies: round trips, bounds, and the reasons of refusal."""

from hashlib import sha256
from typing import Any

import pytest

from edge import limits
from edge.wire.blob import (
    BlobPart,
    BlobRequest,
    Manifest,
    chunks_of,
    decode_blob_frame,
    decode_manifest,
    encode_blob_part,
    encode_blob_request,
    encode_manifest,
    manifest_of,
    open_manifest,
)
from edge.wire.cbor import encode
from edge.wire.refusal import Refusal
from edge.wire.suite import PURPOSE_BLOB, Signer, join_sign1, sign1

SITE = b"sitesite"
CHUNK = limits.BLOB_CHUNK_BYTES
MANIFEST = manifest_of(SITE, 2, [b"a" * CHUNK, b"b" * CHUNK, b"c"])


def reason(answer: Any) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.reason


def test_a_manifest_names_every_chunk_and_the_whole() -> None:
    assert MANIFEST.digest == sha256(b"a" * CHUNK + b"b" * CHUNK + b"c").digest()
    assert (MANIFEST.length, MANIFEST.chunks) == (2 * CHUNK + 1, 3)
    assert MANIFEST.has(2, b"c") and MANIFEST.has(0, b"a" * CHUNK)
    for number, data in ((0, b"b" * CHUNK), (2, b"c\0"), (2, b""), (3, b"c"), (3, b"")):
        assert not MANIFEST.has(number, data)
    assert decode_manifest(encode_manifest(MANIFEST)) == MANIFEST


@pytest.mark.parametrize(("length", "chunks"), [(1, 1), (CHUNK, 1), (CHUNK + 1, 2), (limits.BLOB_BYTES_MAX, 1093)])
def test_chunks_of_a_length(length: int, chunks: int) -> None:
    assert chunks_of(length) == chunks <= limits.BLOB_CHUNKS_MAX


def test_no_blob_is_empty_or_larger_than_allowed() -> None:
    for chunks in ([], [bytes(limits.BLOB_BYTES_MAX + 1)]):
        with pytest.raises(ValueError, match="1 to"):
            manifest_of(SITE, 0, chunks)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([2, *MANIFEST], "manifest-shape"),
        ([True, *MANIFEST], "manifest-shape"),
        ([1, *MANIFEST._replace(site=b"short")], "manifest-shape"),
        ([1, *MANIFEST._replace(digest=b"short")], "manifest-shape"),
        ([1, *MANIFEST._replace(length=0, hashes=b"")], "manifest-shape"),
        ([1, *MANIFEST._replace(length=limits.BLOB_BYTES_MAX + 1)], "manifest-shape"),
        ([1, *MANIFEST._replace(length=1.0)], "manifest-shape"),  # type: ignore[arg-type]
        ([1, *MANIFEST._replace(author=2**32)], "manifest-shape"),
        ([1, *MANIFEST._replace(hashes=MANIFEST.hashes[1:])], "manifest-chunks"),
        ([1, *MANIFEST._replace(length=CHUNK)], "manifest-chunks"),
        ([1, *MANIFEST, None], "manifest-shape"),
        ([], "manifest-shape"),
        ([[1]], "cbor-depth"),
    ],
)
def test_manifests_are_refused(fields: list[Any], why: str) -> None:
    assert reason(decode_manifest(encode(fields))) == why


def test_the_largest_manifest_fits_into_a_part() -> None:
    largest = Manifest(SITE, bytes(32), limits.BLOB_BYTES_MAX, 2**32 - 1, bytes(32 * limits.BLOB_CHUNKS_MAX))
    signed = join_sign1(3, encode_manifest(largest), bytes(limits.SIGNATURE_BYTES_MAX))
    assert limits.MANIFEST_BYTES_MAX - 64 < len(signed) <= limits.MANIFEST_BYTES_MAX
    opened = open_manifest(signed)
    assert not isinstance(opened, Refusal) and opened[0] == largest
    assert decode_blob_frame(encode_blob_part(BlobPart(SITE, 2**32 - 1, 2**53 - 1, None, signed)))
    assert reason(open_manifest(signed + bytes(200))) == "manifest-too-large"


def test_a_signed_manifest_is_taken_apart() -> None:
    signed = sign1(Signer(1, bytes(32)), PURPOSE_BLOB, encode_manifest(MANIFEST), deterministic=True)
    opened = open_manifest(signed)
    assert not isinstance(opened, Refusal)
    assert opened[0] == MANIFEST and opened[1].suite == 1 and opened[1].payload == encode_manifest(MANIFEST)
    assert reason(open_manifest(encode_manifest(MANIFEST))) == "cose-shape"
    assert reason(open_manifest(signed[:-1])) == "cbor-truncated"


@pytest.mark.parametrize(
    "frame",
    [
        BlobRequest(SITE, 0, 0, bytes(32), ()),
        BlobRequest(SITE, 7, 2**53 - 1, bytes(32), tuple(range(limits.BLOB_REQUEST_CHUNKS_MAX))),
        BlobRequest(SITE, 7, 1, bytes(32), (limits.BLOB_CHUNKS_MAX - 1,)),
        BlobPart(SITE, 7, 1, 0, bytes(CHUNK)),
        BlobPart(SITE, 2**32 - 1, 2**53 - 1, limits.BLOB_CHUNKS_MAX - 1, None),
        BlobPart(SITE, 7, 1, None, b"manifest"),
    ],
)
def test_frames_survive_the_round_trip(frame: BlobRequest | BlobPart) -> None:
    raw = encode_blob_request(frame) if isinstance(frame, BlobRequest) else encode_blob_part(frame)
    assert len(raw) <= limits.FRAME_BYTES_MAX
    assert decode_blob_frame(raw) == frame


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([1, SITE, 0, 0, bytes(31), []], "blob-shape"),
        ([1, SITE, 0, 0, bytes(32), None], "blob-shape"),
        ([1, SITE, 0, 0, bytes(32), [1, 0]], "blob-shape"),
        ([1, SITE, 0, 0, bytes(32), [0, 0]], "blob-shape"),
        ([1, SITE, 0, 0, bytes(32), [True]], "blob-shape"),
        ([1, SITE, 0, 0, bytes(32), [limits.BLOB_CHUNKS_MAX]], "blob-shape"),
        ([1, SITE, 0, 0, bytes(32), [[1]]], "cbor-depth"),
        ([1, SITE, 0, 0, bytes(32), list(range(17))], "too-many-chunks"),
        ([1, b"site", 0, 0, bytes(32), []], "blob-shape"),
        ([1, SITE, 2**32, 0, bytes(32), []], "blob-shape"),
        ([1, SITE, 0, -1, bytes(32), []], "blob-shape"),
        ([1, SITE, 0, 0, bytes(32), [], 0], "blob-shape"),
        ([True, SITE, 0, 0, bytes(32), []], "blob-shape"),
        ([2, SITE, 0, 0, 0, bytes(CHUNK + 1)], "chunk-too-large"),
        ([2, SITE, 0, 0, False, b""], "blob-shape"),
        ([2, SITE, 0, 0, limits.BLOB_CHUNKS_MAX, b""], "blob-shape"),
        ([2, SITE, 0, 0, 0, "text"], "blob-shape"),
        ([2, SITE, 0, 0, 0], "blob-shape"),
        ([3, SITE, 0, 0, 0, b""], "blob-shape"),
        ([2, SITE, 0, 0, 0, bytes(limits.FRAME_BYTES_MAX)], "frame-too-large"),
        ([], "blob-shape"),
        (7, "blob-shape"),
    ],
)
def test_frames_are_refused(fields: Any, why: str) -> None:
    assert reason(decode_blob_frame(encode(fields))) == why
