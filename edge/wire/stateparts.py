"""Handing over shared state at the cut of a checkpoint, part by part (docs/WIRE.md §6)."""

from typing import Any, NamedTuple

from edge.limits import FRAME_BYTES_MAX, STATE_HANDED_BYTES_MAX, STATE_PART_BYTES_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import is_index, is_number
from edge.wire.refusal import Refusal

REQUEST_HEAD, REPLY_HEAD = b"\x84", b"\x88"
"""A request of four fields, an answer of eight: no other frame on their channels begins so."""


class StateRequest(NamedTuple):
    """`rq/`: send the state of this checkpoint, from this byte on."""

    site: bytes
    sender: int
    correlation: int
    version: int
    offset: int


class StateReply(NamedTuple):
    """`rs/`: as much as fits; a `size` of 0: it is not known here."""

    site: bytes
    sender: int
    correlation: int
    version: int
    root: bytes
    size: int
    """Of the whole, bytes."""
    offset: int
    data: bytes


def encode_state_request(frame: StateRequest) -> bytes:
    return encode([*frame[:3], frame[3:]])


def decode_state_request(raw: bytes) -> StateRequest | Refusal:
    fields = _decode(raw)
    match fields:
        case [site, sender, correlation, [version, offset]] if (
            _is_head(site, sender, correlation) and is_number(version) and version and is_number(offset)
        ):
            return StateRequest(site, sender, correlation, version, offset)
    return fields if isinstance(fields, Refusal) else Refusal("state-shape", "request")


def encode_state_reply(frame: StateReply) -> bytes:
    raw = encode(frame)
    assert len(raw) <= FRAME_BYTES_MAX
    return raw


def decode_state_reply(raw: bytes) -> StateReply | Refusal:
    fields = _decode(raw)
    match fields:
        case [site, sender, correlation, version, bytes() as root, size, offset, bytes() as data] if (
            _is_head(site, sender, correlation) and is_number(version) and is_number(size) and is_number(offset)
        ):
            is_part = bool(data) and offset + len(data) <= size <= STATE_HANDED_BYTES_MAX
            is_nothing = size == offset == 0 and not data
            if version and len(root) == 32 and len(data) <= STATE_PART_BYTES_MAX and (is_part or is_nothing):
                return StateReply(site, sender, correlation, version, root, size, offset, data)
    return fields if isinstance(fields, Refusal) else Refusal("state-shape", "reply")


def _is_head(site: object, sender: object, correlation: object) -> bool:
    return type(site) is bytes and len(site) == 8 and is_index(sender) and is_number(correlation)


def _decode(raw: bytes) -> Any:
    """The decoded frame or a Refusal."""
    if len(raw) > FRAME_BYTES_MAX:
        return Refusal("frame-too-large", str(len(raw)))
    try:
        return decode(raw, depth_max=2)
    except Malformed as fault:
        return Refusal(fault.reason, "state")
