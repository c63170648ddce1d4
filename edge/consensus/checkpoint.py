"""Checkpoints: a quorum of heads, and what was final when they were named (docs/decisions/0038).

The register `checkpoint` of a scope. Its value names the heads of q members, by their vertices: what all of these had
said that they hold is *sealed* with it, so at least q - r honest logs have it. And it names the versions of registers,
with a root over what they are: a value that is sealed needs no certificate of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from edge.consensus.committee import Seats
from edge.consensus.question import final_id, value_digest
from edge.consensus.registers import Final, Registers
from edge.ids import Parent, VertexKey
from edge.limits import CHECKPOINT_IDS_MAX, COMMITTEE_MAX, VALUE_BYTES_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.finals import TAG_BYTES, Unsealed, tag_of
from edge.wire.items import Question, is_index, is_number
from edge.wire.merkle import Digest, leaf_hash, root_of
from edge.wire.vertex import Header
from edge.wire.voters import SITE_SCOPE

CHECKPOINT_KEY = "checkpoint"
"""The register of a scope. Members ask for it themselves."""
FORM = 2
"""Of the value."""
FAIR_STEP = 31  # from one version to the next somebody else's lines come first: what has no room has it soon
STATE_BYTES = 36  # that the root of shared state takes, and how many lines there are
PREFIX_BYTES = 16
"""Of a vertex id: a second chain that begins alike costs 2^128 hashes."""


class Head(NamedTuple):
    """A member's vertex, by its key and the beginning of its id."""

    author: int
    incarnation: int
    seq: int
    prefix: bytes


Sealed = tuple[bytes, int]
"""The tag of a key and its version."""


class Checkpoint(NamedTuple):
    """What the value of the register says."""

    base: int
    """The version of the checkpoint that `sealed` goes on from; 0 for none."""
    heads: tuple[Head, ...]
    """Of q members, by author ascending."""
    sealed: tuple[Sealed, ...]
    """By tag ascending."""
    root: Digest
    """Of all registers as they are sealed, those of the base among them."""
    roster: int
    """The version that its proposer went by."""
    lines: tuple[VertexKey, ...] = ()
    """Up to which vertices shared state moves on from the last checkpoint with a `state`; one a line, ascending."""
    state: Digest | None = None
    """The root of shared state up to there; None where the proposer does not know it, or in another scope than the
    site's."""


class Leaf(NamedTuple):
    """A register as it is sealed."""

    version: int
    final: Digest
    """`final_id` of the version."""


Leaves = Mapping[bytes, Leaf]
"""By the tag of the key."""


class Seal(NamedTuple):
    """What the newest final checkpoint of a scope comes to, for who has what it goes on from."""

    version: int
    heads: tuple[Head, ...]
    leaves: Leaves
    epoch: int = 0  # of the committee that decided it; 0 where our own log does not say


class SharedState(Protocol):
    """Shared state at the cut of the newest checkpoint that says something of it."""

    changes: int
    """Moves whenever one of these answers may."""
    ready: int
    """Vertices that the last answer of `ends` would bring."""

    def fits(self, ends: tuple[VertexKey, ...], root: Digest) -> bool:
        """Whether it has this root once these lines are in it up to there."""

    def learned(self, version: int, ends: tuple[VertexKey, ...], root: Digest) -> None:
        """A final checkpoint says so."""

    def ends(self) -> list[VertexKey] | None:
        """Up to where lines may move on; None if it is not known here where they stand."""

    def root(self, ends: tuple[VertexKey, ...]) -> Digest | None:
        """With these in it up to there."""


def is_checkpoint(question: Question) -> bool:
    return question.key == CHECKPOINT_KEY


def head_of(parent: Parent) -> Head:
    return Head(*parent.key, parent.id[:PREFIX_BYTES])


def keys_of(heads: Iterable[Head]) -> dict[int, VertexKey]:
    """By author, the vertices that they name."""
    return {head.author: VertexKey(*head[:3]) for head in heads}


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    base, heads, sealed, root, roster, lines, state = checkpoint
    flat = [field for pair in sealed for field in pair]
    ends = [field for end in lines for field in end]
    return encode([FORM, base, [list(head) for head in heads], flat, root, roster, ends, state])


