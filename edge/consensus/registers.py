"""What is final: for each key of a scope the newest certified value, a chain of compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from edge.consensus.question import follows
from edge.limits import REGISTERS_MAX
from edge.wire.items import Question
from edge.wire.refusal import Refusal


class Final(NamedTuple):
    """A decided question, the value, the ballot that decided, and the certificate; both empty where a checkpoint alone
    vouches for it."""

    question: Question
    value: bytes
    ballot: int
    certificate: bytes


class Registers:
    """Newest finals by (scope, key), in the order in which the keys came."""

    def __init__(self, site: bytes) -> None:
        self._site = site
        self._finals: dict[tuple[str, str], Final] = {}
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

    def take(self, final: Final) -> bool:
        """Keep what is certified; False if as new a version is held. It may be some versions ahead: a quorum vouches
        for what lies between."""
        held = self.get(final.question.scope, final.question.key)
        if held is not None and held.question.version >= final.question.version:
            return False
        self._finals[final.question.scope, final.question.key] = final
        self.changes += 1
        return True

    def is_past(self, question: Question) -> bool:
        """Whether it was decided, as far as we know."""
        held = self.get(question.scope, question.key)
        return held is not None and held.question.version >= question.version

    def stale(self, question: Question) -> Refusal | None:
        """Why a certificate that answers this is of no use; None if it is newer than what is held."""
        return Refusal("certificate-stale", f"{question.key} {question.version}") if self.is_past(question) else None

    def is_next(self, question: Question) -> bool:
        """Whether it asks for what comes after the present value."""
        held = self.get(question.scope, question.key)
        return follows(self._site, (held.question, held.value) if held is not None else None, question)
