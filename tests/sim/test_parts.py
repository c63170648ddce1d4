"""Virtual time, clocks, and brokers that promise nothing."""

from collections import Counter
from random import Random

import pytest

from edge.sim import strangers
from edge.sim.clock import Clock
from edge.sim.cluster import Cluster
from edge.sim.profiles import profile_named
from edge.sim.scheduler import Scheduler
from edge.wire.frame import Channel


def test_acts_happen_in_the_order_of_their_moments_then_of_their_planning():
    time, seen = Scheduler(), []
    time.at(20, seen.append, "late")
    time.at(10, lambda: time.after(0, seen.append, "third"))
    time.at(10, seen.append, "second")
    time.at(5, seen.append, "first")
    time.at(99, seen.append, "never")
    time.run(50, lambda: False)
    assert seen == ["first", "second", "third", "late"]
    assert time.now == 50


def test_a_clock_sleeps_drifts_and_jumps():
    clock = Clock(drift=1e-3, skew_ms=0, start_ms=0)
    clock.reboot(1_000)
    assert clock.now(1_000).mono_ms == 1_000
    assert clock.mono(11_000) == pytest.approx(1_000 + 10_010)
    assert clock.when(clock.mono(11_000)) == pytest.approx(11_000)
    clock.suspend(11_000)
    wall = clock.now(11_000).wall_ms
    assert clock.mono(99_000) == clock.mono(11_000)
    clock.resume(99_000)
    assert clock.mono(100_000) == pytest.approx(clock.mono(99_000) + 1_001)
    assert clock.now(99_000).wall_ms == pytest.approx(wall + 88_088, abs=2)
    clock.set_to(12_000, 100_000)
    assert clock.now(100_000).wall_ms == 12_000
    clock.jump(-50_000)
    assert clock.now(100_000).wall_ms == 0, "no clock shows a time before 1970"


@pytest.fixture
def site() -> Cluster:
    """Four nodes that are up and linked, and say nothing of their own but frontiers."""
    world = Cluster(1, profile_named("calm", nodes=4, brokers=2, links=1, rate_per_minute=0.0), [])
    for machine in world.machines:
        machine.boot()
    world.time.run(20_000, lambda: False)
    assert [len(broker.clients) for broker in world.network.brokers] == [4, 0]
    return world


def test_a_broker_that_dies_is_left_for_the_next_and_returned_to(site):
    first, second = site.network.brokers
    site.network.stop(first)
    site.time.run(site.now + 6_000, lambda: False)
    assert (len(first.clients), len(second.clients)) == (0, 4)
    site.network.start(first)
    site.time.run(site.now + 6_000, lambda: False)
    assert (len(first.clients), len(second.clients)) == (4, 0)


def test_a_slow_client_loses_what_its_queue_cannot_hold(site):
    broker = site.network.brokers[0]
    broker.queue_max = 2
    for _ in range(5):
        site.network.publish(site.machines[0], Channel.VERTEX, 0, b"x")
    assert site.network.dropped["queue limit"] == 3 * 3


def test_votes_do_not_wait_in_the_queue_of_the_rest(site):
    site.network.brokers[0].queue_max = 2
    for _ in range(5):
        site.network.publish(site.machines[0], Channel.VERTEX, 0, b"x")
    dropped = site.network.dropped["queue limit"]
    for _ in range(2):
        site.network.publish(site.machines[0], Channel.VOTE, 0, b"x")
    assert site.network.dropped["queue limit"] == dropped
    site.network.publish(site.machines[0], Channel.VOTE, 0, b"x")
    assert site.network.dropped["queue limit"] == dropped + 3, "they have a limit of their own"


def test_a_split_view_hides_some_from_some(site):
    broker = site.network.brokers[0]
    broker.hidden[0, 1] = None
    before = broker.waiting.copy()
    site.network.publish(site.machines[0], Channel.VERTEX, 0, b"x")
    assert broker.waiting - before == {2: 1, 3: 1}


def test_what_one_life_planned_does_not_reach_the_next(site):
    machine, seen = site.machines[0], []
    machine.later(10, seen.append, "old")
    machine.kill(back_ms=1.0)
    machine_life = machine.life
    site.time.run(site.now + 5, lambda: False)
    assert machine.is_on and machine.life > machine_life - 1
    machine.later(10, seen.append, "new")
    site.time.run(site.now + 50, lambda: False)
    assert seen == ["new"]


def test_a_sleeper_finds_what_finished_meanwhile(site):
    machine, seen = site.machines[1], []
    machine.later(10, seen.append, "done")
    machine.sleep()
    site.time.run(site.now + 60_000, lambda: False)
    assert not seen
    machine.wake()
    site.time.run(site.now + 10, lambda: False)
    assert seen == ["done"]


@pytest.mark.parametrize("act", [strangers.repeat, strangers.garble, strangers.lie])
def test_a_stranger_is_heard_and_changes_nothing(act):
    """Whoever has no key costs some work; what the site holds is what it would hold without."""
    world = Cluster(3, profile_named("calm", nodes=3, minutes=0.4), [])
    rng = Random(1)
    for moment in range(4_000, 20_000, 100):
        world.time.at(moment, act, world, rng)
    world.run()
    assert not world.checkers.violations
    told = Counter()
    for machine in world.machines:
        told += Counter(machine.node.counts())
    signs = {strangers.repeat: "duplicates", strangers.garble: "refused_signature_bad", strangers.lie: "gaps"}
    assert told[signs[act]] > 0
