"""What one more vertex costs a node that holds few, and one that holds many."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from hashlib import sha256
from typing import Any

from edge.cli.options import add_example, at_least
from edge.dag.admission import Accepted, Admission
from edge.dag.graph import Graph
from edge.dag.pending import Candidate, Pending
from edge.ids import Parent
from edge.wire.event import Event
from edge.wire.frame import VertexFrame, decode_vertex, encode_vertex
from edge.wire.roster import Member, Roster
from edge.wire.suite import SUITES, Signer
from edge.wire.vertex import Header, decode_header, encode_body, encode_header

SUITE = 2
AUTHORS = 20
STEPS = (100, 1_000, 10_000, 100_000)
SAMPLE = 1_000
EVENTS = 8


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--held",
        type=at_least(STEPS[0]),
        default=STEPS[-1],
        metavar="N",
        help=f"vertices held at the end ({STEPS[-1]})",
    )
    add_example(parser, "bench admit --held 10000")


def measure(args: Namespace) -> dict[str, Any]:
    """Rows of (held, µs per admitted vertex), medians: decode, screen, body, place; the signature's cost is fixed.

    All graphs stand before the first vertex is timed, and they take turns, so that a busy machine slows all alike.
    """
    keys = [Signer(SUITE, sha256(bytes([number])).digest()).public_key for number in range(AUTHORS)]
    members = tuple(Member(i, f"author-{i}", "", SUITE, key, ("device",)) for i, key in enumerate(keys))
    sites = [_Site(members, held) for held in STEPS if held <= args.held]
    times: list[list[int]] = [[] for _ in sites]
    for _ in range(SAMPLE):
        for site, taken in zip(sites, times, strict=True):
            taken.append(site.timed())
    rows = [
        {"held": site.held, "us": round(sorted(taken)[SAMPLE // 2] / 1000, 1)}
        for site, taken in zip(sites, times, strict=True)
    ]
    costs = [row["us"] for row in rows]
    return {"rows": rows, "worst_ratio": round(max(costs) / min(costs), 2), "events_per_vertex": EVENTS}


class _Site:
    """A graph that holds a number of vertices, and can be given more."""

    def __init__(self, members: tuple[Member, ...], held: int) -> None:
        self.held = held
        self._graph = Graph()
        self._admission = Admission(self._graph, Pending(), Roster(bytes(8), 1, 0, (SUITE,), members))
        self._heads: list[Header | None] = [None] * AUTHORS
        while self._graph.vertices < held:
            _admit(self._admission, self._frame())

    def timed(self) -> int:
        """Nanoseconds to admit one more."""
        payload = self._frame()
        begun_ns = time.perf_counter_ns()
        _admit(self._admission, payload)
        return time.perf_counter_ns() - begun_ns

    def _frame(self) -> bytes:
        return _next(self._heads, self._graph.vertices, bytes(8), bytes(SUITES[SUITE].signature_bytes))


def _next(heads: list[Header | None], number: int, site: bytes, signature: bytes) -> bytes:
    """The frame of the next vertex by the next author, with two parents by others."""
    author = number % AUTHORS
    prev = heads[author]
    others = sorted({(author + 1) % AUTHORS, (author + 7) % AUTHORS})
    parents = [Parent(*head.key, head.id) for other in others if (head := heads[other]) is not None]
    events = [Event("bench", "value", number, (float(index),)) for index in range(EVENTS)]
    body, ref = encode_body(events, bytes(16 * EVENTS))
    header = encode_header(
        suite=SUITE,
        site=site,
        epoch=1,
        author=author,
        incarnation=1,
        seq=prev.seq + 1 if prev else 1,
        prev=prev.id if prev else None,
        parents=parents,
        hlc=number << 16,
        body=ref,
    )
    heads[author] = header
    return encode_vertex(header.raw, signature, body)


def _admit(admission: Admission, payload: bytes) -> None:
    frame = decode_vertex(payload)
    assert isinstance(frame, VertexFrame)
    header = decode_header(frame.header)
    assert isinstance(header, Header)
    admission.screen(header)
    answer = admission.settle(Candidate(header, frame.signature, frame.body, place=1, signed=1))
    assert isinstance(answer, Accepted), answer
