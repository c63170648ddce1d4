"""What our registers hold, as a few bytes that peers compare with theirs; and what either side lacks."""

from __future__ import annotations

from collections.abc import Iterable

from edge.consensus.registers import Final, Registers
from edge.limits import CERTIFICATE_BYTES_MAX, REGISTERS_MAX
from edge.wire.finals import MARK_BYTES, FinalsRequest, Held, mark_of, part_of, parts_for, tag_of
from edge.wire.items import Question

Marks = list[bytes]


class Standing:
    """Of one node's registers. Versions only rise, so a greater sum in a part has something that is new to others."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
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

    def newer(self, request: FinalsRequest) -> list[Final]:
        """What an answer brings: certificates that are newer than what the asker holds, as many as fit.

        They begin anywhere, as the request's number says: one that the asker cannot use keeps nothing else back.
        """
        theirs = dict(request.held)
        asked = set(request.asked)
        found = list[Final]()
        for final in self._registers:
            tag = self._tag(final.question)
            if part_of(tag, request.parts) in asked and final.question.version > theirs.get(tag, 0):
                found.append(final)
        start = request.correlation % max(1, len(found))
        room, chosen = CERTIFICATE_BYTES_MAX, list[Final]()
        for final in (*found[start:], *found[:start]):
            room -= len(final.certificate) + 5
            if room < 0 and chosen:
                break
            chosen.append(final)
        return chosen

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
