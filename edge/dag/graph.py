"""The accepted vertices: per author a chain of branches, one branch an incarnation, 48 bytes a vertex.

The oldest part of a branch may have been dropped from the log (`forget`): its highest vertex, the floor, is then known
by its id and not held, and of those below it only the keys are known.

Nothing is looked up by hash: parents name their key, and `prev` is the vertex one seq below by the same author, so an
index by (author, incarnation, seq) answers every question and the cost of a question does not grow with what is held.
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from edge.dag.floor import FloorLine
from edge.ids import Parent, VertexId, VertexKey
from edge.limits import LOST_MAX

Place = int
ID_BYTES = 32


class Branch:
    """The contiguous vertices of one author in one incarnation."""

    __slots__ = (
        "author", "base", "dropped_seq", "first_seq", "ids", "incarnation", "is_cut", "places", "signed", "start"
    )  # fmt: skip

    def __init__(self, author: int, incarnation: int, first_seq: int, base: VertexKey | None) -> None:
        self.author = author
        self.incarnation = incarnation
        self.first_seq = first_seq
        self.start = first_seq
        """The seq of the first one whose id is known."""
        self.is_cut = False
        """That first one is a floor: everything up to it was dropped."""
        self.dropped_seq = 0
        """The highest seq that was ever dropped: below it something may have been had again since."""
        self.base = base
        """The vertex the first one continues, in an earlier incarnation; None at a genesis."""
        self.ids = bytearray()
        self.places: array[int] = array("Q")
        self.signed: array[int] = array("Q")
        """Where the signature lies: 0 none, the vertex's own place, or a signature record."""

    @property
    def head_seq(self) -> int:
        return self.start + len(self.places) - 1

    @property
    def head(self) -> VertexKey:
        return VertexKey(self.author, self.incarnation, self.head_seq)

    @property
    def floor_seq(self) -> int:
        """The highest seq that was dropped; 0 if none was."""
        return self.start if self.is_cut else 0

    @property
    def held_from(self) -> int:
        """The lowest seq that may be held."""
        return self.start + self.is_cut

    def id_at(self, seq: int) -> VertexId | None:
        index = seq - self.start
        if not 0 <= index < len(self.places):
            return None
        return bytes(self.ids[index * ID_BYTES : (index + 1) * ID_BYTES])

    def floor_line(self, seq: int) -> FloorLine:
        """The line as it is written down when everything up to `seq` is dropped."""
        id = self.id_at(seq)
        assert id is not None
        base = self.base.incarnation if self.base is not None else 0
        return FloorLine(self.author, self.incarnation, seq, id, self.first_seq, base)


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
        self._changed: dict[int, None] = {}
        self.vertices = 0
        self.changes = 0
        """Grows whenever what is held becomes other than it was."""
        self.lost: dict[VertexKey, None] = {}
        """Held, but their record was found damaged: without a place until another copy lies in the log."""

    def take_changed(self) -> list[int]:
        """Authors with a new end since this was last asked, in the order of their last change. For one listener."""
        changed, self._changed = list(self._changed), {}
        return changed

    def has(self, author: int) -> bool:
        """Whether anything of this author is held."""
        return author in self._chains

    def branch(self, author: int, incarnation: int) -> Branch | None:
        chain = self._chains.get(author)
        return chain.get(incarnation) if chain else None

    def id_at(self, key: VertexKey) -> VertexId | None:
        author, incarnation, seq = key
        chain = self._chains.get(author)
        branch = chain.get(incarnation) if chain else None
        return branch.id_at(seq) if branch else None

    def holds(self, key: VertexKey, id: VertexId) -> bool:
        return self.id_at(key) == id

    def find(self, author: int, seq: int, id: VertexId) -> VertexKey | None:
        """The key of the author's vertex with this seq and id, whichever incarnation it lies in."""
        for branch in self._chains.get(author, {}).values():
            if branch.id_at(seq) == id:
                return VertexKey(author, branch.incarnation, seq)
        return None

    def is_below(self, key: VertexKey) -> bool:
        """Whether the vertex was dropped and its id with it: whoever names it can no longer be compared with us."""
        author, incarnation, seq = key
        chain = self._chains.get(author)
        branch = chain.get(incarnation) if chain else None
        return branch is not None and branch.is_cut and branch.first_seq <= seq < branch.start

    def is_dropped(self, key: VertexKey) -> bool:
        """Whether the vertex was here once and is no longer in our log."""
        branch = self.branch(key.author, key.incarnation)
        return branch is not None and branch.first_seq <= key.seq <= branch.floor_seq

    def was_dropped(self, key: VertexKey) -> bool:
        """Whether it was dropped once, be it here again since or not."""
        branch = self.branch(key.author, key.incarnation)
        return branch is not None and branch.first_seq <= key.seq <= branch.dropped_seq

    def knows(self, vertex: Parent) -> bool:
        """Whether this vertex, and no other of its name, is held, or was dropped and its id with it."""
        return self.holds(vertex.key, vertex.id) or self.is_below(vertex.key)

    def is_on_line(self, below: Parent, key: VertexKey) -> bool:
        """Whether a vertex lies at or above another one on its author's chain."""
        at: VertexKey | None = key
        while at is not None and at.author == below.author and at.incarnation > below.incarnation:
            branch = self.branch(at.author, at.incarnation)
            at = branch.base if branch is not None else None
        return at is not None and at[:2] == below[:2] and at.seq >= below.seq and self.knows(below)

    def stem(self, author: int, seq: int, below_incarnation: int) -> VertexKey | None:
        """The dropped vertex that a branch which begins at seq + 1 most likely continues, its id being forgotten."""
        for branch in sorted(self._chains.get(author, {}).values(), key=lambda branch: -branch.incarnation):
            key = VertexKey(author, branch.incarnation, seq)
            if branch.incarnation < below_incarnation and self.is_below(key):
                return key
        return None

    def set_floor(self, line: FloorLine) -> None:
        """Before anything of the line is inserted: it goes on from here."""
        base = VertexKey(line.author, line.base_incarnation, line.first_seq - 1) if line.base_incarnation else None
        branch = Branch(line.author, line.incarnation, line.first_seq, base)
        branch.start, branch.is_cut, branch.dropped_seq = line.seq, True, line.seq
        branch.ids += line.id
        branch.places.append(0)
        branch.signed.append(0)
        self.changes += 1
        self._chains.setdefault(line.author, {})[line.incarnation] = branch
        self._changed[line.author] = None

    def forget(self, line: FloorLine) -> None:
        """What was held up to the floor of this line is dropped: give back its memory."""
        branch = self._chains[line.author][line.incarnation]
        count = line.seq - branch.start
        if count < 0 or (count == 0 and branch.is_cut):
            return
        self.changes += 1
        self.vertices -= line.seq - branch.held_from + 1
        # Slices of new objects, not deletions: these give the memory back.
        branch.ids = branch.ids[count * ID_BYTES :]
        branch.places = branch.places[count:]
        branch.signed = branch.signed[count:]
        branch.places[0] = branch.signed[0] = 0
        branch.start, branch.is_cut, branch.dropped_seq = line.seq, True, max(line.seq, branch.dropped_seq)
        for key in [key for key in self.lost if self.is_dropped(key)]:
            del self.lost[key]

    def floor(self) -> list[FloorLine]:
        """What `set_floor` needs to know of each line that has something dropped."""
        return [
            branch.floor_line(branch.dropped_seq)
            for author in self.authors()
            for branch in self.branches(author)
            if branch.dropped_seq
        ]

    def deepen(self, floor: VertexKey, found: Sequence[tuple[VertexId, Place, Place]], prev: VertexId | None) -> bool:
        """What was dropped is held again, from the floor of a line down: (id, place, signed) of each, and the id of the
        one below the last. False if that is not the floor of its line any more."""
        branch = self._chains[floor.author][floor.incarnation]
        if not branch.is_cut or branch.start != floor.seq or branch.id_at(floor.seq) != found[0][0]:
            return False
        branch.places[0], branch.signed[0] = found[0][1:]
        below = [*found[1:]]
        lowest = floor.seq - len(below)
        branch.is_cut = lowest > branch.first_seq
        if branch.is_cut:
            assert prev is not None, "a line goes on where it does not begin"
            below.append((prev, 0, 0))
        branch.start = floor.seq - len(below)
        branch.ids = bytearray(b"".join(id for id, _, _ in reversed(below))) + branch.ids
        branch.places = array("Q", [place for _, place, _ in reversed(below)]) + branch.places
        branch.signed = array("Q", [signed for _, _, signed in reversed(below)]) + branch.signed
        self.vertices += len(found)
        return True

    def branches(self, author: int) -> list[Branch]:
        """By incarnation, ascending."""
        return [branch for _, branch in sorted(self._chains.get(author, {}).items())]

    def lines(self) -> list[Branch]:
        """Branches of all authors, in no order."""
        return [branch for chain in self._chains.values() for branch in chain.values()]

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
        self._changed.pop(key.author, None)
        self._changed[key.author] = None
        self.vertices += 1
        self.changes += 1

    def above(self, key: VertexKey) -> list[VertexKey]:
        """Held vertices of its line from this one on, those that continue it in later incarnations among them."""
        branch = self.branch(key.author, key.incarnation)
        if branch is None:
            return []
        keys = [key._replace(seq=seq) for seq in range(max(key.seq, branch.held_from), branch.head_seq + 1)]
        for other in self.branches(key.author):
            if other.base is not None and other.base.incarnation == key.incarnation and other.base.seq >= key.seq:
                keys += self.above(VertexKey(key.author, other.incarnation, other.first_seq))
        return keys

    def cut(self, keys: Iterable[VertexKey]) -> None:
        """Hold these no longer; with each of them, everything `above` it is named."""
        self.changes += 1
        lowest: dict[tuple[int, int], int] = {}
        for key in keys:
            lowest[key[:2]] = min(key.seq, lowest.get(key[:2], key.seq))
            self.lost.pop(key, None)
        for (author, incarnation), seq in lowest.items():
            branch = self._chains[author][incarnation]
            index = seq - branch.start
            self.vertices -= len(branch.places) - index
            del branch.ids[index * ID_BYTES :], branch.places[index:], branch.signed[index:]
            if not branch.places:
                del self._chains[author][incarnation]
            self._changed[author] = None

    def set_place(self, key: VertexKey, place: Place, signed: Place | None = None) -> None:
        branch = self._chains[key.author][key.incarnation]
        if key.seq < branch.held_from:
            return  # dropped while the disk was writing it once more
        branch.places[key.seq - branch.start] = place
        if signed is not None:
            branch.signed[key.seq - branch.start] = signed

    def lose(self, key: VertexKey, place: Place) -> bool:
        """What was read at `place`, where this vertex lay, is not what was written there.

        False if it lies elsewhere by now or was dropped, or too many are lost already: the next to read it tells.
        """
        if not place or self.place(key)[0] != place or len(self.lost) >= LOST_MAX:
            return False
        self.set_place(key, 0, 0)
        self.lost[key] = None
        return True

    def lost_after(self, key: VertexKey) -> int:
        """The seq above which its line is lost without a break up to this vertex."""
        seq = key.seq
        while VertexKey(key.author, key.incarnation, seq) in self.lost:
            seq -= 1
        return seq

    def set_signed(self, key: VertexKey, signed: Place) -> None:
        branch = self._chains[key.author][key.incarnation]
        if key.seq >= branch.held_from:
            branch.signed[key.seq - branch.start] = signed

    def forget_signatures(self, span: tuple[int, int, int, int], gone: Container[Place]) -> None:
        """Of these vertices (author, incarnation, first and last seq), the signatures that lay there are no more."""
        author, incarnation, first_seq, through_seq = span
        branch = self.branch(author, incarnation)
        if branch is None:
            return
        signed = branch.signed
        for index in range(max(0, first_seq - branch.start), min(len(signed), through_seq + 1 - branch.start)):
            if signed[index] in gone:
                signed[index] = 0

    def place(self, key: VertexKey) -> tuple[Place, Place]:
        """(place of the vertex, place of its signature or 0).

        0 while the disk has not answered, when it was dropped or lost, and of what is not held.
        """
        branch = self.branch(key.author, key.incarnation)
        index = key.seq - branch.start if branch is not None else -1
        if branch is None or not 0 <= index < len(branch.places):
            return 0, 0
        return branch.places[index], branch.signed[index]

    def lacks_signature(self, key: VertexKey, id: VertexId) -> bool:
        """Whether this vertex lies in the log and no signature over it: one above it covers it, or will."""
        return self.holds(key, id) and self.place(key)[0] > 0 and not self.place(key)[1]

    def set_signatures(self, places: Mapping[VertexId, Place]) -> None:
        """Signatures by the id of the vertex they stand over, where one of those is held without; one look at each."""
        if not places:
            return
        for chain in self._chains.values():
            for branch in chain.values():
                for index, signed in enumerate(branch.signed):
                    if not signed and branch.places[index]:
                        id = bytes(branch.ids[index * ID_BYTES : (index + 1) * ID_BYTES])
                        branch.signed[index] = places.get(id, 0)

    def tips(self, author: int) -> list[Tip]:
        """Ends of the author's history: heads that no later incarnation continues."""
        return [Tip(branch.head, bytes(branch.ids[-ID_BYTES:])) for branch in self._ends(author)]

    def _ends(self, author: int) -> list[Branch]:
        chain = self._chains.get(author, {})
        if len(chain) == 1:
            return [*chain.values()]
        continued = {branch.base[1:] for branch in chain.values() if branch.base is not None}
        return [branch for branch in chain.values() if (branch.incarnation, branch.head_seq) not in continued]

    def has_several(self, author: int) -> bool:
        """Whether the author's history has more than one end."""
        return len(self._ends(author)) > 1

    def highest_seq(self, author: int) -> int:
        return max((branch.head_seq for branch in self._chains.get(author, {}).values()), default=0)

    def highest_incarnation(self, author: int) -> int:
        return max(self._chains.get(author, {}), default=0)

    def authors(self) -> Iterator[int]:
        """Authors with at least one vertex, ascending."""
        return iter(sorted(self._chains))

    def path(self, tip: VertexKey, after_seq: int, count_max: int, *, dropped: bool = False) -> list[VertexKey]:
        """The oldest keys of the line that ends in `tip` with seq above `after_seq`, in order, across incarnations.

        Those above its highest floor; with `dropped` those below it, too.
        """
        stretches: list[range] = []
        incarnations: list[int] = []
        branch = self.branch(tip.author, tip.incarnation)
        through = tip.seq
        while branch is not None and through > after_seq:
            first = branch.first_seq if dropped else branch.held_from
            stretches.append(range(max(first, after_seq + 1), through + 1))
            incarnations.append(branch.incarnation)
            base = branch.base
            if base is None or (branch.is_cut and not dropped):
                break
            branch, through = self.branch(base.author, base.incarnation), base.seq
        keys: list[VertexKey] = []
        for incarnation, stretch in zip(reversed(incarnations), reversed(stretches), strict=True):
            keys += [VertexKey(tip.author, incarnation, seq) for seq in stretch[: count_max - len(keys)]]
        return keys
