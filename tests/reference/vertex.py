"""Headers, events and bodies by docs/WIRE.md §2, §4, §5. Values come back as dicts of plain Python."""

import hashlib
import re
from typing import Any

from tests.reference.cbor import decode, require

INDEX_MAX = 2**32 - 1
NUMBER_MAX = 2**53 - 1


def is_int(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def is_bytes(value: Any, size: int) -> bool:
    return type(value) is bytes and len(value) == size


def is_clean(value: Any, low: int, high: int) -> bool:
    if type(value) is not str or not low <= len(value.encode()) <= high:
        return False
    return not re.search("[\u0000-\u001f\u007f-\u009f]", value)


def is_name(value: Any) -> bool:
    return type(value) is str and re.fullmatch("[a-z0-9][a-z0-9-]{0,31}", value) is not None


def is_array(value: Any, low: int, high: int) -> bool:
    return type(value) is list and low <= len(value) <= high


def vertex_id(header: bytes) -> bytes:
    return hashlib.sha256(b"synedge/1/vertex-id\x00" + header).digest()


def decode_reference(value: Any, what: str) -> tuple[int, int, int, bytes]:
    """[author, incarnation, seq, id] of a parent or an acknowledgement."""
    require(is_array(value, 4, 4), what)
    author, incarnation, seq, id = value
    require(is_int(author, 0, INDEX_MAX) and is_int(incarnation, 1, INDEX_MAX), what)
    require(is_int(seq, 1, NUMBER_MAX) and is_bytes(id, 32), what)
    return author, incarnation, seq, id


def decode_item(value: Any) -> tuple[Any, ...]:
    require(is_array(value, 1, 67) and type(value[0]) is int, "item")
    if value[0] == 1:
        return ("ack", *decode_reference(value[1:], "ack"))
    if value[0] == 3:
        return ("witness", *decode_reference(value[1:], "witness"))
    if value[0] == 2:
        require(len(value) == 5 and is_bytes(value[1], 32) and is_int(value[2], 0, 255), "vote")
        require(is_int(value[3], 0, 1) and (value[4] is None or is_bytes(value[4], 32)), "vote")
        return ("vote", *value[1:])
    if value[0] == 7:
        require(len(value) == 7, "proposal")
        scope, epoch, key, version, predecessor, content = value[1:]
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        require(type(scope) is str and 1 <= len(scope) <= 32 and scope[0] in letters, "scope")
        require(all(letter in letters + "-" for letter in scope), "scope")
        require(type(key) is str and len(key) <= 64, "key")
        for part in key.split("/"):
            require(part != "" and part[0] in letters and all(letter in letters + ".-" for letter in part), "key")
        require(is_int(epoch, 1, INDEX_MAX) and is_int(version, 1, NUMBER_MAX), "proposal")
        require(predecessor is None if version == 1 else is_bytes(predecessor, 32), "predecessor")
        require(type(content) is bytes and len(content) <= 1024, "value")
        return ("proposal", tuple(value[1:6]), content)
    if value[0] == 8:
        return decode_op(value)
    if value[0] == 5:
        require(len(value) == 6 and all(is_int(part, 0, NUMBER_MAX) for part in value), "tally")
        require(value[1] == sum(value[2:]), "the tally does not add up")
        return ("tally", *value[1:])
    require(value[0] == 6 and len(value) == 3, "item type")
    require(is_int(value[1], 0, 2) and is_int(value[2], 0, NUMBER_MAX), "shed")
    return ("shed", *value[1:])


def decode_op(value: list[Any]) -> tuple[Any, ...]:
    require(len(value) >= 4 and is_int(value[1], 0, 5) and is_clean(value[2], 1, 64), "op")
    kind, name = value[1:3]
    if kind == 2:
        tags = [tuple(value[start : start + 4]) for start in range(3, len(value), 4)]
        require(len(tags) <= 16, "tags")
        for tag in tags:
            require(len(tag) == 4 and is_int(tag[0], 0, INDEX_MAX) and is_int(tag[1], 1, INDEX_MAX), "tag")
            require(is_int(tag[2], 1, NUMBER_MAX) and is_int(tag[3], 0, 63), "tag")
        require(tags == sorted(set(tags)), "order of tags")
        return ("remove", name, tuple(tags))
    require(len(value) == 4, "op")
    if kind == 4:
        require(is_int(value[3], -NUMBER_MAX, NUMBER_MAX) and value[3] != 0, "delta")
        return ("count", name, value[3])
    require(type(value[3]) is bytes and len(value[3]) <= 256, "value")
    return ("put", kind, name, value[3])


def decode_header(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 4096, "header too large")
    fields = decode(raw, 3)
    require(is_array(fields, 12, 12), "twelve fields")
    version, site, epoch, author, incarnation, seq, prev, parents, hlc, body, checkpoint, items = fields
    require(is_int(version, 0x0101, 0x0103), "format or suite")
    require(is_bytes(site, 8), "site")
    require(is_int(epoch, 0, INDEX_MAX) and is_int(author, 0, INDEX_MAX), "epoch, author")
    require(is_int(incarnation, 1, INDEX_MAX) and is_int(seq, 1, NUMBER_MAX), "incarnation, seq")
    require(prev is None or is_bytes(prev, 32), "prev")
    require((seq == 1) == (prev is None), "seq 1 exactly without prev")
    require(is_array(parents, 0, 31), "parents")
    references = [decode_reference(parent, "parent") for parent in parents]
    authors = [reference[0] for reference in references]
    require(authors == sorted(set(authors)) and author not in authors, "order of parents")
    require(is_bytes(hlc, 8), "hlc")
    if body is not None:
        require(is_array(body, 4, 4) and is_bytes(body[0], 32), "body")
        require(is_int(body[1], 0, 48 * 1024) and is_int(body[2], 1, 64) and is_int(body[3], 0, 2), "body")
    if checkpoint is not None:
        require(is_array(checkpoint, 2, 2), "checkpoint")
        require(is_int(checkpoint[0], 1, NUMBER_MAX) and is_bytes(checkpoint[1], 16), "checkpoint")
    require(is_array(items, 0, 64), "items")
    return {
        "suite": version - 0x0100,
        "site": site,
        "epoch": epoch,
        "author": author,
        "incarnation": incarnation,
        "seq": seq,
        "prev": prev,
        "parents": references,
        "hlc": int.from_bytes(hlc, "big"),
        "body": body,
        "checkpoint": None if checkpoint is None else tuple(checkpoint),
        "items": [decode_item(item) for item in items],
        "id": vertex_id(raw),
    }


def decode_event(raw: bytes) -> dict[str, Any]:
    require(len(raw) <= 16 * 1024, "event too large")
    fields = decode(raw, 2)
    require(is_array(fields, 9, 9), "nine fields")
    agent, kind, time_ms, values, unit, confidence, model, input, flags = fields
    require(is_name(agent), "agent")
    require(is_clean(kind, 1, 64), "kind")
    require(is_int(time_ms, 0, NUMBER_MAX), "time")
    require(is_array(values, 1, 64), "values")
    require(all(type(value) is float or is_clean(value, 0, 64) for value in values), "value")
    require(unit is None or is_clean(unit, 1, 64), "unit")
    require(confidence is None or (type(confidence) is float and 0 <= confidence <= 1), "confidence")
    require(model is None or is_bytes(model, 32), "model")
    require(input is None or is_bytes(input, 32), "input")
    require(is_int(flags, 0, 3), "flags")
    return {
        "agent": agent,
        "kind": kind,
        "time_ms": time_ms,
        "values": values,
        "unit": unit,
        "confidence": confidence,
        "model": model,
        "input": input,
        "flags": flags,
    }


def merkle_root(leaves: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word for word."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()


def decode_body(body: bytes) -> list[dict[str, Any]]:
    """The events of a body, and with each its salt."""
    require(len(body) <= 48 * 1024, "body too large")
    leaves = decode(body, 1)
    require(is_array(leaves, 1, 64), "leaves")
    require(all(type(leaf) is bytes and len(leaf) > 16 for leaf in leaves), "leaf")
    return [{"salt": leaf[:16], **decode_event(leaf[16:])} for leaf in leaves]


def check_body(header: dict[str, Any], body: bytes) -> list[dict[str, Any]]:
    """The events, once the body is the one the header speaks of."""
    root, length, count, _ = header["body"]
    require(len(body) == length, "length")
    events = decode_body(body)
    require(len(events) == count, "count")
    require(merkle_root(decode(body, 1)) == root, "root")
    return events
