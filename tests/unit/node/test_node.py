"""The node as a whole, without a world: what goes out in which order, and what a restart finds."""

from edge.dag.author import LIFE_MAX, SURE_AFTER_MS, next_life
from edge.dag.records import SIGNATURE, VERTEX
from edge.effects import Broadcast, Persist, Sign
from edge.ids import VertexKey
from edge.wire.frame import VERTICES, Channel, decode_vertex, encode_vertex
from edge.wire.hlc import HLC_MAX
from edge.wire.items import Proposal, Question
from edge.wire.suite import PURPOSE_VERTEX, sig_structure
from edge.wire.vertex import Ack, Shed, decode_header
from tests.builders import SUITE, Machine, World, event, signer


def test_an_event_is_durable_before_it_is_sent() -> None:
    world = World(["a", "b"])
    machine = world.boot("a")
    node = machine.node
    effects = node.submit(event(1), world.now, urgent=True)
    persist = next(effect for effect in effects if isinstance(effect, Persist))
    sign = next(effect for effect in effects if isinstance(effect, Sign))
    assert persist.sync
    assert not any(isinstance(effect, Broadcast) for effect in effects)
    signed_first = node.signed(sign.ticket, b"s" * 2420, world.now)
    assert not any(isinstance(effect, Broadcast) for effect in signed_first)
    stored = node.stored(persist.ticket, (7,), world.now)
    assert [type(effect) for effect in stored if isinstance(effect, Broadcast | Persist)] == [Broadcast, Persist]


def test_own_vertices_leave_in_the_order_of_their_seq() -> None:
    world = World(["a", "b"])
    node = world.boot("a").node
    first = node.submit(event(1), world.now, urgent=True)
    second = node.submit(event(2), world.now, urgent=True)
    signs = [effect for effect in first + second if isinstance(effect, Sign)]
    persists = [effect for effect in first + second if isinstance(effect, Persist)]
    out = []
    for effect in persists:
        out += node.stored(effect.ticket, (9,), world.now)
    for effect in reversed(signs):
        out += node.signed(effect.ticket, b"s" * 2420, world.now)
    sent = [decode_header(decode_vertex(effect.payload).header).seq for effect in out if isinstance(effect, Broadcast)]
    assert sent == [1, 2]


def test_every_start_is_a_life_of_its_own_and_the_line_goes_on() -> None:
    world = World(["a", "b"])
    machine = world.boot("a")
    machine.submit(event(1), urgent=True)
    machine.stop()
    again = world.boot("a")
    assert again.node.incarnation > machine.node.incarnation
    again.submit(event(2), urgent=True)
    again.kill()
    third = world.boot("a")
    third.submit(event(3), urgent=True)
    assert third.node.incarnation > again.node.incarnation, "within one second, too"
    assert [key for key, _ in third.recorded] == [(0, third.node.incarnation, 3)]
    assert len(third.frontier()) == 1


def test_a_life_is_named_by_the_second_of_its_start_and_only_ever_rises() -> None:
    second = 1000
    assert next_life(0, SURE_AFTER_MS + 77 * second) == 77
    assert next_life(500, SURE_AFTER_MS + 77 * second) == 501, "the clock went back"
    assert next_life(0, 0) == 1, "1970"
    assert next_life(0, HLC_MAX >> 16) == LIFE_MAX
    assert next_life(LIFE_MAX, HLC_MAX >> 16) == LIFE_MAX + 1


def test_a_log_restored_from_an_old_image_goes_on_beside_what_came_after_it() -> None:
    """The image is older than a clean stop, a restart and a crash that peers know of: still no name is used twice."""
    world = World(["a", "b"])
    a, b = world.boot_all()
    a.submit(event(1), urgent=True)
    world.run(1)
    a.stop()
    image = list(a.log)
    for number in range(2, 8):
        a = world.boot("a")
        a.submit(event(number), urgent=True)
        world.run(2)
        a.stop() if number % 2 else a.kill()
    a.log = image
    restored = world.boot("a", link=False)
    restored.submit(event(9), urgent=True)
    restored.do(restored.node.linked(True, world.now))
    world.run(30)
    assert restored.frontier() == b.frontier()
    assert {key[2] for key, _ in restored.recorded} == {2}
    assert b.node.counts()["quarantined"] == restored.node.counts()["quarantined"] == 0
    assert restored.node.graph.highest_seq(0) == 7, "what the image lacked came back"
    assert restored.node.status(world.now)["key_in_use"] is None


