"""A site somebody thinks of building: when is everything home, and what does it cost in bytes and memory?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter

from edge.ids import VertexId
from edge.limits import CERTIFICATE_BYTES_MAX, LOG_BYTES_MAX
from edge.node.options import KEEP_ALL_MEMBERS_MAX
from edge.sim.agreement import waited_ms
from edge.sim.attending import UP_MS, Attending, naps
from edge.sim.cluster import Cluster
from edge.sim.delivering import Delivering
from edge.sim.fault import Fault
from edge.sim.machine import Machine
from edge.sim.network import Weather
from edge.sim.profiles import MINUTE_MS, PROFILES
from edge.wire.frame import Channel

SETTLE_MS = MINUTE_MS
"""Everything is up before anybody goes away."""
AFTER_MINUTES = 10.0
GATEWAYS = 1
VERTEX_MEMORY_BYTES = 48
"""What a graph holds of a vertex (`edge.dag.graph`)."""
SAMPLES = 240
SEGMENT_BYTES = 2 * CERTIFICATE_BYTES_MAX
"""Of a log: as small as a quorum's certificate allows."""


@dataclass(frozen=True)
class Question:
    """Shares are of 1; `nodes` are devices and a gateway; `gateway_away_min` begins after the first minute. The first
    `committee` devices vote, and sleep like the others; one or two of them propose something every ten seconds."""

    nodes: int = 50
    minutes: float | None = None
    asleep: float = 0.0
    loss: float = 0.0
    gateway_away_min: float = 0.0
    rate_per_minute: float = 1.0
    committee: int = 0
    seed: int = 0

    @property
    def devices(self) -> int:
        return self.nodes - GATEWAYS

    @property
    def load_minutes(self) -> float:
        return self.minutes or self.gateway_away_min + AFTER_MINUTES + SETTLE_MS / MINUTE_MS


@dataclass
class Sample:
    """The site at one moment."""

    at_s: float
    recorded: int
    home: int
    """Of these, in a gateway's store."""
    sent_bytes: int
    log_bytes_max: int
    """The largest log of a device."""


Figure = float | int | None | dict[str, float | None]


@dataclass
class Answer:
    question: Question
    home_s: float | None = None
    """From the gateway's return (the end of load, if it never left) until it had all that was recorded before."""
    samples: list[Sample] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """Why a figure is missing."""


def ask(question: Question, progress: Callable[[float], None] = lambda share: None) -> Answer:
    """Run it once. `progress` gets the share of virtual time that has passed."""
    begun = perf_counter()
    keep_all = question.nodes <= KEEP_ALL_MEMBERS_MAX
    weather = Weather(loss=question.loss)
    profile = replace(
        PROFILES["site"],
        nodes=question.nodes,
        gateways=GATEWAYS,
        minutes=question.load_minutes,
        rate_per_minute=question.rate_per_minute,
        keep_all=keep_all,
        log_bytes=LOG_BYTES_MAX,
        weather=weather,
        committee=question.committee,
        segment_bytes=SEGMENT_BYTES,
    )
    world = Cluster(question.seed, profile, _faults(question), genuine=False)
    answer = Answer(question)
    watch = _Watch(world, question, answer, progress)
    world.time.after(1_000.0, watch.look)
    world.run()
    watch.note()
    answer.violations = [f"{v.kind}: {v.who}: {v.text}" for v in world.checkers.violations]
    answer.figures = {**_figures(world, answer, perf_counter() - begun), **watch.agreed()}
    return answer


def _faults(question: Question) -> list[Fault]:
    faults = naps(question.seed, question.devices, question.asleep, question.load_minutes * MINUTE_MS)
    if question.gateway_away_min:
        away_ms = question.gateway_away_min * MINUTE_MS
        faults.append(Fault(len(faults), "gateway away", SETTLE_MS, away_ms, 0.0, "away"))
    return faults


