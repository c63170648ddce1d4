"""What lies above a cut of shared state: which vertices have operations, and as many of their headers as there is room
for. The others are in the log, and read back when those below them are sealed."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from edge.ids import VertexKey
from edge.limits import STATE_ABOVE_AUTHOR_MAX, STATE_ABOVE_HELD_MAX, STATE_ABOVE_MAX
from edge.wire.vertex import Header

LineName = tuple[int, int]
"""An author and one of its incarnations."""


class Above:
    """Told of each vertex with operations in the order of its line."""

    def __init__(self) -> None:
        self.seqs: dict[LineName, list[int]] = {}
        self.held: dict[VertexKey, Header] = {}
        self._held_of: Counter[int] = Counter()
        self._broken: dict[LineName, None] = {}
        """Lines of which more came than there was room for: what comes above is not known until the next start."""
        self.count = 0

    def add(self, header: Header) -> None:
        """A vertex with operations."""
        name = header.key[:2]
        seqs = self.seqs.setdefault(name, [])
        if name in self._broken or (seqs and seqs[-1] >= header.seq):
            return
        if self.count >= STATE_ABOVE_MAX:
            self._broken[name] = None
            return
        seqs.append(header.seq)
        self.count += 1
        self.keep(header)

    def keep(self, header: Header) -> None:
        """Its header, if there is room; also one that was read back."""
        if self._has_room(header.author) and header.key not in self.held:
            self.held[header.key] = header
            self._held_of[header.author] += 1

    def _has_room(self, author: int) -> bool:
        return len(self.held) < STATE_ABOVE_HELD_MAX and self._held_of[author] < STATE_ABOVE_AUTHOR_MAX

    def between(self, name: LineName, after: int, through: int) -> list[Header] | None:
        """The headers of a line above one seq and up to another; None if one of them is not at hand."""
        seqs = self.seqs.get(name, [])
        if name in self._broken and (not seqs or through > seqs[-1]):
            return None
        wanted = seqs[bisect_right(seqs, after) : bisect_right(seqs, through)]
        found = [self.held.get(VertexKey(*name, seq)) for seq in wanted]
        return [header for header in found if header is not None] if None not in found else None

    def of(self, author: int) -> list[Header] | None:
        """All headers of an author, ascending; None if one of them is not at hand."""
        names = sorted(name for name in self.seqs if name[0] == author)
        if any(name in self._broken for name in names):
            return None
        found = [self.held.get(VertexKey(*name, seq)) for name in names for seq in self.seqs[name]]
        return [header for header in found if header is not None] if None not in found else None

    def ends(self, through: Callable[[LineName], int]) -> Iterator[VertexKey]:
        """Of each line the highest vertex up to which all headers are at hand, and not above the seq that is told of
        it; by author and incarnation."""
        for name in sorted(self.seqs):
            end, last = None, through(name)
            for seq in self.seqs[name]:
                key = VertexKey(*name, seq)
                if key not in self.held or seq > last:
                    break
                end = key
            if end is not None:
                yield end

    def count_of(self, end: VertexKey) -> int:
        """How many vertices of a line lie above the cut, up to this one."""
        return bisect_right(self.seqs.get(end[:2], ()), end.seq)

    def lacking(self, most: int) -> list[VertexKey]:
        """Of one line the next vertices whose headers there is room for again; first of who has fewest in memory."""
        if len(self.held) >= self.count:
            return []
        for name in sorted(self.seqs, key=lambda name: (self._held_of[name[0]], name)):
            room = min(most, STATE_ABOVE_HELD_MAX - len(self.held), STATE_ABOVE_AUTHOR_MAX - self._held_of[name[0]])
            keys = (key for seq in self.seqs[name] if (key := VertexKey(*name, seq)) not in self.held)
            if room > 0 and (found := list(islice(keys, room))):
                return found
        return []

    def lines(self) -> list[tuple[LineName, bool, list[int]]]:
        """What is known of each, and whether that is not all: for `restore`."""
        return [(name, name in self._broken, seqs) for name, seqs in sorted(self.seqs.items())]

    def restore(self, name: LineName, seqs: Iterable[int], *, is_broken: bool) -> None:
        """Before anything is told of a line: vertices of it that may be gone."""
        self.seqs[name] = list(seqs)
        self.count += len(self.seqs[name])
        if is_broken:
            self._broken[name] = None

    def drop(self, name: LineName, through: int) -> None:
        """A cut lies here now."""
        seqs = self.seqs.get(name)
        if seqs is None:
            return
        at = bisect_right(seqs, through)
        self._forget(VertexKey(*name, seq) for seq in seqs[:at])
        self.count -= at
        del seqs[:at]
        if not seqs and name not in self._broken:
            del self.seqs[name]

    def cut(self, keys: Iterable[VertexKey]) -> None:
        """These are held no longer."""
        gone = list(keys)
        self._forget(gone)
        for key in gone:
            seqs = self.seqs.get(key[:2], [])
            if key.seq in seqs:
                seqs.remove(key.seq)
                self.count -= 1

    def _forget(self, keys: Iterable[VertexKey]) -> None:
        for key in keys:
            if self.held.pop(key, None) is not None:
                self._held_of[key.author] -= 1
