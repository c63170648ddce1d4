"""The committee of a site of real nodes changes: while questions are open, across restarts, with a device away."""

from dataclasses import replace

from edge.consensus.certificate import Certificate, decode_certificate, judge
from edge.consensus.committee import by_epoch, seats_of
from edge.consensus.epochs import CHANGE_KEY, Handover
from edge.dag.floor import Floor
from edge.dag.records import ROSTER
from edge.wire.frame import Channel
from edge.wire.roster import Roster, sign_roster
from edge.wire.voters import Voters
from tests.builders import AUTHORITY, Machine, World, roster_of
from tests.unit.node.test_voting import propose, values

OLD = ("a", "b", "c", "d")
NAMES = [*OLD, "e", "f"]


def site(seed: int = 0) -> World:
    world = World(NAMES, voting=OLD, seed=seed)
    world.boot_all()
    world.deliver()
    return world


def change(world: World, *voting: str, to: str = "a") -> Roster:
    """The authority signs who votes from now on; one device is given the roster."""
    held = world.roster
    version = held.version + 1
    ended = (*held.ended, *held.committees)
    world.roster, world.roster_bytes = roster_of(NAMES, (), version, voting, version, ended)
    machine = world.machines[to]
    machine.do(machine.node.receive(Channel.ROSTER, world.roster_bytes, world.now))
    world.run(0.0)
    return world.roster


def spread(world: World) -> None:
    for machine in world.up():
        machine.do(machine.node.receive(Channel.ROSTER, world.roster_bytes, world.now))


def epoch(machine: Machine) -> int:
    seats = machine.node.voting.agreement.epochs.current("site")
    assert seats is not None
    return seats.epoch


def test_members_ask_for_the_change_themselves_and_the_new_committee_decides() -> None:
    world = site()
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    change(world, "b", "c", "d", "e")
    spread(world)
    world.run(5)
    assert [epoch(machine) for machine in world.up()] == [2] * 6
    propose(world.machines["e"], "model", b"two")
    world.run(3)
    assert values(world) == [b"two"] * 6
    final = world.machines["f"].node.voting.agreement.registers.get("site", "model")
    assert final is not None and final.question.epoch == 2 and final.question.version == 2
    certificate = decode_certificate(final.certificate)
    assert isinstance(certificate, Certificate)
    assert judge(certificate, world.roster, by_epoch(seats_of(world.roster))) is None
    assert world.machines["a"].node.voting.agreement.counts()["sets_open"] == 0


def test_who_is_dropped_votes_no_more_and_who_joins_votes_only_after_the_change() -> None:
    world = site()
    change(world, "b", "c", "d", "e")
    spread(world)
    world.run(5)
    a, e = world.machines["a"], world.machines["e"]
    before = a.node.voting.agreement.votes_cast
    assert e.node.voting.agreement.votes_cast == 0, "the change is none of its business"
    propose(world.machines["b"], "model", b"one")
    world.run(3)
    assert values(world) == [b"one"] * 6
    assert a.node.voting.agreement.votes_cast == before and e.node.voting.agreement.votes_cast == 2


def test_a_question_that_the_change_cuts_in_two_is_decided_once() -> None:
    for seed in range(4):
        world = site(seed)
        propose(world.machines["b"], "model", b"one")
        propose(world.machines["c"], "model", b"two")
        world.run(0.1 * seed)
        change(world, "c", "d", "e", "f", to="b")
        spread(world)
        world.run(10)
        assert [epoch(machine) for machine in world.up()] == [2] * 6
        assert len(set(values(world))) == 1 and None not in values(world), f"seed {seed}"
        assert all(machine.node.voting.agreement.counts()["sets_open"] == 0 for machine in world.up())


def test_a_change_is_known_after_a_restart_and_nobody_is_asked_again() -> None:
    world = site()
    propose(world.machines["a"], "model", b"one")
    world.run(1)
    change(world, "b", "c", "d", "e")
    spread(world)
    world.run(5)
    for name in NAMES:
        world.machines[name].kill()
        world.boot(name)
    assert [epoch(machine) for machine in world.up()] == [2] * 6
    world.run(2)
    propose(world.machines["e"], "model", b"two")
    world.run(5)
    assert values(world) == [b"two"] * 6
    assert all(machine.node.voting.agreement.registers.get("site", CHANGE_KEY) for machine in world.up())


def test_a_log_in_which_the_roster_lies_behind_the_votes_is_read_all_the_same() -> None:
    """It was written once more, since its segment was to be dropped; the device's file has an older one."""
    world = site()
    first = world.roster, world.roster_bytes
    change(world, "b", "c", "d", "e")
    spread(world)
    world.run(5)
    propose(world.machines["b"], "model", b"one")
    world.run(3)
    e = world.machines["e"]
    e.kill()
    newest = [record for record in e.log if record.type == ROSTER]
    e.log = [record for record in e.log if record.type != ROSTER] + newest
    counted = e.node.voting.agreement.votes_counted
    second = world.roster, world.roster_bytes
    world.roster, world.roster_bytes = first
    e = world.boot("e", link=False)
    world.roster, world.roster_bytes = second
    assert e.node.roster.version == 2 and epoch(e) == 2 and counted
    final = e.node.voting.agreement.registers.get("site", "model")
    assert final is not None and final.value == b"one"
    e.do(e.node.linked(True, world.now))
    propose(world.machines["c"], "model", b"two")
    world.run(3)
    assert values(world) == [b"two"] * 6 and e.node.voting.agreement.votes_cast == 2


