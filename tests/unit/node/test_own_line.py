"""A node that keeps its own line only: it holds nobody else's, and hears what gateways acknowledge all the same."""

from collections import Counter

from edge.dag.records import VERTEX
from edge.wire.frame import Channel, FrontierFrame, decode_frontier, decode_vertex
from edge.wire.vertex import decode_header
from tests.builders import Machine, World, event

DEVICE, PEER, GATEWAY = 0, 1, 2


def site() -> World:
    world = World(["device", "peer", "gw"], ("gw",), own_only=("device",))
    world.boot_all()
    world.deliver()
    return world


def authors(machine: Machine) -> set[int]:
    return {decode_header(decode_vertex(r.payload).header).author for r in machine.log if r.type == VERTEX}


def parents(machine: Machine) -> list[int]:
    own = [decode_header(decode_vertex(r.payload).header) for r in machine.log if r.type == VERTEX]
    return [parent.author for header in own for parent in header.parents]


def test_it_hears_acknowledgements_and_names_gateways_and_holds_neither() -> None:
    world = site()
    device, peer, gw = world.up()
    for number in range(6):
        device.submit(event(number), urgent=True)
        peer.submit(event(number), urgent=True)
        world.run(1)
    assert device.node.custody.acked_seq == 6
    assert authors(device) == {DEVICE}
    assert set(parents(device)) == {GATEWAY}, "what it has heard of, and nothing that it only might have"
    assert device.node.counts()["pending"] == device.node.counts()["gaps"] == 0
    assert device.node.counts()["not_kept"] > 0
    assert gw.node.graph.highest_seq(DEVICE) == peer.node.graph.highest_seq(DEVICE) == 6
    assert gw.frontier() == peer.frontier()


def test_its_log_is_trimmed() -> None:
    world = World(["device", "peer", "gw"], ("gw",), own_only=("device",))
    world.segment_records, world.log_records = 10, 100
    device, _, _ = world.boot_all()
    for number in range(150):
        device.submit(event(number), urgent=True)
        world.run(0.2)
    assert device.dropped > 100
    assert device.node.custody.acked_seq == 150


def test_an_old_frame_of_a_gateway_costs_no_signature_again() -> None:
    world = site()
    device, _, gw = world.up()
    device.submit(event(1), urgent=True)
    world.run(3)
    (frame,) = [r.payload for r in gw.log if r.type == VERTEX and decode_vertex(r.payload).signature is None]
    verified = device.node.counts()["signatures_verified"]
    for _ in range(5):
        device.do(device.node.receive(Channel.VERTEX, frame, world.now))
    assert device.node.counts()["signatures_verified"] == verified > 0


def test_what_a_gateway_says_of_others_costs_no_signature() -> None:
    world = site()
    device, peer, _ = world.up()
    for number in range(5):
        peer.submit(event(number), urgent=True)
        world.run(1)
    assert peer.node.custody.acked_seq == 5, "the gateway has spoken"
    assert device.node.counts()["signatures_verified"] == 0
    assert GATEWAY not in parents(device)


def test_among_leaves_a_gateway_repeats_what_it_holds_now_and_then_and_no_change() -> None:
    names = ["gw", *(f"leaf-{number}" for number in range(4))]
    world = World(names, ("gw",), own_only=tuple(names[1:]))
    world.boot_all()
    said: Counter[int] = Counter()

    def listen(sender: int, to: int, channel: Channel) -> int:
        said[sender] += channel is Channel.FRONTIER
        return 1

    world.run(1)
    world.fate = listen
    for number in range(60):
        world.machines[names[1 + number % 4]].submit(event(number), urgent=True)
        world.run(1)
    assert {leaf.node.custody.acked_seq for leaf in world.up()[1:]} == {15}
    gateway, leaf = (said[index] / (len(names) - 1) for index in (0, 1))
    assert 4 <= gateway <= 9, "its sign of life"
    assert 14 <= leaf <= 24, "what it made, to whom it may have been lost"


def test_its_frontier_is_its_own_line_and_says_so() -> None:
    world = site()
    device, peer, _ = world.up()
    frames: list[FrontierFrame] = []
    heard = peer.node.receive

    def listen(channel, payload, now):
        if channel is Channel.FRONTIER:
            frames.append(decode_frontier(payload))
        return heard(channel, payload, now)

    peer.node.receive = listen  # type: ignore[method-assign]
    peer.submit(event(1), urgent=True)
    device.submit(event(1), urgent=True)
    world.run(20)
    told = [frame for frame in frames if frame.sender == DEVICE]
    assert told and all(frame.keeps_own for frame in told)
    assert {entry.author for frame in told for entry in frame.entries} == {DEVICE}
    assert not any(frame.keeps_own for frame in frames if frame.sender == GATEWAY)


def test_what_it_did_not_hear_is_said_again_when_it_comes() -> None:
    """After a restart it knows no acknowledgement, and a full log records nothing that would be acknowledged anew."""
    world = site()
    device, _, gw = world.up()
    world.fate = lambda sender, to, channel: int((sender, to) != (GATEWAY, DEVICE))
    for number in range(3):
        device.submit(event(number), urgent=True)
        world.run(1)
    assert gw.node.graph.highest_seq(DEVICE) == 3 and device.node.custody.acked_seq == 0
    device.kill()
    world.run(20)
    world.fate = lambda sender, to, channel: 1
    device = world.boot("device")
    world.run(3)
    assert device.node.custody.acked_seq == 3


def test_a_tail_that_it_lost_comes_back_without_its_parents() -> None:
    world = site()
    device, _, gw = world.up()
    for number in range(6):
        device.submit(event(number), urgent=True)
        world.run(1)
    del device.log[len(device.log) // 2 :]
    device.durable = len(device.log)
    device.kill()
    device = world.boot("device")
    assert device.node.graph.highest_seq(DEVICE) < 6
    world.run(20)
    assert device.node.graph.highest_seq(DEVICE) == gw.node.graph.highest_seq(DEVICE) == 6
    assert len(device.node._pending) == 0
