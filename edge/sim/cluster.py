"""A whole site made from one seed: machines, brokers, load and faults, then healing, quiet, and the final check."""

from __future__ import annotations

from hashlib import sha256
from random import Random

from edge.sim import forks, losses
from edge.sim.agreement import CONTENDED_SHARE, EVERY_MS, OUTSIDE_SHARE
from edge.sim.behaviours import make_liars
from edge.sim.breaks import BREAKS
from edge.sim.card import log_options
from edge.sim.checkers import Checkers
from edge.sim.disk import Tail
from edge.sim.fault import Fault
from edge.sim.faults import schedule
from edge.sim.liars import Liars
from edge.sim.machine import Machine
from edge.sim.network import Network
from edge.sim.profiles import Profile
from edge.sim.recovering import Recoveries, keys
from edge.sim.scheduler import Scheduler
from edge.sim.sharing import shared_decoding
from edge.sim.signing import Genuine, Signatures, StandIn, make_roster
from edge.wire.event import Event
from edge.wire.frame import Channel
from edge.wire.roster import Roster
from edge.wire.voters import SITE_SCOPE, Voters

LOOK_MS = 1_000.0
"""How often it is asked whether keepers agree."""
GENUINE_EVERY = 100
"""One seed in so many runs with real signatures."""


