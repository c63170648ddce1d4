"""The policy alone: what is covered, which segment is needed, how many go."""

from edge.dag.coverage import coverage
from edge.dag.cut import heads_below
from edge.dag.floor import FloorLine
from edge.dag.graph import Branch, Graph
from edge.dag.records import place_of, segment_of
from edge.effects import Report, Trim
from edge.ids import VertexKey
from edge.limits import LOG_SEGMENTS_MIN, LOG_TRIM_SHARE, LOG_TRIMMED_SHARE
from edge.node import trim
from edge.node.trim import NEVER, first_needed, floor_lines, last_to_drop
from tests.builders import Machine, World, event


def branch_of(incarnation: int, first_seq: int, segments: list[int], base: VertexKey | None = None) -> Branch:
    branch = Branch(1, incarnation, first_seq, base)
    for number, segment in enumerate(segments):
        branch.ids += bytes(32)
        branch.places.append(place_of(segment, number) if segment else 0)
        branch.signed.append(0)
    return branch


def test_an_acknowledgement_covers_what_its_line_continues_and_not_a_lost_tail() -> None:
    first = branch_of(1, 1, [1] * 10)
    second = branch_of(2, 8, [2] * 4, VertexKey(1, 1, 7))
    third = branch_of(3, 12, [3] * 2, VertexKey(1, 2, 11))
    said = {1: 0, 2: 0, 3: 12}
    assert coverage([first, second, third], lambda branch: said[branch.incarnation]) == {1: 7, 2: 11, 3: 12}
    said = {1: 3, 2: 9, 3: 0}
    assert coverage([first, second, third], lambda branch: said[branch.incarnation]) == {1: 7, 2: 9, 3: 0}
    assert coverage([first, second, third], lambda branch: 0) == {1: 0, 2: 0, 3: 0}


def test_the_oldest_segment_with_something_uncovered_is_needed() -> None:
    branch = branch_of(1, 1, [1, 1, 2, 5, 3, 4])
    assert first_needed(branch, 0) == 1
    assert first_needed(branch, 2) == 2
    assert first_needed(branch, 3) == 3, "a hole that was mended later lies further on"
    assert first_needed(branch, 6) == NEVER
    assert first_needed(branch_of(1, 1, [0, 0]), 0) == NEVER, "what is not on the disk yet is judged by `newest`"


def test_nothing_above_an_end_is_needed() -> None:
    branch = branch_of(1, 1, [3, 3, 2, 1])
    assert [first_needed(branch, 0, end) for end in (0, 2, 3, 4)] == [NEVER, 3, 2, 1]
    assert first_needed(branch, 2, 2) == first_needed(branch, 3, 1) == NEVER


def test_so_many_go_that_the_log_is_below_half_and_the_newest_stays() -> None:
    segments = tuple((number, 0.1) for number in range(3, 10))  # 70 %
    assert last_to_drop(segments, NEVER, 9) == 5
    assert last_to_drop(segments, 5, 9) == 4
    assert last_to_drop(segments, 3, 9) == 0
    assert last_to_drop(segments, NEVER, 4) == 3
    assert last_to_drop(((1, 0.9), (2, 0.05), (3, 0.05)), NEVER, 3) == 1
    assert last_to_drop(((1, 0.5), (2, 0.5)), NEVER, 2) == 1
    assert last_to_drop(((1, 1.0),), NEVER, 1) == 0
    assert last_to_drop((), NEVER, 0) == 0


