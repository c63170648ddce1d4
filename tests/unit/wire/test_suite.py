"""Signatures and COSE_Sign1: what verifies, what is refused without raising, and the self-test."""

from random import Random

import pytest

from edge.wire import suite
from edge.wire.cbor import encode
from edge.wire.refusal import Refusal
from edge.wire.suite import SUITES, Signer, join_sign1, open_sign1, public_from_seed, sig_structure, sign1, verify

SEED = bytes(range(32))
SIGNERS = {number: Signer(number, SEED) for number in SUITES}
PURPOSE = b"synedge/1/test"
EVERY = tuple(SUITES)


@pytest.mark.parametrize("number", EVERY)
def test_signatures_verify_and_have_the_length_of_their_suite(number: int) -> None:
    signer = SIGNERS[number]
    signature = signer.sign(b"message")
    assert len(signature) == SUITES[number].signature_bytes
    assert len(signer.public_key) == SUITES[number].public_bytes
    assert signer.public_key == public_from_seed(number, SEED)
    assert verify(number, signer.public_key, b"message", signature)
    assert not verify(number, signer.public_key, b"massage", signature)


@pytest.mark.parametrize("number", EVERY)
def test_signatures_are_hedged_unless_a_test_asks(number: int) -> None:
    signer = SIGNERS[number]
    assert signer.sign(b"m") != signer.sign(b"m")
    assert signer.sign(b"m", deterministic=True) == signer.sign(b"m", deterministic=True)


@pytest.mark.parametrize("number", EVERY)
def test_a_flipped_bit_anywhere_is_refused(number: int) -> None:
    rng = Random(number)
    signer = SIGNERS[number]
    signature = signer.sign(b"message")
    for _ in range(64):
        bit = rng.randrange(8 * len(signature))
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify(number, signer.public_key, b"message", bytes(changed))
        key = bytearray(signer.public_key)
        key[rng.randrange(len(key))] ^= 1 << rng.randrange(8)
        assert not verify(number, bytes(key), b"message", signature)


def test_verify_answers_false_to_anything_strange() -> None:
    signer = SIGNERS[2]
    signature = signer.sign(b"m")
    for number, key, message, other in (
        (0, signer.public_key, b"m", signature),
        (9, signer.public_key, b"m", signature),
        (-1, b"", b"", b""),
        (1, signer.public_key, b"m", signature),
        (3, signer.public_key, b"m", signature),
        (2, b"", b"m", signature),
        (2, signer.public_key[1:], b"m", signature),
        (2, signer.public_key + b"\x00", b"m", signature),
        (2, bytes(1952), b"m", signature),
        (2, b"\xff" * 1952, b"m", signature),
        (2, signer.public_key, b"", signature),
        (2, signer.public_key, b"m", b""),
        (2, signer.public_key, b"m", signature[:-1]),
        (2, signer.public_key, b"m", signature + b"\x00"),
        (2, signer.public_key, b"m", bytes(3309)),
        (2, signer.public_key, b"m", b"\xff" * 3309),
    ):
        assert verify(number, key, message, other) is False


@pytest.mark.parametrize("number", EVERY)
def test_sign1_opens_to_its_payload(number: int) -> None:
    signer = SIGNERS[number]
    data = sign1(signer, PURPOSE, b"payload")
    assert open_sign1(data, PURPOSE, signer.public_key, EVERY) == b"payload"


def test_sign1_is_bound_to_purpose_key_and_policy() -> None:
    signer = SIGNERS[2]
    data = sign1(signer, PURPOSE, b"payload")
    other = public_from_seed(2, b"o" * 32)
    assert open_sign1(data, b"synedge/1/other", signer.public_key, EVERY) == Refusal("signature-bad")
    assert open_sign1(data, PURPOSE, other, EVERY) == Refusal("signature-bad")
    assert open_sign1(data, PURPOSE, signer.public_key, (1, 3)) == Refusal("suite-not-allowed", "ml-dsa-65")


def test_sign1_of_another_form_is_refused() -> None:
    signer = SIGNERS[2]
    protected, signature = encode({1: -49}), signer.sign(sig_structure(2, PURPOSE, b"p"))
    assert join_sign1(2, b"p", signature) == encode([protected, {}, b"p", signature])
    for fields, reason in (
        ([protected, {}, b"p", signature], None),
        ([protected, {}, None, signature], "cose-shape"),
        ([protected, {4: b"kid"}, b"p", signature], "cose-shape"),
        ([protected, [], b"p", signature], "cose-shape"),
        ([protected, {}, b"p"], "cose-shape"),
        ([protected, {}, b"p", signature, None], "cose-shape"),
        (b"data", "cose-shape"),
        ([encode({1: -7}), {}, b"p", signature], "suite-unknown"),
        ([encode({1: -49, 4: b"kid"}), {}, b"p", signature], "suite-unknown"),
        ([b"", {}, b"p", signature], "suite-unknown"),
        ([encode({1: -48}), {}, b"p", signature], "signature-bad"),
        ([protected, {}, b"q", signature], "signature-bad"),
        ([protected, {}, b"p", signature[:-1]], "signature-bad"),
    ):
        answer = open_sign1(encode(fields), PURPOSE, signer.public_key, EVERY)
        assert (answer.reason if isinstance(answer, Refusal) else None) == reason
    tagged = b"\xd2" + encode([protected, {}, b"p", signature])
    assert open_sign1(tagged, PURPOSE, signer.public_key, EVERY) == Refusal("cbor-type", "COSE_Sign1")


def test_the_selftest_passes_and_notices_another_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    suite.selftest()
    known = suite._KNOWN_ANSWERS
    assert set(known) == set(SUITES)
    for number in SUITES:
        for wrong in ((known[number][0], "0" * 64), ("0" * 64, known[number][1])):
            monkeypatch.setattr(suite, "_KNOWN_ANSWERS", known | {number: wrong})
            with pytest.raises(RuntimeError, match="known-answer"):
                suite.selftest()
    monkeypatch.setattr(suite, "_KNOWN_ANSWERS", known)
    monkeypatch.setattr(suite, "verify", lambda *_: True)
    with pytest.raises(RuntimeError, match="known-answer"):
        suite.selftest()
