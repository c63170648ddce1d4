"""Making room in the log: the oldest segments go once others surely have everything that is in them.

Covered is a vertex that a gateway has acknowledged at or above on its chain, across incarnations; that a gateway wrote
itself; on a gateway, that its own store has; or, at who has no seat, that a checkpoint of the committee whose turn it
is has sealed (docs/decisions/0042). Of others whose fork is proven everything may go but the proof. Nothing else is
ever dropped, however full the log is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edge.dag.admission import Admission
from edge.dag.author import Author
from edge.dag.coverage import coverage
from edge.dag.floor import Floor, FloorLine, encode_floor
from edge.dag.graph import Branch, Graph
from edge.dag.records import BOOT, ROSTER, Record, place_of, segment_of
from edge.effects import Trim
from edge.ids import Instant
from edge.limits import FLOOR_BYTES_MAX, LOG_SEGMENTS_MIN, LOG_TRIM_SHARE, LOG_TRIMMED_SHARE
from edge.node.custody import Custody
from edge.node.desk import Desk
from edge.node.eliding import Eliding
from edge.node.forks import Forks
from edge.node.recovery import Recovery
from edge.node.voting import Voting
from edge.wire.cbor import encode
from edge.wire.roster import Roster

PAUSE_MS = 10_000.0
"""Between two looks that found nothing to drop: each goes through every vertex held."""

Segments = tuple[tuple[int, float], ...]
"""(number, share of the log's maximum) of each, oldest first."""

NEVER = 1 << 32
"""Above every segment number."""


def first_needed(branch: Branch, covered_seq: int, through_seq: int | None = None) -> int:
    """The oldest segment with a vertex of the branch above `covered_seq`, and at most `through_seq`; NEVER if there is
    none."""
    end = None if through_seq is None else max(0, through_seq + 1 - branch.start)
    rest = branch.places[max(0, covered_seq + 1 - branch.start) : end]
    return segment_of(min(filter(None, rest), default=NEVER << 32))


def last_to_drop(segments: Segments, needed: int, newest: int) -> int:
    """The newest segment to drop so that the log comes below LOG_TRIMMED_SHARE; 0 for none.

    Of the oldest ones below `needed`; LOG_SEGMENTS_MIN stay, counted from `newest`, the one being written.
    """
    share = sum(size for _, size in segments)
    last = 0
    for number, size in segments:
        if number >= needed or number > newest - LOG_SEGMENTS_MIN or share < LOG_TRIMMED_SHARE:
            break
        share -= size
        last = number
    return last


def floor_lines(graph: Graph, last: int) -> tuple[list[FloorLine], list[FloorLine]]:
    """The lines that have something dropped once the segments up to `last` are gone, those from before among them; and
    what goes of them now. A floor is never written lower than it was: what was had again below it lies above in the
    log, in the order in which a start goes down from it."""
    end = place_of(last + 1, 0)
    lines, going = [], []
    for author in graph.authors():
        for branch in graph.branches(author):
            places = branch.places
            index = next((at for at in range(len(places) - 1, -1, -1) if 0 < places[at] < end), -1)
            if index >= 0:
                going.append(branch.floor_line(branch.start + index))
            if index >= 0 or branch.dropped_seq:
                lines.append(branch.floor_line(max(branch.start + index, branch.dropped_seq)))
    return lines, going


class Trimmer:
    """Asks for room when the log's share says so, one trim at a time."""

    def __init__(
        self, desk: Desk, admission: Admission, author: Author, custody: Custody, recovery: Recovery, forks: Forks,
        voting: Voting,
    ) -> None:  # fmt: skip
        self._desk = desk
        self._admission = admission
        self._graph = admission.graph
        self._pending = admission.pending
        self._evicted = admission.evicted
        self._forks = forks
        self._voting = voting
        self._eliding = Eliding(desk, admission, custody, forks, voting)
        self._author = author
        self._custody = custody
        self._recovery = recovery
        self._is_busy = False
        self._not_before_ms = float("-inf")
        self.pinned_segment: Callable[[], int] = lambda: 0
        """The oldest segment with an own vertex that is to be recorded once more; 0 if there is none."""
        self.snapshot: Callable[[], bytes | None] = lambda: None
        """Shared state, which outlives the vertices that it came from."""
        self.sealed: Callable[[], bytes | None] = lambda: None
        """The same at the cut of the newest checkpoint."""
        self.trims = 0
        self.refused = 0
        self.dropped = self.dropped_sealed = 0
        """Vertices since the start; and how many of them no gateway had, but members."""
        voting.witnessing.lacks = self.lacks

    def look(self, segments: Segments, roster: Roster, roster_bytes: bytes, now: Instant) -> None:
        """Drop what can be dropped, if the log is full enough; signatures before anything else."""
        self._eliding.look(segments, now)
        share = sum(size for _, size in segments)
        if share < LOG_TRIM_SHARE or self._is_busy or now.mono_ms < self._not_before_ms:
            return
        self._not_before_ms = now.mono_ms + PAUSE_MS
        needed, newest = self._needed(roster), segments[-1][0]
        last = last_to_drop(segments, needed, newest)
        if not last:
            return
        lines, going = floor_lines(self._graph, last)
        dropped = Floor(
            self._author.clock, tuple(lines), self._custody.acks(), self.snapshot(), self.sealed(),
            self._voting.agreement.imprints.dump(),
        )  # fmt: skip
        floor = encode_floor(dropped)
        if len(floor) > FLOOR_BYTES_MAX:  # a peer can hand it over
            dropped = dropped._replace(sealed=None)
            floor = encode_floor(dropped)
        is_state_left = len(floor) > FLOOR_BYTES_MAX
        if is_state_left:
            floor = encode_floor(dropped._replace(state=None))
        if len(floor) > FLOOR_BYTES_MAX:
            return self._desk.report("error", "log-floor-too-large", bytes=len(floor))
        if is_state_left:
            self._desk.report("error", "log-floor-without-state", bytes=len(dropped.state or b""))
        records = self._outliving(last, roster_bytes, now)
        proofs = self._forks.outliving(last)
        certificates = self._voting.certified.outliving(last)
        moved = (
            *(partial(self._recovery.places.__setitem__, record.type) for record in records),
            *(partial(self._forks.moved, author) for author in proofs),
            *(partial(self._voting.certified.moved, register) for register in certificates),
        )
        ticket = self._desk.ticket(partial(self._trimmed, going, moved, self._sealed_only(going, roster)))
        records += (*proofs.values(), *certificates.values())
        self._is_busy = True
        self._desk.do(Trim(ticket, floor, records, last + 1))

    def _needed(self, roster: Roster) -> int:
        """The oldest segment that must stay for what is in it."""
        newest = 0
        needed = [segment_of(place) for place in self._pending.places()]
        needed += filter(None, (self._recovery.pinned_segment, self._voting.pinned_segment, self.pinned_segment()))
        for author in self._graph.authors():
            branches = self._graph.branches(author)
            covered = self._covered(author, roster, with_sealed=self._voting.drops_sealed)
            # Of a proven fork a gateway keeps one side: the other would hold our log for ever. The proof itself stays.
            is_forked = author in self._forks.proofs and author != self._author.options.index
            # Nor does one take what lies above a cut.
            cut = self._evicted.get(author) if author != self._author.options.index else None
            for branch in branches:
                end = cut.end_of(branch.incarnation) if cut is not None else None
                if not is_forked:
                    needed.append(first_needed(branch, covered[branch.incarnation], end))
                newest = max(newest, segment_of(max(branch.places)))
        # What the disk has not answered for yet lies above everything it has: its segments are not ours to drop.
        return min((*needed, newest), default=0)

    def _covered(self, author: int, roster: Roster, *, with_sealed: bool) -> dict[int, int]:
        """By incarnation, the seq up to which others have an author's line: gateways, or members, too."""

        def said(branch: Branch) -> int:
            sealed = self._voting.sealed_seq(branch) if with_sealed else 0
            return max(self._custody.covered_seq(branch, roster), sealed)

        return coverage(self._graph.branches(author), said, with_floors=False)

    def lacks(self, author: int) -> bool:
        """Whether we dropped something of an author's line that no gateway has."""
        floors = {branch.incarnation: branch.floor_seq for branch in self._graph.branches(author) if branch.is_cut}
        if not floors:
            return False
        covered = self._covered(author, self._admission.roster, with_sealed=False)
        return any(covered[incarnation] < seq for incarnation, seq in floors.items())

    def _sealed_only(self, lines: list[FloorLine], roster: Roster) -> int:
        """How many vertices go that no gateway has."""
        count = 0
        for line in lines:
            branch = self._graph.branch(line.author, line.incarnation)
            covered = self._covered(line.author, roster, with_sealed=False)[line.incarnation]
            if branch is not None and line.author not in self._forks.proofs:
                count += max(0, line.seq - max(covered, branch.held_from - 1))
        return count

    def _outliving(self, last: int, roster_bytes: bytes, now: Instant) -> tuple[Record, ...]:
        """The newest roster and our incarnation, if they go with the segments."""
        records = []
        places = self._recovery.places
        if 0 < segment_of(places.get(ROSTER, 0)) <= last:
            records.append(Record(ROSTER, roster_bytes))
        if 0 < segment_of(places.get(BOOT, 0)) <= last:
            records.append(Record(BOOT, encode([self._author.incarnation, now.wall_ms])))
        return tuple(records)

    def _trimmed(
        self,
        lines: list[FloorLine],
        moved: tuple[Callable[[int], None], ...],
        sealed_only: int,
        places: tuple[int, ...] | None,
        now: Instant,
    ) -> None:
        self._is_busy = False
        if places is None:
            self.refused += 1
            return self._desk.report("warning", "log-trim-refused")
        self._not_before_ms = float("-inf")
        self.trims += 1
        for move, place in zip(moved, places, strict=True):
            move(place)
        before = self._graph.vertices
        for line in lines:
            self._graph.forget(line)
        vertices = before - self._graph.vertices
        self.dropped, self.dropped_sealed = self.dropped + vertices, self.dropped_sealed + sealed_only
        self._desk.report("info", "log-trimmed", vertices=vertices, sealed_only=sealed_only)
        return None

    def counts(self) -> dict[str, int]:
        return {
            "trims": self.trims, "trims_refused": self.refused,
            "dropped_vertices": self.dropped, "dropped_sealed": self.dropped_sealed,
            **self._eliding.counts(),
        }  # fmt: skip
