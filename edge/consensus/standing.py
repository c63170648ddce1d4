"""What our registers hold, as a few bytes that peers compare with theirs; and what either side lacks."""

from __future__ import annotations

from collections.abc import Iterable

from edge.consensus.checkpoint import CHECKPOINT_KEY, Checkpoints
from edge.consensus.registers import Final, Registers
from edge.limits import CERTIFICATE_BYTES_MAX, REGISTER_KEY_BYTES_MAX, REGISTERS_MAX
from edge.wire.finals import (
    MARK_BYTES,
    FinalsRequest,
    Held,
    SealedLeaf,
    SealedRow,
    Unsealed,
    mark_of,
    part_of,
    parts_for,
    tag_of,
)
from edge.wire.items import Question

Marks = list[bytes]
ROW_BYTES = REGISTER_KEY_BYTES_MAX + 60
"""Of a row beside its value, at most."""
LEAF_BYTES = 56


def unsealed_bytes(unsealed: Unsealed) -> int:
    """How long it is in an answer, at most."""
    return sum(len(row.value) + ROW_BYTES for row in unsealed.rows) + LEAF_BYTES * len(unsealed.leaves)


class Standing:
    """Of one node's registers. Versions only rise, so a greater sum in a part has something that is new to others."""

    def __init__(self, registers: Registers, checkpoints: Checkpoints) -> None:
        self._registers = registers
        self._checkpoints = checkpoints
        self._changes = -1
        self._held: list[Held] = []
        self._marks: dict[int, Marks] = {}
        """By the number of parts."""

    def said(self) -> bytes:
        """Our statement: nothing while nothing is final, else a mark for each part."""
        self._refresh()
        return b"".join(self._marks_of(parts_for(len(self._held)))) if self._held else b""

    def ahead(self, said: bytes) -> tuple[int, ...]:
        """The parts in which whoever says this holds something newer than we, or may: of as much, but not the same."""
        self._refresh()
        theirs = [said[at : at + MARK_BYTES] for at in range(0, len(said), MARK_BYTES)]
        if not theirs:
            return ()
        ours = self._marks_of(len(theirs))
        return tuple(
            part
            for part, (our, their) in enumerate(zip(ours, theirs, strict=True))
            if their != our and their[:8] >= our[:8]
        )

    def held(self, parts: int, asked: Iterable[int]) -> tuple[Held, ...]:
        """What we hold in these parts, by tag ascending."""
        self._refresh()
        wanted = set(asked)
        return tuple(pair for pair in self._held if part_of(pair[0], parts) in wanted)[:REGISTERS_MAX]

    def answer(self, request: FinalsRequest) -> tuple[list[Final], Unsealed | None]:
        """What an answer brings of what is newer than what the asker holds: certificates, as many as fit, and what our
        newest checkpoint vouches for.

        Certificates begin anywhere, as the request's number says: one that the asker cannot use keeps no other back.
        """
        found = self._newer(request)
        sealed = self._sealed(found)
        unsealed = self._unseal(sealed) if sealed else None
        room = CERTIFICATE_BYTES_MAX - (unsealed_bytes(unsealed) if unsealed is not None else 0)
        found = [final for final in found if final.certificate and (unsealed is None or final not in sealed)]
        start = request.correlation % max(1, len(found))
        chosen = list[Final]()
        for final in (*found[start:], *found[:start]):
            room -= len(final.certificate) + 5
            if room < 0 and chosen:
                break
            chosen.append(final)
        return chosen, unsealed

    def _newer(self, request: FinalsRequest) -> list[Final]:
        theirs, asked = dict(request.held), set(request.asked)
        found = list[Final]()
        for final in self._registers:
            tag = self._tag(final.question)
            if part_of(tag, request.parts) in asked and final.question.version > theirs.get(tag, 0):
                found.append(final)
        return found

    def _sealed(self, finals: list[Final]) -> list[Final]:
        """Of these what one checkpoint vouches for, where that spares more than one certificate or takes the place of
        one that we do not have."""
        for scope, seal in self._checkpoints.seals.items():
            held = self._registers.get(scope, CHECKPOINT_KEY)
            if held is None or held.question.version != seal.version:
                continue
            sealed = [one for one in finals if one.question.scope == scope and self._checkpoints.is_leaf(one)]
            if len(sealed) > 1 or not all(one.certificate for one in sealed):
                return sealed
        return []

    def _unseal(self, finals: list[Final]) -> Unsealed:
        """The rows of these as far as there is room, and the leaves of all the others."""
        scope = finals[0].question.scope
        leaves, room, rows = dict(self._checkpoints.seals[scope].leaves), CERTIFICATE_BYTES_MAX // 2, list[SealedRow]()
        for final in finals:
            question = final.question
            room -= len(final.value) + ROW_BYTES
            if room >= 0:
                rows.append(SealedRow(*question[1:], final.value))
                del leaves[tag_of(scope, question.key)]
        others = tuple(SealedLeaf(tag, *leaf) for tag, leaf in sorted(leaves.items()))
        return Unsealed(scope, tuple(sorted(rows, key=lambda row: row.key)), others)

    def lacking(self, request: FinalsRequest) -> tuple[int, ...]:
        """The parts in which the asker holds something newer than we, by its own word."""
        self._refresh()
        ours = dict(self._held)
        newer = {part_of(tag, request.parts) for tag, version in request.held if version > ours.get(tag, 0)}
        return tuple(sorted(newer.intersection(request.asked)))

    def _tag(self, question: Question) -> bytes:
        """Of a value decided since a recovery another one: it is news for who holds the same version of before."""
        return tag_of(question.scope, question.key, self._registers.generation(question.scope, question.epoch))

    def _refresh(self) -> None:
        if self._changes != self._registers.changes:
            self._changes = self._registers.changes
            questions = [final.question for final in self._registers]
            self._held = sorted((self._tag(one), one.version) for one in questions)
            self._marks = {}

    def _marks_of(self, parts: int) -> Marks:
        if parts not in self._marks:
            held: list[list[Held]] = [[] for _ in range(parts)]
            for pair in self._held:
                held[part_of(pair[0], parts)].append(pair)
            self._marks[parts] = [mark_of(pairs) for pairs in held]
        return self._marks[parts]
