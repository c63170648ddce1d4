"""What a committee promises, watched from outside: one value for a version of a register, whoever crashes meanwhile.

Promises are to a site where at most r members may have lost votes that they cast: a disk that lies, rots or comes back
from an image makes its member a liar (docs/decisions/0029). With more of them the world is noted, and not judged.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from edge.consensus.certificate import Certificate, decode_certificate
from edge.consensus.question import conflict_of, value_digest
from edge.dag.evidence import chained
from edge.effects import Decided
from edge.wire import suite
from edge.wire.items import PRECOMMIT, Vote
from edge.wire.refusal import Refusal
from edge.wire.vertex import Header
from edge.wire.voters import SITE_SCOPE

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine

KEYS = ("model", "config/night", "lease/door")
EVERY_MS = 10_000.0
"""Between two questions of a world, on average."""
CONTENDED_SHARE = 0.4
"""Of them asked by two members at once."""

Version = tuple[str, int]
"""Key and version of a register of the site's scope."""


class Ledger:
    """Everything that was ever said to be final."""

    def __init__(self, world: Cluster) -> None:
        self._world = world
        self._finals: dict[Version, bytes] = {}
        self._said: dict[tuple[int, bytes, int, int], bytes | None] = {}
        """By member, set, ballot and phase: what it voted, in a vertex that was sent."""
        self._judged: set[bytes] = set()

    def propose(self, machine: Machine, key: str, rng: Random) -> None:
        """As somebody would on this device."""
        if not (machine.is_awake and machine.is_ready) or machine.is_stopping:
            return
        value = rng.randbytes(rng.randrange(1, 40))

        def ask(now: object) -> object:
            _, effects = machine.node.propose(SITE_SCOPE, key, value, now)  # type: ignore[arg-type]
            return effects

        machine.feed_plain(ask)

    def sending(self, machine: Machine, header: Header) -> None:
        """No honest member votes twice in a phase of a ballot, whatever crashed between."""
        for item in header.items:
            if isinstance(item, Vote):
                place = (machine.index, item.conflict, item.ballot, item.phase)
                if self._said.setdefault(place, item.value) != item.value and machine.trust.keeps:
                    self._world.checkers.violated("voted-twice", machine, f"ballot {item.ballot} phase {item.phase}")

    def decided(self, machine: Machine, final: Decided) -> None:
        """A node takes a value for final, and its certificate is durable."""
        self._agree(machine, (final.question.key, final.question.version), final.value)

    def _agree(self, machine: Machine, version: Version, value: bytes) -> None:
        if self._finals.setdefault(version, value) != value:
            if self.is_bearable:
                self._world.checkers.violated("disagreement", machine, f"{version[0]} version {version[1]}")
            else:
                self._world.checkers.note("disagreement beyond r")

    @property
    def is_bearable(self) -> bool:
        """Whether at most r members may have lost votes."""
        lost = sum(not machine.trust.keeps for machine in self._members())
        return lost <= (self._world.committee - 1) // 3

    def _members(self) -> list[Machine]:
        return self._world.machines[: self._world.committee]

    def booted(self, machine: Machine) -> None:
        """What a start finds in the log is what was final, and every certificate is true."""
        for final in machine.node.voting.agreement.registers:
            if final.certificate not in self._judged:
                self._judged.add(final.certificate)
                fault = self._fault(final.certificate)
                if fault:
                    self._world.checkers.violated("certificate", machine, f"{final.question.key}: {fault}")
            self._agree(machine, (final.question.key, final.question.version), final.value)

    def _fault(self, raw: bytes) -> str:
        """Why a certificate is not true, looked at without the code that nodes judge it by; empty if it is."""
        certificate = decode_certificate(raw)
        if not isinstance(certificate, Certificate):
            return str(certificate)
        roster, _ = self._world.rosters[-1]
        wanted = Vote(
            conflict_of(roster.site, certificate.question),
            certificate.ballot,
            PRECOMMIT,
            value_digest(certificate.value),
        )
        voters = set()
        for shown in certificate.votes:
            headers = chained(shown.headers)
            if isinstance(headers, Refusal) or wanted not in headers[0].items:
                return "a vote that does not show it"
            member, top = roster.by_index[headers[0].author], headers[-1]
            message = suite.sig_structure(top.suite, suite.PURPOSE_VERTEX, top.raw)
            if not self._world.signatures.verify(top.suite, member.public_key, message, shown.signature):
                return f"a signature of {member.name}"
            voters.add(member.index)
        n = self._world.committee
        quorum = (n + (n - 1) // 3 + 2) // 2
        enough = len(voters & set(range(n))) >= quorum
        return "" if enough else f"{len(voters)} voters of {quorum}"

    def undecided(self) -> str:
        """Where machines still differ, or wait; empty once all hold the same and nothing is open."""
        if not self._world.committee:
            return ""
        told = []
        for machine in self._world.keepers():
            agreement = machine.node.voting.agreement
            if agreement.counts()["sets_open"]:
                return f"{machine.name} has an open question"
            told.append(
                sorted((final.question.key, final.question.version, final.value) for final in agreement.registers)
            )
        return "registers differ" if any(one != told[0] for one in told) else ""
