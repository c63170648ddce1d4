"""What the golden vectors are made of: a site, events, bodies and headers from fixed seeds."""

import hashlib
from random import Random
from typing import Any

from edge.ids import Parent
from edge.wire import hlc
from edge.wire.event import GAP_BEFORE, TIME_UNSURE, Event
from edge.wire.items import ADD, APPEND, GROW, REGISTER, Count, Proposal, Put, Question, Remove, Tag, Vote, Witness
from edge.wire.roster import site_id
from edge.wire.suite import (
    Signer,
)
from edge.wire.vertex import Ack, Header, Known, Shed, Tally, encode_body, encode_header
from tests.reference import cbor as slow

WALL_MS = 1_760_000_000_000
Vectors = dict[str, Any]


def seed(name: str) -> bytes:
    return hashlib.sha256(f"synedge vectors: {name}".encode()).digest()


AUTHORITY = Signer(3, seed("authority"))
SITE = site_id(AUTHORITY.public_key)
EVENTS = {
    "smallest": Event("a", "k", 0, (0.0,)),
    "classification": Event(
        "bearing", "class", WALL_MS, ("worn", 0.8125), None, 0.8125, seed("model"), seed("input"), GAP_BEFORE
    ),
    "measurement": Event("boiler-2", "value", WALL_MS + 1, (21.4, -0.0, 65504.0, 1e-300), "°C"),
    "largest texts": Event("z" * 32, "é" * 32, 2**53 - 1, ("", "日" * 21), "u" * 64, 1.0, None, None, TIME_UNSURE),
}


