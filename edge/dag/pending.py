"""Vertices with a good signature that wait for `prev` or a parent. Bounded per author and in bytes."""

from __future__ import annotations

from typing import NamedTuple

from edge.ids import VertexId, VertexKey
from edge.limits import PENDING_BYTES_MAX, PENDING_PER_AUTHOR_MAX
from edge.wire.vertex import Header


class Candidate(NamedTuple):
    """A vertex on its way in: what arrived, and where it lies if the disk holds it already."""

    header: Header
    signature: bytes | None
    body: bytes | None
    place: int = 0
    signed: int = 0

    @property
    def size_bytes(self) -> int:
        return len(self.header.raw) + len(self.signature or b"") + len(self.body or b"")


class Missing(NamedTuple):
    """A vertex somebody depends on: the incarnation of a `prev` is not known, only its seq and id."""

    author: int
    seq: int
    id: VertexId


class Pending:
    """Parking lot keyed by what is missing; an arrival frees its dependants without recursion."""

    def __init__(self) -> None:
        self._parked: dict[VertexId, Candidate] = {}
        self._waiting: dict[VertexId, list[VertexId]] = {}
        self._missing: dict[VertexId, Missing] = {}
        self._places: dict[tuple[int, int], dict[VertexId, None]] = {}
        self._per_author: dict[int, int] = {}
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._parked)

    def __contains__(self, id: VertexId) -> bool:
        return id in self._parked

    def park(self, candidate: Candidate, missing: Missing) -> bool:
        """Hold the candidate until `missing` arrives; False when a bound is reached."""
        header = candidate.header
        count = self._per_author.get(header.author, 0)
        if count >= PENDING_PER_AUTHOR_MAX or self.size_bytes + candidate.size_bytes > PENDING_BYTES_MAX:
            return False
        self._parked[header.id] = candidate
        self._waiting.setdefault(missing.id, []).append(header.id)
        self._missing[missing.id] = missing
        self._places.setdefault((missing.author, missing.seq), {})[missing.id] = None
        self._per_author[header.author] = count + 1
        self.size_bytes += candidate.size_bytes
        return True

    def sign(self, id: VertexId, signature: bytes) -> None:
        """A signature over a parked vertex that came without one."""
        candidate = self._parked[id]
        if candidate.signature is None:
            self._parked[id] = candidate._replace(signature=signature)
            self.size_bytes += len(signature)

    def arrived(self, id: VertexId) -> list[Candidate]:
        """Candidates that waited for this vertex, in the order they came; they may still lack something else."""
        missing = self._missing.pop(id, None)
        if missing is not None:
            place = self._places[missing.author, missing.seq]
            del place[id]
            if not place:
                del self._places[missing.author, missing.seq]
        freed = []
        for waiting in self._waiting.pop(id, ()):
            candidate = self._parked.pop(waiting)
            self._per_author[candidate.header.author] -= 1
            if not self._per_author[candidate.header.author]:
                del self._per_author[candidate.header.author]
            self.size_bytes -= candidate.size_bytes
            freed.append(candidate)
        return freed

    def release(self, author: int) -> list[Candidate]:
        """Candidates that waited for any vertex by this author."""
        lacking = [missing.id for missing in self._missing.values() if missing.author == author]
        return [freed for id in lacking for freed in self.arrived(id)]

    def missing(self) -> list[Missing]:
        """What is waited for and not itself parked."""
        return [missing for missing in self._missing.values() if missing.id not in self._parked]

    def waits_for(self, author: int, seq: int) -> bool:
        """Whether `missing` names a vertex of this author with this seq."""
        return any(id not in self._parked for id in self._places.get((author, seq), ()))

    def above(self, header: Header) -> list[Candidate]:
        """What waits on top of this vertex on its chain, up to the first with a signature."""
        chain: list[Candidate] = []
        while not chain or chain[-1].signature is None:
            waiting = [self._parked[id] for id in self._waiting.get(header.id, ())]
            following = [candidate for candidate in waiting if candidate.header.prev == header.id]
            if not following:
                break
            chain.append(following[0])
            header = following[0].header
        return chain

    def places(self) -> list[int]:
        """Where in the log those lie that are on the disk already."""
        return [candidate.place for candidate in self._parked.values() if candidate.place]

    def keys(self) -> list[VertexKey]:
        return [candidate.header.key for candidate in self._parked.values()]
