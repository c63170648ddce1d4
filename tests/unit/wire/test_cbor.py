"""The codec takes exactly one encoding of each value and names why it takes no other."""

import math
import struct
import tracemalloc

import cbor2
import pytest

from edge.wire.cbor import Malformed, decode, encode
from edge.wire.refusal import CBOR_REASONS

# RFC 8949 appendix A, as far as the profile goes.
APPENDIX_A = [
    (0, "00"), (1, "01"), (10, "0a"), (23, "17"), (24, "1818"), (25, "1819"), (100, "1864"), (1000, "1903e8"),
    (1000000, "1a000f4240"), (1000000000000, "1b000000e8d4a51000"), (18446744073709551615, "1bffffffffffffffff"),
    (-18446744073709551616, "3bffffffffffffffff"), (-1, "20"), (-10, "29"), (-100, "3863"), (-1000, "3903e7"),
    (0.0, "f90000"), (-0.0, "f98000"), (1.0, "f93c00"), (1.1, "fb3ff199999999999a"), (1.5, "f93e00"),
    (65504.0, "f97bff"), (100000.0, "fa47c35000"), (3.4028234663852886e38, "fa7f7fffff"),
    (1.0e300, "fb7e37e43c8800759c"), (5.960464477539063e-8, "f90001"), (0.00006103515625, "f90400"), (-4.0, "f9c400"),
    (-4.1, "fbc010666666666666"), (False, "f4"), (True, "f5"), (None, "f6"), (b"", "40"),
    (bytes.fromhex("01020304"), "4401020304"), ("", "60"), ("a", "6161"), ("IETF", "6449455446"), ('"\\', "62225c"),
    ("\u00fc", "62c3bc"), ("\u6c34", "63e6b0b4"), ("\U00010151", "64f0908591"), ([], "80"), ([1, 2, 3], "83010203"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
]  # fmt: skip

REFUSED = {
    "cbor-truncated": ["", "18", "19ff", "43aabb", "8301", "9affffffff00", "5b7fffffffffffffff", "63c3bc", "fb00"],
    "cbor-trailing": ["0000", "8000", "f6ff"],
    "cbor-not-minimal": [
        *("1817", "190000", "1a0000ffff", "1b00000000ffffffff", "3800", "5801aa", "79000161", "980100"),
        *("fa3f800000", "fa00000000", "fa33800000", "fb3ff0000000000000", "fb0000000000000000", "fb36a0000000000000"),
    ],
    "cbor-indefinite": ["9f01ff", "5f41aaff", "7fff", "ff", "1f", "df"],
    "cbor-type": ["c101", "f7", "f0", "e0", "f8ff", "f814", "a0", "a10101", "1c", "5d", "fc"],
    "cbor-depth": ["818180", "81818100"],
    "cbor-text": ["62c328", "63eda080", "62c080", "64f4908080", "61ff"],
    "cbor-not-finite": [
        "f97c00",
        "f9fc00",
        "f97e00",
        "fa7f800000",
        "fa7fc00001",
        "fb7ff0000000000000",
        "fbfff8000000000001",
    ],
}


@pytest.mark.parametrize(("value", "encoded"), APPENDIX_A, ids=str)
def test_examples_of_the_rfc(value: object, encoded: str) -> None:
    assert encode(value).hex() == encoded
    decoded = decode(bytes.fromhex(encoded))
    assert decoded == value
    assert type(decoded) is type(value)
    if isinstance(value, float):
        assert math.copysign(1, decoded) == math.copysign(1, value)


@pytest.mark.parametrize(("reason", "encoded"), [(reason, raw) for reason, all in REFUSED.items() for raw in all])
def test_every_other_form_is_refused_for_its_reason(reason: str, encoded: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode(bytes.fromhex(encoded), depth_max=2)
    assert caught.value.reason == reason
    assert reason in CBOR_REASONS


def test_every_float16_is_the_shortest_form_of_its_value() -> None:
    for bits in range(1 << 16):
        raw = b"\xf9" + bits.to_bytes(2, "big")
        value = struct.unpack(">e", raw[1:])[0]
        if math.isfinite(value):
            assert encode(decode(raw)) == raw
            assert struct.pack(">d", decode(raw)) == struct.pack(">d", value)
            with pytest.raises(Malformed, match="cbor-not-minimal"):
                decode(b"\xfa" + struct.pack(">f", value))
        else:
            with pytest.raises(Malformed, match="cbor-not-finite"):
                decode(raw)


def test_float_neighbours_of_every_width_agree_with_another_encoder() -> None:
    for edge in (65504.0, 2.0**-14, 2.0**-24, 2.0**-25, 3.4028234663852886e38, 2.0**-126, 2.0**-149, 1.0, 1e308):
        for value in (edge, math.nextafter(edge, math.inf), math.nextafter(edge, 0), edge * 1.5, edge * 0.75, -edge):
            assert encode(value) == cbor2.dumps(value, canonical=True), value


def test_maps_only_where_they_are_asked_for_and_in_order() -> None:
    assert encode({-1: b"k", 1: -49, 4: None}).hex() == "a301383004f620416b"
    assert decode(bytes.fromhex("a301383004f620416b"), maps=True) == {1: -49, 4: None, -1: b"k"}
    for wrong in ("a2040001f6", "a201000100", "a2200001f6", "a161610a", "a1f400"):
        with pytest.raises(Malformed, match="cbor-map"):
            decode(bytes.fromhex(wrong), maps=True)
    with pytest.raises(Malformed, match="cbor-truncated"):
        decode(bytes.fromhex("ba00100000000000"), maps=True)


def test_depth_is_counted_in_containers() -> None:
    assert decode(bytes.fromhex("818100")) == [[0]]
    assert decode(bytes.fromhex("818100"), depth_max=2) == [[0]]
    assert decode(b"\x00", depth_max=0) == 0
    for depth_max, encoded in ((0, "80"), (1, "8180"), (8, "81" * 9 + "00")):
        with pytest.raises(Malformed, match="cbor-depth"):
            decode(bytes.fromhex(encoded), depth_max=depth_max)
    with pytest.raises(Malformed, match="cbor-depth"):
        decode(b"\x81" * 60_000 + b"\x00")


@pytest.mark.parametrize("claim", ["9affffffff", "9b00000000ffffffff", "5affffffff", "7affffffff", "baffffffff"])
def test_a_claimed_length_allocates_nothing(claim: str) -> None:
    raw = bytes.fromhex(claim)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            decode(raw, maps=True)
        assert tracemalloc.get_traced_memory()[1] < 4096
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, 2**64, -(2**64) - 1, "\ud800", {"a": 1}, {True: 1}, ..., {1}, bytearray(b"a"), 1j],
    ids=repr,
)
def test_what_has_no_encoding_is_our_own_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"encoding|finite|keys"):
        encode(value)
    with pytest.raises(ValueError, match=r"encoding|finite|keys"):
        encode([1, value])


def test_endless_nesting_is_our_own_error() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="deep"):
        encode(loop)


def test_large_values_outgrow_the_first_buffer() -> None:
    value = [b"x" * 300, "y" * 70_000, list(range(5000))]
    assert decode(encode(value)) == value
    assert encode(value) == cbor2.dumps(value)


def test_only_bytes_are_decoded() -> None:
    with pytest.raises(TypeError):
        decode(bytearray(b"\x00"))  # type: ignore[arg-type]
