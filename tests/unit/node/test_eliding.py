"""Which signatures may go, when that is asked for, and what a node does without them."""

from typing import Any

import pytest

from edge.dag.eliding import Elided, Span
from edge.dag.floor import FloorLine
from edge.dag.graph import Graph
from edge.dag.records import SIGNATURE, VERTEX, place_of
from edge.effects import Effect, Elide, Load, Persist, Report, Trim, Verify
from edge.ids import VertexKey
from edge.limits import LOG_ELIDE_SHARE, LOG_TRIM_SHARE
from edge.node import eliding
from edge.node.eliding import spans_of
from edge.wire import suite
from edge.wire.frame import Channel, VertexFrame, decode_vertex, encode_vertex
from edge.wire.vertex import Header, decode_header
from tests.builders import SUITE, Machine, World, event, signer
from tests.property.test_eliding import fill, signatures
from tests.unit.node.test_pruning import busy, site


def graph_of(*rows: tuple[int, bool], base: tuple[int, bool] | None = None) -> Graph:
    """One line: of each vertex its segment, 0 for none, and whether its signature lies with it; above another line of
    one vertex, if there is a `base`."""
    graph = Graph()
    prev = None
    if base is not None:
        prev = VertexKey(1, 1, 1)
        place = place_of(base[0], 7)
        graph.insert(prev, bytes(32), None, place, place if base[1] else 0)
    for number, (segment, is_signed) in enumerate(rows):
        key = VertexKey(1, 2, number + (2 if base else 1))
        place = place_of(segment, 100 * number + 9) if segment else 0
        graph.insert(key, bytes([number]) * 32, prev, place, place if is_signed else 0)
        prev = key
    return graph


def spans(graph: Graph, segment: int, through_seq: int = 99) -> list[tuple[int, ...]]:
    branch = graph.branch(1, 2)
    assert branch is not None
    return [(*span[2:], count, signed) for span, count, signed in spans_of(graph, branch, segment, through_seq)]


def test_of_a_segment_what_lies_there_may_go_up_to_where_others_have_it() -> None:
    graph = graph_of(*[(1, True)] * 4, *[(2, True)] * 5, *[(3, True)] * 2)
    assert spans(graph, 1) == [(1, 4, 4, 4)]
    assert spans(graph, 2) == [(5, 9, 5, 5)]
    assert spans(graph, 2, through_seq=6) == [(5, 6, 2, 5)]
    assert [row[2:] for row in spans(graph, 2, through_seq=4)] == [(0, 5)]
    assert spans(graph, 4) == []


def test_the_first_of_a_run_stays_where_the_vertex_below_has_none() -> None:
    assert spans(graph_of((1, True), (1, False), *[(2, True)] * 4), 2) == [(4, 6, 3, 4)]
    assert spans(graph_of((1, True), (1, False), (2, False), *[(2, True)] * 3), 2) == [(5, 6, 2, 3)]
    assert spans(graph_of((1, True), (0, False), *[(2, True)] * 4), 2) == [(4, 6, 3, 4)], "it is on its way"
    assert spans(graph_of(*[(2, True)] * 4, base=(1, True)), 2) == [(2, 5, 4, 4)]
    assert spans(graph_of(*[(2, True)] * 4, base=(1, False)), 2) == [(3, 5, 3, 4)]


def test_below_a_floor_nothing_depends_on_a_signature() -> None:
    graph = Graph()
    graph.set_floor(FloorLine(1, 2, 3, bytes(32), 1, 0))
    for seq in (4, 5, 6):
        place = place_of(2, seq)
        graph.insert(VertexKey(1, 2, seq), bytes([seq]) * 32, VertexKey(1, 2, seq - 1), place, place)
    assert spans(graph, 2) == [(4, 6, 3, 3)]


def test_what_is_lost_or_was_written_once_more_ends_a_run() -> None:
    rows = [(2, True)] * 8
    rows[3] = (0, False)
    assert spans(graph_of(*rows), 2) == [(1, 3, 3, 3), (6, 8, 3, 4)]


