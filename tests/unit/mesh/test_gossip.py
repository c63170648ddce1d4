"""What a node says unasked: parents in turn, and frontiers neither too often nor too rarely."""

from edge.ids import Instant, Parent
from edge.limits import PARENTS_DEVICE_MAX
from edge.mesh.gossip import FRONTIER_FIRST_MS, FRONTIER_REPEAT_MS, Gossip


def at(ms: float) -> Instant:
    return Instant(ms, 0)


def in_company() -> Gossip:
    gossip = Gossip(1000, 0.5)
    gossip.company(until_ms=1e9)
    return gossip


def heard(gossip: Gossip, author: int, seq: int = 1, ms: float = 0) -> None:
    gossip.accepted(Parent(author, 1, seq, bytes([author]) * 32), author * 100 + seq, at(ms))


def taken(gossip: Gossip) -> list[tuple[int, int]]:
    parents, clocks = gossip.take_parents()
    assert list(clocks) == [parent.author * 100 + parent.seq for parent in parents]
    assert [parent.author for parent in parents] == sorted({parent.author for parent in parents})
    return [(parent.author, parent.seq) for parent in parents]


def test_the_newest_and_the_one_that_waited_longest():
    gossip = Gossip(1000, 0.5)
    for author in (1, 2, 3, 4):
        heard(gossip, author)
    assert taken(gossip) == [(1, 1), (4, 1)]
    assert taken(gossip) == [(2, 1), (3, 1)]
    assert taken(gossip) == [], "a head is named once"


def test_an_author_is_named_by_its_newest_head():
    gossip = Gossip(1000, 0.5)
    for seq in range(1, 50):
        heard(gossip, 7, seq)
    heard(gossip, 8)
    assert taken(gossip) == [(7, 49), (8, 1)]


def test_no_vertex_names_more_parents_than_a_device_may():
    gossip = Gossip(1000, 0.5)
    for author in range(40):
        heard(gossip, author)
    assert len(taken(gossip)) == PARENTS_DEVICE_MAX


def test_a_burst_costs_one_frontier():
    gossip = in_company()
    assert gossip.frontier_due() == 0, "nobody knows us yet"
    gossip.said(at(5000), is_whole=True)
    for ms in range(7000, 7100, 10):
        heard(gossip, 1, ms=ms)
    assert gossip.frontier_due() == 7000 + FRONTIER_FIRST_MS
    gossip.said(at(7200), is_whole=False)
    heard(gossip, 1, ms=7201)
    assert gossip.frontier_due() == 8200, "not more often than the interval"


def test_silence_is_broken_now_and_then_and_not_by_all_at_once():
    dues = []
    for jitter in (0.0, 0.5, 0.99):
        gossip = Gossip(1000, jitter)
        gossip.said(at(0), is_whole=True)
        dues.append(gossip.frontier_due())
    assert dues == sorted(set(dues))
    assert dues[0] > 0.6 * FRONTIER_REPEAT_MS and dues[-1] < 1.4 * FRONTIER_REPEAT_MS


def test_a_new_connection_is_told_at_once():
    gossip = Gossip(1000, 0.5)
    gossip.said(at(5000), is_whole=True)
    gossip.say_soon()
    assert gossip.frontier_due() == 0


def test_to_nobody_who_could_lack_it_a_change_is_not_said():
    gossip = Gossip(1000, 0.5)
    gossip.said(at(5000), is_whole=True)
    gossip.changed(at(7000))
    assert gossip.frontier_due() == 5000 + FRONTIER_REPEAT_MS
    gossip.company(until_ms=9000)
    assert gossip.frontier_due() == 7000 + FRONTIER_FIRST_MS, "somebody has come who may lack it"
    gossip.said(at(7200), is_whole=False)
    gossip.changed(at(9001))
    assert gossip.frontier_due() == 7200 + FRONTIER_REPEAT_MS, "they have not been heard since"


def test_all_is_said_at_first_now_and_then_and_to_who_comes():
    gossip = in_company()
    assert gossip.is_whole_due(at(0))
    gossip.said(at(0), is_whole=True)
    gossip.changed(at(500))
    assert gossip.frontier_due() == 1000 and not gossip.is_whole_due(at(1000))
    gossip.said(at(1000), is_whole=False)
    assert gossip.is_whole_due(at(FRONTIER_REPEAT_MS)), "parts do not put it off"
    gossip.said(at(FRONTIER_REPEAT_MS), is_whole=True)
    gossip.met(at(11_000))
    assert not gossip.is_whole_due(at(11_000)), "the broker has told them: what was said last was all"
    assert gossip.frontier_due() == 11_000 + FRONTIER_FIRST_MS
    gossip.said(at(11_500), is_whole=False)
    gossip.met(at(12_600))
    assert gossip.is_whole_due(at(12_600)) and gossip.frontier_due() == 12_600 + FRONTIER_FIRST_MS
