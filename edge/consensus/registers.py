"""What is final: for each key of a scope the newest certified value, a chain of compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from edge.consensus.question import follows
from edge.limits import REGISTERS_MAX
from edge.wire.items import Question
from edge.wire.refusal import Refusal


class Final(NamedTuple):
    """A decided question, the value, the ballot that decided, and the certificate; None and empty where a checkpoint
    alone vouches for it."""

    question: Question
    value: bytes
    ballot: int | None
    certificate: bytes


class Registers:
    """Newest finals by (scope, key), in the order in which the keys came."""

    def __init__(self, site: bytes) -> None:
        self._site = site
        self._finals: dict[tuple[str, str], Final] = {}
        self.generation: Callable[[str, int], int] = lambda scope, epoch: 0
        """How often a lost committee of a scope was replaced up to an epoch: of one version the later word counts."""
        self._overruled: list[Final] = []
        self.changes = 0
        """How often a value was taken."""

    def __iter__(self) -> Iterator[Final]:
        return iter(self._finals.values())

    def __len__(self) -> int:
        return len(self._finals)

    @property
    def is_full(self) -> bool:
        return len(self._finals) >= REGISTERS_MAX

    def get(self, scope: str, key: str) -> Final | None:
        return self._finals.get((scope, key))

    def rank(self, question: Question) -> tuple[int, int]:
        """Of two final values of a register, that with the higher one stands."""
        return question.version, self.generation(question.scope, question.epoch)

    def is_recovered(self, question: Question) -> bool:
        """Whether it was decided since the keys put a committee in the place of a lost one: what that one had certified
        may have been otherwise."""
        return self.generation(question.scope, question.epoch) > 0

    def take(self, final: Final) -> bool:
        """Keep what is certified; False if as new a version is held. It may be some versions ahead: a quorum vouches
        for what lies between."""
        held = self.get(final.question.scope, final.question.key)
        if held is not None and self.rank(held.question) >= self.rank(final.question):
            if self.overrules(final.question, final.value):
                self._overruled.append(final)
            return False
        self._finals[final.question.scope, final.question.key] = final
        self.changes += 1
        return True

    def overrules(self, question: Question, value: bytes) -> bool:
        """Whether of the same version another value stands, decided since the committee that answered this was lost."""
        held = self.get(question.scope, question.key)
        if held is None or held.question.version != question.version or held.value == value:
            return False
        return self.rank(held.question) > self.rank(question)

    def take_overruled(self) -> list[Final]:
        """What was certified, came late, and does not count."""
        overruled, self._overruled = self._overruled, []
        return overruled

    def is_past(self, question: Question) -> bool:
        """Whether it was decided, as far as we know."""
        held = self.get(question.scope, question.key)
        return held is not None and self.rank(held.question) >= self.rank(question)

    def stale(self, question: Question) -> Refusal | None:
        """Why a certificate that answers this is of no use; None if it is newer than what is held."""
        return Refusal("certificate-stale", f"{question.key} {question.version}") if self.is_past(question) else None

    def is_next(self, question: Question) -> bool:
        """Whether it asks for what comes after the present value."""
        held = self.get(question.scope, question.key)
        if held is not None and self._is_again(held.question, question):
            return True
        return follows(self._site, (held.question, held.value) if held is not None else None, question)

    def _is_again(self, held: Question, question: Question) -> bool:
        """Whether it is what our value answers, asked once more since the committee that certified this was lost."""
        return held._replace(epoch=question.epoch) == question and self.rank(held) < self.rank(question)

    def contradicts(self, final: Final) -> bool:
        """Whether a value decided since a recovery is held, and this is one of before that does not go on from it."""
        held = self.get(final.question.scope, final.question.key)
        if held is None or self.rank(held.question)[1] <= self.rank(final.question)[1]:
            return False
        is_next = held.question.version + 1 == final.question.version
        return is_next and not follows(self._site, (held.question, held.value), final.question)
