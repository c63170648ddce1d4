"""Authors who signed two vertices under one name: the proof is completed, kept, shown, and handed to who asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from edge.dag.admission import Admission, Conflict
from edge.dag.evidence import Evidence, Side, decode_evidence, make_evidence
from edge.dag.records import EVIDENCE, Record, segment_of
from edge.ids import Instant, VertexKey
from edge.limits import EVIDENCE_MAX
from edge.node.desk import Desk
from edge.node.readback import Read, Readback, Spot
from edge.wire.frame import Range, Want
from edge.wire.refusal import Refusal
from edge.wire.vertex import Header

HELD_MAX = 256
"""Vertices read back to find the signature that covers the side we hold: more than one answer has of them."""


class Persist(Protocol):
    """Put records into the log; `then(places, now)` is told when they are there, with `sync` for good."""

    def __call__(
        self, records: tuple[Record, ...], then: Callable[[tuple[int, ...], Instant], None], *, sync: bool = False
    ) -> None: ...


class Forks:
    """Proofs by author, one each."""

    def __init__(self, desk: Desk, admission: Admission, readback: Readback, persist: Persist) -> None:
        self._desk = desk
        self._admission = admission
        self._graph = admission.graph
        self._readback = readback
        self._persist = persist
        self._tried: dict[int, None] = {}
        """Authors of conflicts whose proof is being made, is made, or cannot be made from what we hold."""
        self._covered: dict[int, Side] = {}
        """Our side of a conflict as somebody's answer had it, with the signature that our log lacks."""
        self._records: dict[int, Record] = {}
        self._places: dict[int, int] = {}
        self.proofs: dict[int, Evidence] = {}
        self.durable: dict[int, Evidence] = {}
        """Those that no crash takes back: what is asked on such grounds may outlive others."""

    @property
    def has_open(self) -> bool:
        """Whether a conflict waits for our own side of it to be on the disk and signed."""
        conflicts = self._admission.conflicts
        return bool(conflicts) and not conflicts.keys() <= self._tried.keys()

    def look(self, now: Instant) -> None:
        """Complete what admission has found, as soon as our own side of it is on the disk and signed."""
        for author, conflict in self._admission.conflicts.items():
            spots = self._spots(conflict) if author not in self._tried else None
            if spots is not None:
                self._tried[author] = None
                self._readback.load(spots, partial(self._loaded, conflict))

    def _spots(self, conflict: Conflict) -> list[Spot] | None:
        """Where that lies which either side continues, and our side up to the first signed vertex of it; None while
        something of that has no place."""
        keys = [key for key in (conflict.other_base, conflict.base) if key is not None]
        if conflict.held.author not in self._covered:
            ours = self._ours(conflict.held)
            if not ours:
                return None
            keys += ours
        spots = self._readback.spots(keys)
        return spots if len(spots) == len(keys) else None

    def _ours(self, held: VertexKey) -> list[VertexKey]:
        """Our side from here up to the first signed vertex of it; empty if none is."""
        branch = self._graph.branch(held.author, held.incarnation)
        head_seq = branch.head_seq if branch is not None else 0
        keys = [held._replace(seq=seq) for seq in range(held.seq, min(head_seq, held.seq + HELD_MAX - 1) + 1)]
        signed = next((at for at, key in enumerate(keys) if self._graph.place(key)[1]), -1)
        return keys[: signed + 1]

    def unsigned(self) -> list[VertexKey]:
        """Where our side of a conflict begins, if it lies in the log and no signature over it does: a power cut took
        that, and whoever is quarantined gives no other."""
        if not self.has_open:
            return []
        done = self._tried.keys() | self._covered.keys()
        begin = [conflict.held for author, conflict in self._admission.conflicts.items() if author not in done]
        return [held for held in begin if self._graph.place(held)[0] and not self._ours(held)]

    def begins_at(self, headers: Sequence[Header]) -> int | None:
        """At which of these our side of a conflict begins, if what its proof waits for is a signature over them."""
        wanted = {key: self._graph.id_at(key) for key in self.unsigned()}
        return next((at for at, header in enumerate(headers) if wanted.get(header.key) == header.id), None)

    def covered(self, headers: Sequence[Header], signature: bytes) -> bool:
        """Whether this chain, whose signature stands, is our side of a conflict that waits for one."""
        if self.begins_at(headers) != 0:
            return False
        self._covered[headers[0].author] = Side(tuple(header.raw for header in headers), signature)
        return True

    def _loaded(self, conflict: Conflict, found: list[Read | None], now: Instant) -> None:
        author = conflict.held.author
        read = [one for one in found if one is not None]
        if len(read) < len(found):
            del self._tried[author]  # damaged: once more when another copy has come
            return None
        headers = tuple(one.frame.header for one in read)
        covered = self._covered.pop(author, None)
        signature = covered.signature if covered is not None else read[-1].signature
        if signature is None:
            del self._tried[author]
            return None
        count = int(conflict.other_base is not None)
        theirs, ours = headers[:count], headers[count:] + (covered.headers if covered is not None else ())
        raw = make_evidence(Side(ours, signature), conflict.other._replace(headers=theirs + conflict.other.headers))
        if isinstance(raw, Refusal):
            return self._desk.report("warning", "fork-unproven", author=author, reason=str(raw))
        record = Record(EVIDENCE, raw)
        self._take(author, record)
        self._persist((record,), lambda places, now: self._keep(author, places[0]), sync=True)
        return self._desk.report("warning", "fork-proven", author=author, vertex="/".join(map(str, conflict.held)))

    def recovered(self, place: int, record: Record) -> None:
        """A proof that the log held before this start."""
        evidence = decode_evidence(record.payload)
        if isinstance(evidence, Refusal):
            return
        author = evidence.key.author
        self._admission.quarantined[author] = None
        self._tried[author] = None
        self._take(author, record)
        self._keep(author, place)

    def _keep(self, author: int, place: int) -> None:
        self._places[author] = place
        if author in self.proofs:
            self.durable[author] = self.proofs[author]

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
        """Both sides for who asks for just the vertex that there are two of; of two lives that which is asked for."""
        evidence = self.proofs.get(want.author)
        if evidence is None or evidence.key.incarnation != want.incarnation:
            return []
        one, other = evidence.sides
        low, high = (name.seq for name in evidence.names)
        is_exact = want.after_seq + 1 == want.through_seq
        sides = [one] if is_exact and want.through_seq == low else []
        if want.through_seq == high and (is_exact or low < high):
            sides.append(other)
        return [Range(side.headers, (None,) * len(side.headers), side.signature) for side in sides]
