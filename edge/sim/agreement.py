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
from edge.wire.items import Ack, Proposal, Vote, Witness
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

Version = tuple[str, int]
"""Key and version of a register of the site's scope."""


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
        self._told: dict[tuple[int, str], int] = {}
        """By machine and key, the newest version that it told its user of."""
        self._judged: set[bytes] = set()
        self.claimed: dict[int, dict[VertexId, VertexKey]] = {}
        """By member: what it has said that its log holds."""
        self._reached: dict[tuple[int, int, int], int] = {}
        """By member and author and incarnation: up to which seq it has said so, or acknowledged."""
        self._seals: dict[int, Leaves] = {}
        """By the version of a checkpoint."""
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

    def propose(self, machine: Machine, key: str, rng: Random) -> None:
        """As somebody would on this device."""
        value = rng.randbytes(rng.randrange(1, 40))
        if is_lease(key):
            value = encode_term(Term(machine.index, rng.choice((0, LEASE_MS_MIN, 3 * LEASE_MS_MIN))))
        if machine.is_awake and machine.is_ready and not machine.is_stopping:
            machine.feed_plain(lambda now: machine.node.propose(SITE_SCOPE, key, value, now)[1])

    def durable(self, machine: Machine, header: Header) -> None:
        """A vertex of its own is on its disk: an honest member's votes on a set ascend, whatever crashed between."""
        for parent in header.parents:  # it waited for that, and its record lies above
            line = (machine.index, parent.author, parent.incarnation)
            self._reached[line] = max(parent.seq, self._reached.get(line, 0))
        for item in header.items:
            if isinstance(item, Proposal):
                version = (item.question.key, item.question.version)
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
        version = (final.question.key, final.question.version)
        begun_ms = self._durable_ms.pop((machine.index, version), None)
        if begun_ms is not None:
            self.finality_ms.append(self._world.now - begun_ms)
        self._told[machine.index, version[0]] = version[1]
        if final.recovered:
            self._world.checkers.note("decided since a recovery")
        self._agree(machine, version, final.value)
        self._world.checkers.evictions.decided(machine, final)
        if is_lease(version[0]) and self.is_bearable:
            self._alone(machine, version[0])
        if version[0] == CHECKPOINT_KEY and self.is_bearable:
            self._sealed(machine, version[1])

    def _sealed(self, machine: Machine, version: int) -> None:
        """A checkpoint is final here: it is the same everywhere, of what was final, and enough honest logs hold what is
        below it."""
        voting, violated = machine.node.voting, self._world.checkers.violated
        seal = voting.agreement.checkpoints.seals.get(SITE_SCOPE)
        if seal is not None and seal.version == version:
            known = self._seals.setdefault(version, seal.leaves)
            named = [(key, seal.leaves.get(tag_of(SITE_SCOPE, key))) for key in KEYS]
            if known != seal.leaves or any(leaf and (key, leaf.version) not in self._finals for key, leaf in named):
                violated("sealed-false", machine, f"checkpoint {version} has other registers")
        if len(self._world.committees) > 1:
            return  # who said so may sit no more
        for (author, incarnation), seq in voting.sealing.lines.items():
            branches = machine.node.graph.branches(author)
            said = sum(
                member == author or coverage(branches, partial(self._has_said, member)).get(incarnation, 0) >= seq
                for member in self._world.committees[1]
            )
            if said < self.quorum - self._world.liars_max:
                violated("sealed-false", machine, f"{(author, incarnation, seq)}, which {said} honest members hold")

    def _has_said(self, member: int, branch: Branch) -> int:
        return self._reached.get((member, branch.author, branch.incarnation), 0)

    def _alone(self, machine: Machine, key: str) -> None:
        """Now that somebody may have got a lease, nobody else takes it for its own."""
        others = (one for one in self._world.machines if one.is_awake and one.is_ready and not one.is_liar)
        holders = [one.name for one in others if self._has(one, key)]
        if len(holders) > 1:
            self._world.checkers.violated("lease-shared", machine, f"{key}: {', '.join(holders)}")

    def _has(self, machine: Machine, key: str) -> bool:
        lease = machine.node.voting.agreement.leases.get(SITE_SCOPE, key, machine.clock.now(self._world.now))
        return lease is not None and lease.is_ours

    def _agree(self, machine: Machine, version: Version, value: bytes) -> None:
        if self._finals.setdefault(version, value) != value:
            self._disputed[version] = None
            if self.is_bearable:
                self._world.checkers.violated("disagreement", machine, f"{version[0]} version {version[1]}")

    def counts(self) -> Counter[str]:
        """Every counter of the last life of each honest machine, summed."""
        honest = [machine for machine in self._world.machines if not machine.is_liar and machine.life]
        return sum((Counter(machine.node.counts()) for machine in honest), Counter())

    @property
    def quorum(self) -> int:
        """ceil((n + r + 1) / 2)."""
        return (self._world.committee + self._world.liars_max + 2) // 2

    @property
    def is_bearable(self) -> bool:
        """Whether at most r members lie or may have lost votes without knowing it."""
        return self._bears(lambda trust: trust.keeps or trust.abstains)

    @property
    def _can_decide(self) -> bool:
        """Whether those who may vote are enough: who abstains is away, as who lies may be."""
        return self._bears(lambda trust: trust.keeps)

    def bears_loss_of(self, machine: Machine) -> bool:
        """Whether those who may vote are enough without this one too."""
        return self._bears(lambda trust: trust.keeps and trust is not machine.trust)

    def _bears(self, is_sound: Callable[[Trust], bool]) -> bool:
        voted = {index for members in self._world.committees.values() for index in members}
        members = [self._world.machines[index] for index in sorted(voted)]
        return sum(not is_sound(machine.trust) for machine in members) <= self._world.liars_max

    def certified(self, machine: Machine, raw: bytes) -> None:
        """Every certificate that anybody keeps is true."""
        if raw in self._judged:
            return
        self._judged.add(raw)
        roster, _ = self._world.rosters[-1]
        members = self._world.committees.get(proof.epoch(raw), ())
        fault = proof.fault(raw, roster, self._world.signatures, members, self.quorum)
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
            self._agree(machine, (final.question.key, final.question.version), final.value)
        for (index, key), version in self._told.items():
            held = registers.get(SITE_SCOPE, key)
            if index == machine.index and machine.trust.keeps and (held is None or held.question.version < version):
                self._world.checkers.violated("lost-final", machine, f"{key} version {version}")

    def unknown(self) -> str:
        """What some honest machine takes for final and another has not learned, whoever votes and whatever it keeps."""
        if not (self._world.committee and self.is_bearable):
            return ""
        awake = [machine for machine in self._world.machines if not machine.is_liar and machine.is_awake]
        for key in sorted({final.question.key for one in awake for final in one.node.voting.agreement.registers}):
            finals = [machine.node.voting.agreement.registers.get(SITE_SCOPE, key) for machine in awake]
            versions = [final.question.version if final else 0 for final in finals]
            for machine, version in zip(awake, versions, strict=True):
                if version < max(versions):
                    return f"{machine.name} knows {key} {version} and not {max(versions)}"
        return ""

    def undecided(self) -> str:
        """Where keepers still wait, although they should not; empty if nothing that an honest member asked is open."""
        return self.waiting() if self._can_decide else ""

    def waiting(self) -> str:
        """The same, promised or not."""
        for machine in self._world.keepers() if self._world.committee else ():
            if any(map(self._is_asked, machine.node.voting.agreement.open_sets())):
                return f"{machine.name} has an open question"
        return ""
