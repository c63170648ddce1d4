"""The one door to signatures: ML-DSA (FIPS 204) through pycryptodome, in COSE_Sign1 (RFC 9052, RFC 9964)."""

import sys
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

# Where cffi is installed pycryptodome calls its C through it and for that loads a whole C parser; without it, through
# ctypes. The calls cost the same beside a signature, the parser 20 ms and 1.5 MB in every process.
_cffi = sys.modules.get("cffi")
sys.modules["cffi"] = None  # type: ignore[assignment]
try:
    from Crypto.Util import _raw_api

    # Else it starts file(1) on the interpreter to learn what we do not ask for: 8 ms.
    getattr(_raw_api, "cached_architecture", []).extend(("", ""))
    from Crypto.PublicKey import MLDSA
    from Crypto.Signature import mldsa
finally:
    if _cffi is None:
        del sys.modules["cffi"]
    else:
        sys.modules["cffi"] = _cffi

from edge.wire.cbor import Malformed, decode, encode  # noqa: E402
from edge.wire.refusal import Refusal  # noqa: E402

SEED_BYTES = 32
PURPOSE_VERTEX = b"synedge/1/vertex"
PURPOSE_ROSTER = b"synedge/1/roster"
PURPOSE_BLOB = b"synedge/1/blob"
SIGN1_TAG = b"\xd2"
"""Tag 18 (RFC 9052 §2)."""
KID = 4
"""The header parameter that names a key (RFC 9052 §3.1)."""
AKP = 7


class Suite(NamedTuple):
    """A signature algorithm by its number in a header; `alg` is its COSE algorithm id (RFC 9964 §4)."""

    number: int
    name: str
    alg: int
    public_bytes: int
    signature_bytes: int


SUITES = {
    1: Suite(1, "ml-dsa-44", -48, 1312, 2420),
    2: Suite(2, "ml-dsa-65", -49, 1952, 3309),
    3: Suite(3, "ml-dsa-87", -50, 2592, 4627),
}
SUITE_BY_NAME = {suite.name: suite for suite in SUITES.values()}
AUTHORITY_SUITE = 3
"""The site authority, and with it the roster, always signs at the highest level."""

_PARAMETERS = {1: MLDSA.ML_DSA_44, 2: MLDSA.ML_DSA_65, 3: MLDSA.ML_DSA_87}
_PROTECTED = {number: encode({1: suite.alg}) for number, suite in SUITES.items()}
_BY_PROTECTED = {protected: number for number, protected in _PROTECTED.items()}


def public_from_seed(suite: int, seed: bytes) -> bytes:
    """The public key of a 32-byte seed (ξ of FIPS 204 §5.1)."""
    assert len(seed) == SEED_BYTES
    return MLDSA.construct(param_set=_PARAMETERS[suite], seed=seed).pk


class Signer:
    """A key that signs. The expanded key stays inside; signatures are hedged (FIPS 204 §3.4) unless a test asks."""

    def __init__(self, suite: int, seed: bytes) -> None:
        assert len(seed) == SEED_BYTES
        key = MLDSA.construct(param_set=_PARAMETERS[suite], seed=seed)
        self.suite = suite
        self.public_key: bytes = key.pk
        self._hedged = mldsa.new(key)
        self._deterministic = mldsa.new(key, deterministic=True)

    def sign(self, message: bytes, *, deterministic: bool = False) -> bytes:
        signature: bytes = (self._deterministic if deterministic else self._hedged).sign(message)
        return signature


