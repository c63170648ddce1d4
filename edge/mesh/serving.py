"""Answering a request: walks the lines asked for, reads in small loads, packs chunks that each end at a signature."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge.ids import VertexKey
from edge.limits import CHUNK_BYTES, REPAIR_RANGES_MAX
from edge.wire.frame import Range, VertexFrame

LOAD_VERTICES = 4
"""Vertices read at once: whoever speaks waits as long as these take, about half a millisecond."""
RANGE_OVERHEAD_BYTES = 24
_NOTHING = (0, 0)


def size_of(given: Range) -> int:
    """Bytes that a range takes up in a chunk."""
    bodies = sum(len(body or b"") + 8 for body in given.bodies)
    return sum(map(len, given.headers)) + bodies + len(given.signature) + RANGE_OVERHEAD_BYTES


class Stretch(NamedTuple):
    """What to serve of one line, oldest first: it ends at the first signature at or above `through_seq`."""

    keys: list[VertexKey]
    through_seq: int = 0
    """0: all of the keys."""


class Serving:
    """One request being answered. Stateless for the asker: any chunk may be lost and asked again."""

    def __init__(
        self,
        to: int,
        correlation: int,
        budget_bytes: int,
        lines: Iterable[Stretch],
        proofs: Sequence[Range] = (),
    ) -> None:
        """`proofs` are at hand and said first; they fit into one chunk."""
        self.to = to
        self.correlation = correlation
        self._ranges: list[Range] = list(proofs)
        self._ranges_bytes = sum(map(size_of, proofs))
        self._budget_bytes = budget_bytes - self._ranges_bytes
        self._lines = deque(line for line in lines if line.keys)
        self._at = 0
        self._line: list[tuple[VertexFrame, bytes | None]] = []
        """Read and in no chunk yet."""
        self._looked = self._signed = _NOTHING
        """(vertices, bytes) from its beginning that fit into a chunk, and up to the last signature among them."""
        self.is_done = not self._lines

    def next_keys(self) -> list[VertexKey]:
        """What to read next; empty when the answer is complete."""
        if self._budget_bytes <= 0 or not self._lines:
            self.is_done = True
            return []
        keys = self._lines[0].keys[self._at : self._at + LOAD_VERTICES]
        self._at += len(keys)
        return keys

    def loaded(self, vertices: list[tuple[VertexFrame, bytes | None]], complete: bool) -> list[tuple[Range, ...]]:
        """Vertices read, each with its signature if one is held; `complete` is False when one was damaged.

        Answers the chunks that are full now.
        """
        keys, through_seq = self._lines[0]
        first = (self._at - 1) // LOAD_VERTICES * LOAD_VERTICES
        is_last = not complete or self._at >= len(keys)
        for index, (_, signature) in enumerate(vertices):
            if through_seq and signature is not None and keys[first + index].seq >= through_seq:
                vertices, is_last = vertices[: index + 1], True
                break
        self._line += vertices
        chunks = self._cut(ended=False)
        if is_last:
            chunks += self._cut(ended=True)
            self._line.clear()
            self._looked = self._signed = _NOTHING
            self._lines.popleft()
            self._at = 0
        return chunks

    def rest(self) -> tuple[Range, ...]:
        """The last chunk, possibly empty."""
        ranges, self._ranges, self._ranges_bytes = tuple(self._ranges), [], 0
        return ranges

    def _cut(self, *, ended: bool) -> list[tuple[Range, ...]]:
        """What is looked at already is not looked at again: a line is read in many small loads."""
        chunks: list[tuple[Range, ...]] = []
        while self._line and self._budget_bytes > 0:
            is_full = self._look_on()
            if not is_full and not ended:
                break
            signed, size = self._signed
            if not signed:
                self._line.clear()
            else:
                chunks += self._add(self._line[:signed], size)
                del self._line[:signed]
            self._looked, self._signed = _NOTHING, _NOTHING
        return chunks

    def _look_on(self) -> bool:
        """How much of the line fits into a chunk, and up to which signature; whether the next one would be too much."""
        count, size = self._looked
        for frame, signature in self._line[count:]:
            grown = size + len(frame.header) + len(frame.body or b"") + 8
            if grown + len(signature or b"") + RANGE_OVERHEAD_BYTES > CHUNK_BYTES:
                return True
            count, size = count + 1, grown
            self._looked = (count, size)
            if signature is not None:
                self._signed = (count, size + len(signature) + RANGE_OVERHEAD_BYTES)
        return False

    def _add(self, vertices: list[tuple[VertexFrame, bytes | None]], size: int) -> list[tuple[Range, ...]]:
        chunks = []
        if self._ranges and (self._ranges_bytes + size > CHUNK_BYTES or len(self._ranges) >= REPAIR_RANGES_MAX):
            chunks.append(self.rest())
        signature = vertices[-1][1]
        assert signature is not None
        headers = tuple(frame.header for frame, _ in vertices)
        self._ranges.append(Range(headers, tuple(frame.body for frame, _ in vertices), signature))
        self._ranges_bytes += size
        self._budget_bytes -= size
        return chunks
