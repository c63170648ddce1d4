"""Authors who signed two vertices under one name: the proof is completed, kept, shown, and handed to who asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edge.dag.admission import Admission, Conflict
from edge.dag.evidence import Evidence, Side, decode_evidence, make_evidence
from edge.dag.records import EVIDENCE, Record, segment_of
from edge.ids import Instant, VertexKey
from edge.limits import EVIDENCE_MAX
from edge.node.desk import Desk
from edge.node.readback import Read, Readback, Spot
from edge.wire.frame import Range, Want
from edge.wire.refusal import Refusal

HELD_MAX = 256
"""Vertices read back to find the signature that covers the side we hold: more than one answer has of them."""

Persist = Callable[[tuple[Record, ...], Callable[[tuple[int, ...], Instant], None]], None]


class Forks:
    """Proofs by author, one each. `persist(records, then)` puts them into the log."""

    def __init__(self, desk: Desk, admission: Admission, readback: Readback, persist: Persist) -> None:
        self._desk = desk
        self._admission = admission
        self._graph = admission.graph
        self._readback = readback
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
            spots = self._held_side(conflict.key)
            if spots:
                self._tried[author] = None
                self._readback.load(spots, partial(self._loaded, conflict))

    def _held_side(self, key: VertexKey) -> list[Spot]:
        """Where our vertex lies, and those above it up to the first signed one; nothing if there is none such yet."""
        branch = self._graph.branch(key.author, key.incarnation)
        head_seq = branch.head_seq if branch is not None else 0
        keys = [key._replace(seq=seq) for seq in range(key.seq, min(head_seq, key.seq + HELD_MAX - 1) + 1)]
        signed = next((at for at, one in enumerate(keys) if self._graph.place(one)[1]), None)
        spots = self._readback.spots(keys[: signed + 1]) if signed is not None else []
        return spots if signed is not None and len(spots) == signed + 1 else []

    def _loaded(self, conflict: Conflict, found: list[Read | None], now: Instant) -> None:
        held = [read for read in found if read is not None]
        signature = held[-1].signature if held else None
        if len(held) < len(found) or signature is None:
            del self._tried[conflict.key.author]  # damaged: once more when another copy has come
            return None
        raw = make_evidence(Side(tuple(read.frame.header for read in held), signature), conflict.other)
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
