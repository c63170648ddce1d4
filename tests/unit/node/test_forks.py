"""Two signed vertices under one name: found wherever they lie, proven, kept, and known again after a restart."""

from edge.wire import suite
from edge.wire.frame import Channel, encode_vertex
from edge.wire.vertex import Header, encode_header
from tests.builders import SUITE, WALL_MS, Machine, World, signer

THIEF = 2
"""The member whose key somebody uses twice."""


def site(*names: str) -> World:
    world = World([*names, "thief"])
    for name in names:
        world.boot(name)
    world.deliver()
    return world


def branch(world: World, length: int, mark: int, after: Header | None = None) -> list[Header]:
    """`length` vertices of the thief; another `mark` makes another branch."""
    made: list[Header] = []
    for _ in range(length):
        after = encode_header(
            suite=SUITE, site=world.roster.site, epoch=1, author=THIEF, incarnation=1,
            seq=after.seq + 1 if after else 1, prev=after.id if after else None, parents=(),
            hlc=(WALL_MS + mark) << 16, body=None,
        )  # fmt: skip
        made.append(after)
    return made


def signed(header: Header) -> bytes:
    message = suite.sig_structure(SUITE, suite.PURPOSE_VERTEX, header.raw)
    return encode_vertex(header.raw, signer("thief").sign(message, deterministic=True), None)


def tell(machine: Machine, headers: list[Header]) -> None:
    for header in headers:
        machine.do(machine.node.receive(Channel.VERTEX, signed(header), machine.world.now))


def quarantined(world: World) -> list[list[int]]:
    return [machine.node.status(world.now)["quarantined"] for machine in world.up()]


def test_branches_of_equal_length_are_noticed() -> None:
    world = site("a", "b")
    a, b = world.up()
    common = branch(world, 3, 0)
    tell(a, common + branch(world, 4, 1, common[-1]))
    tell(b, common + branch(world, 4, 2, common[-1]))
    assert a.node.graph.highest_seq(THIEF) == b.node.graph.highest_seq(THIEF) == 7
    world.run(15)
    assert quarantined(world) == [[THIEF], [THIEF]]
    before = a.node.counts()["requests_sent"], b.node.counts()["requests_sent"]
    world.run(30)
    assert (a.node.counts()["requests_sent"], b.node.counts()["requests_sent"]) == before, "proven: nothing is asked"
    assert a.node.counts()["gaps"] == b.node.counts()["gaps"] == 0


def test_branches_of_unequal_length_are_noticed_by_both() -> None:
    world = site("a", "b")
    a, b = world.up()
    common = branch(world, 3, 0)
    tell(a, common + branch(world, 100, 1, common[-1]))
    tell(b, common + branch(world, 4, 2, common[-1]))
    world.run(30)
    assert quarantined(world) == [[THIEF], [THIEF]]
