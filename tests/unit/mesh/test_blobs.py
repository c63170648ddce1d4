"""Whom a fetch asks for what, and how a server takes its time."""

from collections.abc import Iterator
from itertools import count

import pytest

from edge.ids import Instant
from edge.limits import BLOB_CHUNK_BYTES, BLOB_SERVE_BYTES_PER_S, BLOB_SERVE_MAX
from edge.mesh.blobs import (
    DISTRUST_MS,
    FLIGHT_MS_MAX,
    LOOK_MS,
    PATIENCE_MS,
    PATIENCE_MS_MAX,
    REQUEST_COST_BYTES,
    SEEKERS_MAX,
    TIMEOUT_MS,
    Ask,
    Fetch,
    Serving,
)
from edge.wire.blob import BlobRequest


def at(ms: float) -> Instant:
    return Instant(ms, 0)


@pytest.fixture
def fetch() -> Fetch:
    numbers: Iterator[int] = count(1)
    return Fetch(lambda: next(numbers))


def test_while_nothing_is_known_several_are_asked_for_the_manifest(fetch: Fetch) -> None:
    asks = fetch.asks(lambda: range(9), 4, at(0))
    assert asks == [Ask(to, to + 1, ()) for to in range(SEEKERS_MAX)]
    assert fetch.asks(lambda: range(9), 4, at(LOOK_MS)) == []
    fetch.lacks(2, at(LOOK_MS + 1))
    assert [ask.to for ask in fetch.asks(lambda: range(9), 4, at(LOOK_MS + 1))] == [4], (
        "a no brings in the next at once"
    )


def test_while_nobody_has_proven_good_each_is_asked_for_another_chunk(fetch: Fetch) -> None:
    fetch.needs(range(3))
    assert [(ask.to, ask.chunks) for ask in fetch.asks(lambda: range(9), 2, at(0))] == [(0, (0,)), (1, (1,))]
    assert fetch.in_flight == 2


def test_whoever_has_proven_good_gets_all_there_is_room_for_and_nobody_else(fetch: Fetch) -> None:
    fetch.needs(range(9))
    (first, *_) = fetch.asks(lambda: [5], 4, at(0))
    assert fetch.expects(5, first.correlation, 0)
    fetch.took(5, 0, at(1))
    assert fetch.asks(lambda: range(9), 4, at(1)) == [Ask(5, 2, (1, 2, 3, 4))]
    assert fetch.asks(lambda: range(9), 4, at(LOOK_MS * 2)) == []
    assert fetch.missing == 8


def test_only_what_was_asked_is_expected_and_only_once(fetch: Fetch) -> None:
    fetch.needs([7])
    (ask,) = fetch.asks(lambda: [5], 4, at(0))
    for sender, correlation, part in ((4, ask.correlation, 7), (5, ask.correlation + 1, 7), (5, ask.correlation, 6)):
        assert not fetch.expects(sender, correlation, part)
    assert not fetch.expects(5, ask.correlation, None)
    assert fetch.expects(5, ask.correlation, 7)
    assert not fetch.expects(5, ask.correlation, 7)


def test_silence_frees_the_chunks_for_another(fetch: Fetch) -> None:
    fetch.needs(range(2))
    fetch.asks(lambda: [5], 4, at(0))
    assert fetch.deadline() <= TIMEOUT_MS
    assert fetch.asks(lambda: [5], 4, at(TIMEOUT_MS - 1)) == []
    assert [(ask.to, ask.chunks) for ask in fetch.asks(lambda: [5, 6], 4, at(TIMEOUT_MS))] == [(6, (0,))]
    assert fetch.timeouts == 1


def test_a_trickle_is_silence_in_the_end(fetch: Fetch) -> None:
    fetch.needs(range(99))
    (first,) = fetch.asks(lambda: [5], 1, at(0))
    assert fetch.expects(5, first.correlation, 0)
    fetch.took(5, 0, at(0))
    (ask,) = fetch.asks(lambda: [5], 40, at(0))
    ms = 0.0
    for number in ask.chunks:
        ms += TIMEOUT_MS - 1
        fetch.asks(list, 0, at(ms))
        if not fetch.expects(5, ask.correlation, number):
            break
        fetch.took(5, number, at(ms))
    assert ms < FLIGHT_MS_MAX + 2 * TIMEOUT_MS and fetch.timeouts == 1


def test_patience_grows_and_has_an_end(fetch: Fetch) -> None:
    now, pauses = 0.0, []
    for _ in range(9):
        while not fetch.asks(lambda: [5], 4, at(now)):
            now += LOOK_MS
        begun = now
        fetch.lacks(5, at(now))
        while not fetch.asks(lambda: [5], 4, at(now)):
            now += 50
            assert now - begun <= PATIENCE_MS_MAX + LOOK_MS
        pauses.append(now - begun)
        fetch.lacks(5, at(now))
        now += PATIENCE_MS_MAX
    assert PATIENCE_MS <= pauses[0] < pauses[1] < pauses[2]


def test_a_lie_costs_ten_minutes(fetch: Fetch) -> None:
    fetch.needs([0])
    fetch.asks(lambda: [5], 4, at(0))
    fetch.lied(5, at(0))
    assert fetch.asks(lambda: [5], 4, at(DISTRUST_MS - 1)) == []
    assert fetch.asks(lambda: [5], 4, at(DISTRUST_MS + LOOK_MS))


def test_nothing_wakes_the_node_when_all_is_there(fetch: Fetch) -> None:
    fetch.needs([])
    assert fetch.is_complete and fetch.deadline() == float("inf")
    assert fetch.asks(lambda: [5], 4, at(0)) == []


# ---- serving


def request(sender: int, *chunks: int, correlation: int = 1) -> BlobRequest:
    return BlobRequest(b"sitesite", sender, correlation, bytes(32), chunks)


def test_one_part_is_read_at_a_time_and_members_take_turns() -> None:
    serving = Serving()
    one, two = request(1, 0, 1), request(2, 5)
    assert serving.offer(one) and serving.offer(two)
    now, order = 0.0, []
    while (found := serving.next(at(now))) is not None:
        assert serving.next(at(now)) is None, "the next one waits until this one is sent"
        order.append((found[0].sender, found[1]))
        serving.done(found[0], BLOB_CHUNK_BYTES, at(now))
        assert serving.next(at(now)) is None
        now = serving.deadline() if serving.deadline() < float("inf") else now + 1000
    assert order == [(1, 0), (2, 5), (1, 1)]
    parts = 2 * (BLOB_CHUNK_BYTES + REQUEST_COST_BYTES)
    assert now - 1000 == pytest.approx(parts * 1000 / BLOB_SERVE_BYTES_PER_S)


def test_a_newer_request_takes_the_place_of_the_older_one() -> None:
    serving = Serving()
    serving.offer(request(1, 0, 1))
    serving.offer(request(1, 7, correlation=2))
    found = serving.next(at(0))
    assert found is not None and found[1] == 7
    serving.done(found[0], 1, at(0))
    assert serving.deadline() == float("inf")


def test_nothing_more_is_read_for_a_request_that_has_no_hope() -> None:
    serving = Serving()
    serving.offer(request(1, 0, 1, 2))
    found = serving.next(at(0))
    assert found is not None
    serving.done(found[0], None, at(0))
    assert serving.next(at(1e9)) is None


def test_so_many_members_wait_and_no_more() -> None:
    serving = Serving()
    assert all(serving.offer(request(member)) for member in range(BLOB_SERVE_MAX))
    assert not serving.offer(request(99))
    assert serving.offer(request(3, 1))