def test_a_second_device_with_our_key_is_noticed_and_does_not_stop_us() -> None:
    """A copied card: both run at once, started within one second, and write under the same names."""
    world = World(["a", "b"])
    a = world.boot("a")
    copy = list(a.log)
    other = World(["a", "b"])
    clone = Machine(other, "a", 0, a.node, copy)
    other.machines["a"] = clone
    clone = other.boot("a")
    clone.node._author.incarnation = a.node.incarnation
    sent: list[bytes] = []
    other.broadcast = lambda sender, channel, payload: sent.append(payload)  # type: ignore[method-assign]
    a.submit(event(1), urgent=True)
    clone.submit(event(2), urgent=True)
    assert len(sent) == 1
    life = a.node.incarnation
    a.do(a.node.receive(Channel.VERTEX, sent[0], world.now))
    assert a.node.status(world.now)["key_in_use"] == (0, life, 1)
    assert [report.level for report in a.reports if report.event == "key-in-use"] == ["error"]
    a.submit(event(3), urgent=True)
    (first, _), (second, _) = a.recorded
    assert first == (0, life, 1)
    assert second == (0, a.node.incarnation, 2) > (0, life, 2), "it goes on recording, and writes there no more"
    assert a.node.status(world.now)["quarantined"] == [0], "one name, two vertices: it says so itself"


def test_what_is_on_its_way_to_the_disk_keeps_its_place() -> None:
    world = World(["a", "b"])
    a = world.boot("a")
    other = World(["a", "b"])
    clone = other.boot("a")
    sent: list[bytes] = []
    other.broadcast = lambda sender, channel, payload: sent.append(payload)  # type: ignore[method-assign]
    clone.submit(event(2), urgent=True)
    life = a.node.incarnation
    effects = a.node.submit(event(1), world.now, urgent=True)
    a.do(a.node.receive(Channel.VERTEX, sent[0], world.now))
    assert a.node.counts()["refused_key_in_use"] == 1
    a.do(effects)
    assert [key for key, _ in a.recorded] == [(0, life, 1)]


def test_a_second_device_with_our_key_in_a_life_of_its_own_is_noticed() -> None:
    world = World(["a", "b"])
    a = world.boot("a")
    other = World(["a", "b"])
    other.ms = world.ms + 5_000
    clone = other.boot("a")
    sent: list[bytes] = []
    other.broadcast = lambda sender, channel, payload: sent.append(payload)  # type: ignore[method-assign]
    clone.submit(event(2), urgent=True)
    a.submit(event(1), urgent=True)
    a.do(a.node.receive(Channel.VERTEX, sent[0], world.now))
    assert a.node.status(world.now)["key_in_use"] == (0, clone.node.incarnation, 1)
    assert a.node.counts()["quarantined"] == 0, "two lives are no fork"


def test_a_signature_lost_in_a_crash_is_made_again() -> None:
    world = World(["a", "b"])
    machine = world.boot("a")
    machine.submit(event(1), urgent=True)
    assert machine.log[-1].type == SIGNATURE
    machine.kill(lose=1)
    world.boot("b")
    world.boot("a")
    assert machine.log[-1].type == SIGNATURE or machine.log[-2].type == SIGNATURE
    world.run(3)
    assert world.machines["b"].vertex_count() == 1


def test_a_flipped_bit_is_refused_and_counted() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    world.deliver()
    a.submit(event(1), urgent=True)
    ((_, channel, payload),) = [item for item in world.network if item[1] is Channel.VERTEX]
    world.network.clear()
    for position in range(0, len(payload), 7):
        broken = bytearray(payload)
        broken[position] ^= 0x10
        b.do(b.node.receive(channel, bytes(broken), world.now))
    assert b.vertex_count() == 0
    assert b.node.graph.vertices == 0
    b.do(b.node.receive(channel, payload, world.now))
    b.do(b.node.receive(channel, payload, world.now))
    assert b.vertex_count() == 1
    assert b.node.counts()["duplicates"] == 1


def test_a_gateway_acknowledges_what_its_store_holds_and_only_that() -> None:
    world = World(["a", "b", "g"], gateways=("g",))
    a, b, g = world.boot_all()
    a.submit(*[event(number) for number in range(130)])
    world.run(3)
    assert a.node.status(world.now)["acked_seq"] == a.node.status(world.now)["seq"] == 3
    assert len([1 for body in g.archived.values() if body]) == 3
    acks = [
        item
        for record in g.log
        if record.type == VERTEX
        for item in decode_header(decode_vertex(record.payload).header).items
        if isinstance(item, Ack)
    ]
    assert {ack.author for ack in acks} == {0}
    count = g.vertex_count()
    world.run(30)
    assert g.vertex_count() == count, "acknowledgements are not acknowledged"
    assert b.frontier() == g.frontier()


def test_a_full_disk_loses_nothing_that_was_taken_and_goes_on_by_itself() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    a.disk_full = True
    a.submit(event(1), event(2), urgent=True)
    world.run(2)
    assert a.recorded == []
    assert b.vertex_count() == 0
    assert any(report.event == "disk-full" for report in a.reports)
    b.submit(event(5), urgent=True)
    a.disk_full = False
    world.run(5)
    assert sum(len(events) for _, events in a.recorded) == 2
    assert a.frontier() == b.frontier()
    assert len(a.frontier()) == 2


