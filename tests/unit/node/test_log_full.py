"""No gateway in sight until the log is full: the lowest class goes first, and what went is counted and signed."""

from edge.dag.records import VERTEX
from edge.limits import LOG_SHED_SHARES
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.vertex import Header, Shed, decode_header
from tests.builders import Machine, World, event


def told(machine: Machine) -> dict[int, int]:
    """By class, the count of shed events that the node's own vertices say, each of them signed."""
    said: dict[int, int] = {}
    for record in machine.log:
        frame = decode_vertex(record.payload) if record.type == VERTEX else None
        if isinstance(frame, VertexFrame):
            header = decode_header(frame.header)
            assert isinstance(header, Header)
            said |= {item.retention: item.events for item in header.items if isinstance(item, Shed)}
    return said


def fill(world: World, machine: Machine, share: float) -> None:
    machine.do(machine.node.log_share(share, world.now))


def test_each_class_is_shed_at_its_share_and_the_next_vertex_says_how_much():
    world = World(["a", "b"])
    a, b = world.boot_all()
    world.deliver()
    recorded = 0
    for lowest, share in enumerate(LOG_SHED_SHARES[:-1]):
        fill(world, a, share)
        before = a.node.counts()["shed_events"]
        for retention in range(len(LOG_SHED_SHARES)):
            for number in range(3):
                a.submit(event(number), urgent=True, retention=retention)
                recorded += retention > lowest
        world.run(1)
        assert a.node.counts()["shed_events"] - before == 3 * (lowest + 1)
        assert a.node.counts()["recorded_events"] == recorded
        assert sum(told(a).values()) == a.node.counts()["shed_events"], "signed with what was still recorded"
    assert told(a) == {0: 6, 1: 3}

    fill(world, a, LOG_SHED_SHARES[-1])
    for retention in range(3):
        a.submit(event(1), urgent=True, retention=retention)
    world.run(1)
    assert a.node.counts()["recorded_events"] == recorded, "a log at its limit records nothing"
    assert told(a) == {0: 6, 1: 3}, "nor a word about it"

    fill(world, a, 0.1)
    a.submit(event(1), urgent=True)
    world.run(15)
    assert told(a) == {0: 7, 1: 4, 2: 1}, "which comes with the first vertex that there is room for"
    assert a.node.counts()["shed_events"] == 12
    assert b.frontier() == a.frontier(), "and everybody has it, under the author's signature"
    assert b.node.counts()["signatures_bad"] == 0
