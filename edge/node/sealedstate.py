"""Shared state up to the cut of the newest checkpoint, beside that of all that is held (docs/decisions/0044).

What has operations above the cut waits here for the next one. A member votes for a checkpoint whose lines it has and
whose root it comes to itself; who cannot go on from what a checkpoint says asks for the whole
(edge/node/statehandover.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from edge.dag.admission import Admission
from edge.ids import Instant, VertexKey
from edge.limits import COUNTER_MAX, STATE_CUTS_MAX, STATE_JUDGED_MAX
from edge.node.readback import Read, Readback
from edge.state.above import Above, LineName
from edge.state.sealed import Sealed, Step, load
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Op
from edge.wire.merkle import Digest
from edge.wire.vertex import Header, decode_header

FORMAT = 1
LOADED = 16
"""Vertices read back from the log at once."""
AGAIN_MS = 1_000.0
"""Until what the disk had not got is looked for once more."""


class Cut(NamedTuple):
    """What a checkpoint says of shared state."""

    version: int
    ends: tuple[VertexKey, ...]
    root: Digest


class SealedState:
    """Implements `SharedState` of edge/consensus/checkpoint.py."""

    def __init__(self, admission: Admission, readback: Readback) -> None:
        self._admission = admission
        self._graph = admission.graph
        self._readback = readback
        self.sealed = Sealed()
        self.version = 0
        """Of the checkpoint whose cut it is at."""
        self.newest = Cut(0, (), self.sealed.root)
        """What the newest final checkpoint that says something of it says."""
        self._above = Above()
        self._waiting: deque[Cut] = deque()
        """Newer ones, some of whose vertices have not come."""
        self.is_short = False
        """The log has dropped what it would have to begin from."""
        self.changes = 0
        self._looked = -1
        self._steps: dict[tuple[VertexKey, ...], Step] = {}
        """The last step that was computed, by its ends: for the proposal, the vote, and what is final."""
        self._judged: dict[tuple[tuple[VertexKey, ...], Digest], bool] = {}
        """How roots that were proposed for the next checkpoint were judged."""
        self._ends: tuple[tuple[int, int, int], list[VertexKey]] = ((-1, 0, 0), [])
        """The last answer of `ends`, and what it depends on."""
        self.ready = 0
        self._load_ms = float("-inf")
        self.steps = self.handed = self.wrong = self.lost = 0

    @property
    def is_kept(self) -> bool:
        """Whether it is of anybody but us."""
        return self._admission.only is None

    @property
    def is_current(self) -> bool:
        """Whether we know what the newest checkpoint says of it."""
        return self.is_kept and not self.is_short and self.version == self.newest.version

    @property
    def is_lost(self) -> bool:
        """Whether no vertex that may come helps: somebody has to hand it over."""
        return self.is_kept and not self.is_current and (self.is_short or not self._waiting)

    # ---- what enters and leaves the graph

    def entered(self, header: Header) -> None:
        """A vertex is in the graph."""
        if not any(isinstance(item, Op) for item in header.items):
            return
        if self.is_kept and header.seq > self.sealed.ends.get(header.key[:2], 0):
            self._above.add(header)
            self.changes += 1

    def cut(self, keys: Iterable[VertexKey]) -> None:
        """Own vertices left the graph."""
        self._above.cut(keys)
        self._steps.clear()
        self._judged.clear()
        self.changes += 1

    def _origin(self, name: LineName) -> tuple[int, int] | None:
        branch = self._graph.branch(*name)
        if branch is None:
            return None
        return branch.first_seq, branch.base.incarnation if branch.base is not None else 0

    # ---- what checkpoints say

    def learned(self, version: int, ends: tuple[VertexKey, ...], root: Digest) -> None:
        """A final checkpoint says so."""
        if not self.is_kept or version <= self.newest.version:
            return
        self.newest = Cut(version, ends, root)
        self._waiting.append(self.newest)
        if len(self._waiting) > STATE_CUTS_MAX:
            self._waiting.popleft()
        self.changes += 1
        self._go_on()

    def _go_on(self) -> None:
        """As far as the vertices have come."""
        self._looked = self.changes
        while self._waiting and not self.is_short:
            cut = self._waiting[0]
            step = self._step(cut.ends)
            if step is None:
                return
            self._waiting.popleft()
            if self._has(step, cut.root):
                self._take(cut.version, step)
            else:
                self.lost += 1  # it goes on from one that we do not know, or a line of it is another one here

    def _step(self, ends: tuple[VertexKey, ...]) -> Step | None:
        if ends not in self._steps:
            step = self.sealed.ahead(ends, self._above, self._origin)
            if step is None:
                return None
            self._steps = {ends: step}
        return self._steps[ends]

    @staticmethod
    def _has(step: Step, root: Digest) -> bool:
        """The rule: a cut comes to what everybody comes to by its vertices."""
        return step.root == root

    def _take(self, version: int, step: Step) -> None:
        self.sealed.take(step)
        self._begin(version, step.ends.items())
        self.steps += 1

    def _begin(self, version: int, ends: Iterable[tuple[LineName, int]]) -> None:
        self.version = version
        for name, seq in ends:
            self._above.drop(name, seq)
        self._judged.clear()
        self._steps.clear()
        self.changes += 1

    def take(self, cut: Cut, data: bytes) -> bool:
        """Somebody has handed over the whole state of a final checkpoint; False if that is not its root."""
        sealed = load(data, cut.root)
        if sealed is None or cut.version <= self.version:
            return False
        self.sealed, self.is_short = sealed, False
        self._begin(cut.version, sealed.ends.items())
        self._waiting = deque(one for one in self._waiting if one.version > cut.version)
        self.handed += 1
        self._go_on()
        return True

    # ---- what the next one may say

    def fits(self, ends: tuple[VertexKey, ...], root: Digest) -> bool:
        """Whether the next cut has this root. False as well as long as we cannot know."""
        if not self.is_current:
            return False
        asked = (ends, root)
        if asked not in self._judged:
            step = self._step(ends)
            if step is None:
                return False
            if len(self._judged) >= STATE_JUDGED_MAX:
                del self._judged[next(iter(self._judged))]
            self._judged[asked] = self._has(step, root)
            self.wrong += not self._judged[asked]
        return self._judged[asked]

    def ends(self) -> list[VertexKey] | None:
        """Up to where lines may move on; None if we do not know where they stand."""
        if not self.is_current:
            return None
        asked = (self.changes, len(self._admission.quarantined), len(self._admission.evicted))
        if self._ends[0] != asked:
            found = [end for end in self._above.ends(self._through) if self._is_reached(end)]
            self._ends = (asked, found)
            self.ready = sum(self._above.count_of(end) for end in found)
        return self._ends[1]

    def _is_reached(self, end: VertexKey) -> bool:
        return self.sealed.can_reach(end, self._above, self._origin)

    def _through(self, name: LineName) -> int:
        """Up to where a line is the same for everybody: nowhere if its author has forked, and below a cut."""
        author, incarnation = name
        if author in self._admission.quarantined:
            return 0
        cut = self._admission.evicted.get(author)
        return cut.end_of(incarnation) if cut is not None else COUNTER_MAX

    def root(self, ends: tuple[VertexKey, ...]) -> Digest | None:
        """With these in it up to there; None if that is not known."""
        step = self._step(ends) if self.is_current else None
        return step.root if step is not None else None

    def above(self, author: int) -> list[Header] | None:
        """What an author has said above the cut; None where not all of it is at hand."""
        return self._above.of(author)

    # ---- the log

    def turn(self, now: Instant) -> None:
        """Go on if something came, and read back what there is room for again."""
        if self._waiting and self._looked != self.changes:
            self._go_on()
        if now.mono_ms < self._load_ms:
            return
        spots = self._readback.spots(self._above.lacking(LOADED))
        self._load_ms = float("inf") if spots else now.mono_ms + AGAIN_MS
        if spots:
            self._readback.load(spots, self._loaded)

    def _loaded(self, vertices: list[Read | None], now: Instant) -> None:
        self._load_ms = now.mono_ms + (AGAIN_MS if None in vertices else 0.0)
        for read in vertices:
            header = decode_header(read.frame.header) if read is not None else None
            if isinstance(header, Header) and header.seq > self.sealed.ends.get(header.key[:2], 0):
                self._above.keep(header)
                self.changes += 1

    def dump(self) -> bytes:
        """For the floor: the state, which vertices with operations lie above it, and of these the headers at hand. The
        others lie in the log, or are dropped with it: their lines stay where they are."""
        headers = [header.raw for _, header in sorted(self._above.held.items())]
        lines = [[*name, is_broken, seqs] for name, is_broken, seqs in self._above.lines()]
        return encode([FORMAT, self.version, self.sealed.root, self.sealed.dump(), lines, headers])

    def restored(self, data: bytes | None, *, has_floor: bool) -> None:
        """At the start, before the first vertex: what `dump` wrote."""
        try:
            form, version, root, parts, lines, headers = decode(data or b"", depth_max=4)
            sealed = load(parts, root) if form == FORMAT else None
            decoded = [decode_header(raw) for raw in headers]
        except (Malformed, TypeError, ValueError):
            sealed, version, lines, decoded = None, 0, [], []
        self.is_short = has_floor and sealed is None
        if sealed is not None:
            self.sealed, self.version, self.newest = sealed, version, Cut(version, (), sealed.root)
            for author, incarnation, is_broken, seqs in lines:
                branch = self._graph.branch(author, incarnation)
                is_gone = branch is not None and branch.floor_seq > max(seqs, default=0)
                self._above.restore((author, incarnation), seqs, is_broken=is_broken and is_gone)
            for header in decoded:
                if isinstance(header, Header):
                    self._above.keep(header)

    def counts(self) -> dict[str, int]:
        return {
            "state_sealed_steps": self.steps,
            "state_sealed_handed": self.handed,
            "state_sealed_wrong": self.wrong,
            "state_sealed_lost": self.lost,
            "state_above": self._above.count,
        }
