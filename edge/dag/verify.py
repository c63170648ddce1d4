"""Judging a log from its records alone: what each vertex is worth to someone who trusts only the site's roster.

A vertex is good when its header and body decode and fit, its prev is there and is its predecessor (or was dropped, and
is named by the floor), and a valid signature stands on it or on a vertex above it on its chain. Nothing here knows
admission or the graph: it is a second opinion on what they let in.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from edge.dag.evidence import Evidence, decode_evidence, judge
from edge.dag.floor import Floor, Floors
from edge.dag.records import EVIDENCE, ROSTER, SIGNATURE, VERTEX, Record
from edge.ids import Parent, VertexId, VertexKey
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.refusal import Refusal
from edge.wire.roster import Member, Roster, open_roster
from edge.wire.suite import PURPOSE_VERTEX, sig_structure, verify
from edge.wire.vertex import Header, check_body, decode_header

ID_BYTES = 32


class Fault(NamedTuple):
    """One thing that is wrong; `key` and `id` as far as they could be read."""

    reason: str
    detail: str
    key: VertexKey | None
    id: VertexId | None


class Tip(NamedTuple):
    """The head of one branch."""

    author: int
    incarnation: int
    seq: int
    id: VertexId


class Verdict(NamedTuple):
    """What a log holds. `faults` is empty when all of it can be trusted."""

    vertices: int
    events: int
    """In bodies that were checked."""
    signatures: int
    """Valid ones."""
    covered: int
    """Vertices without a signature of their own that one above them proves."""
    unsigned: int
    """Own vertices at the end of the own chain whose signature had not been written; they were never sent."""
    bodies_missing: int
    """Peers' vertices of which only the header is held."""
    parents_missing: int
    """Parents that are not in this log; their ids are covered by signatures all the same."""
    dropped: int
    """Lines that begin above a floor: what lay below was dropped after a gateway had acknowledged it."""
    roster_version: int
    forks: tuple[VertexKey, ...]
    """Names of which the log holds proof that their author signed two vertices under them."""
    faults: tuple[Fault, ...]
    frontier: tuple[Tip, ...]


class _Vertex:
    """What is kept of a vertex until all records are seen."""

    __slots__ = ("children", "id", "is_covered", "is_signed", "key", "parents", "prev")

    def __init__(self, header: Header) -> None:
        self.id = header.id
        self.key = header.key
        self.prev = header.prev
        self.parents: tuple[Parent, ...] = header.parents
        self.children = 0
        self.is_signed = False
        self.is_covered = False