def test_the_floor_of_a_line_is_the_highest_that_goes() -> None:
    graph = Graph()
    prev = None
    for seq, segment in enumerate([1, 4, 2, 3], 1):  # the second was fetched again after damage
        key = VertexKey(1, 1, seq)
        graph.insert(key, bytes([seq]) * 32, prev, place_of(segment, 0))
        prev = key
    third, fourth = FloorLine(1, 1, 3, b"\x03" * 32, 1, 0), FloorLine(1, 1, 4, b"\x04" * 32, 1, 0)
    assert floor_lines(graph, 2) == ([third], [third])
    graph.forget(third)
    assert floor_lines(graph, 2) == ([third], []), "an older floor stays written"
    assert floor_lines(graph, 3) == ([fourth], [fourth])
    assert graph.deepen(third.key, [(third.id, place_of(5, 0), 0), (b"\x02" * 32, place_of(5, 9), 0)], b"\x01" * 32)
    assert floor_lines(graph, 2) == ([third], []), "a floor is never written lower than it was"
    assert floor_lines(graph, 3) == ([fourth], [fourth])
    assert graph.deepen(VertexKey(1, 1, 1), [(b"\x01" * 32, place_of(6, 0), 0)], None)
    graph.set_place(VertexKey(1, 1, 4), place_of(7, 0))
    assert floor_lines(graph, 4) == ([third], [])
    assert floor_lines(graph, 5) == ([third], [third])


def small() -> tuple[World, Machine]:
    """A device whose log a gateway has acknowledged, in segments of ten records; its share is what the test says."""
    world = World(["a", "gw"], ("gw",))
    world.segment_records = 10
    a, _ = world.boot_all()
    for number in range(20):
        a.submit(event(number), urgent=True)
        world.run(0.2)
    return world, a


def share_of(machine: Machine, share: float) -> tuple[tuple[int, float], ...]:
    machine.world.log_records = 1000
    segments = machine.segments()
    return tuple((number, share / len(segments)) for number, _ in segments)


def trims(machine: Machine, share: float) -> list[Trim]:
    effects = machine.node.log_share(share, machine.world.now, share_of(machine, share))
    return [effect for effect in effects if isinstance(effect, Trim)]


def test_nothing_goes_below_the_share_and_one_trim_at_a_time_above_it() -> None:
    world, a = small()
    assert trims(a, LOG_TRIM_SHARE - 0.01) == []
    (first,) = trims(a, LOG_TRIM_SHARE + 0.01)
    segments = share_of(a, LOG_TRIM_SHARE + 0.01)
    assert sum(share for number, share in segments if number >= first.before) < LOG_TRIMMED_SHARE
    assert sum(share for number, share in segments if number >= first.before - 1) >= LOG_TRIMMED_SHARE
    assert trims(a, 0.99) == [], "the first is still under way"
    world.ms += trim.PAUSE_MS + 1
    a.do(a.node.trimmed(first.ticket, None, world.now))
    assert a.node.counts()["trims_refused"] == 1
    (again,) = trims(a, 0.99)
    assert again.before - 1 <= share_of(a, 0.99)[-1][0] - LOG_SEGMENTS_MIN


def test_a_floor_too_long_to_be_read_back_is_not_written(monkeypatch) -> None:
    monkeypatch.setattr(trim, "FLOOR_BYTES_MAX", 10)
    _, a = small()
    effects = a.node.log_share(0.7, a.world.now, share_of(a, 0.7))
    assert [effect.event for effect in effects if isinstance(effect, Report)] == ["log-floor-too-large"]
    assert not any(isinstance(effect, Trim) for effect in effects)


def test_what_lies_above_a_cut_holds_nobodys_log() -> None:
    """No gateway has to take it, so it may never be acknowledged; what lies below is kept until it is."""
    world = World(["a", "x", "gw"], ("gw",))
    world.segment_records = 5
    a, x, gateway = world.boot_all()
    x.submit(event(0), urgent=True)
    world.run(3.0)
    cut = heads_below(a.node.graph, x.index)
    gateway.kill()
    for number in range(1, 20):
        x.submit(event(number), urgent=True)
        world.run(0.2)
    end = heads_below(a.node.graph, x.index)
    first, last = (segment_of(a.node.graph.place(head.key)[0]) for head in (*cut, *end))

    def needed() -> int:
        return a.node._trimmer._needed(world.roster)

    assert first <= needed() < last, "what no gateway has acknowledged"
    a.node._admission.evict(x.index, end)
    assert first <= needed() < last, "all of it is below this cut"
    a.node._admission.evict(x.index, cut)
    assert needed() == last