class Cluster:
    """`run` once; what it found is in `checkers`, what it cost in `network`."""

    def __init__(
        self,
        seed: int,
        profile: Profile,
        faults: list[Fault],
        *,
        broken: str | None = None,
        genuine: bool | None = None,
    ) -> None:
        self.seed = seed
        self.profile = profile
        self.committee = min(profile.committee, profile.nodes)
        self.liars_max = max(0, self.committee - 1) // 3
        """r."""
        self.liars = Liars(self)
        self.time = Scheduler()
        self.is_healing = False
        self.checkers = Checkers(self)
        is_genuine = seed % GENUINE_EVERY == 0 if genuine is None else genuine
        self.signatures: Signatures = Genuine() if is_genuine else StandIn()
        self.network = Network(self.time, self.chance("network"), profile.brokers, profile.links, profile.weather)
        self.faults = faults
        self._broken = broken
        self._load = self.chance("load")
        self._asked = self.chance("questions")
        gateways = profile.nodes - profile.gateways
        self._members = [(f"n{index}", "gateway" if index >= gateways else "device") for index in range(profile.nodes)]
        self.machines = [
            Machine(self, index, name, role, self._keeps_all(index)) for index, (name, role) in enumerate(self._members)
        ]
        self.network.machines = self.machines
        self.scopes = {scope: {1: members} for scope, members in profile.scopes.items()}
        """By scope: members by the roster version since which they vote, the newest last."""
        self.recoveries = Recoveries(self)
        self.rosters: list[tuple[Roster, bytes]] = [self._make_roster(1)]
        self._installed = dict.fromkeys(range(profile.nodes), 0)
        self._events = 0
        self._hash = sha256()
        self.converged_ms: float | None = None

    @property
    def now(self) -> float:
        return self.time.now

    def chance(self, concern: str) -> Random:
        """A generator for one concern, so that what others draw changes nothing in it."""
        return Random(f"{self.seed}/{concern}")

    @property
    def trace_hash(self) -> str:
        return self._hash.hexdigest()

    def _keeps_all(self, index: int) -> bool:
        """Gateways do, and who votes."""
        votes = any(index in members for members in self.profile.scopes.values())
        return self.profile.keep_all or votes or self._members[index][1] == "gateway"

    def seated(self, scope: str) -> tuple[int, ...]:
        """Who votes there by the newest roster."""
        return next(reversed(self.scopes[scope].values()))

    @property
    def committees(self) -> dict[int, tuple[int, ...]]:
        """Of the site."""
        return self.scopes.get(SITE_SCOPE, {})

    # ---- a run

    def run(self) -> None:
        """Load and faults, then healing and quiet; ends at the first violation."""
        with shared_decoding():
            self._run()

    def _run(self) -> None:
        until_ms = self.profile.load_ms
        self._start()
        schedule(self, self.faults)
        self.time.after(LOOK_MS, self._look)
        self.time.run(until_ms, self._is_over)
        if not self.checkers.violations:
            self._heal()
            self.time.run(until_ms + self.profile.quiet_s * 1000, self._is_over)
        if self.checkers.violations:
            return
        can_agree = self.converged_ms is not None or not losses.beyond_mending(self.checkers)
        differences = self._differences()
        if not can_agree:
            self.checkers.note("gone for good, and missed")
        elif self.converged_ms is None and (unknown := self.checkers.ledger.unknown()):
            self.checkers.violated("final-unknown", None, unknown)
        elif self.converged_ms is None and differences:
            self.checkers.violated("unconverged", None, differences)
        self.checkers.ledger.finished()
        self.checkers.finished(can_agree=can_agree)

    def _is_over(self) -> bool:
        return bool(self.checkers.violations) or self.converged_ms is not None

    def _start(self) -> None:
        late = {
            int(fault.share * (len(self.machines) - self.profile.gateways))
            for fault in self.faults
            if fault.kind == "late"
        }
        rng = self.chance("start")
        self.liars.begin(make_liars(self))
        for machine in self.machines:
            moment_ms = rng.uniform(0, 3_000)
            if machine.index not in late and not (machine.is_gateway and self.profile.are_gateways_late):
                self.time.at(moment_ms, machine.boot)
            self._plan_event(machine)
        self._plan_question()

    def _plan_event(self, machine: Machine) -> None:
        if self.profile.rate_per_minute:
            wait_ms = self._load.expovariate(self.profile.rate_per_minute / 60_000)
            self.time.after(wait_ms, self._make_events, machine)

    def _make_events(self, machine: Machine) -> None:
        if not self.is_healing:
            self.make_event(machine, self._load.random() < 0.1)
            self.checkers.converging.say(machine)
            self._plan_event(machine)

    def make_event(self, machine: Machine, urgent: bool) -> None:
        """A device sees something."""
        if self.is_healing or machine.is_gateway or machine.is_liar:
            return
        self._events += 1
        event = Event("probe", "value", int(1.76e12 + self.now), (float(self._events), "x" * 40))
        machine.submit(event, urgent, self._events % 3)

    def _plan_question(self) -> None:
        if self.scopes and not self.is_healing:
            every_ms = (EVERY_MS / 3 if self.profile.byzantine else EVERY_MS) / len(self.scopes)
            self.time.after(self._asked.expovariate(1 / every_ms), self._ask)

    def _ask(self) -> None:
        """Somebody wants a register to have another value, perhaps two at once."""
        if self.is_healing:
            return
        rng, scopes = self._asked, list(self.scopes)
        scope = rng.choice(scopes) if len(scopes) > 1 else scopes[0]
        key = rng.choice(self.profile.keys)
        asked = 1 + (rng.random() < CONTENDED_SHARE)
        newest = self.seated(scope)
        if len(scopes) > 1 and rng.random() < OUTSIDE_SHARE:
            newest = tuple(sorted({index for one in scopes for index in self.seated(one)}))
        members = [self.machines[index] for index in newest if not self.machines[index].is_liar]
        among = self.liars.honest if self.profile.byzantine and scope == SITE_SCOPE else members
        for machine in rng.sample(among, min(asked, len(among))):
            self.checkers.ledger.propose(machine, key, rng, scope)
        self._plan_question()

    def _look(self) -> None:
        """Once a second: into the trace, and, when it is quiet, whether everyone agrees."""
        self.time.after(LOOK_MS, self._look)
        self._hash.update(f"{self.now:.3f} {self.time.steps} {self.network.fingerprint}".encode())
        if self.is_healing:
            if self._is_converged():
                self.converged_ms = self.now
        elif self.profile.nodes <= 50:
            self.checkers.are_graphs_equal()

    def _heal(self) -> None:
        """Every fault ends, everyone is there, nobody makes anything new."""
        self.is_healing = True
        for machine in self.machines:
            machine.disk.room, machine.disk.thin = None, False
            machine.disk.failing_syncs, machine.disk.cut_at = 0, -1
            machine.crash_in, machine.sync_ms, machine.has_no_clock = None, (0.5, 12.0), False
            machine.clock.set_true(self.now)
            if machine.is_gone:
                continue
            if machine.is_asleep:
                machine.wake()
            elif not machine.is_on:
                machine.boot()
            elif machine.index in self.checkers.forked:  # its next start finds it out
                machine.kill(500.0)
        self.network.calm()

    def _is_converged(self) -> bool:
        machines = [machine for machine in self.machines if not (machine.is_liar or machine.is_gone)]
        if not all(machine.is_awake and machine.is_ready and not machine.is_stopping for machine in machines):
            return False
        for machine in machines:
            node = machine.node
            if node.queued_events or not node.is_idle or node.is_disk_full or node.custody.counts()["acks_owed"]:
                return False
            if machine.index not in self.checkers.forked and node.counts()["own_orphans"]:
                return False
        told = list(self.checkers.frontiers().values())
        if self.checkers.ledger.unknown() or self.checkers.ledger.undecided():
            return False
        return (
            all(one == told[0] for one in told)
            and self._leaves_are_home()
            and not forks.unnamed(self.keepers(), self.checkers.forked)
        )

    def _leaves_are_home(self) -> bool:
        """What devices that keep their own line recorded, keepers have."""
        if self.profile.keep_all:
            return True
        graph = self.keepers()[0].node.graph
        return all(
            graph.holds(tip.key, tip.id)
            for machine in self.machines
            if not machine.keep_all
            for tip in machine.node.graph.tips(machine.index)
        )

    def _differences(self) -> str:
        told = self.checkers.frontiers()
        lines: dict[tuple[int, int], dict[str, int]] = {}
        for name, entries in told.items():
            for entry in entries:
                lines.setdefault((entry.author, entry.incarnation), {})[name] = entry.seq
        differ = [
            f"line {line}: {heads}"
            for line, heads in lines.items()
            if len(heads) < len(told) or len(set(heads.values())) > 1
        ]
        busy = []
        for machine in self.machines:
            queued, owed = machine.node.queued_events, machine.node.custody.counts()["acks_owed"]
            if queued or owed:
                busy.append(f"{machine.name}: queued {queued}, acks owed {owed}")
        down = [
            machine.name
            for machine in self.machines
            if not ((machine.is_awake and machine.is_ready) or machine.is_gone)
        ]
        undecided = self.checkers.ledger.undecided()
        return "; ".join(
            [*differ[:3], *filter(None, [undecided]), *busy[:3], *(f"{name} is not up" for name in down[:3])]
        )

    # ---- what machines and faults ask

    def keepers(self) -> list[Machine]:
        """Who must agree at last."""
        return [
            machine
            for machine in self.machines
            if machine.keep_all and machine.is_awake and machine.is_ready and not machine.is_liar
        ]

    def _make_roster(self, version: int) -> tuple[Roster, bytes]:
        standing: list[Voters] = []
        ended: list[Voters] = []
        for scope, committees in sorted(self.scopes.items()):
            rows = [Voters(scope, (len(members) - 1) // 3, since, members) for since, members in committees.items()]
            rows = [self.recoveries.signed(voters) for voters in rows]
            standing += rows[-1:]
            ended += rows[:-1]
        lists = (keys(),) if self.recoveries.are_possible else ()
        return make_roster(self._members, version, self.signatures, tuple(standing), tuple(ended), lists)

    def roster_at_install(self, machine: Machine) -> tuple[Roster, bytes]:
        return self.rosters[self._installed[machine.index]]

    def issue_roster(self, machine: Machine) -> None:
        """A newer roster, brought to one machine."""
        self.add_roster()
        self.bring(machine)

    def add_roster(self) -> None:
        self.rosters.append(self._make_roster(len(self.rosters) + 1))

    def install(self, machine: Machine) -> None:
        """The newest roster lies beside its configuration."""
        self._installed[machine.index] = len(self.rosters) - 1

    def bring(self, machine: Machine) -> None:
        """The newest roster, to a machine that may be running."""
        self.install(machine)
        if machine.is_awake:
            machine.receive(Channel.ROSTER, self.rosters[-1][1])

    def change_committee(self, machine: Machine, rng: Random) -> None:
        """A newer roster with other members on a committee, brought to one machine."""
        scopes = list(self.scopes)
        scope = rng.choice(scopes) if len(scopes) > 1 else scopes[0]
        devices = [one.index for one in self.machines if one.keep_all and not (one.is_gateway or one.is_gone)]
        self.scopes[scope][len(self.rosters) + 1] = tuple(sorted(rng.sample(devices, len(self.seated(scope)))))
        for one in self.machines:
            if one.is_on:
                one.journal.options = log_options(one)
        self.issue_roster(machine)

    def power_gone(self, machine: Machine) -> None:
        """A planned cut has hit."""
        rng = self.chance(f"cut {machine.index} {machine.life}")
        machine.cut_power(rng.choice(list(Tail)), 500.0 if self.is_healing else rng.uniform(500, 6_000))

    def breaks(self, machine: Machine) -> None:
        """Take one rule away from a node that is about to start, if this world is to show that it is needed."""
        if self._broken is not None:
            BREAKS[self._broken].apply(machine)