class Verifier:
    """Takes all records in any order, then `verdict`. Holds ids and links, bodies only while it looks at them.

    `own` is the index of the node whose log it is, as far as it is known.
    """

    def __init__(self, roster: Roster, authority: bytes, own: int | None = None) -> None:
        self.roster = roster
        self._authority = authority
        self._own = own
        self._vertices: dict[VertexId, _Vertex] = {}
        self._by_key: dict[VertexKey, VertexId] = {}
        self._unsigned: dict[VertexId, tuple[Member, bytes]] = {}
        self._early: dict[VertexId, bytes] = {}
        self._without_body: dict[VertexId, None] = {}
        self._waiting: list[tuple[Header, VertexFrame]] = []
        self._faults: list[Fault] = []
        self._events = self._signatures = 0
        self._floors = Floors(Floor())
        self._evidence: list[bytes] = []

    def take(self, record: Record) -> None:
        if record.type == VERTEX:
            self._vertex(record.payload)
        elif record.type == SIGNATURE:
            self._signature(record.payload[:ID_BYTES], record.payload[ID_BYTES:])
        elif record.type == ROSTER:
            self._newer_roster(record.payload)
        elif record.type == EVIDENCE:
            self._evidence.append(record.payload)

    def verdict(self, floor: Floor | None = None) -> Verdict:
        """On everything taken. `floor` is to be read after the last record: it is written before anything goes."""
        self._floors = Floors(floor or Floor())
        for header, frame in self._waiting:
            self._judge(header, frame)
        self._waiting.clear()
        for id_ in self._early:
            if self._has_own_floor():
                continue  # it lies behind its vertex in the log, in a segment that is still there
            self._fault("signature-of-nothing", "no such vertex in this log", None, id_)
        ordered = sorted(self._vertices.values(), key=lambda vertex: vertex.key)
        missing = 0
        for vertex in ordered:
            self._link(vertex)
            missing += self._parents_missing(vertex)
        unsigned = self._cover(ordered)
        covered = sum(vertex.is_covered and not vertex.is_signed for vertex in ordered)
        forks = self._forks()
        return Verdict(
            vertices=len(ordered),
            events=self._events,
            signatures=self._signatures,
            covered=covered,
            unsigned=unsigned,
            bodies_missing=len(self._without_body),
            parents_missing=missing,
            roster_version=self.roster.version,
            dropped=len(self._floors.lines),
            forks=forks,
            faults=tuple(self._faults),
            frontier=self._frontier(ordered),
        )

    def _frontier(self, ordered: list[_Vertex]) -> tuple[Tip, ...]:
        """Vertices that nothing follows, and floors above which nothing is held."""
        floors = self._floors
        heads = [
            Tip(*vertex.key, vertex.id)
            for vertex in ordered
            if not vertex.children and (vertex.id in floors.ids or not floors.covers(vertex.key))
        ]
        followed = [vertex.prev for vertex in ordered if vertex.prev is not None]
        heads += [Tip(*line.key, line.id) for line in floors.tips(self._vertices, followed)]
        return tuple(sorted(heads))

    def _has_own_floor(self) -> bool:
        return any(self._own in (None, author) for author, _ in self._floors.lines)

    # ---- one record

    def _vertex(self, payload: bytes) -> None:
        frame = decode_vertex(payload)
        if not isinstance(frame, VertexFrame):
            self._fault(frame.reason, frame.detail, None, None)
            return
        header = decode_header(frame.header)
        if not isinstance(header, Header):
            self._fault(header.reason, header.detail, None, None)
        elif header.epoch > self.roster.version:
            self._waiting.append((header, frame))  # its roster may stand further down
        else:
            self._judge(header, frame)

    def _judge(self, header: Header, frame: VertexFrame) -> None:
        member = self._member(header)
        if member is None:
            return
        known = self._vertices.get(header.id)
        if known is None:
            self._vertices[header.id] = known = _Vertex(header)
            first = self._by_key.setdefault(header.key, header.id)
            if first != header.id:
                self._fault("fork", f"also {first.hex()[:16]}", header.key, header.id)
            self._body(header, frame.body)
        elif header.id in self._without_body and frame.body is not None:
            self._body(header, frame.body)
        if not known.is_signed:
            self._unsigned.setdefault(header.id, (member, header.raw))
        for signature in (frame.signature, self._early.pop(header.id, None)):
            if signature is not None:
                self._signature(header.id, signature)

    def _member(self, header: Header) -> Member | None:
        """The author, or None after saying why its vertex cannot be judged."""
        member = self.roster.member(header.author)
        reason = ""
        if header.site != self.roster.site:
            reason = "site-other"
        elif header.epoch > self.roster.version:
            reason = "epoch-unknown"
        elif member is None:
            reason = "author-unknown"
        elif header.suite != member.suite or header.suite not in self.roster.suites_allowed:
            reason = "suite-not-allowed"
        if reason:
            self._fault(reason, "", header.key, header.id)
        return None if reason else member

    def _body(self, header: Header, body: bytes | None) -> None:
        if body is None and header.body is not None:
            if header.author == self._own:
                self._fault("body-missing", "of an own vertex", header.key, header.id)
            self._without_body[header.id] = None
            return
        self._without_body.pop(header.id, None)
        if header.body is None:
            if body is not None:
                self._fault("body-shape", "a body that the header does not name", header.key, header.id)
            return
        assert body is not None
        refusal = check_body(header.body, body)
        if refusal is not None:
            self._fault(refusal.reason, refusal.detail, header.key, header.id)
        else:
            self._events += header.body.count

    def _signature(self, id_: VertexId, signature: bytes) -> None:
        vertex = self._vertices.get(id_)
        if vertex is None:
            self._early[id_] = signature
            return
        if id_ not in self._unsigned:
            return  # signed again after a crash: one is enough
        member, raw = self._unsigned[id_]
        if not verify(member.suite, member.public_key, sig_structure(member.suite, PURPOSE_VERTEX, raw), signature):
            self._fault("signature-bad", "", vertex.key, id_)
            return
        del self._unsigned[id_]
        vertex.is_signed = True
        self._signatures += 1

    def _newer_roster(self, payload: bytes) -> None:
        roster = open_roster(payload, self._authority)
        if not isinstance(roster, Roster):
            self._fault(roster.reason, roster.detail, None, None)
        elif roster.version > self.roster.version:
            self.roster = roster

    # ---- all of them

    def _link(self, vertex: _Vertex) -> None:
        """The hash chain: what `prev` names is here, and is the author's vertex just before."""
        if vertex.prev is None:
            return
        prev = self._vertices.get(vertex.prev)
        if prev is None:
            if self._floors.covers(vertex.key) or self._floors.covers_prev(vertex.key, vertex.prev):
                return
            self._fault("prev-missing", vertex.prev.hex()[:16], vertex.key, vertex.id)
            return
        prev.children += 1
        author, incarnation, seq = prev.key
        if author != vertex.key.author or seq != vertex.key.seq - 1 or incarnation > vertex.key.incarnation:
            self._fault("prev-mismatch", f"prev is {tuple(prev.key)}", vertex.key, vertex.id)

    def _parents_missing(self, vertex: _Vertex) -> int:
        missing = 0
        for parent in vertex.parents:
            held = self._vertices.get(parent.id)
            if held is None:
                missing += not self._floors.covers(parent.key)
            elif held.key != parent.key:
                self._fault("parent-mismatch", f"{tuple(parent.key)} is {tuple(held.key)}", vertex.key, vertex.id)
        return missing

    def _cover(self, ordered: list[_Vertex]) -> int:
        """Carry each signature down its chain; what stays uncovered is a fault, except for the own tail."""
        unsigned = 0
        faults: list[Fault] = []
        for vertex in reversed(ordered):  # descending seq within an incarnation: children before their prev
            vertex.is_covered |= vertex.is_signed
            prev = self._vertices.get(vertex.prev) if vertex.prev is not None else None
            if prev is not None and vertex.is_covered and prev.key.author == vertex.key.author:
                prev.is_covered = True
            if vertex.is_covered or self._floors.covers(vertex.key):
                continue
            if vertex.key.author == self._own:
                unsigned += 1
            else:
                faults.append(Fault("signature-missing", "none at or above it", vertex.key, vertex.id))
        self._faults += reversed(faults)
        return unsigned

    def _forks(self) -> tuple[VertexKey, ...]:
        """Each proof by itself: it holds both headers, and needs nothing else of the log."""
        proven: dict[VertexKey, None] = {}
        for raw in self._evidence:
            evidence = decode_evidence(raw)
            fault = evidence if isinstance(evidence, Refusal) else judge(evidence, self.roster)
            if isinstance(evidence, Evidence) and fault is None:
                proven[evidence.key] = None
            elif fault is not None:
                key = evidence.key if isinstance(evidence, Evidence) else None
                self._fault(fault.reason, "proof of a fork", key, None)
        return tuple(sorted(proven))

    def _fault(self, reason: str, detail: str, key: VertexKey | None, id_: VertexId | None) -> None:
        self._faults.append(Fault(reason, detail, key, id_))


def verify_log(
    records: Iterable[Record],
    roster: Roster,
    authority: bytes,
    *,
    own: int | None = None,
    floor: Callable[[], Floor | None] = Floor,
) -> tuple[Verdict, Roster]:
    """The verdict on a whole log, and the newest roster that was found in it or given.

    `floor` is called once all records are read.
    """
    verifier = Verifier(roster, authority, own)
    for record in records:
        verifier.take(record)
    return verifier.verdict(floor()), verifier.roster
