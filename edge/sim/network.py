"""Brokers and the links to them: what is published reaches subscribers late, twice, in another order, or not at all.

A broker promises nothing. Its faults are fields that `edge.sim.faults` sets and clears; `calm` clears all of them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from edge.limits import BROKER_QUEUE_PACKETS_MAX
from edge.sim.scheduler import Scheduler
from edge.wire.frame import VERTICES, Channel

if TYPE_CHECKING:
    from edge.sim.machine import Machine

RETAINED = (Channel.FRONTIER, Channel.ROSTER)
HEARD_OF_GATEWAYS = (*VERTICES, Channel.FRONTIER)
"""Channels of which clients that keep their own line hear gateways alone."""
HISTORY_FRAMES = 256
NOTICE_MS_MAX = 4_500.0
"""A dead connection is noticed at the latest after one and a half keepalives of three seconds."""
TOPIC_BYTES = 32
"""Of a PUBLISH besides its payload: fixed header and `synedge/1/<site>/<channel>/<index>`."""

_FINGERPRINT_PRIME = 16777619


class Spoken(NamedTuple):
    """A frame as it was published; `to` is the receiver on channels that name one."""

    channel: Channel
    sender: int
    to: int
    payload: bytes


@dataclass(slots=True)
class Weather:
    """How frames travel between a client and a broker."""

    loss: float = 0.0
    twice: float = 0.0
    delay_ms_min: float = 0.4
    delay_ms_max: float = 3.0
    reorders: bool = False


@dataclass(slots=True)
class Broker:
    index: int
    is_up: bool = True
    retained: dict[tuple[Channel, int], tuple[int, bytes]] = field(default_factory=dict)
    """The newest frame of each retained topic, and who sent it."""
    clients: dict[int, None] = field(default_factory=dict)
    hearers: dict[Channel, dict[int, None]] = field(default_factory=lambda: {channel: {} for channel in Channel})
    """By channel the clients that subscribe to all of it."""
    leaves: dict[int, None] = field(default_factory=dict)
    """Clients that keep their own line."""
    queue_max: int = BROKER_QUEUE_PACKETS_MAX
    hidden: dict[tuple[int, int], None] = field(default_factory=dict)
    """(sender, receiver) pairs that this broker does not serve: a split view."""
    waiting: Counter[int] = field(default_factory=Counter)
    """Frames on their way over each connection of a client, as `_line` numbers them."""
    clear_ms: dict[int, float] = field(default_factory=dict)
    """When the last frame on its way to a client arrives: one connection keeps its order."""


class Network:
    """Brokers by index, the lowest preferred by everyone; each machine keeps `links` connections."""

    def __init__(self, time: Scheduler, rng: Random, brokers: int, links: int, weather: Weather) -> None:
        self.brokers = [Broker(index) for index in range(brokers)]
        self.machines: list[Machine] = []
        self.weather = weather
        self.links = links
        self.unreachable: dict[tuple[int, int], None] = {}
        """(machine, broker) pairs that are cut: no connection stands or comes about."""
        self.mute: dict[int, None] = {}
        """Machines whose frames go nowhere although their connections stand."""
        self.deaf: dict[int, None] = {}
        """Machines that nothing reaches although their connections stand."""
        self.sent_frames: Counter[Channel] = Counter()
        self.sent_bytes: Counter[Channel] = Counter()
        self.received_bytes = 0
        self.handed: Callable[[Machine, Channel, bytes], None] | None = None
        """Told of each frame that has reached a machine, before that reads it."""
        self.dropped: Counter[str] = Counter()
        self.history: deque[Spoken] = deque(maxlen=HISTORY_FRAMES)
        """What strangers may have written down."""
        self.fingerprint = 0
        """Changes with every frame that arrives."""
        self.calm_weather = weather
        self._time = time
        self._rng = rng

    # ---- connections

    def review(self, machine: Machine) -> None:
        """Drop the connections of a machine that cannot stand, make those that can, tell its node."""
        if not (machine.is_awake and machine.is_ready):
            return
        wanted = [broker for broker in self.brokers if self._reaches(machine, broker)][: self.links]
        for broker in self.brokers:
            if machine.index in broker.clients and broker not in wanted:
                self._disconnect(machine, broker)
        for broker in wanted:
            if machine.index not in broker.clients:
                self._connect(machine, broker)
                machine.linked(True)
                self._give_retained(machine, broker)
        if not wanted:
            machine.linked(False)

    def review_soon(self, machine: Machine) -> None:
        """Someone will notice that a connection has died, or that one can be had."""
        self._time.after(self._rng.uniform(200.0, NOTICE_MS_MAX), self.review, machine)

    def review_all(self) -> None:
        for machine in self.machines:
            self.review_soon(machine)

    def forget(self, machine: Machine) -> None:
        """Its process is gone: the brokers see the connection close."""
        for broker in self.brokers:
            if machine.index in broker.clients:
                self._disconnect(machine, broker)

    def stop(self, broker: Broker) -> None:
        """The broker's process dies, and with it what it retained and what was queued."""
        broker.is_up = False
        broker.retained.clear()
        for index in list(broker.clients):
            self._disconnect(self.machines[index], broker)
            self.review_soon(self.machines[index])

    def start(self, broker: Broker) -> None:
        broker.is_up = True
        self.review_all()

    def calm(self) -> None:
        """End every fault."""
        self.weather = self.calm_weather
        self.unreachable.clear()
        self.mute.clear()
        self.deaf.clear()
        for broker in self.brokers:
            broker.hidden.clear()
            broker.queue_max = BROKER_QUEUE_PACKETS_MAX
            broker.is_up = True
        self.review_all()

    def _reaches(self, machine: Machine, broker: Broker) -> bool:
        return broker.is_up and (machine.index, broker.index) not in self.unreachable

    def _connect(self, machine: Machine, broker: Broker) -> None:
        broker.clients[machine.index] = None
        for channel, hearers in broker.hearers.items():
            if machine.subscribes(channel):
                hearers[machine.index] = None
        if not machine.keep_all:
            broker.leaves[machine.index] = None

    def _disconnect(self, machine: Machine, broker: Broker) -> None:
        del broker.clients[machine.index]
        for hearers in broker.hearers.values():
            hearers.pop(machine.index, None)
        broker.leaves.pop(machine.index, None)
        for channel in VERTICES:
            broker.clear_ms.pop(_line(machine.index, channel), None)

    def _give_retained(self, machine: Machine, broker: Broker) -> None:
        for (channel, _), (sender, payload) in list(broker.retained.items()):
            if sender == machine.index:
                continue
            if machine.index in broker.hearers[channel] or self._is_for_leaves(channel, sender):
                self._carry(broker, sender, machine, channel, payload, crc32(payload))

    # ---- frames

    def publish(self, sender: Machine, channel: Channel, to: int, payload: bytes) -> None:
        """To everyone who subscribes, or to member `to` on channels that name their receiver."""
        index = sender.index
        self.history.append(Spoken(channel, index, to, payload))
        for broker in self.brokers:
            if index not in broker.clients:
                continue
            self.sent_frames[channel] += 1
            self.sent_bytes[channel] += len(payload) + TOPIC_BYTES
            if index in self.mute or self._is_lost(sender, broker):
                self.dropped["on the way to a broker"] += 1
                continue
            if channel in RETAINED:
                broker.retained[channel, to if channel is Channel.FRONTIER else -1] = (index, payload)
            if channel in (Channel.REQUEST, Channel.REPLY):
                if to in broker.clients and to != index:
                    self._carry(broker, index, self.machines[to], channel, payload, crc32(payload))
                continue
            digest = crc32(payload)
            for other in self._hearers(broker, channel, index):
                if other != index:
                    self._carry(broker, index, self.machines[other], channel, payload, digest)

    def hand(self, sender: int, receiver: Machine, channel: Channel, payload: bytes) -> None:
        """Shown to one member alone, by a broker that sides with who says it."""
        for broker in self.brokers:
            if receiver.index in broker.clients:
                self._carry(broker, sender, receiver, channel, payload, crc32(payload))
                return

    def speak(self, broker: Broker, spoken: Spoken) -> None:
        """Somebody who is no member publishes, or the broker of its own accord."""
        channel, sender, to, payload = spoken
        named = [to] if channel in (Channel.REQUEST, Channel.REPLY) else self._hearers(broker, channel, sender)
        for index in named:
            if index != sender and index in broker.clients:
                self._carry(broker, sender, self.machines[index], channel, payload, crc32(payload))

    def _hearers(self, broker: Broker, channel: Channel, sender: int) -> list[int]:
        """Who has subscribed to what this member says on a channel, as in `edge.shell.topics.frame_filters`."""
        leaves = broker.leaves if self._is_for_leaves(channel, sender) else ()
        return [*broker.hearers[channel], *leaves]

    def _is_for_leaves(self, channel: Channel, sender: int) -> bool:
        return channel in HEARD_OF_GATEWAYS and self.machines[sender].is_gateway

    def _carry(
        self, broker: Broker, sender: int, receiver: Machine, channel: Channel, payload: bytes, digest: int
    ) -> None:
        """`digest` is of the payload: for the trace."""
        index = receiver.index
        if (sender, index) in broker.hidden:
            self.dropped["hidden"] += 1
            return
        if index in self.deaf or self._is_lost(receiver, broker):
            self.dropped["on the way from a broker"] += 1
            return
        weather, rng, line = self.weather, self._rng, _line(index, channel)
        copies = 2 if weather.twice and rng.random() < weather.twice else 1
        for _ in range(copies):
            if broker.waiting[line] >= broker.queue_max:
                self.dropped["queue limit"] += 1
                return
            moment = self._time.now + weather.delay_ms_min
            moment += rng.random() * (weather.delay_ms_max - weather.delay_ms_min)
            if not weather.reorders:
                moment = broker.clear_ms[line] = max(moment, broker.clear_ms.get(line, 0.0))
            broker.waiting[line] += 1
            self._time.at(moment, self._arrive, broker, receiver, channel, payload, digest)

    def _arrive(self, broker: Broker, receiver: Machine, channel: Channel, payload: bytes, digest: int) -> None:
        broker.waiting[_line(receiver.index, channel)] -= 1
        if receiver.index not in broker.clients or not receiver.is_awake:
            self.dropped["connection gone"] += 1
            return
        self.received_bytes += len(payload) + TOPIC_BYTES
        self.fingerprint = (self.fingerprint * _FINGERPRINT_PRIME + (digest ^ receiver.index)) & 0xFFFFFFFF
        if self.handed is not None:
            self.handed(receiver, channel, payload)
        receiver.receive(channel, payload)

    def _is_lost(self, machine: Machine, broker: Broker) -> bool:
        if (machine.index, broker.index) in self.unreachable:
            return True
        return self.weather.loss > 0 and self._rng.random() < self.weather.loss


def _line(index: int, channel: Channel) -> int:
    """A client's connection, by number: votes have one of their own, with its own order and its own queue."""
    return -1 - index if channel is Channel.VOTE else index
