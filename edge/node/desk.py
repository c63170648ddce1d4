"""Effects of the input being handled, and what each ticket's answer is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.effects import Effect, Report, Ticket
from edge.ids import Instant

Then = Callable[[Any, Instant], None]


class Desk:
    """Every asynchronous effect takes a ticket here; its result finds its continuation by it."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self._waits: dict[Ticket, Then] = {}
        self._last = 0

    @property
    def open_tickets(self) -> int:
        return len(self._waits)

    @property
    def is_clear(self) -> bool:
        """Nothing has been said that is yet to be done."""
        return not self._effects

    def do(self, effect: Effect) -> None:
        self._effects.append(effect)

    def report(self, level: str, event: str, **fields: object) -> None:
        self._effects.append(Report(level, event, tuple(fields.items())))

    def ticket(self, then: Then) -> Ticket:
        self._last += 1
        self._waits[self._last] = then
        return self._last

    def answer(self, ticket: Ticket, result: Any, now: Instant) -> None:
        """Hand a result to its continuation; an unknown ticket is an answer from before a restart of its worker."""
        then = self._waits.pop(ticket, None)
        if then is not None:
            then(result, now)

    def forget(self) -> None:
        """No result that is still on its way matters any more."""
        self._waits.clear()

    def take(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects
