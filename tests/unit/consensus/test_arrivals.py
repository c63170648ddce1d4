"""Vertices of a damaged log are judged after their past, in whatever order the log has them."""

from edge.consensus.arrivals import Arrivals, Heard
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
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


def test_nobody_waits_for_a_device_or_for_who_has_forked() -> None:
    log, device, liar, a = Log(), Line(9), Line(2), Line(0)
    far = device.write((), [])
    gone = liar.write((), [])
    first = log.insert(a.write((), [Parent(*far.key, far.id)]))
    second = log.insert(a.write((), [Parent(*gone.key, gone.id)]))
    third = log.insert(a.write((), []))
    assert log.tell(first) == [first.key]
    assert log.tell(second) == [] and log.tell(third) == []
    log.quarantined[2] = None
    assert [one.header.key for one in log.arrivals.released(MEMBERS)] == [second.key, third.key]
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
    assert [one.header.key for one in log.arrivals.released(MEMBERS)] == [first.key, second.key, third.key]
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
