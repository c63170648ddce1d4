"""Acknowledgements: given for what the store holds, believed only by whom they concern and of what they name."""

import pytest

from edge.dag.admission import Admission
from edge.dag.author import Author, AuthorOptions
from edge.dag.graph import Graph
from edge.dag.pending import Pending
from edge.ids import Instant, VertexId, VertexKey
from edge.limits import ARCHIVE_FLIGHT_MAX, ITEMS_MAX, TICKETS_MAX
from edge.node.custody import ACK_MS_PER_MEMBER, Custody
from edge.node.desk import Desk
from edge.node.readback import Readback
from edge.wire.roster import Roster
from edge.wire.vertex import Ack, Header, decode_header, encode_header
from tests.builders import SUITE, WALL_MS, World, event, roster_of

NOW = Instant(0, WALL_MS)
ROSTER: Roster = roster_of(["a", "b", "g"], gateways=("g",))[0]
OURS = bytes([7]) * 32


def graph_of_ours() -> Graph:
    """Five vertices of our own, the last with the id OURS."""
    graph = Graph()
    prev = None
    for seq in range(1, 6):
        key = VertexKey(0, 1, seq)
        graph.insert(key, OURS if seq == 5 else VertexId(bytes([seq]) * 32), prev)
        prev = key
    return graph


def custody(graph: Graph | None = None) -> Custody:
    author = Author(AuthorOptions(SUITE, ROSTER.site, 0, 100), bytes)
    graph = graph or graph_of_ours()
    readback = Readback(Desk(), graph, 0, lambda header: None)
    return Custody(Desk(), 0, Admission(graph, Pending(), ROSTER), readback, author, False)


def said_by(author: int, *acks: Ack) -> Header:
    return encode_header(
        suite=SUITE, site=ROSTER.site, epoch=1, author=author, incarnation=1, seq=1, prev=None,
        parents=(), hlc=WALL_MS << 16, body=None, items=acks,
    )  # fmt: skip


def test_a_gateway_says_that_it_holds_ours():
    desk = custody()
    desk.heard(said_by(2, Ack(0, 1, 5, OURS)), ROSTER)
    assert desk.acked_seq == 5
    assert desk.covers(VertexKey(0, 1, 4)) and not desk.covers(VertexKey(0, 1, 6))


@pytest.mark.parametrize(
    ("author", "ack"),
    [
        (1, Ack(0, 1, 5, OURS)),
        (2, Ack(0, 1, 5, bytes(32))),
        (2, Ack(0, 9, 5, OURS)),
        (2, Ack(77, 1, 5, OURS)),
    ],
    ids=["no-gateway", "another-id", "another-incarnation", "nobody"],
)
def test_what_acknowledges_nothing(author, ack):
    desk = custody()
    desk.heard(said_by(author, ack), ROSTER)
    assert desk.acked_seq == 0
    assert not desk.covers(VertexKey(0, 1, 1))


def test_what_is_acknowledged_above_our_head_covers_what_we_hold_and_no_more():
    graph = graph_of_ours()
    desk = custody(graph)
    branch = graph.branch(0, 1)
    desk.heard(said_by(2, Ack(0, 1, 7, bytes(32))), ROSTER)
    assert desk.covered_seq(branch, ROSTER) == 5
    graph.insert(VertexKey(0, 1, 6), VertexId(b"6" * 32), branch.head)
    graph.insert(VertexKey(0, 1, 7), VertexId(b"7" * 32), branch.head)
    assert desk.covered_seq(branch, ROSTER) == 0, "now it is seen to name another vertex"


def test_after_a_restart_a_gateway_acknowledges_what_it_had_not_said():
    world = World(["a", "g"], gateways=("g",))
    a, g = world.boot_all()
    world.deliver()
    a.submit(event(1), urgent=True)
    world.deliver()
    assert g.vertex_count() == 1 and a.node.custody.acked_seq == 0, "stored, not yet acknowledged"
    g.kill()
    world.boot("g")
    world.run(5)
    assert a.node.custody.acked_seq == 1