def test_only_places_that_are_said_are_forgotten() -> None:
    graph = graph_of(*[(1, True)] * 4)
    places = [graph.place(VertexKey(1, 2, seq))[0] for seq in range(1, 5)]
    graph.forget_signatures(Span(1, 2, 2, 3), frozenset(places))
    assert [bool(graph.place(VertexKey(1, 2, seq))[1]) for seq in range(1, 5)] == [True, False, False, True]
    assert [graph.place(VertexKey(1, 2, seq))[0] for seq in range(1, 5)] == places
    graph.forget_signatures(Span(9, 9, 1, 9), frozenset(places))


# ---- a node


def two(count: int = 60) -> tuple[World, Machine, Machine]:
    """A device, and another one that holds its line, all of it acknowledged."""
    world = World(["a", "b", "gw"], ("gw",))
    world.segment_records = 40
    a, b, _ = world.boot_all()
    for number in range(count):
        a.submit(event(number), urgent=True)
        world.run(0.2)
    world.run(2)
    return world, a, b


def looks(machine: Machine, share: float) -> list[Effect]:
    """What it wants when its log is so full."""
    segments = machine.segments()
    rows = tuple((number, share / len(segments)) for number, _ in segments)
    return machine.node.log_share(share, machine.world.now, rows)


def elisions(effects: list[Effect]) -> list[Elide]:
    return [effect for effect in effects if isinstance(effect, Elide)]


def test_nothing_goes_below_the_share_and_one_segment_at_a_time_above_it() -> None:
    world, a, _ = two()
    assert LOG_ELIDE_SHARE < LOG_TRIM_SHARE / 1.5
    assert elisions(looks(a, LOG_ELIDE_SHARE - 0.01)) == []
    effects = looks(a, LOG_ELIDE_SHARE + 0.01)
    (first,) = elisions(effects)
    assert not any(isinstance(effect, Trim) for effect in effects), "signatures go before anything is dropped"
    assert first.segment == a.segments()[0][0], "the oldest first"
    assert elisions(looks(a, 0.5)) == [], "the first is still under way"
    (report,) = [one for one in a.node.elided(first.ticket, None, world.now) if isinstance(one, Report)]
    assert report.event == "log-elide-refused" and a.node.counts()["elisions_refused"] == 1
    assert elisions(looks(a, 0.5)) == [], "the disk has no room now"
    world.ms += eliding.ROUND_MS + 1
    (second,) = elisions(looks(a, 0.5))
    assert second.segment > first.segment
    a.node.elided(second.ticket, Elided(), world.now)
    assert a.node.counts()["elided_signatures"] == 0


def test_a_segment_that_had_nothing_to_give_is_left_alone_until_much_more_may_go() -> None:
    world, a, _ = two()
    seen: dict[int, int] = {}
    for _ in range(60):
        for effect in elisions(looks(a, 0.5)):
            seen[effect.segment] = seen.get(effect.segment, 0) + 1
            a.node.elided(effect.ticket, Elided(), world.now)
        world.ms += 1000
    assert seen and set(seen.values()) == {1}
    assert max(seen) < a.segments()[-1][0], "never the one being written"


def test_what_goes_is_told_and_counted() -> None:
    _, a, b = two()
    for machine in (a, b):
        before = signatures(machine)
        gone = fill(machine)
        assert gone == before - signatures(machine) > 30
        status = machine.node.status(machine.world.now)
        assert status["elided_signatures"] == gone and status["elided_bytes"] >= 2420 * gone
        said = [dict(report.fields) for report in machine.reports if report.event == "log-elided"]
        assert sum(one["signatures"] for one in said) == gone
        assert sum(one["bytes"] for one in said) == status["elided_bytes"]


def test_what_nobody_else_surely_has_keeps_its_signature() -> None:
    world = World(["a", "b"])
    world.segment_records = 40
    a, b = world.boot_all()
    for number in range(60):
        a.submit(event(number), urgent=True)
        world.run(0.2)
    assert fill(a) == fill(b) == 0


def test_what_a_checkpoint_has_sealed_may_go_at_leaves_and_members() -> None:
    world = site()
    world.segment_records = 60
    world.room_of = {}
    busy(world, 100)
    for name in ("x", "a"):
        machine = world.machines[name]
        sealed = machine.node.voting.sealing.lines_by("site", 1)
        assert fill(machine, 30) > 20
        for branch in machine.node.graph.lines():
            bare = [branch.start + at for at, signed in enumerate(branch.signed) if not signed and branch.places[at]]
            line = (branch.author, branch.incarnation)
            assert all(seq <= machine.node.voting.sealing.lines_by("site", 1).get(line, 0) for seq in bare)
        assert sealed
    world.run(30)
    assert world.is_converged()


