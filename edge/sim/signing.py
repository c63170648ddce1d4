"""Signatures of a simulated site: a keyed hash in the place of ML-DSA, or ML-DSA itself.

The stand-in has no suite number. Nodes write and read headers of a real suite and ask the world to sign and verify, as
ever; this world answers with a hash that only it can check. So no roster and no configuration can name it, and a real
`edge.wire.suite.verify` refuses what it makes.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b, sha256, shake_256
from typing import Protocol

from edge.wire import suite
from edge.wire.recovery import Keys
from edge.wire.roster import Member, Roster, encode_roster, site_id
from edge.wire.voters import VOTING_ROLE, Voters

SUITE = 2
"""ML-DSA-65, what devices use: keys and signatures of the stand-in have its sizes, so that bytes are counted right."""
_KNOWN = suite.SUITES[SUITE]
_PADDING = bytes(_KNOWN.signature_bytes - 32)


class Signatures(Protocol):
    """Keys by member name."""

    def public_key(self, name: str) -> bytes: ...

    def sign(self, name: str, message: bytes) -> bytes: ...

    def verify(self, number: int, public_key: bytes, message: bytes, signature: bytes) -> bool: ...


class StandIn:
    """BLAKE2b keyed by a secret that this object looks up by public key."""

    def __init__(self) -> None:
        self._secrets: dict[bytes, bytes] = {}

    def public_key(self, name: str) -> bytes:
        key = shake_256(f"public {name}".encode()).digest(_KNOWN.public_bytes)
        self._secrets[key] = _seed(name)
        return key

    def sign(self, name: str, message: bytes) -> bytes:
        return blake2b(message, key=_seed(name), digest_size=32).digest() + _PADDING

    def verify(self, number: int, public_key: bytes, message: bytes, signature: bytes) -> bool:
        secret = self._secrets.get(public_key)
        if secret is None or number != SUITE or signature[32:] != _PADDING:
            return False
        return blake2b(message, key=secret, digest_size=32).digest() == signature[:32]


class Genuine:
    """The signatures that ship; unhedged, so that a seed repeats its bytes."""

    def public_key(self, name: str) -> bytes:
        return _signer(name).public_key

    def sign(self, name: str, message: bytes) -> bytes:
        return _signer(name).sign(message, deterministic=True)

    def verify(self, number: int, public_key: bytes, message: bytes, signature: bytes) -> bool:
        return suite.verify(number, public_key, message, signature)


@lru_cache
def _seed(name: str) -> bytes:
    return sha256(f"synedge simulation {name}".encode()).digest()


@lru_cache
def _signer(name: str) -> suite.Signer:
    return suite.Signer(SUITE, _seed(name))


@lru_cache
def authority() -> suite.Signer:
    return suite.Signer(suite.AUTHORITY_SUITE, _seed("authority"))


@lru_cache
def holder(number: int) -> suite.Signer:
    """Of a recovery key."""
    return suite.Signer(suite.AUTHORITY_SUITE, _seed(f"holder {number}"))


def make_roster(
    members: list[tuple[str, str]],
    version: int,
    signatures: Signatures,
    committees: tuple[Voters, ...] = (),
    ended: tuple[Voters, ...] = (),
    recovery: tuple[Keys, ...] = (),
) -> tuple[Roster, bytes]:
    """A roster of (name, role) signed by the authority, with the real algorithm: nodes check it themselves.

    Who votes in one of `committees` has that role besides.
    """
    voting = {index for voters in committees for index in voters.indices}
    rows = tuple(
        Member(
            index, name, name, SUITE, signatures.public_key(name), (role, VOTING_ROLE) if index in voting else (role,)
        )
        for index, (name, role) in enumerate(members)
    )
    site = site_id(authority().public_key)
    roster = Roster(site, version, 1_759_000_000_000, (SUITE, 3), rows, committees, ended, recovery)
    return roster, suite.sign1(authority(), suite.PURPOSE_ROSTER, encode_roster(roster), deterministic=True)
