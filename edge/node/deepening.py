"""Who takes a seat gets back what it had dropped while only members had it (docs/decisions/0043).

A floor is a vertex whose id we know and whose record is gone. Below it a line is had again from the top down: each
header names the id of the one before, so nothing of it needs a signature to be believed, and records that lie in the
log in that order are understood by a start that knows no more than the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from edge.dag.admission import Admission
from edge.dag.pending import Candidate
from edge.dag.records import VERTEX, Record
from edge.effects import Verify
from edge.ids import Instant, VertexId, VertexKey
from edge.limits import DEEPEN_LINES_MAX
from edge.node.desk import Desk
from edge.node.mending import Persist
from edge.node.voting import Voting
from edge.wire import suite
from edge.wire.frame import Range, encode_vertex
from edge.wire.vertex import Header, check_body

LOOK_MS = 1_000.0
VERTICES = 16
"""Asked for at a time: of an answer in several chunks only the one that ends at the floor is of use."""


class _Below(NamedTuple):
    """A floor, and what it is the floor of."""

    id: VertexId
    first_seq: int


class Deepening:
    """`lacks(author)`: whether something of its line was dropped here that no gateway has."""

    def __init__(
        self,
        desk: Desk,
        admission: Admission,
        persist: Persist,
        brought: Callable[[int, int], None],
        lacks: Callable[[int], bool],
        voting: Voting,
        is_gateway: bool,
    ) -> None:
        """`brought(source, author)`: an answer was of use."""
        self._brought = brought
        self._desk = desk
        self._admission = admission
        self._graph = admission.graph
        self._quarantined = admission.quarantined
        self._persist = persist
        self._lacks = lacks
        self._voting = voting
        self._is_gateway = is_gateway
        self._floors: dict[VertexKey, _Below] = {}
        self._writing: dict[tuple[int, int], None] = {}
        """Lines of which something is on its way to the verifier or the disk."""
        self._look_ms = float("-inf")
        self.deepened = self.refused = 0

    def wanted(self, now: Instant) -> list[VertexKey]:
        """The floors below which something is to be had again, a few at a time."""
        if now.mono_ms >= self._look_ms:
            self._look_ms = now.mono_ms + LOOK_MS
            self._floors = dict(self._lacking()) if self._must_keep else {}
        return list(self._floors)

    @property
    def _must_keep(self) -> bool:
        """Whether others may drop what is sealed because we have it."""
        return self._voting.has_seat and not self._is_gateway

    def _lacking(self) -> list[tuple[VertexKey, _Below]]:
        found: list[tuple[VertexKey, _Below]] = []
        for author in self._graph.authors():
            if len(found) >= DEEPEN_LINES_MAX:
                break
            if author in self._quarantined or not self._lacks(author):
                continue
            for branch in self._graph.branches(author):
                id = branch.id_at(branch.start)
                if branch.is_cut and id is not None:
                    key = VertexKey(author, branch.incarnation, branch.start)
                    found.append((key, _Below(id, branch.first_seq)))
        return found[:DEEPEN_LINES_MAX]

    def after_seq(self, key: VertexKey) -> int | None:
        """Above which seq a line is to be asked for up to this floor; None if it is not one that is wanted."""
        below = self._floors.get(key)
        return max(below.first_seq - 1, key.seq - VERTICES) if below is not None else None

    def take(self, headers: Sequence[Header], given: Range, source: int) -> None:
        """Of a range of an answer, its headers chained: what goes on down from a floor."""
        for at, header in enumerate(headers):
            below = self._floors.get(header.key)
            if below is not None and below.id == header.id:
                taken = _going_down(headers[: at + 1], given.bodies[: at + 1], below.first_seq)
                if taken and header.key[:2] not in self._writing:
                    self._writing[header.key[:2]] = None
                    self._check(taken, given.signature if at == len(headers) - 1 else None, source)
                return

    def _check(self, taken: list[Candidate], signature: bytes | None, source: int) -> None:
        """That of the topmost is checked like any: whoever is given this once needs one now and then."""
        header = taken[0].header
        member = self._admission.roster.member(header.author)
        if signature is None or member is None:
            return self._write(taken, None, source)
        message = suite.sig_structure(header.suite, suite.PURPOSE_VERTEX, header.raw)
        ticket = self._desk.ticket(partial(self._verified, taken, signature, source))
        return self._desk.do(Verify(ticket, header.suite, member.public_key, message, signature))

    def _verified(self, taken: list[Candidate], signature: bytes, source: int, ok: bool, now: Instant) -> None:
        if ok:
            return self._write(taken, signature, source)
        del self._writing[taken[0].header.key[:2]]
        self.refused += 1
        return None

    def _write(self, taken: list[Candidate], signature: bytes | None, source: int) -> None:
        signatures = [signature, *[None] * (len(taken) - 1)]
        frames = (encode_vertex(one.header.raw, sig, one.body) for one, sig in zip(taken, signatures, strict=True))
        records = tuple(Record(VERTEX, frame) for frame in frames)
        self._persist(records, partial(self._written, [one.header for one in taken], signature is not None, source))

    def _written(
        self, taken: list[Header], is_signed: bool, source: int, places: tuple[int, ...], now: Instant
    ) -> None:
        del self._writing[taken[0].key[:2]]
        signed = [places[0] if is_signed else 0, *[0] * (len(places) - 1)]
        found = [(header.id, place, at) for header, place, at in zip(taken, places, signed, strict=True)]
        if self._graph.deepen(taken[0].key, found, taken[-1].prev):
            self.deepened += len(found)
            self._brought(source, taken[0].author)
        self._look_ms = float("-inf")

    def counts(self) -> dict[str, int]:
        return {"deepened": self.deepened, "deepened_refused": self.refused}


def _going_down(headers: Sequence[Header], bodies: Sequence[bytes | None], first_seq: int) -> list[Candidate]:
    """From the last of a chain down, as far as the bodies are theirs and its life goes."""
    taken: list[Candidate] = []
    for header, body in zip(reversed(headers), reversed(bodies), strict=True):
        is_its_own = (body is None) == (header.body is None) and (
            header.body is None or body is None or check_body(header.body, body) is None
        )
        if header.incarnation != headers[-1].incarnation or header.seq < first_seq or not is_its_own:
            break
        taken.append(Candidate(header, None, body))
    return taken
