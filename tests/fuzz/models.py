"""Mutations of `.tflite`: of its bytes, of the words that FlatBuffers are made of, and of what the model says."""

import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from edge.nn.errors import ModelError
from edge.nn.tflite import read
from edge.nn.tflite_writer import write_tflite
from tests.fuzz.mutate import cut, delete, flip, insert, splice, trail

WORDS = (0, 1, 2, 3, 4, 8, 12, 16, 255, 256, 2**15, 2**16 - 1, 2**20, 2**24, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)
STRANGE: Mapping[type, tuple[Any, ...]] = {
    int: (-(2**31), -129, -128, -2, -1, 0, 1, 2, 3, 4, 7, 8, 127, 128, 255, 256, 4096, 2**31 - 1),
    float: (0.0, -1.0, 1e-45, 1.0, 3e38, float("inf"), float("nan")),
    bool: (False, True),
    str: ("", "x", "é" * 9, "CONV_2D", "CUSTOM:x", "CALL_ONCE", "int8", "float32", "resource", "string"),
}


def word(rng: Random, data: bytes) -> bytes:
    """One aligned word becomes a strange one, or one that is elsewhere in the file."""
    changed = bytearray(data)
    at = rng.randrange(len(data) // 4) * 4
    other = rng.randrange(len(data) // 4) * 4
    value = rng.choice((*WORDS, len(data) - at, len(data), struct.unpack_from("<I", data, other)[0], at, other))
    struct.pack_into("<I", changed, at, value % 2**32)
    return bytes(changed)


def nudge(rng: Random, data: bytes) -> bytes:
    """One half word, as vtables are made of, a little more or less."""
    changed = bytearray(data)
    at = rng.randrange(len(data) // 2) * 2
    (value,) = struct.unpack_from("<H", data, at)
    struct.pack_into("<H", changed, at, (value + rng.choice((-4, -2, -1, 1, 2, 4, 100))) % 2**16)
    return bytes(changed)


def edit(rng: Random, value: Any) -> Any:
    """One change somewhere in a Graph."""
    if isinstance(value, memoryview | bytes):
        return rng.choice((bytes(value[:-1]), bytes(value) + b"\0", flip(rng, bytes(value)) if value else b"x", None))
    if isinstance(value, Mapping):
        key = rng.choice([*value]) if value else None
        return value if key is None else {**value, key: edit(rng, value[key])}
    if isinstance(value, tuple) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        changed = (*value[:at], edit(rng, value[at]), *value[at + 1 :])
        if hasattr(value, "_make"):
            return value._make(changed)
        shorter, longer = (*value[:at], *value[at + 1 :]), (*value[: at + 1], *value[at:])
        return rng.choice((changed, changed, changed, changed, changed, shorter, longer))
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.5:
        return value + rng.choice((-1, 1))
    return rng.choice(STRANGE.get(type(value), (value,)))


def reword(rng: Random, data: bytes) -> bytes:
    """Another model, written without fault as FlatBuffers; the same when the writer cannot say it."""
    try:
        graph = read(data)
    except ModelError:
        return word(rng, data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        graph = edit(rng, graph)
    try:
        return write_tflite(graph)
    except (KeyError, TypeError, struct.error, AttributeError, OverflowError, ValueError):
        return nudge(rng, data)


MUTATIONS: tuple[Callable[[Random, bytes], bytes], ...] = (
    flip, cut, insert, delete, splice, trail, word, word, word, word, nudge, nudge, reword, reword, reword, reword,
)  # fmt: skip


def mutate(rng: Random, data: bytes) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        changed = rng.choice(MUTATIONS)(rng, data)
        if len(changed) >= 8:
            data = changed
    return data