class _Watch:
    """Looks at the world now and then, each second while it matters."""

    def __init__(self, world: Cluster, question: Question, answer: Answer, progress: Callable[[float], None]) -> None:
        self._world = world
        self._answer = answer
        self._progress = progress
        self._until_ms = question.load_minutes * MINUTE_MS
        away_ms = question.gateway_away_min * MINUTE_MS
        self._return_ms = SETTLE_MS + away_ms if away_ms else self._until_ms
        self._usual_ms = max(1_000.0, self._until_ms / SAMPLES)
        self._seen: dict[int, int] = {}
        self._out: dict[VertexId, None] = {}
        self._awaited: dict[VertexId, None] | None = None
        self._recorded = 0
        self._attending = Attending(world)
        self._delivering = Delivering(world)

    def look(self) -> None:
        now = self._world.now
        self.note()
        matters = self._awaited is not None and self._answer.home_s is None
        wait_ms = 1_000.0 if matters else self._usual_ms
        if now < self._return_ms:
            wait_ms = min(wait_ms, self._return_ms - now)
        self._world.time.after(wait_ms, self.look)
        self._progress(min(1.0, now / self._until_ms))

    def agreed(self) -> dict[str, Figure]:
        """What agreement cost; nothing where nobody votes."""
        ledger = self._world.checkers.ledger
        if not self._world.committee:
            return {}
        there = self._attending
        if there.availability is None:
            ran_s = min(self._world.now, self._until_ms) / 1000
            why = f"that begins once a site is up, after {UP_MS / 1000:g} s, and load lasted {ran_s:g} s"
            self._answer.remarks.append(f"availability was not observed: {why}")
        given, receivers = self._delivering.bytes, self._delivering.receivers
        return {
            "committee": self._world.committee,
            "quorum": ledger.quorum,
            "decisions": ledger.decisions,
            "undecided": ledger.unanswered,
            "finality_ms": {"p50": waited_ms(ledger.finality_ms, 0.5), "p99": waited_ms(ledger.finality_ms, 0.99)},
            "bytes_per_decision": _over(ledger.agreeing_bytes, ledger.decisions),
            "delivered_bytes_per_decision": _over(given, ledger.decisions),
            "delivered_bytes_per_decision_and_device": _over(given, ledger.decisions * receivers),
            "availability": there.availability,
            "availability_expected": there.expected(1 - self._answer.question.asleep),
            "availability_observed_s": there.observed_s,
        }

    def note(self) -> None:
        """One sample; and whether everyone is home."""
        world, answer = self._world, self._answer
        self._update()
        if self._awaited is None and world.now >= self._return_ms:
            self._awaited = dict(self._out)
        if self._awaited is not None and answer.home_s is None:
            self._awaited = {id: None for id in self._awaited if id in self._out}
            if not self._awaited:
                answer.home_s = round((world.now - self._return_ms) / 1000, 3)
        devices = [machine for machine in world.machines if not machine.is_gateway and machine.is_on]
        largest = max((machine.journal.size_bytes for machine in devices), default=0)
        sent = sum(world.network.sent_bytes.values())
        home = self._recorded - len(self._out)
        answer.samples.append(Sample(round(world.now / 1000, 3), self._recorded, home, sent, largest))

    def _update(self) -> None:
        stores = [machine.store.vertices for machine in self._world.machines if machine.is_gateway]
        for author, ids in self._world.checkers.recorded.items():
            if not self._world.machines[author].is_gateway:
                fresh = ids[self._seen.get(author, 0) :]
                self._recorded += len(fresh)
                self._out |= dict.fromkeys(fresh)
                self._seen[author] = len(ids)
        for store in stores:
            self._out = {id: None for id in self._out if id not in store}


def _over(count: int, by: int) -> float | None:
    return round(count / by, 1) if by else None


def _figures(world: Cluster, answer: Answer, seconds: float) -> dict[str, float | int | None]:
    samples, network = answer.samples, world.network
    devices = [machine for machine in world.machines if not machine.is_gateway and machine.is_on]
    last = samples[-1]
    return {
        "devices": answer.question.devices,
        "gateways": GATEWAYS,
        "home_s": answer.home_s,
        "recorded_vertices": last.recorded,
        "home_vertices": last.home,
        "most_waiting_vertices": max(sample.recorded - sample.home for sample in samples),
        "sent_bytes": last.sent_bytes,
        "bytes_per_vertex": round(last.sent_bytes / last.recorded, 1) if last.recorded else 0.0,
        "repair_bytes": network.sent_bytes[Channel.REPLY] + network.sent_bytes[Channel.REQUEST],
        "frontier_bytes": network.sent_bytes[Channel.FRONTIER],
        "received_bytes": network.received_bytes,
        "frames": sum(network.sent_frames.values()),
        "device_log_bytes_max": last.log_bytes_max,
        "device_graph_bytes_max": max(map(_graph_bytes, devices), default=0),
        "gateway_vertices": max(len(machine.store.vertices) for machine in world.machines if machine.is_gateway),
        "pending_bytes_max": world.checkers.peaks["pending_bytes"],
        "virtual_seconds": round(world.now / 1000, 3),
        "seconds": round(seconds, 3),
    }


def _graph_bytes(machine: Machine) -> int:
    return machine.node.graph.vertices * VERTEX_MEMORY_BYTES
