"""A record that rots in the log of a node which runs: what the mesh still has comes again, and is sent on."""

import pytest

from edge.dag import graph as graphs
from edge.dag.records import SIGNATURE, VERTEX, Record
from edge.dag.verify import verify_log
from edge.ids import VertexKey
from edge.limits import LOST_MAX
from edge.wire.frame import Channel, decode_vertex, encode_vertex
from edge.wire.vertex import decode_header
from tests.builders import AUTHORITY, Machine, World, event
from tests.unit.node import test_forks

AUTHOR, KEEPER, OTHER, LATE = range(4)


def site(count: int = 6, gateways: tuple[str, ...] = ()) -> tuple[World, list[tuple[int, int, int]]]:
    """An author's vertices at two keepers; one more member was not there yet."""
    world = World(["author", "keeper", "other", "late"], gateways)
    author, *_ = (world.boot(name) for name in world.names[:3])
    for number in range(count):
        author.submit(event(number), urgent=True)
        world.run(0.5)
    world.run(2)
    keys = [(AUTHOR, author.node.incarnation, seq) for seq in range(1, count + 1)]
    return world, keys


def only_from(world: World, server: int, asker: int) -> None:
    """Whoever comes late hears this one alone."""
    world.fate = lambda sender, to, channel: int(to != asker or sender == server)


def said(machine: Machine) -> list[str]:
    return [report.event for report in machine.reports if report.level != "debug"]


def copies(machine: Machine, key: tuple[int, ...]) -> list[int]:
    """The numbers of the records of this vertex that can be read."""
    return [
        number
        for number, record in enumerate(machine.log, machine.dropped)
        if number not in machine.rotten
        and record.type == VERTEX
        and decode_header(decode_vertex(record.payload).header).key == key
    ]


def test_what_rotted_in_a_keeper_comes_again_and_is_sent_on() -> None:
    world, keys = site()
    author, keeper, other = world.up()
    author.stop()
    keeper.rot(keys[2])
    keeper.rot(keys[3])
    only_from(world, KEEPER, LATE)
    late = world.boot("late")
    world.run(25)
    assert late.frontier() == keeper.frontier() == other.frontier()
    assert said(keeper).count("record-damaged") == said(keeper).count("record-mended") == 2
    assert all(len(copies(keeper, key)) == 1 for key in keys)
    counts = keeper.node.counts()
    assert counts["records_damaged"] == counts["records_mended"] == 2
    assert counts["records_lacking"] == keeper.node.status(world.now)["records_lacking"] == 0
    log = [record for number, record in enumerate(keeper.log) if number not in keeper.rotten]
    assert verify_log(log, world.roster, AUTHORITY.public_key, own=KEEPER)[0].faults == ()
    keeper.kill()
    assert world.boot("keeper", link=False).node.counts()["pending"] == 0, "the next start finds it, too"


def test_while_nobody_has_it_the_keeper_says_that_it_lacks_it_and_goes_on_asking() -> None:
    world, keys = site()
    author, keeper, other = world.up()
    author.stop()
    other.is_up = False
    keeper.rot(keys[2])
    only_from(world, KEEPER, LATE)
    late = world.boot("late")
    world.run(25)
    assert keeper.node.status(world.now)["records_lacking"] == 1
    assert late.node.graph.highest_seq(AUTHOR) == 2
    other.is_up = True
    other.do(other.node.linked(True, world.now))
    world.run(80)
    assert keeper.node.status(world.now)["records_lacking"] == 0
    assert late.frontier() == keeper.frontier()


def test_another_body_is_not_what_was_lost() -> None:
    world, keys = site()
    author, keeper, _ = world.up()
    frames = {}
    for record in author.log:
        if record.type == VERTEX:
            frames[decode_header(decode_vertex(record.payload).header).key] = decode_vertex(record.payload)
    signature = next(record for record in author.log if record.type == SIGNATURE).payload[32:]
    keeper.rot(keys[0])
    world.fate = lambda sender, to, channel: 0
    spots = keeper.node._readback.spots([decode_header(frames[keys[0]].header).key])
    keeper.node._readback.load(spots, lambda found, now: None)
    keeper.do(keeper.node.tick(world.now))
    forged = encode_vertex(frames[keys[0]].header, signature, frames[keys[1]].body)
    keeper.do(keeper.node.receive(Channel.VERTEX, forged, world.now))
    assert keeper.node.counts()["refused_body_root"] == 1
    assert keeper.node.counts()["records_lacking"] == 1
    true = encode_vertex(frames[keys[0]].header, signature, frames[keys[0]].body)
    keeper.do(keeper.node.receive(Channel.VERTEX, true, world.now))
    assert keeper.node.counts()["records_lacking"] == 0 and copies(keeper, keys[0])


