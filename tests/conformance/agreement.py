"""Vectors of evictions, and of what proves a fork and a vote above a stop."""

from hashlib import sha256
from typing import Any

from edge.wire.items import PRECOMMIT, PREVOTE, Vote
from edge.wire.suite import PURPOSE_VERTEX, Signer, sig_structure
from edge.wire.vertex import Header, encode_header
from tests.conformance.headers import SITE, WALL_MS, Vectors, file, seed
from tests.reference import cbor as slow
from tests.reference.vertex import vertex_id


def eviction_file() -> Vectors:
    """Values of the register of an eviction (docs/WIRE.md §2)."""
    lines = [[at, 1000 * at, seed(f"head {at}")] for at in (1, 7, 58000000, 58000001)]
    good = {"all of it": [3, 1, []], "one line": [3, 1, lines[:1]], "by hand, four lines": [3, 2, lines]}
    bad = {
        "for no reason": [3, 0, []],
        "five lines": [3, 1, [*lines, [58000002, 1, seed("head")]]],
        "lines out of order": [3, 1, lines[1::-1]],
        "one life twice": [3, 1, [lines[0], [1, 2000, seed("head")]]],
        "a line without an id": [3, 1, [lines[0][:2]]],
        "of nobody": [None, 1, lines],
    }
    return file(
        "eviction",
        {name: {"bytes": slow.encode(value).hex()} for name, value in good.items()},
        {name: (slow.encode(value), "proposal-eviction") for name, value in bad.items()},
    )


CHANGE = ["site", 1, "committee", 1, None]
OTHER = ["site", 1, "model", 2, seed("before")]


def stopped_file() -> Vectors:
    """A precommit for the change of a committee, and votes on another question above it (docs/WIRE.md §11)."""
    signer = Signer(1, seed("liar"))
    stop, also = (_vote(asked, PRECOMMIT, seed("value")) for asked in (CHANGE, OTHER))
    nil, early = also._replace(value=None), _vote([*CHANGE[:1], 2, *CHANGE[2:]], PREVOTE, None)

    def vertex(seq: int, prev: Header | None, *items: Vote) -> Header:
        return encode_header(
            suite=1, site=SITE, epoch=2, author=3, incarnation=1, seq=seq, prev=prev and prev.id, parents=(),
            hlc=WALL_MS + seq << 16, body=None, items=items,
        )  # fmt: skip

    def proof(*chain: Header, change: list[Any] = CHANGE, other: list[Any] = OTHER) -> bytes:
        signature = signer.sign(sig_structure(1, PURPOSE_VERTEX, chain[-1].raw), deterministic=True)
        return slow.encode([2, change, other, [[one.raw for one in chain], signature]])

    first = vertex(1, None, stop)
    second, third = vertex(2, first, early), None
    third = vertex(3, second, nil)
    top = vertex(4, third)
    vectors = file(
        "stopped-vote",
        {
            "three above, signed there": {"bytes": proof(first, second, third, top).hex()},
            "in one vertex": {"bytes": proof(vertex(1, None, stop, also)).hex()},
        },
        {
            "below it in one vertex": (proof(vertex(1, None, also, stop)), "evidence-shape"),
            "nothing above": (proof(first, second), "evidence-shape"),
            "no stop": (proof(second, third), "evidence-shape"),
            "a stop for none": (proof(vertex(1, None, stop._replace(value=None), also)), "evidence-shape"),
            "a prevote is no stop": (proof(vertex(1, None, stop._replace(phase=PREVOTE), also)), "evidence-shape"),
            "of another epoch": (proof(first, second, other=[OTHER[0], 2, *OTHER[2:]]), "evidence-shape"),
            "two changes": (proof(first, second, third, other=CHANGE), "evidence-shape"),
            "no change": (proof(first, second, third, change=OTHER), "evidence-shape"),
            "no chain": (proof(first, third), "range-broken"),
            "no header": (slow.encode([2, CHANGE, OTHER, [[], b"x"]]), "evidence-shape"),
            "a double vote's form": (slow.encode([1, CHANGE, OTHER, [[first.raw], b"x"]]), "evidence-shape"),
        },
    )
    vectors["public_key"] = signer.public_key.hex()
    return vectors


def _vote(asked: list[Any], phase: int, value: bytes | None) -> Vote:
    return Vote(sha256(b"synedge/1/conflict\x00" + slow.encode([SITE, *asked])).digest(), 0, phase, value)


def evidence_file() -> Vectors:
    """A signed second vertex under a name whose first has its signature one above it."""
    signer = Signer(1, seed("thief"))

    def vertex(seq: int, prev: Header | None, ms: int, incarnation: int = 1) -> Header:
        return encode_header(
            suite=1, site=SITE, epoch=1, author=3, incarnation=incarnation, seq=seq,
            prev=prev and prev.id, parents=(), hlc=ms << 16, body=None,
        )  # fmt: skip

    def side(*chain: Header) -> list[Any]:
        message = sig_structure(1, PURPOSE_VERTEX, chain[-1].raw)
        return [[one.raw for one in chain], signer.sign(message, deterministic=True)]

    root = vertex(1, None, WALL_MS)
    one, other = vertex(2, root, WALL_MS + 1), vertex(2, root, WALL_MS + 2)
    above = vertex(3, one, WALL_MS + 3)
    sides = sorted((side(one, above), side(other)), key=lambda value: vertex_id(value[0][0]))
    early = vertex(2, root, WALL_MS + 4, 2)
    late = vertex(4, above, WALL_MS + 5, 2)
    lives = [side(early), side(above, late)]
    same = [side(early), side(later := vertex(3, early, WALL_MS + 6, 2), vertex(4, later, WALL_MS + 7, 2))]
    good = {"one signed above, one itself": sides, "two lives in one incarnation": lives}
    vectors = file(
        "evidence",
        {name: {"bytes": slow.encode(value).hex()} for name, value in good.items()},
        {
            "the higher id first": (slow.encode(sides[::-1]), "evidence-shape"),
            "one side twice": (slow.encode([sides[0], sides[0]]), "evidence-shape"),
            "two names": (slow.encode([side(root), side(one)]), "evidence-shape"),
            "two lives, the later first": (slow.encode(lives[::-1]), "evidence-shape"),
            "a life without what it goes on from": (slow.encode([lives[0], side(late)]), "evidence-shape"),
            "a life that goes on from its own incarnation": (slow.encode(same), "evidence-shape"),
            "one life and one of another incarnation": (slow.encode([side(one), side(above, late)]), "evidence-shape"),
            "no chain": (slow.encode([side(other, above), side(one)]), "range-broken"),
            "one side": (slow.encode(sides[:1]), "evidence-shape"),
            "an empty signature": (slow.encode([sides[0], [sides[1][0], b""]]), "signature-size"),
        },
    )
    vectors["public_key"] = signer.public_key.hex()
    return vectors
