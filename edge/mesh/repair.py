"""Who lacks what: turns frontiers and missing parents into bounded requests for ranges.

Nothing about a peer is kept as truth: a claim makes us ask, an answer that brings nothing drops the claim, and every
request can be lost at any byte and asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.ids import Instant
from edge.limits import (
    GAPS_PER_AUTHOR_MAX,
    REPAIR_FLIGHT_BYTES,
    REPAIR_RANGES_MAX,
    REPAIR_REQUESTS_MAX,
)
from edge.wire.frame import Want

GRACE_MS = 250
"""Live traffic usually brings what a frontier names; ask only for what does not come."""
TIMEOUT_MS = 3_000
FLIGHT_MS_MAX = 15_000
"""However steadily chunks trickle in: a peer that never ends must not keep others from being asked."""
LATE_MAX = 2 * REPAIR_REQUESTS_MAX
"""Answers given up that are still let in: a peer or we may be slow, and what comes late need not come again."""
COMING_MS = 1_500
"""A missing parent usually lies on a line whose end is on its way already: so long it is waited for. No longer, or who
claims what it has not got would keep others from being asked."""
SETTLE_MS = 300
"""Signatures of an answer are still being checked when its last chunk arrives."""
PATIENCE_MS_MAX = 60_000
SOURCES_MAX = 3
BACK_FIRST = 64
"""An unknown line is asked from our highest seq of its author; if it forks off below, this far back, then doubling."""

VERTEX_BYTES = 1024
"""Of a vertex that is asked for, until answers show how large they are."""
LINE_BYTES = 4096
"""What a line costs beside its vertices: a signature."""
assert REPAIR_FLIGHT_BYTES // LINE_BYTES < REPAIR_RANGES_MAX

NOT_SENT = 0
"""A correlation that no request has."""
NO_KEEPER = 2
ANY_INCARNATION = 0
"""In a want: whichever line holds the seq (docs/WIRE.md §6)."""


class Line(NamedTuple):
    """What is lacking: the end of a line, or the vertex that somebody else holds at `seq` where we hold another."""

    author: int
    incarnation: int
    seq: int = 0
    """0: the end of the line."""
    tag: int = 0
    """Of that other vertex, as a frontier shows it."""


class Request(NamedTuple):
    """To be sent to a peer."""

    to: int
    correlation: int
    budget_bytes: int
    wants: tuple[Want, ...]


@dataclass(slots=True)
class _Source:
    """Somebody who says it holds more than we do. Patience is with each alone: a liar must not delay the others."""

    through_seq: int
    fruitless: int = 0
    """Requests in a row whose answer has brought nothing, or not yet."""
    not_before_ms: float = 0.0


@dataclass(slots=True)
class _Gap:
    """What somebody claims to hold and we lack."""

    since_ms: float
    sources: dict[int, _Source] = field(default_factory=dict)
    not_before_ms: float = 0.0
    back: int = 0
    wants_keeper: bool = False
    """Whoever was asked has dropped what we lack, or lost it: ask somebody who keeps everything."""
    asked: int | None = None
    asked_after: int = -1

    @property
    def through_seq(self) -> int:
        return max((source.through_seq for source in self.sources.values()), default=0)


@dataclass(slots=True)
class _Flight:
    """A request that is out, and what came of it."""

    to: int
    begun_ms: float
    heard_ms: float
    gaps: list[Line]


class Repair:
    """Gaps by line and requests in flight; at most one request a peer."""

    def __init__(
        self,
        held_after: Callable[[Line, int], int | None],
        keeper_rank: Callable[[int], int] = lambda member: NO_KEEPER,
    ) -> None:
        """`held_after(line, through_seq)`: the seq above which we lack the line, None if nothing is.

        `keeper_rank(member)`: how surely it has what others have dropped: a gateway 0, who sits on a committee or did
        1, others NO_KEEPER.
        """
        self._held_after = held_after
        self._keeper_rank = keeper_rank
        self._gaps: dict[Line, _Gap] = {}
        self._lines_of: dict[int, dict[Line, None]] = {}
        """Of each author, those with a gap."""
        self._flights: dict[int, _Flight] = {}
        self._late: dict[int, _Flight] = {}
        self._correlation = 0
        self._is_stale = False
        self._deadline: float | None = None
        self._vertex_bytes = float(VERTEX_BYTES)
        self.has_finished = False
        """An answer is complete since requests were last due: whoever gave it can be asked for more."""
        self.requests = 0
        self.timeouts = 0
        self.gaps_refused = 0

    @property
    def is_idle(self) -> bool:
        """Nothing is lacking and nothing was asked for."""
        return not self._gaps and not self._flights

    @property
    def gaps(self) -> int:
        return len(self._gaps)

    def claims(self, sender: int, line: Line, through_seq: int, now: Instant) -> None:
        """`sender` says it holds this line up to `through_seq` and we do not."""
        self._is_stale = True
        gap = self._gaps.get(line)
        if gap is None:
            if not self._has_room(line.author):
                self.gaps_refused += 1
                return
            gap = self._gaps[line] = _Gap(now.mono_ms)
            self._lines_of.setdefault(line.author, {})[line] = None
        source = gap.sources.pop(sender, None)
        if source is None and len(gap.sources) >= SOURCES_MAX:
            oldest = max(gap.sources, key=self._keeper_rank)  # the first of them
            # With its patience: a claim does not become better by being made under another name.
            source = gap.sources.pop(oldest)
        source = source or _Source(through_seq)
        source.through_seq = through_seq
        gap.sources[sender] = source

    def _has_room(self, author: int) -> bool:
        """An author has few lines; a new claim takes the place of one that was asked for and brought nothing."""
        lines = self._lines_of.get(author, {})
        if len(lines) < GAPS_PER_AUTHOR_MAX:
            return True
        for line in lines:
            gap = self._gaps[line]
            if gap.asked is None and gap.asked_after >= 0:
                self._drop(line)
                return True
        return False

    def _drop(self, line: Line) -> None:
        del self._gaps[line]
        del self._lines_of[line.author][line]
        if not self._lines_of[line.author]:
            del self._lines_of[line.author]

    def is_claimed(self, author: int) -> bool:
        """Whether somebody says that he holds more of a line of this author than we do."""
        return any(line.incarnation != ANY_INCARNATION and not line.seq for line in self._lines_of.get(author, ()))

    def tries(self, line: Line) -> int:
        """How often it was asked for since somebody of whom it was brought anything of its author."""
        gap = self._gaps.get(line)
        return sum(source.fruitless for source in gap.sources.values()) if gap is not None else 0

    def is_in_vain(self, line: Line) -> bool:
        """Whether somebody was asked for it twice, and brought nothing new of its author."""
        gap = self._gaps.get(line)
        return gap is not None and any(source.fruitless > 1 for source in gap.sources.values())

    def brought(self, sender: int, author: int) -> None:
        """An answer by `sender` had a vertex of this author that is new to us: its other claims may be as good."""
        self._is_stale = True
        for line in self._lines_of.get(author, ()):
            source = self._gaps[line].sources.get(sender)
            if source is not None:
                source.fruitless, source.not_before_ms = 0, 0.0

    def unknown_prev(self, author: int, incarnation: int, seq: int) -> None:
        """An answer began above a vertex that we lack, at `seq`; it ended in this incarnation, or will in a later one.

        Where we asked from, or below: the line forks off lower than we thought. Above: part of the answer was lost, or
        who gave it has dropped that part.
        """
        for line in self._lines_of.get(author, ()):
            gap = self._gaps[line]
            if line.incarnation < incarnation:
                continue
            if seq <= gap.asked_after - gap.back:
                gap.back = min(max(BACK_FIRST, gap.back * 2), gap.asked_after)
            else:
                gap.wants_keeper = True

    def requests_due(self, now: Instant) -> list[Request]:
        """Requests to send now: gaps past their grace, grouped by a source that is not busy."""
        self._expire(now)
        self._is_stale, self.has_finished = True, False
        if not self._gaps or len(self._flights) >= REPAIR_REQUESTS_MAX:
            return []
        chosen: dict[int, list[tuple[Line, Want]]] = {}
        room: dict[int, float] = {}
        busy = {flight.to: None for flight in self._flights.values()}
        for line, gap in list(self._gaps.items()):
            after = self._held_after(line, gap.through_seq)
            if after is None or not gap.sources:
                if gap.asked is None:
                    self._drop(line)
                continue
            if gap.asked is not None or now.mono_ms < max(self._grace_over(line, gap), gap.not_before_ms):
                continue
            if after != gap.asked_after:
                gap.back = 0
            picked = self._pick(line, gap, busy, chosen, room, now)
            if picked is None:
                continue
            to, want = picked
            gap.sources[to].fruitless += 1  # until it has `brought` something
            gap.wants_keeper |= after == gap.asked_after
            gap.asked, gap.asked_after = NOT_SENT, after
            chosen.setdefault(to, []).append((line, want))
        return [self._send(source, picked, now) for source, picked in chosen.items()]

    def _grace_over(self, line: Line, gap: _Gap) -> float:
        """When what was not asked for has had its time to come."""
        if line.incarnation == ANY_INCARNATION:
            others = (self._gaps[other] for other in self._lines_of[line.author])
            if any(one.asked is not None and one.through_seq >= gap.through_seq for one in others):
                return gap.since_ms + COMING_MS
        return gap.since_ms + GRACE_MS

    def _pick(
        self,
        line: Line,
        gap: _Gap,
        busy: dict[int, None],
        chosen: dict[int, list[tuple[Line, Want]]],
        room: dict[int, float],
        now: Instant,
    ) -> tuple[int, Want] | None:
        """Whom to ask, and for what: the latest to claim it who is free and has not been tried in vain just now.

        No more than an answer has `room` for: each line is named once, and none goes without for want of room.
        """
        sources = list(reversed(gap.sources.items()))
        if gap.wants_keeper:
            sources.sort(key=lambda item: self._keeper_rank(item[0]))
        is_awaited = False
        for to, source in sources:
            after = self._held_after(line, source.through_seq)
            if after is None or now.mono_ms < source.not_before_ms:
                continue
            is_keeper = self._keeper_rank(to) < NO_KEEPER
            is_awaited |= gap.wants_keeper and is_keeper and to in busy
            if is_awaited and not is_keeper:
                return None  # one that has it will be free soon, and nobody else may
            left = room.get(to, REPAIR_FLIGHT_BYTES)
            if to in busy or left <= 0:
                continue
            if to in chosen or len(self._flights) + len(chosen) < REPAIR_REQUESTS_MAX:
                want = Want(line.author, line.incarnation, max(0, after - gap.back), source.through_seq)
                cost = LINE_BYTES + (want.through_seq - want.after_seq) * self._vertex_bytes
                if to in chosen and cost > left:
                    continue
                room[to] = left - cost
                return to, want
        return None

    def _send(self, source: int, picked: list[tuple[Line, Want]], now: Instant) -> Request:
        self._correlation += 1
        self.requests += 1
        for line, _ in picked:
            self._gaps[line].asked = self._correlation
        self._flights[self._correlation] = _Flight(source, now.mono_ms, now.mono_ms, [line for line, _ in picked])
        return Request(source, self._correlation, REPAIR_FLIGHT_BYTES, tuple(want for _, want in picked))

    def expects(self, sender: int, correlation: int) -> bool:
        """An answer nobody asked for is refused before it costs anything."""
        flight = self._flights.get(correlation) or self._late.get(correlation)
        return flight is not None and flight.to == sender

    def heard(self, correlation: int, is_last: bool, now: Instant, vertices: int = 0, size_bytes: int = 0) -> None:
        """A chunk of an expected answer arrived, with so many vertices of so many bytes."""
        if vertices:
            self._vertex_bytes += (size_bytes / vertices - self._vertex_bytes) / 4
        self._is_stale = True
        flight = self._flights.get(correlation)
        if flight is None:
            if is_last:
                del self._late[correlation]
            return
        if now.mono_ms - flight.begun_ms < FLIGHT_MS_MAX:
            flight.heard_ms = now.mono_ms
        if is_last:
            self._finish(correlation, now, False)

    def _expire(self, now: Instant) -> None:
        for correlation, flight in list(self._flights.items()):
            if now.mono_ms - flight.heard_ms >= TIMEOUT_MS:
                self.timeouts += 1
                self._finish(correlation, now, True)
                self._late[correlation] = flight
        for correlation, flight in list(self._late.items()):
            if len(self._late) > LATE_MAX or now.mono_ms - flight.begun_ms >= FLIGHT_MS_MAX:
                del self._late[correlation]

    def _finish(self, correlation: int, now: Instant, silent: bool) -> None:
        flight = self._flights.pop(correlation)
        self.has_finished = True
        for line in flight.gaps:
            gap = self._gaps.get(line)
            if gap is None or gap.asked != correlation:
                continue
            gap.asked, gap.not_before_ms = None, now.mono_ms + (0 if silent else SETTLE_MS)
            source = gap.sources.get(flight.to)
            if silent:
                gap.sources.pop(flight.to, None)
            elif source is not None:
                # A claim may be a lie, or name what is lost: while nothing comes of it, ask ever more rarely.
                patience_ms = SETTLE_MS << min(max(0, source.fruitless - 1), 16)
                source.not_before_ms = now.mono_ms + min(PATIENCE_MS_MAX, patience_ms)

    def deadline(self) -> float | None:
        """When `requests_due` may have something to say; asked after every input, so gone through once a change."""
        if self._is_stale:
            self._is_stale = False
            self._deadline = self._next_due()
        return self._deadline

    def _next_due(self) -> float | None:
        dues = [flight.heard_ms + TIMEOUT_MS for flight in self._flights.values()]
        if len(self._flights) < REPAIR_REQUESTS_MAX:
            busy = {flight.to: None for flight in self._flights.values()}
            dues += [
                max(self._grace_over(line, gap), gap.not_before_ms, source.not_before_ms)
                for line, gap in self._gaps.items()
                if gap.asked is None
                for to, source in gap.sources.items()
                if to not in busy
            ]
        return min(dues, default=None)