@pytest.mark.parametrize("items", [(), (Ack(1, 1, 1, OURS),)])
def test_of_a_device_what_says_nothing_is_acknowledged_too(items):
    """A liar's line of nothing else would stay in every log."""
    world = World(["a", "g"], gateways=("g",))
    a, g = world.boot_all()
    world.deliver()
    a.node._own.draft(1, world.now, items=items)
    a.do(a.node.tick(world.now))
    world.run(5)
    assert a.node.custody.acked_seq == 1
    count = g.vertex_count()
    world.run(60)
    assert g.vertex_count() == count, "and that is all that is said"


def test_nothing_is_acknowledged_that_hangs_above_a_hole():
    world = World(["a", "g"], gateways=("g",))
    a, g = world.boot_all()
    world.deliver()
    for number in range(3):
        a.submit(event(number), urgent=True)
        world.deliver()
    g.kill()
    a.is_up = False
    del g.log[1]  # a's first vertex; what it named before is gone too
    g.durable = len(g.log)
    again = world.boot("g")
    world.run(3)
    assert again.node.recovery.detached >= 1
    assert not again.node.custody.covers(VertexKey(0, 1, 1))
    a.is_up = True
    world.run(15)
    assert world.is_converged()
    assert a.node.custody.acked_seq == 3


def test_a_store_without_room_stops_no_sensing_and_gets_everything_later():
    world = World(["a", "g"], gateways=("g",))
    a, g = world.boot_all()
    g.store_full = True
    for number in range(ARCHIVE_FLIGHT_MAX + 300):
        g.submit(event(number), urgent=True)
    a.submit(event(0), urgent=True)
    world.run(2)
    assert g.node.counts()["recorded_events"] == ARCHIVE_FLIGHT_MAX + 300, "nothing of its own is shed"
    assert g.node.counts()["open_tickets"] < TICKETS_MAX
    assert len(g.waiting) <= ARCHIVE_FLIGHT_MAX, "what waits in memory is bounded"
    assert not g.archived and a.node.custody.acked_seq == 0
    g.store_has_room()
    world.run(10)
    stored = [decode_header(raw) for raw in g.archived]
    own = [header.seq for header in stored if header.author == g.index]
    assert own == sorted(own), "a line is stored in its order"
    assert set(own) == set(range(1, g.node.graph.highest_seq(g.index) + 1))
    assert all(g.signatures[header.raw] for header in stored), "with its signatures"
    assert a.node.custody.acked_seq == 1
    assert g.node.counts()["archiving"] == 0


def test_the_more_members_the_longer_acknowledgements_wait_to_be_said_at_once():
    """A vertex of 3 kB to a thousand devices is a lot to say of one of them."""
    crowd, said = 1000, []
    for members in (3, crowd):
        desk = custody()
        for number in range(40):
            desk._due[(number, 1)] = Ack(number, 1, 1, bytes(32))
        desk.settle(members, NOW)
        said.append((desk._author.queued_items, desk.deadline()))
    (few, _), (none, due_ms) = said
    assert (few, none) == (40, 0)
    desk.settle(crowd, Instant(due_ms - 1, WALL_MS))
    assert desk._author.queued_items == 0 and desk.deadline() == due_ms
    desk.settle(crowd, Instant(due_ms, WALL_MS))
    assert desk._author.queued_items == 40 and desk.deadline() == float("inf")
    assert due_ms + desk._author.options.commit_window_ms == crowd * ACK_MS_PER_MEMBER


def test_acknowledgements_that_fill_a_vertex_do_not_wait():
    desk = custody()
    for number in range(ITEMS_MAX):
        desk._due[(number, 1)] = Ack(number, 1, 1, bytes(32))
    desk.settle(1000, NOW)
    assert desk._author.queued_items == ITEMS_MAX
