"""What goes wrong, when and to whom: planned from the seed alone, each fault with chance of its own.

So a shrinker can leave faults out, and those that stay do the same as before at the same moments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from edge.sim import damage, strangers
from edge.sim.disk import SimDisk, Tail
from edge.sim.fault import Fault, anyone, device, until
from edge.sim.network import Spoken

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine
    from edge.sim.profiles import Profile


def plan(seed: int, profile: Profile) -> list[Fault]:
    """Every fault of a run, by number."""
    faults: list[Fault] = []
    until_ms = profile.minutes * 60_000
    for kind, expected in sorted(profile.faults_a_minute.items()):
        rng = Random(f"{seed}/fault {kind}")
        mean = expected * profile.minutes
        count = int(mean) + (rng.random() < mean % 1) if rng.random() < 0.8 else 0
        for _ in range(count):
            at_ms, span_ms = rng.uniform(0.02, 0.95) * until_ms, rng.expovariate(1 / 12_000)
            name = f"{seed}/{kind}/{len(faults)}"
            faults.append(Fault(len(faults), kind, at_ms, min(span_ms, until_ms - at_ms), rng.random(), name))
    return faults


def schedule(world: Cluster, faults: list[Fault]) -> None:
    for fault in faults:
        world.time.at(fault.at_ms, _strike, world, fault)


def _strike(world: Cluster, fault: Fault) -> None:
    if not world.is_healing:
        world.checkers.note(f"fault: {fault.kind}")
        KINDS[fault.kind](world, fault)


# ---- crashes


def _power(world: Cluster, fault: Fault) -> None:
    machine = anyone(world, fault)
    if machine.is_on:
        machine.cut_power(fault.chance().choice(list(Tail)), fault.span_ms)


def _kill(world: Cluster, fault: Fault) -> None:
    machine = anyone(world, fault)
    if machine.is_on:
        machine.kill(2_000 + fault.span_ms / 4)


def _crash_at_effect(world: Cluster, fault: Fault) -> None:
    anyone(world, fault).crash_in = fault.chance().randrange(60)


def _crash_at_operation(world: Cluster, fault: Fault) -> None:
    disk = anyone(world, fault).disk
    disk.cut_at = disk.operations + fault.chance().randrange(30)


def _restart(world: Cluster, fault: Fault) -> None:
    machine = anyone(world, fault)
    machine.shut_down()
    until(world, fault, machine.boot)


# ---- disks


def _full(world: Cluster, fault: Fault) -> None:
    disk = anyone(world, fault).disk
    disk.room = fault.chance().randrange(20_000)
    disk.thin = True
    until(world, fault, lambda: _make_room(disk))


def _make_room(disk: object) -> None:
    disk.room, disk.thin = None, False  # type: ignore[attr-defined]


def _sync_fails(world: Cluster, fault: Fault) -> None:
    anyone(world, fault).disk.failing_syncs = 1


def _slow(world: Cluster, fault: Fault) -> None:
    machine = anyone(world, fault)
    usual, machine.sync_ms = machine.sync_ms, (200.0, 1_500.0)
    until(world, fault, lambda: setattr(machine, "sync_ms", usual))


def _lying(world: Cluster, fault: Fault) -> None:
    machine = device(world, fault)
    machine.trust.keeps = machine.trust.never_forks = False
    machine.disk.lying = True


def _image(world: Cluster, fault: Fault) -> None:
    """A copy of the card is made now, and put back when the span is over."""
    _put_back(world, fault, times=1)


def _same_image(world: Cluster, fault: Fault) -> None:
    """Put back twice, into a device without a clock: it cannot know what it said after the first time."""
    _put_back(world, fault, times=2)


def _put_back(world: Cluster, fault: Fault, times: int) -> None:
    machine, rng = device(world, fault), fault.chance()
    if not machine.is_on:
        return
    image = machine.disk.clone()
    image.crash(Tail.ALL, rng)

    def restore() -> None:
        machine.trust.keeps = machine.trust.never_forks = False
        machine.has_no_clock = machine.has_no_clock or times > 1
        machine.cut_power(Tail.NONE, 1_000)
        machine.disk = image.clone()

    for time in range(times):
        world.time.after((time + 1) * fault.span_ms, lambda: None if world.is_healing else restore())


def _two_images(world: Cluster, fault: Fault) -> None:
    """Two copies of one card, made in one life and put back one after the other into a device whose clock once ran
    ahead: counting on from there, both go on in the same incarnation, the second where the first has not come to."""
    machine, ahead_ms = device(world, fault), 4 * 86_400_000.0
    if not machine.is_on:
        return
    machine.trust.keeps = machine.trust.never_forks = False
    images: list[SimDisk] = []

    def copy() -> None:
        images.append(machine.disk.clone())
        images[-1].crash(Tail.ALL, fault.chance())

    def put_back() -> None:
        machine.cut_power(Tail.NONE, 500.0)
        machine.disk = images.pop(0).clone()

    machine.clock.jump(ahead_ms)
    machine.cut_power(Tail.ALL, 500.0)
    acts = (lambda: machine.clock.set_true(world.now), copy, copy, put_back, put_back)
    for at_ms, act in zip((4_000.0, 4_500.0, 12_000.0, 12_500.0, 16_000.0), acts, strict=True):
        world.time.after(at_ms, lambda act=act: None if world.is_healing else act())


# ---- network


def _loss(world: Cluster, fault: Fault) -> None:
    _weather(world, fault, loss=fault.chance().choice((0.02, 0.1, 0.3, 0.6)))


def _twice(world: Cluster, fault: Fault) -> None:
    _weather(world, fault, twice=fault.chance().uniform(0.05, 0.5))


def _delay(world: Cluster, fault: Fault) -> None:
    _weather(world, fault, delay_ms_max=fault.chance().choice((50.0, 400.0, 3_000.0)))


def _reorder(world: Cluster, fault: Fault) -> None:
    _weather(world, fault, reorders=True, delay_ms_max=fault.chance().choice((20.0, 300.0)))


def _weather(world: Cluster, fault: Fault, **changes: float) -> None:
    network = world.network
    usual = {name: getattr(network.calm_weather, name) for name in changes}
    network.weather = replace(network.weather, **changes)  # type: ignore[arg-type]

    def clear() -> None:
        network.weather = replace(network.weather, **usual)

    until(world, fault, clear)


def _mute(world: Cluster, fault: Fault) -> None:
    index, network = anyone(world, fault).index, world.network
    network.mute[index] = None
    until(world, fault, lambda: network.mute.pop(index, None) and None)


def _deaf(world: Cluster, fault: Fault) -> None:
    index, network = anyone(world, fault).index, world.network
    network.deaf[index] = None
    until(world, fault, lambda: network.deaf.pop(index, None) and None)


def _partition(world: Cluster, fault: Fault) -> None:
    """Some reach only some brokers, the others only the others; or nothing at all where there is one."""
    network, rng = world.network, fault.chance()
    pairs: list[tuple[int, int]] = []
    for machine in world.machines:
        side = rng.random() < 0.5
        pairs += [(machine.index, b.index) for b in network.brokers if (b.index % 2 == 0) == side]
    network.unreachable |= dict.fromkeys(pairs)
    network.review_all()

    def join() -> None:
        for pair in pairs:
            network.unreachable.pop(pair, None)
        network.review_all()

    until(world, fault, join)


def _gateway_away(world: Cluster, fault: Fault) -> None:
    """No gateway reaches a broker, nor is reached."""
    _away(world, fault, [machine for machine in world.machines if machine.is_gateway])


def _members_away(world: Cluster, fault: Fault) -> None:
    """Nor does anybody who votes, or did."""
    committees = (members for committees in world.scopes.values() for members in committees.values())
    seated = {index for members in committees for index in members}
    _away(world, fault, [world.machines[index] for index in sorted(seated)])


def _away(world: Cluster, fault: Fault, machines: list[Machine]) -> None:
    network = world.network
    pairs = [(machine.index, broker.index) for machine in machines for broker in network.brokers]
    network.unreachable |= dict.fromkeys(pairs)
    network.review_all()

    def come_back() -> None:
        for pair in pairs:
            network.unreachable.pop(pair, None)
        network.review_all()

    until(world, fault, come_back)


def _broker_crash(world: Cluster, fault: Fault) -> None:
    network = world.network
    broker = network.brokers[int(fault.share * len(network.brokers))]
    if broker.is_up:
        network.stop(broker)
        until(world, fault, lambda: network.start(broker))


def _split_view(world: Cluster, fault: Fault) -> None:
    """A broker keeps some members from others."""
    rng = fault.chance()
    broker = world.network.brokers[int(fault.share * len(world.network.brokers))]
    indexes = [machine.index for machine in world.machines]
    pairs = [(a, b) for a in indexes for b in indexes if a != b and rng.random() < 0.4]
    broker.hidden |= dict.fromkeys(pairs)
    until(world, fault, broker.hidden.clear)


def _queue_limit(world: Cluster, fault: Fault) -> None:
    broker = world.network.brokers[int(fault.share * len(world.network.brokers))]
    usual, broker.queue_max = broker.queue_max, fault.chance().choice((1, 3, 8))
    until(world, fault, lambda: setattr(broker, "queue_max", usual))


def _stale_retained(world: Cluster, fault: Fault) -> None:
    """A broker comes back with what it retained a while ago, and says all of it again."""
    broker = world.network.brokers[int(fault.share * len(world.network.brokers))]
    old = dict(broker.retained)

    def say() -> None:
        broker.retained |= old
        for (channel, _), (sender, payload) in old.items():
            world.network.speak(broker, Spoken(channel, sender, sender, payload))

    until(world, fault, say)


def _stranger(act: Callable[[Cluster, Random], None]) -> Callable[[Cluster, Fault], None]:
    """Someone who speaks five times a second for as long as the fault lasts."""

    def speak(world: Cluster, fault: Fault) -> None:
        rng = fault.chance()

        def again(left: int) -> None:
            if left and not world.is_healing:
                act(world, rng)
                world.time.after(rng.uniform(50, 350), again, left - 1)

        again(int(fault.span_ms / 200) + 1)

    return speak


# ---- clocks, comings and goings, load


def _clock_jump(world: Cluster, fault: Fault) -> None:
    anyone(world, fault).clock.jump(fault.chance().choice((-1, 1)) * 10 ** fault.chance().uniform(2, 9))


def _1970(world: Cluster, fault: Fault) -> None:
    machine = anyone(world, fault)
    machine.has_no_clock = True
    if machine.is_on:
        machine.cut_power(Tail.TORN, 1_000)

    def answer() -> None:
        machine.has_no_clock = False
        machine.clock.set_true(world.now)

    until(world, fault, answer)


def _sleep(world: Cluster, fault: Fault) -> None:
    machine = device(world, fault)
    machine.sleep()
    until(world, fault, machine.wake)


def _late(world: Cluster, fault: Fault) -> None:
    """Whoever is meant here was not started at the beginning (`Cluster.start`)."""
    device(world, fault).boot()


def _roster(world: Cluster, fault: Fault) -> None:
    """The operator gives one device a newer roster: it learns of it from a file, the others from it."""
    world.issue_roster(anyone(world, fault))


def _committee(world: Cluster, fault: Fault) -> None:
    """The operator lets others vote, and gives the roster to one device."""
    world.change_committee(anyone(world, fault), fault.chance())


def _lost_committee(world: Cluster, fault: Fault) -> None:
    """More of the committee than may be away burn, and some time later the keys put another one in its place."""
    world.recoveries.strike(fault.chance(), fault.span_ms + 3_000.0)


def _evict(world: Cluster, fault: Fault) -> None:
    """The operator wants one device gone that has no vote, and goes from member to member."""
    devices = [one for one in world.machines[world.committee :] if not one.is_gateway]
    if devices:
        world.checkers.evictions.tell(devices[int(fault.share * len(devices))])


def _burst(world: Cluster, fault: Fault) -> None:
    machine, rng = device(world, fault), fault.chance()
    for number in range(rng.choice((100, 400, 900))):
        world.time.after(number * rng.uniform(5, 30), world.make_event, machine, True)


KINDS: dict[str, Callable[[Cluster, Fault], None]] = {
    "power": _power, "kill": _kill, "crash at an effect": _crash_at_effect,
    "crash at a disk operation": _crash_at_operation, "restart": _restart, "full": _full, "sync fails": _sync_fails,
    "slow disk": _slow, "lying flush": _lying, "image": _image,
    "same image": _same_image, "two images": _two_images,
    "loss": _loss, "twice": _twice, "delay": _delay, "reorder": _reorder, "mute": _mute,
    "deaf": _deaf, "partition": _partition, "gateway away": _gateway_away,
    "members away": _members_away, "broker crash": _broker_crash,
    "split view": _split_view, "queue limit": _queue_limit, "stale retained": _stale_retained,
    "repeat": _stranger(strangers.repeat), "garble": _stranger(strangers.garble), "lie": _stranger(strangers.lie),
    "clock jump": _clock_jump, "1970": _1970, "sleep": _sleep, "late": _late, "roster": _roster, "burst": _burst,
    "committee": _committee, "lost committee": _lost_committee,
    "evict": _evict,
} | damage.KINDS  # fmt: skip
