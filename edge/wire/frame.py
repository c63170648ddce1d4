"""The frames that nodes exchange (docs/WIRE.md §6): what a frame carries is bytes; what they mean is decided later."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from itertools import accumulate
from operator import eq, lt
from typing import Any, NamedTuple, TypeVar

from edge import limits
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.finals import is_statement
from edge.wire.items import is_index, is_number
from edge.wire.refusal import Refusal

T = TypeVar("T")


class Channel(StrEnum):
    """The kinds of frames, by the word that stands for each in a topic."""

    VERTEX = "v"
    VOTE = "c"
    """Vertices as well: of who votes, or with a proposal."""
    FRONTIER = "f"
    REQUEST = "rq"
    REPLY = "rs"
    ROSTER = "r"
    BLOB = "b"


VERTICES = (Channel.VERTEX, Channel.VOTE)


class VertexFrame(NamedTuple):
    """`v/`: a header, with its signature and body where the sender has them at hand."""

    header: bytes
    signature: bytes | None
    body: bytes | None


class FrontierEntry(NamedTuple):
    """The head of one branch; `tag` is the first 2 bytes of its id as an integer."""

    author: int
    incarnation: int
    seq: int
    tag: int


class FrontierFrame(NamedTuple):
    """`f/`: all heads that the sender has, ascending; a fork shows as two entries of one incarnation."""

    site: bytes
    epoch: int
    sender: int
    entries: tuple[FrontierEntry, ...]
    keeps_own: bool = False
    """The sender keeps its own line only, and hears only of that."""
    finals: bytes = b""
    """What it says of its registers (`edge.wire.finals`); empty while nothing is final."""


class Want(NamedTuple):
    """What to send of an author: seqs in (after_seq, through_seq]; through 0 is the head, incarnation 0 any branch."""

    author: int
    incarnation: int
    after_seq: int
    through_seq: int


class RequestFrame(NamedTuple):
    """`rq/`: a request for ranges, answered by replies of the same correlation of at most `budget_bytes` in sum."""

    site: bytes
    sender: int
    correlation: int
    budget_bytes: int
    wants: tuple[Want, ...]


class Range(NamedTuple):
    """Consecutive headers of one chain, oldest first, a body or None for each, and the signature over the last."""

    headers: tuple[bytes, ...]
    bodies: tuple[bytes | None, ...]
    signature: bytes


class ReplyFrame(NamedTuple):
    """`rs/`: one part of the answer to a request."""

    site: bytes
    sender: int
    correlation: int
    is_last: bool
    ranges: tuple[Range, ...]


_LOW = (0, 1, 1, 0)
_HIGH = (limits.INDEX_MAX, limits.INDEX_MAX, limits.COUNTER_MAX, 0xFFFF)
_make_entry = partial(tuple.__new__, FrontierEntry)


def _decode(raw: bytes, bytes_max: int, too_large: str, depth_max: int) -> Any:
    """The decoded frame or a Refusal."""
    if len(raw) > bytes_max:
        return Refusal(too_large, str(len(raw)))
    try:
        return decode(raw, depth_max=depth_max)
    except Malformed as fault:
        return Refusal(fault.reason, "frame")


def _is_site(value: object) -> bool:
    return type(value) is bytes and len(value) == 8


def _part_fault(header: bytes, signature: bytes | None, body: bytes | None) -> Refusal | None:
    if len(header) > limits.HEADER_BYTES_MAX:
        return Refusal("header-too-large", str(len(header)))
    if signature is not None and not 1 <= len(signature) <= limits.SIGNATURE_BYTES_MAX:
        return Refusal("signature-size", str(len(signature)))
    if body is not None and len(body) > limits.BODY_BYTES_MAX:
        return Refusal("body-too-large", str(len(body)))
    return None


def encode_vertex(header: bytes, signature: bytes | None, body: bytes | None) -> bytes:
    return encode([header, signature, body])


def decode_vertex(raw: bytes) -> VertexFrame | Refusal:
    fields = _decode(raw, limits.FRAME_BYTES_MAX, "frame-too-large", 1)
    if isinstance(fields, Refusal):
        return fields
    match fields:
        case [bytes() as header, (None | bytes()) as signature, (None | bytes()) as body]:
            return _part_fault(header, signature, body) or VertexFrame(header, signature, body)
    return Refusal("frame-shape")


def encode_frontier(frame: FrontierFrame) -> bytes:
    """ValueError (our own bug) for entries out of order or too many."""
    flat: list[int] = []
    author = 0
    for entry in frame.entries:
        flat += (entry.author - author, entry.incarnation, entry.seq, entry.tag)
        author = entry.author
    finals = [frame.finals] if frame.finals else []
    raw = encode([frame.site, frame.epoch, frame.sender, int(frame.keeps_own), flat, *finals])
    check = decode_frontier(raw)
    if isinstance(check, Refusal):
        raise ValueError(f"own frontier would be refused: {check}")
    return raw


def decode_frontier(raw: bytes) -> FrontierFrame | Refusal:
    fields = _decode(raw, limits.FRONTIER_BYTES_MAX, "frontier-too-large", 2)
    if isinstance(fields, Refusal):
        return fields
    match fields:
        case [site, epoch, sender, int() as flags, list() as flat, *finals] if (
            _is_site(site) and is_index(epoch) and is_index(sender) and type(flags) is int and flags in (0, 1)
        ):
            is_one = not finals or (len(finals) == 1 and is_statement(finals[0]))
            entries = _entries(flat) if is_one else Refusal("frontier-shape", "finals")
        case _:
            return Refusal("frontier-shape")
    if isinstance(entries, Refusal):
        return entries
    return FrontierFrame(site, epoch, sender, entries, flags == 1, *finals)


def _entries(flat: list[Any]) -> tuple[FrontierEntry, ...] | Refusal:
    """Without a step of Python for each entry: everyone hears thousands of them a second on a large site."""
    if len(flat) % 4 or set(map(type, flat)) - {int}:
        return Refusal("frontier-shape", "entries")
    authors = list(accumulate(flat[::4]))
    columns = (authors, flat[1::4], flat[2::4], flat[3::4])
    for column, deltas, low, high in zip(columns, (flat[::4], *columns[1:]), _LOW, _HIGH, strict=True):
        if column and (min(deltas) < low or max(column) > high):
            return Refusal("frontier-shape", "entry")
    entries = tuple(map(_make_entry, zip(*columns, strict=True)))
    if not all(map(lt, entries, entries[1:])):
        return Refusal("frontier-order")
    if any(map(eq, authors, authors[limits.BRANCHES_PER_AUTHOR_MAX :])):
        return Refusal("too-many-branches")
    return entries


def encode_request(frame: RequestFrame) -> bytes:
    raw = encode(frame)
    check = decode_request(raw)
    if isinstance(check, Refusal):
        raise ValueError(f"own request would be refused: {check}")
    return raw


def decode_request(raw: bytes) -> RequestFrame | Refusal:
    fields = _decode(raw, limits.FRAME_BYTES_MAX, "frame-too-large", 3)
    if isinstance(fields, Refusal):
        return fields
    match fields:
        case [site, sender, correlation, budget_bytes, list() as values] if (
            _is_site(site) and is_index(sender) and is_number(correlation) and is_number(budget_bytes)
        ):
            wants = _each(values, _want)
        case _:
            return Refusal("request-shape")
    if isinstance(wants, Refusal):
        return wants
    return RequestFrame(site, sender, correlation, budget_bytes, wants)


def _want(value: Any) -> Want | Refusal:
    match value:
        case [author, incarnation, after, through] if (
            is_index(author) and is_index(incarnation) and is_number(after) and is_number(through)
        ):
            return Refusal("request-range") if through and through <= after else Want(*value)
    return Refusal("request-shape", "want")


def encode_reply(frame: ReplyFrame) -> bytes:
    """The caller has kept it within FRAME_BYTES_MAX."""
    raw = encode(frame)
    assert len(raw) <= limits.FRAME_BYTES_MAX
    return raw


def decode_reply(raw: bytes) -> ReplyFrame | Refusal:
    fields = _decode(raw, limits.FRAME_BYTES_MAX, "frame-too-large", 4)
    if isinstance(fields, Refusal):
        return fields
    match fields:
        case [site, sender, correlation, bool() as is_last, list() as values] if (
            _is_site(site) and is_index(sender) and is_number(correlation)
        ):
            ranges = _each(values, _range)
        case _:
            return Refusal("reply-shape")
    if isinstance(ranges, Refusal):
        return ranges
    return ReplyFrame(site, sender, correlation, is_last, ranges)


def _range(value: Any) -> Range | Refusal:
    match value:
        case [list() as headers, list() as bodies, bytes() as signature] if headers and len(headers) == len(bodies):
            refusal = _range_fault(headers, bodies, signature)
            return Range(tuple(headers), tuple(bodies), signature) if refusal is None else refusal
    return Refusal("reply-shape", "range")


def _range_fault(headers: Sequence[Any], bodies: Sequence[Any], signature: bytes) -> Refusal | None:
    for header, body in zip(headers, bodies, strict=True):
        if type(header) is not bytes or not (body is None or type(body) is bytes):
            return Refusal("reply-shape", "range")
        refusal = _part_fault(header, signature, body)
        if refusal is not None:
            return refusal
    return None


def _each(values: list[Any], read: Callable[[Any], T | Refusal]) -> tuple[T, ...] | Refusal:
    """Every range as `read` sees it, or the first refusal."""
    if len(values) > limits.REPAIR_RANGES_MAX:
        return Refusal("too-many-ranges", str(len(values)))
    found: list[T] = []
    for value in values:
        one = read(value)
        if isinstance(one, Refusal):
            return one
        found.append(one)
    return tuple(found)
