"""Mutations of valid encodings: of their bytes, of their heads, and of the values they stand for."""

import struct
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.generate import FLOAT_EDGES
from tests.reference.cbor import Refused, decode, encode, read_head

WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 3, 4, 5, 6, 7, 23, 24, 255, 256, 0x0100, 0x0104, 0x0200, 65535, 65536, 2**32 - 1, 2**32,
    2**53 - 1, 2**53, 2**64 - 1, -1, -24, -(2**64), *FLOAT_EDGES, 1.5, -0.5, b"", b"x" * 7, b"x" * 8, b"x" * 9,
    b"x" * 16, b"x" * 31, b"x" * 32, b"x" * 33, "", "a", "A", "-a", "a" * 32, "a" * 33, "é" * 32, "é" * 33, "x" * 65,
    "\x00", "\x1f", "\x7f", "\x85", "\u00a0", "device", "validator", [], [0], [[]], [1, 2, 3, b"x" * 32], [2, 0],
)  # fmt: skip


def heads(data: bytes) -> list[int]:
    """The places of all heads of a valid encoding."""
    places, at = [], 0
    while at < len(data):
        places.append(at)
        major, _, argument, at = read_head(data, at)
        at += argument if major in (2, 3) else 0
    return places


def flip(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_head(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    changed[rng.choice(heads(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def insert(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 1, 2, 9))) + data[at:]


def delete(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 1, 2, 9)) :]


def splice(rng: Random, data: bytes) -> bytes:
    a, b, c = (rng.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[min(b, c) : max(b, c)] + data[a:]


def resize(rng: Random, data: bytes) -> bytes:
    """Another length or argument under the same major type, in canonical form or as a huge claim."""
    at = rng.choice(heads(data))
    major, _, argument, behind = read_head(data, at)
    other = rng.choice((min(argument + 1, 2**64 - 1), max(argument - 1, 0), 2**32 - 1, 2**63, 0))
    head = encode(other)
    return data[:at] + bytes([head[0] | major << 5]) + head[1:] + data[behind:]


def lengthen(rng: Random, data: bytes) -> bytes:
    """The same argument in a longer head, or the same float in a longer form."""
    at = rng.choice(heads(data))
    major, info, argument, behind = read_head(data, at)
    wider = [wide for wide in WIDTHS if wide > info]
    if not wider:
        return data + b"\x00"
    wide = rng.choice(wider)
    return data[:at] + bytes([major << 5 | wide]) + argument.to_bytes(WIDTHS[wide], "big") + data[behind:]


def widen_float(rng: Random, data: bytes) -> bytes:
    """A float one size up, its value kept (RFC 8949 §4.2.1 wants the shortest)."""
    floats = [at for at in heads(data) if data[at] in (0xF9, 0xFA)]
    if not floats:
        return flip_head(rng, data)
    at = rng.choice(floats)
    small, large, size = (">e", ">f", 2) if data[at] == 0xF9 else (">f", ">d", 4)
    value = struct.unpack(small, data[at + 1 : at + 1 + size])[0]
    return data[:at] + bytes([data[at] + 1]) + struct.pack(large, value) + data[at + 1 + size :]


def indefinite(rng: Random, data: bytes) -> bytes:
    """An indefinite length, closed by a break somewhere behind."""
    at = rng.choice(heads(data))
    major, _, _, behind = read_head(data, at)
    close = rng.choice((len(data), rng.randrange(behind, len(data) + 1)))
    return data[:at] + bytes([major << 5 | 31]) + data[behind:close] + b"\xff" + data[close:]


def trail(rng: Random, data: bytes) -> bytes:
    return data + rng.choice((b"\x00", b"\xf6", b"\xff", data))


def edit(rng: Random, tree: Any) -> Any:
    """One change somewhere in a tree of values; the encoding of the result is canonical again."""
    if isinstance(tree, list) and tree and rng.random() < 0.8:
        at = rng.randrange(len(tree))
        if rng.random() < 0.75:
            return [*tree[:at], edit(rng, tree[at]), *tree[at + 1 :]]
        return rng.choice(
            (
                [*tree[:at], *tree[at + 1 :]],
                [*tree[:at], tree[at], *tree[at:]],
                [*tree[:at], rng.choice(STRANGE), *tree[at:]],
                tree[at:] + tree[:at],
                sorted(tree, key=repr),
            )
        )
    if type(tree) is int and rng.random() < 0.5:
        return min(max(tree + rng.choice((-1, 1)), 0), 2**64 - 1)
    if type(tree) in (bytes, str) and tree and rng.random() < 0.3:
        return rng.choice((tree[:-1], tree + tree[:1], tree * 2))
    return rng.choice(STRANGE)


def revalue(rng: Random, data: bytes) -> bytes:
    tree = decode(data, 8)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        tree = edit(rng, tree)
    return encode(tree)


def inner(rng: Random, data: bytes) -> bytes:
    """A mutation of an encoding inside a byte string (the event in a leaf), wrapped canonically again."""
    tree = decode(data, 8)
    if not isinstance(tree, list) or not tree or not all(type(leaf) is bytes and len(leaf) > 16 for leaf in tree):
        return revalue(rng, data)
    at = rng.randrange(len(tree))
    try:
        tree[at] = tree[at][:16] + mutate(rng, tree[at][16:])
    except Refused:
        return revalue(rng, data)
    return encode(tree)


MUTATIONS: tuple[Callable[[Random, bytes], bytes], ...] = (
    flip, flip_head, cut, insert, delete, splice, resize, lengthen, widen_float, indefinite, trail,
    revalue, revalue, revalue, revalue, inner, inner,
)  # fmt: skip


def mutate(rng: Random, data: bytes) -> bytes:
    return rng.choice(MUTATIONS)(rng, data)
