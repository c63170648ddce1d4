"""Faults that once stopped a node for good: each must pass by itself."""

from collections import deque
from hashlib import sha256

from edge.dag.records import ROSTER, SIGNATURE, VERTEX
from edge.effects import Persist, Verify
from edge.limits import BRANCHES_PER_AUTHOR_MAX, CHECKING_BYTES_MAX, FRAME_BYTES_MAX
from edge.wire.frame import Channel, decode_vertex, encode_vertex
from edge.wire.vertex import decode_header, encode_header
from tests.builders import AUTHORITY, World, event, roster_of


def test_a_late_refusal_keeps_its_place_before_what_was_given_later() -> None:
    world = World(["a", "b"])
    node = world.boot("a").node
    asked: deque[Persist] = deque()

    def take(effects) -> None:
        asked.extend(effect for effect in effects if isinstance(effect, Persist))

    take(node.submit(event(1), world.now, urgent=True))
    take(node.submit(event(2), world.now, urgent=True))
    first, second = asked
    asked.clear()
    take(node.stored(first.ticket, None, world.now))
    take(node.submit(event(3), world.now, urgent=True))
    take(node.stored(second.ticket, None, world.now))
    order = []
    for _ in range(6):
        world.ms += 1500
        take(node.tick(world.now))
        while asked:
            persist = asked.popleft()
            order += [persist.records[0].payload for _ in range(persist.sync)]
            take(node.stored(persist.ticket, (len(order) + 10,), world.now))
    assert order[:2] == [first.records[0].payload, second.records[0].payload]
    assert node.counts()["recorded_events"] == 3
    assert not node.status(world.now)["disk_full"]


def test_without_a_link_nothing_is_due_at_once() -> None:
    world = World(["a", "b"])
    node = world.boot("a", link=False).node
    node.tick(world.now)
    assert node.deadline() > world.ms


def test_damage_to_a_peers_record_costs_nothing_of_ours() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    for number in range(20):
        for machine in (b, a):
            machine.submit(event(number), urgent=True)
            world.run(0.3)
    a.kill()
    lost = next(
        index
        for index, record in enumerate(a.log)
        if record.type == VERTEX and decode_header(decode_vertex(record.payload).header).author == 1
    )
    del a.log[lost]
    again = world.boot("a", link=False)
    assert again.node.graph.highest_seq(0) == 20
    again.submit(event(99), urgent=True)
    assert [key for key, _ in again.recorded] == [(0, again.node.incarnation, 21)]
    again.do(again.node.linked(True, world.now))
    world.run(20)
    assert again.frontier() == b.frontier()


def test_an_unsigned_vertex_above_a_hole_does_not_stop_the_start() -> None:
    world = World(["a", "b"])
    a = world.boot("a")
    for number in range(3):
        a.submit(event(number), urgent=True)
    a.kill()
    assert a.log[-1].type == SIGNATURE
    del a.log[-1]
    own = [index for index, record in enumerate(a.log) if record.type == VERTEX]
    del a.log[own[1]]
    again = world.boot("a")
    again.submit(event(9), urgent=True)
    assert [key for key, _ in again.recorded] == [(0, again.node.incarnation, 3)], "above what was recorded once more"


def test_an_unsigned_vertex_above_a_hole_is_recorded_once_more_and_not_revived_by_who_mends_the_hole() -> None:
    world = World(["a", "b", "c"])
    a, b = world.boot("a"), world.boot("b")
    for number in range(2):
        a.submit(event(number), urgent=True)
        world.run(1)
    world.fate = lambda sender, to, channel: 0
    a.submit(event(2), urgent=True)
    a.kill()
    assert a.log[-1].type == SIGNATURE
    del a.log[-1]
    own = [index for index, record in enumerate(a.log) if record.type == VERTEX]
    del a.log[own[1]]
    world.fate = lambda sender, to, channel: 1
    again = world.boot("a")
    world.run(20)
    assert again.frontier() == b.frontier()
    lines = [(branch.first_seq, branch.head_seq) for branch in b.node.graph.branches(0)]
    assert lines == [(1, 2), (2, 2)], "recorded and signed: peers get it, below the hole"
    assert again.node.counts()["own_unsent"] == again.node.counts()["own_rescued"] == 1


def test_somebody_elses_clock_is_not_ours_after_a_restart() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    b.node._author.clock = (1 << 64) - 2
    b.submit(event(1), urgent=True)
    world.run(1)
    a.stop()
    again = world.boot("a")
    again.submit(event(2), urgent=True)
    own = [decode_header(decode_vertex(record.payload).header) for record in again.log if record.type == VERTEX]
    assert own[-1].author == 0
    assert abs((own[-1].hlc >> 16) - world.now.wall_ms) < 60_000


def test_a_roster_that_drops_or_rekeys_a_member_is_refused() -> None:
    world = World(["a", "b", "c"])
    (a,) = [world.boot("a")]
    for names in (["a", "b"], ["a", "b", "other"]):
        _, shrunk = roster_of(names, version=2)
        a.do(a.node.receive(Channel.ROSTER, shrunk, world.now))
    assert a.node.roster.version == 1
    assert a.node.counts()["refused_roster_shrinks"] == 2
    _, grown = roster_of(["a", "b", "c", "d"], version=3)
    a.do(a.node.receive(Channel.ROSTER, grown, world.now))
    assert a.node.roster.version == 3


