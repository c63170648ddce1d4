"""What a node does when one of its bounds is reached: it sheds or refuses by name, counts it, and goes on."""

from edge.dag.records import SIGNATURE, VERTEX
from edge.effects import Archive, Broadcast, Infer, Persist, Report, Send, Sign, Verify
from edge.ids import VertexKey
from edge.limits import (
    ARCHIVE_FLIGHT_MAX,
    BATCH_BYTES,
    BATCH_EVENTS_MAX,
    EARLY_BYTES_MAX,
    EARLY_FRAMES_MAX,
    LOG_PEERS_SHARE,
    LOG_SHED_SHARES,
    LOG_WARN_SHARE,
    OWN_FLIGHT_MAX,
    PARENTS_DEVICE_MAX,
    PEERS_MAX,
    QUEUE_EVENTS_MAX,
    REPAIR_FLIGHT_BYTES,
    REPAIR_RANGES_MAX,
    REPAIR_SERVE_MAX,
    SERVE_VERTICES_MAX,
    TICKETS_MAX,
)
from edge.mesh.peers import Peers
from edge.wire.event import Event
from edge.wire.frame import (
    Channel,
    FrontierEntry,
    FrontierFrame,
    RequestFrame,
    Want,
    decode_reply,
    decode_vertex,
    encode_frontier,
    encode_request,
    encode_vertex,
)
from edge.wire.roster import Roster
from edge.wire.vertex import Header, decode_header
from tests.builders import AUTHORITY, World, event, roster_of


def pair() -> World:
    world = World(["a", "b"])
    world.boot_all()
    world.deliver()
    return world


def frames_of(world: World, name: str, count: int, first: int = 0, pad: int = 0) -> list[bytes]:
    """Vertex frames by this machine that nobody has received yet."""
    machine = world.machines[name]
    before = world.fate
    world.fate = lambda sender, to, channel: int(channel is Channel.VERTEX)
    for number in range(first, first + count):
        machine.submit(event(number, pad=pad), urgent=True)
    world.fate = before
    frames = [payload for _, channel, payload in world.network if channel is Channel.VERTEX]
    world.network.clear()
    return frames


def header_of(frame: bytes) -> Header:
    header = decode_header(decode_vertex(frame).header)  # type: ignore[union-attr]
    assert isinstance(header, Header)
    return header


# ---- what we take from peers


def test_more_signatures_to_check_than_tickets():
    names = ["b", "a", "c", "d"]
    world = World(names)
    world.boot_all()
    world.deliver()
    each = TICKETS_MAX // 3 + 11  # more than one alone may say
    frames = [frame for name in names[1:] for frame in dict.fromkeys(frames_of(world, name, each))]
    node = world.machines["b"].node
    checks = [effect for frame in frames for effect in node.receive(Channel.VERTEX, frame, world.now)]
    waiting = [effect for effect in checks if isinstance(effect, Verify)]
    counts = node.counts()
    assert len(waiting) + counts["dropped_busy"] + counts["dropped_unfit"] == len(frames)
    assert counts["dropped_busy"] > 0 and counts["open_tickets"] == TICKETS_MAX
    for check in waiting:
        world.machines["b"].do(node.verified(check.ticket, True, world.now))
    world.run(15)
    assert world.is_converged(), "repair brings back what was dropped"


def test_frames_of_a_newer_roster_wait_and_then_come_in():
    world = World(["a", "b", "c"])
    old_roster, old_bytes = roster_of(["a", "b"])
    new_roster, new_bytes = roster_of(["a", "b", "c"], version=2)
    world.roster, world.roster_bytes = old_roster, old_bytes
    b = world.boot("b")
    world.roster, world.roster_bytes = new_roster, new_bytes
    world.boot("c")
    world.network.clear()
    frames = frames_of(world, "c", EARLY_FRAMES_MAX + 10)
    for frame in frames:
        b.do(b.node.receive(Channel.VERTEX, frame, world.now))
    counts = b.node.counts()
    assert counts["refused_ahead_of_roster"] == len(frames)
    assert (counts["early"], counts["early_dropped"]) == (EARLY_FRAMES_MAX, 10)
    assert b.node.graph.vertices == 0
    b.do(b.node.receive(Channel.ROSTER, new_bytes, world.now))
    assert b.node.counts()["early"] == 0
    world.run(15)
    assert b.frontier() == world.machines["c"].frontier()


