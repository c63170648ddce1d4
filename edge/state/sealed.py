"""Shared state up to a cut, as checkpoints move it forward (docs/decisions/0044).

Each author has a part of its own: what its operations up to the end of each of its lines made, less what was taken back
by anybody up to there. A part is kept as bytes, so that the whole can be handed over and is compared by one root: the
tree of RFC 9162 over the parts, by author ascending. A step costs what the authors in it have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from edge.ids import VertexKey
from edge.limits import STATE_DEPTH_MAX
from edge.state.above import Above, LineName
from edge.state.crdt import Elements, Line, State
from edge.state.snapshot import restore, snapshot
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Count, Put, Remove
from edge.wire.merkle import Digest, leaf_hash, root_of
from edge.wire.vertex import Header

Origin = Callable[[LineName], tuple[int, int] | None]
"""Of a line, the seq at which it begins, and the incarnation that it goes on from (0 for none); None if unknown."""


class Step(NamedTuple):
    """What changes when a cut moves: the parts of some authors, and the ends of their lines."""

    parts: Mapping[int, bytes]
    ends: Mapping[LineName, int]
    root: Digest


class Sealed:
    """The state at a cut. A function of the vertices at or below its ends; `early` removals are part of it."""

    def __init__(self, parts: Mapping[int, bytes] | None = None) -> None:
        self.parts: dict[int, bytes] = dict(parts or {})
        self.ends: dict[LineName, int] = {}
        """Of each line in it, the seq of the last vertex with operations; before its first one if it has none."""
        self._leaves = {author: leaf_hash(part) for author, part in self.parts.items()}
        for author in self.parts:
            self.ends |= {name: line.head_seq for name, line in self.part(author).lines.items()}
        self.root = _root(self._leaves)

    def part(self, author: int) -> State:
        """What one author has said. Costs what it has."""
        raw = self.parts.get(author)
        state = restore(decode(raw)[1]) if raw is not None else State()
        if state is None:
            raise Malformed("not a part")
        return state

    # ---- forward

    def ahead(self, ends: Iterable[VertexKey], above: Above, origin: Origin) -> Step | None:
        """What it comes to with these lines up to there, and all below them on their chains. None if that is not known
        here: one of the vertices is not at hand, or has no operations."""
        lines: dict[LineName, Line] = {}
        headers: list[Header] = []
        if not all(self._descend(end, above, origin, lines, headers) for end in ends):
            return None
        headers.sort(key=lambda header: header.key)
        parts: dict[int, State] = {}

        def part(author: int) -> State:
            if author not in parts:
                parts[author] = self.part(author)
            return parts[author]

        for header in headers:
            part(header.author).operate(header, (Put, Count))
        for name, line in lines.items():
            part(name[0]).lines[name] = line
        for header in headers:
            for op in (item for item in header.items if isinstance(item, Remove)):
                for tag in op.tags:
                    if part(header.author).has_observed(header, tag):
                        part(tag.author).take_back(op.name, tag)
        made = {author: _encode(author, _settled(state)) for author, state in sorted(parts.items())}
        leaves = self._leaves | {author: leaf_hash(raw) for author, raw in made.items()}
        return Step(made, {name: line.head_seq for name, line in lines.items()}, _root(leaves))

    def can_reach(self, end: VertexKey, above: Above, origin: Origin) -> bool:
        """Whether all that a line has up to here is at hand."""
        return self._descend(end, above, origin, {}, [])

    def _descend(
        self, end: VertexKey, above: Above, origin: Origin, lines: dict[LineName, Line], headers: list[Header]
    ) -> bool:
        """Gather what a line brings, and those that it goes on from."""
        name, through = (end.author, end.incarnation), end.seq
        for _ in range(STATE_DEPTH_MAX):
            begins = origin(name)
            if begins is None:
                return False
            first_seq, base = begins
            is_known = name in lines or name in self.ends
            after = lines[name].head_seq if name in lines else self.ends.get(name, first_seq - 1)
            found = above.between(name, after, through)
            if found is None or (name == end[:2] and not (found and found[-1].seq == end.seq)):
                return False
            headers += found
            if found:
                lines[name] = Line(first_seq, base, found[-1].seq, found[-1].id, found[-1].hlc)
            elif not is_known:
                lines[name] = Line(first_seq, base, first_seq - 1, b"", 0)
            if is_known or not base:
                return True
            name, through = (name[0], base), first_seq - 1
        return True  # what lies further down cannot be taken back from here, and has ends of its own

    def take(self, step: Step) -> None:
        self.parts |= step.parts
        self.ends |= step.ends
        self._leaves |= {author: leaf_hash(raw) for author, raw in step.parts.items()}
        self.root = step.root

    # ---- whole

    def state(self) -> State:
        """All parts in one; costs what they have."""
        whole = State()
        for author in sorted(self.parts):
            _join(whole, self.part(author))
        return whole

    def dump(self) -> bytes:
        """The parts, as they are handed over."""
        return encode([self.parts[author] for author in sorted(self.parts)])


def load(data: bytes, root: Digest) -> Sealed | None:
    """What `dump` wrote of the state with this root; None for anything else."""
    try:
        parts = decode(data, depth_max=1)
        named = {decode(part, depth_max=1)[0]: part for part in parts}
        if root_of([leaf_hash(part) for part in parts]) != root or list(named) != sorted(named):
            return None
        return Sealed(named)
    except (Malformed, TypeError, ValueError, IndexError, KeyError):
        return None


def _root(leaves: Mapping[int, Digest]) -> Digest:
    return root_of([leaves[author] for author in sorted(leaves)])


def _encode(author: int, state: State) -> bytes:
    return encode([author, snapshot(state)])


def _settled(state: State) -> State:
    """Without removals of what lies below the ends and was never added."""
    for name, tag in list(state.early):
        line = state.lines.get((tag.author, tag.incarnation))
        if line is not None and tag.seq <= line.head_seq:
            del state.early[name, tag]
    state.unsure.clear()  # beyond its bound a removal counts for nothing here, and for everybody alike
    state.is_partial = False
    return state


def _join(whole: State, part: State) -> None:
    whole.lines |= part.lines
    whole.shares |= part.shares
    for held, more in ((whole.registers, part.registers), (whole.series, part.series)):
        for name, values in more.items():
            held.setdefault(name, {}).update(values)  # type: ignore[arg-type]
    for name, sums in part.counters.items():
        whole.counters.setdefault(name, {}).update(sums)
    for name, elements in part.grown.items():
        for element, authors in elements.items():
            whole.grown.setdefault(name, {}).setdefault(element, {}).update(authors)
    for name, kept in part.sets.items():
        for tag, element in kept.tags.items():
            whole.sets.setdefault(name, Elements()).add(tag, element)