def test_a_gateway_takes_it_from_its_own_store() -> None:
    world, keys = site(gateways=("keeper",))
    author, keeper, other = world.up()
    author.stop()
    other.is_up = False
    keeper.rot(keys[2])
    only_from(world, KEEPER, LATE)
    late = world.boot("late")
    world.run(20)
    assert late.frontier() == keeper.frontier()
    assert copies(keeper, keys[2]), "and its log has it once more"


def test_a_store_that_is_behind_waits_for_the_other_copy_and_acknowledges_no_hole() -> None:
    world = World(["author", "keeper", "other"], ("keeper",))
    author, _ = world.boot("author"), world.boot("other")
    for number in range(601):
        author.submit(event(number), urgent=True)
        world.run(0.05)
    keeper = world.boot("keeper", link=False)
    keeper.store_full = True
    keeper.do(keeper.node.linked(True, world.now))
    world.run(10)
    behind = min(keeper.node.custody._behind.values())
    lost = (AUTHOR, author.node.incarnation, behind + 5)
    keeper.rot(lost)
    world.fate = lambda sender, to, channel: int(to != KEEPER or channel is not Channel.REPLY)
    keeper.store_has_room()
    world.run(10)
    assert author.node.custody.acked_seq == behind + 4
    assert not any(decode_header(raw).key == lost for raw in keeper.archived)
    world.fate = lambda sender, to, channel: 1
    world.run(30)
    assert author.node.custody.acked_seq == 601
    assert any(decode_header(raw).key == lost for raw in keeper.archived)


def test_our_own_signature_that_rotted_is_made_once_more() -> None:
    world = World(["author", "late"])
    author = world.boot("author")
    author.submit(event(1), urgent=True)
    number = next(number for number, record in enumerate(author.log) if record.type == SIGNATURE)
    author.rotten[number] = None
    late = world.boot("late")
    world.run(20)
    assert late.node.graph.highest_seq(0) == 1
    assert author.node.counts()["records_damaged"] == 1 and author.node.counts()["records_lacking"] == 0


def test_a_proof_waits_for_our_side_to_come_again() -> None:
    world = test_forks.site("a", "b")
    a, b = world.up()
    common = test_forks.branch(world, 3, 0)
    line = test_forks.branch(world, 4, 1, common[-1])
    for machine in (a, b):
        test_forks.tell(machine, common + line)
    a.rot(line[0].key)
    test_forks.tell(a, test_forks.branch(world, 1, 2, common[-1]))
    assert not test_forks.proofs(a)
    world.run(10)
    assert len(test_forks.proofs(a)) == 1


def test_so_many_are_noted_as_lost_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LOST_MAX > 100
    monkeypatch.setattr(graphs, "LOST_MAX", 2)
    world, keys = site()
    author, keeper, _ = world.up()
    author.stop()
    for key in keys[1:5]:
        keeper.rot(key)
    only_from(world, KEEPER, LATE)
    late = world.boot("late")
    seen = []
    for _ in range(60):
        world.run(0.5)
        seen.append(keeper.node.counts()["records_lacking"])
    assert max(seen) == 2
    assert late.frontier() == keeper.frontier(), "the others were found lost later"


def test_a_record_is_only_lost_where_it_lies_now() -> None:
    world, keys = site()
    keeper = world.machines["keeper"]
    graph = keeper.node.graph
    key = decode_header(decode_vertex(keeper.log[copies(keeper, keys[0])[0]].payload).header).key
    place, _ = graph.place(key)
    assert not graph.lose(key, place + 1)
    assert graph.lose(key, place) and not graph.lose(key, place)
    assert isinstance(keeper.log[0], Record)


def test_a_signature_that_lies_before_what_its_vertex_hangs_above_is_found_by_the_next_start() -> None:
    world, keys = site()
    author = world.machines["author"]
    author.kill()
    author.rot(keys[1])
    world.boot("author")
    world.run(15)
    author = world.machines["author"]
    (mended,) = copies(author, keys[1])
    author.kill(lose=len(author.log) - 1 - mended)  # with what it signed anew
    again = world.boot("author")
    assert all(again.node.graph.place(VertexKey(*key))[1] for key in keys)
