"""More of a committee than may be away are gone for good, and k of m keys put another one in its place.

What is simulated is what the operator does: it stops who is left of the old committee, reads the ends of their own
lines from their disks, and gives each the new roster before it runs again. Of n - q + 1 whole lines, none of a liar,
nothing that was certified is changed (docs/decisions/0030).
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from edge.ids import Parent
from edge.sim.disk import Tail
from edge.sim.signing import authority, holder
from edge.wire.recovery import PURPOSE_RECOVERY, Cut, Keys, digest_of
from edge.wire.roster import site_id, statement_of
from edge.wire.suite import AUTHORITY_SUITE, sig_structure
from edge.wire.voters import SITE_SCOPE, Voters

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine

NEEDED, LISTED = 2, 3


@lru_cache
def _holders() -> list[tuple[bytes, int]]:
    """(digest, number) of the keys, as lists have them."""
    return sorted((digest_of(holder(number).public_key), number) for number in range(LISTED))


def keys() -> Keys:
    """Who may recover in a simulated site, since its first roster."""
    return Keys(1, NEEDED, tuple(digest for digest, _ in _holders()))


def prove(voters: Voters, cut: Cut) -> Voters:
    """The same committee, signed by the first holders."""
    said = statement_of(site_id(authority().public_key), voters, cut)
    message = sig_structure(AUTHORITY_SUITE, PURPOSE_RECOVERY, said)
    signers = [holder(number) for _, number in _holders()[:NEEDED]]
    proof = tuple((one.public_key, one.sign(message, deterministic=True)) for one in signers)
    return voters._replace(cut=cut._replace(proof=proof))


class Recoveries:
    """Of one world."""

    def __init__(self, world: Cluster) -> None:
        self._world = world
        self.cuts: dict[int, Cut] = {}
        """By the roster version since which another committee is in the place of a lost one."""
        self.is_under_way = False

    @property
    def are_possible(self) -> bool:
        return "lost committee" in self._world.profile.faults

    def strike(self, rng: Random, until_ms: float) -> None:
        """Of whoever decides one too many are gone, with their disks; a while later the operator has seen it. Once."""
        world = self._world
        members = [world.machines[index] for index in world.committees[self._present()]] if world.committee else []
        absent, others = world.committee - world.checkers.ledger.quorum, len(world.machines) - world.profile.gateways
        if self.is_under_way or self.cuts or not (members and all(machine.life for machine in members)):
            return
        if others - (absent + 1) < world.committee:  # a world that was made smaller
            return
        self.is_under_way = True
        for machine in rng.sample(members, absent + 1):
            machine.is_gone = True
            machine.cut_power(rng.choice(list(Tail)), None)
        world.time.after(until_ms, self._recover, rng)

    def _present(self) -> int:
        """The epoch that decides, by whoever knows most."""
        known = [1]
        for machine in self._world.machines:
            if machine.life and not machine.is_gone:
                seats = machine.node.voting.agreement.epochs.current(SITE_SCOPE)
                known.append(seats.epoch if seats is not None else 1)
        return max(known)

    def _recover(self, rng: Random) -> None:
        world, ends = self._world, self._present()
        left = [world.machines[index] for index in world.committees[ends] if not world.machines[index].is_gone]
        for machine in left:
            machine.kill(None)
        since = len(world.rosters) + 1
        heads = tuple(head for machine in left if (head := _head(machine)) is not None)
        devices = [one for one in world.machines if not (one.is_gateway or one.is_gone)]
        chosen = tuple(sorted(machine.index for machine in rng.sample(devices, world.committee)))
        self.cuts[since] = Cut(ends, heads, ())
        world.committees[since] = chosen
        world.add_roster()
        for machine in left:
            world.install(machine)
            machine.boot()
        if not left:
            world.bring(rng.choice(devices))
        self.is_under_way = False

    def signed(self, voters: Voters) -> Voters:
        """A committee as the roster lists it."""
        cut = self.cuts.get(voters.since)
        return voters if cut is None else prove(voters, cut)


def _head(machine: Machine) -> Parent | None:
    """The newest vertex of its own line that its disk has."""
    graph = machine.node.graph
    keys = (tip.key._replace(seq=seq) for tip in graph.tips(machine.index) for seq in range(tip.key.seq, 0, -1))
    found = next((key for key in keys if graph.place(key)[0]), None)
    id = graph.id_at(found) if found is not None else None
    return Parent(*found, id) if found is not None and id is not None else None
