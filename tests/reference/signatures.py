"""Signatures by docs/WIRE.md §8, with the ML-DSA of `cryptography` (a different provider than the product's).

Emulated boards have no such library: a test that verifies one is skipped there, others that import this run.
"""

import hashlib

import pytest

from tests.reference.cbor import decode, encode, require

ALGORITHMS = {1: -48, 2: -49, 3: -50}
KEYS = {1: "MLDSA44PublicKey", 2: "MLDSA65PublicKey", 3: "MLDSA87PublicKey"}


def sig_structure(suite: int, purpose: bytes, payload: bytes) -> bytes:
    return encode(["Signature1", encode({1: ALGORITHMS[suite]}), purpose, payload])


def verify(suite: int, public_key: bytes, message: bytes, signature: bytes) -> bool:
    mldsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")
    exceptions = pytest.importorskip("cryptography.exceptions")
    try:
        getattr(mldsa, KEYS[suite]).from_public_bytes(public_key).verify(signature, message)
    except exceptions.InvalidSignature:
        return False
    return True


def open_sign1(data: bytes, purpose: bytes, suite: int, public_key: bytes) -> bytes:
    fields = decode(data, 2, maps=True)
    require(type(fields) is list and len(fields) == 4, "COSE_Sign1")
    protected, unprotected, payload, signature = fields
    require(protected == encode({1: ALGORITHMS[suite]}) and unprotected == {}, "COSE headers")
    require(type(payload) is bytes and type(signature) is bytes, "COSE_Sign1")
    require(verify(suite, public_key, sig_structure(suite, purpose, payload), signature), "signature")
    return payload


def site_id(authority_public_key: bytes) -> bytes:
    return hashlib.sha256(authority_public_key).digest()[:8]
