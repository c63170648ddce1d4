"""Seeds to outcomes: one run each, a sum over many, and the line that repeats a failure."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from time import perf_counter

from edge.sim import losses
from edge.sim.agreement import waited_ms
from edge.sim.checkers import Violation
from edge.sim.cluster import Cluster
from edge.sim.fault import Fault
from edge.sim.faults import plan
from edge.sim.profiles import Profile


@dataclass(frozen=True)
class Case:
    """Everything that decides a run. `only`: the numbers of the faults that stay, None for all."""

    seed: int
    profile: Profile
    only: tuple[int, ...] | None = None
    broken: str | None = None

    def faults(self) -> list[Fault]:
        faults = plan(self.seed, self.profile)
        return faults if self.only is None else [fault for fault in faults if fault.number in self.only]

    def replay(self) -> str:
        """The command that repeats it."""
        words = ["synedge sim", f"--profile {self.profile.name}", f"--nodes {self.profile.nodes}"]
        words += [f"--minutes {self.profile.minutes:g}", f"--seeds {self.seed}:{self.seed + 1}"]
        if self.profile.stop_minutes is not None:
            words.append(f"--stop-minutes {self.profile.stop_minutes:g}")
        if self.only is not None:
            words.append(f"--only {','.join(map(str, self.only)) or 'none'}")
        if self.broken is not None:
            words.append(f"--break {self.broken}")
        if self.profile.committee:
            words.append(f"--committee {min(self.profile.committee, self.profile.nodes)}")
        if self.profile.byzantine:
            words.append(f"--byzantine {self.profile.byzantine} --behaviour {self.profile.behaviour}")
        if self.profile.sleepers:
            words.append(f"--sleepers {self.profile.sleepers:.2%}")
        return " ".join(words)


@dataclass
class Outcome:
    """What one run found and cost."""

    case: Case
    steps: int
    virtual_s: float
    vertices: int
    recorded: int
    sent_bytes: int
    violations: list[Violation]
    lost_acknowledged: int
    disagreements: int
    honest_evictions: int
    is_undecided: bool
    finality_ms: list[float]
    agreeing_bytes: int
    decisions: int
    trace_hash: str
    heal_s: float | None
    """From the end of faults until every keeper agreed; None if they never did."""
    notes: Counter[str]
    peaks: Counter[str]
    dropped: Counter[str]
    counts: Counter[str]
    """Of the last life of each honest node, summed."""


@dataclass
class Total:
    """The sum over seeds: the object that `synedge sim --json` prints."""

    seeds: int = 0
    steps: int = 0
    virtual_seconds: float = 0.0
    violations: int = 0
    unconverged: int = 0
    lost_acknowledged: int = 0
    honest_forks: int = 0
    disagreements: int = 0
    undecided: int = 0
    """Runs at whose end a question was open, or registers differed."""
    honest_evictions: int = 0
    """Devices that never lied, whom another one holds for a liar at the end: for a fork, or for voting twice."""
    finality_ms: list[float] = field(default_factory=list)
    agreeing_bytes: int = 0
    decisions: int = 0
    vertices: int = 0
    sent_bytes: int = 0
    seconds: float = 0.0
    heal_s_max: float = 0.0
    failed: list[Outcome] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    peaks: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    hashes: list[str] = field(default_factory=list)

    @property
    def trace_hash(self) -> str:
        """Of one seed its own, of many the hash over theirs."""
        if len(self.hashes) == 1:
            return self.hashes[0]
        return sha256("".join(self.hashes).encode()).hexdigest()

    @property
    def bytes_per_vertex(self) -> float:
        """Bytes that nodes sent, of whatever kind, over vertices recorded."""
        return round(self.sent_bytes / self.vertices, 1) if self.vertices else 0.0

    @property
    def bytes_per_decision(self) -> float:
        """Bytes of vertices with proposals and votes, each counted once, over values that became final."""
        return round(self.agreeing_bytes / self.decisions, 1) if self.decisions else 0.0

    def finality_at(self, share: float) -> float | None:
        return waited_ms(self.finality_ms, share)

    def add(self, outcome: Outcome) -> None:
        kinds = Counter(violation.kind for violation in outcome.violations)
        self.seeds += 1
        self.steps += outcome.steps
        self.virtual_seconds = round(self.virtual_seconds + outcome.virtual_s, 3)
        self.violations += len(outcome.violations) - kinds["unconverged"]
        self.unconverged += kinds["unconverged"]
        self.lost_acknowledged += outcome.lost_acknowledged
        self.honest_forks += kinds["honest-fork"]
        self.disagreements += outcome.disagreements
        self.honest_evictions += outcome.honest_evictions
        self.undecided += outcome.is_undecided
        self.finality_ms += outcome.finality_ms
        self.agreeing_bytes += outcome.agreeing_bytes
        self.decisions += outcome.decisions
        self.vertices += outcome.recorded
        self.sent_bytes += outcome.sent_bytes
        self.heal_s_max = max(self.heal_s_max, outcome.heal_s or 0.0)
        self.notes += outcome.notes
        self.dropped += outcome.dropped
        for name, value in outcome.peaks.items():
            self.peaks[name] = max(self.peaks[name], value)
        self.hashes.append(outcome.trace_hash)
        if outcome.violations:
            self.failed.append(outcome)


def run_case(case: Case, genuine: bool | None = None) -> Outcome:
    """One run."""
    world = Cluster(case.seed, case.profile, case.faults(), broken=case.broken, genuine=genuine)
    world.run()
    checkers, network = world.checkers, world.network
    return Outcome(
        case=case,
        steps=world.time.steps,
        virtual_s=world.now / 1000,
        vertices=len(checkers.vertices),
        recorded=sum(map(len, checkers.recorded.values())),
        sent_bytes=sum(network.sent_bytes.values()),
        violations=checkers.violations,
        lost_acknowledged=len(losses.acknowledged(checkers)),
        disagreements=checkers.ledger.disagreements,
        honest_evictions=checkers.evictions.wronged(),
        is_undecided=bool(checkers.ledger.waiting()),
        finality_ms=checkers.ledger.finality_ms,
        agreeing_bytes=checkers.ledger.agreeing_bytes,
        decisions=checkers.ledger.decisions,
        trace_hash=world.trace_hash,
        heal_s=None if world.converged_ms is None else (world.converged_ms - case.profile.load_ms) / 1000,
        notes=checkers.notes,
        peaks=checkers.peaks,
        dropped=network.dropped,
        counts=checkers.ledger.counts(),
    )


def run_seeds(
    seeds: Iterable[int],
    profile: Profile,
    *,
    only: Sequence[int] | None = None,
    broken: str | None = None,
    genuine: bool | None = None,
    progress: Callable[[Total], None] = lambda total: None,
    failures_max: int = 10,
) -> Total:
    """Every seed in turn; stops after so many failures."""
    total, begun = Total(), perf_counter()
    for seed in seeds:
        case = Case(seed, profile, None if only is None else tuple(only), broken)
        total.add(run_case(case, genuine))
        total.seconds = round(perf_counter() - begun, 3)
        progress(total)
        if len(total.failed) >= failures_max:
            break
        if total.seeds % 20 == 0:
            gc.collect()  # worlds are cycles
    return total
