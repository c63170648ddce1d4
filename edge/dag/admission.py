"""Who gets in: `screen` before any signature is checked, `settle` after. Cheapest check first, every answer a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from edge.dag.cut import Cut
from edge.dag.evidence import Side
from edge.dag.graph import Branch, Graph
from edge.dag.pending import Candidate, Missing, Pending
from edge.ids import Parent, VertexKey
from edge.limits import EVIDENCE_MAX, LINES_PER_AUTHOR_MAX
from edge.wire.refusal import Refusal
from edge.wire.roster import Member, Roster
from edge.wire.vertex import Header, check_body


class Accepted(NamedTuple):
    """In the graph now, together with whatever waited for it, in causal order."""

    candidates: tuple[Candidate, ...]
    refused: tuple[Refusal, ...] = ()
    """What had waited for it and turned out not to fit."""


class Duplicate(NamedTuple):
    """Held or parked already."""


class Mended(NamedTuple):
    """Held, but lost by our disk: here it is again."""

    candidate: Candidate


class Parked(NamedTuple):
    """Good, but waits for a vertex we lack."""

    missing: Missing


class Early(NamedTuple):
    """Of an epoch newer than our roster."""

    epoch: int


Answer = Accepted | Duplicate | Mended | Parked | Refusal


class Conflict(NamedTuple):
    """A second line where an honest author has one: what proves that its author signed both."""

    held: VertexKey
    """Where our side begins; it goes up to a signature."""
    other: Side
    base: VertexKey | None = None
    """What our side continues, if it begins the life that the other side cannot be in."""
    other_base: VertexKey | None = None
    """The same of the other side: a vertex that we hold."""


class Admission:
    """Decides over one graph. `roster` is replaced when a newer one is adopted."""

    def __init__(self, graph: Graph, pending: Pending, roster: Roster) -> None:
        self.graph = graph
        self.pending = pending
        self.roster = roster
        self.only: int | None = None
        """Keep the line of this author and no other; its parents are not waited for then."""
        self.entered: Callable[[Header, VertexKey | None], None] = lambda header, prev: None
        """Told of each vertex that enters the graph here, in causal order, and of the one below it."""
        self.does_without: Callable[[VertexKey], bool] = lambda key: False
        """Whether a vertex that lies in the log needs no signature over itself there."""
        self.quarantined: dict[int, None] = {}
        self.evicted: dict[int, Cut] = {}
        """By author, what stays valid. A proven fork refuses more."""
        self.conflicts: dict[int, Conflict] = {}
        """By author, the first of each."""

    @property
    def keeps_all(self) -> bool:
        return self.only is None

    def is_gateway(self, author: int) -> bool:
        """Whether a member keeps everything, by our newest roster."""
        member = self.roster.member(author)
        return member is not None and "gateway" in member.roles

    def knows(self, header: Header) -> bool:
        """Whether the vertex is held, or dropped since, or parked with a good signature; not if our disk lost it."""
        if self.graph.holds(header.key, header.id):
            return header.key not in self.graph.lost
        return self.graph.is_below(header.key) or header.id in self.pending

    def evict(self, author: int, heads: tuple[Parent, ...]) -> None:
        """From now on take nothing of this member but what is below these; what waits here is not held yet."""
        self.evicted[author] = Cut(self.graph, heads)
        for candidate in self.pending.by(author):
            if self._is_cut_off(candidate.header):
                self.pending.drop(candidate.header.id)

    def screen(self, header: Header, below: Sequence[Candidate] = ()) -> Member | Early | Refusal:
        """Everything that can be known without a signature; the member whose key must verify it. `below` is what it
        covers of a range."""
        if header.site != self.roster.site:
            return Refusal("site-other", header.site.hex())
        if header.epoch > self.roster.version:
            return Early(header.epoch)
        member = self.roster.member(header.author)
        if member is None:
            return Refusal("author-unknown", str(header.author))
        if header.suite != member.suite or header.suite not in self.roster.suites_allowed:
            return Refusal("suite-not-allowed", str(header.suite))
        if self._is_cut_off(header, below):
            return Refusal("evicted", str(header.author))
        if header.author in self.quarantined and header.key not in self.graph.lost:
            return Refusal("quarantined", str(header.author))
        return member

    def _is_cut_off(self, header: Header, others: Sequence[Candidate] = ()) -> bool:
        """Whether its author is evicted, and there is room for neither this vertex nor one of these others."""
        cut = self.evicted.get(header.author)
        return cut is not None and not any(
            self._has_room(cut, one) for one in (header, *(candidate.header for candidate in others))
        )

    def _has_room(self, cut: Cut, header: Header) -> bool:
        """Whether a vertex is below the cut, or needed by somebody else's vertex; or held under another id, which
        proves a fork."""
        is_held = self.graph.id_at(header.key) is not None
        return is_held or self.pending.needs(header) or cut.has_room(header.key, header.id)

    def settle(self, candidate: Candidate, above: Sequence[Candidate] = (), *, on_disk: bool = False) -> Answer:
        """Put a vertex whose signature stands (its own, or that of the last of those `above` it) where it belongs."""
        # Two signed headers prove a fork whatever their bodies are.
        refused = self._second_life(candidate, above)
        if refused:
            return self._spread(refused, candidate.header.author)
        refused = None if on_disk or self._forks(candidate.header) else self._check_body(candidate)
        if refused:
            return refused
        return self._spread(self._place(candidate, above), candidate.header.author)

    def _spread(self, answer: Answer, author: int) -> Answer:
        """What an answer about a vertex of this author means for those that wait."""
        accepted = list(answer.candidates) if isinstance(answer, Accepted) else []
        unfit = [answer] if isinstance(answer, Refusal) else []
        if author in self.quarantined:
            self._place_all(self.pending.release(author), accepted, unfit)
        for newcomer in accepted:  # grows while dependants come free
            self._place_all(self.pending.take_others(newcomer.header), accepted, unfit)
            self._place_all(self.pending.arrived(newcomer.header.id), accepted, unfit)
        return Accepted(tuple(accepted), tuple(unfit)) if accepted else answer

    def _place_all(self, waiting: list[Candidate], accepted: list[Candidate], unfit: list[Refusal]) -> None:
        """Place what waited. One that proves a fork frees those who wait for its author: honest vertices that name
        either side need not wait for what is no longer taken."""
        for freed in waiting:  # grows
            verdict = self._place(freed)
            if isinstance(verdict, Accepted):
                accepted.append(freed)
            elif isinstance(verdict, Refusal):
                unfit.append(verdict)
                if freed.header.author in self.quarantined:
                    waiting += self.pending.release(freed.header.author)

    def lacks_bodies(self, chain: Sequence[Candidate]) -> bool:
        """Whether a chain came without a body that it cannot be let in without, and proves nothing as it is."""
        if all(candidate.body is not None or candidate.header.body is None for candidate in chain):
            return False
        headers = [candidate.header for candidate in chain]
        is_proof = headers[0].author in self.quarantined or any(
            self._forks(header) or self._is_below_its_life(header) for header in headers
        )
        return not is_proof and not any(self.begins_another(base, first) for base, first in pairwise(headers))

    def _forks(self, header: Header) -> bool:
        """Whether another vertex is known under this key."""
        return self.graph.id_at(header.key) not in (None, header.id)

    def _is_below_its_life(self, header: Header) -> bool:
        """Whether it is from before the life that we hold began."""
        branch = self.graph.branch(header.author, header.incarnation)
        return branch is not None and header.seq < branch.first_seq

    def _check_body(self, candidate: Candidate) -> Refusal | None:
        header, body = candidate.header, candidate.body
        if header.body is None:
            return Refusal("body-root", "a body that the header does not name") if body is not None else None
        if body is None:
            return Refusal("body-missing")
        return check_body(header.body, body)

    def _place(self, candidate: Candidate, above: Sequence[Candidate] = ()) -> Answer:
        header = candidate.header
        key = header.key
        held = self.graph.id_at(key)
        if held == header.id and key in self.graph.lost:
            del self.graph.lost[key]
            return Mended(candidate)
        if held == header.id or self.graph.is_below(key):
            return Duplicate()
        if held is not None:
            return self._fork(candidate, above or self.pending.above(candidate.header))
        if not candidate.place and self._is_cut_off(header, self._needing(above)):
            return Refusal("evicted", str(tuple(key)))
        prev = self._prev(header)
        if header.prev is not None:
            if prev is None:
                return self._park(candidate, Missing(header.author, header.seq - 1, header.prev))
            if prev.incarnation > header.incarnation:
                return Refusal("prev-mismatch", "prev lies in a later incarnation")
        refused = self._check_branch(candidate, prev, above)
        if refused:
            return refused
        # What lies in our log had its parents when it was let in; damage to a peer's record must not undo that.
        missing = None if candidate.place else self._lacking(header)
        if missing is not None:
            return self._park(candidate, missing)
        self.graph.insert(key, header.id, prev, candidate.place, candidate.signed)
        self.entered(header, prev)
        return Accepted((candidate,))

    def hangs_together(self, header: Header) -> bool:
        """Whether all that a vertex stands on is here."""
        return (header.prev is None or self._prev(header) is not None) and self._lacking(header) is None

    def _prev(self, header: Header) -> VertexKey | None:
        if header.prev is None:
            return None
        prev = self.graph.find(header.author, header.seq - 1, header.prev)
        # Below a floor ids are forgotten; the author's signature vouches for its own chain.
        return prev or self.graph.stem(header.author, header.seq - 1, header.incarnation)

    def _lacking(self, header: Header) -> Missing | None:
        """The first parent that is waited for."""
        for parent in header.parents if self.keeps_all else ():
            if parent.author in self.quarantined or self.graph.is_below(parent.key):
                continue
            if not self.graph.holds(parent.key, parent.id):
                # Even where we hold another vertex under that key: fetching this one proves the fork.
                return Missing(parent.author, parent.seq, parent.id)
        return None

    def _needing(self, above: Sequence[Candidate]) -> list[Candidate]:
        """Of those above on a chain, the ones that somebody else's vertex needs, with all below them."""
        return [one for one in above if self.pending.needs(one.header)]

    def _check_branch(self, candidate: Candidate, prev: VertexKey | None, above: Sequence[Candidate]) -> Refusal | None:
        header = candidate.header
        branch = self.graph.branch(header.author, header.incarnation)
        if branch is None:
            tips = self.graph.tips(header.author)
            if len(tips) >= LINES_PER_AUTHOR_MAX and all(tip.key != prev for tip in tips):
                return Refusal("too-many-branches", str(header.author))
            return None
        if prev == branch.head:
            return None
        # One life of an honest author is one chain, and this one begins where another is under way.
        side = _side((candidate, *(above or self.pending.above(header))))
        if prev is None or side is None or not self._has(prev) or branch.head_seq < branch.held_from:
            return _parting(header)
        return self._quarantine(Conflict(_lowest(branch), side, other_base=prev))

    def _second_life(self, candidate: Candidate, above: Sequence[Candidate]) -> Refusal | None:
        """Seen before there is a place for it: a vertex from before the life that we hold began, or the beginning of a
        life that cannot have what we hold."""
        header = candidate.header
        side = _side((candidate, *above))
        if self._is_below_its_life(header):
            branch = self.graph.branch(header.author, header.incarnation)
            assert branch is not None
            if side is None or branch.is_cut or branch.base is None or not self._has(branch.base):
                return _parting(header)
            return self._quarantine(Conflict(_lowest(branch), side, branch.base))
        if side is None or not above or not self.begins_another(header, above[0].header):
            return None
        branch = self.graph.branch(header.author, above[0].header.incarnation)
        assert branch is not None
        return self._quarantine(Conflict(_lowest(branch), side))

    def begins_another(self, base: Header, first: Header) -> bool:
        """Whether a life that begins above `base` cannot have what we hold of its incarnation.

        Of a range only what we lack is looked at: what follows there need not follow on the chain.
        """
        branch = self.graph.branch(first.author, first.incarnation)
        if (
            branch is None
            or first.prev != base.id
            or base.incarnation == first.incarnation
            or self.graph.holds(first.key, first.id)
        ):
            return False
        return branch.held_from <= branch.head_seq and branch.held_from < first.seq

    def _has(self, key: VertexKey) -> bool:
        """Whether it is held, so that its header can be shown."""
        return self.graph.id_at(key) is not None and not self.graph.is_dropped(key)

    def _park(self, candidate: Candidate, missing: Missing) -> Parked | Refusal:
        if candidate.header.id in self.pending:
            if candidate.signature is not None:
                self.pending.sign(candidate.header.id, candidate.signature)
            return Parked(missing)
        return Parked(missing) if self.pending.park(candidate, missing) else Refusal("pending-full")

    def _fork(self, candidate: Candidate, above: Sequence[Candidate]) -> Refusal:
        """Two signed headers under one key: the author is quarantined, and its second side kept for the proof."""
        header = candidate.header
        side = _side((candidate, *above))
        if side is None:
            self.quarantined[header.author] = None
            return Refusal("fork", f"{tuple(header.key)}")
        return self._quarantine(Conflict(header.key, side))

    def _quarantine(self, conflict: Conflict) -> Refusal:
        author = conflict.held.author
        self.quarantined[author] = None
        if len(self.conflicts) < EVIDENCE_MAX:
            self.conflicts.setdefault(author, conflict)
        return Refusal("fork", f"{tuple(conflict.held)}")


def _side(chain: Sequence[Candidate]) -> Side | None:
    """The chain up to its first signature; None if it has none."""
    for count, one in enumerate(chain, 1):
        if one.signature is not None:
            return Side(tuple(each.header.raw for each in chain[:count]), one.signature)
    return None


def _lowest(branch: Branch) -> VertexKey:
    return VertexKey(branch.author, branch.incarnation, branch.held_from)


def _parting(header: Header) -> Refusal:
    """Two lines in one incarnation, but where they part was dropped: nothing proves it, and nobody is punished."""
    return Refusal("prev-mismatch", f"{tuple(header.key)}: another line of its incarnation is held")