def test_early_frames_are_bounded_in_bytes_too():
    world = World(["a", "b"])
    world.roster, world.roster_bytes = roster_of(["a", "b"], version=7)
    world.boot_all()
    world.network.clear()
    world.machines["a"].submit(*[Event("probe", "value", 1, ("x" * 64,) * 64)] * 70)
    world.fate = lambda sender, to, channel: int(channel is Channel.VERTEX)
    world.run(1)
    frames = [encode_vertex(decode_vertex(record.payload).header, bytes(2420), decode_vertex(record.payload).body)
              for record in world.machines["a"].log if record.type == VERTEX]  # fmt: skip
    world.roster, world.roster_bytes = roster_of(["a", "b"])
    del world.machines["b"]
    b = world.boot("b").node
    size = min(map(len, frames))
    for turn in range(2 + EARLY_BYTES_MAX // size):
        b.receive(Channel.VERTEX, frames[turn % len(frames)], world.now)
    counts = b.counts()
    assert counts["early_dropped"] > 0
    assert counts["early"] * size <= EARLY_BYTES_MAX and counts["early"] < EARLY_FRAMES_MAX


def test_a_gateway_whose_store_is_slow_takes_no_more_from_peers():
    world = World(["a", "b", "g"], gateways=("g",))
    world.boot_all()
    world.deliver()
    each = ARCHIVE_FLIGHT_MAX // 2 + 10  # more than one alone may say
    frames = [frame for name in "ab" for frame in dict.fromkeys(frames_of(world, name, each))]
    g = world.machines["g"].node
    archives = []
    for frame in frames:
        effects = list(g.receive(Channel.VERTEX, frame, world.now))
        while effects:
            effect = effects.pop(0)
            match effect:
                case Verify():
                    effects += g.verified(effect.ticket, True, world.now)
                case Persist():
                    effects += g.stored(effect.ticket, (1,) * len(effect.records), world.now)
                case Archive():
                    archives.append(effect.ticket)
    assert len(archives) == ARCHIVE_FLIGHT_MAX
    assert g.counts()["dropped_full"] == 20
    for ticket in archives:
        g.archived(ticket, world.now)
    assert g.counts()["archiving"] == 0


def test_a_log_that_fills_keeps_its_room_for_our_own():
    world = pair()
    a, b = world.machines["a"], world.machines["b"]
    b.do(b.node.log_share(LOG_WARN_SHARE, world.now))
    b.do(b.node.log_share(LOG_WARN_SHARE + 0.01, world.now))
    assert [report.event for report in b.reports].count("log-filling") == 1, "said once"
    b.do(b.node.log_share(LOG_PEERS_SHARE, world.now))
    a.submit(event(1), urgent=True)
    b.submit(event(2), urgent=True)
    world.run(1)
    assert b.node.counts()["dropped_full"] >= 1
    assert b.node.graph.highest_seq(0) == 0 and len(b.recorded) == 1
    b.do(b.node.log_share(0.1, world.now))
    world.run(15)
    assert world.is_converged()


def test_peers_beyond_the_bound_push_out_the_longest_silent():
    world = pair()
    peers = Peers()
    for index in range(PEERS_MAX):
        peers.heard(index, world.now)
    world.ms += 10
    peers.heard(0, world.now)
    peers.heard(PEERS_MAX + 1, world.now)
    rows = {row["index"] for row in peers.rows(world.now)}
    assert len(rows) == PEERS_MAX
    assert rows >= {0, PEERS_MAX + 1} and 1 not in rows


def test_a_vertex_names_no_more_parents_than_a_device_may():
    world = World([f"n{number}" for number in range(9)])
    machines = world.boot_all()
    world.deliver()
    for machine in machines[1:]:
        machine.submit(event(1), urgent=True)
    world.deliver()
    machines[0].submit(event(1), urgent=True)
    (header,) = [header_of(record.payload) for record in machines[0].log[-2:] if record.type == VERTEX]
    assert len(header.parents) == PARENTS_DEVICE_MAX


# ---- what we record


def test_a_batch_ends_at_its_bytes():
    world = pair()
    a = world.machines["a"]
    large = Event("probe", "value", 1, ("x" * 64,) * 64)
    a.submit(*[large] * 20)
    world.run(1)
    counts = [len(events) for _, events in a.recorded]
    assert sum(counts) == 20 and len(counts) > 1
    headers = [header_of(record.payload) for record in a.log if record.type == VERTEX]
    assert all(header.body and header.body.length <= BATCH_BYTES + 64 for header in headers)


def test_an_event_too_many_is_shed_counted_and_the_count_is_signed():
    world = pair()
    node = world.machines["a"].node
    effects = node.submit_all([event(number) for number in range(QUEUE_EVENTS_MAX + 7)], world.now)
    assert node.counts()["shed_events"] == 7
    assert node.counts()["queued_events"] + BATCH_EVENTS_MAX * drafts(effects) == QUEUE_EVENTS_MAX
    assert drafts(effects) <= OWN_FLIGHT_MAX


def drafts(effects: list[object]) -> int:
    return sum(isinstance(effect, Sign) for effect in effects)


def test_only_so_many_own_vertices_are_on_their_way():
    world = pair()
    node = world.machines["a"].node
    effects = []
    for number in range(OWN_FLIGHT_MAX + 10):
        effects += node.submit(event(number), world.now, urgent=True)
    assert drafts(effects) == OWN_FLIGHT_MAX
    assert node.counts()["queued_events"] == node.unrecorded_events - OWN_FLIGHT_MAX == 10
    persists = [effect for effect in effects if isinstance(effect, Persist)]
    signs = [effect for effect in effects if isinstance(effect, Sign)]
    more = node.stored(persists[0].ticket, (1,), world.now) + node.signed(signs[0].ticket, bytes(2420), world.now)
    assert drafts(more) == 1, "each that is done makes room for one"


def test_each_class_of_events_stops_at_its_own_share():
    world = pair()
    node = world.machines["a"].node
    for retention, share in enumerate(LOG_SHED_SHARES):
        node.log_share(share - 0.001, world.now)
        before = node.counts()["shed_events"]
        node.submit(event(1), world.now, retention=retention)
        assert node.counts()["shed_events"] == before
        node.log_share(share, world.now)
        node.submit(event(1), world.now, retention=retention)
        assert node.counts()["shed_events"] == before + 1


def test_a_disk_that_refuses_a_large_one_first_makes_no_hole():
    """Answers may come out of order from a disk that is filling up: nothing above a hole is called recorded."""
    world = pair()
    node = world.machines["a"].node
    first = node.submit(event(1), world.now, urgent=True)
    second = node.submit(event(2), world.now, urgent=True)
    (one,) = [effect for effect in first if isinstance(effect, Persist)]
    (two,) = [effect for effect in second if isinstance(effect, Persist)]
    for effect in first + second:
        if isinstance(effect, Sign):
            node.signed(effect.ticket, bytes(2420), world.now)
    out = node.stored(one.ticket, None, world.now) + node.stored(two.ticket, (5,), world.now)
    assert not [effect for effect in out if isinstance(effect, Broadcast)]
    assert node.counts()["recorded_events"] == 0 and node.is_disk_full
    world.ms += 2000
    (again,) = [effect for effect in node.tick(world.now) if isinstance(effect, Persist)]
    assert again.records == one.records
    out = node.stored(again.ticket, (9,), world.now)
    sent = [header_of(effect.payload).seq for effect in out if isinstance(effect, Broadcast)]
    assert sent == [1, 2]
    assert node.counts()["recorded_events"] == 2 and not node.is_disk_full


def test_a_disk_that_stays_full_costs_no_more_memory_than_when_it_began():
    world = pair()
    a, b = world.machines["a"], world.machines["b"]
    b.disk_full = True
    b.submit(event(1), urgent=True)
    for number in range(300):
        a.submit(event(number), urgent=True)
        world.run(0.1)
    counts = b.node.counts()
    assert counts["dropped_full"] > 0
    assert counts["open_tickets"] < 20
    assert b.node.graph.vertices < 20, "it takes nothing in that it could not keep"
    assert [report.event for report in b.reports].count("disk-full") == 1
    b.disk_full = False
    world.run(20)
    assert world.is_converged()
    assert [report.event for report in b.reports].count("disk-has-room") == 1


# ---- what we answer


def test_only_so_many_are_served_at_once_and_one_request_each():
    names = [f"n{number}" for number in range(REPAIR_SERVE_MAX + 4)]
    world = World(names)
    machine = world.boot(names[0])
    machine.submit(event(1), urgent=True)
    node = machine.node
    everything = (Want(0, 0, 0, 0),)
    for sender in range(1, len(names)):
        frame = RequestFrame(world.roster.site, sender, 1, 1000, everything)
        node.receive(Channel.REQUEST, encode_request(frame), world.now)
    assert node.counts()["serve_refused"] == len(names) - 1 - REPAIR_SERVE_MAX
    node.receive(Channel.REQUEST, encode_request(frame._replace(sender=1, correlation=2)), world.now)
    assert node.counts()["serve_refused"] == len(names) - REPAIR_SERVE_MAX


def test_a_request_for_everything_many_times_is_answered_once_and_within_our_budget():
    world = pair()
    a, b = world.machines["a"], world.machines["b"]
    frames_of(world, "a", 300, pad=64)
    wants = (Want(0, 0, 0, 0),) * REPAIR_RANGES_MAX
    frame = RequestFrame(world.roster.site, b.index, 1, 2**53 - 1, wants)
    a.do(a.node.receive(Channel.REQUEST, encode_request(frame), world.now))
    replies = [payload for _, channel, payload in world.network if channel is Channel.REPLY]
    assert 0 < sum(map(len, replies)) <= REPAIR_FLIGHT_BYTES * 1.3
    assert decode_reply(replies[-1]).is_last  # type: ignore[union-attr]


def test_an_answer_is_made_from_few_names_however_long_the_history():
    world = pair()
    graph = world.machines["a"].node.graph
    before = None
    for seq in range(1, 4 * SERVE_VERTICES_MAX):
        key = VertexKey(1, 1, seq)
        graph.insert(key, seq.to_bytes(32, "big"), before, place=0)
        before = key
    lines = world.machines["a"].node._exchange._lines(Want(1, 0, 0, 0), SERVE_VERTICES_MAX)
    assert sum(len(line.keys) for line in lines) == SERVE_VERTICES_MAX


def test_an_answer_stops_where_the_request_does():
    world = pair()
    a = world.machines["a"]
    for number in range(300):
        a.submit(event(number), urgent=True)
    world.network.clear()
    wants = (Want(0, 0, 10, 20), Want(0, a.node.incarnation, 250, 260))
    frame = RequestFrame(world.roster.site, 1, 1, REPAIR_FLIGHT_BYTES, wants)
    a.do(a.node.receive(Channel.REQUEST, encode_request(frame), world.now))
    replies = [decode_reply(payload) for _, channel, payload in world.network if channel is Channel.REPLY]
    served = [decode_header(raw).seq for reply in replies for given in reply.ranges for raw in given.headers]
    assert served == [*range(11, 21), *range(251, 261)]


def test_a_frontier_that_lies_makes_few_requests_and_no_state():
    world = pair()
    b = world.machines["b"]
    frame = FrontierFrame(world.roster.site, 1, 0, (FrontierEntry(0, 1, 10**9, 7), FrontierEntry(1, 5, 10**9, 7)))
    sent = 0
    for _ in range(600):
        world.ms += 100
        effects = b.node.receive(Channel.FRONTIER, encode_frontier(frame), world.now) + b.node.tick(world.now)
        sent += sum(isinstance(effect, Send) and effect.channel is Channel.REQUEST for effect in effects)
        b.do(effects)
        world.deliver()
    assert sent < 30, "within a minute"
    assert b.node.graph.vertices == 0 and b.node.counts()["gaps"] <= 2


# ---- rosters and stops


def test_an_old_or_forged_roster_changes_nothing():
    world = pair()
    b = world.machines["b"]
    assert isinstance(world.roster, Roster)
    _, newer = roster_of(["a", "b"], version=3)
    b.do(b.node.receive(Channel.ROSTER, newer, world.now))
    assert b.node.roster.version == 3
    b.do(b.node.receive(Channel.ROSTER, world.roster_bytes, world.now))
    b.do(b.node.receive(Channel.ROSTER, newer[:-1] + bytes([newer[-1] ^ 1]), world.now))
    counts = b.node.counts()
    assert (b.node.roster.version, counts["refused_roster_stale"], counts["refused_signature_bad"]) == (3, 1, 1)
    assert AUTHORITY.public_key == b.node.options.authority


def test_nothing_is_written_behind_the_mark_of_a_clean_stop():
    world = pair()
    a, b = world.machines["a"], world.machines["b"]
    frames = frames_of(world, "b", 3)
    (check,) = [e for e in a.node.receive(Channel.VERTEX, frames[0], world.now) if isinstance(e, Verify)]
    a.do(a.node.stop(world.now))
    closing = a.node.close(world.now)
    late = a.node.verified(check.ticket, True, world.now) + a.node.receive(Channel.VERTEX, frames[1], world.now)
    assert not [effect for effect in late if isinstance(effect, Persist | Infer | Report)]
    a.do(closing)
    assert a.node.is_closed
    assert a.log[-1].type not in (VERTEX, SIGNATURE)
    assert b.is_up
