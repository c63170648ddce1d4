"""The accepted vertices: per author a chain of branches, one branch an incarnation, 48 bytes a vertex.

Nothing is looked up by hash: parents name their key, and `prev` is the vertex one seq below by the same author, so an
index by (author, incarnation, seq) answers every question and the cost of a question does not grow with what is held.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from edge.ids import VertexId, VertexKey

Place = int
ID_BYTES = 32


class Branch:
    """The contiguous vertices of one author in one incarnation."""

    __slots__ = ("author", "base", "first_seq", "ids", "incarnation", "places", "signed")

    def __init__(self, author: int, incarnation: int, first_seq: int, base: VertexKey | None) -> None:
        self.author = author
        self.incarnation = incarnation
        self.first_seq = first_seq
        self.base = base
        """The vertex the first one continues, in an earlier incarnation; None at a genesis."""
        self.ids = bytearray()
        self.places: array[int] = array("Q")
        self.signed: array[int] = array("Q")
        """Where the signature lies: 0 none, the vertex's own place, or a signature record."""

    @property
    def head_seq(self) -> int:
        return self.first_seq + len(self.places) - 1

    @property
    def head(self) -> VertexKey:
        return VertexKey(self.author, self.incarnation, self.head_seq)

    def id_at(self, seq: int) -> VertexId | None:
        index = seq - self.first_seq
        if not 0 <= index < len(self.places):
            return None
        return bytes(self.ids[index * ID_BYTES : (index + 1) * ID_BYTES])


class Tip:
    """The end of one line of an author's history: what a frontier names."""

    __slots__ = ("id", "key")

    def __init__(self, key: VertexKey, id: VertexId) -> None:
        self.key = key
        self.id = id


class Graph:
    """Vertices held, by key. Insertion asks that `prev` is held; admission sees to that."""

    def __init__(self) -> None:
        self._chains: dict[int, dict[int, Branch]] = {}
        self.vertices = 0

    def branch(self, author: int, incarnation: int) -> Branch | None:
        chain = self._chains.get(author)
        return chain.get(incarnation) if chain else None

    def id_at(self, key: VertexKey) -> VertexId | None:
        branch = self.branch(key.author, key.incarnation)
        return branch.id_at(key.seq) if branch else None

    def holds(self, key: VertexKey, id: VertexId) -> bool:
        return self.id_at(key) == id

    def find(self, author: int, seq: int, id: VertexId) -> VertexKey | None:
        """The key of the author's vertex with this seq and id, whichever incarnation it lies in."""
        for branch in self._chains.get(author, {}).values():
            if branch.id_at(seq) == id:
                return VertexKey(author, branch.incarnation, seq)
        return None

    def insert(self, key: VertexKey, id: VertexId, prev: VertexKey | None, place: Place = 0, signed: Place = 0) -> None:
        """Add a vertex whose `prev` is held (None at a genesis)."""
        chain = self._chains.setdefault(key.author, {})
        branch = chain.get(key.incarnation)
        if branch is None:
            branch = chain[key.incarnation] = Branch(key.author, key.incarnation, key.seq, prev)
        else:
            assert prev == branch.head, "a branch grows at its head"
        assert key.seq == branch.head_seq + 1
        branch.ids += id
        branch.places.append(place)
        branch.signed.append(signed)
        self.vertices += 1

    def set_place(self, key: VertexKey, place: Place, signed: Place | None = None) -> None:
        branch = self._chains[key.author][key.incarnation]
        branch.places[key.seq - branch.first_seq] = place
        if signed is not None:
            branch.signed[key.seq - branch.first_seq] = signed

    def set_signed(self, key: VertexKey, signed: Place) -> None:
        branch = self._chains[key.author][key.incarnation]
        branch.signed[key.seq - branch.first_seq] = signed

    def place(self, key: VertexKey) -> tuple[Place, Place]:
        """(place of the vertex, place of its signature or 0); 0 while the disk has not answered."""
        branch = self._chains[key.author][key.incarnation]
        index = key.seq - branch.first_seq
        return branch.places[index], branch.signed[index]

    def tips(self, author: int) -> list[Tip]:
        """Ends of the author's history: heads that no later incarnation continues."""
        chain = self._chains.get(author, {})
        continued = {branch.base: None for branch in chain.values()}
        return [
            Tip(branch.head, bytes(branch.ids[-ID_BYTES:])) for branch in chain.values() if branch.head not in continued
        ]

    def highest_seq(self, author: int) -> int:
        return max((branch.head_seq for branch in self._chains.get(author, {}).values()), default=0)

    def highest_incarnation(self, author: int) -> int:
        return max(self._chains.get(author, {}), default=0)

    def authors(self) -> Iterator[int]:
        """Authors with at least one vertex, ascending."""
        return iter(sorted(self._chains))

    def path(self, tip: VertexKey, after_seq: int, count_max: int) -> list[VertexKey]:
        """The oldest keys of the line that ends in `tip` with seq above `after_seq`, in order, across incarnations."""
        stretches: list[range] = []
        incarnations: list[int] = []
        branch = self.branch(tip.author, tip.incarnation)
        through = tip.seq
        while branch is not None and through > after_seq:
            stretches.append(range(max(branch.first_seq, after_seq + 1), through + 1))
            incarnations.append(branch.incarnation)
            base = branch.base
            if base is None:
                break
            branch, through = self.branch(base.author, base.incarnation), base.seq
        keys: list[VertexKey] = []
        for incarnation, stretch in zip(reversed(incarnations), reversed(stretches), strict=True):
            keys += [VertexKey(tip.author, incarnation, seq) for seq in stretch[: count_max - len(keys)]]
        return keys
