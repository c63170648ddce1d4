"""docs/WIRE.md §1, the obvious way: read leniently, encode what was read, take it if that gives the same bytes."""

import math
import struct
from typing import Any


class Refused(Exception):  # noqa: N818
    """The bytes are not what docs/WIRE.md allows."""


def require(condition: bool, why: str) -> None:
    if not condition:
        raise Refused(why)


def encode_head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise Refused("more than 64 bits")


def encode_float(value: float) -> bytes:
    for head, form in ((0xF9, ">e"), (0xFA, ">f"), (0xFB, ">d")):
        try:
            packed = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, packed)[0] == value:
            return bytes([head]) + packed
    raise Refused("not a finite float")


def encode(value: Any) -> bytes:
    if value is None:
        return b"\xf6"
    if value is True:
        return b"\xf5"
    if value is False:
        return b"\xf4"
    if isinstance(value, int):
        return encode_head(0, value) if value >= 0 else encode_head(1, -1 - value)
    if isinstance(value, float):
        return encode_float(value)
    if isinstance(value, bytes):
        return encode_head(2, len(value)) + value
    if isinstance(value, str):
        return encode_head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return encode_head(4, len(value)) + b"".join(encode(element) for element in value)
    pairs = sorted((encode(key), encode(element)) for key, element in value.items())
    return encode_head(5, len(pairs)) + b"".join(key + element for key, element in pairs)


def read_head(data: bytes, at: int) -> tuple[int, int, int, int]:
    """(major type, additional information, argument, place behind the head)"""
    require(at < len(data), "truncated")
    major, info = data[at] >> 5, data[at] & 31
    require(info < 28, "reserved or indefinite")
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    require(at + 1 + size <= len(data), "truncated")
    argument = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else info
    return major, info, argument, at + 1 + size


def read(data: bytes, at: int, depth_left: int, maps: bool) -> tuple[Any, int]:
    """The item at a place and the place behind it."""
    major, info, argument, at = read_head(data, at)
    if major == 0:
        return argument, at
    if major == 1:
        return -1 - argument, at
    if major in (2, 3):
        chunk = data[at : at + argument]
        require(len(chunk) == argument, "truncated")
        try:
            return (chunk if major == 2 else chunk.decode()), at + argument
        except UnicodeDecodeError:
            raise Refused("not UTF-8") from None
    if major == 4:
        require(depth_left > 0, "too deep")
        elements = []
        for _ in range(argument):
            element, at = read(data, at, depth_left - 1, maps)
            elements.append(element)
        return elements, at
    if major == 5:
        require(maps and depth_left > 0, "a map")
        return read_map(data, at, argument, depth_left)
    require(major == 7, "a tag")
    return read_simple(info, argument), at


def read_map(data: bytes, at: int, count: int, depth_left: int) -> tuple[dict[int, Any], int]:
    result = {}
    for _ in range(count):
        key, at = read(data, at, 0, False)
        require(type(key) is int, "a key that is no integer")
        result[key], at = read(data, at, depth_left - 1, True)
    return result, at


def read_simple(info: int, argument: int) -> Any:
    if info in (20, 21, 22):
        return {20: False, 21: True, 22: None}[info]
    require(info in (25, 26, 27), "a simple value")
    form, size = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}[info]
    value = struct.unpack(form, argument.to_bytes(size, "big"))[0]
    require(math.isfinite(value), "not finite")
    return value


def decode(data: bytes, depth_max: int, maps: bool = False) -> Any:
    value, end = read(data, 0, depth_max, maps)
    require(end == len(data), "trailing bytes")
    require(encode(value) == data, "not the canonical encoding")
    return value
