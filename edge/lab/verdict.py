"""What really happened, read from the logs on disk and the gateway's store after every process has ended."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from edge.dag.reader import read_log
from edge.dag.records import VERTEX
from edge.dag.verify import Verdict, Verifier
from edge.gateway.store.sqlite import SqliteStore
from edge.lab import watch
from edge.lab.layout import Seat
from edge.shell.disk import DirectoryDisk
from edge.shell.floor import NAME as FLOOR_NAME
from edge.shell.floor import load as load_floor
from edge.state.crdt import State
from edge.state.root import Roots
from edge.state.snapshot import restore
from edge.wire.event import Event
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.roster import Roster
from edge.wire.vertex import Header, Shed, Tally, decode_header

PARENTS_BY_OTHERS = 2
VERTICES_WITH_PARENTS = 10


class Own(NamedTuple):
    """A device's own line as its log has it."""

    headers: tuple[Header, ...]
    is_whole: bool = True
    """Nothing of it was dropped from the log."""

    @property
    def recorded_events(self) -> int:
        return sum(header.body.count for header in self.headers if header.body)

    @property
    def with_parents(self) -> int:
        """Vertices that name parents by at least two others."""
        return sum(len(header.parents) >= PARENTS_BY_OTHERS for header in self.headers)

    @property
    def shed_events(self) -> int:
        """The signed counts, one per incarnation and class: the last one stands."""
        last = {
            (header.incarnation, item.retention): item.events
            for header in self.headers
            for item in header.items
            if isinstance(item, Shed)
        }
        return sum(last.values())

    def tallies(self) -> list[Tally]:
        """The last signed account of readings in each incarnation."""
        last: dict[int, Tally] = {}
        for header in self.headers:
            for item in header.items:
                if isinstance(item, Tally):
                    last[header.incarnation] = item
        return list(last.values())


class Held(NamedTuple):
    """One node's log: what an audit says, its own line, everything by id, and what it comes to."""

    verdict: Verdict
    own: Own
    ids: frozenset[bytes]
    root: bytes | None
    """Of the shared state, taken anew from the log and from what the floor file has of what was dropped; None if that
    is not all of it."""


def read(seat: Seat, roster: Roster, authority: bytes) -> Held:
    """Read and verify a log without the agent."""
    index = roster.by_name[seat.name].index
    verifier = Verifier(roster, authority, index)
    own: list[Header] = []
    lives: dict[bytes, int] = {}
    floor = load_floor(seat.directory / "data" / FLOOR_NAME)
    state = (restore(floor.state) if floor is not None and floor.state is not None else None) or State()
    disk = DirectoryDisk(seat.directory / "data" / "log", read_only=True)
    try:
        for _, record in read_log(disk):
            verifier.take(record)
            frame = decode_vertex(record.payload) if record.type == VERTEX else None
            header = decode_header(frame.header) if isinstance(frame, VertexFrame) else None
            if isinstance(header, Header):
                lives[header.id] = header.incarnation
                state.apply(header, lives.get(header.prev or b"", 0))
                if header.author == index:
                    own.append(header)
    finally:
        disk.close()
    is_whole = floor is not None and all(line.author != index for line in floor.lines)
    is_known = floor is not None and not (state.is_partial or (floor.lines and floor.state is None))
    root = Roots(state).root() if is_known else None
    return Held(verifier.verdict(floor), Own(tuple(own), is_whole), frozenset(lives), root)


class Stored(NamedTuple):
    """What the gateway's store holds."""

    ids: frozenset[bytes]
    vertices: int
    events: tuple[tuple[int, Event], ...]
    """(author, event)"""


def read_store(directory: Path) -> Stored:
    store = SqliteStore(directory / "data" / "store.sqlite")
    try:
        ids = frozenset(store.ids())
        count = store.count()
        events: list[tuple[int, Event]] = []
        after = None
        while page := store.events(limit=5000, after=after):
            events += [(item.author, item.event) for item in page]
            after = page[-1].cursor
        return Stored(ids, count.vertices, tuple(events))
    finally:
        store.close()


def lost_events(held: Iterable[Held], ids: frozenset[bytes]) -> int:
    """Events recorded on a device whose vertex is not among those that a gateway or another node holds."""
    return sum(
        header.body.count
        for item in held
        for header in item.own.headers
        if header.body is not None and header.id not in ids
    )


def account_fault(own: Own, step: int) -> str:
    """Why the readings of a device do not add up, or nothing: readings = recorded + shed + still in a window.

    What was recorded is counted only in a line that is still there from its beginning.
    """
    tallies = own.tallies()
    for tally in tallies:
        if tally.readings != tally.recorded + tally.quiet + tally.shed + tally.open:
            return f"{tally} does not add up"
    told = sum(tally.recorded for tally in tallies)
    if own.is_whole and told != own.recorded_events * step:
        return (
            f"{told} readings are said to be recorded, but {own.recorded_events} events of {step} each are in the log"
        )
    return ""


def accuracy(stored: Stored, seats: list[Seat], roster: Roster, speed: float, start_at_ms: int) -> dict[str, Any]:
    """How often the network was right on people it never saw, from the stored events and labels that no device had."""
    told = watch.about()
    window_ms = told["window"]["size"] * told["interval_ms"]
    # With more devices than recordings some see the same one: each recording counts once.
    first = {seat.stream: seat for seat in reversed(seats) if seat.stream}
    viewers = {roster.by_name[seat.name].index: (stream, seat.delay_ms) for stream, seat in first.items()}
    by_person: dict[int, tuple[int, int]] = {}
    for author, event in stored.events:
        if author not in viewers or event.kind != "class":
            continue
        stream, delay_ms = viewers[author]
        end_ms = (event.time_ms - start_at_ms - delay_ms) * speed + told["interval_ms"]  # the last sample lasts, too
        truth = watch.true_label(stream.labels, max(0.0, end_ms - window_ms), max(end_ms, 1.0))
        right, total = by_person.get(stream.person, (0, 0))
        by_person[stream.person] = (right + (event.values[0] == truth.label), total + 1)
    right, total = (sum(column) for column in zip(*by_person.values(), strict=True)) if by_person else (0, 0)
    low, high = watch.interval(by_person)
    return {
        "value": round(right / total, 4) if total else None,
        "n": total,
        "people": len(by_person),
        "ci95": [round(low, 4), round(high, 4)],
    }
