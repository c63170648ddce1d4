"""Leases: registers whose value names a holder and a time, which no clock but everyone's own measures.

The holder counts from before it asked, the members from when they learned the answer, which is later; so one ends
before the others let anybody else have it (docs/decisions/0034). The version of the register is the fencing token.
"""

from __future__ import annotations

from typing import NamedTuple

from edge.consensus.registers import Final, Registers
from edge.ids import Instant
from edge.limits import LEASE_MS_MAX, LEASE_MS_MIN
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Question
from edge.wire.refusal import Refusal

LEASES = "lease/"
"""What the keys of leases begin with."""
DRIFT = 500e-6
"""Share by which two clocks may run apart; a crystal is good for a tenth of it."""
STOP_EARLY_MS = 2_000.0
"""Before its time is over a holder stops, so that what it does last is done."""
ASLEEP_MS = 1_000.0
"""By so much less than the wall clock our monotonic clock has gone on: we slept, or somebody set the clock."""


class Term(NamedTuple):
    """Who holds it, by index in the roster, and how long from when it asked; 0 ms gives it back."""

    holder: int
    ms: int


class Lease(NamedTuple):
    """A lease as this node knows it at one moment."""

    scope: str
    name: str
    token: int
    """Higher for each holder, and each time that one goes on: who acts for a holder refuses lower ones."""
    holder: int
    left_ms: float
    """If it is ours, how long we may act on it; else how long until it may be had. 0: it is over."""
    is_ours: bool
    """We asked for it since our start, and it has not run out."""


def is_lease(key: str) -> bool:
    return key.startswith(LEASES)


def encode_term(term: Term) -> bytes:
    return encode([term.holder, term.ms])


def decode_term(value: bytes) -> Term | Refusal:
    """The term that a register's value says."""
    try:
        fields = decode(value)
    except Malformed as fault:
        return Refusal(fault.reason, "lease")
    match fields:
        case [holder, ms] if type(holder) is int and type(ms) is int:
            if holder >= 0 and (ms == 0 or LEASE_MS_MIN <= ms <= LEASE_MS_MAX):
                return Term(holder, ms)
    return Refusal("proposal-lease", "not [holder, ms]")


def fault(value: bytes, author: int) -> str:
    """Why this value by this member counts for nothing, whenever it is asked; empty if it may be decided."""
    term = decode_term(value)
    return "" if isinstance(term, Term) and term.holder == author else "proposal-lease"


class Leases:
    """The clocks of one node; all times are its monotonic ms."""

    def __init__(self, index: int, registers: Registers) -> None:
        self._index = index
        self._registers = registers
        self._learned: dict[tuple[str, str], tuple[int, float]] = {}
        """By register, its version and when we learned of it."""
        self._fresh: dict[tuple[str, str], int] = {}
        """Learned since the last turn."""
        self._asked: dict[tuple[str, str], tuple[int, Instant]] = {}
        """By register, the version that we asked for last, and when first."""
        self.changes = 0
        """How often a time began to run."""

    def learned(self, final: Final) -> None:
        """A value is final, whoever said so; from the next `turn` on its time runs."""
        if is_lease(final.question.key):
            self._fresh[final.question.scope, final.question.key] = final.question.version

    def turn(self, now_ms: float) -> None:
        for register, version in self._fresh.items():
            self._learned[register] = (version, now_ms)
        self.changes += len(self._fresh)
        self._fresh.clear()

    def asked(self, question: Question, now: Instant) -> None:
        """We are about to propose ourselves as the holder."""
        register = (question.scope, question.key)
        held = self._asked.get(register)
        if is_lease(question.key) and (held is None or held[0] != question.version):
            self._asked[register] = (question.version, now)

    def opens_ms(self, question: Question, value: bytes) -> float:
        """From when on we may be the one who votes for this value: for another holder, once the term is over."""
        held = self._registers.get(question.scope, question.key)
        if held is None or not is_lease(question.key):
            return 0.0
        before, after = decode_term(held.value), decode_term(value)
        if isinstance(before, Refusal) or isinstance(after, Refusal) or before.holder == after.holder:
            return 0.0
        return self._over_ms(held, before)

    def _over_ms(self, held: Final, term: Term) -> float:
        version, learned_ms = self._learned.get((held.question.scope, held.question.key), (0, 0.0))
        if term.ms == 0:
            return 0.0
        return learned_ms + term.ms * (1 + DRIFT) if version == held.question.version else float("inf")

    def get(self, scope: str, key: str, now: Instant) -> Lease | None:
        """None if nobody ever had it."""
        held = self._registers.get(scope, key)
        term = decode_term(held.value) if held is not None and is_lease(key) else None
        if held is None or not isinstance(term, Term):
            return None
        ours_ms = self._ours_ms(held, term, now)
        left_ms = ours_ms if ours_ms > 0 else max(0.0, self._over_ms(held, term) - now.mono_ms)
        return Lease(scope, key.removeprefix(LEASES), held.question.version, term.holder, left_ms, ours_ms > 0)

    def _ours_ms(self, held: Final, term: Term, now: Instant) -> float:
        """For how long we may act on it."""
        version, asked = self._asked.get((held.question.scope, held.question.key), (0, now))
        if term.holder != self._index or version != held.question.version:
            return 0.0
        gone_ms = now.mono_ms - asked.mono_ms
        if abs(now.wall_ms - asked.wall_ms - gone_ms) >= ASLEEP_MS:
            return 0.0
        return term.ms * (1 - DRIFT) - STOP_EARLY_MS - gone_ms

    def all(self, now: Instant) -> list[Lease]:
        found = (self.get(final.question.scope, final.question.key, now) for final in self._registers)
        return [lease for lease in found if lease is not None]
