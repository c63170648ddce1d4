"""What a committee promises, watched from outside: one value for a version of a register, whoever crashes meanwhile.

Promises are to a site where at most r members lie or may have lost votes that they cast: a disk that lies, rots or
comes back from an image makes its member a liar (docs/decisions/0029). With more of them it is noted, and not judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from edge.consensus.checkpoint import CHECKPOINT_KEY, Leaves
from edge.consensus.contest import Contest
from edge.consensus.lease import Term, encode_term, is_lease
from edge.dag.coverage import coverage
from edge.dag.graph import Branch
from edge.effects import Decided
from edge.ids import VertexId, VertexKey
from edge.limits import LEASE_MS_MIN
from edge.sim import losses, proof
from edge.sim.delivering import is_agreeing
from edge.sim.profiles import Profile
from edge.wire.finals import tag_of
from edge.wire.items import Ack, Proposal, Question, Vote, Witness
from edge.wire.vertex import Header
from edge.wire.voters import SITE_SCOPE

if TYPE_CHECKING:
    from edge.sim.card import Trust
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine

KEYS = Profile.keys
EVERY_MS = 10_000.0
"""Between two questions of a world, on average."""
CONTENDED_SHARE = 0.4
"""Of them asked by two members at once."""
OUTSIDE_SHARE = 0.2
"""Of them asked by whoever votes anywhere, where there is more than one scope."""

Version = tuple[str, str, int]
"""Scope, key and version of a register."""


def version_of(question: Question) -> Version:
    return question.scope, question.key, question.version


def waited_ms(finality_ms: Iterable[float], share: float) -> float | None:
    """This share of proposers waited no longer for a final value, from when their proposal was durable; or None."""
    ordered = sorted(finality_ms)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else None


class Ledger:
    """Everything that was ever said to be final, and every vote that became durable."""

    def __init__(self, world: Cluster) -> None:
        self._world = world
        self._finals: dict[Version, bytes] = {}
        self._durable_ms: dict[tuple[int, Version], float] = {}
        """By proposer, when its proposal was on its disk."""
        self._voted: dict[tuple[int, bytes], tuple[int, int]] = {}
        """By member and set, the last (ballot, phase) that was durable, over all its lives."""
        self._told: dict[tuple[int, str, str], int] = {}
        """By machine, scope and key, the newest version that it told its user of."""
        self._judged: set[bytes] = set()
        self.claimed: dict[int, dict[VertexId, VertexKey]] = {}
        """By member: what it has said that its log holds."""
        self._reached: dict[tuple[int, int, int], int] = {}
        """By member and author and incarnation: up to which seq it has said so, or acknowledged."""
        self._seals: dict[tuple[str, int], Leaves] = {}
        """By scope and the version of a checkpoint."""
        self.finality_ms: list[float] = []
        """From a proposal's durability until its proposer takes some value for final."""
        self.agreeing_bytes = 0
        """Of vertices with proposals or votes, each once, as it was published."""
        self._disputed: dict[Version, None] = {}

    @property
    def decisions(self) -> int:
        return len(self._finals)

    @property
    def unanswered(self) -> int:
        """Versions that somebody has proposed a value for, and that have none."""
        return len({version for _, version in self._durable_ms if version not in self._finals})

    @property
    def disagreements(self) -> int:
        """Versions with two values, whoever is to blame."""
        return len(self._disputed)

    def propose(self, machine: Machine, key: str, rng: Random, scope: str) -> None:
        """As somebody would on this device."""
        value = rng.randbytes(rng.randrange(1, 40))
        if is_lease(key):
            value = encode_term(Term(machine.index, rng.choice((0, LEASE_MS_MIN, 3 * LEASE_MS_MIN))))
        if machine.is_awake and machine.is_ready and not machine.is_stopping:
            machine.feed_plain(lambda now: machine.node.propose(scope, key, value, now)[1])

    def durable(self, machine: Machine, header: Header) -> None:
        """A vertex of its own is on its disk: an honest member's votes on a set ascend, whatever crashed between."""
        for parent in header.parents:  # it waited for that, and its record lies above
            line = (machine.index, parent.author, parent.incarnation)
            self._reached[line] = max(parent.seq, self._reached.get(line, 0))
        for item in header.items:
            if isinstance(item, Proposal):
                version = version_of(item.question)
                self._durable_ms.setdefault((machine.index, version), self._world.now)
            elif isinstance(item, Vote):
                self._cast(machine, item)
            elif isinstance(item, Witness | Ack):
                line = (machine.index, item.author, item.incarnation)
                self._reached[line] = max(item.seq, self._reached.get(line, 0))
                if isinstance(item, Witness):
                    self.claimed.setdefault(machine.index, {})[item.id] = VertexKey(*item[:3])

    def _cast(self, machine: Machine, vote: Vote) -> None:
        place, at = (machine.index, vote.conflict), (vote.ballot, vote.phase)
        last = self._voted.setdefault(place, (-1, 0))
        if at <= last and (machine.trust.keeps or machine.trust.abstains):
            self._world.checkers.violated("voted-twice", machine, f"ballot {at[0]} phase {at[1]} after {last}")
        self._voted[place] = max(at, last)

    def sending(self, header: Header, payload: bytes) -> None:
        if is_agreeing(header):
            self.agreeing_bytes += len(payload)

    def decided(self, machine: Machine, final: Decided) -> None:
        """A node takes a value for final, and its certificate is durable."""
        if machine.is_liar:
            return
        version = version_of(final.question)
        begun_ms = self._durable_ms.pop((machine.index, version), None)
        if begun_ms is not None:
            self.finality_ms.append(self._world.now - begun_ms)
        scope, key, number = version
        self._told[machine.index, scope, key] = number
        if final.recovered:
            self._world.checkers.note("decided since a recovery")
        self._agree(machine, version, final.value)
        self._world.checkers.evictions.decided(machine, final)
        if is_lease(key) and self.is_bearable_in(scope):
            self._alone(machine, scope, key)
        if key == CHECKPOINT_KEY and self.is_bearable_in(scope):
            self._sealed(machine, scope, number)

    def _sealed(self, machine: Machine, scope: str, version: int) -> None:
        """A checkpoint is final here: it is the same everywhere, of what was final, and enough honest logs hold what is
        below it."""
        voting, violated = machine.node.voting, self._world.checkers.violated
        seal = voting.agreement.checkpoints.seals.get(scope)
        if seal is not None and seal.version == version:
            known = self._seals.setdefault((scope, version), seal.leaves)
            named = [(key, leaf) for key in KEYS if (leaf := seal.leaves.get(tag_of(scope, key)))]
            if known != seal.leaves or any((scope, key, leaf.version) not in self._finals for key, leaf in named):
                violated("sealed-false", machine, f"checkpoint {version} of {scope} has other registers")
        committees = self._world.scopes[scope]
        if len(committees) > 1:
            return  # who said so may sit no more
        for (author, incarnation), seq in voting.sealing.lines_by(scope, 1).items():
            branches = machine.node.graph.branches(author)
            said = sum(
                member == author or coverage(branches, partial(self._has_said, member)).get(incarnation, 0) >= seq
                for member in committees[1]
            )
            if said < self.honest_in(scope):
                violated("sealed-false", machine, f"{(author, incarnation, seq)}, which {said} honest members hold")

    def _has_said(self, member: int, branch: Branch) -> int:
        return self._reached.get((member, branch.author, branch.incarnation), 0)

    def _alone(self, machine: Machine, scope: str, key: str) -> None:
        """Now that somebody may have got a lease, nobody else takes it for its own."""
        others = (one for one in self._world.machines if one.is_awake and one.is_ready and not one.is_liar)
        holders = [one.name for one in others if self._has(one, scope, key)]
        if len(holders) > 1:
            self._world.checkers.violated("lease-shared", machine, f"{scope} {key}: {', '.join(holders)}")

    def _has(self, machine: Machine, scope: str, key: str) -> bool:
        lease = machine.node.voting.agreement.leases.get(scope, key, machine.clock.now(self._world.now))
        return lease is not None and lease.is_ours

    def _agree(self, machine: Machine, version: Version, value: bytes) -> None:
        if self._finals.setdefault(version, value) != value:
            self._disputed[version] = None
            scope, key, number = version
            if self.is_bearable_in(scope):
                self._world.checkers.violated("disagreement", machine, f"{scope} {key} version {number}")

    def counts(self) -> Counter[str]:
        """Every counter of the last life of each honest machine, summed."""
        honest = [machine for machine in self._world.machines if not machine.is_liar and machine.life]
        return sum((Counter(machine.node.counts()) for machine in honest), Counter())

    @property
    def quorum(self) -> int:
        """Of the site's committee."""
        return self.quorum_in(SITE_SCOPE)

    def quorum_in(self, scope: str) -> int:
        """ceil((n + r + 1) / 2); no committee has another n than the one before."""
        members, liars = self._size(scope)
        return (members + liars + 2) // 2

    def honest_in(self, scope: str) -> int:
        """q - r: of a quorum so many keep the rules."""
        return self.quorum_in(scope) - self._size(scope)[1]

    def _size(self, scope: str) -> tuple[int, int]:
        """n and r."""
        members = len(next(iter(self._world.scopes.get(scope, {0: ()}).values())))
        return members, max(0, members - 1) // 3

    @property
    def is_bearable(self) -> bool:
        """Whether of each committee at most r members lie or may have lost votes without knowing it."""
        return all(map(self.is_bearable_in, self._world.scopes))

    def is_bearable_in(self, scope: str) -> bool:
        return self._bears(scope, lambda trust: trust.keeps or trust.abstains)

    def _can_decide(self, scope: str) -> bool:
        """Whether those who may vote are enough: who abstains is away, as who lies may be."""
        return self._bears(scope, lambda trust: trust.keeps)

    def bears_loss_of(self, machine: Machine) -> bool:
        """Whether those who may vote are enough without this one too."""
        return all(
            self._bears(scope, lambda trust: trust.keeps and trust is not machine.trust) for scope in self._world.scopes
        )

    def _bears(self, scope: str, is_sound: Callable[[Trust], bool]) -> bool:
        voted = {index for members in self._world.scopes[scope].values() for index in members}
        members = [self._world.machines[index] for index in sorted(voted)]
        return sum(not is_sound(machine.trust) for machine in members) <= self._size(scope)[1]

    def certified(self, machine: Machine, raw: bytes) -> None:
        """Every certificate that anybody keeps is true."""
        if raw in self._judged:
            return
        self._judged.add(raw)
        roster, _ = self._world.rosters[-1]
        scope, epoch = proof.committee(raw)
        members = self._world.scopes.get(scope, {}).get(epoch, ())
        fault = proof.fault(raw, roster, self._world.signatures, members, self.quorum_in(scope))
        if fault:
            self._world.checkers.violated("certificate", machine, fault)

    def _is_asked(self, contest: Contest) -> bool:
        """Whether an honest machine has proposed something: questions of liars alone may wait for ever, and those of
        who has forked or is evicted, which nobody may have heard."""
        unheard = self._world.checkers.forked
        return any(proposed.proposer not in unheard for proposed in contest.proposed.values())

    def booted(self, machine: Machine) -> None:
        """What a start finds in the log is what was final, and all that this machine ever said to be."""
        if machine.is_liar:
            return
        losses.claimed(self._world.checkers, machine, machine)
        registers = machine.node.voting.agreement.registers
        for final in registers:
            if final.certificate:
                self.certified(machine, final.certificate)
            self._agree(machine, version_of(final.question), final.value)
        for (index, scope, key), version in self._told.items():
            held = registers.get(scope, key)
            if index == machine.index and machine.trust.keeps and (held is None or held.question.version < version):
                self._world.checkers.violated("lost-final", machine, f"{scope} {key} version {version}")

    def unknown(self) -> str:
        """What some honest machine takes for final and another has not learned, whoever votes and whatever it keeps."""
        awake = [machine for machine in self._world.machines if not machine.is_liar and machine.is_awake]
        questions = (final.question for one in awake for final in one.node.voting.agreement.registers)
        for scope, key in sorted({(question.scope, question.key) for question in questions}):
            if not self.is_bearable_in(scope):
                continue
            finals = [machine.node.voting.agreement.registers.get(scope, key) for machine in awake]
            versions = [final.question.version if final else 0 for final in finals]
            for machine, version in zip(awake, versions, strict=True):
                if version < max(versions):
                    return f"{machine.name} knows {scope} {key} {version} and not {max(versions)}"
        return ""

    def finished(self) -> None:
        """Say of what a run was no proof, or of what it was one of nothing."""
        for scope in self._world.scopes:
            if not self.is_bearable_in(scope):
                self._world.checkers.note("more of a committee lie or lost votes than it bears")
            if self._waiting([scope]) and not self._can_decide(scope):
                self._world.checkers.note("undecided, of a committee of which too many lost votes")

    def undecided(self) -> str:
        """Where keepers still wait, although they should not; empty if nothing that an honest member asked is open."""
        return self._waiting(list(filter(self._can_decide, self._world.scopes)))

    def waiting(self) -> str:
        """The same, promised or not."""
        return self._waiting(list(self._world.scopes))

    def _waiting(self, scopes: list[str]) -> str:
        for machine in self._world.keepers() if scopes else ():
            for contest in machine.node.voting.agreement.open_sets():
                if contest.question.scope in scopes and self._is_asked(contest):
                    return f"{machine.name} has an open question of {contest.question.scope}"
        return ""
