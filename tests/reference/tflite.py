"""`.tflite` read slowly: everything into one tree first, by a description of the tables; then every rule, one by one.

Answers with nested tuples that equal the product's values.
"""

import itertools
import math
import struct
from typing import Any

from tests.reference.cbor import require
from tests.reference.tflite_schema import OPERATORS, OPTIONS, TYPES

FILE_BYTES = 64 * 1024 * 1024
TENSORS = STEPS = 4096
PARTS, CODES, INDICES, RANK, TEXT_BYTES, VALUES = 32, 1024, 256, 8, 16384, 1024 * 1024
FLOATS = {"float32": "f", "float64": "d", "float16": "e"}
ZERO_POINTS = {
    "int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "uint16": (0, 65535), "int4": (-8, 7),
    "uint4": (0, 15), "int2": (-2, 1),
}  # fmt: skip
ABSENT: dict[str, Any] = {"text": "", "bytes": (0, b""), "there": False, "later": None}

# field name: (number, kind, default). Kinds: a letter of struct; "*letter" a vector; {} a table; [{}] a vector of them.
Kinds = dict[str, tuple[Any, ...]]
QUANTISATION: Kinds = {"scale": (2, "*f"), "zero_point": (3, "*q"), "details": (4, "B", 0), "axis": (6, "i", 0)}
TENSOR: Kinds = {
    "shape": (0, "*i"), "type": (1, "b", 0), "buffer": (2, "I", 0), "name": (3, "text"), "how": (4, QUANTISATION),
    "is_variable": (5, "?", False), "sparsity": (6, "there"), "external": (10, "I", 0),
}  # fmt: skip
OPERATOR: Kinds = {
    "code": (0, "I", 0), "inputs": (1, "*i"), "outputs": (2, "*i"), "union": (3, "B", 0), "options": (4, "later"),
    "intermediates": (8, "later"),
}  # fmt: skip
SUBGRAPH: Kinds = {
    "tensors": (0, [TENSOR]), "inputs": (1, "*i"), "outputs": (2, "*i"), "operators": (3, [OPERATOR]),
    "name": (4, "text"),
}  # fmt: skip
CODE: Kinds = {"old": (0, "b", 0), "custom": (1, "later"), "version": (2, "i", 1), "new": (3, "i", 0)}
MODEL: Kinds = {
    "version": (0, "I", 0), "codes": (1, [CODE]), "subgraphs": (2, [SUBGRAPH]), "description": (3, "text"),
    "buffers": (4, [{"data": (0, "bytes"), "offset": (1, "Q", 0)}]),
}  # fmt: skip