def hexed(value: Any) -> Any:
    """A JSON view of decoded values: byte strings as {"hex": …}."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {key: hexed(element) for key, element in value.items()}
    return [hexed(element) for element in value] if isinstance(value, list | tuple) else value


def edited(raw: bytes, field: int, value: Any) -> bytes:
    """The canonical encoding with one field of the array replaced."""
    tree = slow.decode(raw, 8)
    return slow.encode([*tree[:field], value, *tree[field + 1 :]])


def file(structure: str, accepted: dict[str, Vectors], refused: dict[str, tuple[bytes, str]]) -> Vectors:
    return {
        "structure": structure,
        "accepted": [{"name": name, **vector} for name, vector in accepted.items()],
        "refused": [{"name": name, "bytes": raw.hex(), "reason": why} for name, (raw, why) in refused.items()],
    }


def bodies() -> dict[str, tuple[bytes, Any, bytes]]:
    """name: body, reference, salts"""
    result = {}
    for name, events in (("one event", ["smallest"]), ("all events", list(EVENTS)), ("five", ["smallest"] * 5)):
        salts = Random(name).randbytes(16 * len(events))
        result[name] = (*encode_body([EVENTS[one] for one in events], salts, retention=1), salts)
    return result


def headers() -> dict[str, Header]:
    genesis = encode_header(
        suite=2, site=SITE, epoch=1, author=0, incarnation=1, seq=1, prev=None, parents=(), hlc=0, body=None
    )
    other = encode_header(
        suite=1, site=SITE, epoch=1, author=3, incarnation=2, seq=1, prev=None, parents=(), hlc=7, body=None
    )
    full = encode_header(
        suite=2,
        site=SITE,
        epoch=1,
        author=0,
        incarnation=2,
        seq=2,
        prev=genesis.id,
        parents=(Parent(3, 2, 1, other.id), Parent(2**32 - 1, 1, 2**53 - 1, seed("parent"))),
        hlc=hlc.pack(WALL_MS, 5),
        body=bodies()["all events"][1],
        checkpoint=Known(12, seed("checkpoint")[:16]),
        items=(Ack(3, 2, 1, other.id), Tally(1000, 400, 500, 36, 64), Shed(0, 12)),
    )
    first = Question("site", 1, "model/wake-word", 1, None)
    agreement = encode_header(
        suite=2,
        site=SITE,
        epoch=1,
        author=0,
        incarnation=2,
        seq=3,
        prev=full.id,
        parents=(),
        hlc=hlc.pack(WALL_MS, 6),
        body=None,
        items=(
            Proposal(first, b"one"),
            Proposal(Question("cell-a", 7, "lease/door-1", 2, seed("before")), b""),
            Vote(seed("conflict"), 0, 0, seed("value")),
            Vote(seed("conflict"), 255, 1, None),
        ),
    )
    made = {"genesis": genesis, "another author": other, "every field": full, "proposals and votes": agreement}
    witnesses = encode_header(
        suite=2,
        site=SITE,
        epoch=1,
        author=0,
        incarnation=2,
        seq=4,
        prev=agreement.id,
        parents=(),
        hlc=hlc.pack(WALL_MS, 7),
        body=None,
        items=(Witness(3, 2, 1, other.id), Witness(2**32 - 1, 2**32 - 1, 2**53 - 1, seed("witnessed"))),
    )
    return made | {"operations": operations(agreement, other), "witnesses": witnesses}


def operations(prev: Header, other: Header) -> Header:
    return encode_header(
        suite=2,
        site=SITE,
        epoch=1,
        author=0,
        incarnation=2,
        seq=4,
        prev=prev.id,
        parents=(Parent(3, 2, 1, other.id),),
        hlc=hlc.pack(WALL_MS, 7),
        body=None,
        items=(
            Put(GROW, "seen", b"boiler-2"),
            Put(ADD, "on duty", b""),
            Remove("on duty", (Tag(0, 2, 3, 0), Tag(3, 2, 1, 63))),
            Put(REGISTER, "Schwellwert °C", b"21.5"),
            Count("n" * 64, -(2**53) + 1),
            Count("doors", 2),
            Put(APPEND, "notes", bytes(256)),
        ),
    )


def header_file() -> Vectors:
    every = headers()["every field"].raw
    parent = [3, 2, 1, seed("parent")]
    refused = {
        "format 2": (edited(every, 0, 0x0202), "format-unknown"),
        "suite 4": (edited(every, 0, 0x0104), "suite-unknown"),
        "a site of 7 bytes": (edited(every, 1, SITE[:7]), "header-shape"),
        "incarnation 0": (edited(every, 4, 0), "header-shape"),
        "a checkpoint without its version": (edited(every, 10, seed("checkpoint")[:16]), "header-shape"),
        "checkpoint 0": (edited(every, 10, [0, seed("checkpoint")[:16]]), "header-shape"),
        "a checkpoint of 15 bytes": (edited(every, 10, [12, seed("checkpoint")[:15]]), "header-shape"),
        "three fields of a checkpoint": (edited(every, 10, [12, seed("checkpoint")[:16], 1]), "header-shape"),
        "seq 1 with prev": (edited(every, 5, 1), "seq-prev"),
        "seq 2 without prev": (edited(every, 6, None), "seq-prev"),
        "seq of 2^53": (edited(every, 5, 2**53), "header-shape"),
        "its own parent": (edited(every, 7, [[0, 1, 1, seed("parent")]]), "parent-self"),
        "one parent twice": (edited(every, 7, [parent, parent]), "parent-order"),
        "32 parents": (edited(every, 7, [[9 + i, *parent[1:]] for i in range(32)]), "too-many-parents"),
        "65 events": (edited(every, 9, [seed("root"), 9, 65, 0]), "body-count"),
        "class 3": (edited(every, 9, [seed("root"), 9, 1, 3]), "body-class"),
        "class with bit 4": (edited(every, 9, [seed("root"), 9, 1, 16]), "body-class"),
        "evidence": (edited(every, 11, [[4, 1, 2]]), "item-reserved"),
        "a witness of no vertex": (edited(every, 11, [[3, 1, 2]]), "item-shape"),
        "a witness of seq 0": (edited(every, 11, [[3, 1, 2, 0, seed("id")]]), "item-shape"),
        "an unknown item": (edited(every, 11, [[9, 1]]), "item-unknown"),
        "a vote in ballot 256": (edited(every, 11, [[2, seed("conflict"), 256, 0, None]]), "item-shape"),
        "a vote in a third phase": (edited(every, 11, [[2, seed("conflict"), 0, 2, None]]), "item-shape"),
        "a first version with a predecessor": (
            edited(every, 11, [[7, "site", 1, "model", 1, seed("before"), b""]]),
            "item-shape",
        ),
        "a second version without": (edited(every, 11, [[7, "site", 1, "model", 2, None, b""]]), "item-shape"),
        "a key with an empty part": (edited(every, 11, [[7, "site", 1, "model//a", 1, None, b""]]), "item-shape"),
        "a value of 1025 bytes": (edited(every, 11, [[7, "site", 1, "model", 1, None, bytes(1025)]]), "item-shape"),
        "an op of a seventh kind": (edited(every, 11, [[8, 6, "a", b""]]), "item-shape"),
        "an op without a name": (edited(every, 11, [[8, 0, "", b""]]), "item-shape"),
        "an op with a control character": (edited(every, 11, [[8, 0, "a\u009f", b""]]), "item-shape"),
        "an op with a name of 65 bytes": (edited(every, 11, [[8, 0, "a" * 65, b""]]), "item-shape"),
        "an op with a value of 257 bytes": (edited(every, 11, [[8, 3, "a", bytes(257)]]), "item-shape"),
        "a count of 0": (edited(every, 11, [[8, 4, "a", 0]]), "item-shape"),
        "a count of 2^53": (edited(every, 11, [[8, 4, "a", 2**53]]), "item-shape"),
        "a remove without a tag": (edited(every, 11, [[8, 2, "a"]]), "item-shape"),
        "a remove with one tag twice": (edited(every, 11, [[8, 2, "a", 3, 2, 1, 0, 3, 2, 1, 0]]), "item-shape"),
        "a remove with half a tag": (edited(every, 11, [[8, 2, "a", 3, 2]]), "item-shape"),
        "a tag at position 64": (edited(every, 11, [[8, 2, "a", 3, 2, 1, 64]]), "item-shape"),
        "true for an item type": (edited(every, 11, [[True, 3, 2, 1, seed("parent")]]), "item-shape"),
        "a tally that does not add up": (edited(every, 11, [[5, 10, 4, 3, 2, 2]]), "tally-sum"),
        "eleven fields": (slow.encode(slow.decode(every, 8)[:11]), "header-shape"),
        "the array in a longer head": (b"\x98\x0c" + every[1:], "cbor-not-minimal"),
        "an indefinite array": (b"\x9f" + every[1:] + b"\xff", "cbor-indefinite"),
        "a tagged header": (b"\xd8\x62" + every, "cbor-type"),
        "a byte too many": (every + b"\x00", "cbor-trailing"),
        "a byte too few": (every[:-1], "cbor-truncated"),
        "more than 4096 bytes": (every + bytes(4096), "header-too-large"),
    }
    return file("header", {name: {"bytes": header.raw.hex()} for name, header in headers().items()}, refused)
