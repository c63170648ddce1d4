"""The slow twin of checkpoints (docs/WIRE.md §15): the value of the register, and the root over what is sealed."""

import hashlib
from typing import Any

from tests.reference.cbor import decode, encode, require
from tests.reference.vertex import INDEX_MAX, NUMBER_MAX, is_array, is_bytes, is_int, merkle_root


def decode_checkpoint(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 1024, "too large for a value")
    fields = decode(raw, 3)
    require(is_array(fields, 8, 8) and is_int(fields[0], 2, 2), "eight fields of form 2")
    _, base, heads, flat, root, roster, ends, state = fields
    require(is_int(base, 0, NUMBER_MAX) and is_bytes(root, 32) and is_int(roster, 0, INDEX_MAX), "numbers")
    require(is_array(heads, 1, 31), "heads")
    for head in heads:
        require(is_array(head, 4, 4), "head")
        author, incarnation, seq, prefix = head
        require(is_int(author, 0, INDEX_MAX) and is_int(incarnation, 1, INDEX_MAX), "head")
        require(is_int(seq, 1, NUMBER_MAX) and is_bytes(prefix, 16), "head")
    authors = [head[0] for head in heads]
    require(authors == sorted(set(authors)), "order of heads")
    require(type(flat) is list and len(flat) % 2 == 0, "pairs")
    sealed = [(flat[at], flat[at + 1]) for at in range(0, len(flat), 2)]
    require(all(is_bytes(tag, 8) and is_int(version, 1, NUMBER_MAX) for tag, version in sealed), "sealed")
    tags = [tag for tag, _ in sealed]
    require(tags == sorted(set(tags)), "order of tags")
    require(type(ends) is list and len(ends) % 3 == 0, "lines")
    lines = [tuple(ends[at : at + 3]) for at in range(0, len(ends), 3)]
    for author, incarnation, seq in lines:
        require(
            is_int(author, 0, INDEX_MAX) and is_int(incarnation, 1, INDEX_MAX) and is_int(seq, 1, NUMBER_MAX), "line"
        )
    names = [line[:2] for line in lines]
    require(names == sorted(set(names)), "order of lines")
    require(is_bytes(state, 32) or (state is None and not lines), "state")
    return {
        "base": base,
        "heads": [tuple(head) for head in heads],
        "sealed": sealed,
        "root": root,
        "roster": roster,
        "lines": lines,
        "state": state,
    }


def tag_of(scope: str, key: str) -> bytes:
    return hashlib.sha256(b"synedge/1/register\x00" + encode([scope, key])).digest()[:8]


def root_of(site: bytes, scope: str, registers: dict[str, tuple[int, bytes]]) -> bytes:
    """Of (version, final) by key."""
    rows = sorted((tag_of(scope, key), version, final) for key, (version, final) in registers.items())
    if not rows:
        return hashlib.sha256(b"").digest()
    return merkle_root([encode([site, scope, *row]) for row in rows])
