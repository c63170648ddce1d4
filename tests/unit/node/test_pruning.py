"""Without a gateway a leaf drops what the committee has sealed; members keep it, and who comes gets it from them."""

from typing import Any

from edge.consensus.checkpoint import CHECKPOINT_KEY
from edge.dag.records import VERTEX, segment_of
from edge.dag.verify import verify_log
from edge.limits import DEEPEN_LINES_MAX, LOG_PEERS_SHARE
from edge.wire.frame import Channel, decode_vertex
from edge.wire.vertex import Header, decode_header
from tests.builders import AUTHORITY, Machine, World, event, roster_of
from tests.property.test_mesh import settle
from tests.unit.node.test_voting import propose, values

VOTERS = ("a", "b", "c", "d")
NAMES = [*VOTERS, "x", "y", "late", "gw"]
ROOM = 400


def site(**options: Any) -> World:
    """Four members with room for everything, two leaves with little; a newcomer and a gateway come later."""
    world = World(NAMES, ("gw",), voting=VOTERS, checkpoint_ms=5_000.0, witness_ms=500.0, **options)
    world.segment_records = 10
    world.room_of = {"x": ROOM, "y": ROOM}
    for name in NAMES[:6]:
        world.boot(name)
    world.deliver()
    return world


def busy(world: World, rounds: int, *names: str) -> None:
    for number in range(rounds):
        for name in names or ("x", "y"):
            world.machines[name].submit(event(number, pad=20), urgent=True)
        world.run(0.25)


def made(machine: Machine) -> dict[tuple[int, int, int], Header]:
    """Every vertex that its log has, by key."""
    frames = (decode_vertex(record.payload) for record in machine.log if record.type == VERTEX)
    headers = (decode_header(frame.header) for frame in frames)
    return {tuple(header.key): header for header in headers if isinstance(header, Header)}


def cut(machine: Machine) -> dict[tuple[int, int], int]:
    """By line, the seq up to which it was dropped, as far as it was not had again."""
    graph = machine.node.graph
    branches = (branch for author in graph.authors() for branch in graph.branches(author))
    return {(branch.author, branch.incarnation): branch.floor_seq for branch in branches if branch.is_cut}


def seats(world: World, *voting: str) -> None:
    """Another committee, of which everyone hears."""
    held = world.roster
    ended = (*held.ended, *held.committees)
    version = held.version + 1
    world.roster, world.roster_bytes = roster_of(NAMES, ("gw",), version, voting, version, ended)
    for machine in world.up():
        machine.do(machine.node.receive(Channel.ROSTER, world.roster_bytes, world.now))


def epoch(machine: Machine) -> int:
    current = machine.node.voting.agreement.epochs.current("site")
    return current.epoch if current is not None else 0


def test_leaves_drop_what_is_sealed_and_members_keep_all_of_it() -> None:
    world = site()
    busy(world, 120)
    x, y = world.machines["x"], world.machines["y"]
    assert x.dropped > 0 and y.dropped > 0
    assert x.node.counts()["dropped_sealed"] == x.node.counts()["dropped_vertices"] > 100
    everything = {key for name in VOTERS for key in made(world.machines[name])}
    own = [key for key in everything if key[0] == x.index]
    assert len(own) == 120 and len([key for key in made(x) if key[0] == x.index]) < 60, "its own as well"
    for name in VOTERS:
        assert world.machines[name].dropped == 0
        assert set(own) <= set(made(world.machines[name]))
    status = x.node.status(world.now)
    assert status["acked_seq"] == 0 < x.node.graph.branches(x.index)[0].floor_seq <= status["sealed_seq"]


def test_a_gateway_and_a_newcomer_that_come_late_get_everything_from_the_members() -> None:
    world = site()
    busy(world, 120)
    assert world.machines["x"].dropped and world.machines["y"].dropped
    everything = {key for name in VOTERS for key in made(world.machines[name])}
    gw, late = world.boot("gw"), world.boot("late")
    settle(world, 120)
    assert world.is_converged()
    assert everything <= {tuple(decode_header(raw).key) for raw in gw.archived}
    assert everything <= set(made(late))
    x = world.machines["x"]
    assert x.node.custody.acked_seq == x.node.graph.highest_seq(x.index), "below the floor as well"


def test_who_drops_only_what_is_acknowledged_keeps_what_is_sealed() -> None:
    world = site(drops_sealed=False)
    busy(world, 120)
    assert world.machines["x"].dropped == world.machines["y"].dropped == 0
    assert world.machines["x"].node.status(world.now)["sealed_seq"] > 60


