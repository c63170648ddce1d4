"""What every store must do. An engine's test module subclasses StoreContract and says how to open and reopen one."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.gateway.store import ROWS_MAX, Cursor, Order, Store
from edge.wire.vertex import Header, decode_header
from tests.unit.gateway.vertices import START_MS, build, chain, event, signature


def header_of(raw: bytes) -> Header:
    header = decode_header(raw)
    assert isinstance(header, Header)
    return header


class StoreContract:
    @abstractmethod
    def open(self, path: Path) -> Store:
        """The store that lives under `path`; opened again after `close` it holds the same, if the engine is durable."""

    is_durable = True

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = self.open(tmp_path)
        yield store
        store.close()

    def test_an_empty_store_holds_nothing(self, store: Store) -> None:
        assert store.count() == (0, 0)
        assert list(store.ids()) == [] and list(store.vertices()) == []
        assert store.events() == []
        assert store.frontier() == {}
        assert store.event(1, 1, 1, 0) is None
        assert store.vertex(bytes(32)) is None
        assert store.has([bytes(32)]) == [False]
        assert store.put_many([]) == (0, 0)
        assert "oldest_ms" not in store.stats()

    def test_what_was_put_is_found_by_id_and_by_name(self, store: Store) -> None:
        vertices = chain(3, 5, events_each=4)
        assert store.put_many(vertices) == (5, 20)
        assert store.count() == (5, 20)
        headers = [header_of(raw) for raw, _, _ in vertices]
        assert list(store.ids()) == sorted(header.id for header in headers)
        assert store.has([headers[0].id, bytes(32), headers[4].id]) == [True, False, True]
        assert [store.vertex(header.id) for header in headers] == vertices
        assert list(store.vertices()) == [(header.id, vertex) for header, vertex in zip(headers, vertices, strict=True)]
        found = store.event(3, 1, 2, 3)
        assert found is not None
        assert found == event("bearing", START_MS + 2003)
        assert store.event(3, 1, 2, 4) is None
        assert store.event(3, 1, 2, -1) is None
        assert store.event(3, 2, 2, 0) is None

    def test_the_same_again_adds_nothing(self, store: Store) -> None:
        vertices = chain(1, 3)
        store.put_many(vertices)
        frontier, rows = store.frontier(), store.events()
        assert store.put_many([*vertices, *vertices]) == (0, 0)
        assert store.put_many(vertices[1:2]) == (0, 0)
        assert (store.frontier(), store.events(), store.count()) == (frontier, rows, (3, 6))

    def test_twice_in_one_batch_counts_once(self, store: Store) -> None:
        vertices = chain(1, 2)
        assert store.put_many([*vertices, *vertices]) == (2, 4)
        assert store.count() == (2, 4)

    def test_a_long_batch_may_complete_its_own_vertices(self, store: Store) -> None:
        vertices = chain(1, 200)
        bare = [(raw, None, None) for raw, _, _ in vertices]
        signed = [(raw, signature_, None) for raw, signature_, _ in vertices]
        assert store.put_many([*bare, *vertices[:100], *signed, *vertices]) == (200, 400)
        assert [store.vertex(header_of(raw).id) for raw, _, _ in vertices] == vertices
        assert store.frontier() == {(1, 1): 200}
        assert [row.seq for row in store.events()] == [seq for seq in range(1, 201) for _ in range(2)]

    def test_frontiers_of_many_authors_move_in_one_batch(self, store: Store) -> None:
        chains = [chain(author, 3) for author in range(700)]
        store.put_many([vertex for vertices in chains for vertex in vertices[1:]])
        assert store.frontier() == {(author, 1): 0 for author in range(700)}
        store.put_many([vertices[0] for vertices in chains])
        assert store.frontier() == {(author, 1): 3 for author in range(700)}

    def test_a_later_signature_fills_a_missing_one_and_never_replaces_one(self, store: Store) -> None:
        ((raw, signed, body),) = chain(1, 1)
        id_ = header_of(raw).id
        store.put_many([(raw, None, body)])
        assert store.vertex(id_) == (raw, None, body)
        assert store.put_many([(raw, signed, None)]) == (0, 0)
        assert store.vertex(id_) == (raw, signed, body)
        store.put_many([(raw, b"another", body)])
        store.put_many([(raw, None, body)])
        assert store.vertex(id_) == (raw, signed, body)
        assert store.count() == (1, 2)

    def test_a_later_body_fills_a_missing_one(self, store: Store) -> None:
        ((raw, signed, body),) = chain(1, 1)
        id_ = header_of(raw).id
        assert store.put_many([(raw, signed, None)]) == (1, 0)
        assert store.has([id_]) == [False]
        assert store.event(1, 1, 1, 0) is None
        assert store.frontier() == {(1, 1): 0}
        assert store.put_many([(raw, None, body)]) == (0, 2)
        assert store.put_many([(raw, None, body)]) == (0, 0)
        assert store.has([id_]) == [True]
        assert store.vertex(id_) == (raw, signed, body)
        assert store.frontier() == {(1, 1): 1}
        assert len(store.events()) == 2

    def test_a_vertex_without_events(self, store: Store) -> None:
        header, _ = build(2, 1, None)
        assert store.put_many([(header.raw, signature(header), None)]) == (1, 0)
        assert store.has([header.id]) == [True]
        assert store.frontier() == {(2, 1): 1}

    def test_a_bad_header_or_body_is_our_own_bug_and_writes_nothing(self, store: Store) -> None:
        (first, second) = chain(1, 2)
        store.put_many([first])
        for bad in ((b"\x80", None, None), (second[0], None, b"not the body"), (first[0][:-1], None, None)):
            with pytest.raises(ValueError, match=r"body|header"):
                store.put_many([second, bad])
            assert store.count() == (1, 2)
        assert store.put_many([second]) == (1, 2)

    def test_two_vertices_under_one_name_are_both_kept(self, store: Store) -> None:
        one, one_body = build(1, 1, None, [event(label="a")])
        other, other_body = build(1, 1, None, [event(label="b")])
        store.put_many([(one.raw, None, one_body)])
        assert store.put_many([(other.raw, None, other_body)]) == (1, 1)
        assert list(store.ids()) == sorted([one.id, other.id])
        found = store.event(1, 1, 1, 0)
        assert found is not None
        assert found.values == ("a",)
        assert [row.event.values for row in store.events()] == [("a",), ("b",)]
        assert store.frontier() == {(1, 1): 1}

    def test_a_vertex_by_name_is_the_one_that_came_first(self, store: Store) -> None:
        vertices = chain(4, 3)
        store.put_many(vertices)
        store.put_many(chain(4, 3, agent="other"))
        assert store.named(4, 1, 2) == vertices[1]
        assert store.named(4, 2, 2) is None
        assert store.named(4, 1, 4) is None

    def test_frontier_stops_at_a_gap_and_jumps_when_it_is_filled(self, store: Store) -> None:
        vertices = chain(1, 6)
        store.put_many([vertices[0], vertices[1], vertices[3], vertices[5]])
        assert store.frontier() == {(1, 1): 2}
        store.put_many([vertices[2]])
        assert store.frontier() == {(1, 1): 4}
        store.put_many([vertices[4]])
        assert store.frontier() == {(1, 1): 6}

    def test_frontier_of_a_branch_without_its_start_is_nothing(self, store: Store) -> None:
        vertices = chain(1, 3)
        store.put_many([vertices[2], vertices[1]])
        assert store.frontier() == {(1, 1): 0}
        store.put_many([vertices[0]])
        assert store.frontier() == {(1, 1): 3}

    def test_frontier_of_an_incarnation_starts_where_the_one_before_was_left(self, store: Store) -> None:
        first = chain(1, 3)
        second = chain(1, 2, incarnation=2, after=header_of(first[1][0]))  # the third was lost in a crash
        fresh = chain(1, 2, incarnation=3)  # began again without a log
        store.put_many([second[1], second[0]])
        assert store.frontier() == {(1, 2): 0}
        store.put_many(first[:1])
        assert store.frontier() == {(1, 1): 1, (1, 2): 0}
        store.put_many(first[1:] + fresh)
        assert store.frontier() == {(1, 1): 3, (1, 2): 4, (1, 3): 2}

    def test_frontiers_of_authors_are_apart(self, store: Store) -> None:
        store.put_many([vertex for author in (9, 2, 5) for vertex in chain(author, author)])
        assert store.frontier() == {(2, 1): 2, (5, 1): 5, (9, 1): 9}

    def test_events_by_every_condition(self, store: Store) -> None:
        vertices = [vertex for author in (1, 2) for vertex in chain(author, 3, agent=f"agent-{author}")]
        header, body = build(
            2, 4, None if not vertices else header_of(vertices[-1][0]).id, [event("agent-1", kind="alarm")]
        )
        store.put_many([*vertices, (header.raw, None, body)])

        def names(**conditions: object) -> list[tuple[int, int, int]]:
            return [(row.author, row.seq, row.index) for row in store.events(**conditions)]  # type: ignore[arg-type]

        assert len(names()) == 13
        assert names(node=2, agent="agent-1") == [(2, 4, 0)]
        assert names(agent="agent-1", kind="class") == [(1, seq, i) for seq in (1, 2, 3) for i in (0, 1)]
        assert names(kind="alarm") == [(2, 4, 0)]
        assert names(node=1, since_ms=START_MS + 2001, until_ms=START_MS + 3001) == [(1, 2, 1), (1, 3, 0)]
        assert names(node=7) == names(agent="none") == names(kind="class", since_ms=START_MS + 10_000) == []

    @pytest.mark.parametrize("order", ["arrival", "oldest", "newest"])
    @pytest.mark.parametrize(
        "conditions", [{}, {"node": 2}, {"agent": "b"}, {"kind": "class"}, {"since_ms": START_MS + 3000}]
    )
    def test_pages_join_to_the_whole(self, store: Store, order: Order, conditions: dict[str, object]) -> None:
        for author, agent in ((3, "a"), (1, "b"), (2, "b")):
            store.put_many(chain(author, 5, events_each=3, agent=agent))
        whole = store.events(order=order, **conditions)  # type: ignore[arg-type]
        assert len(whole) > 10
        pages, after = [], None
        while page := store.events(order=order, limit=4, after=after, **conditions):  # type: ignore[arg-type]
            assert len(page) <= 4
            pages += page
            after = page[-1].cursor
        assert pages == whole
        times = [row.event.time_ms for row in whole]
        if order == "arrival":
            assert [row.author for row in whole] == sorted((row.author for row in whole), key=[3, 1, 2].index)
        else:
            assert times == sorted(times, reverse=order == "newest")

    def test_a_follower_sees_late_events_of_the_past(self, store: Store) -> None:
        store.put_many(chain(1, 4)[2:])
        seen = store.events()
        store.put_many(chain(1, 4)[:2])
        fresh = store.events(after=seen[-1].cursor)
        assert [row.seq for row in fresh] == [1, 1, 2, 2]

    def test_rows_max_bounds_an_answer(self, store: Store) -> None:
        store.put_many(chain(1, ROWS_MAX // 64 + 2, events_each=64))
        assert len(store.events(limit=10**9)) == ROWS_MAX
        assert store.events(limit=0) == store.events(limit=-5) == []
        assert len(store.events(after=Cursor(0, 0), limit=3)) == 3

    def test_hostile_words_are_only_data(self, store: Store) -> None:
        kinds = ["'; DROP TABLE events; --", "%", "ж\u202e", '"]']
        header, body = build(1, 1, None, [event(kind=kind, label=kind) for kind in kinds])
        store.put_many([(header.raw, None, body)])
        for kind in kinds:
            (row,) = store.events(kind=kind)
            assert (row.event.kind, row.event.values) == (kind, (kind,))
        assert store.count() == (1, 4)

    def test_extreme_numbers_survive(self, store: Store) -> None:
        events = [
            event(time_ms=0)._replace(values=(-0.0, 1e308, 5e-324, "x")),
            event(time_ms=2**53 - 1)._replace(values=(3.0,), confidence=None, unit="µm/s²", flags=3),
        ]
        header, body = build(2**32 - 1, 2**53 - 1, bytes(32), events, incarnation=2**32 - 1)
        store.put_many([(header.raw, None, body)])
        assert [row.event for row in store.events(order="oldest")] == events
        assert store.event(2**32 - 1, 2**32 - 1, 2**53 - 1, 1) == events[1]

    def test_a_batch_of_any_size(self, store: Store) -> None:
        vertices = chain(1, 3000, events_each=2)
        assert store.put_many(iter(vertices)) == (3000, 6000)
        assert store.frontier() == {(1, 1): 3000}
        assert len(list(store.ids())) == 3000
        assert [vertex for _, vertex in store.vertices()] == vertices

    def test_stats(self, store: Store) -> None:
        store.put_many(chain(1, 2))
        stats = store.stats()
        assert (stats["vertices"], stats["events"]) == (2, 4)
        assert (stats["oldest_ms"], stats["newest_ms"]) == (START_MS + 1000, START_MS + 2001)

    def test_opened_again_it_is_the_same(self, tmp_path: Path) -> None:
        if not self.is_durable:
            pytest.skip("this engine keeps nothing")
        store = self.open(tmp_path)
        store.put_many(chain(1, 3))
        before = (list(store.ids()), store.frontier(), store.events(), store.count())
        store.close()
        store = self.open(tmp_path)
        assert (list(store.ids()), store.frontier(), store.events(), store.count()) == before
        assert store.put_many(chain(1, 5)) == (2, 4)
        store.close()
