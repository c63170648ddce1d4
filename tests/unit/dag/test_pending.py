"""The parking lot: what waits, for what, and how much of it there may be."""

from edge.dag.pending import Candidate, Missing, Pending
from edge.limits import PENDING_BYTES_MAX, PENDING_PER_AUTHOR_MAX
from tests.unit.dag.chains import chain, vertex


def waiting_for(id: bytes, author: int = 1, seq: int = 1) -> Missing:
    return Missing(author, seq, id)


def fat(author: int, seq: int) -> Candidate:
    return vertex(author, seq, bytes(32))._replace(body=bytes(30_000))


def test_an_arrival_frees_in_the_order_of_coming():
    pending = Pending()
    first, second, other = vertex(1, 5, bytes(32)), vertex(2, 5, bytes(32)), vertex(3, 5, bytes(32))
    assert pending.park(first, waiting_for(b"a" * 32))
    assert pending.park(other, waiting_for(b"b" * 32))
    assert pending.park(second, waiting_for(b"a" * 32))
    assert len(pending) == 3 and first.header.id in pending
    assert pending.arrived(b"a" * 32) == [first, second]
    assert pending.arrived(b"a" * 32) == []
    assert len(pending) == 1 and other.header.id in pending
    assert pending.arrived(b"b" * 32) == [other]
    assert (len(pending), pending.size_bytes) == (0, 0)


def test_what_is_parked_itself_is_not_missing():
    pending = Pending()
    one, two, three = chain(1, 3)
    pending.park(three, waiting_for(two.header.id, seq=2))
    assert pending.waits_for(1, 2)
    pending.park(two, waiting_for(one.header.id, seq=1))
    assert pending.missing() == [Missing(1, 1, one.header.id)]
    assert pending.waits_for(1, 1) and not pending.waits_for(1, 2) and not pending.waits_for(2, 1)
    assert pending.arrived(one.header.id) == [two]
    assert pending.missing() == [Missing(1, 2, two.header.id)], "for a moment, until its prev is placed"


def test_an_author_has_only_so_many_places():
    pending = Pending()
    for seq in range(PENDING_PER_AUTHOR_MAX):
        assert pending.park(vertex(1, seq + 2, bytes(32)), waiting_for(bytes(32)))
    assert not pending.park(vertex(1, 9999, bytes(32)), waiting_for(bytes(32)))
    assert pending.park(vertex(2, 2, bytes(32)), waiting_for(bytes(32))), "the others have theirs"
    assert len(pending.arrived(bytes(32))) == PENDING_PER_AUTHOR_MAX + 1
    assert pending.park(vertex(1, 9999, bytes(32)), waiting_for(bytes(32))), "and there is room again"


def test_all_together_have_only_so_many_bytes():
    pending = Pending()
    count = 0
    while pending.park(vertex(count % 50, 2 + count // 50, bytes(32), pad=5000), waiting_for(bytes(32))):
        count += 1
    assert PENDING_BYTES_MAX - 9000 < pending.size_bytes <= PENDING_BYTES_MAX
    assert len(pending) == count and pending.evicted == 0
    pending.arrived(bytes(32))
    assert pending.size_bytes == 0


def test_who_takes_up_most_gives_way_to_the_others():
    pending = Pending()
    greedy = []
    while pending.park(one := fat(1, 2 + len(greedy)), waiting_for(bytes(32), seq=7)):
        greedy.append(one)
    assert pending.size_bytes > PENDING_BYTES_MAX - 40_000
    others = [fat(author, seq) for seq in range(2, 12) for author in range(2, 8)]
    for other in others:
        assert pending.park(other, waiting_for(b"x" * 32, author=other.header.author))
        assert pending.size_bytes <= PENDING_BYTES_MAX
    assert all(other.header.id in pending for other in others)
    kept = [one for one in greedy if one.header.id in pending]
    assert len(kept) == len(greedy) - pending.evicted > len(others) / 6, "no less than any of them"
    assert kept == greedy[: len(kept)], "what came last went first"
    assert not pending.park(greedy[-1], waiting_for(bytes(32)))
    assert pending.arrived(bytes(32)) == kept
    assert pending.arrived(b"x" * 32) == others
    assert (pending.size_bytes, len(pending), pending.missing()) == (0, 0, [])


def test_what_the_disk_holds_does_not_give_way():
    pending = Pending()
    while pending.park(fat(1, 2 + len(pending))._replace(place=9), waiting_for(bytes(32))):
        pass
    assert not pending.park(fat(2, 2), waiting_for(bytes(32)))
    assert pending.evicted == 0


def test_who_waits_is_known_by_name():
    pending = Pending()
    one, other = vertex(1, 5, bytes(32)), vertex(1, 5, b"o" * 32)
    for candidate in (one, other):
        assert pending.park(candidate, waiting_for(candidate.header.prev, seq=4))
    assert pending.names(one.header.key) and not pending.names(one.header.key._replace(seq=6))
    pending.arrived(bytes(32))
    assert pending.names(other.header.key), "there were two of one name"
    pending.arrived(b"o" * 32)
    assert not pending.names(one.header.key)


def test_who_waits_tells_the_line_of_what_is_missing():
    pending = Pending()
    base = vertex(1, 4, bytes(32), incarnation=2).header
    missing = Missing(1, 4, base.id)
    for incarnation in (9, 8):
        named = base._replace(key=base.key._replace(incarnation=incarnation))
        liar = vertex(2, incarnation, bytes(32), parents=[named])
        assert pending.park(liar, missing)
    assert pending.lines_of(missing) == [9], "each who waits has one word"
    assert pending.park(vertex(3, 2, bytes(32), parents=[base]), missing)
    assert pending.park(vertex(1, 5, base, incarnation=3), missing)
    assert pending.park(vertex(4, 2, bytes(32), parents=[base]), missing)
    assert pending.lines_of(missing) == [9, 2, 3]
