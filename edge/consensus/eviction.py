"""Evictions: registers `evict/INDEX`, whose value says up to where the lines of a member stay valid, once for all.

Nobody prevotes one without grounds of its own: the proof of a fork by that member, or the word of whoever operates the
voter (docs/decisions/0039). So one of those who made it final is honest, and had such grounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

from edge.consensus.committee import Seats
from edge.consensus.question import EVICTIONS, is_eviction
from edge.consensus.registers import Registers
from edge.consensus.sets import Sets
from edge.dag.cut import heads_below
from edge.dag.evidence import Evidence
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.limits import BRANCHES_PER_AUTHOR_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Proposal, Question, is_index, is_number
from edge.wire.refusal import Refusal
from edge.wire.voters import SITE_SCOPE

FORKED, BY_HAND = 1, 2
"""Why: proven to have forked; or by the word of who operates a quorum of members."""
WHY = {FORKED: "forked", BY_HAND: "by hand"}
"""As people read it."""
SPREAD_MS = 500.0
"""Members with grounds propose one after the other, so far apart, until one has what they would vote for."""


class Eviction(NamedTuple):
    """The value of such a register."""

    author: int
    why: int
    """`FORKED` or `BY_HAND`."""
    heads: tuple[Parent, ...]
    """Up to here its lines stay valid; ascending, by incarnation."""


def eviction_key(author: int) -> str:
    return f"{EVICTIONS}{author}"


def encode_eviction(eviction: Eviction) -> bytes:
    return encode([eviction.author, eviction.why, [tuple(head)[1:] for head in eviction.heads]])


def decode_eviction(value: bytes) -> Eviction | Refusal:
    """What a register's value says."""
    try:
        fields = decode(value, depth_max=3)
    except Malformed as fault:
        return Refusal(fault.reason, "eviction")
    match fields:
        case [author, why, list() as lines] if is_index(author) and type(why) is int and why in (FORKED, BY_HAND):
            heads = [_head(author, line) for line in lines]
            known = tuple(head for head in heads if head is not None)
            is_ordered = all(low.incarnation < high.incarnation for low, high in pairwise(known))
            if len(known) == len(lines) <= BRANCHES_PER_AUTHOR_MAX and is_ordered:
                return Eviction(author, why, known)
    return Refusal("proposal-eviction", "not [author, why, cut]")


def _head(author: int, line: Any) -> Parent | None:
    match line:
        case [incarnation, seq, bytes() as id]:
            if is_index(incarnation) and incarnation and is_number(seq) and seq and len(id) == 32:
                return Parent(author, incarnation, seq, id)
    return None


def fault(question: Question, value: bytes) -> str:
    """Why this value counts for nothing, whoever says it; empty if it may be decided. It is decided once: an index is
    never given to another member."""
    eviction = decode_eviction(value)
    is_first = question.scope == SITE_SCOPE and question.version == 1
    if isinstance(eviction, Refusal) or not is_first or question.key != eviction_key(eviction.author):
        return "proposal-eviction"
    return ""


class Evictions:
    """One member's grounds, and what it proposes for them. `index` is ours."""

    def __init__(self, index: int, graph: Graph, registers: Registers) -> None:
        self._index = index
        self._graph = graph
        self._registers = registers
        self.sets: Sets
        """Set before anything is asked."""
        self.proven: Mapping[int, Evidence] = MappingProxyType({})
        """Proofs of forks that our log has, by author."""
        self.words: dict[int, None] = {}
        """Of whom our own line says that it is to go."""
        self._since: dict[int, float] = {}
        """By author, when we first had grounds in this life."""
        self.due_ms = float("inf")
        """When we may have to propose something although nothing came."""

    # ---- grounds

    def say(self, author: int, value: bytes) -> None:
        """A proposal stands in a vertex of this author: if it is ours, whoever operates us has given their word."""
        eviction = decode_eviction(value) if author == self._index else None
        if isinstance(eviction, Eviction) and eviction.why == BY_HAND:
            self.words[eviction.author] = None

    def opens_ms(self, question: Question, value: bytes) -> float:
        """From when on we may be the one who votes for this value: at once, or never without grounds of our own."""
        return 0.0 if self._is_ours(question, value) else float("inf")

    def _is_ours(self, question: Question, value: bytes) -> bool:
        eviction = decode_eviction(value)
        if isinstance(eviction, Refusal):
            return False
        author, why, heads = eviction
        if why == BY_HAND:
            return author in self.words and all(self._holds(head) for head in heads)
        # Of some cuts proposed the lowest is one that all may vote for, whichever sides of the line they hold.
        highest = self._graph.highest_seq(author)
        return author in self.proven and all(head.seq <= highest for head in heads)

    def _holds(self, head: Parent) -> bool:
        return self._graph.holds(head.key, head.id) or self._graph.is_below(head.key)

    # ---- proposals

    def by_hand(self, question: Question, author: int) -> bytes:
        """What to propose on the word of who operates us: what others do, or what we hold."""
        open_ = self.sets.of(question)
        for proposed in open_.contest.proposed.values() if open_ is not None else ():
            eviction = decode_eviction(proposed.value)
            if isinstance(eviction, Eviction) and eviction.why == BY_HAND and all(map(self._holds, eviction.heads)):
                return proposed.value
        return encode_eviction(Eviction(author, BY_HAND, heads_below(self._graph, author)))

    def asked(self) -> dict[int, tuple[int, ...]]:
        """Evictions that are not decided: of whom, and which members have proposed one."""
        contests = [open_.contest for open_ in self.sets if is_eviction(open_.contest.question.key)]
        return {
            int(contest.question.key.removeprefix(EVICTIONS)): tuple(
                sorted({vertex.author for vertex in contest.proposals})
            )
            for contest in contests
            if not self._registers.is_past(contest.question)
        }

    def wanted(self, seats: Seats) -> list[int]:
        """Whom we have grounds to evict, in the scope of these seats, and who is not."""
        if seats.scope != SITE_SCOPE or self._index not in seats.members:
            return []
        grounds = [author for author in dict.fromkeys((*self.proven, *self.words)) if author != self._index]
        return [author for author in grounds if self._registers.get(SITE_SCOPE, eviction_key(author)) is None]

    def proposal(self, seats: Seats, now_ms: float) -> Proposal | None:
        """What nobody proposes for whom we would vote."""
        self.due_ms = float("inf")
        for author in self.wanted(seats):
            question = Question(SITE_SCOPE, seats.epoch, eviction_key(author), 1, None)
            value = self._missing(question, author, seats, now_ms)
            if value is not None and not self.sets.fault(question, self._index):
                return Proposal(question, value)
        return None

    def _missing(self, question: Question, author: int, seats: Seats, now_ms: float) -> bytes | None:
        turn = (seats.members.index(self._index) + author) % len(seats.members)
        due_ms = self._since.setdefault(author, now_ms) + SPREAD_MS * turn
        open_ = self.sets.of(question)
        if open_ is not None and any(self._is_ours(question, one.value) for one in open_.contest.proposed.values()):
            return None
        if now_ms < due_ms:
            self.due_ms = min(self.due_ms, due_ms)
            return None
        if author not in self.proven:
            return self.by_hand(question, author)
        return encode_eviction(Eviction(author, FORKED, heads_below(self._graph, author, self._fork(author))))

    def _fork(self, author: int) -> VertexKey:
        """Where it forked, as far as we know: of two lives in one incarnation nothing stays."""
        low, high = self.proven[author].names
        return low if low == high else low._replace(seq=1)
