"""The journal's thread in virtual time: what waits when it wakes is appended, and shares one sync a little later.

The same steps as `edge.shell.scribe`, cut where time passes: appended now, durable and answered when the sync is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from edge.dag.eliding import Choice, Elided, elide
from edge.dag.inorder import InOrder
from edge.dag.journal import Journal
from edge.dag.trimming import trim
from edge.effects import Elide, Load, NoteVotes, Persist, Trim
from edge.ids import VertexKey
from edge.sim import card, elisions

if TYPE_CHECKING:
    from edge.sim.machine import Machine

APPEND_MS = 0.05
Asked = Persist | Load | Trim | Elide | NoteVotes
Answer = tuple[Persist, tuple[int, ...] | None]


class Scribe:
    """Belongs to one life of a machine; a power cut or a dead disk inside ends that life."""

    def __init__(self, machine: Machine, journal: Journal, rng: Random) -> None:
        self.journal = journal
        self._in_order = InOrder(journal)
        self.answers_early = False
        """The rule that durable comes first is broken."""
        self._machine = machine
        self._elisions: deque[tuple[Elide, list[VertexKey], Generator[None, None, Elided | None]]] = deque()
        """With what could be proven before."""
        self.choose = Choice
        self._rng = rng
        self._queue: deque[Asked] = deque()
        self._is_busy = False

    def put(self, effect: Asked) -> None:
        self._queue.append(effect)
        if not self._is_busy:
            self._is_busy = True
            self._machine.later(APPEND_MS, self._begin)

    def _begin(self) -> None:
        batch = list(self._queue)
        self._queue.clear()
        answers: list[Answer] = []
        must_sync = False
        for effect in batch:
            if isinstance(effect, Trim):
                self._trim(effect)
            elif isinstance(effect, Elide):
                before = elisions.provable(self._machine, effect.segment)
                self._elisions.append((effect, before, elide(self.journal, effect.segment, self.choose(effect.spans))))
            elif isinstance(effect, NoteVotes):
                self._note(effect)
            elif isinstance(effect, Persist):
                places = self._in_order.append(effect.records)
                must_sync |= effect.sync and places is not None
                answers.append((effect, places))
        if self.answers_early:
            self._answer(answers)
            answers = []
        loads = [effect for effect in batch if isinstance(effect, Load)]
        wait_ms = self._rng.uniform(*self._machine.sync_ms) if must_sync else APPEND_MS
        self._machine.later(wait_ms, self._end, answers, loads, must_sync)

    def _end(self, answers: list[Answer], loads: list[Load], must_sync: bool) -> None:
        if must_sync:
            self.journal.commit()
        self._answer(answers)
        machine = self._machine
        for effect in loads:
            machine.feed(machine.node.loaded, effect.ticket, tuple(map(self.journal.read, effect.places)))
        self._go_on()
        if self._queue or self._elisions:
            machine.later(APPEND_MS, self._begin)
        else:
            self._is_busy = False

    def _answer(self, answers: list[Answer]) -> None:
        machine = self._machine
        stored: Callable[..., object] = machine.node.stored
        for effect, places in answers:
            if effect.sync and places is not None and not self.answers_early:
                machine.world.checkers.durable(machine, effect.records)
            machine.feed(stored, effect.ticket, places)

    def _trim(self, effect: Trim) -> None:
        machine = self._machine
        places = trim(self.journal, partial(card.save_floor, machine.disk), effect.floor, effect.records, effect.before)
        machine.feed(machine.node.trimmed, effect.ticket, places)

    def _go_on(self) -> None:
        """One step of what is written anew, between what waits."""
        if not self._elisions or not self._machine.is_on:
            return
        effect, before, steps = self._elisions[0]
        try:
            next(steps)
        except StopIteration as end:
            self._elisions.popleft()
            if end.value is not None:
                elisions.check(self._machine, effect.segment, before)
            self._machine.feed(self._machine.node.elided, effect.ticket, end.value)

    def _note(self, effect: NoteVotes) -> None:
        machine = self._machine
        self.journal.commit()
        card.note_votes(machine.keys, effect.data)
        machine.later(self._rng.uniform(*machine.sync_ms), machine.feed, machine.node.answered, effect.ticket, True)