def test_a_committee_that_changes_without_saying_so_is_refused() -> None:
    names, before = ["a", "b", "c", "d", "e"], ("a", "b", "c", "d")
    world = World(names, voting=before)
    a = world.boot("a")
    voters = a.node.roster.committee("site")
    assert voters is not None and (voters.indices, voters.liars) == ((0, 1, 2, 3), 1)
    a.do(a.node.receive(Channel.ROSTER, roster_of(names, version=2, voting=("b", "c", "d", "e"))[1], world.now))
    assert a.node.roster.version == 1 and a.node.counts()["refused_committee_unsaid"] == 1
    a.do(a.node.receive(Channel.ROSTER, roster_of(names, version=2, voting=before)[1], world.now))
    assert a.node.roster.version == 2 and a.node.roster.committee("site") == voters
    changed = ("b", "e")
    a.do(a.node.receive(Channel.ROSTER, roster_of(names, version=3, voting=changed, since=3)[1], world.now))
    assert a.node.roster.version == 2, "it lists those of before no more"
    assert a.node.counts()["refused_committee_unsaid"] == 2
    ended = (voters,)
    a.do(
        a.node.receive(Channel.ROSTER, roster_of(names, version=3, voting=changed, since=3, ended=ended)[1], world.now)
    )
    voters = a.node.roster.committee("site")
    assert voters is not None and (voters.indices, voters.since) == ((1, 4), 3)
    a.do(a.node.receive(Channel.ROSTER, roster_of(names, version=4, ended=(*ended, voters))[1], world.now))
    assert a.node.roster.committee("site") is None


def test_frames_whose_signature_is_being_checked_are_bounded_in_bytes() -> None:
    world = World(["a", "b"])
    node = world.boot("a").node
    asked = 0
    for number in range(1000):
        header = encode_header(
            suite=1,
            site=world.roster.site,
            epoch=1,
            author=1,
            incarnation=number + 1,
            seq=1,
            prev=None,
            parents=(),
            hlc=0,
            body=None,
        )
        frame = encode_vertex(header.raw, sha256(b"").digest(), bytes(40_000))
        asked += sum(isinstance(effect, Verify) for effect in node.receive(Channel.VERTEX, frame, world.now))
    assert asked * 40_000 <= CHECKING_BYTES_MAX + 50_000
    assert node.counts()["dropped_busy"] == 1000 - asked


def test_a_roster_larger_than_a_frame_is_known_again_after_a_restart() -> None:
    world = World(["a", "b"])
    a = world.boot("a")
    names = ["a", "b", *(f"n{number}" for number in range(60))]
    roster, data = roster_of(names, version=2)
    assert len(data) > FRAME_BYTES_MAX
    a.do(a.node.receive(Channel.ROSTER, data, world.now))
    assert a.node.roster == roster
    (record,) = [record for record in a.log if record.type == ROSTER]
    assert a.node.recovery.roster(record, AUTHORITY.public_key) == roster


def test_a_site_says_its_roster_once_however_many_could() -> None:
    """2 MB on a site of 1,000: the gateway says it, and the others hear that it did."""
    world = World([f"n{number}" for number in range(12)], gateways=("n3",))
    old = roster_of(world.names, world.gateways)
    world.roster, world.roster_bytes = roster_of(world.names, world.gateways, version=2)
    machines = [world.boot(name) for name in world.names[1:]]
    said: list[int] = []
    world.fate = lambda sender, to, channel: said.append(sender) or 1 if channel is Channel.ROSTER else 1
    world.run(20)
    assert set(said) == {3}, "a new broker has none"
    said.clear()
    world.roster, world.roster_bytes = old
    stale = world.boot("n0")
    world.run(20)
    assert stale.node.roster.version == 2
    assert said == [3] * len(machines), "one answer"


def test_without_a_gateway_somebody_says_the_roster() -> None:
    world = World(["a", "b", "c"])
    world.boot_all()
    said: list[int] = []
    world.fate = lambda sender, to, channel: said.append(sender) or 1 if channel is Channel.ROSTER else 1
    world.run(20)
    assert len(set(said)) == 1


def test_a_device_that_loses_its_log_again_and_again_is_heard_all_the_same() -> None:
    world = World(["a", "b"])
    b = world.boot("b")
    for number in range(BRANCHES_PER_AUTHOR_MAX + 3):
        a = world.boot("a", link=False)
        a.submit(event(number), urgent=True)
        a.do(a.node.linked(True, world.now))
        world.run(5)
        a.kill()
        a.log.clear()
    a = world.boot("a")
    world.run(30)
    assert a.frontier() == b.frontier()
    assert len(b.frontier()) == BRANCHES_PER_AUTHOR_MAX, "the newest are said"
    assert b.node.graph.vertices == BRANCHES_PER_AUTHOR_MAX + 3, "all are held"
    assert "refused_too_many_branches" not in b.node.counts()


def test_a_line_below_the_newest_is_found_by_who_knows_of_one_alone() -> None:
    """All that waits goes back to the first life of `a`, which nobody says any more; the newest has come."""
    world = World(["a", "b", "c"])
    b = world.boot("b")
    for number in range(BRANCHES_PER_AUTHOR_MAX + 2):
        a = world.boot("a", link=number not in (0, BRANCHES_PER_AUTHOR_MAX + 1))
        if number not in (0, BRANCHES_PER_AUTHOR_MAX + 1):
            world.run(5)
        a.submit(event(number), urgent=True)
        a.do(a.node.linked(True, world.now))
        world.run(5)
        b.submit(event(100 + number), urgent=True)
        world.run(5)
        a.kill()
        if number <= BRANCHES_PER_AUTHOR_MAX:
            a.log.clear()
    world.boot("a")
    c = world.boot("c")
    world.run(120)
    assert c.node.graph.vertices == b.node.graph.vertices and not c.node.counts()["pending"]
