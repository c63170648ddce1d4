"""Shared state at a cut by docs/WIRE.md §15: its parts and their root, from all headers that there are."""

import hashlib
from typing import Any

from tests.reference.cbor import encode
from tests.reference.state import Header, all_ops, below, puts, taken_back, twos_complement
from tests.reference.vertex import merkle_root

Cut = dict[tuple[int, int], int]
"""By author and incarnation, up to which seq."""


def below_cut(headers: list[Header], cut: Cut) -> tuple[list[Header], set[tuple[int, int]]]:
    """The vertices at or below the ends, and the lines that those go through."""
    by_id = {header["id"]: header for header in headers}
    found: dict[bytes, Header] = {}
    for header in headers:
        if header["seq"] <= cut.get((header["author"], header["incarnation"]), 0):
            found |= {one["id"]: one for one in (header, *below(header, by_id, 1024))}
    held = list(found.values())
    return held, {(header["author"], header["incarnation"]) for header in held}


def parts(headers: list[Header], cut: Cut, slots: int = 256) -> dict[int, bytes]:
    by_id = {header["id"]: header for header in headers}
    held, names = below_cut(headers, cut)
    ops = all_ops(held)
    lines: dict[tuple[int, int], list[Any]] = {}
    for name in sorted(names):
        vertices = [one for one in headers if (one["author"], one["incarnation"]) == name]
        first = min(vertices, key=lambda one: one["seq"])
        base = by_id[first["prev"]]["incarnation"] if first["prev"] in by_id else 0
        said = [header for _, header, _ in ops if (header["author"], header["incarnation"]) == name]
        last = max(said, key=lambda one: one["seq"], default={"seq": first["seq"] - 1, "id": b"", "hlc": 0})
        lines[name] = [*name, first["seq"], base, last["seq"], last["id"], last["hlc"]]
    gone = taken_back(held, ops, 1024)
    early = {(name, tag) for name, tag in gone if tag[2] > lines.get(tag[:2], [0] * 5)[4]}
    authors = {name[0] for name in names} | {tag[0] for _, tag in early}
    return {author: encode([author, part(author, lines, ops, gone, early, slots)]) for author in sorted(authors)}


def part(author: int, lines: Any, ops: Any, gone: Any, early: Any, slots: int) -> bytes:
    own = [op for op in ops if op[1]["author"] == author]
    registers = {name: max(row for row in puts(own, 3) if row[1] == name) for _, name, _ in puts(own, 3)}
    names = sorted(registers)[:slots]
    sums: dict[str, int] = {}
    for _, _, item in own:
        if item[0] == "count":
            sums[item[1]] = sums.get(item[1], 0) + item[2]
    adds = []
    for order, name, value in sorted(puts(own, 1))[-slots:]:
        line = [o[3:] for o, n, v in puts(own, 1) if (n, v) == (name, value) and o[1:3] == order[1:3]]
        counts = (name, order[1:]) not in gone and order[3:] == max(line)
        adds.append([*order, name, value if counts else None])
    grown = sorted({(name, value) for _, name, value in puts(own, 0)})[:slots]
    return encode(
        [
            1,
            False,
            [line for name, line in sorted(lines.items()) if name[0] == author],
            [[name, *registers[name][0], registers[name][2]] for name in names],
            [[author, name, twos_complement(sums[name])] for name in sorted(sums)[:slots]],
            [[author, *one] for one in grown],
            adds,
            [[*order, name, value] for order, name, value in sorted(puts(own, 5))[-slots:]],
            [[name, *tag] for name, tag in sorted(early) if tag[0] == author],
            [],
        ]
    )


def root(headers: list[Header], cut: Cut, slots: int = 256) -> bytes:
    found = parts(headers, cut, slots)
    return merkle_root(list(found.values())) if found else hashlib.sha256(b"").digest()
