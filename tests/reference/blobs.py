"""Large bodies by docs/WIRE.md §12. Values come back as dicts of plain Python."""

import hashlib
from typing import Any

from tests.reference.cbor import decode, encode, require
from tests.reference.vertex import INDEX_MAX, NUMBER_MAX, is_array, is_bytes, is_int

CHUNK = 61440
LENGTH_MAX = 67108864
CHUNKS_MAX = 1093


def decode_manifest(raw: bytes) -> dict[str, Any]:
    fields = decode(raw, 1)
    require(is_array(fields, 6, 6), "six fields")
    form, site, digest, length, author, hashes = fields
    require(is_int(form, 1, 1) and is_bytes(site, 8) and is_bytes(digest, 32), "manifest")
    require(is_int(length, 1, LENGTH_MAX) and is_int(author, 0, INDEX_MAX), "manifest")
    count = 0
    while count * CHUNK < length:
        count += 1
    require(is_bytes(hashes, 32 * count), "a hash for each chunk")
    return {"site": site, "digest": digest, "length": length, "author": author, "hashes": hashes}


def decode_frame(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 64 * 1024, "frame too large")
    fields = decode(raw, 2)
    require(is_array(fields, 6, 6), "six fields")
    kind, site, sender, correlation, what, last = fields
    require(is_bytes(site, 8) and is_int(sender, 0, INDEX_MAX) and is_int(correlation, 0, NUMBER_MAX), "head")
    head = {"site": site, "sender": sender, "correlation": correlation}
    if is_int(kind, 1, 1):
        require(is_bytes(what, 32) and is_array(last, 0, 16), "request")
        require(all(is_int(number, 0, CHUNKS_MAX - 1) for number in last), "chunks")
        require(last == sorted(set(last)), "ascending")
        return {**head, "digest": what, "chunks": last}
    require(is_int(kind, 2, 2), "kind")
    require(what is None or is_int(what, 0, CHUNKS_MAX - 1), "number")
    require(last is None or (type(last) is bytes and len(last) <= CHUNK), "data")
    return {**head, "number": what, "data": last}


def manifest(site: bytes, author: int, blob: bytes) -> bytes:
    """What a member signs for these bytes."""
    hashes = b"".join(hashlib.sha256(blob[at : at + CHUNK]).digest() for at in range(0, len(blob), CHUNK))
    return encode([1, site, hashlib.sha256(blob).digest(), len(blob), author, hashes])
