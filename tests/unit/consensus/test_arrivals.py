"""Vertices of a damaged log are judged after their past, in whatever order the log has them."""

import pytest

from edge.consensus import sides
from edge.consensus.arrivals import SIDE_WAIT_MS, Arrivals, Heard, Wanted
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.limits import SIDE_VERTICES_MAX
from edge.wire.vertex import Header
from tests.agreement.council import Line

MEMBERS = frozenset({0, 1, 2})


class Log:
    """Every vertex is in the graph; what is told comes one by one."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.quarantined: dict[int, None] = {}
        self.arrivals = Arrivals(self.graph, self.quarantined)

    def insert(self, header: Header) -> Header:
        self.graph.insert(header.key, header.id, self._prev(header))
        return header

    def tell(self, header: Header) -> list[VertexKey]:
        heard = Heard(header, self._prev(header), None)
        return [one.header.key for one in self.arrivals.take(heard, MEMBERS)]

    def release(self, now_ms: float, *, can_ask: bool = True) -> list[VertexKey]:
        return [one.header.key for one in self.arrivals.released(MEMBERS, now_ms, can_ask=can_ask)]

    def show(self, *headers: Header) -> tuple[list[VertexKey], int | None]:
        """A chain beside the line that is held; what was judged, without those on it, and what it hangs above."""
        new, lacking_seq = self.arrivals.beside(headers, b"signature")
        told = [one for heard in new if heard.alias for one in self.arrivals.take(heard, MEMBERS)]
        return [one.key for one in told if one.alias is None], lacking_seq

    @staticmethod
    def _prev(header: Header) -> VertexKey | None:
        return header.key._replace(seq=header.seq - 1) if header.seq > 1 else None


def test_what_lies_above_waits_for_what_lies_below_and_follows_it_at_once() -> None:
    log, a, b = Log(), Line(0), Line(1)
    first = log.insert(a.write((), []))
    second = log.insert(b.write((), [Parent(*first.key, first.id)]))
    third = log.insert(b.write((), []))
    assert log.tell(second) == [] and log.tell(third) == []
    assert len(log.arrivals) == 2 and log.arrivals.waits(1) and not log.arrivals.waits(0)
    assert log.tell(first) == [first.key, second.key, third.key]
    assert len(log.arrivals) == 0


def test_nobody_waits_for_a_device_nor_for_ever_for_who_has_forked() -> None:
    log, device, liar, a = Log(), Line(9), Line(2), Line(0)
    far = device.write((), [])
    gone = liar.write((), [])
    first = log.insert(a.write((), [Parent(*far.key, far.id)]))
    second = log.insert(a.write((), [Parent(*gone.key, gone.id)]))
    third = log.insert(a.write((), []))
    assert log.tell(first) == [first.key]
    assert log.tell(second) == [] and log.tell(third) == []
    log.quarantined[2] = None
    assert log.release(0.0) == log.release(SIDE_WAIT_MS - 1) == []
    assert log.release(SIDE_WAIT_MS) == [second.key, third.key]
    assert len(log.arrivals) == 0


def test_of_who_has_forked_one_line_may_wait_for_the_other() -> None:
    """What waits for the line that is held is freed with what waited for the other one."""
    log, liar, a, b = Log(), Line(2), Line(0), Line(1)
    other = Line(2).write((), [Parent(5, 1, 1, bytes(32))])
    first = log.insert(a.write((), [Parent(*other.key, other.id)]))
    second = log.insert(liar.write((), [Parent(*first.key, first.id)]))
    third = log.insert(b.write((), [Parent(*second.key, second.id)]))
    assert [log.tell(one) for one in (first, second, third)] == [[], [], []]
    log.quarantined[2] = None
    assert log.release(0.0) == [] and log.release(SIDE_WAIT_MS) == [first.key, second.key, third.key]
    assert len(log.arrivals) == 0


def test_a_signature_that_comes_while_a_vertex_waits_is_kept_for_it() -> None:
    log, a, b = Log(), Line(0), Line(1)
    first = log.insert(a.write((), []))
    second = log.insert(b.write((), [Parent(*first.key, first.id)]))
    third = log.insert(b.write((), []))
    assert log.tell(second) == [] and log.tell(third) == []
    log.arrivals.signed(second.id, b"signature")
    told = log.arrivals.take(Heard(first, None, None), MEMBERS)
    assert [(one.header.key, one.signature) for one in told] == [
        (first.key, None),
        (second.key, b"signature"),
        (third.key, None),
    ]


def named(log: Log, line: Line, header: Header) -> Header:
    """A vertex of an honest member that stands on this one."""
    return log.insert(line.write((), [Parent(*header.key, header.id)]))


def forked(length: int) -> tuple[Log, list[Header]]:
    """A log that holds one line of member 2, and knows that there is another."""
    log, held, other = Log(), Line(2), Line(2)
    log.tell(log.insert(held.write((), [])))
    log.quarantined[2] = None
    return log, [other.write((), [Parent(5, 1, 1, bytes(32))]) for _ in range(length)]


def test_another_line_of_who_has_forked_is_part_of_the_past_of_who_stands_on_it() -> None:
    log, other = forked(3)
    a = Line(0)
    first, second = named(log, a, other[0]), named(log, a, other[2])
    assert log.show(*other) == ([], None) and len(log.arrivals.sides) == 0, "nobody stands on it"
    assert log.tell(first) == log.tell(second) == []
    assert log.arrivals.wanted() == [Wanted(other[2].key, 0)], "what is below comes along"
    assert log.show(other[1], other[2]) == ([], 1), "asked from too high up"
    assert log.show(*other) == ([first.key, second.key], None)
    names = [log.arrivals.name(Parent(*one.key, one.id)) for one in other]
    assert [name and name[::2] for name in names] == [(2, 1), (2, 2), (2, 3)]
    assert len({name and name.incarnation for name in names}) == 1 and not {*names} & {one.key for one in other}
    third = named(log, a, other[1])
    assert log.tell(third) == [third.key] and log.arrivals.wanted() == []


def test_a_chain_that_hangs_in_the_air_says_what_it_lacks_and_begins_there() -> None:
    log, other = forked(4)
    assert log.tell(named(log, Line(0), other[3])) == []
    assert log.show(*other[2:]) == ([], 2) and len(log.arrivals.sides) == 0
    told, lacking_seq = log.show(*other)
    assert len(told) == 1 and lacking_seq is None


def test_who_is_alone_waits_and_who_gives_nothing_is_asked_no_more() -> None:
    log, other = forked(2)
    a, b = Line(0), Line(1)
    first, second, of_b = named(log, a, other[0]), named(log, a, other[1]), named(log, b, other[1])
    assert [log.tell(one) for one in (first, second, of_b)] == [[], [], []]
    assert log.release(0.0, can_ask=False) == log.release(9 * SIDE_WAIT_MS, can_ask=False) == []
    assert log.release(10 * SIDE_WAIT_MS) == []
    later = named(log, b, Line(2).write((), [Parent(5, 1, 2, bytes(32))]))
    assert set(log.release(11 * SIDE_WAIT_MS)) == {first.key, second.key, of_b.key}
    assert log.tell(later) == [later.key] and log.arrivals.wanted() == []


def test_a_forked_member_has_room_for_so_much_beside_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SIDE_VERTICES_MAX > 1
    monkeypatch.setattr(sides, "SIDE_VERTICES_MAX", 2)
    log, other = forked(3)
    a = Line(0)
    first, second = named(log, a, other[0]), named(log, a, other[2])
    assert log.tell(first) == log.tell(second) == []
    new, _ = log.arrivals.beside(other, b"signature")
    assert [heard.alias is None for heard in new] == [False, False, True]
    assert [one.header.key for one in log.arrivals.take(new[0], MEMBERS)] == [other[0].key, first.key]
    assert log.release(0.0) == [] and log.release(SIDE_WAIT_MS) == [second.key]
