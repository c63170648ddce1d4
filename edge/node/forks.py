"""Authors who signed two vertices under one name: the proof is completed, kept, shown, and handed to who asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edge.dag.admission import Admission, Conflict
from edge.dag.evidence import Evidence, Side, decode_evidence, make_evidence
from edge.dag.graph import ID_BYTES
from edge.dag.records import EVIDENCE, Record, segment_of
from edge.effects import Load
from edge.ids import Instant, VertexKey
from edge.limits import EVIDENCE_MAX
from edge.node.desk import Desk
from edge.wire.frame import Range, VertexFrame, Want, decode_vertex
from edge.wire.refusal import Refusal

HELD_MAX = 256
"""Vertices read back to find the signature that covers the side we hold: more than one answer has of them."""

Persist = Callable[[tuple[Record, ...], Callable[[tuple[int, ...], Instant], None]], None]


class Forks:
    """Proofs by author, one each. `persist(records, then)` puts them into the log."""

    def __init__(self, desk: Desk, admission: Admission, persist: Persist) -> None:
        self._desk = desk
        self._admission = admission
        self._graph = admission.graph
        self._persist = persist
        self._tried: dict[int, None] = {}
        """Authors of conflicts whose proof is being made, is made, or cannot be made from what we hold."""
        self._records: dict[int, Record] = {}
        self._places: dict[int, int] = {}
        self.proofs: dict[int, Evidence] = {}

    @property
    def has_open(self) -> bool:
        """Whether a conflict waits for our own side of it to be on the disk and signed."""
        return any(author not in self._tried for author in self._admission.conflicts)

    def look(self, now: Instant) -> None:
        """Complete what admission has found, as soon as our own side of it is on the disk and signed."""
        for author, conflict in self._admission.conflicts.items():
            if author in self._tried:
                continue
            loads = self._held_side(conflict.key)
            if loads is not None:
                self._tried[author] = None
                places, is_apart = loads
                ticket = self._desk.ticket(partial(self._loaded, conflict, is_apart))
                self._desk.do(Load(ticket, tuple(places)))

    def _held_side(self, key: VertexKey) -> tuple[list[int], bool] | None:
        """Where our vertex lies, those above it up to the first signed one, and whether that one's signature lies
        apart, last; None if there is no such signature yet."""
        branch = self._graph.branch(key.author, key.incarnation)
        places: list[int] = []
        for seq in range(key.seq, min(branch.head_seq, key.seq + HELD_MAX - 1) + 1 if branch else 0):
            place, signed = self._graph.place(VertexKey(key.author, key.incarnation, seq))
            if not place:
                return None
            places.append(place)
            if signed:
                return (places, False) if signed == place else ([*places, signed], True)
        return None

    def _loaded(self, conflict: Conflict, is_apart: bool, records: tuple[Record | None, ...], now: Instant) -> None:
        found = [record for record in records if record is not None]
        frames = [decode_vertex(record.payload) for record in (found[:-1] if is_apart else found)]
        held = [frame for frame in frames if isinstance(frame, VertexFrame)]
        if len(found) < len(records) or len(held) < len(frames):
            return  # damaged: the frontier of whoever holds the other side tells of it again after a restart
        signature = found[-1].payload[ID_BYTES:] if is_apart else held[-1].signature
        assert signature is not None
        raw = make_evidence(Side(tuple(frame.header for frame in held), signature), conflict.other)
        if isinstance(raw, Refusal):
            return self._desk.report("warning", "fork-unproven", author=conflict.key.author, reason=str(raw))
        record = Record(EVIDENCE, raw)
        author = conflict.key.author
        self._take(author, record)
        self._persist((record,), lambda places, now: self._places.update({author: places[0]}))
        return self._desk.report("warning", "fork-proven", author=author, vertex="/".join(map(str, conflict.key)))

    def recovered(self, place: int, record: Record) -> None:
        """A proof that the log held before this start."""
        evidence = decode_evidence(record.payload)
        if isinstance(evidence, Refusal):
            return
        author = evidence.key.author
        self._admission.quarantined[author] = None
        self._tried[author] = None
        self._take(author, record)
        self._places[author] = place

    def _take(self, author: int, record: Record) -> None:
        evidence = decode_evidence(record.payload)
        if isinstance(evidence, Evidence) and len(self.proofs) < EVIDENCE_MAX:
            self.proofs[author] = evidence
            self._records[author] = record

    def outliving(self, last: int) -> dict[int, Record]:
        """Proofs, by author, that lie in segments up to `last`."""
        return {author: self._records[author] for author, place in self._places.items() if segment_of(place) <= last}

    def moved(self, author: int, place: int) -> None:
        """A proof was written once more."""
        self._places[author] = place

    def ranges(self, want: Want) -> list[Range]:
        """Both sides, for whoever asks for just the vertex that there are two of."""
        evidence = self.proofs.get(want.author)
        if evidence is None or evidence.key.incarnation != want.incarnation:
            return []
        if not want.after_seq + 1 == want.through_seq == evidence.key.seq:
            return []
        return [Range(side.headers, (None,) * len(side.headers), side.signature) for side in evidence.sides]
