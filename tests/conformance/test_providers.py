"""ML-DSA of three providers (pycryptodome ships; pqcrypto and cryptography are second opinions), in every direction."""

import hashlib
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import cbor2
import pytest

from edge.wire import suite
from edge.wire.suite import SUITES, Signer, sig_structure, verify
from tests.reference import signatures as reference

MESSAGE = sig_structure(2, b"synedge/1/vertex", b"a header")


class Provider(NamedTuple):
    """sign(suite) makes a key of its own: (public key, signature of MESSAGE)."""

    sign: Callable[[int], tuple[bytes, bytes]]
    verify: Callable[[int, bytes, bytes, bytes], bool]


def pqcrypto() -> Provider:
    pytest.importorskip("pqcrypto", reason="pqcrypto is not installed: the extra [pq] brings it")
    modules: dict[int, Any] = {
        number: importlib.import_module(f"pqcrypto.sign.ml_dsa_{size}") for number, size in ((1, 44), (2, 65), (3, 87))
    }

    def sign(number: int) -> tuple[bytes, bytes]:
        public_key, secret_key = modules[number].keygen()
        return bytes(public_key), bytes(modules[number].sign(secret_key, MESSAGE))

    def check(number: int, key: bytes, message: bytes, signature: bytes) -> bool:
        try:
            return modules[number].verify(key, message, signature) is not False
        except Exception:
            return False

    return Provider(sign, check)


def cryptography() -> Provider:
    mldsa = pytest.importorskip(
        "cryptography.hazmat.primitives.asymmetric.mldsa", reason="cryptography ≥ 47 is missing"
    )
    private = {1: mldsa.MLDSA44PrivateKey, 2: mldsa.MLDSA65PrivateKey, 3: mldsa.MLDSA87PrivateKey}

    def sign(number: int) -> tuple[bytes, bytes]:
        key = private[number].generate()
        return key.public_key().public_bytes_raw(), key.sign(MESSAGE)

    return Provider(sign, reference.verify)


PROVIDERS = {"pqcrypto": pqcrypto, "cryptography": cryptography}
each = [pytest.param(name, number, id=f"{name} {one.name}") for name in PROVIDERS for number, one in SUITES.items()]


def flipped(data: bytes, rng: Random) -> bytes:
    bit = rng.randrange(8 * len(data))
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize(("name", "number"), each)
def test_they_verify_ours_and_we_verify_theirs(name: str, number: int) -> None:
    provider = PROVIDERS[name]()
    signer = Signer(number, bytes([number]) * 32)
    for signature in (signer.sign(MESSAGE), signer.sign(MESSAGE, deterministic=True)):
        assert provider.verify(number, signer.public_key, MESSAGE, signature)
    public_key, signature = provider.sign(number)
    assert verify(number, public_key, MESSAGE, signature)


@pytest.mark.parametrize(("name", "number"), each)
def test_both_refuse_flipped_bits(name: str, number: int) -> None:
    provider = PROVIDERS[name]()
    rng = Random(number)
    signer = Signer(number, bytes([number]) * 32)
    ours, theirs = (signer.public_key, signer.sign(MESSAGE)), provider.sign(number)
    for key, signature in (ours, theirs):
        for _ in range(20):
            for wrong in (
                (key, MESSAGE, flipped(signature, rng)),
                (key, flipped(MESSAGE, rng), signature),
                (flipped(key, rng), MESSAGE, signature),
            ):
                assert not verify(number, *wrong)
                assert not provider.verify(number, *wrong)


@pytest.mark.parametrize("number", SUITES)
def test_the_known_answers_of_the_selftest_are_not_only_ours(number: int) -> None:
    """Another provider expands the seed to the same public key and takes the deterministic signature."""
    mldsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")
    private = {1: mldsa.MLDSA44PrivateKey, 2: mldsa.MLDSA65PrivateKey, 3: mldsa.MLDSA87PrivateKey}[number]
    theirs = private.from_seed_bytes(suite._SELFTEST_SEED).public_key()
    public_digest, signature_digest = suite._KNOWN_ANSWERS[number]
    assert hashlib.sha256(theirs.public_bytes_raw()).hexdigest() == public_digest
    signature = Signer(number, suite._SELFTEST_SEED).sign(suite._SELFTEST_MESSAGE, deterministic=True)
    assert hashlib.sha256(signature).hexdigest() == signature_digest
    theirs.verify(signature, suite._SELFTEST_MESSAGE)


EXAMPLES = json.loads((Path(__file__).parent / "rfc9964.json").read_text())["examples"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: SUITES[example["suite"]].name)
def test_the_examples_of_rfc_9964_verify(example: dict[str, Any]) -> None:
    """Messages of another implementation: our ML-DSA verifies them, and signs them again to the same bytes."""
    number = example["suite"]
    tag = cbor2.loads(bytes.fromhex(example["sign1"]))
    assert tag.tag == 18
    protected, unprotected, payload, signature = tag.value
    assert cbor2.loads(protected)[1] == SUITES[number].alg
    assert unprotected == {}
    message = cbor2.dumps(["Signature1", protected, b"", payload])
    assert message.hex() == example["sig_structure"]
    assert signature.hex() == example["signature"]
    key = bytes.fromhex(example["public_key"])
    assert verify(number, key, message, signature)
    assert not verify(number, key, message + b"\x00", signature)
    signer = Signer(number, bytes.fromhex(example["seed"]))
    assert signer.public_key == key
    assert signer.sign(message, deterministic=True) == signature
