"""An outside COSE implementation verifies our vertices, and we open what it signs.

The COSE layer (message form, headers, Sig_structure, dispatch by algorithm) is pycose 1.1. No COSE library that pip
could install when this was written knows ML-DSA itself (pycose: its issue 142; cwt 3.3: neither), so pycose gets the
algorithms of RFC 9964 through its own registry, with the ML-DSA of `cryptography` behind them. Nothing of edge/ takes
part in the verification. An implementation with both layers of its own wrote the RFC's examples, which
test_providers.py verifies.
"""

from typing import Any

import cbor2
import pytest

from edge.ids import Parent
from edge.wire.event import Event
from edge.wire.refusal import Refusal
from edge.wire.suite import PURPOSE_ROSTER, PURPOSE_VERTEX, SUITES, Signer, join_sign1, open_sign1, sig_structure
from edge.wire.vertex import encode_body, encode_header

pytest.importorskip("pycose", reason="pycose is not installed: the extra [test] brings it")

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa
from pycose.algorithms import CoseAlgorithm
from pycose.headers import Algorithm
from pycose.keys.okp import OKPKey
from pycose.messages import Sign1Message

SEED = b"\x2a" * 32
PRIVATE: dict[int, Any] = {-48: mldsa.MLDSA44PrivateKey, -49: mldsa.MLDSA65PrivateKey, -50: mldsa.MLDSA87PrivateKey}
PUBLIC: dict[int, Any] = {-48: mldsa.MLDSA44PublicKey, -49: mldsa.MLDSA65PublicKey, -50: mldsa.MLDSA87PublicKey}


class AKPKey(OKPKey):
    """Key type AKP of RFC 9964. It says that it is an OKP because pycose's messages take only key types they know."""

    def __init__(self, alg: int, *, pub: bytes = b"", priv: bytes = b"") -> None:
        super().__init__(crv="ED25519", x=bytes(32))
        self.akp_alg, self.pub, self.priv = alg, pub, priv

    def verify(self, key_type: Any, algorithm: Any, key_ops: Any) -> None:
        assert algorithm.identifier == self.akp_alg


class MLDSA(CoseAlgorithm):
    @classmethod
    def sign(cls, key: AKPKey, data: bytes) -> bytes:
        return bytes(PRIVATE[cls.identifier].from_seed_bytes(key.priv).sign(data))

    @classmethod
    def verify(cls, key: AKPKey, data: bytes, signature: bytes) -> bool:
        try:
            PUBLIC[cls.identifier].from_public_bytes(key.pub).verify(signature, data)
        except InvalidSignature:
            return False
        return True


ALGORITHMS = {
    alg: CoseAlgorithm.register_attribute()(
        type(f"MLDSA{size}", (MLDSA,), {"identifier": alg, "fullname": f"ML-DSA-{size}"})
    )
    for alg, size in ((-48, 44), (-49, 65), (-50, 87))
}


def header(suite: int) -> bytes:
    _, body = encode_body([Event("pump", "class", 1_760_000_000_000, ("worn", 0.75))], b"s" * 16)
    return encode_header(
        suite=suite,
        site=b"sitesite",
        epoch=1,
        author=3,
        incarnation=1,
        seq=2,
        prev=b"p" * 32,
        parents=(Parent(1, 1, 9, b"q" * 32),),
        hlc=1_760_000_000_000 << 16,
        body=body,
    ).raw


def parsed(data: bytes) -> Any:
    """From the array without its tag: what is inside a tag pycose wants as list and dict, and cbor2 6 gives neither."""
    return Sign1Message.from_cose_obj(cbor2.loads(data.removeprefix(b"\xd2")), allow_unknown_attributes=False)


def outside(data: bytes, alg: int, public_key: bytes, purpose: bytes) -> bool:
    """pycose's verdict on a COSE_Sign1."""
    message = parsed(data)
    message.external_aad = purpose
    message.key = AKPKey(alg, pub=public_key)
    return bool(message.verify_signature())


@pytest.mark.parametrize("number", SUITES)
def test_it_verifies_our_vertex(number: int) -> None:
    alg = SUITES[number].alg
    signer = Signer(number, SEED)
    raw = header(number)
    signature = signer.sign(sig_structure(number, PURPOSE_VERTEX, raw))
    data = join_sign1(number, raw, signature)
    message = parsed(data)
    assert message.get_attr(Algorithm) is ALGORITHMS[alg]
    assert message.payload == raw
    assert outside(data, alg, signer.public_key, PURPOSE_VERTEX)


@pytest.mark.parametrize("number", SUITES)
def test_it_refuses_what_we_did_not_sign(number: int) -> None:
    alg = SUITES[number].alg
    signer = Signer(number, SEED)
    raw = header(number)
    signature = signer.sign(sig_structure(number, PURPOSE_VERTEX, raw))
    data = join_sign1(number, raw, signature)
    assert not outside(data, alg, signer.public_key, PURPOSE_ROSTER)
    assert not outside(data, alg, Signer(number, b"\x2b" * 32).public_key, PURPOSE_VERTEX)
    assert not outside(data[:-1] + bytes([data[-1] ^ 1]), alg, signer.public_key, PURPOSE_VERTEX)
    assert not outside(join_sign1(number, raw[:-1] + b"\x81", signature), alg, signer.public_key, PURPOSE_VERTEX)


@pytest.mark.parametrize("number", SUITES)
def test_we_open_what_it_signs(number: int) -> None:
    alg = SUITES[number].alg
    message = Sign1Message(phdr={Algorithm: ALGORITHMS[alg]}, payload=b"payload", external_aad=PURPOSE_ROSTER)
    message.key = AKPKey(alg, priv=SEED)
    data = message.encode(tag=False)
    public_key = Signer(number, SEED).public_key
    assert open_sign1(data, PURPOSE_ROSTER, public_key, (number,)) == b"payload"
    assert open_sign1(data, PURPOSE_VERTEX, public_key, (number,)) == Refusal("signature-bad")
