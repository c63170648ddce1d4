"""A device whose clock nobody has set: it says so, orders rightly all the same, and records."""

from edge.dag.records import VERTEX
from edge.ids import Instant
from edge.limits import HLC_AHEAD_MS_MAX
from edge.node import Node, NodeOptions
from edge.sense.options import agent_options
from edge.sense.reading import Reading
from edge.sense.senses import Senses
from edge.wire import hlc
from edge.wire.event import TIME_UNSURE, Event
from edge.wire.frame import decode_vertex
from edge.wire.vertex import Header, body_events, decode_header
from tests.builders import AUTHORITY, SUITE, WALL_MS, Machine, World, event


class Unset(World):
    """Everyone's wall clock stands in 1970 until `set_ms` is given."""

    set_ms = 0

    @property
    def now(self) -> Instant:
        return Instant(self.ms, self.set_ms + int(self.ms))


def own(machine: Machine) -> list[tuple[Header, tuple[Event, ...]]]:
    found = []
    for record in machine.log:
        if record.type == VERTEX:
            frame = decode_vertex(record.payload)
            header = decode_header(frame.header)
            if header.author == machine.index:
                found.append((header, body_events(frame.body) if frame.body else ()))
    return found


def test_in_1970_it_records_and_says_that_its_time_is_unsure():
    world = Unset(["a", "b"])
    a, b = world.boot_all()
    a.submit(event(1), urgent=True)
    world.run(2)
    assert a.node.status(world.now)["time_unsure"] is True
    assert [events for _, events in a.recorded] == [(event(1),)]
    ((header, _),) = own(a)
    assert hlc.unpack(header.hlc)[0] >= world.roster.issued_ms == WALL_MS, "not before the roster that makes it valid"
    assert b.frontier() == a.frontier(), "time never decides validity"


def test_what_its_agents_see_is_marked():
    world = Unset(["a", "b"])
    options = agent_options({"name": "level", "source": "probe", "decide": {"kind": "value"}}, ("x",))
    settings = NodeOptions(0, SUITE, AUTHORITY.public_key, commit_window_ms=100)
    node = Node(settings, world.roster, world.roster_bytes, Senses([options]), bytes, 0.5)
    a = Machine(world, "a", 0, node)
    world.machines["a"] = a
    a.do(node.start(0, world.now))
    a.do(node.read(Reading("probe", 5, (1.5,)), world.now))
    world.run(1)
    world.set_ms = WALL_MS
    a.do(node.read(Reading("probe", WALL_MS + 5, (2.5,)), world.now))
    world.run(1)
    first, second = [events[0] for _, events in a.recorded]
    assert first.flags & TIME_UNSURE and not second.flags & TIME_UNSURE
    assert node.status(world.now)["time_unsure"] is False


def test_it_orders_after_what_it_has_seen_and_after_its_own_past():
    world = Unset(["a", "b"])
    a, b = world.boot_all()
    world.set_ms = WALL_MS + 10**9
    b.submit(event(1), urgent=True)
    world.deliver()
    seen = own(b)[0][0].hlc
    world.set_ms = 0
    a.submit(event(2), urgent=True)
    assert own(a)[0][0].hlc > seen, "an unset clock follows whoever has a better one"
    a.kill()
    again = world.boot("a")
    again.submit(event(3), urgent=True)
    first, second = own(again)[:2]
    assert second[0].hlc > first[0].hlc, "and does not fall back by starting again"
    assert [header.seq for header, _ in own(again)] == [1, 2]


def test_a_set_clock_does_not_follow_one_that_runs_far_ahead():
    world = World(["a", "b"])
    a, b = world.boot_all()
    a.submit(event(0), urgent=True)
    node = b.node
    node._author.observe((WALL_MS + 10 * HLC_AHEAD_MS_MAX) << 16)
    b.submit(event(1), urgent=True)
    world.deliver()
    a.submit(event(2), urgent=True)
    header = own(a)[-1][0]
    assert [parent.author for parent in header.parents] == [1], "it is named all the same"
    assert hlc.unpack(header.hlc)[0] <= world.now.wall_ms + HLC_AHEAD_MS_MAX
    assert (a.node.counts()["clocks_ahead"], b.node.counts()["clocks_ahead"]) == (1, 0)
    assert a.node.status(world.now)["clocks_ahead"] == 1
