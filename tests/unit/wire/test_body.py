"""Bodies: salted leaves under a Merkle root, each event judged, no bit changed unnoticed."""

import pytest

from edge.limits import BATCH_EVENTS_MAX, BODY_BYTES_MAX
from edge.wire import merkle
from edge.wire.cbor import decode, encode
from edge.wire.event import Event, encode_event
from edge.wire.refusal import Refusal
from edge.wire.vertex import BodyRef, body_events, check_body, encode_body

EVENTS = tuple(Event("agent", "kind", 1_760_000_000_000 + i, (i / 8, "é")) for i in range(5))
SALTS = bytes(range(16 * len(EVENTS)))
BODY, REF = encode_body(EVENTS, SALTS, retention=2)


def ref_of(body: bytes) -> BodyRef:
    """What a header that speaks of exactly these bytes would say."""
    leaves = decode(body)
    return BodyRef(merkle.root(leaves), len(body), len(leaves), 0)


def test_a_body_survives_the_round_trip() -> None:
    assert check_body(REF, BODY) is None
    assert body_events(BODY) == EVENTS
    assert (REF.count, REF.length, REF.retention) == (5, len(BODY), 2)


def test_leaves_are_salt_and_event() -> None:
    leaves = decode(BODY)
    assert leaves == [SALTS[16 * i : 16 * i + 16] + encode_event(event) for i, event in enumerate(EVENTS)]
    assert merkle.root(leaves) == REF.root


def test_one_event_is_proven_alone() -> None:
    leaves = decode(BODY)
    path = merkle.proof(leaves, 3)
    assert merkle.verify_proof(REF.root, REF.count, 3, leaves[3], path)
    assert not merkle.verify_proof(REF.root, REF.count, 3, leaves[2], path)


def test_every_flipped_bit_is_refused() -> None:
    for bit in range(8 * len(BODY)):
        changed = bytearray(BODY)
        changed[bit // 8] ^= 1 << bit % 8
        assert check_body(REF, bytes(changed)) is not None, bit


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        (BodyRef(REF.root, REF.length + 1, REF.count, 0), "body-length"),
        (BodyRef(REF.root, REF.length, REF.count + 1, 0), "body-count"),
        (BodyRef(b"x" * 32, REF.length, REF.count, 0), "body-root"),
    ],
)
def test_another_header_does_not_take_it(ref: BodyRef, reason: str) -> None:
    answer = check_body(ref, BODY)
    assert answer is not None
    assert answer.reason == reason


@pytest.mark.parametrize(
    ("leaves", "reason"),
    [
        ([b"s" * 16], "body-shape"),
        ([b""], "body-shape"),
        ([b"s" * 16 + encode_event(EVENTS[0])] * (BATCH_EVENTS_MAX + 1), "body-count"),
        ([b"s" * 16 + encode_event(EVENTS[0]) + b"\x00"], "cbor-trailing"),
        ([b"s" * 16 + encode(["agent"])], "event-shape"),
        ([b"s" * 16 + encode_event(EVENTS[0]), b"s" * 16 + encode([*EVENTS[0][:8], 4])], "event-flags"),
    ],
)
def test_every_event_in_a_body_is_judged(leaves: list[bytes], reason: str) -> None:
    body = encode(leaves)
    answer = check_body(ref_of(body), body)
    assert answer is not None
    assert answer.reason == reason


def test_a_body_that_is_no_array_of_strings_is_refused() -> None:
    for body, reason in ((b"\x40", "body-shape"), (b"\x81\x00", "body-shape"), (b"\x80", "body-count")):
        answer = check_body(BodyRef(bytes(32), len(body), 1, 0), body)
        assert answer == Refusal(reason, "body")


def test_size_is_bounded() -> None:
    large = Event("agent", "kind", 0, ("x" * 64,) * 64)
    with pytest.raises(ValueError, match="body of"):
        encode_body([large] * 20, bytes(16 * 20))
    too_large = bytes(BODY_BYTES_MAX + 1)
    answer = check_body(BodyRef(bytes(32), len(too_large), 1, 0), too_large)
    assert answer is not None
    assert answer.reason == "body-too-large"


def test_the_largest_batch() -> None:
    events = [EVENTS[0]] * BATCH_EVENTS_MAX
    body, ref = encode_body(events, bytes(16 * BATCH_EVENTS_MAX))
    assert check_body(ref, body) is None
