"""Handing over certificates (docs/WIRE.md §6): what a node says of its registers, the question for more, the answer.

Keys are parted by the first bits of their tag. A statement has for each part the sum of its versions and a digest, so
that of many keys only the parts that differ are talked about.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple

from edge.limits import (
    CERTIFICATE_BYTES_MAX,
    FINALS_FRAME_BYTES_MAX,
    FINALS_KEYS_MAX,
    FINALS_PARTS_MAX,
    FRAME_BYTES_MAX,
    REGISTERS_MAX,
)
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import is_index, is_number
from edge.wire.refusal import Refusal

TAG_BYTES = 8
MARK_BYTES = 16
PARTS = tuple(1 << at for at in range(FINALS_PARTS_MAX.bit_length()))
"""Into how many the keys may be parted."""
_HEADS = (b"\x86", b"\x84")
"""A request of six fields, an answer of four: no other frame on their channels begins so."""

Held = tuple[bytes, int]
"""The tag of a key and the version of its newest final value."""


class FinalsRequest(NamedTuple):
    """`rq/`: send the certificates in these parts that are newer than what I hold there."""

    site: bytes
    sender: int
    correlation: int
    parts: int
    asked: tuple[int, ...]
    held: tuple[Held, ...]


class FinalsReply(NamedTuple):
    """`rs/`: certificates, as they are kept; none if nothing is newer."""

    site: bytes
    sender: int
    correlation: int
    certificates: tuple[bytes, ...]


@lru_cache(maxsize=2 * REGISTERS_MAX)
def tag_of(scope: str, key: str, generation: int = 0) -> bytes:
    """What stands for a register in requests: another name since each time that a lost committee was replaced."""
    return _hash(b"synedge/1/register", [scope, key, *([generation] if generation else [])])[:TAG_BYTES]


def part_of(tag: bytes, parts: int) -> int:
    return tag[0] * parts >> 8


def parts_for(keys: int) -> int:
    """Into how many parts so many keys are parted."""
    return next((parts for parts in PARTS if keys <= parts * FINALS_KEYS_MAX), FINALS_PARTS_MAX)


def mark_of(held: Iterable[Held]) -> bytes:
    """What a statement says of one part: the sum of the versions, and a digest."""
    pairs = list(held)
    total = sum(version for _, version in pairs)
    return total.to_bytes(8, "big") + _hash(b"synedge/1/finals", _flat(pairs))[:8]


def is_statement(value: object) -> bool:
    """Whether it is a mark for each of so many parts as there may be."""
    return type(value) is bytes and len(value) % MARK_BYTES == 0 and len(value) // MARK_BYTES in PARTS


def is_about_finals(raw: bytes) -> bool:
    """Whether a request or reply is one of these, if it is any."""
    return raw[:1] in _HEADS


def encode_finals_request(frame: FinalsRequest) -> bytes:
    raw = encode([*frame[:5], _flat(frame.held)])
    check = decode_finals_request(raw)
    if isinstance(check, Refusal):
        raise ValueError(f"own request would be refused: {check}")
    return raw


def decode_finals_request(raw: bytes) -> FinalsRequest | Refusal:
    fields = _decode(raw, FRAME_BYTES_MAX)
    match fields:
        case Refusal():
            return fields
        case [site, sender, correlation, parts, list() as asked, list() as flat] if (
            _is_head(site, sender, correlation) and is_number(parts) and parts in PARTS
        ):
            pass
        case _:
            return Refusal("finals-shape", "request")
    if len(flat) > 2 * REGISTERS_MAX:
        return Refusal("finals-many", str(len(flat) // 2))
    if not asked or not all(is_number(part) and part < parts for part in asked) or not _ascends(asked):
        return Refusal("finals-shape", "parts")
    tags, versions = flat[::2], flat[1::2]
    is_paired = len(tags) == len(versions) and all(type(tag) is bytes and len(tag) == TAG_BYTES for tag in tags)
    if not is_paired or not _ascends(tags) or not all(is_number(version) and version for version in versions):
        return Refusal("finals-shape", "held")
    return FinalsRequest(site, sender, correlation, parts, tuple(asked), tuple(zip(tags, versions, strict=True)))


def encode_finals_reply(frame: FinalsReply) -> bytes:
    """The caller has kept it within FINALS_FRAME_BYTES_MAX."""
    raw = encode(frame)
    assert len(raw) <= FINALS_FRAME_BYTES_MAX
    return raw


def decode_finals_reply(raw: bytes) -> FinalsReply | Refusal:
    fields = _decode(raw, FINALS_FRAME_BYTES_MAX)
    match fields:
        case Refusal():
            return fields
        case [site, sender, correlation, list() as certificates] if _is_head(site, sender, correlation):
            pass
        case _:
            return Refusal("finals-shape", "reply")
    if len(certificates) > REGISTERS_MAX:
        return Refusal("finals-many", str(len(certificates)))
    for certificate in certificates:
        if type(certificate) is not bytes:
            return Refusal("finals-shape", "certificate")
        if len(certificate) > CERTIFICATE_BYTES_MAX:
            return Refusal("certificate-too-large", str(len(certificate)))
    return FinalsReply(site, sender, correlation, tuple(certificates))


def _is_head(site: object, sender: object, correlation: object) -> bool:
    return type(site) is bytes and len(site) == 8 and is_index(sender) and is_number(correlation)


def _ascends(values: list[Any]) -> bool:
    return all(low < high for low, high in pairwise(values))


def _flat(held: Iterable[Held]) -> list[Any]:
    return [field for pair in held for field in pair]


def _hash(domain: bytes, value: list[Any]) -> bytes:
    return sha256(domain + b"\x00" + encode(value)).digest()


def _decode(raw: bytes, bytes_max: int) -> Any:
    """The decoded frame or a Refusal."""
    if len(raw) > bytes_max:
        return Refusal("frame-too-large", str(len(raw)))
    try:
        return decode(raw, depth_max=2)
    except Malformed as fault:
        return Refusal(fault.reason, "finals")