def decode_checkpoint(value: bytes) -> Checkpoint | None:
    """None for anything that `encode_checkpoint` would not write."""
    try:
        fields = decode(value, depth_max=3) if len(value) <= VALUE_BYTES_MAX else None
    except Malformed:
        return None
    match fields:
        case [form, base, list() as heads, list() as flat, bytes() as root, roster, list() as ends, state] if (
            type(form) is int and form == FORM and is_number(base) and is_index(roster) and len(root) == 32
        ):
            pass
        case _:
            return None
    lines = _lines(ends)
    if lines is None or not ((state is None and not lines) or (type(state) is bytes and len(state) == 32)):
        return None
    named, pairs = heads_of(heads), list(zip(flat[::2], flat[1::2], strict=False))
    if named is None or len(flat) % 2 or not all(_is_sealed(*pair) for pair in pairs) or not _ascends(flat[::2]):
        return None
    return Checkpoint(base, named, tuple(pairs), root, roster, lines, state)


def _lines(values: list[Any]) -> tuple[VertexKey, ...] | None:
    lines = [VertexKey(*values[at : at + 3]) for at in range(0, len(values) // 3 * 3, 3)]
    are_ends = all(
        is_index(end.author) and is_index(end.incarnation) and end.incarnation and is_number(end.seq) and end.seq
        for end in lines
    )
    is_whole = len(lines) * 3 == len(values)
    return tuple(lines) if is_whole and are_ends and _ascends([end[:2] for end in lines]) else None


def heads_of(values: list[Any]) -> tuple[Head, ...] | None:
    """As a value or a record has them; None for anything else."""
    heads = [Head(*value) for value in values if type(value) is list and len(value) == len(Head._fields)]
    are_named = all(is_index(head.author) and is_index(head.incarnation) and head.incarnation for head in heads)
    if len(heads) != len(values) or not 1 <= len(heads) <= COMMITTEE_MAX or not are_named:
        return None
    are_vertices = all(
        is_number(head.seq) and head.seq and type(head.prefix) is bytes and len(head.prefix) == PREFIX_BYTES
        for head in heads
    )
    return tuple(heads) if are_vertices and _ascends([head.author for head in heads]) else None


def _is_sealed(tag: object, version: object) -> bool:
    return type(tag) is bytes and len(tag) == TAG_BYTES and is_number(version) and bool(version)


def _ascends(values: list[Any]) -> bool:
    return all(low < high for low, high in pairwise(values))


def root_of_leaves(site: bytes, scope: str, leaves: Leaves) -> Digest:
    """The tree of RFC 9162 over CBOR [site, scope, tag, version, final], by tag ascending."""
    return root_of([leaf_hash(encode([site, scope, tag, *leaf])) for tag, leaf in sorted(leaves.items())])


class Checkpoints:
    """Of all scopes, as one node knows them. Told of each value that becomes final here, in any order."""

    def __init__(self, site: bytes, registers: Registers) -> None:
        self._site = site
        self._registers = registers
        self.seals: dict[str, Seal] = {}
        self.changes = 0
        """How often one was taken."""
        self.state: SharedState | None = None
        """Of the whole site; of nobody who keeps its own line only."""
        self._ids: dict[tuple[str, bytes, int], Digest] = {}
        """By scope, tag and version, what was final here, in the order it was learned: others may name it later."""
        self._opened: tuple[Question, bytes, int, int, bool] | None = None
        """The last answer of `opens_ms`, and what it was about."""

    # ---- what is final

    def learned(self, final: Final) -> None:
        question = final.question
        if is_checkpoint(question):
            return self._seal(question, final.value)
        self._note(question, final_id(self._site, question, value_digest(final.value)))
        if question.predecessor is not None:  # a quorum vouches for that as well
            self._note(question._replace(version=question.version - 1), question.predecessor)
        return None

    def _note(self, question: Question, id: Digest) -> None:
        self._ids[question.scope, tag_of(question.scope, question.key), question.version] = id
        while len(self._ids) > CHECKPOINT_IDS_MAX:
            del self._ids[next(iter(self._ids))]

    def _seal(self, question: Question, value: bytes) -> None:
        checkpoint = decode_checkpoint(value)
        shared = self._shared(question.scope)
        if checkpoint is not None and checkpoint.state is not None and shared is not None:
            shared.learned(question.version, checkpoint.lines, checkpoint.state)
        if checkpoint is None or self.version(question.scope) >= question.version:
            return
        leaves = self._leaves(question.scope, checkpoint)
        if leaves is not None:
            self.adopt(question.scope, Seal(question.version, checkpoint.heads, leaves, question.epoch))

    def adopt(self, scope: str, seal: Seal) -> None:
        """Go by this, which our own log says, or what was learned."""
        if seal.version > self.version(scope):
            self.seals[scope] = seal
            self.changes += 1

    def version(self, scope: str) -> int:
        """Of the newest checkpoint that we know all of; 0 for none."""
        return self.seals[scope].version if scope in self.seals else 0

    def is_sealed(self, question: Question) -> bool:
        """Whether this version of a key, or a later one, is below a final checkpoint."""
        seal = self.seals.get(question.scope)
        leaf = seal.leaves.get(tag_of(question.scope, question.key)) if seal is not None else None
        return leaf is not None and leaf.version >= question.version

    def is_leaf(self, final: Final) -> bool:
        """Whether the newest checkpoint names just this."""
        question, seal = final.question, self.seals.get(final.question.scope)
        leaf = seal.leaves.get(tag_of(question.scope, question.key)) if seal is not None else None
        return leaf == Leaf(question.version, final_id(self._site, question, value_digest(final.value)))

    def unseal(self, unsealed: Unsealed) -> list[Final] | None:
        """What somebody says that the newest checkpoint seals: the values, if its root is over just this, and that is
        gone by from now on; else None. No certificate of its own says what ballot decided one."""
        scope = unsealed.scope
        held = self._registers.get(scope, CHECKPOINT_KEY)
        checkpoint = decode_checkpoint(held.value) if held is not None else None
        if held is None or checkpoint is None:
            return None
        leaves = {leaf.tag: Leaf(leaf.version, leaf.final) for leaf in unsealed.leaves}
        finals = []
        for row in unsealed.rows:
            question = Question(scope, *row[:4])
            if question.epoch > held.question.epoch:
                return None
            id = final_id(self._site, question, value_digest(row.value))
            leaves[tag_of(scope, row.key)] = Leaf(row.version, id)
            finals.append(Final(question, row.value, None, b""))
        if root_of_leaves(self._site, scope, leaves) != checkpoint.root:
            return None
        self.adopt(scope, Seal(held.question.version, checkpoint.heads, leaves, held.question.epoch))
        return finals

    # ---- what is proposed

    def unsealed(self, scope: str) -> list[Final]:
        """What became final since, in the order in which the keys came."""
        finals = (final for final in self._registers if final.question.scope == scope)
        return [one for one in finals if not is_checkpoint(one.question) and not self.is_sealed(one.question)]

    @property
    def state_changes(self) -> int:
        """Moves whenever what we know of shared state may have."""
        return self.state.changes if self.state is not None else 0

    def knows_state(self, scope: str) -> bool:
        """Whether we can say what shared state comes to, if anybody can."""
        shared = self._shared(scope)
        return shared is None or shared.ends() is not None

    def ahead(self, scope: str) -> tuple[int, int]:
        """How many lines of shared state may move on, and by how many vertices."""
        shared = self._shared(scope)
        return (len(shared.ends() or ()), shared.ready) if shared is not None else (0, 0)

    def value(self, scope: str, heads: Iterable[Head], roster: int, version: int) -> bytes | None:
        """What to propose as this version: every key if there is room for all, else what the last checkpoint has not
        and there is room for. None where that is not known here."""
        finals = [one for one in self._registers if one.question.scope == scope and not is_checkpoint(one.question)]
        bare = Checkpoint(0, tuple(sorted(heads)), (), bytes(32), roster)
        checkpoint = self._with_state(scope, bare, version)._replace(sealed=_pairs(finals))
        if len(encode_checkpoint(checkpoint)) > VALUE_BYTES_MAX:
            if version - 1 != self.version(scope):
                return None
            chosen = self.unsealed(scope)
            while True:
                checkpoint = checkpoint._replace(base=version - 1, sealed=_pairs(chosen))
                over = len(encode_checkpoint(checkpoint)) - VALUE_BYTES_MAX
                if over <= 0:
                    break
                del chosen[-(over // (TAG_BYTES + 10) + 1) :]
        leaves = self._named(scope, checkpoint)
        if leaves is None:
            return None
        return encode_checkpoint(checkpoint._replace(root=root_of_leaves(self._site, scope, leaves)))

    def _with_state(self, scope: str, checkpoint: Checkpoint, version: int) -> Checkpoint:
        """With the root of shared state, moved on by what half the room is enough for; without, if it is not known."""
        shared = self._shared(scope)
        ends = shared.ends() if shared is not None else None
        if shared is None or ends is None:
            return checkpoint
        turn = version * FAIR_STEP % max(1, len(ends))
        room, chosen = (VALUE_BYTES_MAX - len(encode_checkpoint(checkpoint))) // 2 - STATE_BYTES, list[VertexKey]()
        for end in ends[turn:] + ends[:turn]:
            room -= len(encode(end)) - 1
            if room < 0:
                break
            chosen.append(end)
        lines = tuple(sorted(chosen))
        root = shared.root(lines)
        return checkpoint._replace(lines=lines, state=root) if root is not None else checkpoint

    def fault(self, value: bytes, header: Header, prev: VertexKey | None, seats: Seats) -> str:
        """Why the proposal of a checkpoint in this vertex counts for nothing; empty if it may be decided.

        Its heads are what the vertex itself goes on from and names: whoever holds the vertex holds them, and what is
        below them.
        """
        checkpoint = decode_checkpoint(value)
        if checkpoint is None or checkpoint.roster > header.epoch:
            return "proposal-checkpoint"
        if header.author not in seats.members:
            return "proposal-unauthorised"
        named = {head_of(parent) for parent in header.parents}
        if prev is not None and header.prev is not None:
            named.add(Head(*prev, header.prev[:PREFIX_BYTES]))
        are_voters = all(head.author in seats.members for head in checkpoint.heads)
        if not are_voters or len(checkpoint.heads) != seats.committee.quorum or not named.issuperset(checkpoint.heads):
            return "proposal-checkpoint"
        return ""

    def opens_ms(self, question: Question, value: bytes) -> float:
        """From when on a member may vote for the value, monotonic ms: at once where all that it names was final here,
        else never. Until then nobody says anything, so a false one costs nothing."""
        asked = (question, value, self._registers.changes, self.state_changes)
        if self._opened is None or self._opened[:4] != asked:
            self._opened = (*asked, self._is_true(question, value))
        return 0.0 if self._opened[4] else float("inf")

    def _is_true(self, question: Question, value: bytes) -> bool:
        checkpoint = decode_checkpoint(value)
        is_next = checkpoint is not None and checkpoint.base in (0, question.version - 1)
        if checkpoint is None or not is_next or not self._is_state(question.scope, checkpoint):
            return False
        leaves, before = self._leaves(question.scope, checkpoint), self.seals.get(question.scope)
        if leaves is None or before is None:
            return leaves is not None
        return all(tag in leaves and leaves[tag].version >= leaf.version for tag, leaf in before.leaves.items())

    def _is_state(self, scope: str, checkpoint: Checkpoint) -> bool:
        """Whether shared state is known here to be what it says; it may say nothing."""
        shared = self._shared(scope)
        return checkpoint.state is None or (shared is not None and shared.fits(checkpoint.lines, checkpoint.state))

    def _shared(self, scope: str) -> SharedState | None:
        return self.state if scope == SITE_SCOPE else None

    def _leaves(self, scope: str, checkpoint: Checkpoint) -> dict[bytes, Leaf] | None:
        """All that is sealed with it, if that is known here and its root is right."""
        leaves = self._named(scope, checkpoint)
        is_right = leaves is not None and root_of_leaves(self._site, scope, leaves) == checkpoint.root
        return leaves if is_right else None

    def _named(self, scope: str, checkpoint: Checkpoint) -> dict[bytes, Leaf] | None:
        if checkpoint.base and checkpoint.base != self.version(scope):
            return None
        leaves = dict(self.seals[scope].leaves) if checkpoint.base else {}
        for tag, version in checkpoint.sealed:
            id = self._ids.get((scope, tag, version))
            if id is None:
                return None
            leaves[tag] = Leaf(version, id)
        return leaves


def _pairs(finals: Iterable[Final]) -> tuple[Sealed, ...]:
    return tuple(sorted((tag_of(one.question.scope, one.question.key), one.question.version) for one in finals))