class File:
    """The bytes as FlatBuffers objects."""

    def __init__(self, raw: bytes):
        self.raw = raw

    def number(self, at: int, letter: str) -> Any:
        end = at + struct.calcsize("<" + letter)
        require(at >= 0 and end <= len(self.raw), "outside")
        return struct.unpack("<" + letter, self.raw[at:end])[0]

    def follow(self, at: int) -> int:
        there = at + self.number(at, "I")
        require(there >= at + 4 and there % 4 == 0, "offset")
        self.number(there, "I")  # there is something
        return there

    def vector(self, at: int, letter: str) -> list[int]:
        """Where its elements are."""
        width, start = struct.calcsize("<" + letter), self.follow(at)
        count = self.number(start, "I")
        require(start + 4 + count * width <= len(self.raw), "vector")
        return list(range(start + 4, start + 4 + count * width, width))

    def tree(self, at: int, kinds: Kinds) -> dict[str, Any]:
        """A table and all below it."""
        vtable = at - self.number(at, "i")
        require(vtable >= 0 and vtable % 2 == 0, "vtable")
        slots, size = self.number(vtable, "H"), self.number(vtable + 2, "H")
        require(slots >= 4 and slots % 2 == 0 and vtable + slots <= len(self.raw), "vtable size")
        require(size >= 4 and at + size <= len(self.raw), "table size")
        require(vtable + slots <= at or at + size <= vtable, "a table in its vtable")
        found = {}
        for name, (number, kind, *default) in kinds.items():
            offset = self.number(vtable + 4 + 2 * number, "H") if 4 + 2 * number < slots else 0
            if offset == 0:
                found[name] = default[0] if default else absent(kind)
                continue
            width = struct.calcsize("<" + kind) if isinstance(kind, str) and len(kind) == 1 else 4
            is_inside = 4 <= offset <= size - width
            require(is_inside or kind in ("there", "later"), "field outside of its table")
            found[name] = (is_inside, at + offset) if kind == "later" else self.field(at + offset, kind)
        return found

    def field(self, at: int, kind: Any) -> Any:
        if isinstance(kind, dict):
            return self.tree(self.follow(at), kind)
        if isinstance(kind, list):
            places = self.vector(at, "I")
            require(len(places) <= TENSORS + 1, "too many tables")
            return [self.tree(self.follow(place), kind[0]) for place in places]
        if kind == "there":
            return True
        if kind == "bytes":
            places = self.vector(at, "B")
            return self.follow(at) + 4, bytes(self.raw[place] for place in places)
        if kind == "text":
            places = self.vector(at, "B")
            require(len(places) <= TEXT_BYTES, "long text")
            return bytes(self.raw[place] for place in places).decode(errors="backslashreplace")
        if kind[0] == "*":
            return tuple(self.number(place, kind[1]) for place in self.vector(at, kind[1]))
        return self.number(at, kind)

    def later(self, found: tuple[bool, int] | None, kind: Any) -> Any:
        """A field that is looked at only where it means something."""
        if found is None:
            return absent(kind)
        require(found[0], "field outside of its table")
        return self.field(found[1], kind)


def absent(kind: Any) -> Any:
    return None if isinstance(kind, dict) else ABSENT.get(kind, ()) if isinstance(kind, str) else ()


def decode(raw: bytes) -> tuple[Any, ...]:
    """Nested tuples as of Graph, Subgraph, Tensor, Quantisation and Operator. Raises Refused."""
    require(8 <= len(raw) <= FILE_BYTES and raw[4:8] == b"TFL3", "no model")
    file = File(raw)
    model = file.tree(file.follow(0), MODEL)
    require(model["version"] == 3, "version")
    require(len(model["codes"]) <= CODES and 1 <= len(model["subgraphs"]) <= PARTS, "too many")
    require(sum(len(part["tensors"]) for part in model["subgraphs"]) <= TENSORS, "too many tensors")
    require(sum(len(part["operators"]) for part in model["subgraphs"]) <= STEPS, "too many steps")
    codes = [code(file, one) for one in model["codes"]]
    spans = sorted({(place, place + len(data)) for place, data in (one["data"] for one in model["buffers"]) if data})
    require(all(one[1] <= other[0] for one, other in itertools.pairwise(spans)), "overlap")
    require(all(one["offset"] <= 1 for one in model["buffers"]), "content elsewhere")
    parts = tuple(subgraph(file, part, codes, model["buffers"]) for part in model["subgraphs"])
    for step in (step for part in parts for step in part[4] if step[0] == "CALL_ONCE"):
        callee = step[4]["init_subgraph_index"]
        require(0 < callee < len(parts), "callee")
        require(all(inner[0] != "CALL_ONCE" for inner in parts[callee][4]), "calls on")
    return 3, model["description"], parts


def code(file: File, one: dict[str, Any]) -> tuple[str, int]:
    number = max(one["old"], one["new"])
    require(number >= 0 and one["version"] >= 1, "code")
    name = OPERATORS[number] if number < len(OPERATORS) else f"UNKNOWN:{number}"
    return (f"CUSTOM:{file.later(one['custom'], 'text')}" if name == "CUSTOM" else name), one["version"]


