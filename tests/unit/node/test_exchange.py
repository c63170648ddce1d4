"""Who was away gets what it lacks, once."""

from edge.dag.pending import Candidate, Missing
from edge.ids import Instant, Parent
from edge.limits import REPAIR_FLIGHT_BYTES, TICKETS_MAX
from edge.mesh.repair import ANY_INCARNATION, Request
from edge.wire.vertex import encode_header
from tests.builders import World, event

AUTHORS = ["a", "b", "c", "d"]


def test_lines_that_name_each_other_come_once_though_no_answer_holds_them_all() -> None:
    world = World([*AUTHORS, "late"])
    machines = dict(zip([*AUTHORS, "late"], world.boot_all(), strict=True))
    for name in AUTHORS:
        machines[name].submit(event(0), urgent=True)
    world.run(3)
    assert world.is_converged()
    machines["late"].kill()
    for number in range(1, 31):
        for name in AUTHORS:
            machines[name].submit(*[event(number, pad=64)] * 60)
        world.run(0.2)
    world.run(3)
    for name in AUTHORS[1:]:
        machines[name].kill()
    late = world.boot("late")
    world.run(12)
    counts = late.node.counts()
    assert world.is_converged() and counts["vertices"] == 4 * 31
    assert counts["parked"] > 0 and counts["requests_sent"] > 1
    assert sum(len(record.payload) for record in late.log) > 1.5 * REPAIR_FLIGHT_BYTES
    assert counts["duplicates"] == 0, "what waits for another line was not asked for once more"


def test_nothing_is_asked_for_while_the_disk_is_behind() -> None:
    world = World(["a", "late"])
    author, late = world.boot_all()
    late.kill()
    author.submit(event(1), urgent=True)
    world.run(1)
    late = world.boot("late")
    desk = late.node._desk
    tickets = [desk.ticket(lambda result, now: None) for _ in range(TICKETS_MAX // 2 + 1)]
    author.do(author.node.linked(True, world.now))
    world.run(2)
    assert late.node.counts()["requests_sent"] == 0 and late.node.counts()["gaps"] == 1
    assert late.node.deadline() > world.ms, "and nobody turns in circles meanwhile"
    late.do(late.node.stored(tickets[0], (), world.now))
    world.run(0.1)
    assert late.node.counts()["requests_sent"] == 1
    world.run(1)
    assert world.is_converged()


def test_of_an_author_each_vertex_that_is_missing_is_asked_for_in_turn_though_nobody_has_the_one() -> None:
    """A liar shows us alone what another vertex of its stands on, and others stand on the other side of its fork."""
    world = World(["x", "peer", "liar"])
    x, peer, liar = world.boot_all()
    liar.submit(event(1), urgent=True)
    world.run(1)
    ((held, _),) = ((tip.key, tip.id) for tip in x.node.graph.tips(liar.index))
    life = held.incarnation
    for number, seq in enumerate((held.seq, held.seq + 1), 1):
        parent = Parent(liar.index, life, seq, bytes([number]) * 32)
        header = encode_header(
            suite=1, site=world.roster.site, epoch=1, author=peer.index, incarnation=7, seq=number + 1, prev=bytes(32),
            parents=[parent], hlc=0, body=None, items=(),
        )  # fmt: skip
        assert x.node._pending.park(Candidate(header, None, None), Missing(liar.index, seq, parent.id))
    asked: set[int] = set()
    requests_due = x.node._exchange.repair.requests_due

    def noted(now: Instant) -> list[Request]:
        requests = requests_due(now)
        wants = [want for request in requests for want in request.wants if want.author == liar.index]
        asked.update(want.through_seq for want in wants if want.incarnation == ANY_INCARNATION)
        return requests

    x.node._exchange.repair.requests_due = noted  # type: ignore[method-assign]
    world.run(30)
    assert asked == {held.seq, held.seq + 1}
