"""Of each register what is final and durable, and where in the log its certificate lies."""

from __future__ import annotations

from collections.abc import Callable

from edge.consensus.checkpoint import Checkpoints
from edge.consensus.registers import Final
from edge.dag.records import Record, segment_of
from edge.node.desk import Desk
from edge.wire.items import Question

Register = tuple[str, str]
"""Scope and key."""
OVERRULED = " overruled"
"""Behind a key, which has no spaces: where the certificate of its other value is."""


class Certified:
    """`rank` orders the finals of a register: a committee in the place of a lost one may decide a version again."""

    def __init__(self, desk: Desk, rank: Callable[[Question], tuple[int, int]], checkpoints: Checkpoints) -> None:
        self._desk = desk
        self._rank = rank
        self._checkpoints = checkpoints
        self.finals: dict[Register, Final] = {}
        """The newest of each register whose certificate is durable: what is shown, and what no start takes back."""
        self.overruled: dict[Register, Final] = {}
        """What a lost committee had certified where the one in its place decided otherwise: kept, and told."""
        self._records: dict[Register, Record] = {}
        self._places: dict[Register, int] = {}
        """Where the certificate of that value lies in the log; and by (scope, "") the seal of its newest checkpoint."""
        self._told: dict[Register, Question] = {}
        """Which of the finals were told as sealed."""

    def keep(self, final: Final, record: Record, place: int) -> None:
        """A certificate is durable here."""
        register = (final.question.scope, final.question.key)
        held = self.finals.get(register)
        if held is not None and self._rank(held.question) > self._rank(final.question):
            return self._overrule(held, final, record, place)
        before = (self._records.get(register), self._places.get(register, 0))
        self.finals[register] = final
        self._records[register], self._places[register] = record, place
        if held is not None and before[0] is not None:
            self._overrule(final, held, before[0], before[1])
        return None

    def _overrule(self, final: Final, other: Final, record: Record, place: int) -> None:
        """Keep the certificate of another value of the same version, by a committee that was lost."""
        if final.question.version == other.question.version and final.value != other.value:
            scope, key = final.question.scope, final.question.key
            self.overruled[scope, key] = other
            self._records[scope, key + OVERRULED], self._places[scope, key + OVERRULED] = record, place
            self._desk.report("error", "final-overruled", scope=scope, key=key, version=final.question.version)

    def seal(self, scope: str, record: Record, place: int) -> None:
        """What the newest checkpoint of a scope sealed lies here."""
        self._records[scope, ""], self._places[scope, ""] = record, place

    def is_sealed(self, final: Final) -> bool:
        """Whether a checkpoint vouches for just this value, or for one that goes on from it: of a version that was
        decided again since a lost committee was replaced an earlier one may have sealed another."""
        question, checkpoints = final.question, self._checkpoints
        return checkpoints.is_sealed(question) and (
            checkpoints.is_leaf(final) or checkpoints.is_sealed(question._replace(version=question.version + 1))
        )

    def tell_sealed(self, final: Final) -> bool:
        """Whether it is sealed; whoever asks tells it."""
        is_sealed = self.is_sealed(final)
        if is_sealed:
            self._told[final.question.scope, final.question.key] = final.question
        return is_sealed

    def newly_sealed(self) -> list[Final]:
        """What is sealed and was not told as such."""
        finals = self.finals.items()
        fresh = (final for register, final in finals if self._told.get(register) != final.question)
        return [final for final in fresh if self.is_sealed(final)]

    def outliving(self, last: int) -> dict[Register, Record]:
        """Certificates, by register, that lie in segments up to `last`."""
        return {
            register: self._records[register] for register, place in self._places.items() if segment_of(place) <= last
        }

    def moved(self, register: Register, place: int) -> None:
        """A certificate was written once more."""
        self._places[register] = place