def test_what_is_witnessed_and_not_sealed_stays() -> None:
    world = site()
    for name in VOTERS:
        world.machines[name].node.voting.sealing._every_ms = 1e9
    busy(world, 120)
    x = world.machines["x"]
    assert x.node.status(world.now)["witnessed_seq"] > 60
    assert x.dropped == 0


def test_a_member_that_lost_its_seat_keeps_what_it_holds_until_the_present_committee_has_sealed_it() -> None:
    world = site()
    busy(world, 100)
    world.room_of["a"] = ROOM  # and it would like to drop something
    for name in VOTERS:
        world.machines[name].node.voting.sealing._every_ms = 1e9
    for name in ("x", "y"):
        world.machines[name].node.voting.sealing._every_ms = 1e9
    seats(world, "b", "c", "d", "y")
    world.run(40)
    a = world.machines["a"]
    assert epoch(a) == 2 and not a.node.voting.has_seat
    assert a.node.voting.sealing.lines, "sealed by the committee that was"
    assert a.node._own.log_share > LOG_PEERS_SHARE and a.dropped == 0
    for name in ("b", "c", "d", "y"):
        world.machines[name].node.voting.sealing._every_ms = 5_000.0
    busy(world, 5, "b")
    world.run(60)
    final = a.node.voting.agreement.registers.get("site", CHECKPOINT_KEY)
    assert final is not None and final.question.epoch == 2
    assert a.dropped > 0 and a.node.counts()["dropped_sealed"] > 0
    assert all(world.machines[name].dropped == 0 for name in ("b", "c", "d"))


def test_who_takes_a_seat_says_nothing_of_what_it_has_dropped_and_has_it_again_first() -> None:
    """DEEPEN_LINES_MAX lines at once."""
    world = site()
    busy(world, 120)
    y = world.machines["y"]
    floors = cut(y)
    assert len(floors) > DEEPEN_LINES_MAX
    world.room_of["y"] = 1 << 30
    requests_due, y.node._exchange.repair.requests_due = y.node._exchange.repair.requests_due, lambda now: []
    seats(world, "b", "c", "d", "y")
    world.run(30)
    assert y.node.voting.has_seat and len(y.node._deepening.wanted(world.now)) == DEEPEN_LINES_MAX
    said = y.node.voting.witnessing._said
    assert not [line for line in said if line in floors]
    y.node._exchange.repair.requests_due = requests_due
    world.run(120)
    assert y.node.counts()["deepened"] >= sum(floors.values())
    assert not cut(y)
    assert set(floors) - {line for line in floors if line[0] == y.index} <= set(said)
    everything = {key for name in VOTERS for key in made(world.machines[name])}
    assert everything <= set(made(y))
    held = {name: world.machines[name].frontier() for name in ("c", "y")}
    assert held["c"] == held["y"]


def test_who_answers_with_a_false_signature_is_not_believed_and_another_one_is_asked() -> None:
    world = site()
    busy(world, 120)
    y, liar = world.machines["y"], world.machines["a"]
    world.room_of["y"] = 1 << 30
    for machine in (y, liar):
        machine.do(machine.node.tick(world.now))
    load = liar.node._readback._loaded
    liar.node._readback._loaded = lambda spots, then, records, now: load(  # type: ignore[method-assign]
        spots,
        lambda found, now: then([one and one._replace(signature=one.signature and bytes(2420)) for one in found], now),
        records,
        now,
    )
    seats(world, "b", "c", "d", "y")
    world.run(150)
    assert y.node.counts()["deepened_refused"] > 0 and not cut(y)
    kept = (decode_vertex(record.payload) for record in y.log if record.type == VERTEX)
    assert all(frame.signature != bytes(2420) for frame in kept)


def test_what_was_had_again_is_there_after_a_start_also_if_only_a_part_of_it_is_durable() -> None:
    world = site()
    busy(world, 120)
    y = world.machines["y"]
    world.room_of["y"] = 1 << 30
    seats(world, "b", "c", "d", "y")
    for _ in range(40):
        world.run(0.5)
        if y.node.counts()["deepened"] > 60:
            break
    had = y.node.counts()["deepened"]
    assert 60 < had < 250
    y.kill(lose=7)
    vertices = len(made(y))
    y = world.boot("y", link=False)
    assert y.node.counts()["vertices"] == vertices, "every record above and below the floors is understood"
    assert y.node.recovery.detached == 0
    y.do(y.node.linked(True, world.now))
    world.run(120)
    everything = {key for name in VOTERS for key in made(world.machines[name])}
    assert everything <= set(made(y))
    assert world.is_converged()
    verdict, _ = verify_log(y.log, world.roster, AUTHORITY.public_key, own=y.index, floor=lambda: y.floor)
    assert not verdict.faults, verdict.faults[:3]


