"""From a reading to a queued event: windows become inferences, and what they say is recorded or shed."""

from __future__ import annotations

from functools import partial

from edge.dag.author import Author
from edge.effects import Infer
from edge.ids import Instant
from edge.limits import AGENTS_MAX, TICKETS_MAX
from edge.node.desk import Desk
from edge.node.ownline import OwnLine
from edge.sense.reading import Reading
from edge.sense.senses import Senses
from edge.sense.window import Window
from edge.wire.event import TIME_UNSURE

_OPEN_MAX = TICKETS_MAX + AGENTS_MAX
"""Peers may have their share open when a reading completes a window of every agent there can be."""


class Sensing:
    """Between the senses and our own line."""

    def __init__(self, desk: Desk, senses: Senses, author: Author, own: OwnLine) -> None:
        self._desk = desk
        self._senses = senses
        self._author = author
        self._own = own

    def read(self, reading: Reading, now: Instant) -> None:
        for agent, window in self._senses.read(reading, now.mono_ms):
            if not self._own.accepts(self._senses.retention(agent)) or self._desk.open_tickets >= _OPEN_MAX:
                self._shed(agent, window)
            elif window.outputs is not None:
                self._inferred(agent, window, window.outputs, now)
            else:
                ticket = self._desk.ticket(partial(self._inferred, agent, window))
                self._desk.do(Infer(ticket, agent, window.tensor))

    def _inferred(self, agent: str, window: Window, outputs: tuple[float, ...] | None, now: Instant) -> None:
        senses = self._senses
        if not self._own.accepts(senses.retention(agent)):
            return self._shed(agent, window)
        event = senses.outputs(agent, window, outputs)
        if event is None:
            return None
        urgent, retention = senses.is_urgent(event), senses.retention(agent)
        if not self._author.is_sure(now.wall_ms):
            event = event._replace(flags=event.flags | TIME_UNSURE)
        self._own.add(event, now, urgent=urgent, retention=retention, tally=senses.tally())
        return None

    def _shed(self, agent: str, window: Window) -> None:
        self._senses.shed(agent, window)
        self._author.shed(self._senses.retention(agent))
