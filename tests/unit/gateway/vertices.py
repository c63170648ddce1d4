"""Vertices as admission hands them to a store. Their signatures are not real: a store keeps them and never checks."""

from collections.abc import Sequence
from hashlib import sha256

from edge.gateway.store import Vertex
from edge.ids import VertexId
from edge.wire.event import Event
from edge.wire.vertex import Header, encode_body, encode_header

SITE = bytes(range(8))
START_MS = 1_795_366_800_000


def event(agent: str = "bearing", time_ms: int = START_MS, label: str = "worn", kind: str = "class") -> Event:
    return Event(agent, kind, time_ms, (label,), None, 0.5, sha256(b"model").digest(), None, 0)


def build(
    author: int,
    seq: int,
    prev: VertexId | None,
    events: Sequence[Event] = (),
    *,
    incarnation: int = 1,
    epoch: int = 1,
) -> tuple[Header, bytes | None]:
    """A header and its body; two calls that differ in anything give two ids."""
    salts = b"".join(sha256(b"%d %d %d" % (author, seq, i)).digest()[:16] for i in range(len(events)))
    body, ref = encode_body(events, salts) if events else (None, None)
    header = encode_header(
        suite=2,
        site=SITE,
        epoch=epoch,
        author=author,
        incarnation=incarnation,
        seq=seq,
        prev=prev,
        parents=(),
        hlc=(START_MS + min(seq, 10**9)) << 16,
        body=ref,
    )
    return header, body


def signature(header: Header) -> bytes:
    return b"signed:" + header.id


def chain(
    author: int,
    length: int,
    *,
    events_each: int = 2,
    incarnation: int = 1,
    after: Header | None = None,
    agent: str = "bearing",
) -> list[Vertex]:
    """`length` vertices of one author, each with a signature; event times run on through the chain."""
    vertices: list[Vertex] = []
    seq, prev = (after.seq, after.id) if after else (0, None)
    for _ in range(length):
        seq += 1
        times = [START_MS + 1000 * seq + i for i in range(events_each)]
        header, body = build(author, seq, prev, [event(agent, at) for at in times], incarnation=incarnation)
        vertices.append((header.raw, signature(header), body))
        prev = header.id
    return vertices
