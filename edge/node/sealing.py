"""Checkpoints on the node: a member asks for one when there is something to seal; everyone knows what is sealed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.consensus.agreement import Agreement
from edge.consensus.checkpoint import CHECKPOINT_KEY, Seal, decode_checkpoint, head_of, keys_of
from edge.consensus.committee import Seats
from edge.consensus.sealrecord import encode_seal
from edge.consensus.witness import Witnesses
from edge.dag.admission import Admission
from edge.dag.records import SEAL, Record
from edge.ids import Instant, Parent, VertexKey
from edge.limits import RECORD_BYTES_MAX
from edge.node.ownline import OwnLine
from edge.wire.items import Proposal, Question

FINALS_MIN = 32
"""So many registers that changed are sealed at once, before the time is over."""
FEW_FINALS = 3
"""So many are sealed once none has changed for a while: their certificates, 18 kB each of a committee of seven, are
more than a device should have to fetch that slept meanwhile. While they change, no checkpoint comes between them."""
LINES_MIN, VERTICES_MIN = 32, 128
"""So many lines whose shared state moved on, or vertices that did it, wait a minute at most: a checkpoint has hardly
room for more lines, and memory for more vertices."""
OFTEN_MS = 60_000.0
SPREAD_MS = 2_000.0
"""Between the moments at which one member after the other asks: mostly one does."""
SETTLE_MS = 10_000.0
"""What is new waits at least so long: others have a word on it as well."""
AGAIN_MS = 10_000.0
"""After which a member asks once more, while nobody has asked what it can answer."""
Needs = dict[int, tuple[Parent, int]]
Lines = Mapping[tuple[int, int], int]
"""By author and incarnation, a seq."""


class _Scope:
    """Where one scope stands."""

    def __init__(self, now_ms: float) -> None:
        self.version = 0
        """Of the newest checkpoint that is final."""
        self.heads: dict[int, VertexKey] = {}
        """Which it names."""
        self.since_ms = now_ms
        """When that became known."""
        self.news_ms: float | None = None
        """When something came that is not below it."""
        self.asked_ms = float("-inf")
        self._changes = 0
        self.final_ms = now_ms
        """When a register changed last."""

    def looked(self, changes: int, now_ms: float) -> None:
        """At how many changes of registers there were so far."""
        if changes != self._changes:
            self._changes, self.final_ms = changes, now_ms

    def begin(self, version: int, value: bytes, now_ms: float) -> None:
        checkpoint = decode_checkpoint(value)
        self.version, self.since_ms, self.news_ms, self.asked_ms = version, now_ms, None, float("-inf")
        self.heads = keys_of(checkpoint.heads) if checkpoint is not None else {}


class Sealing:
    """`every_ms`: how long what is new waits to be sealed. `is_lost`: whether we abstain in an epoch of a scope."""

    def __init__(
        self,
        index: int,
        admission: Admission,
        agreement: Agreement,
        witnesses: Witnesses,
        own: OwnLine,
        every_ms: float,
        is_lost: Callable[[str, int], bool],
    ) -> None:
        self._index = index
        self._graph = admission.graph
        self._quarantined = admission.quarantined
        self._agreement = agreement
        self._witnesses = witnesses
        self._own = own
        self._every_ms = every_ms
        self._is_lost = is_lost
        self._scopes: dict[str, _Scope] = {}
        self._looked = (-1, -1, -1)
        self._due_ms = float("inf")
        self._recorded = 0
        """How many changes of checkpoints were looked at for our log."""
        self._written: dict[str, int] = {}
        """By scope, the version of the newest checkpoint that our log has, or is about to."""
        self.lines: Lines = {}
        """By author and incarnation, the seq up to which it is sealed."""
        self._by_epoch: dict[str, tuple[int, Lines]] = {}
        """By scope, the newest committee that made a checkpoint, and what is sealed by its members' words."""
        self.asked = 0

    # ---- what is sealed

    def records(self) -> list[Record]:
        """What newer checkpoints come to, for our log; each once."""
        checkpoints = self._agreement.checkpoints
        if self._recorded == checkpoints.changes:
            return []
        self._recorded = checkpoints.changes
        found = []
        for scope, seal in checkpoints.seals.items():
            if seal.version > self._written.get(scope, 0):
                self._written[scope] = seal.version
                below = self._below(seal) if self._witnesses.vouches(scope) else {}
                lines = _higher(self.lines_by(scope, seal.epoch), below)
                payload = encode_seal(scope, seal, ((*line, seq) for line, seq in lines.items()))
                is_short = len(payload) <= RECORD_BYTES_MAX
                found.append(Record(SEAL, payload if is_short else encode_seal(scope, seal, ())))
        return found

    def _below(self, seal: Seal) -> Lines:
        heads = keys_of(seal.heads)
        found: dict[tuple[int, int], int] = {}
        for author in self._graph.authors():
            for incarnation, seq in self._witnesses.below(author, heads, seal.epoch).items():
                if seq:
                    found[author, incarnation] = seq
        return found

    def take(self, scope: str, seal: Seal, lines: Lines) -> None:
        """These are sealed by a checkpoint, and our log says so."""
        self._written[scope] = max(seal.version, self._written.get(scope, 0))
        self.lines = _higher(self.lines, lines)
        if seal.epoch >= self._by_epoch.get(scope, (0, {}))[0]:
            self._by_epoch[scope] = (seal.epoch, _higher(self.lines_by(scope, seal.epoch), lines))

    def lines_by(self, scope: str, epoch: int) -> Lines:
        """What checkpoints of this committee seal, by author and incarnation; nothing while it has made none."""
        known, lines = self._by_epoch.get(scope, (0, {}))
        return lines if known == epoch else {}

    @property
    def own_seq(self) -> int:
        """Up to which seq our own line is sealed."""
        return max((seq for (author, _), seq in self.lines.items() if author == self._index), default=0)

    # ---- what is asked

    def turn(self, epoch: int, now: Instant) -> None:
        """As a member: ask for a checkpoint where it is due."""
        agreement = self._agreement
        # While nothing is due, shared state may be what brings it.
        changes = agreement.checkpoints.state_changes if self._due_ms == float("inf") else self._looked[2]
        looked = (agreement.registers.changes, self._witnesses.taken, changes)
        if (looked == self._looked and now.mono_ms < self._due_ms) or not self._own.has_room:
            return
        self._looked = looked
        self._due_ms = float("inf")
        for scope in agreement.epochs.scopes:
            seats, question = self._seats(scope), agreement.question(scope, CHECKPOINT_KEY)
            if seats is None or question is None:
                continue
            due_ms = self._due(scope, seats, question, now)
            if due_ms <= now.mono_ms:
                self._scopes[scope].asked_ms = now.mono_ms
                due_ms = now.mono_ms + AGAIN_MS
                self._ask(question, seats, epoch, now)
            self._due_ms = min(self._due_ms, due_ms)

    def deadline(self) -> float:
        """When `turn` may have something to ask, if our line has room, monotonic ms."""
        return self._due_ms

    def _seats(self, scope: str) -> Seats | None:
        """Where we vote, and may."""
        seats = self._agreement.epochs.current(scope)
        if seats is None or self._index not in seats.members or self._is_lost(*seats.name):
            return None
        return seats

    def _due(self, scope: str, seats: Seats, question: Question, now: Instant) -> float:
        known = self._scopes.setdefault(scope, _Scope(now.mono_ms))
        held = self._agreement.registers.get(scope, CHECKPOINT_KEY)
        if held is not None and held.question.version != known.version:
            known.begin(held.question.version, held.value, now.mono_ms)
        known.looked(self._agreement.registers.changes, now.mono_ms)
        checkpoints = self._agreement.checkpoints
        unsealed, (lines, vertices) = len(checkpoints.unsealed(scope)), checkpoints.ahead(scope)
        has_words = self._witnesses.vouches(scope) and self._witnesses.are_beyond(known.heads)
        if not (unsealed or lines or has_words):
            return float("inf")
        if known.news_ms is None:
            known.news_ms = now.mono_ms
        members = seats.members
        rank = (members.index(self._index) - question.version) % len(members)
        rank += 0 if checkpoints.knows_state(scope) else len(members)  # who could say more comes first
        is_much = lines >= LINES_MIN or vertices >= VERTICES_MIN
        wait_ms = min(self._every_ms, OFTEN_MS) if is_much else self._every_ms
        wait_ms = 0.0 if unsealed >= FINALS_MIN else wait_ms
        due_ms = max(known.since_ms + wait_ms, known.news_ms + min(wait_ms, SETTLE_MS))
        if unsealed >= FEW_FINALS:
            due_ms = min(due_ms, max(known.since_ms, known.final_ms) + SETTLE_MS)
        return max(due_ms + rank * SPREAD_MS, known.asked_ms + AGAIN_MS)

    def _ask(self, question: Question, seats: Seats, epoch: int, now: Instant) -> None:
        agreement = self._agreement
        open_ = agreement.sets.of(question)
        proposed = open_.contest.proposed if open_ is not None else {}
        if any(agreement.checkpoints.opens_ms(question, one.value) <= now.mono_ms for one in proposed.values()):
            return  # it is on its way
        needs = self._heads(seats)
        heads = [head_of(parent) for parent, _ in needs.values()]
        if len(heads) < seats.committee.quorum or agreement.has_room(question, self._index):
            return
        value = agreement.checkpoints.value(question.scope, heads, epoch, question.version)
        if value is not None:
            self.asked += 1
            needs.pop(self._index, None)
            self._own.draft(epoch, now, items=(Proposal(question, value),), needs=needs)

    def _heads(self, seats: Seats) -> Needs:
        """Newest vertices, with their clocks, of the q members who have said most."""
        named = self._agreement.naming.heads(index for index in seats.members if index not in self._quarantined)
        newest = self._own.newest
        if newest is not None:
            named[self._index] = (newest, 0)
        reach = {index: self._witnesses.reach(index) for index in named}
        best = sorted(named, key=lambda index: (-reach[index], index))[: seats.committee.quorum]
        return {index: named[index] for index in sorted(best)}

    def counts(self) -> dict[str, int]:
        seals = self._agreement.checkpoints.seals.values()
        return {"checkpoints_asked": self.asked, "checkpoints": sum(seal.version for seal in seals)}


def _higher(some: Lines, others: Lines) -> Lines:
    """Of each line the higher seq."""
    return {line: max(some.get(line, 0), others.get(line, 0)) for line in (*some, *others)}
