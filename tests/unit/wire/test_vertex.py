"""Each field of a header and the reasons for which it is refused."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from edge.ids import Parent, VertexKey
from edge.limits import (
    COUNTER_MAX,
    HEADER_BYTES_MAX,
    INDEX_MAX,
    ITEMS_MAX,
    PARENTS_MAX,
    STATE_NAME_BYTES_MAX,
    STATE_TAGS_MAX,
    STATE_VALUE_BYTES_MAX,
    VALUE_BYTES_MAX,
)
from edge.wire.cbor import decode, encode
from edge.wire.items import ADD, Count, Put, Remove, Tag
from edge.wire.refusal import Refusal
from edge.wire.vertex import Ack, BodyRef, Header, Known, Shed, Tally, decode_header, encode_header

ID = b"d" * 32
FIELDS: dict[str, Any] = {
    "suite": 2,
    "site": b"sitesite",
    "epoch": 3,
    "author": 7,
    "incarnation": 2,
    "seq": 41,
    "prev": b"p" * 32,
    "parents": (Parent(1, 1, 5, ID), Parent(9, 3, 6, ID)),
    "hlc": 0x0199_0000_0000_0001,
    "body": BodyRef(b"r" * 32, 4000, 64, 1),
    "checkpoint": Known(7, b"c" * 16),
    "items": (Ack(4, 1, 17, ID), Tally(10, 4, 3, 2, 1), Shed(0, 12)),
}
HEADER = encode_header(**FIELDS)
TREE: list[Any] = decode(HEADER.raw)


def refused(field: int, value: object) -> str:
    """The reason why the header with one field replaced is refused."""
    answer = decode_header(encode([*TREE[:field], value, *TREE[field + 1 :]]))
    assert isinstance(answer, Refusal), answer
    return answer.reason


def test_a_header_survives_the_round_trip() -> None:
    again = decode_header(HEADER.raw)
    assert again == HEADER
    assert {name: getattr(HEADER, name) for name in FIELDS} == FIELDS
    assert HEADER.key == VertexKey(7, 2, 41)


def test_operations_at_their_bounds_are_taken() -> None:
    tags = tuple(Tag(1, 1, 1, position) for position in range(STATE_TAGS_MAX))
    name = "n" * STATE_NAME_BYTES_MAX
    items = (Put(ADD, name, bytes(STATE_VALUE_BYTES_MAX)), Remove(name, tags), Count(name, -COUNTER_MAX))
    header = encode_header(**FIELDS | {"items": items})
    again = decode_header(header.raw)
    assert isinstance(again, Header)
    assert again.items == items


def test_the_id_is_the_hash_of_domain_and_header() -> None:
    assert HEADER.id == sha256(b"synedge/1/vertex-id\x00" + HEADER.raw).digest()


def test_received_bytes_are_kept() -> None:
    raw = bytes(bytearray(HEADER.raw))
    answer = decode_header(raw)
    assert isinstance(answer, Header)
    assert answer.raw is raw


def test_the_smallest_header() -> None:
    header = encode_header(
        suite=1, site=bytes(8), epoch=0, author=0, incarnation=1, seq=1, prev=None, parents=(), hlc=0, body=None
    )
    assert (header.items, header.checkpoint) == ((), None)
    assert len(header.raw) == 31


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (0, 0x0202, "format-unknown"),
        (0, 2, "format-unknown"),
        (0, 0x0100, "suite-unknown"),
        (0, 0x0104, "suite-unknown"),
        (0, True, "header-shape"),
        (0, -1, "format-unknown"),
        (0, None, "header-shape"),
        (1, b"sitesit", "header-shape"),
        (1, "sitesite", "header-shape"),
        (2, -1, "header-shape"),
        (2, INDEX_MAX + 1, "header-shape"),
        (2, True, "header-shape"),
        (3, INDEX_MAX + 1, "header-shape"),
        (4, 0, "header-shape"),
        (5, 0, "header-shape"),
        (5, COUNTER_MAX + 1, "header-shape"),
        (5, 41.0, "header-shape"),
        (5, 1, "seq-prev"),
        (6, None, "seq-prev"),
        (6, b"p" * 31, "header-shape"),
        (7, None, "header-shape"),
        (7, [[1, 1, 5]], "header-shape"),
        (7, [[1, 0, 5, ID]], "header-shape"),
        (7, [[1, 1, 0, ID]], "header-shape"),
        (7, [[1, 1, 5, ID[1:]]], "header-shape"),
        (7, [[7, 1, 5, ID]], "parent-self"),
        (7, [[9, 1, 5, ID], [1, 1, 5, ID]], "parent-order"),
        (7, [[9, 1, 5, ID], [9, 2, 5, ID]], "parent-order"),
        (7, [[100 + i, 1, 5, ID] for i in range(PARENTS_MAX + 1)], "too-many-parents"),
        (8, b"h" * 7, "header-shape"),
        (8, 0, "header-shape"),
        (9, [], "header-shape"),
        (9, [b"r" * 31, 1, 1, 0], "header-shape"),
        (9, [b"r" * 32, 1, 0, 0], "body-count"),
        (9, [b"r" * 32, 1, 65, 0], "body-count"),
        (9, [b"r" * 32, 49153, 1, 0], "body-too-large"),
        (9, [b"r" * 32, 1, 1, 3], "body-class"),
        (9, [b"r" * 32, 1, 1, 16], "body-class"),
        (9, [b"r" * 32, 1, 1, -1], "header-shape"),
        (10, b"c" * 16, "header-shape"),
        (10, [], "header-shape"),
        (10, [0, b"c" * 16], "header-shape"),
        (10, [True, b"c" * 16], "header-shape"),
        (10, [COUNTER_MAX + 1, b"c" * 16], "header-shape"),
        (10, [7, b"c" * 15], "header-shape"),
        (10, [7, b"c" * 16, 1], "header-shape"),
        (11, None, "header-shape"),
        (11, [[6, 0, 1]] * (ITEMS_MAX + 1), "too-many-items"),
        (11, [[0]], "item-unknown"),
        (11, [[9]], "item-unknown"),
        (11, [[-1]], "item-unknown"),
        (11, [[2]], "item-shape"),
        (11, [[2, ID, 256, 0, ID]], "item-shape"),
        (11, [[2, ID, 0, 2, ID]], "item-shape"),
        (11, [[2, ID, 0, True, ID]], "item-shape"),
        (11, [[2, ID, 0, 1, b""]], "item-shape"),
        (11, [[7, "site", 0, "model", 1, None, b""]], "item-shape"),
        (11, [[7, "Site", 1, "model", 1, None, b""]], "item-shape"),
        (11, [[7, "site", 1, "model/", 1, None, b""]], "item-shape"),
        (11, [[7, "site", 1, "m" * 65, 1, None, b""]], "item-shape"),
        (11, [[7, "site", 1, "model", 0, None, b""]], "item-shape"),
        (11, [[7, "site", 1, "model", 1, ID, b""]], "item-shape"),
        (11, [[7, "site", 1, "model", 2, None, b""]], "item-shape"),
        (11, [[7, "site", 1, "model", 1, None, bytes(VALUE_BYTES_MAX + 1)]], "item-shape"),
        (11, [[7, "site", 1, "model", 1, None, "text"]], "item-shape"),
        (11, [[8]], "item-shape"),
        (11, [[8, 6, "a", b""]], "item-shape"),
        (11, [[8, True, "a", b""]], "item-shape"),
        (11, [[8, 0, "", b""]], "item-shape"),
        (11, [[8, 0, "é" * 33, b""]], "item-shape"),
        (11, [[8, 0, "a\u0085", b""]], "item-shape"),
        (11, [[8, 3, "a", "text"]], "item-shape"),
        (11, [[8, 5, "a", bytes(STATE_VALUE_BYTES_MAX + 1)]], "item-shape"),
        (11, [[8, 1, "a", b"", b""]], "item-shape"),
        (11, [[8, 4, "a", 0]], "item-shape"),
        (11, [[8, 4, "a", COUNTER_MAX + 1]], "item-shape"),
        (11, [[8, 4, "a", -COUNTER_MAX - 1]], "item-shape"),
        (11, [[8, 4, "a", True]], "item-shape"),
        (11, [[8, 2, "a"]], "item-shape"),
        (11, [[8, 2, "a", 1, 1, 1]], "item-shape"),
        (11, [[8, 2, "a", 1, 0, 1, 0]], "item-shape"),
        (11, [[8, 2, "a", 1, 1, 0, 0]], "item-shape"),
        (11, [[8, 2, "a", 1, 1, 1, ITEMS_MAX]], "item-shape"),
        (11, [[8, 2, "a", *(1, 1, 1, 0), *(1, 1, 1, 0)]], "item-shape"),
        (11, [[8, 2, "a", *(1, 1, 2, 0), *(1, 1, 1, 0)]], "item-shape"),
        (11, [[8, 2, "a", *(part for seq in range(STATE_TAGS_MAX + 1) for part in (1, 1, seq + 1, 0))]], "item-shape"),
        (11, [[3, 1, 2]], "item-shape"),
        (11, [[3, 1, 0, 1, ID]], "item-shape"),
        (11, [[4, b""]], "item-reserved"),
        (11, [[]], "item-shape"),
        (11, [5], "item-shape"),
        (11, [["ack"]], "item-shape"),
        (11, [[True, 4, 1, 17, ID]], "item-shape"),
        (11, [[1, 4, 1, 17]], "item-shape"),
        (11, [[1, 4, 0, 17, ID]], "item-shape"),
        (11, [[1, 4, 1, 0, ID]], "item-shape"),
        (11, [[1, 4, 1, 17, ID + b"x"]], "item-shape"),
        (11, [[5, 10, 4, 3, 2, 2]], "tally-sum"),
        (11, [[5, 10, 4, 3, 3]], "item-shape"),
        (11, [[5, True, 1, 0, 0, 0]], "item-shape"),
        (11, [[5, -1, -1, 0, 0, 0]], "item-shape"),
        (11, [[6, 3, 1]], "item-shape"),
        (11, [[6, False, 1]], "item-shape"),
        (11, [[6, 0, COUNTER_MAX + 1]], "item-shape"),
        (11, [[6, 0, [[1]]]], "cbor-depth"),
    ],
)
def test_each_field_is_refused_for_its_reason(field: int, value: object, reason: str) -> None:
    assert refused(field, value) == reason


@pytest.mark.parametrize("tree", [None, 5, [], TREE[:11], [*TREE, None], {}, "header"])
def test_what_is_no_array_of_twelve_is_refused(tree: object) -> None:
    answer = decode_header(encode(tree))
    assert isinstance(answer, Refusal)
    assert answer.reason in ("header-shape", "cbor-type")


def test_all_parents_the_decoder_takes() -> None:
    parents = tuple(Parent(100 + i, 1, 5, ID) for i in range(PARENTS_MAX))
    assert encode_header(**FIELDS | {"parents": parents}).parents == parents


def test_size_is_judged_before_anything_else() -> None:
    assert decode_header(b"\xff" * (HEADER_BYTES_MAX + 1)).reason == "header-too-large"  # type: ignore[union-attr]
    assert decode_header(b"\xff" * HEADER_BYTES_MAX).reason == "cbor-indefinite"  # type: ignore[union-attr]
    acks = tuple(Ack(2**31, 1, COUNTER_MAX, ID) for _ in range(ITEMS_MAX))
    parents = tuple(Parent(2**31 + i, 1, COUNTER_MAX, ID) for i in range(PARENTS_MAX))
    with pytest.raises(ValueError, match="header-too-large"):
        encode_header(**FIELDS | {"items": acks, "parents": parents})


def test_an_own_header_nobody_would_take_is_our_own_error() -> None:
    for wrong in (
        {"prev": None},
        {"suite": 9},
        {"site": b""},
        {"parents": (Parent(7, 1, 1, ID),)},
        {"body": replace(FIELDS["body"], retention=3)},
        {"items": (Tally(1, 0, 0, 0, 0),)},
    ):
        with pytest.raises(ValueError, match="own header"):
            encode_header(**FIELDS | wrong)
