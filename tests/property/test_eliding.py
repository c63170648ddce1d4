"""Whatever goes of signatures, each vertex that is left is proven by a range of one chunk, and a newcomer has all."""

from random import Random

import pytest

from edge.dag.eliding import bare
from edge.dag.evidence import chained
from edge.dag.graph import Branch
from edge.dag.records import SIGNATURE, VERTEX
from edge.ids import VertexKey
from edge.limits import CHUNK_BYTES
from edge.mesh.serving import size_of
from edge.wire import suite
from edge.wire.frame import (
    Channel,
    Range,
    ReplyFrame,
    RequestFrame,
    VertexFrame,
    Want,
    decode_reply,
    decode_vertex,
    encode_request,
)
from edge.wire.vertex import decode_header
from tests.builders import Machine, World, event
from tests.property.test_mesh import settle

NAMES = ["a", "b", "x", "late", "gw"]


def busy(world: World, random: Random, rounds: int, losing: float) -> None:
    """Small and large batches, of which x misses so many when they are said: these come by repair, in ranges."""
    x = NAMES.index("x")
    world.fate = lambda sender, to, channel: int(to != x or channel is not Channel.VERTEX or random.random() >= losing)
    for number in range(rounds):
        machine = world.machines[random.choice("abx")]
        count = random.choice((1, 1, 1, 2, 8, 40))
        machine.submit(*[event(number * 100 + one, pad=random.choice((0, 64))) for one in range(count)], urgent=True)
        world.run(0.1)
    settle(world)


def fill(machine: Machine, seconds: float = 20.0) -> int:
    """Let its log look half full, and say how many signatures go."""
    world = machine.world
    world.room_of[machine.name] = 2 * len(machine.log)
    world.run(seconds)
    return machine.node.counts()["elided_signatures"]


def signatures(machine: Machine) -> int:
    """That its log has, of whatever vertices."""
    frames = [decode_vertex(record.payload) for record in machine.log if record.type == VERTEX]
    within = sum(isinstance(frame, VertexFrame) and frame.signature is not None for frame in frames)
    return within + sum(record.type == SIGNATURE for record in machine.log)


def branches(machine: Machine) -> list[Branch]:
    graph = machine.node.graph
    return [branch for author in graph.authors() for branch in graph.branches(author)]


def ask(machine: Machine, want: Want) -> list[tuple[Range, ...]]:
    """What it answers to a member who is not there, chunk by chunk."""
    world = machine.world
    world.ms += 1000  # who asks has an allowance
    frame = RequestFrame(world.roster.site, NAMES.index("late"), 1, 256 * 1024, (want,))
    before = len(world.network)
    machine.do(machine.node.receive(Channel.REQUEST, encode_request(frame), world.now))
    sent = [payload for _, channel, payload in world.network[before:] if channel is Channel.REPLY]
    del world.network[before:]
    replies = [decode_reply(payload) for payload in sent]
    assert all(isinstance(reply, ReplyFrame) for reply in replies)
    return [reply.ranges for reply in replies if isinstance(reply, ReplyFrame) and reply.ranges]


def proven(machine: Machine, given: Range) -> list[VertexKey]:
    """The keys of a range whose one signature stands, and whose bodies are those of the headers."""
    assert size_of(given) <= CHUNK_BYTES
    headers = chained(given.headers)
    assert isinstance(headers, tuple | list), headers
    last = headers[-1]
    member = machine.world.roster.member(last.author)
    assert member is not None
    message = suite.sig_structure(last.suite, suite.PURPOSE_VERTEX, last.raw)
    assert suite.verify(last.suite, member.public_key, message, given.signature)
    return [header.key for header in headers]


def check_each_start(machine: Machine) -> None:
    for branch in branches(machine):
        for seq in range(branch.held_from, branch.head_seq + 1):
            chunks = ask(machine, Want(branch.author, branch.incarnation, seq - 1, seq))
            assert chunks, f"nothing proves {(branch.author, branch.incarnation, seq)}"
            keys = proven(machine, chunks[0][0])
            assert VertexKey(branch.author, branch.incarnation, seq) == keys[0], "it begins where it was asked for"


@pytest.mark.parametrize(
    ("seed", "losing", "records"), [(1, 0.0, 60), (2, 0.3, 25), (3, 0.3, 60), (4, 1.0, 60), (5, 1.0, 120)]
)
def test_a_range_from_every_start_is_proven_and_a_newcomer_has_all(seed: int, losing: float, records: int) -> None:
    random = Random(seed)
    world = World(NAMES, ("gw",), seed=seed)
    world.segment_records = records
    for name in ("a", "b", "x", "gw"):
        world.boot(name)
    busy(world, random, 120, losing)
    x = world.machines["x"]
    before, held = signatures(x), x.frontier()
    gone = fill(x)
    assert gone == before - signatures(x) > 0
    check_each_start(x)
    x.kill()
    x = world.boot("x")
    assert signatures(x) <= before - gone + 2, "a start signs nothing again that is covered"
    assert {(one.author, one.seq) for one in held} <= {(one.author, one.seq) for one in x.frontier()}
    check_each_start(x)
    for name in ("a", "b", "gw"):
        world.machines[name].kill()
    late = world.boot("late")
    settle(world)
    assert late.frontier() == x.frontier() and late.node.graph.vertices == x.node.graph.vertices
    assert all(late.node.graph.id_at(key) == x.node.graph.id_at(key) for key in keys_of(x))
    assert late.node.counts()["signatures_bad"] == 0


def keys_of(machine: Machine) -> list[VertexKey]:
    return [
        VertexKey(branch.author, branch.incarnation, seq)
        for branch in branches(machine)
        for seq in range(branch.held_from, branch.head_seq + 1)
    ]


def test_the_check_sees_a_log_whose_last_signature_of_a_line_went() -> None:
    world = World(NAMES, ("gw",), seed=3)
    world.segment_records = 60
    for name in ("a", "b", "x", "gw"):
        world.boot(name)
    busy(world, Random(3), 60, 0.0)
    x = world.machines["x"]
    graph = x.node.graph
    (branch,) = graph.branches(0)
    for seq in range(branch.head_seq - 3, branch.head_seq + 1):
        place, _ = graph.place(VertexKey(0, branch.incarnation, seq))
        number = (place & 0xFFFF_FFFF) - 1
        frame = decode_vertex(x.log[number].payload)
        assert isinstance(frame, VertexFrame) and decode_header(frame.header).key.seq == seq
        x.log[number] = bare(frame)
    with pytest.raises(AssertionError, match="nothing proves"):
        check_each_start(x)