def subgraph(file: File, part: dict[str, Any], codes: list[Any], buffers: list[Any]) -> tuple[Any, ...]:
    tensors = tuple(tensor(one, buffers) for one in part["tensors"])
    steps = tuple(operator(file, one, codes, len(tensors)) for one in part["operators"])
    indices(part["inputs"], len(tensors))
    indices(part["outputs"], len(tensors))
    values = [n for n, one in enumerate(tensors) if one[3] is not None or one[5]]
    for n in part["inputs"]:
        require(n not in values, "input has a value")
        values.append(n)
    for step in steps:
        require(all(n == -1 or n in values for n in step[2]), "read too early")
        for n in step[3]:
            require(n not in values or 0 in tensors[n][1], "written twice")
            values.append(n)
    require(all(n in values for n in part["outputs"]), "output without a value")
    return part["name"], tensors, part["inputs"], part["outputs"], steps


def indices(found: tuple[int, ...], count: int, low: int = 0) -> None:
    require(len(found) <= INDICES and all(low <= n < count for n in found), "index")


def tensor(one: dict[str, Any], buffers: list[Any]) -> tuple[Any, ...]:
    require(0 <= one["type"] < len(TYPES), "type")
    require(not one["sparsity"] and one["external"] == 0, "sparse or elsewhere")
    (dtype, bits), shape = TYPES[one["type"]], one["shape"]
    require(len(shape) <= RANK and all(dim >= 0 for dim in shape), "shape")
    require(one["buffer"] == 0 or one["buffer"] < len(buffers), "buffer")
    data = (buffers[one["buffer"]]["data"][1] if buffers else b"") or None
    if data is None:
        data = b"" if bits and 0 in shape else None
        require(data is not None or math.prod(shape) <= VALUES, "large")
    else:
        require(bits == 0 or len(data) == math.ceil(math.prod(shape) * bits / 8), "size")
        if dtype in FLOATS:
            require(not any(math.isnan(x) for (x,) in struct.iter_unpack("<" + FLOATS[dtype], data)), "NaN")
    require(data is None or not one["is_variable"], "constant variable")
    return one["name"], shape, dtype, data, quantisation(one["how"], dtype, shape), one["is_variable"]


def quantisation(one: dict[str, Any] | None, dtype: str, shape: tuple[int, ...]) -> tuple[Any, ...] | None:
    if one is None:
        return None
    scales, zero_points, axis = one["scale"], one["zero_point"], one["axis"]
    require(one["details"] == 0, "blockwise")
    require(max(len(scales), len(zero_points)) <= (max(shape) if shape else 1), "more than any dimension")
    if not scales:
        return None
    low, high = ZERO_POINTS.get(dtype, (-(2**31), 2**31 - 1))
    require(all(math.isfinite(scale) and scale > 0 for scale in scales), "scale")
    require(len(zero_points) in (1, len(scales)) and all(low <= zero <= high for zero in zero_points), "zero point")
    require(len(scales) == 1 or (0 <= axis < len(shape) and shape[axis] == len(scales)), "axis")
    return scales, zero_points, axis


def operator(file: File, one: dict[str, Any], codes: list[Any], tensors: int) -> tuple[Any, ...]:
    require(one["code"] < len(codes), "code")
    name, version = codes[one["code"]]
    indices(one["inputs"], tensors, -1)
    indices(one["outputs"], tensors)
    options = {}
    if name in OPTIONS:
        union, fields = OPTIONS[name]
        require(one["union"] in (0, union), "union")
        letters = {"padding": "b", "activation": "b"}
        kinds: Kinds = {
            word: (number, letters.get(kind, kind), *([default] if len(kind) == 1 or kind in letters else []))
            for number, word, kind, default in fields
        }
        given = file.later(one["options"], kinds) if one["union"] else None
        options = given or {word: rest[1] if rest[1:] else absent(rest[0]) for word, (_, *rest) in kinds.items()}
        for _, word, kind, _ in fields:
            value, most = options[word], {"padding": 1, "activation": 5}.get(kind)
            require(most is None or 0 <= value <= most, "no such choice")
            require(kind != "*i" or len(value) <= RANK, "many numbers")
            require(kind != "f" or math.isfinite(value), "not finite")
    if name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        options["intermediates"] = file.later(one["intermediates"], "*i")
        indices(options["intermediates"], tensors)
    return name, version, one["inputs"], one["outputs"], options