def test_who_had_again_what_it_dropped_votes_after_a_start_as_before_one() -> None:
    """Its agreement is told of nothing that lies below the floor, however much of that is here."""
    world = site()
    busy(world, 120)
    for name in ("x", "y"):
        world.room_of[name] = 1 << 30
    seats(world, "c", "d", "x", "y")
    world.run(100)
    for name in ("x", "y"):
        assert not cut(world.machines[name]) and world.machines[name].node.counts()["deepened"] > 60
        world.machines[name].stop()
        world.boot(name)
    world.machines["d"].kill()
    world.run(20)
    propose(world.machines["c"], "model", b"two")
    world.run(20)
    assert values(world) == [b"two"] * 5
    assert [machine.node.voting.agreement.counts()["sets_open"] for machine in world.up()] == [0] * 5


def test_a_log_without_room_hears_what_members_say_and_has_room_again() -> None:
    world = site()
    members = {world.machines[name].index for name in VOTERS}
    for name in VOTERS:
        world.machines[name].node.voting.sealing._every_ms = 1e9
    busy(world, 130)
    x = world.machines["x"]
    assert x.dropped == 0 and x.node._own.log_share > LOG_PEERS_SHARE
    held = {index: x.node.graph.highest_seq(index) for index in members}
    for name in VOTERS:
        world.machines[name].node.voting.sealing._every_ms = 5_000.0
    busy(world, 5, "a")  # x and y have stopped
    world.run(60)
    assert x.dropped > 0 and x.node.counts()["dropped_full"] > 0
    settle(world, 60)
    assert world.is_converged()
    assert any(x.node.graph.highest_seq(index) > seq for index, seq in held.items())


def test_members_lines_that_record_nothing_hold_nobodys_log() -> None:
    """Their words and votes are nothing that words are said of; whoever names them as parents says as much."""
    world = site()
    busy(world, 120)
    x = world.machines["x"]
    floors = {line.author: line.seq for line in x.floor.lines}
    assert all(floors[world.machines[name].index] > 20 for name in VOTERS)


def test_after_a_committee_has_changed_logs_go_on_dropping_and_starts_know_who_votes() -> None:
    """What let the new one in lies in nobody's log but the members', and is asked of every vote."""
    world = site()
    busy(world, 40)
    seats(world, "b", "c", "d", "y")
    world.room_of["y"] = 1 << 30
    busy(world, 10, "x")
    world.run(20)
    x = world.machines["x"]
    (change,) = x.node.voting.agreement.epochs.changes.values()
    places = [x.node.graph.place(key)[0] for key in change.proposals]
    assert all(places)
    busy(world, 160, "x")
    assert x.dropped >= world.segment_records * max(map(segment_of, places)), "the change, too"
    for name in ("x", "b", "c", "d", "y"):
        world.machines[name].kill()
        world.boot(name)
    world.run(5)
    x = world.machines["x"]
    before = x.node.voting.agreement.votes_counted
    propose(world.machines["c"], "model", b"two")
    world.run(5)
    assert values(world) == [b"two"] * 6
    assert x.node.voting.agreement.votes_counted >= before + 6 and "vote-early" not in x.node.voting.agreement.refused
    assert x.node.counts()["finals_asked"] == 0, "it has counted the votes"


def test_a_question_that_stays_open_holds_nobodys_log() -> None:
    """Two of four are away for long: logs go on dropping what a gateway has, and have room when they are back."""
    world = site()
    world.boot("gw")
    for name in ("c", "d"):
        world.machines[name].kill()
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    x = world.machines["x"]
    (contest,) = (one for one in x.node.voting.agreement.open_sets() if one.question.key == "model")
    places = [x.node.graph.place(key)[0] for key in contest.proposals]
    assert all(places)
    busy(world, 160, "x")
    assert x.dropped >= world.segment_records * max(map(segment_of, places)), "the proposal, too"
    for name in ("x", "a", "b"):
        world.machines[name].kill()
        world.boot(name)
    for name in ("c", "d"):
        world.boot(name)
    world.run(30)
    assert values(world) == [b"one"] * len(world.up())
