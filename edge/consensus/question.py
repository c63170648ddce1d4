"""Digests that agreement speaks in: of a question, of a value, and of what was decided (docs/WIRE.md §2)."""

from hashlib import sha256

from edge.wire.cbor import encode
from edge.wire.items import Question

CONFLICT_DOMAIN = b"synedge/1/conflict\x00"
VALUE_DOMAIN = b"synedge/1/value\x00"
FINAL_DOMAIN = b"synedge/1/final\x00"


EVICTIONS = "evict/"
"""What the keys of evictions begin with; the index of the member follows (docs/decisions/0039)."""


def is_eviction(key: str) -> bool:
    return key.startswith(EVICTIONS)


def conflict_of(site: bytes, question: Question) -> bytes:
    """The conflict set of all proposals that answer one question."""
    return sha256(CONFLICT_DOMAIN + encode([site, *question])).digest()


def value_digest(value: bytes) -> bytes:
    """What votes name a value by."""
    return sha256(VALUE_DOMAIN + value).digest()


def final_id(site: bytes, question: Question, digest: bytes) -> bytes:
    """What the next version names as its predecessor.

    Neither ballot nor epoch is part of it: two may certify the same value, and it has one successor.
    """
    scope, _, key, version, predecessor = question
    return sha256(FINAL_DOMAIN + encode([site, scope, key, version, predecessor, digest])).digest()


def follows(site: bytes, before: tuple[Question, bytes] | None, question: Question) -> bool:
    """Whether the question is the next one after a register's present (question, value); after none, the first."""
    if before is None:
        return question.version == 1
    last, value = before
    is_next = question.version == last.version + 1
    return is_next and question.predecessor == final_id(site, last, value_digest(value))
