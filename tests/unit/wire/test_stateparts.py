"""Frames that hand over shared state: what they say of themselves, and what is too much."""

import pytest

from edge.limits import STATE_HANDED_BYTES_MAX, STATE_PART_BYTES_MAX
from edge.wire.finals import is_about_finals
from edge.wire.frame import Channel
from edge.wire.refusal import Refusal
from edge.wire.speaker import claimed_speaker
from edge.wire.stateparts import (
    StateReply,
    StateRequest,
    decode_state_reply,
    decode_state_request,
    encode_state_reply,
    encode_state_request,
)

SITE, ROOT = bytes(8), bytes(32)


def reply(size: int, offset: int, data: bytes) -> StateReply | Refusal:
    return decode_state_reply(encode_state_reply(StateReply(SITE, 3, 77, 12, ROOT, size, offset, data)))


def test_a_request_says_who_asks_from_its_first_bytes_and_goes_with_those_for_certificates() -> None:
    request = StateRequest(SITE, 70_000, 77, 12, 61_440)
    raw = encode_state_request(request)
    assert decode_state_request(raw) == request
    assert claimed_speaker(Channel.REQUEST, raw) == 70_000 and is_about_finals(raw)


def test_a_part_lies_within_the_whole_and_nothing_is_a_part_of_nothing() -> None:
    """STATE_PART_BYTES_MAX and STATE_HANDED_BYTES_MAX."""
    whole = StateReply(SITE, 3, 77, 12, ROOT, STATE_PART_BYTES_MAX, 0, bytes(STATE_PART_BYTES_MAX))
    assert reply(*whole[5:]) == whole and is_about_finals(encode_state_reply(whole))
    assert isinstance(reply(STATE_HANDED_BYTES_MAX, STATE_HANDED_BYTES_MAX - 1, b"x"), StateReply)
    assert isinstance(reply(0, 0, b""), StateReply)


@pytest.mark.parametrize(
    ("size", "offset", "data"),
    [
        (STATE_HANDED_BYTES_MAX + 1, 0, b"x"),
        (9, 0, bytes(10)),
        (9, 9, b"x"),
        (9, 0, b""),
        (0, 9, b""),
        (STATE_PART_BYTES_MAX + 1, 0, bytes(STATE_PART_BYTES_MAX + 1)),
    ],
    ids=["too large", "too long", "past the end", "nothing of something", "nothing from somewhere", "too much at once"],
)
def test_anything_else_is_refused(size: int, offset: int, data: bytes) -> None:
    assert reply(size, offset, data) == Refusal("state-shape", "reply")
