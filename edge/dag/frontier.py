"""What a node holds, said in one entry per line of history, and what somebody else's saying so means for us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from edge.dag.evidence import Evidence
from edge.dag.graph import Graph
from edge.ids import VertexKey
from edge.limits import BRANCHES_PER_AUTHOR_MAX
from edge.wire.frame import FrontierEntry


def tag_of(id: bytes) -> int:
    """The two bytes of an id that a frontier shows: a hint that heads differ, never a proof."""
    return int.from_bytes(id[:2], "big")


def frontier(graph: Graph, forks: Mapping[int, Evidence] = MappingProxyType({})) -> tuple[FrontierEntry, ...]:
    """Entries for every line of history, by (author, incarnation); a forked author is shown by its two vertices."""
    entries: list[FrontierEntry] = []
    for author in dict.fromkeys(sorted((*graph.authors(), *forks))):
        if author in forks:
            key, ids, _ = forks[author]
            entries.extend(FrontierEntry(*key, tag) for tag in dict.fromkeys(sorted(map(tag_of, ids))))
            continue
        tips = sorted(graph.tips(author), key=lambda tip: tip.key)[-BRANCHES_PER_AUTHOR_MAX:]
        entries.extend(FrontierEntry(author, tip.key.incarnation, tip.key.seq, tag_of(tip.id)) for tip in tips)
    return tuple(entries)


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
