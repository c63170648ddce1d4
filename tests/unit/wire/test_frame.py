"""The frames of every channel: round trips, bounds, and the reasons of refusal."""

from typing import Any

import pytest

from edge import limits
from edge.wire.cbor import encode
from edge.wire.frame import (
    Channel,
    FrontierEntry,
    FrontierFrame,
    Range,
    ReplyFrame,
    RequestFrame,
    VertexFrame,
    Want,
    decode_frontier,
    decode_reply,
    decode_request,
    decode_vertex,
    encode_frontier,
    encode_reply,
    encode_request,
    encode_vertex,
)
from edge.wire.refusal import Refusal

SITE = b"sitesite"


def reason(answer: Any) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.reason


def test_channels_are_the_words_of_the_topics() -> None:
    assert [str(channel) for channel in Channel] == ["v", "c", "f", "rq", "rs", "r", "b"]


@pytest.mark.parametrize(("signature", "body"), [(None, None), (b"s", None), (None, b"b"), (b"s" * 4627, b"b" * 49152)])
def test_vertex_frames_survive_the_round_trip(signature: bytes | None, body: bytes | None) -> None:
    assert decode_vertex(encode_vertex(b"header", signature, body)) == VertexFrame(b"header", signature, body)


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ([b"h", None], "frame-shape"),
        ([b"h", None, None, None], "frame-shape"),
        ([None, None, None], "frame-shape"),
        ([b"h", "s", None], "frame-shape"),
        ([b"h", None, True], "frame-shape"),
        ([b"h" * 4097, None, None], "header-too-large"),
        ([b"h", b"", None], "signature-size"),
        ([b"h", b"s" * 4628, None], "signature-size"),
        ([b"h", None, b"b" * 49153], "body-too-large"),
        ([b"h", None, b"b" * 65536], "frame-too-large"),
        ([b"h", None, [b"b"]], "cbor-depth"),
        (b"h", "frame-shape"),
    ],
)
def test_vertex_frames_are_refused(tree: object, why: str) -> None:
    assert reason(decode_vertex(encode(tree))) == why


def entries(*each: tuple[int, int, int, int]) -> tuple[FrontierEntry, ...]:
    return tuple(FrontierEntry(*one) for one in each)


def test_frontiers_survive_the_round_trip() -> None:
    for some in (
        entries(),
        entries((0, 1, 1, 0)),
        entries((0, 1, 9, 1), (0, 2, 3, 65535), (7, 1, 2**53 - 1, 5), (2**32 - 1, 2**32 - 1, 1, 1)),
        entries((3, 1, 9, 1), (3, 1, 9, 2), (3, 1, 10, 1)),  # a fork, shown as one
    ):
        frame = FrontierFrame(SITE, 4, 2, some)
        assert decode_frontier(encode_frontier(frame)) == frame


def test_a_frontier_is_delta_coded() -> None:
    small = encode_frontier(FrontierFrame(SITE, 1, 2, entries(*((1000 + i, 1, 200, 7) for i in range(100)))))
    assert len(small) < 100 * 5 + 40


@pytest.mark.parametrize(
    ("flat", "why"),
    [
        ([1, 1, 1], "frontier-shape"),
        ([1, 0, 1, 1], "frontier-shape"),
        ([1, 1, 0, 1], "frontier-shape"),
        ([1, 1, 1, 65536], "frontier-shape"),
        ([-1, 1, 1, 1], "frontier-shape"),
        ([True, 1, 1, 1], "frontier-shape"),
        ([2**32, 1, 1, 1], "frontier-shape"),
        ([2**32 - 1, 1, 1, 1, 1, 1, 1, 1], "frontier-shape"),
        ([1, 2, 1, 1, 0, 1, 9, 9], "frontier-order"),
        ([1, 1, 1, 1, 0, 1, 1, 1], "frontier-order"),
        ([1, 1, 2, 1, 0, 1, 1, 1], "frontier-order"),
        ([1, 1, 1, 1, 0, 2, 1, 1, 0, 3, 1, 1, 0, 4, 1, 1, 0, 5, 1, 1], "too-many-branches"),
    ],
)
def test_frontier_entries_are_refused(flat: list[object], why: str) -> None:
    assert reason(decode_frontier(encode([SITE, 1, 2, 0, flat]))) == why


