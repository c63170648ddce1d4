"""What evictions say, by docs/WIRE.md §2. Values come back as dicts of plain Python."""

from typing import Any

from tests.reference.cbor import decode, require
from tests.reference.vertex import INDEX_MAX, NUMBER_MAX, is_array, is_bytes, is_int


def decode_eviction(raw: bytes) -> dict[str, Any]:
    fields = decode(raw, 3)
    require(is_array(fields, 3, 3), "three fields")
    author, why, cut = fields
    require(is_int(author, 0, INDEX_MAX) and is_int(why, 1, 2), "whom and why")
    require(is_array(cut, 0, 4), "at most four lines")
    for line in cut:
        require(is_array(line, 3, 3), "a line")
        incarnation, seq, digest = line
        require(is_int(incarnation, 1, INDEX_MAX) and is_int(seq, 1, NUMBER_MAX) and is_bytes(digest, 32), "a head")
    incarnations = [line[0] for line in cut]
    require(incarnations == sorted(set(incarnations)), "order of lines")
    return {"author": author, "why": why, "cut": [tuple(line) for line in cut]}