def test_who_slept_through_two_changes_follows_them_in_order() -> None:
    world = site()
    world.machines["f"].kill()
    change(world, "b", "c", "d", "e")
    spread(world)
    world.run(5)
    change(world, "c", "d", "e", "f", to="b")
    spread(world)
    world.run(8)
    assert {epoch(machine) for machine in world.up()} == {3}
    world.boot("f")
    world.run(15)
    propose(world.machines["f"], "model", b"one")
    world.run(5)
    assert epoch(world.machines["f"]) == 3
    assert values(world) == [b"one"] * 6
    assert world.machines["f"].node.voting.agreement.votes_cast == 2


def test_without_the_old_quorum_the_new_committee_does_not_begin() -> None:
    world = site()
    for name in ("a", "b"):
        world.machines[name].kill()
    change(world, "c", "d", "e", "f", to="c")
    spread(world)
    world.run(30)
    assert [epoch(machine) for machine in world.up()] == [1] * 4
    propose(world.machines["e"], "model", b"one")
    world.run(5)
    assert values(world) == [None] * 4
    world.boot("a")
    world.run(20)
    assert [epoch(machine) for machine in world.up()] == [2] * 5


def test_who_has_lost_votes_votes_again_in_a_later_epoch() -> None:
    world = site()
    image = list(world.machines["d"].log)
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    world.machines["d"].kill()
    world.machines["d"].log[:] = image
    world.boot("d")
    world.run(10)
    voting = world.machines["d"].node.voting
    agreement = voting.agreement
    assert voting.abstains == ["site"] and agreement.votes_cast == 0
    change(world, "b", "c", "d", "e")
    spread(world)
    world.run(5)
    assert {epoch(machine) for machine in world.up()} == {2} and agreement.votes_cast == 0
    propose(world.machines["b"], "model", b"two")
    world.run(5)
    assert values(world) == [b"two"] * 6
    assert voting.abstains == [] and agreement.votes_cast == 2


def test_a_committee_that_begins_anew_asks_nobody() -> None:
    """The authority's word alone: more than can be away are gone for good."""
    world = site()
    for name in ("a", "b", "c"):
        world.machines[name].kill()
    version = 2
    anew = (Voters("site", 0, version, (3, 4, 5), 1),)
    roster, _ = roster_of(NAMES, (), version, ("d", "e", "f"), version, world.roster.committees)
    world.roster = replace(roster, committees=anew)
    world.roster_bytes = sign_roster(world.roster, AUTHORITY)
    spread(world)
    world.run(2)
    assert [epoch(machine) for machine in world.up()] == [2] * 3
    propose(world.machines["e"], "model", b"one")
    world.run(3)
    assert values(world) == [b"one"] * 3
    change(world, "d", "e", to="d")
    spread(world)
    world.run(5)
    assert [epoch(machine) for machine in world.up()] == [3] * 3


def test_nobody_asks_for_another_committee_than_a_roster_lists() -> None:
    world = site()
    answer = propose(world.machines["a"], CHANGE_KEY, b"mine")
    assert getattr(answer, "reason", "") == "proposal-committee"
    world.run(5)
    assert all(machine.node.voting.agreement.counts()["sets_open"] == 0 for machine in world.up())


def test_a_device_says_how_far_a_change_is() -> None:
    world = site()
    epochs = world.machines["f"].node.voting.agreement.epochs
    assert epochs.handover("site") == Handover(1, None, (), (0, 1, 2, 3))
    for name in ("a", "b"):
        world.machines[name].kill()
    change(world, "c", "d", "e", to="c")
    spread(world)
    world.run(10)
    assert epochs.handover("site") == Handover(1, 2, (), (0, 1, 2, 3)), "two of four do not even precommit it"
    world.boot("a")
    world.run(20)
    handover = epochs.handover("site")
    assert handover is not None and (handover.epoch, handover.to) == (2, None)
    propose(world.machines["e"], "model", b"one")
    world.run(5)
    assert epochs.handover("site") == Handover(2, None, (), (2, 3, 4))
    assert epochs.handover("cell-9") is None


def test_a_member_whose_floor_file_is_damaged_where_changes_were_votes_no_more_in_these_epochs() -> None:
    """What it said on them is lost with what they were: the next committee may have it again."""
    world = site()
    change(world, "b", "c", "d", "e")
    spread(world)
    world.run(5)
    b = world.machines["b"]
    for floor in (Floor(imprints=b""), Floor()):
        b.kill()
        b.floor = floor
        b = world.boot("b")
        world.run(2)
        assert b.node.voting.abstains == ["site"], "also at the next start, whatever the file says by then"
        assert ("log-floor-imprints" in [report.event for report in b.reports]) == (floor.imprints is not None)
    propose(world.machines["c"], "model", b"one")
    world.run(5)
    assert values(world) == [b"one"] * 6