@pytest.mark.parametrize(
    "tree",
    [
        [SITE, 1, 2, 0],
        [SITE[1:], 1, 2, 0, []],
        [SITE, -1, 2, 0, []],
        [SITE, 1, 2**32, 0, []],
        [SITE, 1, 2, 2, []],
        [SITE, 1, 2, False, []],
        [SITE, 1, 2, 0, None],
    ],
)
def test_frontier_shapes_are_refused(tree: object) -> None:
    assert reason(decode_frontier(encode(tree))) == "frontier-shape"


def test_a_frontier_is_bounded() -> None:
    assert reason(decode_frontier(b"\xff" * (limits.FRONTIER_BYTES_MAX + 1))) == "frontier-too-large"
    branch = [(i, j, 2**53 - 1, 65535) for i in range(limits.MEMBERS_MAX) for j in (1, 2)]
    full_site = FrontierFrame(SITE, 2**32 - 1, 2**32 - 1, entries(*branch[::2]))
    assert decode_frontier(encode_frontier(full_site)) == full_site
    with pytest.raises(ValueError, match="frontier-too-large"):
        encode_frontier(full_site._replace(entries=entries(*branch)))
    with pytest.raises(ValueError, match="frontier-order"):
        encode_frontier(FrontierFrame(SITE, 1, 2, entries((1, 2, 1, 1), (1, 1, 1, 1))))


def test_requests_survive_the_round_trip() -> None:
    for wants in ((), (Want(1, 0, 0, 0), Want(1, 2, 4, 5), Want(0, 1, 2**53 - 1, 0))):
        frame = RequestFrame(SITE, 3, 2**53 - 1, 0, wants)
        assert decode_request(encode_request(frame)) == frame


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ([SITE, 3, 1, 1], "request-shape"),
        ([SITE, 3, True, 1, []], "request-shape"),
        ([SITE, 3, 1, 2**53, []], "request-shape"),
        ([SITE, 3, 1, 1, [[1, 0, 0]]], "request-shape"),
        ([SITE, 3, 1, 1, [[1, 0, -1, 0]]], "request-shape"),
        ([SITE, 3, 1, 1, [[1, 0, 5, 5]]], "request-range"),
        ([SITE, 3, 1, 1, [[1, 0, 5, 4]]], "request-range"),
        ([SITE, 3, 1, 1, [[1, 0, 5, 0]] * (limits.REPAIR_RANGES_MAX + 1)], "too-many-ranges"),
    ],
)
def test_requests_are_refused(tree: object, why: str) -> None:
    assert reason(decode_request(encode(tree))) == why


def test_an_own_request_nobody_would_take_is_our_own_error() -> None:
    with pytest.raises(ValueError, match="request-range"):
        encode_request(RequestFrame(SITE, 1, 1, 1, (Want(1, 1, 5, 5),)))


def test_replies_survive_the_round_trip() -> None:
    ranges = (Range((b"h1", b"h2"), (b"b", None), b"s"), Range((b"h",), (None,), b"s" * 4627))
    for frame in (ReplyFrame(SITE, 3, 1, True, ranges), ReplyFrame(SITE, 3, 1, False, ())):
        assert decode_reply(encode_reply(frame)) == frame


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ([SITE, 3, 1, 1, []], "reply-shape"),
        ([SITE, 3, 1, True], "reply-shape"),
        ([SITE, 3, 1, True, [[]]], "reply-shape"),
        ([SITE, 3, 1, True, [[[], [], b"s"]]], "reply-shape"),
        ([SITE, 3, 1, True, [[[b"h"], [], b"s"]]], "reply-shape"),
        ([SITE, 3, 1, True, [[[b"h"], [None], None]]], "reply-shape"),
        ([SITE, 3, 1, True, [[[b"h"], ["b"], b"s"]]], "reply-shape"),
        ([SITE, 3, 1, True, [[[None], [None], b"s"]]], "reply-shape"),
        ([SITE, 3, 1, True, [[[b"h"], [None], b""]]], "signature-size"),
        ([SITE, 3, 1, True, [[[b"h" * 4097], [None], b"s"]]], "header-too-large"),
        ([SITE, 3, 1, True, [[[b"h"], [b"b" * 49153], b"s"]]], "body-too-large"),
        ([SITE, 3, 1, True, [[[b"h"], [None], b"s"]] * 257], "too-many-ranges"),
        ([SITE, 3, 1, True, [[[b"h"], [b"b" * 49152], b"s"]] * 2], "frame-too-large"),
    ],
)
def test_replies_are_refused(tree: object, why: str) -> None:
    assert reason(decode_reply(encode(tree))) == why