def test_of_who_forked_every_signature_stays() -> None:
    for mark in ("quarantined", "conflicts"):
        _, _, b = two()
        getattr(b.node._admission, mark)[0] = None
        if mark == "conflicts":
            b.node._forks._tried[0] = None
        segments = [number for number, _ in b.segments()[:-1]]
        for segment in segments:
            assert not [1 for span, count, _ in b.node._trimmer._eliding._spans(segment) if count and span.author == 0]


def test_of_whose_votes_are_still_to_be_shown_every_signature_stays() -> None:
    _, _, b = two()
    eliding = b.node._trimmer._eliding
    key = VertexKey(0, b.node.graph.branches(0)[0].incarnation, 5)
    assert eliding.does_without(key)
    b.node.voting.agreement.unsigned = lambda: [key]  # type: ignore[method-assign]
    assert not eliding.does_without(key)
    fill(b)
    (branch,) = b.node.graph.branches(0)
    assert all(branch.signed)


def frames_of(a: Machine, seqs: range) -> dict[int, bytes]:
    """What a device has said of its line, with signatures."""
    found = {}
    for record in a.log:
        frame = decode_vertex(record.payload) if record.type == VERTEX else None
        if isinstance(frame, VertexFrame):
            header = decode_header(frame.header)
            assert isinstance(header, Header)
            if header.author == a.index and header.seq in seqs:
                message = suite.sig_structure(SUITE, suite.PURPOSE_VERTEX, header.raw)
                signature = signer(a.name).sign(message, deterministic=True)
                found[header.seq] = encode_vertex(header.raw, signature, frame.body)
    return found


def test_who_says_again_what_was_elided_costs_a_look_up_and_no_record() -> None:
    world, a, b = two()
    fill(b)
    (branch,) = b.node.graph.branches(0)
    bare = [branch.start + at for at, signed in enumerate(branch.signed) if not signed]
    assert len(bare) > 20
    for payload in frames_of(a, range(bare[0], bare[-1] + 1)).values():
        effects = b.node.receive(Channel.VERTEX, payload, world.now)
        assert not any(isinstance(effect, Verify | Persist) for effect in effects)


def test_the_signature_of_what_nothing_near_above_covers_is_taken() -> None:
    world, a, b = two()
    (branch,) = b.node.graph.branches(0)
    for at in range(len(branch.signed) - 5, len(branch.signed)):
        branch.signed[at] = 0  # as if a power cut had taken the end of an answer
    (payload,) = frames_of(a, range(branch.head_seq - 2, branch.head_seq - 1)).values()
    effects = b.node.receive(Channel.VERTEX, payload, world.now)
    assert any(isinstance(effect, Verify) for effect in effects)


def test_a_start_signs_again_only_what_nothing_covers() -> None:
    world, a, _ = two()
    fill(a)
    before = signatures(a)
    a.submit(event(1000), urgent=True)
    while a.log[-1].type == SIGNATURE:
        a.log.pop()
    a.kill()
    a = world.boot("a")
    assert signatures(a) <= before + 2
    (branch,) = a.node.graph.branches(0)
    assert branch.signed[-1], "the last, whose signature a crash took, has one again"
    world.run(1)
    assert world.is_converged()


@pytest.mark.parametrize("name", ["a", "b"])
def test_what_is_read_while_its_signature_goes_is_no_damage(name: str) -> None:
    """The journal answers in order: the rewrite first, then what was asked for before the node heard of it."""
    _, a, b = two()
    machine = {"a": a, "b": b}[name]
    graph = machine.node.graph
    (branch,) = graph.branches(0)
    keys = [VertexKey(0, branch.incarnation, seq) for seq in range(3, 9)]
    found: list[Any] = []
    machine.node._readback.load(machine.node._readback.spots(keys), lambda read, now: found.extend(read))
    (load,) = [effect for effect in machine.node._desk.take() if isinstance(effect, Load)]
    assert fill(machine) > 20 and not any(graph.place(key)[1] for key in keys)
    machine.do([load])
    assert [one is not None and one.signature for one in found] == [None] * len(keys)
    assert not graph.lost and machine.node.counts()["records_damaged"] == 0
    assert all(graph.place(key)[0] for key in keys)
