"""Evictions, and the proof of a broken stop, by docs/WIRE.md. Values come back as dicts of plain Python."""

import re
from hashlib import sha256
from typing import Any

from tests.reference.cbor import decode, encode, require
from tests.reference.frames import check_part
from tests.reference.vertex import INDEX_MAX, NUMBER_MAX, decode_header, is_array, is_bytes, is_int, is_name


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


KEY = re.compile(r"[a-z0-9][a-z0-9.-]*(/[a-z0-9][a-z0-9.-]*)*", re.ASCII)


def check_question(value: Any) -> None:
    require(is_array(value, 5, 5), "question")
    scope, epoch, key, version, predecessor = value
    require(is_name(scope) and is_int(epoch, 1, INDEX_MAX) and is_int(version, 1, NUMBER_MAX), "question")
    require(type(key) is str and len(key) <= 64 and KEY.fullmatch(key) is not None, "key")
    require(predecessor is None if version == 1 else is_bytes(predecessor, 32), "predecessor")


def decode_stopped(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 60 * 1024, "too large")
    fields = decode(raw, 3)
    require(is_array(fields, 4, 4) and is_int(fields[0], 2, 2), "four fields")
    _, change, other, side = fields
    check_question(change)
    check_question(other)
    require(change[2] == "committee" and other[2] != "committee" and change[:2] == other[:2], "two questions")
    require(is_array(side, 2, 2), "side")
    raws, signature = side
    require(type(raws) is list and len(raws) >= 1, "headers")
    check_part(signature, 1, 4627, "signature")
    headers: list[dict[str, Any]] = []
    for part in raws:
        check_part(part, 0, 4096, "header")
        header = decode_header(part)
        if headers:
            require(header["prev"] == headers[-1]["id"] and header["author"] == headers[-1]["author"], "chain")
            require(header["seq"] == headers[-1]["seq"] + 1, "chain")
        headers.append(header)
    stop, also = (
        sha256(b"synedge/1/conflict\x00" + encode([headers[0]["site"], *asked])).digest() for asked in (change, other)
    )
    said = [(header, item) for header in headers for item in header["items"]]
    while said and not (said[0][1][:2] == ("vote", stop) and said[0][1][3] == 1 and said[0][1][4] is not None):
        require(said[0][0] is headers[0], "a stop in the first vertex")
        said.pop(0)
    require(bool(said) and said[0][0] is headers[0], "a stop in the first vertex")
    later = [(header, item) for header, item in said if item[:2] == ("vote", also)]
    require(bool(later), "a vote above it")
    header, vote = later[0]
    names = [(one["author"], one["incarnation"], one["seq"]) for one in (headers[0], header)]
    return {"change": change, "other": other, "vote": vote, "names": names, "side": side}
