"""What a node holds, said in one entry per line of history, and what somebody else's saying so means for us."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from edge.dag.cut import Cut
from edge.dag.evidence import Evidence
from edge.dag.graph import Graph
from edge.ids import VertexKey
from edge.limits import BRANCHES_PER_AUTHOR_MAX
from edge.wire.frame import FrontierEntry

FRAME_OVERHEAD_BYTES = 32
"""Of a frontier frame without its entries, at most."""
_LONGER = (24, 1 << 8, 1 << 16, 1 << 16, *[1 << 32] * 4)
"""Where the head of an unsigned integer in CBOR is a byte longer."""


def size_of(entry: FrontierEntry) -> int:
    """Bytes of an entry in a frame, at most: its author may be written as a smaller delta."""
    return sum(
        1 if part < 24 else 2 if part < 256 else 3 if part < 65536 else 5 if part < 1 << 32 else 9 for part in entry
    )


def tag_of(id: bytes) -> int:
    """The two bytes of an id that a frontier shows: a hint that heads differ, never a proof."""
    return int.from_bytes(id[:2], "big")


def entries_of(graph: Graph, author: int, proof: Evidence | None = None) -> tuple[FrontierEntry, ...]:
    """An entry for every line of history of an author, by incarnation; if its fork is proven, the two vertices."""
    if proof is not None:
        both = sorted((*name, tag_of(id)) for name, id in zip(proof.names, proof.ids, strict=True))
        return tuple(FrontierEntry(*entry) for entry in dict.fromkeys(both))
    tips = sorted(graph.tips(author), key=lambda tip: tip.key)[-BRANCHES_PER_AUTHOR_MAX:]
    return tuple(FrontierEntry(*tip.key, tag_of(tip.id)) for tip in tips)


def frontier(graph: Graph) -> tuple[FrontierEntry, ...]:
    """Entries for every line of history, by (author, incarnation)."""
    return tuple(entry for author in graph.authors() for entry in entries_of(graph, author))


def of_author(entries: Sequence[FrontierEntry], author: int) -> Sequence[FrontierEntry]:
    """The entries of one author; a frontier has them by author."""
    return entries[bisect_left(entries, (author,)) : bisect_left(entries, (author + 1,))]


class Horizon:
    """Our frontier as it is said: kept up to date author by author, and cut to what a frame may hold."""

    def __init__(self, graph: Graph, own: int, proofs: Mapping[int, Evidence]) -> None:
        self._graph = graph
        self._own = own
        self._proofs = proofs
        self._entries: dict[int, tuple[FrontierEntry, ...]] = {}
        self._said: dict[FrontierEntry, None] = {}
        self._bytes: dict[int, int] = {}
        self._size_bytes = 0
        self._recent: dict[int, None] = {}
        """Authors, the last changed last."""
        self._authors: list[int] = []
        self._next = 0
        """The author with which the next round of all goes on."""
        self._forked: dict[int, None] = {}

    def _refresh(self) -> None:
        newly = [author for author in self._proofs if author not in self._forked]
        self._forked.update(dict.fromkeys(newly))
        for author in (*self._graph.take_changed(), *newly):
            for entry in self._entries.get(author, ()):
                del self._said[entry]
            entries = entries_of(self._graph, author, self._proofs.get(author))
            self._entries[author] = entries
            self._said.update(dict.fromkeys(entries))
            size_bytes = sum(map(size_of, entries))
            self._size_bytes += size_bytes - self._bytes.get(author, 0)
            self._bytes[author] = size_bytes
            self._recent.pop(author, None)
            self._recent[author] = None
        if len(self._authors) < len(self._entries):
            self._authors = sorted(self._entries)

    def own(self) -> tuple[FrontierEntry, ...]:
        """Our own line alone."""
        self._refresh()
        return self._entries.get(self._own, ())

    def page(self, bytes_max: int) -> tuple[FrontierEntry, ...]:
        """As much as fits: all of it, or our own line, what changed last, and the next part of a round of the rest."""
        self._refresh()
        room = bytes_max - FRAME_OVERHEAD_BYTES
        if self._size_bytes <= room:
            return tuple(entry for author in self._authors for entry in self._entries[author])
        chosen: dict[int, None] = {}
        for author in (self._own, *reversed(self._recent)):
            if author not in chosen and author in self._entries:
                if chosen and room - self._bytes[author] < bytes_max // 2:
                    break
                chosen[author] = None
                room -= self._bytes[author]
        start = bisect_left(self._authors, self._next)
        for author in (*self._authors[start:], *self._authors[:start]):
            self._next = author
            if author not in chosen:
                if self._bytes[author] > room:
                    break
                chosen[author] = None
                room -= self._bytes[author]
        return tuple(entry for author in sorted(chosen) for entry in self._entries[author])

    def unknown(self, entries: Iterable[FrontierEntry]) -> list[FrontierEntry]:
        """Those that we would not say ourselves: at most of sites most of the time none, so this is what costs."""
        self._refresh()
        said = self._said
        return [entry for entry in entries if entry not in said]


class Gap(NamedTuple):
    """Somebody holds more of one line than we do, or at `through_seq` another vertex than we."""

    author: int
    incarnation: int
    through_seq: int
    tag: int | None = None
    """Of that other vertex."""


def lacking(graph: Graph, entries: Iterable[FrontierEntry]) -> list[Gap]:
    """The entries whose vertex we do not hold, and never held. A differing tag at a seq
    we hold hints at a fork: the other side's vertex is fetched, and admission compares."""
    gaps: list[Gap] = []
    for entry in entries:
        key = VertexKey(entry.author, entry.incarnation, entry.seq)
        if graph.is_below(key):
            continue
        id = graph.id_at(key)
        if id is None:
            gaps.append(Gap(*key))
        elif tag_of(id) != entry.tag:
            gaps.append(Gap(*key, entry.tag))
    return gaps


def within_cuts(gaps: Iterable[Gap], cuts: Mapping[int, Cut]) -> list[Gap]:
    """Of who is evicted, whoever holds more may have what we lack up to the cut, and is asked for no more."""
    kept: dict[Gap, None] = {}
    for gap in gaps:
        cut = cuts.get(gap.author)
        if cut is None or gap.tag is not None:
            kept[gap] = None
        else:
            kept |= dict.fromkeys(Gap(gap.author, *line) for line in cut.lines())
    return list(kept)


def named_tips(graph: Graph) -> list[tuple[int, int, int, str]]:
    """(author, incarnation, seq, id in hex) of every line held, for people and for comparing."""
    return [
        (*tip.key, tip.id.hex())
        for author in graph.authors()
        for tip in sorted(graph.tips(author), key=lambda tip: tip.key)
    ]
