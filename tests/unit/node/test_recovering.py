"""Most of a committee are gone for good: k of m keys put another one in its place, and nodes go on above the cut."""

from dataclasses import replace

import pytest

from edge.dag.records import CERTIFICATE
from edge.wire.frame import Channel
from edge.wire.refusal import Refusal
from edge.wire.roster import sign_roster
from tests.builders import AUTHORITY, Machine, World, roster_of
from tests.recovery import HOLDERS, heads, keys_of, recover, succeed
from tests.unit.node.test_succession import NAMES, OLD, epoch, spread
from tests.unit.node.test_voting import propose, values

NEW = (2, 3, 4, 5)


def site(seed: int = 0) -> World:
    """All six may vote; a to d do, and two of three keys may replace them."""
    world = World(NAMES, voting=OLD, seed=seed)
    roster, _ = roster_of(NAMES, voting=tuple(NAMES))
    listed = keys_of(HOLDERS[:3], 2)
    world.roster = replace(roster, committees=world.roster.committees, recovery=(listed,))
    world.roster_bytes = sign_roster(world.roster, AUTHORITY)
    world.boot_all()
    world.deliver()
    return world


def lose(world: World, *names: str) -> None:
    for name in names:
        world.machines[name].kill()


def cut(world: World, source: str = "c", indices: tuple[int, ...] = NEW) -> None:
    """The next roster, with what this device holds of the old members."""
    graph = world.machines[source].node.graph
    made = recover(world.roster, indices, (len(indices) - 1) // 3, heads(graph, range(4)), HOLDERS[:2])
    world.roster, world.roster_bytes = made


def offer(world: World, machine: Machine, data: bytes) -> str:
    """The reason why it is not taken; empty if it is."""
    answer = machine.node.membership.receive(data, world.now)
    return answer.reason if isinstance(answer, Refusal) else ""


def test_another_committee_goes_on_and_what_it_decides_says_so() -> None:
    world = site()
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    lose(world, "a", "b")
    propose(world.machines["c"], "model", b"two")
    world.run(5)
    assert values(world) == [b"one"] * 4, "two of four decide nothing"
    cut(world)
    spread(world)
    world.run(10)
    assert [epoch(machine) for machine in world.up()] == [2] * 4
    assert values(world) == [b"two"] * 4, "what was open is gone on with"
    propose(world.machines["e"], "night", b"on")
    world.run(3)
    assert values(world, "night") == [b"on"] * 4
    for machine in world.up():
        voting = machine.node.voting
        assert [(one.value, one.recovered) for one in machine.decided] == [
            (b"one", False),
            (b"two", True),
            (b"on", True),
        ]
        assert all(voting.agreement.registers.is_recovered(final.question) for final in voting.finals.values())
        assert voting.agreement.counts()["sets_open"] == 0
    handover = world.machines["f"].node.voting.agreement.epochs.handover("site")
    assert handover is not None and handover.epoch == 2 and set(handover.entered) >= {2, 3, 4}


def test_what_was_certified_below_the_cut_is_decided_again_and_not_otherwise() -> None:
    """d alone has precommitted; who joins knows nothing else, and proposes another value."""
    for seed in range(3):
        world = site(seed)
        propose(world.machines["b"], "model", b"one")
        world.fate = lambda sender, to, channel: int(to < 4)
        world.run(0.05)
        lose(world, "a", "b")
        world.run(1)
        certified = {
            final.value for machine in world.machines.values() for final in machine.node.voting.agreement.registers
        }
        cut(world, source="d")
        world.fate = lambda *_: 1
        spread(world)
        propose(world.machines["e"], "model", b"two")
        world.run(15)
        found = set(values(world))
        assert len(found) == 1 and None not in found and certified <= found, f"seed {seed}: {certified} {found}"


def test_it_is_known_after_a_restart_and_the_next_change_is_an_ordinary_one() -> None:
    world = site()
    lose(world, "a", "b")
    cut(world)
    spread(world)
    propose(world.machines["e"], "model", b"one")
    world.run(5)
    for name in ("c", "d", "e", "f"):
        world.machines[name].kill()
        world.boot(name)
    world.run(3)
    assert values(world) == [b"one"] * 4
    propose(world.machines["f"], "model", b"two")
    world.run(5)
    assert values(world) == [b"two"] * 4
    held = world.roster
    standing = held.committees[0]._replace(indices=(3, 4, 5), liars=0, since=3, cut=None)
    world.roster = replace(held, version=3, committees=(standing,), ended=(*held.ended, *held.committees))
    world.roster_bytes = sign_roster(world.roster, AUTHORITY)
    spread(world)
    world.run(5)
    assert [epoch(machine) for machine in world.up()] == [3] * 4
    propose(world.machines["f"], "model", b"three")
    world.run(5)
    assert values(world) == [b"three"] * 4
    assert all(machine.decided[-1].recovered for machine in world.up()), "it stays so"


def test_who_lives_through_it_votes_no_more_in_the_lost_epoch() -> None:
    world = site()
    lose(world, "a", "b")
    cut(world, indices=(4, 5))
    world.machines["d"].do(world.machines["d"].node.receive(Channel.ROSTER, world.roster_bytes, world.now))
    propose(world.machines["c"], "model", b"one")
    world.run(2)
    before = world.machines["d"].node.voting.agreement.votes_cast
    lose(world, "e", "f")
    world.boot("a")
    world.boot("b")
    world.run(10)
    assert world.machines["d"].node.voting.agreement.votes_cast == before == 0


def test_a_certificate_of_the_lost_committee_that_contradicts_is_kept_and_told_and_does_not_win() -> None:
    """a and b were not dead but cut off, with c, who knows nothing of the roster."""
    world = site()
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    lose(world, "d", "e", "f")
    for name in ("d", "e", "f"):
        world.boot(name, link=False)
    apart = {3, 4, 5}
    world.fate = lambda sender, to, channel: int((sender in apart) == (to in apart))
    for name in ("d", "e", "f"):
        world.machines[name].do(world.machines[name].node.linked(True, world.now))
    cut(world, source="d", indices=(3, 4, 5))
    for name in ("d", "e", "f"):
        machine = world.machines[name]
        machine.do(machine.node.receive(Channel.ROSTER, world.roster_bytes, world.now))
    propose(world.machines["a"], "model", b"old")
    propose(world.machines["e"], "model", b"new")
    world.run(10)
    assert values(world) == [b"old"] * 3 + [b"new"] * 3
    world.fate = lambda *_: 1
    world.run(60)
    assert values(world) == [b"new"] * 6
    for machine in world.up():
        assert machine.node.voting.finals["site", "model"].value == b"new"
    knew = [world.machines[name] for name in ("a", "b", "c")]
    for machine in knew:
        assert machine.node.voting.overruled["site", "model"].value == b"old"
        assert any(report.event == "final-overruled" for report in machine.reports)
    machine = knew[0]
    certificates = sum(record.type == CERTIFICATE for record in machine.log)
    assert certificates == 3
    machine.kill()
    machine = world.boot("a")
    assert machine.node.voting.finals["site", "model"].value == b"new"
    assert machine.node.voting.overruled["site", "model"].value == b"old"


def test_a_roster_that_too_few_keys_signed_or_other_keys_is_refused() -> None:
    world = site()
    e, graph = world.machines["e"], world.machines["c"].node.graph
    held = heads(graph, range(4))
    for by in (HOLDERS[:1], HOLDERS[3:5], HOLDERS[:3]):
        with pytest.raises(ValueError, match="roster-recovery"):
            recover(world.roster, NEW, 1, held, by)
    forged, _ = recover(world.roster, NEW, 1, held, HOLDERS[1:3])
    other = forged.committees[0]._replace(indices=(2, 3, 4), liars=0)
    data = sign_roster(replace(forged, committees=(other,)), AUTHORITY)
    assert offer(world, e, data) == "roster-recovery", "signed, but not this"
    _, data = recover(world.roster, NEW, 1, held, HOLDERS[1:3])
    assert offer(world, e, data) == "" and e.node.roster.version == 2


def test_the_keys_change_only_by_the_word_of_those_before_also_for_who_slept() -> None:
    world = site()
    e, f = world.machines["e"], world.machines["f"]
    first = world.roster.recovery[0]
    mine = keys_of(HOLDERS[3:5], 1)
    stolen = replace(world.roster, version=2, recovery=(mine,))
    assert offer(world, e, sign_roster(stolen, AUTHORITY)) == "recovery-unsaid"
    assert offer(world, e, sign_roster(replace(world.roster, version=2, recovery=()), AUTHORITY)) == "recovery-unsaid"
    second = succeed(first, HOLDERS[2:5], 2, 2, HOLDERS[:2], world.roster.site)
    two = replace(world.roster, version=2, recovery=(first, second))
    three = replace(two, version=3)
    assert offer(world, e, sign_roster(two, AUTHORITY)) == "" and e.node.roster.version == 2
    assert offer(world, f, sign_roster(three, AUTHORITY)) == "" and f.node.roster.version == 3
    _, data = recover(three, NEW, 1, (), HOLDERS[3:5])
    assert offer(world, f, data) == "" and f.node.roster.version == 4
