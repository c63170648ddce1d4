"""Large bodies (docs/WIRE.md §12): the manifest that says what each chunk is, and the frames that carry chunks.

A blob is named by its SHA-256. Its manifest, signed by the member who added it, lists the SHA-256 of every chunk, so
that each can be checked before it is kept; whether the manifest is right shows when the whole has its digest.
"""

from collections.abc import Iterable
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple

from edge import limits
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import is_index, is_number
from edge.wire.refusal import Refusal
from edge.wire.suite import Sign1, split_sign1

HASH_BYTES = 32
_FORMAT = 1
_REQUEST, _PART = 1, 2


class Manifest(NamedTuple):
    """What a blob is made of: chunks of BLOB_CHUNK_BYTES, the last one as long as is left."""

    site: bytes
    digest: bytes
    """SHA-256 of the whole."""
    length: int
    author: int
    """The member who says so."""
    hashes: bytes
    """SHA-256 of each chunk, one behind the other."""

    @property
    def chunks(self) -> int:
        return chunks_of(self.length)

    def has(self, number: int, data: bytes) -> bool:
        """Whether `data` is the chunk of this number."""
        at = number * HASH_BYTES
        return number < self.chunks and sha256(data).digest() == self.hashes[at : at + HASH_BYTES]


class BlobRequest(NamedTuple):
    """`b/`: send these chunks of a blob, or its manifest if none are named."""

    site: bytes
    sender: int
    correlation: int
    digest: bytes
    chunks: tuple[int, ...]


class BlobPart(NamedTuple):
    """`b/`: one chunk, or the manifest where `number` is None. No data: the sender does not have it, or not now."""

    site: bytes
    sender: int
    correlation: int
    number: int | None
    data: bytes | None


def chunks_of(length: int) -> int:
    return -(-length // limits.BLOB_CHUNK_BYTES)


def manifest_of(site: bytes, author: int, chunks: Iterable[bytes]) -> Manifest:
    """The manifest of these bytes, chunk by chunk; ValueError if there are none or more than BLOB_BYTES_MAX."""
    whole, hashes, length = sha256(), bytearray(), 0
    for chunk in chunks:
        whole.update(chunk)
        hashes += sha256(chunk).digest()
        length += len(chunk)
        if length > limits.BLOB_BYTES_MAX:
            break
    if not 1 <= length <= limits.BLOB_BYTES_MAX:
        raise ValueError(f"a blob has 1 to {limits.BLOB_BYTES_MAX} bytes")
    return Manifest(site, whole.digest(), length, author, bytes(hashes))


def encode_manifest(manifest: Manifest) -> bytes:
    """The payload to be signed with PURPOSE_BLOB."""
    return encode([_FORMAT, *manifest])


def decode_manifest(raw: bytes) -> Manifest | Refusal:
    fields = _decode(raw, 1)
    match fields:
        case Refusal():
            return fields
        case [1, bytes() as site, bytes() as digest, length, author, bytes() as hashes] if (
            type(fields[0]) is int and len(site) == 8 and len(digest) == HASH_BYTES and is_index(author)
        ):
            if is_number(length) and 1 <= length <= limits.BLOB_BYTES_MAX:
                if len(hashes) == chunks_of(length) * HASH_BYTES:
                    return Manifest(site, digest, length, author, hashes)
                return Refusal("manifest-chunks", str(len(hashes)))
    return Refusal("manifest-shape")


def open_manifest(raw: bytes) -> tuple[Manifest, Sign1] | Refusal:
    """A signed manifest and its signature, which nobody has checked yet."""
    if len(raw) > limits.MANIFEST_BYTES_MAX:
        return Refusal("manifest-too-large", str(len(raw)))
    signed = split_sign1(raw)
    if isinstance(signed, Refusal):
        return signed
    manifest = decode_manifest(signed.payload)
    return manifest if isinstance(manifest, Refusal) else (manifest, signed)


def encode_blob_request(frame: BlobRequest) -> bytes:
    return encode([_REQUEST, *frame])


def encode_blob_part(frame: BlobPart) -> bytes:
    """The caller has kept the data within BLOB_CHUNK_BYTES."""
    raw = encode([_PART, *frame])
    assert len(raw) <= limits.FRAME_BYTES_MAX
    return raw


def decode_blob_frame(raw: bytes) -> BlobRequest | BlobPart | Refusal:
    if len(raw) > limits.FRAME_BYTES_MAX:
        return Refusal("frame-too-large", str(len(raw)))
    fields = _decode(raw, 2)
    if isinstance(fields, Refusal):
        return fields
    match fields:
        case [kind, bytes() as site, sender, correlation, *rest] if (
            type(kind) is int and len(site) == 8 and is_index(sender) and is_number(correlation)
        ):
            head = (site, sender, correlation)
        case _:
            return Refusal("blob-shape")
    match [kind, *rest]:
        case [1, bytes() as digest, list() as chunks] if len(digest) == HASH_BYTES:
            return _chunks_fault(chunks) or BlobRequest(*head, digest, tuple(chunks))
        case [2, number, (None | bytes()) as data] if number is None or _is_chunk(number):
            if data is not None and len(data) > limits.BLOB_CHUNK_BYTES:
                return Refusal("chunk-too-large", str(len(data)))
            return BlobPart(*head, number, data)
    return Refusal("blob-shape")


def _chunks_fault(chunks: list[Any]) -> Refusal | None:
    if len(chunks) > limits.BLOB_REQUEST_CHUNKS_MAX:
        return Refusal("too-many-chunks", str(len(chunks)))
    if not all(map(_is_chunk, chunks)) or any(low >= high for low, high in pairwise(chunks)):
        return Refusal("blob-shape", "chunks")
    return None


def _is_chunk(value: object) -> bool:
    return type(value) is int and 0 <= value < limits.BLOB_CHUNKS_MAX


def _decode(raw: bytes, depth_max: int) -> Any:
    """The decoded value or a Refusal."""
    try:
        return decode(raw, depth_max=depth_max)
    except Malformed as fault:
        return Refusal(fault.reason, "blob")
