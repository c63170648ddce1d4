"""Shared state on the node: every vertex that enters the graph is applied, and our own operations leave in vertices.

Operations wait for the commit window, so that those of one moment share a vertex and a signature. A removal names what
it has observed: its vertex has those heads as parents. What the log drops, the state outlives in the floor file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from edge.consensus.checkpoint import Checkpoints
from edge.dag.admission import Admission
from edge.dag.author import Author
from edge.ids import Instant, Parent, VertexId, VertexKey
from edge.limits import (
    COMMITTEE_MAX,
    HEADER_BYTES_MAX,
    ITEMS_MAX,
    STATE_NAME_BYTES_MAX,
    STATE_QUEUE_MAX,
    STATE_SLOTS_MAX,
    STATE_TAGS_MAX,
    STATE_VALUE_BYTES_MAX,
)
from edge.node.ownline import OwnLine
from edge.node.readback import Readback
from edge.node.recovery import Recovery
from edge.node.rescue import Rescue
from edge.node.sealedstate import SealedState
from edge.node.trim import Trimmer
from edge.state.crdt import State
from edge.state.root import Roots
from edge.state.slots import Share, Smallest
from edge.state.snapshot import restore, snapshot
from edge.wire.cbor import encode
from edge.wire.items import ADD, GROW, REGISTER, Count, Op, Put, Remove, Tag, item_fields, item_of
from edge.wire.refusal import Refusal
from edge.wire.vertex import Header

OPS_BYTES = HEADER_BYTES_MAX - COMMITTEE_MAX * 45 - 256
"""For the operations of one vertex, beside all the parents that it may name."""
OWN_ADDS_MAX = STATE_SLOTS_MAX // 2
"""Of our own that count at once: the other slots are for those taken back, so that few need to be said again."""
ROOT_BYTES = 8
"""Of the root, for a person to compare."""


class _Queued(NamedTuple):
    number: int
    op: Op
    size_bytes: int
    due_ms: float


class Shared:
    """`put`, `count` and `remove` are what our own people and agents say; ValueError where there is no room."""

    def __init__(
        self, admission: Admission, author: Author, own: OwnLine, recovery: Recovery, trimmer: Trimmer, rescue: Rescue,
        readback: Readback, checkpoints: Checkpoints,
    ) -> None:  # fmt: skip
        self._admission = admission
        self._graph = admission.graph
        self._author = author
        self._own = own
        self._index = author.options.index
        self.state = State()
        self._roots = Roots(self.state)
        self._ahead: dict[tuple[int, int], tuple[int, VertexId]] = {}
        """Lines of which the state has more than the graph: what our log has lost, and peers may still have."""
        self._is_restored = False
        self._queue: deque[_Queued] = deque()
        self._flying: deque[_Queued] = deque()
        """In vertices that are not durable yet."""
        self.sealed = checkpoints.state = SealedState(admission, readback)
        """The same at the cut of the newest checkpoint."""
        self.entries = 0
        """How often a vertex entered the graph."""
        self.noted = 0
        """Own operations that were taken since the start."""
        self.recorded = 0
        """The number of the newest of them that is durable; they become so in their order."""
        admission.entered = self.entered
        own.entered = self._own_entered
        recovery.restored = self._restored
        trimmer.snapshot = lambda: snapshot(self.state)
        trimmer.sealed = self.sealed.dump
        rescue.on_cut = self._cut

    # ---- what enters the graph

    def entered(self, header: Header, prev: VertexKey | None) -> None:
        """A vertex is in the graph, above `prev`."""
        self.entries += 1
        self.state.apply(header, prev.incarnation if prev is not None else 0)
        self.sealed.entered(header)
        if self._ahead and self._ahead.get(header.key[:2]) == (header.seq, header.id):
            del self._ahead[header.key[:2]]

    def _own_entered(self, header: Header, prev: VertexKey | None) -> None:
        self.entered(header, prev)
        for item in header.items:
            if isinstance(item, Op) and self._flying:
                self.recorded = self._flying.popleft().number

    def _restored(self, data: bytes | None, sealed: bytes | None, *, has_floor: bool) -> None:
        """At the start, before the first vertex: what the floor file has of the state."""
        self.sealed.restored(sealed, has_floor=has_floor)
        state = restore(data) if data is not None else None
        self.state = state or State()
        self.state.is_partial |= has_floor and state is None
        self._roots = Roots(self.state)
        self._is_restored = True

    def _cut(self, keys: Iterable[VertexKey]) -> None:
        """Own vertices left the graph: until somebody gives them back or a start reads the log anew, we are ahead."""
        gone = list(keys)
        self.sealed.cut(gone)
        for key in gone:
            line = self.state.lines.get(key[:2])
            if line is not None:
                self._ahead[key[:2]] = (line.head_seq, line.head_id)

    def _compare(self) -> None:
        """After recovery: which of what the snapshot covers the log does not have any more, nor a gateway."""
        self._is_restored = False
        for (author, incarnation), line in self.state.lines.items():
            if not self._graph.holds(VertexKey(author, incarnation, line.head_seq), line.head_id):
                self._ahead[author, incarnation] = (line.head_seq, line.head_id)

    # ---- what it says

    @property
    def is_partial(self) -> bool:
        """This is not the state of just what the graph holds."""
        return self.state.is_partial or bool(self._ahead)

    def root(self) -> bytes | None:
        """Of the state of everything held; None where that is not all there is to know, or not known."""
        return None if self.is_partial or self._admission.only is not None else self._roots.root()

    def status(self) -> dict[str, Any]:
        root = self.root()
        return {
            "names": self.state.size,
            "root": root[:ROOT_BYTES].hex() if root is not None else None,
            "partial": self.is_partial,
        }

    def counts(self) -> dict[str, int]:
        return {
            "state_names": self.state.size,
            "state_applied": self.state.applied,
            "state_dropped": self.state.dropped,
            "state_early": len(self.state.early),
            "state_queued": len(self._queue) + len(self._flying),
            **self.sealed.counts(),
        }

    # ---- what our own side says

    @staticmethod
    def _check(op: Op) -> None:
        """Refuse what no peer would take."""
        if isinstance(item_of(list(item_fields(op))), Refusal):
            raise ValueError(
                f"allowed: a name of 1 to {STATE_NAME_BYTES_MAX} bytes without control characters, a value of at most "
                f"{STATE_VALUE_BYTES_MAX} bytes, a whole number that is not 0"
            )

    def put(self, kind: int, name: str, value: bytes, now: Instant) -> int:
        """Put a value into a set, a register or a series; how many were `noted` with it."""
        op = Put(kind, name, value)
        self._check(op)
        if kind == ADD:
            self._admit_add(op, now)
        elif kind == GROW:
            self._admit(op, self._share.grown, (name, value))
        elif kind == REGISTER:
            self._admit(op, self._share.registers, name)
        return self._note(op, now)

    def count(self, name: str, delta: int, now: Instant) -> int:
        """Add to our part of a counter."""
        op = Count(name, delta)
        self._check(op)
        self._admit(op, self._share.counters, name)
        return self._note(op, now)

    def remove(self, name: str, element: bytes, now: Instant) -> int:
        """Take back every add of an element that we have seen."""
        if any(isinstance(op, Put) and op == (ADD, name, element) for op in self._waiting()):
            raise ValueError("it is being added just now; try again")
        elements = self.state.sets.get(name)
        tags = sorted(tag for tag, value in elements.tags.items() if value == element) if elements is not None else []
        if not tags:
            raise ValueError("no such element")
        if not all(self._is_observed(tag) for tag in tags):
            raise ValueError("this device has lost the line that put it in; another one can take it back")
        batches = list(_observable(tags, self._index))
        self._need_room(len(batches))
        for batch in batches:
            self._note(Remove(name, batch), now)
        return self.noted

    def _is_observed(self, tag: Tag) -> bool:
        """Whether our next vertices can prove that we have seen it: not if our log has lost it."""
        if tag.author == self._index:
            head = self._own.head
            if head is None or head[:2] not in self.state.lines:
                return head is not None  # the first vertex of this life is on its way to the disk
            return self.state.is_below(head._replace(seq=head.seq + 1), tag)
        branch = self._graph.branch(tag.author, tag.incarnation)
        return branch is not None and branch.head_seq >= tag.seq

    @property
    def _share(self) -> Share:
        return self.state.shares.get(self._index) or Share()

    def _waiting(self) -> Iterator[Op]:
        """Own operations that are not in the state yet."""
        return (queued.op for queued in chain(self._flying, self._queue))

    def _need_room(self, count: int = 1) -> None:
        if len(self._queue) + count > STATE_QUEUE_MAX:
            raise ValueError(f"{len(self._queue)} operations wait to be recorded; allowed: {STATE_QUEUE_MAX}")
        if not self._own.accepts(2):
            raise ValueError("the log is full")

    def _admit(self, op: Op, slots: Smallest, key: object) -> None:
        """Refuse what would take the slot of something else that counts."""
        known = dict.fromkeys((*slots.keys, key))
        known |= dict.fromkeys(_key(one) for one in self._waiting() if _kind(one) == _kind(op))
        if len(known) > STATE_SLOTS_MAX:
            raise ValueError(f"this node has {STATE_SLOTS_MAX} of this type; no more are allowed")

    def _admit_add(self, op: Put, now: Instant) -> None:
        """Say again first what would go out of our newest adds and still counts."""
        coming = [one for one in self._waiting() if isinstance(one, Put) and one.kind == ADD]
        slots = self._share.adds.slots
        said = [(name, self._element(name, Tag(*order[1:]))) for order, name in slots]
        live = {one for one in said if one[1] is not None}
        if len(live | {one[1:] for one in (*coming, op)}) > OWN_ADDS_MAX:
            raise ValueError(f"this node has {OWN_ADDS_MAX} elements in sets; take some back first")
        again: dict[tuple[str, bytes], None] = {}
        for at, (name, element) in enumerate(said):
            if len(said) - at + len(coming) + len(again) < STATE_SLOTS_MAX:
                break
            if element is not None and (name, element) not in {one[1:] for one in coming}:
                again[name, element] = None
        again.pop((op.name, op.value), None)
        self._need_room(1 + len(again))
        for name, element in again:
            self._note(Put(ADD, name, element), now)

    def _element(self, name: str, tag: Tag) -> bytes | None:
        elements = self.state.sets.get(name)
        return elements.tags.get(tag) if elements is not None else None

    def _note(self, op: Op, now: Instant) -> int:
        self._need_room()
        self.noted += 1
        size, due_ms = len(encode(item_fields(op))), now.mono_ms + self._author.options.commit_window_ms
        self._queue.append(_Queued(self.noted, op, size, due_ms))
        return self.noted

    # ---- on their way

    def deadline(self) -> float:
        """When `turn` has something to say, monotonic ms."""
        return self._queue[0].due_ms if self._queue and self._own.has_room else float("inf")

    def turn(self, epoch: int, now: Instant, *, is_last: bool = False) -> None:
        """Draft what is due; with `is_last` everything."""
        if self._is_restored:
            self._compare()
        self.sealed.turn(now)
        while self._queue and (is_last or (self._queue[0].due_ms <= now.mono_ms and self._own.has_room)):
            batch, parents = self._batch()
            self._flying += batch
            self._own.draft(epoch, now, items=tuple(queued.op for queued in batch), needs=parents)

    def _batch(self) -> tuple[list[_Queued], dict[int, tuple[Parent, int]]]:
        """The next operations that one vertex can carry, and the parents they need with their clocks, by author."""
        batch: list[_Queued] = []
        parents: dict[int, tuple[Parent, int]] = {}
        size = 0
        while self._queue and len(batch) < ITEMS_MAX:
            size += self._queue[0].size_bytes
            needs = self._needs(self._queue[0].op)
            if batch and (size > OPS_BYTES or not _agree(parents, needs)):
                break
            parents |= needs
            batch.append(self._queue.popleft())
        return batch, parents

    def _needs(self, op: Op) -> dict[int, tuple[Parent, int]]:
        """What a vertex must name so that this operation counts."""
        needs: dict[int, tuple[Parent, int]] = {}
        for tag in op.tags if isinstance(op, Remove) else ():
            if tag.author == self._index:
                continue
            branch = self._graph.branch(tag.author, tag.incarnation)
            assert branch is not None and branch.head_seq >= tag.seq, "only our own line is ever cut"
            parent = Parent(*branch.head, branch.id_at(branch.head_seq) or b"")
            needs[tag.author] = (parent, self.state.lines[tag.author, tag.incarnation].clock)
        return needs


def _observable(tags: list[Tag], own: int) -> Iterator[tuple[Tag, ...]]:
    """Parts that one vertex can have observed: of each other author one incarnation; at most STATE_TAGS_MAX in each."""
    rest = tags
    while rest:
        lives: dict[int, int] = {}
        batch: list[Tag] = []
        for tag in rest:
            if len(batch) < STATE_TAGS_MAX and (
                tag.author == own or lives.setdefault(tag.author, tag.incarnation) == tag.incarnation
            ):
                batch.append(tag)
        yield tuple(batch)
        rest = [tag for tag in rest if tag not in batch]


def _agree(one: dict[int, tuple[Parent, int]], other: dict[int, tuple[Parent, int]]) -> bool:
    """Whether one vertex can name both: an author is named once, and all parents fit."""
    same = all(one[author][0] == parent for author, (parent, _) in other.items() if author in one)
    return same and len(one | other) <= STATE_TAGS_MAX


def _kind(op: Op) -> tuple[type, int]:
    return type(op), op.kind if isinstance(op, Put) else 0


def _key(op: Op) -> object:
    """What takes a slot."""
    return op[1:] if isinstance(op, Put) and op.kind == GROW else op.name
