"""Vertex headers and bodies (docs/WIRE.md §2, §3, §5). Received bytes stay with the value, forwarded untouched."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from edge import limits
from edge.ids import Parent, VertexId, VertexKey
from edge.wire import merkle
from edge.wire._event import leaves as body_leaves
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.event import Event, encode_event, event_of
from edge.wire.items import Ack, Item, Shed, Tally, is_index, is_number, item_fields, item_of
from edge.wire.refusal import Refusal
from edge.wire.suite import SUITES

__all__ = [
    "Ack",
    "BodyRef",
    "Header",
    "Item",
    "Known",
    "Shed",
    "Tally",
    "body_events",
    "check_body",
    "decode_header",
    "encode_body",
    "encode_header",
    "vertex_id",
]

FORMAT = 0x0100
ID_DOMAIN = b"synedge/1/vertex-id\x00"
SALT_BYTES = 16
RETENTION_MAX = 2


@dataclass(frozen=True, slots=True)
class BodyRef:
    """What a header says about its body: Merkle root, bytes, leaves, and how long it is worth keeping (0, 1, 2)."""

    root: bytes
    length: int
    count: int
    retention: int


class Known(NamedTuple):
    """The newest certified checkpoint of the site that an author knows."""

    version: int
    prefix: bytes
    """16 bytes of what `final_id` says of it."""


class Header(NamedTuple):
    """A header and the bytes it came as. `hlc` is the 64-bit clock of `edge.wire.hlc`."""

    suite: int
    site: bytes
    epoch: int
    author: int
    incarnation: int
    seq: int
    prev: VertexId | None
    parents: tuple[Parent, ...]
    hlc: int
    body: BodyRef | None
    checkpoint: Known | None
    items: tuple[Item, ...]
    raw: bytes
    id: VertexId
    key: VertexKey
    """Author, incarnation and seq once more: what it is looked up by, everywhere."""


def vertex_id(raw: bytes) -> VertexId:
    return sha256(ID_DOMAIN + raw).digest()


def encode_header(
    *,
    suite: int,
    site: bytes,
    epoch: int,
    author: int,
    incarnation: int,
    seq: int,
    prev: VertexId | None,
    parents: Iterable[Parent],
    hlc: int,
    body: BodyRef | None,
    checkpoint: Known | None = None,
    items: Iterable[Item] = (),
) -> Header:
    """The header as every peer will read it; ValueError (our own bug) if no peer would."""
    raw = encode(
        [
            FORMAT | suite,
            site,
            epoch,
            author,
            incarnation,
            seq,
            prev,
            tuple(parents),
            hlc.to_bytes(8, "big"),
            body and (body.root, body.length, body.count, body.retention),
            checkpoint,
            [item_fields(item) for item in items],
        ]
    )
    header = decode_header(raw)
    if isinstance(header, Refusal):
        raise ValueError(f"own header would be refused: {header}")
    return header


def decode_header(raw: bytes) -> Header | Refusal:
    if len(raw) > limits.HEADER_BYTES_MAX:
        return Refusal("header-too-large", str(len(raw)))
    try:
        fields = decode(raw, depth_max=3)
    except Malformed as fault:
        return Refusal(fault.reason, "header")
    refusal = _shape_fault(fields)
    if refusal is not None:
        return refusal
    version, site, epoch, author, incarnation, seq, prev, parents, hlc, body, checkpoint, items = fields
    parsed = parents and _parents(parents, author)
    if isinstance(parsed, Refusal):
        return parsed
    ref = body and _body_ref(body)
    if isinstance(ref, Refusal):
        return ref
    item_values = items and _items(items)
    if isinstance(item_values, Refusal):
        return item_values
    return Header(
        version & 0xFF,
        site,
        epoch,
        author,
        incarnation,
        seq,
        prev,
        tuple(parsed),
        int.from_bytes(hlc, "big"),
        ref,
        Known(*checkpoint) if checkpoint is not None else None,
        tuple(item_values),
        raw,
        vertex_id(raw),
        VertexKey(author, incarnation, seq),
    )


def _shape_fault(fields: Any) -> Refusal | None:
    """Why the twelve fields are not a header, as far as each can be judged alone."""
    match fields:
        case [int() as version, *_] if version is not True and version is not False:
            if version >> 8 != FORMAT >> 8:
                return Refusal("format-unknown", hex(version))
            if version & 0xFF not in SUITES:
                return Refusal("suite-unknown", hex(version))
        case _:
            return Refusal("header-shape", "format")
    if len(fields) != 12:
        return Refusal("header-shape", f"{len(fields)} fields")
    _, site, epoch, author, incarnation, seq, prev, parents, hlc, body, checkpoint, items = fields
    if not (
        _is_bytes(site, 8)
        and is_index(epoch)
        and is_index(author)
        and is_index(incarnation)
        and incarnation >= 1
        and is_number(seq)
        and seq >= 1
        and (prev is None or _is_bytes(prev, 32))
        and type(parents) is list
        and _is_bytes(hlc, 8)
        and (body is None or (type(body) is list and len(body) == 4))
        and (checkpoint is None or _is_known(checkpoint))
        and type(items) is list
    ):
        return Refusal("header-shape")
    if (seq == 1) != (prev is None):
        return Refusal("seq-prev", f"seq {seq}")
    return None


def _is_known(value: object) -> bool:
    match value:
        case [version, prefix]:
            return is_number(version) and bool(version) and _is_bytes(prefix, 16)
    return False


def _is_bytes(value: object, size: int) -> bool:
    return type(value) is bytes and len(value) == size


def _parents(values: list[Any], author: int) -> tuple[Parent, ...] | Refusal:
    if len(values) > limits.PARENTS_MAX:
        return Refusal("too-many-parents", str(len(values)))
    parents = []
    last = -1
    for value in values:
        match value:
            case [index, incarnation, seq, bytes() as id_] if (
                is_index(index)
                and is_index(incarnation)
                and incarnation >= 1
                and is_number(seq)
                and seq >= 1
                and len(id_) == 32
            ):
                parents.append(Parent(index, incarnation, seq, id_))
            case _:
                return Refusal("header-shape", "parent")
        if index == author:
            return Refusal("parent-self")
        if index <= last:
            return Refusal("parent-order")
        last = index
    return tuple(parents)


def _body_ref(value: list[Any]) -> BodyRef | Refusal:
    root, length, count, kind_class = value
    if not (_is_bytes(root, 32) and is_number(length) and is_number(count) and is_number(kind_class)):
        return Refusal("header-shape", "body")
    if not (1 <= count <= limits.BATCH_EVENTS_MAX):
        return Refusal("body-count", f"{count} events")
    if length > limits.BODY_BYTES_MAX:
        return Refusal("body-too-large", f"{length} bytes")
    if kind_class > RETENTION_MAX:
        return Refusal("body-class", str(kind_class))
    return BodyRef(root, length, count, kind_class)


def _items(values: list[Any]) -> tuple[Item, ...] | Refusal:
    if len(values) > limits.ITEMS_MAX:
        return Refusal("too-many-items", str(len(values)))
    items = []
    for value in values:
        item = item_of(value)
        if isinstance(item, Refusal):
            return item
        items.append(item)
    return tuple(items)


def encode_body(events: Sequence[Event], salts: bytes, *, retention: int = 0) -> tuple[bytes, BodyRef]:
    """A body and what its header says about it; `salts` are 16 random bytes for each event."""
    assert 1 <= len(events) <= limits.BATCH_EVENTS_MAX
    assert len(salts) == SALT_BYTES * len(events)
    leaves = [salts[SALT_BYTES * i : SALT_BYTES * (i + 1)] + encode_event(event) for i, event in enumerate(events)]
    body = encode(leaves)
    if len(body) > limits.BODY_BYTES_MAX:
        raise ValueError(f"a body of {len(body)} bytes")
    return body, BodyRef(merkle.root(leaves), len(body), len(leaves), retention)


def check_body(ref: BodyRef, body: bytes) -> Refusal | None:
    """Why this is not the body that the header refers to: length, form, each event, count, root."""
    if len(body) > limits.BODY_BYTES_MAX:
        return Refusal("body-too-large", str(len(body)))
    if len(body) != ref.length:
        return Refusal("body-length", f"{len(body)} instead of {ref.length}")
    leaves = body_leaves(body)
    if isinstance(leaves, str):
        return Refusal(leaves, "body")
    if len(leaves) != ref.count:
        return Refusal("body-count", f"{len(leaves)} instead of {ref.count}")
    if merkle.root(leaves) != ref.root:
        return Refusal("body-root")
    return None


def body_events(body: bytes) -> tuple[Event, ...]:
    """The events of a body that `check_body` has passed."""
    return tuple(event_of(leaf[SALT_BYTES:]) for leaf in decode(body, depth_max=1))
