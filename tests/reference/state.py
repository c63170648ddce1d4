"""Shared state by docs/WIRE.md §14: everything at once, from all headers that there are (`tests.reference.vertex`)."""

import hashlib
from typing import Any

from tests.reference.cbor import encode
from tests.reference.vertex import merkle_root

Header = dict[str, Any]
Op = tuple[tuple[int, int, int, int, int], Header, tuple[Any, ...]]
TYPES = ("grow", "set", "register", "counter", "series")


def all_ops(headers: list[Header]) -> list[Op]:
    """Each with (hlc, author, incarnation, seq, position), ascending."""
    ops = []
    for header in headers:
        for position, item in enumerate(header["items"]):
            if item[0] in ("put", "count", "remove"):
                name = (header["author"], header["incarnation"], header["seq"])
                ops.append(((header["hlc"], *name, position), header, item))
    return sorted(ops, key=lambda op: op[0])


def puts(ops: list[Op], kind: int) -> list[tuple[Any, str, bytes]]:
    return [(order, item[2], item[3]) for order, _, item in ops if item[0] == "put" and item[1] == kind]


def below(header: Header, by_id: dict[bytes, Header], depth: int) -> list[Header]:
    """Its chain in its own and so many earlier incarnations, itself not."""
    chain = []
    lives = {header["incarnation"]}
    while header["prev"] in by_id:
        header = by_id[header["prev"]]
        lives.add(header["incarnation"])
        if len(lives) > depth:
            break
        chain.append(header)
    return chain


def taken_back(headers: list[Header], ops: list[Op], depth: int) -> set[Any]:
    """(name, tag) of adds that somebody who had observed them took back."""
    by_id = {header["id"]: header for header in headers}
    gone = set()
    for _, header, item in ops:
        if item[0] != "remove":
            continue
        for tag in item[2]:
            if tag[0] == header["author"]:
                chain = below(header, by_id, depth)
                observed = any((one["incarnation"], one["seq"]) == tag[1:3] for one in chain)
            else:
                observed = any(parent[:2] == tag[:2] and parent[2] >= tag[2] for parent in header["parents"])
            if observed:
                gone.add((item[1], tag))
    return gone


def state(headers: list[Header], slots: int = 256, depth: int = 1024) -> dict[tuple[str, str], Any]:
    """(type, name): its content as a leaf has it."""
    ops = all_ops(headers)
    authors = {header["author"] for header in headers}
    result: dict[tuple[str, str], Any] = {}

    def smallest(keys: set[Any]) -> set[Any]:
        return set(sorted(keys)[:slots])

    def newest(orders: list[Any]) -> set[Any]:
        return set(sorted(orders)[-slots:])

    counts = [(order, item[1], item[2]) for order, _, item in ops if item[0] == "count"]
    for author in authors:
        own_grown = smallest({(name, value) for order, name, value in puts(ops, 0) if order[1] == author})
        for name, value in own_grown:
            result.setdefault(("grow", name), set()).add(value)
        own_names = smallest({name for order, name, _ in puts(ops, 3) if order[1] == author})
        for order, name, value in puts(ops, 3):
            if order[1] == author and name in own_names:
                result[("register", name)] = max(result.get(("register", name), ()), (*order, value))
        own_counters = smallest({name for order, name, _ in counts if order[1] == author})
        for name in own_counters:
            total = sum(delta for order, other, delta in counts if order[1] == author and other == name)
            result.setdefault(("counter", name), []).append((author, total))
        own_entries = newest([order for order, _, _ in puts(ops, 5) if order[1] == author])
        for order, name, value in puts(ops, 5):
            if order in own_entries:
                result.setdefault(("series", name), []).append((*order, value))

    gone = taken_back(headers, ops, depth)
    for order, name, value in puts(ops, 1):
        tag = order[1:]
        own = [other for other, _, _ in puts(ops, 1) if other[1] == order[1]]
        line = [o[3:] for o, n, v in puts(ops, 1) if (n, v) == (name, value) and o[1:3] == order[1:3]]
        if order in newest(own) and (name, tag) not in gone and tag[2:] == max(line):
            result.setdefault(("set", name), {}).setdefault(value, []).append(tag)
    return result


def twos_complement(number: int) -> bytes:
    size = 1
    while not -(2 ** (8 * size - 1)) <= number < 2 ** (8 * size - 1):
        size += 1
    return (number % 2 ** (8 * size)).to_bytes(size, "big")


def leaf(type: str, name: str, content: Any) -> bytes:
    if type == "grow":
        content = sorted(content)
    elif type == "set":
        content = [[value, sorted([*tag] for tag in tags)] for value, tags in sorted(content.items())]
    elif type == "register":
        content = [*content]
    elif type == "counter":
        content = [[author, twos_complement(total)] for author, total in sorted(content)]
    else:
        content = [[*entry] for entry in sorted(content)]
    return encode([TYPES.index(type), name, content])


def leaves(headers: list[Header], slots: int = 256, depth: int = 1024) -> list[bytes]:
    """Ascending by type and name."""
    held = state(headers, slots, depth)
    names = sorted(held, key=lambda name: (TYPES.index(name[0]), name[1].encode()))
    return [leaf(*name, held[name]) for name in names]


def root(headers: list[Header], slots: int = 256, depth: int = 1024) -> bytes:
    found = leaves(headers, slots, depth)
    return merkle_root(found) if found else hashlib.sha256(b"").digest()
