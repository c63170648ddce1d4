"""Logs for benchmarks, as a keeper of a large site would have them: valid chains, written straight into the journal.

A vertex is valid under a signature at or above it on its chain (docs/WIRE.md §3), so a stretch needs one, over its last
vertex. That makes a hundred thousand vertices in seconds; `synedge dag verify` finds nothing wrong with them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from edge.dag.journal import VERTEX, Journal
from edge.ids import Parent
from edge.wire.event import Event
from edge.wire.frame import encode_vertex
from edge.wire.items import Item
from edge.wire.roster import Member
from edge.wire.suite import PURPOSE_VERTEX, Signer, sig_structure
from edge.wire.vertex import SALT_BYTES, Header, encode_body, encode_header

PAD = "x" * 48
"""Makes an event about a hundred bytes."""


class Made:
    """An author that never ran: its key, and the end of its chain."""

    def __init__(self, index: int, name: str, suite: int, incarnation: int, role: str = "device") -> None:
        self.index = index
        self.signer = Signer(suite, sha256(f"bench {name}".encode()).digest())
        self.incarnation = incarnation
        self.member = Member(index, name, "", suite, self.signer.public_key, (role,))
        self.head: Header | None = None

    @property
    def parent(self) -> Parent | None:
        """Its head, as others name it."""
        return Parent(*self.head.key, self.head.id) if self.head is not None else None


@dataclass(frozen=True, slots=True)
class Shape:
    """What every vertex of a log is like."""

    events: int
    """In each body."""
    parents: int = 0
    """Named by each vertex: heads of those that come next in the round of authors."""
    is_signed: bool = False
    """Each of them, as live traffic brings them; else the last of a stretch alone."""


class LogMaker:
    """Appends vertices of made-up authors of one site to a journal. Commit is the caller's."""

    def __init__(self, journal: Journal, site: bytes, epoch: int, wall_ms: int, shape: Shape) -> None:
        self._journal = journal
        self._site = site
        self._epoch = epoch
        self._ms = wall_ms
        self._shape = shape

    def rounds(self, authors: Sequence[Made], count: int) -> Iterator[int]:
        """`count` vertices of each author in turn, the last of each signed; yields bytes of header and body."""
        for number in range(count):
            for at, author in enumerate(authors):
                others = (authors[(at + step) % len(authors)] for step in range(1, self._shape.parents + 1))
                named = sorted({other.parent for other in others if other is not author and other.parent})
                yield self.vertex(author, parents=named, is_signed=self._shape.is_signed or number == count - 1)

    def vertex(
        self, author: Made, *, parents: Sequence[Parent] = (), items: Sequence[Item] = (), is_signed: bool
    ) -> int:
        """One more of the author; the bytes of its header and body."""
        prev = author.head
        seq = prev.seq + 1 if prev is not None else 1
        self._ms += 1
        events = [Event("bench", "value", self._ms, (float(seq), PAD), "count", 0.5)] * self._shape.events
        body, ref = encode_body(events, os.urandom(SALT_BYTES * len(events)))
        header = encode_header(
            suite=author.member.suite,
            site=self._site,
            epoch=self._epoch,
            author=author.index,
            incarnation=author.incarnation,
            seq=seq,
            prev=prev.id if prev is not None else None,
            parents=parents,
            hlc=self._ms << 16,
            body=ref,
            items=items,
        )
        signature = None
        if is_signed:
            signature = author.signer.sign(sig_structure(header.suite, PURPOSE_VERTEX, header.raw))
        self._journal.append(VERTEX, encode_vertex(header.raw, signature, body))
        author.head = header
        return len(header.raw) + len(body)
