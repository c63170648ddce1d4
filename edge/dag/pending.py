"""Vertices with a good signature that wait for `prev` or a parent. Bounded per author and in bytes, shared fairly."""

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
        self._waits: dict[VertexId, VertexId] = {}
        """What each waits for."""
        self._waiting: dict[VertexId, dict[VertexId, None]] = {}
        """The same the other way round, in the order they came."""
        self._missing: dict[VertexId, Missing] = {}
        self._places: dict[tuple[int, int], dict[VertexId, None]] = {}
        self._per_author: dict[int, dict[VertexId, None]] = {}
        """In the order they came."""
        self._keys: dict[VertexKey, int] = {}
        """How many of each name."""
        self._loose_bytes: dict[int, int] = {}
        """By author, of those that the disk does not hold: what can be given up."""
        self.size_bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._parked)

    def counts(self) -> dict[str, int]:
        return {"pending": len(self._parked), "pending_bytes": self.size_bytes}

    def __contains__(self, id: VertexId) -> bool:
        return id in self._parked

    def park(self, candidate: Candidate, missing: Missing) -> bool:
        """Hold the candidate until `missing` arrives; False when a bound is reached.

        When all together have no room left, whoever takes up most of it gives way, its latest first: they are the
        farthest from what it lacks, and repair brings them again.
        """
        header = candidate.header
        if len(self._per_author.get(header.author, ())) >= PENDING_PER_AUTHOR_MAX:
            return False
        share = self._loose_bytes.get(header.author, 0) + candidate.size_bytes
        while self.size_bytes + candidate.size_bytes > PENDING_BYTES_MAX:
            greedy = max(self._loose_bytes, key=self._loose_bytes.__getitem__, default=None)
            if greedy is None or self._loose_bytes[greedy] <= share:
                return False
            self._take(next(id for id in reversed(self._per_author[greedy]) if not self._parked[id].place))
            self.evicted += 1
        self._parked[header.id] = candidate
        self._waits[header.id] = missing.id
        self._waiting.setdefault(missing.id, {})[header.id] = None
        self._missing[missing.id] = missing
        self._places.setdefault((missing.author, missing.seq), {})[missing.id] = None
        self._per_author.setdefault(header.author, {})[header.id] = None
        self._keys[header.key] = self._keys.get(header.key, 0) + 1
        self._count(candidate, candidate.size_bytes)
        return True

    def _take(self, id: VertexId) -> Candidate:
        """Take a candidate out of every index."""
        candidate = self._parked.pop(id)
        key = candidate.header.key
        self._keys[key] -= 1
        if not self._keys[key]:
            del self._keys[key]
        mine = self._per_author[candidate.header.author]
        del mine[id]
        if not mine:
            del self._per_author[candidate.header.author]
        self._count(candidate, -candidate.size_bytes)
        waited = self._waits.pop(id)
        waiting = self._waiting[waited]
        del waiting[id]
        if not waiting:
            del self._waiting[waited]
            missing = self._missing.pop(waited)
            place = self._places[missing.author, missing.seq]
            del place[waited]
            if not place:
                del self._places[missing.author, missing.seq]
        return candidate

    def _count(self, candidate: Candidate, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        if not candidate.place:
            author = candidate.header.author
            self._loose_bytes[author] = self._loose_bytes.get(author, 0) + size_bytes
            if not self._loose_bytes[author]:
                del self._loose_bytes[author]

    def sign(self, id: VertexId, signature: bytes) -> None:
        """A signature over a parked vertex that came without one."""
        candidate = self._parked[id]
        if candidate.signature is None:
            self._parked[id] = candidate._replace(signature=signature)
            self._count(candidate, len(signature))

    def arrived(self, id: VertexId) -> list[Candidate]:
        """Candidates that waited for this vertex, in the order they came; they may still lack something else."""
        return [self._take(waiting) for waiting in list(self._waiting.get(id, ()))]

    def drop(self, id: VertexId) -> None:
        """This one waits no longer, if it does; whoever waits for it goes on waiting."""
        if id in self._parked:
            self._take(id)

    def drop_stored(self, author: int) -> None:
        """No candidate of this author that the disk holds waits any longer."""
        for id in [id for id in self._per_author.get(author, ()) if self._parked[id].place]:
            self._take(id)

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

    def needs(self, missing: Header) -> bool:
        """Whether a vertex by somebody else waits here for this one, or for one above it on its author's line."""
        ids = [missing.id]
        for id in ids:  # grows
            for one in self._waiting.get(id, ()):
                if self._parked[one].header.author != missing.author:
                    return True
                ids.append(one)
        return False

    def named(self, author: int) -> dict[int, int]:
        """By incarnation, how far up vertices by others that wait here name the line of this author."""
        named: dict[int, int] = {}
        for candidate in self._parked.values():
            for parent in candidate.header.parents:
                if parent.author == author:
                    named[parent.incarnation] = max(parent.seq, named.get(parent.incarnation, 0))
        return named

    def by(self, author: int) -> list[Candidate]:
        """Candidates of this author that the disk does not hold."""
        return [self._parked[id] for id in self._per_author.get(author, ()) if not self._parked[id].place]

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

    def lacked_by(self, id: VertexId) -> Missing | None:
        """What this one waits for, if it does."""
        return self._missing[self._waits[id]] if id in self._parked else None

    def lines_of(self, missing: Missing) -> list[int]:
        """The incarnations of lines that have it, as those say who wait for it, of each author the first: its own, for
        who names it as a parent; that of the next vertex on its chain."""
        said: dict[int, int] = {}
        for one in self._waiting[missing.id]:
            header = self._parked[one].header
            named = (parent.incarnation for parent in header.parents if parent.id == missing.id)
            said.setdefault(header.author, next(named, header.incarnation))
        return list(dict.fromkeys(said.values()))

    def take_others(self, header: Header) -> list[Candidate]:
        """Candidates under the name of this vertex that are not it wait no longer."""
        if header.key not in self._keys:
            return []
        waiting = [self._parked[id].header for id in self._per_author[header.author]]
        return [self._take(one.id) for one in waiting if one.key == header.key and one.id != header.id]

    def names(self, key: VertexKey) -> bool:
        """Whether a vertex of this name waits here."""
        return key in self._keys

    def keys(self) -> list[VertexKey]:
        return [candidate.header.key for candidate in self._parked.values()]