def verify(suite: int, public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is good. False, never an exception, for an unknown suite or a wrong length."""
    known = SUITES.get(suite)
    if known is None or len(public_key) != known.public_bytes or len(signature) != known.signature_bytes:
        return False
    try:
        mldsa.new(MLDSA.construct(param_set=_PARAMETERS[suite], pk=public_key)).verify(message, signature)
    except ValueError:
        return False
    return True


def sig_structure(suite: int, purpose: bytes, payload: bytes) -> bytes:
    """What ML-DSA signs, with empty context: the Sig_structure of RFC 9052 §4.4, the purpose as external_aad."""
    return encode(["Signature1", _PROTECTED[suite], purpose, payload])


def sign1(signer: Signer, purpose: bytes, payload: bytes, *, deterministic: bool = False) -> bytes:
    """An untagged COSE_Sign1 that carries its payload."""
    signature = signer.sign(sig_structure(signer.suite, purpose, payload), deterministic=deterministic)
    return join_sign1(signer.suite, payload, signature)


def join_sign1(suite: int, payload: bytes, signature: bytes) -> bytes:
    """The COSE_Sign1 of a payload (a vertex header, say) whose signature is at hand, for any COSE tool to verify."""
    return encode([_PROTECTED[suite], {}, payload, signature])


def tagged_sign1(suite: int, key_id: bytes, payload: bytes, signature: bytes) -> bytes:
    """The same with its tag, and the key it is signed by named outside the signature: what a COSE tool takes that knows
    neither us nor the place where it stands."""
    return SIGN1_TAG + encode([_PROTECTED[suite], {KID: key_id}, payload, signature])


def key_set(keys: Iterable[tuple[int, bytes, bytes]]) -> bytes:
    """The COSE_KeySet of (suite, key id, public key): each of key type AKP (RFC 9964 §3)."""
    rows = ((SUITES[suite].alg, key_id, public_key) for suite, key_id, public_key in keys)
    return encode([{1: AKP, 2: key_id, 3: alg, -1: public_key} for alg, key_id, public_key in rows])


class Sign1(NamedTuple):
    """A COSE_Sign1 taken apart; whether the signature is good is another question."""

    suite: int
    payload: bytes
    signature: bytes


def split_sign1(data: bytes) -> Sign1 | Refusal:
    try:
        fields = decode(data, depth_max=2, maps=True)
    except Malformed as fault:
        return Refusal(fault.reason, "COSE_Sign1")
    match fields:
        case [bytes() as protected, dict() as unprotected, bytes() as payload, bytes() as signature] if not unprotected:
            suite = _BY_PROTECTED.get(protected)
        case _:
            return Refusal("cose-shape")
    if suite is None:
        return Refusal("suite-unknown", protected[:16].hex())
    return Sign1(suite, payload, signature)


def open_sign1(data: bytes, purpose: bytes, public_key: bytes, suites: tuple[int, ...]) -> bytes | Refusal:
    """The payload, once its signature is verified under a suite of `suites`."""
    signed = split_sign1(data)
    if isinstance(signed, Refusal):
        return signed
    suite, payload, signature = signed
    if suite not in suites:
        return Refusal("suite-not-allowed", SUITES[suite].name)
    if not verify(suite, public_key, sig_structure(suite, purpose, payload), signature):
        return Refusal("signature-bad")
    return payload


_SELFTEST_SEED = bytes(range(SEED_BYTES))
_SELFTEST_MESSAGE = b"synedge/1/selftest"
_KNOWN_ANSWERS = {
    1: (
        "9f107644c1084526af3bc8098680b05499a2325a644e388fb4f970e058d19d46",
        "c6abdf969eb5217304a77f06ef9c8e4cda4430552b31a1e7193e2c68738b9f58",
    ),
    2: (
        "d666806e11cee19a7c989f7445f90dd419cf4d2d51db8c0fdb4c0f0a542238c9",
        "f92d2d8641070560a1a81f41ac0bc37f52da5133f57221285980f10729a67d78",
    ),
    3: (
        "91dc389cfaa01470b7f66eee45a4ae9026d154817c754dfe22298b3fa241ffcd",
        "2705eadbb27362c747f9958c11356c435dbcac8842430f6afee39a163729461c",
    ),
}


def selftest() -> None:
    """Known-answer test of each suite (digests of key and deterministic signature); RuntimeError if one fails."""
    for number, (public_digest, signature_digest) in _KNOWN_ANSWERS.items():
        signer = Signer(number, _SELFTEST_SEED)
        signature = signer.sign(_SELFTEST_MESSAGE, deterministic=True)
        flipped = bytes([signature[0] ^ 1]) + signature[1:]
        if (
            sha256(signer.public_key).hexdigest() != public_digest
            or sha256(signature).hexdigest() != signature_digest
            or not verify(number, signer.public_key, _SELFTEST_MESSAGE, signature)
            or verify(number, signer.public_key, _SELFTEST_MESSAGE, flipped)
        ):
            raise RuntimeError(f"the known-answer test of {SUITES[number].name} failed; refusing to sign or verify")