def test_a_log_that_fills_sheds_the_lowest_class_first_and_signs_the_count() -> None:
    world = World(["a", "b"])
    a, b = world.boot_all()
    a.do(a.node.log_share(0.92, world.now))
    a.submit(event(1), event(2), retention=0)
    a.submit(event(3), retention=1)
    world.run(2)
    assert [one.values[0] for _, events in a.recorded for one in events] == [3.0]
    header = decode_header(decode_vertex(a.log[1].payload).header)
    assert next(item for item in header.items if isinstance(item, Shed)).events == 2
    assert b.frontier() == a.frontier()


def test_vertices_of_two_others_are_named_as_parents() -> None:
    world = World(["a", "b", "c", "d"])
    machines = world.boot_all()
    for number in range(20):
        for machine in machines:
            machine.submit(event(number), urgent=True)
            world.run(0.3)
    for machine in machines:
        headers = [
            decode_header(decode_vertex(record.payload).header) for record in machine.log if record.type == VERTEX
        ]
        own = [header for header in headers if header.author == machine.index]
        assert len([header for header in own if len(header.parents) == 2]) >= 10


def test_a_signature_that_we_lacked_is_kept() -> None:
    """What came in a range has one over its last vertex; each later one makes it servable in parts."""
    world = World(["a", "b"])
    a = world.boot("a")
    for number in range(5):
        a.submit(event(number), urgent=True)
    b = world.boot("b")
    live = [payload for _, channel, payload in world.network if channel is Channel.VERTEX]
    assert live == []
    world.run(5)
    keys = [VertexKey(0, a.node.incarnation, seq) for seq in range(1, 6)]
    assert [bool(b.node.graph.place(key)[1]) for key in keys] == [False] * 4 + [True]
    frame = decode_vertex(a.log[a.node.graph.place(keys[1])[0] - (1 << 32) - 1].payload)
    message = sig_structure(SUITE, PURPOSE_VERTEX, frame.header)
    again = encode_vertex(frame.header, signer("a").sign(message), frame.body)
    forged = encode_vertex(frame.header, bytes(2420), frame.body)
    verified = b.node.counts()["signatures_verified"]
    for payload in (forged, again, again, again):
        b.do(b.node.receive(Channel.VERTEX, payload, world.now))
    assert b.node.counts()["signatures_verified"] == verified + 1
    assert [bool(b.node.graph.place(key)[1]) for key in keys] == [False, True, False, False, True]
    b.stop()
    b = world.boot("b")
    assert [bool(b.node.graph.place(key)[1]) for key in keys] == [False, True, False, False, True]


def test_backlog_is_no_sign_of_life_of_its_author() -> None:
    world = World(["a", "b", "c"])
    a, b = world.boot("a"), world.boot("b")
    for number in range(5):
        a.submit(event(number), urgent=True)
    world.run(1)
    assert [row["online"] for row in b.node.peers.rows(world.now)] == [True]
    a.kill()
    world.run(60)
    c = world.boot("c")
    world.run(15)
    rows = {row["index"]: row for row in c.node.peers.rows(world.now)}
    assert rows[0] == {"index": 0, "heard_s": None, "online": False, "lines": 0, "ahead_of_us": 0, "vertices": 5}
    assert c.node.peers.online(world.now) == [1]
    b.submit(event(9), urgent=True)
    world.deliver()
    assert {row["index"]: row["heard_s"] for row in c.node.peers.rows(world.now)} == {0: None, 1: 0.0}


def test_a_node_that_has_closed_wants_no_tick() -> None:
    """A disk that refuses the last record must not keep the loop turning for what is never said."""
    world = World(["a", "b"])
    machine = world.boot("a")
    machine.submit(event(1))
    assert machine.node.deadline() < float("inf")
    machine.node.close(world.now)
    assert machine.node.deadline() == float("inf")


def test_who_votes_says_every_vertex_with_the_votes_and_others_do_not() -> None:
    world = World(["a", "b", "c"], voting=("a",))
    machines = world.boot_all()
    said: set[tuple[int, Channel]] = set()
    world.fate = lambda sender, to, channel: (said.add((sender, channel)), 1)[1]
    for machine in machines:
        machine.submit(event(1), urgent=True)
    world.run(1)
    assert {one for one in said if one[1] in VERTICES} == {(0, Channel.VOTE), (1, Channel.VERTEX), (2, Channel.VERTEX)}
    assert world.is_converged() and machines[1].node.graph.highest_seq(0) == 1, "and they are taken as such"


def test_a_vertex_with_a_proposal_goes_with_the_votes_whoever_it_is_by() -> None:
    world = World(["a", "b"])
    a, _ = world.boot_all()
    said: list[Channel] = []
    world.fate = lambda sender, to, channel: (said.append(channel), 1)[1]
    a.node._author.add_item(Proposal(Question("site", 1, "models/bearing", 1, None), b"value"), world.now)
    a.submit(event(1), urgent=True)
    world.run(0.2)
    assert Channel.VOTE in said and Channel.VERTEX not in said
